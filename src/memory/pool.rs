//! What a walk keeps: the best rows so far in order, and which it has been to. Reused from walk to walk.

use std::cell::RefCell;

use super::visited::Visited;

/// A row as the pool orders it: by sum, then by lower row. The greater is the better.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The sum, made unsigned, above the complement of the row.
    key: u64,
    expanded: bool,
}

/// The best `ef` rows, best first.
#[derive(Debug, Default)]
pub(super) struct Pool {
    ef: usize,
    entries: Vec<Entry>,
    /// No entry before this one waits to be expanded.
    next: usize,
}

impl Pool {
    fn begin(&mut self, ef: usize) {
        self.ef = ef;
        self.entries.clear();
        self.entries.reserve(ef + 1);
        self.next = 0;
    }

    /// Keeps a row if it is among the best `ef` so far.
    #[inline]
    pub(super) fn offer(&mut self, sum: i32, row: u32) {
        let key = u64::from(sum as u32 ^ 0x8000_0000) << 32 | u64::from(!row);
        let full = self.entries.len() >= self.ef;
        if full && self.entries.last().is_some_and(|worst| key <= worst.key) {
            return;
        }
        let at = self.entries.partition_point(|entry| entry.key > key);
        if full {
            self.entries.pop();
        }
        self.entries.insert(at, Entry { key, expanded: false });
        self.next = self.next.min(at);
    }

    /// The best row that was not expanded yet; it is now.
    #[inline]
    pub(super) fn next(&mut self) -> Option<u32> {
        let row = self.peek()?;
        self.entries[self.next].expanded = true;
        self.next += 1;
        Some(row)
    }

    /// The best row that was not expanded yet.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u32> {
        while self.entries.get(self.next)?.expanded {
            self.next += 1;
        }
        self.entries.get(self.next).map(|entry| !(entry.key as u32))
    }

    /// The rows, best first.
    pub(super) fn rows(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().map(|entry| !(entry.key as u32))
    }
}

/// What a walk works with.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub visited: Visited,
    pub pool: Pool,
    /// Rows that are looked at together, and their sums.
    pub fresh: Vec<u32>,
    pub sums: Vec<i32>,
}

impl Scratch {
    /// Makes ready for a walk over `rows` that keeps `ef`.
    pub(super) fn begin(&mut self, rows: usize, ef: usize) {
        self.visited.begin(rows);
        self.pool.begin(ef);
    }
}

/// Runs `walk` with what this thread keeps for it.
pub(super) fn with_scratch<T>(walk: impl FnOnce(&mut Scratch) -> T) -> T {
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
        let mut pool = Pool::default();
        pool.begin(3);
        for (sum, row) in [(5, 1), (-7, 2), (i32::MIN, 3), (5, 0), (i32::MAX, 4)] {
            pool.offer(sum, row);
        }
        assert!(pool.rows().eq([4, 0, 1]));
        assert_eq!((pool.next(), pool.next()), (Some(4), Some(0)));
        pool.offer(6, 9);
        assert_eq!((pool.next(), pool.next()), (Some(9), None));
    }
}
