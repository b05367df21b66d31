//! Which hashes a domain surely does not hold: a split-block Bloom filter over what its pages lead to. So a row that is new, as most are,
//! costs one look at memory, however many segments there are.

use std::collections::{HashMap, HashSet};

use super::pages::{Hash, Kind};
use crate::simd;

/// Bits for each entry of a full filter; one hash in some 3,000 that is not there passes then.
const BITS: usize = 24;
/// A hash sets one bit in each 32-bit word of one block, which lies in one cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(32))]
struct Block([u32; 8]);
/// How many hashes ahead their blocks are asked for.
const AHEAD: usize = 8;
/// Odd numbers that spread a hash over the words of a block, those of the filters in Parquet files.
const SALTS: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// What may be there, by the leading 32 bits of hashes.
#[derive(Default)]
pub(crate) struct BloomFilter {
    blocks: Vec<Block>,
}

impl BloomFilter {
    /// An empty one, for so many entries.
    pub(crate) fn for_entries(entries: usize) -> Self {
        Self { blocks: vec![Block::default(); (entries * BITS).div_ceil(8 * size_of::<Block>())] }
    }

    /// How many entries it is made for.
    pub(crate) fn capacity(&self) -> usize {
        self.blocks.len() * 8 * size_of::<Block>() / BITS
    }

    /// Takes in hashes, of which only the leading 32 bits count.
    pub(crate) fn insert(&mut self, hashes: &[Hash]) {
        for (index, hash) in hashes.iter().enumerate() {
            self.prefetch(hashes.get(index + AHEAD));
            let at = self.block(*hash);
            if let Some(block) = self.blocks.get_mut(at) {
                block.0.iter_mut().zip(mask(*hash)).for_each(|(word, mask)| *word |= mask);
            }
        }
    }

    /// Those of `asked`, each with its number, that were taken in, and a few others.
    pub(crate) fn may_contain_of(&self, asked: &[(Hash, usize)]) -> Vec<(Hash, usize)> {
        let held = asked.iter().enumerate().filter(|(index, (hash, _))| {
            self.prefetch(asked.get(index + AHEAD).map(|(hash, _)| hash));
            self.may_hold(*hash)
        });
        held.map(|(_, asked)| *asked).collect()
    }

    /// False for a hash that was not taken in; true for one that was, and for a few others.
    fn may_hold(&self, hash: Hash) -> bool {
        let block = self.blocks.get(self.block(hash));
        block.is_some_and(|block| block.0.iter().zip(mask(hash)).all(|(word, mask)| word & mask != 0))
    }

    /// Asks for the block of a hash that is soon looked at: in a large filter it lies far from the processor.
    fn prefetch(&self, hash: Option<&Hash>) {
        if let Some(block) = hash.and_then(|hash| self.blocks.get(self.block(*hash))) {
            simd::prefetch(std::slice::from_ref(block));
        }
    }

    /// The block of a hash; blocks are in the order of the hashes.
    fn block(&self, hash: Hash) -> usize {
        (((hash >> 32) * self.blocks.len() as u64) >> 32) as usize
    }
}

/// By domain.
pub(crate) type Filters = HashMap<(u32, Kind), DomainFilter>;

/// A filter and the segments whose entries it has taken in; it may know others that are no more.
#[derive(Default)]
pub(crate) struct DomainFilter {
    pub filter: BloomFilter,
    pub segments: HashSet<u64>,
}

/// The bit of each word. The leading bits of a hash name the block, so all are mixed into those that name the bits.
fn mask(hash: Hash) -> [u32; 8] {
    let key = (hash >> 32) as u32;
    let key = (key ^ key >> 16).wrapping_mul(0x85eb_ca6b);
    let key = key ^ key >> 13;
    SALTS.map(|salt| 1 << (key.wrapping_mul(salt) >> 27))
}

#[cfg(test)]
mod tests {
    use super::super::pages::caption_hash;
    use super::*;

    #[test]
    fn holds_back_what_is_not_there_and_nothing_else() {
        let hash = |name: &str, i: usize| caption_hash(&format!("{name} {i}"));
        for entries in [0, 1, 10, 20_000] {
            let mut filter = BloomFilter::for_entries(entries);
            assert!(filter.capacity() >= entries);
            filter.insert(&(0..entries).map(|i| hash("in", i)).collect::<Vec<_>>());
            let asked = |name, count| (0..count).map(|i| (hash(name, i), i)).collect::<Vec<_>>();
            assert_eq!(filter.may_contain_of(&asked("in", entries)), asked("in", entries));
            let passed = filter.may_contain_of(&asked("out", 100_000)).len();
            assert!(passed < 100, "{passed} of 100,000 pass with {entries}");
        }
    }

    #[test]
    fn the_leading_half_of_a_hash_is_enough() {
        let mut filter = BloomFilter::for_entries(100);
        let hash = caption_hash("rain");
        filter.insert(&[hash >> 32 << 32]);
        assert_eq!(filter.may_contain_of(&[(hash, 7)]), [(hash, 7)]);
    }
}
