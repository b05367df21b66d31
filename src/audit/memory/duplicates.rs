//! Texts that are stored more than once, or nearly: the same in several domains, the same but for how they are written, and those whose
//! embeddings are nearly the same.

use sha2::{Digest, Sha256};

use super::neighbours::Neighbours;
use super::report::{Cluster, ClusterKind, ClusterMember, DuplicateAudit, DuplicateCount};
use super::rows::Rows;
use super::sets::Sets;
use crate::Result;
use crate::bridge::Histogram;
use crate::embedding::dot;

/// Members of a cluster that are named.
const MEMBERS: usize = 50;

/// Pairs of near-duplicates among what texts found, and how near the nearest was.
pub(super) struct Pairs {
    near: f32,
    pairs: Vec<(u32, u32)>,
    nearest: Vec<f32>,
}

impl Pairs {
    pub fn new(near: f32) -> Self {
        Self { near, pairs: Vec::new(), nearest: Vec::new() }
    }

    /// Takes in what a row found.
    pub fn visit(&mut self, row: usize, neighbours: &Neighbours) {
        self.nearest.extend(neighbours.nearest.first().map(|found| found.similarity));
        let near = neighbours.nearest.iter().take_while(|found| found.similarity >= self.near);
        self.pairs.extend(near.map(|found| (row as u32, found.row as u32)));
    }
}

/// A row's text, by the hashes of it as it is and as it is folded.
pub(super) struct Hashed {
    folded: u128,
    whole: u128,
    row: u32,
}

impl Hashed {
    /// That of a text.
    pub fn of(row: usize, text: &str) -> Self {
        Self { folded: hash(&folded(text)), whole: hash(text), row: row as u32 }
    }

    /// What it is sorted by.
    pub fn order(&self) -> (u128, u128, u32) {
        (self.folded, self.whole, self.row)
    }
}

/// All clusters, each with its rows in the order in which they are kept: the one to keep first.
#[derive(Default)]
pub(super) struct Clusters {
    pub clusters: Vec<(ClusterKind, Vec<usize>)>,
}

/// Joins what belongs together.
pub(super) fn clusters(rows: &Rows<'_>, hashed: &[Hashed], pairs: &Pairs) -> Clusters {
    let mut sets = Sets::new(rows.len());
    for same in hashed.chunk_by(|a, b| a.folded == b.folded) {
        same.iter().skip(1).for_each(|other| sets.join(same[0].row as usize, other.row as usize));
    }
    pairs.pairs.iter().for_each(|(a, b)| sets.join(*a as usize, *b as usize));
    let mut hashes = vec![(0, 0); rows.len()];
    hashed.iter().for_each(|text| hashes[text.row as usize] = (text.folded, text.whole));
    let mut clusters: Vec<(ClusterKind, Vec<usize>)> = Vec::new();
    for mut members in sets.clusters() {
        let (folded, whole) = hashes[members[0]];
        let all = |same: &dyn Fn(&(u128, u128)) -> bool| members.iter().all(|row| same(&hashes[*row]));
        let kind = match () {
            () if all(&|(_, other)| *other == whole) => ClusterKind::Identical,
            () if all(&|(other, _)| *other == folded) => ClusterKind::Trivial,
            () => ClusterKind::Near,
        };
        members.sort_by_cached_key(|row| (u32::MAX - rows.multiplicity(*row), rows.id(*row)));
        clusters.push((kind, members));
    }
    clusters.sort_by_cached_key(|(kind, members)| (usize::MAX - members.len(), *kind, rows.id(members[0])));
    Clusters { clusters }
}

/// Rows of each domain whose text is in another, too, letter by letter: for each two domains how many, by `found(a, b)`.
pub(super) fn shared(rows: &Rows<'_>, hashed: &[Hashed], mut found: impl FnMut(usize, usize)) {
    for same in hashed.chunk_by(|a, b| a.whole == b.whole) {
        for (at, one) in same.iter().enumerate() {
            for other in same.iter().skip(at + 1) {
                found(rows.domain(one.row as usize), rows.domain(other.row as usize));
            }
        }
    }
}

fn hash(text: &str) -> u128 {
    let digest: [u8; 32] = Sha256::digest(text).into();
    digest.iter().take(16).fold(0, |hash, byte| hash << 8 | u128::from(*byte))
}

/// A text without what makes no difference: case, punctuation, white space.
fn folded(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let folded = words.collect::<Vec<_>>().join(" ").to_lowercase();
    // A text of punctuation alone is like no other.
    if folded.is_empty() { text.to_owned() } else { folded }
}

impl Clusters {
    /// The ids that could go from clusters of a kind, at most so many.
    pub fn superfluous(&self, rows: &Rows<'_>, kind: ClusterKind, most: usize) -> Vec<u64> {
        let of_kind = self.clusters.iter().filter(|(of, _)| *of == kind);
        of_kind.flat_map(|(_, members)| members.iter().skip(1)).take(most).map(|row| rows.id(*row)).collect()
    }

    /// What is told of them.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) when a record is.
    pub fn report(&self, rows: &Rows<'_>, pairs: &Pairs, listed: usize) -> Result<DuplicateAudit> {
        let kinds = [ClusterKind::Identical, ClusterKind::Trivial, ClusterKind::Near].map(|kind| {
            let sizes = self.clusters.iter().filter(|(of, _)| *of == kind).map(|(_, members)| members.len() as u64);
            let (clusters, captions) = sizes.fold((0, 0), |(clusters, all), size| (clusters + 1, all + size));
            DuplicateCount { kind, clusters, captions, superfluous: captions - clusters }
        });
        let clusters = self.clusters.iter().take(listed).map(|(kind, members)| {
            let first = rows.vector(members[0]);
            let named = members.iter().take(MEMBERS).map(|row| {
                let similarity = dot(first, rows.vector(*row)).clamp(-1.0, 1.0);
                Ok(ClusterMember { text: rows.caption(*row)?, similarity })
            });
            Ok(Cluster { kind: *kind, size: members.len() as u64, members: named.collect::<Result<_>>()? })
        });
        let nearest = Histogram::of_cosines(&pairs.nearest);
        Ok(DuplicateAudit { kinds: kinds.to_vec(), clusters: clusters.collect::<Result<_>>()?, nearest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_another_way_is_the_same() {
        for (one, other) in [("A dog barks.", "a DOG barks"), ("rain-drops", "Rain drops!"), ("Ein Bär", "ein bär …")]
        {
            assert_eq!(folded(one), folded(other));
        }
        assert_ne!(folded("A dog barks."), folded("A dog barked."));
        assert_ne!(folded("..."), folded("!"));
    }
}
