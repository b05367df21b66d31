//! Disjoint sets: rows that belong together, joined pair by pair.

/// Numbers from 0, each in a set of its own at first (union-find, with path halving; the lowest number stands for its set, so that the order
/// of joining changes nothing).
pub(super) struct Sets(Vec<u32>);

impl Sets {
    pub fn new(len: usize) -> Self {
        Self((0..len as u32).collect())
    }

    /// The number that stands for the set of another.
    pub fn find(&mut self, of: usize) -> usize {
        let mut at = of;
        while self.0[at] as usize != at {
            let above = self.0[self.0[at] as usize];
            self.0[at] = above;
            at = above as usize;
        }
        at
    }

    /// Joins the sets of two numbers.
    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.0[a.max(b)] = a.min(b) as u32;
    }

    /// The sets of more than one, each ascending, in the order of their first members.
    pub fn clusters(mut self) -> Vec<Vec<usize>> {
        let mut members: Vec<(u32, u32)> = Vec::new();
        for number in 0..self.0.len() {
            let root = self.find(number);
            members.push((root as u32, number as u32));
        }
        members.sort_unstable();
        let clusters = members.chunk_by(|a, b| a.0 == b.0).filter(|cluster| cluster.len() > 1);
        clusters.map(|cluster| cluster.iter().map(|(_, number)| *number as usize).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a flood from each number through all pairs.
        #[test]
        fn clusters_are_what_can_be_reached(pairs in proptest::collection::vec((0usize..40, 0usize..40), 0..60)) {
            let mut sets = Sets::new(40);
            pairs.iter().for_each(|(a, b)| sets.join(*a, *b));
            let mut reached: Vec<Vec<usize>> = Vec::new();
            for start in 0..40 {
                let mut set = std::collections::BTreeSet::from([start]);
                loop {
                    let before = set.len();
                    for (a, b) in &pairs {
                        if set.contains(a) || set.contains(b) {
                            set.extend([*a, *b]);
                        }
                    }
                    if set.len() == before {
                        break;
                    }
                }
                let set: Vec<usize> = set.into_iter().collect();
                if set.len() > 1 && set[0] == start {
                    reached.push(set);
                }
            }
            prop_assert_eq!(sets.clusters(), reached);
        }
    }
}
