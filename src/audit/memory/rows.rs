//! The stored rows that an audit looks at, numbered through all segments.

use crate::memory::{Block, Caption, Scope, Snapshot};
use crate::{Embeddings, Error, Result};

/// The rows of the segments that take part, one after another; those of removed captions have numbers, too, and are passed over.
pub(super) struct Rows<'a> {
    pub blocks: Vec<Block<'a>>,
    /// The number of the first row of each block, and behind the last the number of all.
    starts: Vec<usize>,
    /// The domains that hold captions, in the order of their creation.
    pub domains: Vec<String>,
    /// The domain of each block.
    domain_of: Vec<usize>,
    pub dim: usize,
}

impl<'a> Rows<'a> {
    /// The rows of a scope.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown domain; [`Error::Input`] where there is no caption.
    pub fn of(memory: &'a Snapshot, scope: &Scope) -> Result<Self> {
        let blocks = memory.blocks(scope)?;
        let named = memory.domains().into_iter().map(|domain| domain.name);
        let domains: Vec<String> = named.filter(|name| blocks.iter().any(|block| block.domain() == name)).collect();
        let domain_of = blocks.iter().filter_map(|block| domains.iter().position(|name| name == block.domain()));
        let domain_of: Vec<usize> = domain_of.collect();
        let mut starts = vec![0];
        for block in &blocks {
            starts.push(starts.last().unwrap_or(&0) + block.len());
        }
        let rows = Self { blocks, starts, domains, domain_of, dim: memory.space().dim };
        if rows.blocks.is_empty() {
            return Err(rows.nothing(scope));
        }
        Ok(rows)
    }

    fn nothing(&self, scope: &Scope) -> Error {
        let found = match scope.names() {
            Some([name]) => format!("no caption in the domain {name}"),
            Some(_) => "no caption in these domains".into(),
            None => "no caption".into(),
        };
        Error::input("the store", found, "captions to examine")
            .with_hint(crate::error::Hint::about(crate::error::Topic::Ingest, "ingest captions first"))
    }

    /// Numbers in all, those of removed captions counted too.
    pub fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The number of a row of a block.
    pub fn number(&self, block: usize, row: usize) -> usize {
        self.starts[block] + row
    }

    /// Block and row of a number.
    fn place(&self, number: usize) -> (usize, usize) {
        let block = self.starts.partition_point(|start| *start <= number) - 1;
        (block, number - self.starts[block])
    }

    /// The rows that are not removed, ascending.
    pub fn live(&self) -> impl Iterator<Item = usize> {
        let blocks = self.blocks.iter().zip(&self.starts);
        blocks.flat_map(|(block, start)| block.live_rows().map(move |row| start + row))
    }

    /// The id of a row's caption.
    pub fn id(&self, number: usize) -> u64 {
        let (block, row) = self.place(number);
        self.blocks[block].id(row)
    }

    /// The domain of a row, by its place in [`Rows::domains`].
    pub fn domain(&self, number: usize) -> usize {
        self.domain_of[self.place(number).0]
    }

    /// The domain of a block.
    pub fn domain_of_block(&self, block: usize) -> usize {
        self.domain_of[block]
    }

    /// How many ingested rows carry the text of a row.
    pub fn multiplicity(&self, number: usize) -> u32 {
        let (block, row) = self.place(number);
        self.blocks[block].multiplicity(row)
    }

    /// The caption of a row.
    ///
    /// # Errors
    /// [`Error::Damaged`] when its record is.
    pub fn caption(&self, number: usize) -> Result<Caption> {
        let (block, row) = self.place(number);
        self.blocks[block].caption(row)
    }

    /// The captions of the first `most` of these rows.
    ///
    /// # Errors
    /// As [`Rows::caption`].
    pub fn captions(&self, numbers: &[usize], most: usize) -> Result<Vec<Caption>> {
        numbers.iter().take(most).map(|number| self.caption(*number)).collect()
    }

    /// The unit vector of a row.
    pub fn vector(&self, number: usize) -> &'a [f32] {
        let (block, row) = self.place(number);
        &self.blocks[block].vectors()[row * self.dim..(row + 1) * self.dim]
    }

    /// The unit vectors of some rows.
    pub fn vectors(&self, numbers: &[usize]) -> Embeddings {
        let mut vectors = Embeddings::with_capacity(self.dim, numbers.len());
        numbers.iter().for_each(|number| vectors.data_mut().extend_from_slice(self.vector(*number)));
        vectors
    }

    /// `count` of the rows that are not removed, or all where there are no more, ascending. Which they are depends on the ids and the seed
    /// alone: compacting a store changes nothing.
    pub fn sample(&self, count: usize, seed: u64) -> Vec<usize> {
        let mut keyed: Vec<(u64, usize)> = self.live().map(|number| (mixed(self.id(number), seed), number)).collect();
        if count < keyed.len() {
            keyed.select_nth_unstable(count);
            keyed.truncate(count);
        }
        let mut numbers: Vec<usize> = keyed.into_iter().map(|(_, number)| number).collect();
        numbers.sort_unstable();
        numbers
    }
}

/// A number that looks drawn by chance (the finaliser of SplitMix64).
pub(super) fn mixed(id: u64, seed: u64) -> u64 {
    let mut z = id.wrapping_add(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
