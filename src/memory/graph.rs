//! The graph file: a hierarchical navigable small world, flat and mapped. Derived; it can be built again from the vectors.

use std::path::Path;

use super::codec::u32_at;
use super::manifest::check_crc;
use super::mapping::{Mapped, bytes_of_u32};
use super::vectors::Vectors;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"ECHOICGR";
const VERSION: u32 = 1;
const HEADER: usize = 64;
/// Fills the free slots behind a row's neighbours.
pub(super) const NONE: u32 = u32::MAX;

/// A graph in memory, as the builder makes it and the file holds it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FlatGraph {
    /// Slots of a row on level 0, and on each level above.
    pub degree: usize,
    pub upper_degree: usize,
    /// Where a walk begins: a row of the highest level.
    pub entry: u32,
    /// `rows × degree` neighbours on level 0.
    pub base: Vec<u32>,
    /// Level 1 first: its rows in ascending order, and `rows × upper_degree` neighbours.
    pub upper: Vec<(Vec<u32>, Vec<u32>)>,
    /// (row in the graph, row with the same vector that is not), ascending.
    pub twins: Vec<(u32, u32)>,
}

impl FlatGraph {
    /// The graph as a file that belongs to `vectors`.
    pub(super) fn encode(&self, vectors_crc: u32) -> Vec<u8> {
        let rows = self.base.len() / self.degree;
        let mut body: Vec<u32> = self.upper.iter().map(|(rows, _)| rows.len() as u32).collect();
        body.extend_from_slice(&self.base);
        for (rows, neighbours) in &self.upper {
            body.extend_from_slice(rows);
            body.extend_from_slice(neighbours);
        }
        body.extend(self.twins.iter().flat_map(|(row, twin)| [*row, *twin]));
        let mut file = Vec::with_capacity(HEADER + body.len() * 4);
        file.extend_from_slice(MAGIC);
        let numbers = [
            VERSION,
            rows as u32,
            self.degree as u32,
            self.upper_degree as u32,
            self.upper.len() as u32,
            self.entry,
            self.twins.len() as u32,
            vectors_crc,
            crc32fast::hash(bytes_of_u32(&body)),
        ];
        file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        file.resize(HEADER - 4, 0);
        file.extend_from_slice(&crc32fast::hash(&file).to_le_bytes());
        file.extend_from_slice(bytes_of_u32(&body));
        file
    }
}

/// A mapped graph. Every number in it has been checked to name a row.
pub(super) struct Graph {
    map: Mapped,
    pub entry: u32,
    degree: usize,
    upper_degree: usize,
    rows: usize,
    /// Where in the body each level above 0 begins, and its number of rows; level 1 first.
    upper: Vec<(usize, usize)>,
    twins: (usize, usize),
}

impl Graph {
    /// Maps and checks a graph; `None` when there is no file.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a file that is not wholly sound, or that was built on other vectors.
    pub(super) fn open(path: &Path, vectors: &Vectors, rows: usize) -> Result<Option<Self>> {
        let map = match Mapped::open(path) {
            Ok(map) => map,
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = map.bytes();
        if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
            return Err(Error::damaged(path, 0, "another kind of file", "the magic number ECHOICGR"));
        }
        check_crc(path, 60, crc32fast::hash(&bytes[..60]), u32_at(bytes, 60))?;
        let identity = (u32_at(bytes, 8), u32_at(bytes, 12) as usize, u32_at(bytes, 36));
        if identity != (VERSION, rows, vectors.data_crc()) {
            let expected = format!("{:?}", (VERSION, rows, vectors.data_crc()));
            return Err(Error::damaged(path, 8, format!("{identity:?}"), expected));
        }
        check_crc(path, HEADER as u64, crc32fast::hash(&bytes[HEADER..]), u32_at(bytes, 40))?;
        Self::check(map, rows)
            .map(Some)
            .ok_or_else(|| Error::damaged(path, HEADER as u64, "numbers that make no graph", "links between rows"))
    }

    /// Finds the parts of the body; `None` when they do not fill it exactly or name rows that do not exist.
    fn check(map: Mapped, rows: usize) -> Option<Self> {
        let header = &map.bytes()[..HEADER];
        let [degree, upper_degree, levels, entry, twins] = [16, 20, 24, 28, 32].map(|at| u32_at(header, at) as usize);
        let body = map.integers(HEADER);
        let is_row = |number: &u32| (*number as usize) < rows;
        let is_slot = |number: &u32| is_row(number) || *number == NONE;
        let base_end = levels.checked_add(rows.checked_mul(degree)?)?;
        let mut upper = Vec::new();
        let mut at = base_end;
        for count in body.get(..levels)? {
            let count = *count as usize;
            let ids = body.get(at..at.checked_add(count)?)?;
            let links = body.get(at + count..(at + count).checked_add(count.checked_mul(upper_degree)?)?)?;
            if !ids.iter().all(is_row) || !ids.is_sorted() || !links.iter().all(is_slot) {
                return None;
            }
            upper.push((at, count));
            at += count + links.len();
        }
        let pairs = body.get(at..)?;
        let fits = degree > 0 && is_row(&(entry as u32)) && pairs.len() == twins.checked_mul(2)?;
        if !fits || !body.get(levels..base_end)?.iter().all(is_slot) || !pairs.iter().all(is_row) {
            return None;
        }
        let twins = (at, twins);
        Some(Self { map, entry: entry as u32, degree, upper_degree, rows, upper, twins })
    }

    fn body(&self) -> &[u32] {
        self.map.integers(HEADER)
    }

    /// Rows of the segment.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Levels above level 0.
    pub(super) fn levels(&self) -> usize {
        self.upper.len()
    }

    /// The neighbours of a row on level 0.
    pub(super) fn neighbours(&self, row: u32) -> &[u32] {
        let start = self.upper.len() + row as usize * self.degree;
        filled(&self.body()[start..start + self.degree])
    }

    /// The neighbours of a row on a level above 0; none when the row is not there.
    pub(super) fn upper_neighbours(&self, level: usize, row: u32) -> &[u32] {
        let (at, count) = self.upper[level - 1];
        let Ok(index) = self.body()[at..at + count].binary_search(&row) else { return &[] };
        let start = at + count + index * self.upper_degree;
        filled(&self.body()[start..start + self.upper_degree])
    }

    /// The rows that have the same vector as `row` and stand behind it in the graph.
    pub(super) fn twins(&self, row: u32) -> impl Iterator<Item = u32> {
        let (at, count) = self.twins;
        let pairs = self.body()[at..at + 2 * count].as_chunks::<2>().0;
        let first = pairs.partition_point(|pair| pair[0] < row);
        pairs[first..].iter().take_while(move |pair| pair[0] == row).map(|pair| pair[1])
    }
}

/// The neighbours before the free slots.
pub(super) fn filled(slots: &[u32]) -> &[u32] {
    let len = slots.iter().position(|slot| *slot == NONE).unwrap_or(slots.len());
    &slots[..len]
}
