//! Which hashes a domain surely does not hold: a split-block Bloom filter over what its pages lead to. So a row that is new, as most are,
//! costs one look at memory, however many segments there are.

use super::pages::Hash;

/// Bits for each entry of a full filter; one hash in some 3,000 that is not there passes then.
const BITS: usize = 24;
/// A hash sets one bit in each 32-bit word of one block.
type Block = [u32; 8];
/// Odd numbers that spread a hash over the words of a block, those of the filters in Parquet files.
const SALTS: Block =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// What may be there, by the leading 32 bits of hashes.
#[derive(Default)]
pub(super) struct Sieve {
    blocks: Vec<Block>,
}

impl Sieve {
    /// An empty one, for so many entries.
    pub(super) fn for_entries(entries: usize) -> Self {
        Self { blocks: vec![Block::default(); (entries * BITS).div_ceil(8 * size_of::<Block>())] }
    }

    /// How many entries it is made for.
    pub(super) fn capacity(&self) -> usize {
        self.blocks.len() * 8 * size_of::<Block>() / BITS
    }

    /// Takes in a hash, of which only the leading 32 bits count.
    pub(super) fn insert(&mut self, hash: Hash) {
        let at = self.block(hash);
        if let Some(block) = self.blocks.get_mut(at) {
            block.iter_mut().zip(mask(hash)).for_each(|(word, mask)| *word |= mask);
        }
    }

    /// False for a hash that was not taken in; true for one that was, and for a few others.
    pub(super) fn may_hold(&self, hash: Hash) -> bool {
        let block = self.blocks.get(self.block(hash));
        block.is_some_and(|block| block.iter().zip(mask(hash)).all(|(word, mask)| word & mask != 0))
    }

    /// The block of a hash; blocks are in the order of the hashes.
    fn block(&self, hash: Hash) -> usize {
        (((hash >> 32) * self.blocks.len() as u64) >> 32) as usize
    }
}

/// The bit of each word. The leading bits of a hash name the block, so all are mixed into those that name the bits.
fn mask(hash: Hash) -> Block {
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
            let mut sieve = Sieve::for_entries(entries);
            assert!(sieve.capacity() >= entries);
            (0..entries).for_each(|i| sieve.insert(hash("in", i)));
            assert!((0..entries).all(|i| sieve.may_hold(hash("in", i))));
            let passed = (0..100_000).filter(|i| sieve.may_hold(hash("out", *i))).count();
            assert!(passed < 100, "{passed} of 100,000 pass with {entries}");
        }
    }

    #[test]
    fn the_leading_half_of_a_hash_is_enough() {
        let mut sieve = Sieve::for_entries(100);
        let hash = caption_hash("rain");
        sieve.insert(hash >> 32 << 32);
        assert!(sieve.may_hold(hash));
    }
}
