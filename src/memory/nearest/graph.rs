//! The graph file: a hierarchical navigable small world with the codes of its vectors, flat and mapped. Derived; it can be built again
//! from the vectors.

use std::path::Path;

use super::codes::{Codes, OwnedCodes};
use super::links::Links;
use crate::memory::format::blocks::{self, BLOCK, Blocks};
use crate::memory::format::codec::u32_at;
use crate::memory::format::manifest::check_crc;
use crate::memory::format::mapping::{Mapped, bytes_of, bytes_of_codes, bytes_of_u32};
use crate::memory::format::vectors::Vectors;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"ECHOICGR";
const VERSION: u32 = 3;
const HEADER: usize = 64;
/// Words of a calibrated point.
const POINT: usize = 3;
/// Fills the free slots behind a row's neighbours.
pub(crate) const NONE: u32 = u32::MAX;

/// A graph in memory, as the builder makes it and the file holds it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FlatGraph {
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
    pub duplicates: Vec<(u32, u32)>,
}

/// What walks with a margin did for queries unlike the stored vectors, on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Calibrated {
    pub margin: f32,
    /// The share of the 10 best that they found.
    pub recall: f32,
    /// The rows that they compared.
    pub compared: u32,
}

/// What a graph file consists of.
pub(crate) struct Parts<'a> {
    pub graph: &'a FlatGraph,
    pub codes: &'a OwnedCodes,
    pub calibration: &'a [Calibrated],
}

/// Where the sections of the body lie, in bytes from its start.
#[derive(Debug, Clone, PartialEq)]
struct Sections {
    codes: usize,
    errors: usize,
    /// Each level above 0: where it begins, and its number of rows.
    upper: Vec<(usize, usize)>,
    duplicates: usize,
    end: usize,
}

/// The numbers of the header.
#[derive(Debug, Clone, Copy)]
struct Shape {
    rows: usize,
    dim: usize,
    degree: usize,
    upper_degree: usize,
    duplicates: usize,
}

impl Sections {
    /// `None` when the numbers are too large for any file.
    fn of(shape: Shape, levels: &[u32]) -> Option<Self> {
        let after = |start: usize, count: usize, size: usize| {
            start.checked_add(count.checked_mul(size)?)?.checked_next_multiple_of(64)
        };
        let codes = after(0, shape.rows, shape.degree.checked_mul(4)?)?;
        let errors = after(codes, shape.rows, shape.dim)?;
        let mut end = after(errors, shape.rows, 4)?;
        let mut upper = Vec::with_capacity(levels.len());
        for rows in levels {
            upper.push((end, *rows as usize));
            end = after(end, *rows as usize, shape.upper_degree.checked_add(1)?.checked_mul(4)?)?;
        }
        let duplicates = end;
        let end = duplicates.checked_add(shape.duplicates.checked_mul(8)?)?;
        Some(Self { codes, errors, upper, duplicates, end })
    }
}

impl Parts<'_> {
    /// The file that belongs to vectors with that checksum.
    pub(crate) fn encode(&self, vectors_crc: u32) -> Result<Vec<u8>> {
        let (graph, codes) = (self.graph, self.codes);
        let shape = Shape {
            rows: graph.base.len() / graph.degree,
            dim: codes.scales.len(),
            degree: graph.degree,
            upper_degree: graph.upper_degree,
            duplicates: graph.duplicates.len(),
        };
        let levels: Vec<u32> = graph.upper.iter().map(|(rows, _)| rows.len() as u32).collect();
        let sections =
            Sections::of(shape, &levels).ok_or_else(|| Error::Internal("a graph beyond all sizes".into()))?;
        let mut body = vec![0; sections.end];
        let mut put = |at: usize, bytes: &[u8]| body[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, bytes_of_u32(&graph.base));
        put(sections.codes, bytes_of_codes(&codes.codes));
        put(sections.errors, bytes_of(&codes.errors));
        for ((rows, neighbours), (at, count)) in graph.upper.iter().zip(&sections.upper) {
            put(*at, bytes_of_u32(rows));
            put(at + 4 * count, bytes_of_u32(neighbours));
        }
        let duplicates: Vec<u32> = graph.duplicates.iter().flat_map(|(row, duplicate)| [*row, *duplicate]).collect();
        put(sections.duplicates, bytes_of_u32(&duplicates));

        let mut table = bytes_of_u32(&levels).to_vec();
        for calibrated in self.calibration {
            table.extend_from_slice(&calibrated.margin.to_le_bytes());
            table.extend_from_slice(&calibrated.recall.to_le_bytes());
            table.extend_from_slice(&calibrated.compared.to_le_bytes());
        }
        table.extend_from_slice(bytes_of(&codes.scales));
        table.extend_from_slice(bytes_of_u32(&blocks::checksums(&body)));

        let mut file = MAGIC.to_vec();
        let numbers = [
            VERSION,
            shape.rows as u32,
            shape.degree as u32,
            shape.upper_degree as u32,
            levels.len() as u32,
            graph.entry,
            shape.duplicates as u32,
            vectors_crc,
            crc32fast::hash(&table),
            shape.dim as u32,
            self.calibration.len() as u32,
        ];
        file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        file.resize(HEADER - 4, 0);
        file.extend_from_slice(&crc32fast::hash(&file).to_le_bytes());
        file.extend_from_slice(&table);
        file.resize(file.len().next_multiple_of(BLOCK), 0);
        file.extend_from_slice(&body);
        Ok(file)
    }
}

/// A mapped graph. Header and tables have been checked; the rest is when it is first read.
pub(crate) struct Graph {
    body: Blocks,
    pub entry: u32,
    shape: Shape,
    sections: Sections,
    scales: Vec<f32>,
    calibration: Vec<Calibrated>,
}

impl Graph {
    /// Maps a graph and checks its header and tables; `None` when there is no file, or one of an earlier version, which is
    /// built anew.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a file that is not sound, or that was built on other vectors.
    pub(crate) fn open(path: &Path, vectors: &Vectors, rows: usize) -> Result<Option<Self>> {
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
        if (1..VERSION).contains(&u32_at(bytes, 8)) {
            return Ok(None);
        }
        let [degree, upper_degree, levels, entry, duplicates, dim, calibrated] =
            [16, 20, 24, 28, 32, 44, 48].map(|at| u32_at(bytes, at) as usize);
        let identity = (u32_at(bytes, 8), u32_at(bytes, 12) as usize, dim, u32_at(bytes, 36));
        let expected = (VERSION, rows, vectors.dim(), vectors.data_crc());
        if identity != expected {
            return Err(Error::damaged(path, 8, format!("{identity:?}"), format!("{expected:?}")));
        }
        let shape = Shape { rows, dim, degree, upper_degree, duplicates };
        let misfit = || Error::damaged(path, 12, "sizes that do not make up the file", "the sizes of its sections");
        let known = levels.checked_add(POINT * calibrated).and_then(|n| n.checked_add(dim)).ok_or_else(misfit)?;
        let level_rows: Vec<u32> = integers(bytes.get(HEADER..).unwrap_or_default(), levels).ok_or_else(misfit)?;
        let sections = Sections::of(shape, &level_rows).ok_or_else(misfit)?;
        let words = known + blocks::count(sections.end);
        let table = bytes.get(HEADER..HEADER + 4 * words).ok_or_else(misfit)?;
        let start = (HEADER + table.len()).next_multiple_of(BLOCK);
        if bytes.len() != start + sections.end || entry >= rows || degree == 0 {
            return Err(misfit());
        }
        check_crc(path, HEADER as u64, crc32fast::hash(table), u32_at(bytes, 40))?;
        if let Some(at) = bytes[HEADER + table.len()..start].iter().position(|byte| *byte != 0) {
            return Err(Error::damaged(path, (HEADER + table.len() + at) as u64, "a byte in the padding", "0"));
        }
        let numbers = integers(table, words).ok_or_else(misfit)?;
        let points = numbers[levels..levels + POINT * calibrated].as_chunks::<POINT>().0;
        let point = |[margin, recall, compared]: &[u32; POINT]| Calibrated {
            margin: f32::from_bits(*margin),
            recall: f32::from_bits(*recall),
            compared: *compared,
        };
        let calibration = points.iter().map(point).collect();
        let scales = numbers[levels + POINT * calibrated..known].iter().map(|scale| f32::from_bits(*scale)).collect();
        let checksums = numbers[known..].to_vec();
        let body = Blocks::new(map, start, checksums);
        Ok(Some(Self { body, entry: entry as u32, shape, sections, scales, calibration }))
    }

    /// Compares every checksum, and that every number names a row.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the place.
    pub(crate) fn verify(&self) -> Result<()> {
        self.body.verify()?;
        let is_row = |number: &u32| (*number as usize) < self.shape.rows || *number == NONE;
        let links = &self.body.integers()[..self.shape.rows * self.shape.degree];
        let rest = self.sections.upper.first().map_or(self.sections.duplicates, |first| first.0) / 4;
        let odd = links.iter().chain(&self.body.integers()[rest..self.sections.end / 4]).any(|number| !is_row(number));
        match odd {
            true => {
                Err(Error::damaged(self.body.path(), BLOCK as u64, "numbers that make no graph", "links between rows"))
            }
            false => Ok(()),
        }
    }

    /// True once a walk met a block without its checksum: what it found then is not to be used.
    pub(crate) fn is_broken(&self) -> bool {
        self.body.is_broken()
    }

    /// How good walks are and what they cost; ascending.
    pub(crate) fn calibration(&self) -> &[Calibrated] {
        &self.calibration
    }

    /// The codes. Those of rows that [`Links::is_sound`] has not looked at may be damaged.
    pub(crate) fn codes(&self) -> Codes<'_> {
        let Shape { rows, dim, .. } = self.shape;
        let errors = &self.body.floats()[self.sections.errors / 4..][..rows];
        let codes = &self.body.bytes()[self.sections.codes..][..rows * dim];
        Codes { codes: crate::memory::format::mapping::codes_of(codes), scales: &self.scales, errors }
    }

    /// Compares the codes and errors of these rows with their checksums.
    pub(crate) fn codes_are_sound(&self, rows: std::ops::Range<usize>) -> bool {
        let Sections { codes, errors, .. } = self.sections;
        let dim = self.shape.dim;
        self.body.is_sound(codes + rows.start * dim..codes + rows.end * dim)
            && self.body.is_sound(errors + 4 * rows.start..errors + 4 * rows.end)
    }

    /// The numbers from a byte of the body on, if they are sound; else none.
    fn numbers(&self, at: usize, count: usize) -> &[u32] {
        if count > 0 && self.body.is_sound(at..at + 4 * count) {
            &self.body.integers()[at / 4..at / 4 + count]
        } else {
            &[]
        }
    }
}

impl Links for Graph {
    fn rows(&self) -> usize {
        self.shape.rows
    }
    fn entry(&self) -> u32 {
        self.entry
    }
    fn levels(&self) -> usize {
        self.sections.upper.len()
    }
    fn base(&self, row: u32) -> &[u32] {
        filled(self.numbers(row as usize * self.shape.degree * 4, self.shape.degree))
    }
    fn upper(&self, level: usize, row: u32) -> &[u32] {
        let (at, count) = self.sections.upper[level - 1];
        let Ok(index) = self.numbers(at, count).binary_search(&row) else { return &[] };
        filled(self.numbers(at + 4 * (count + index * self.shape.upper_degree), self.shape.upper_degree))
    }
    fn duplicates(&self, row: u32) -> impl Iterator<Item = u32> {
        let numbers = self.numbers(self.sections.duplicates, 2 * self.shape.duplicates);
        let rows = self.shape.rows;
        duplicates_of(numbers.as_chunks::<2>().0, row, |pair| pair[0])
            .map(|pair| pair[1])
            .filter(move |row| (*row as usize) < rows)
    }
    fn is_sound(&self, row: u32) -> bool {
        let (start, dim) = (self.sections.codes, self.shape.dim);
        self.body.is_sound(start + row as usize * dim..start + (row as usize + 1) * dim)
    }
    fn prefetch(&self, row: u32) {
        let degree = self.shape.degree;
        if let Some(slots) = self.body.integers().get(row as usize * degree..(row as usize + 1) * degree) {
            crate::simd::prefetch(slots);
        }
    }
}

/// The first `count` little-endian integers; `None` when there are fewer.
fn integers(bytes: &[u8], count: usize) -> Option<Vec<u32>> {
    let (words, _) = bytes.get(..count.checked_mul(4)?)?.as_chunks::<4>();
    Some(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
}

/// The pairs of `row`, of pairs in ascending order.
pub(crate) fn duplicates_of<T>(pairs: &[T], row: u32, of: impl Fn(&T) -> u32) -> impl Iterator<Item = &T> {
    let first = pairs.partition_point(|pair| of(pair) < row);
    pairs[first..].iter().take_while(move |pair| of(pair) == row)
}

/// The neighbours before the free slots.
pub(crate) fn filled(slots: &[u32]) -> &[u32] {
    let len = slots.iter().position(|slot| *slot == NONE).unwrap_or(slots.len());
    &slots[..len]
}
