//! The best few rows of many, in one total order, so that the same question has the same answer however the work was divided.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// A row and its similarity to the query. The greater is the better: higher similarity, then lower row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scored {
    pub similarity: f32,
    pub row: u32,
}

impl Eq for Scored {}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> Ordering {
        self.similarity.total_cmp(&other.similarity).then(other.row.cmp(&self.row))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Keeps the `k` best of what it is offered.
#[derive(Debug, Clone)]
pub(crate) struct Top {
    k: usize,
    heap: BinaryHeap<Reverse<Scored>>,
}

impl Top {
    pub(crate) fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::new() }
    }

    /// True when a row with this similarity may be kept.
    #[inline]
    pub(crate) fn admits(&self, similarity: f32) -> bool {
        // What cannot be compared is let in, and `offer` decides.
        let is_less = |worst: &Reverse<Scored>| similarity < worst.0.similarity;
        self.heap.len() < self.k || !self.heap.peek().is_some_and(is_less)
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Keeps `candidate` if it is among the best so far.
    pub(crate) fn offer(&mut self, candidate: Scored) {
        if self.heap.len() < self.k {
            self.heap.push(Reverse(candidate));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && candidate > worst.0
        {
            *worst = Reverse(candidate);
        }
    }

    /// Takes in what another has kept.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        for Reverse(scored) in other.heap {
            self.offer(scored);
        }
        self
    }

    /// The kept rows, best first.
    pub(crate) fn into_sorted(self) -> Vec<Scored> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse(scored)| scored).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_best_and_breaks_ties_by_row() {
        let similarities = [0.1, 0.9, 0.5, 0.9, -0.3, 0.5];
        let mut top = Top::new(3);
        for (row, similarity) in similarities.into_iter().enumerate().rev() {
            top.offer(Scored { similarity, row: row as u32 });
        }
        let rows: Vec<u32> = top.into_sorted().iter().map(|scored| scored.row).collect();
        assert_eq!(rows, [1, 3, 2]);
    }
}
