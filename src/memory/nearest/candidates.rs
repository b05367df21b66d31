//! What a walk keeps: the best rows so far in order, and which it has been to. Reused from walk to walk.

use std::cell::RefCell;

use super::visited::Visited;
use super::width::{CALIBRATED_K, SearchWidth};

/// Candidates at most: each new one is moved in among those kept in order, which beyond takes longer than what a walk saves.
pub(crate) const MOST: usize = 4096;

/// Neighbours at most that a walk looks for. It keeps twice as many in order, and some more that lie within the margin.
pub(crate) const MOST_NEIGHBOURS: usize = MOST / 4;

/// A row as the queue orders it: by sum, then by lower row. The greater is the better.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The sum, made unsigned, above the complement of the row.
    key: u64,
    expanded: bool,
}

fn key_of(sum: i32, row: u32) -> u64 {
    u64::from(sum as u32 ^ 0x8000_0000) << 32 | u64::from(!row)
}

fn sum_of(key: u64) -> i32 {
    ((key >> 32) as u32 ^ 0x8000_0000) as i32
}

/// The best rows, best first.
#[derive(Debug, Default)]
pub(crate) struct CandidateQueue {
    entries: Vec<Entry>,
    /// No entry before this one waits to be expanded.
    next: usize,
    limits: Limits,
    /// What is below is not expanded; with a number of candidates nothing is.
    floor: u64,
}

/// What a queue keeps.
#[derive(Debug, Default, Clone, Copy)]
struct Limits {
    /// Entries at most.
    most: usize,
    /// Entries that are kept even below the floor.
    least: usize,
    /// The floor lies so far behind the entry of this rank, counted from 1; at 0 there is none.
    rank: usize,
    margin: f32,
    /// What a sum of 1 is as a similarity.
    unit: f32,
}

impl Limits {
    fn of(search_width: SearchWidth, k: usize, unit: f32) -> Self {
        match search_width {
            SearchWidth::Candidates(ef) => Self { most: ef.max(k), ..Self::default() },
            SearchWidth::Margin(margin) => {
                // Fewer than were calibrated say too little of how far the neighbours are.
                let rank = k.max(CALIBRATED_K);
                Self { most: MOST, least: 2 * rank, rank, margin, unit }
            }
        }
    }

    /// The least sum that is expanded when the entry of `rank` has this one.
    fn least_sum(&self, sum: i32) -> i32 {
        let distance = |similarity: f32| (2.0 - 2.0 * similarity).max(0.0).sqrt();
        let reach = distance(sum as f32 * self.unit) + self.margin;
        ((1.0 - reach * reach / 2.0) / self.unit) as i32
    }
}

impl CandidateQueue {
    /// Lets go of all rows.
    pub(crate) fn clear(&mut self) {
        self.begin(self.limits);
    }

    fn begin(&mut self, limits: Limits) {
        self.limits = limits;
        self.entries.clear();
        self.next = 0;
        self.floor = 0;
    }

    /// Keeps a row if it is among the best so far.
    #[inline]
    pub(crate) fn offer(&mut self, sum: i32, row: u32) {
        let key = key_of(sum, row);
        let Limits { most, least, rank, .. } = self.limits;
        if key < self.floor && self.entries.len() >= least {
            return;
        }
        let full = self.entries.len() >= most;
        if full && self.entries.last().is_some_and(|worst| key <= worst.key) {
            return;
        }
        let at = self.entries.partition_point(|entry| entry.key > key);
        if full {
            self.entries.pop();
        }
        self.entries.insert(at, Entry { key, expanded: false });
        self.next = self.next.min(at);
        if at < rank && self.entries.len() >= rank {
            self.raise_floor();
        }
    }

    /// The entry of `rank` has become a better one: what now lies too far behind it need not be kept.
    fn raise_floor(&mut self) {
        let Limits { rank, least, .. } = self.limits;
        self.floor = key_of(self.limits.least_sum(sum_of(self.entries[rank - 1].key)), u32::MAX);
        while self.entries.len() > least && self.entries.last().is_some_and(|worst| worst.key < self.floor) {
            self.entries.pop();
        }
    }

    /// The best row that was not expanded yet; it is now.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<u32> {
        let row = self.peek()?;
        self.entries[self.next].expanded = true;
        self.next += 1;
        Some(row)
    }

    /// The best row that was not expanded yet and is to be.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u32> {
        while self.entries.get(self.next)?.expanded {
            self.next += 1;
        }
        self.entries.get(self.next).filter(|entry| entry.key >= self.floor).map(|entry| !(entry.key as u32))
    }

    /// The rows, best first.
    pub(crate) fn rows(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().map(|entry| !(entry.key as u32))
    }
}

/// What a walk works with.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub visited: Visited,
    pub queue: CandidateQueue,
    /// Rows that are looked at together, and their sums.
    pub fresh: Vec<u32>,
    pub sums: Vec<i32>,
    /// Rows of level 0 whose codes the walk has compared.
    pub compared: usize,
}

impl Scratch {
    /// Makes ready for a walk over `rows` that looks for `k`; a sum of 1 is a similarity of `unit`.
    pub(crate) fn begin(&mut self, rows: usize, search_width: SearchWidth, k: usize, unit: f32) {
        self.visited.begin(rows);
        self.queue.begin(Limits::of(search_width, k, unit));
        self.compared = 0;
    }
}

/// Runs `walk` with what this thread keeps for it.
pub(crate) fn with_scratch<T>(walk: impl FnOnce(&mut Scratch) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    SCRATCH.with(|cell| match cell.try_borrow_mut() {
        Ok(mut scratch) => walk(&mut scratch),
        // A walk inside a walk on one thread, which a work-stealing caller may bring about, gets its own.
        Err(_) => walk(&mut Scratch::default()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_best_in_order_and_expands_each_once() {
        let mut queue = CandidateQueue::default();
        queue.begin(Limits::of(SearchWidth::Candidates(3), 1, 1.0));
        for (sum, row) in [(5, 1), (-7, 2), (i32::MIN, 3), (5, 0), (i32::MAX, 4)] {
            queue.offer(sum, row);
        }
        assert!(queue.rows().eq([4, 0, 1]));
        assert_eq!((queue.next(), queue.next()), (Some(4), Some(0)));
        queue.offer(6, 9);
        assert_eq!((queue.next(), queue.next()), (Some(9), None));
    }

    /// Similarities 0.90, 0.89 … 0.61: the tenth is 0.81, a distance of 0.6164. With 0.1 more, 0.7434 is the least similarity to look at.
    #[test]
    fn a_margin_expands_what_is_little_farther_than_the_tenth() {
        let mut queue = CandidateQueue::default();
        queue.begin(Limits::of(SearchWidth::Margin(0.1), 1, 1e-6));
        let offers: Vec<(i32, u32)> = (0..30).map(|i| (900_000 - 10_000 * i, i as u32)).collect();
        for (sum, row) in offers.iter().rev() {
            queue.offer(*sum, *row);
        }
        assert!(queue.rows().eq(0..20), "twice ten are kept");
        let expanded: Vec<u32> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(expanded, (0..16).collect::<Vec<_>>());
        queue.offer(895_000, 40);
        assert_eq!((queue.next(), queue.next()), (Some(40), None), "the tenth is nearer now");
    }
}
