//! Which rows a walk has seen, reused from walk to walk so that few pay for clearing it. One byte a row, so that it stays in cache.

/// A set of rows that is emptied by counting up.
#[derive(Debug, Default)]
pub(crate) struct Visited {
    stamps: Vec<u8>,
    now: u8,
}

impl Visited {
    /// Empties the set and makes room for rows below `rows`.
    pub(crate) fn begin(&mut self, rows: usize) {
        if self.stamps.len() < rows {
            self.stamps.resize(rows, 0);
        }
        self.now = self.now.wrapping_add(1);
        if self.now == 0 {
            self.stamps.fill(0);
            self.now = 1;
        }
    }

    /// Adds a row; false when it was there, or is beyond the rows made room for.
    #[inline]
    pub(crate) fn insert(&mut self, row: u32) -> bool {
        match self.stamps.get_mut(row as usize) {
            Some(stamp) if *stamp != self.now => {
                *stamp = self.now;
                true
            }
            _ => false,
        }
    }
}
