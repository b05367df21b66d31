//! Which rows a walk has seen, reused from walk to walk so that none pays for clearing it.

use std::cell::RefCell;

/// A set of rows that is emptied by counting up.
#[derive(Default)]
pub(super) struct Visited {
    stamps: Vec<u32>,
    now: u32,
}

impl Visited {
    /// Empties the set and makes room for rows below `rows`.
    fn begin(&mut self, rows: usize) {
        if self.stamps.len() < rows {
            self.stamps.resize(rows, 0);
        }
        self.now = self.now.wrapping_add(1);
        if self.now == 0 {
            self.stamps.fill(0);
            self.now = 1;
        }
    }

    /// Adds a row; false when it was there.
    pub(super) fn insert(&mut self, row: u32) -> bool {
        match self.stamps.get_mut(row as usize) {
            Some(stamp) if *stamp != self.now => {
                *stamp = self.now;
                true
            }
            _ => false,
        }
    }
}

/// Runs `walk` with this thread's set, emptied.
pub(super) fn with_visited<T>(rows: usize, walk: impl FnOnce(&mut Visited) -> T) -> T {
    thread_local! {
        static VISITED: RefCell<Visited> = RefCell::default();
    }
    VISITED.with(|cell| match cell.try_borrow_mut() {
        Ok(mut visited) => {
            visited.begin(rows);
            walk(&mut visited)
        }
        // A walk inside a walk on one thread, which a work-stealing caller may bring about, gets a set of its own.
        Err(_) => {
            let mut visited = Visited::default();
            visited.begin(rows);
            walk(&mut visited)
        }
    })
}
