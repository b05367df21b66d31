//! The loops of one instruction set, behind checks of lengths.

/// Queries that [`Kernels::tile`] takes at once, and rows.
pub(crate) const TILE_QUERIES: usize = 4;
/// Rows that [`Kernels::tile`] takes at once.
pub(crate) const TILE_ROWS: usize = 3;

/// The dot products of each row of a tile with each of its queries.
pub(crate) type Tile = [[i32; TILE_QUERIES]; TILE_ROWS];

/// The loops for one instruction set.
#[allow(clippy::type_complexity, reason = "they are the signatures of the methods below")]
pub(crate) struct Kernels {
    /// Of the instruction set, for tests to say which they ran.
    #[cfg_attr(not(test), expect(dead_code))]
    pub(super) name: &'static str,
    pub(super) dot: fn(&[f32], &[f32]) -> f32,
    pub(super) dots: fn(&[f32], &[f32], &mut [f32]),
    pub(super) code_dots: fn(&[i16], &[i8], &mut [i32]),
    pub(super) gather: fn(&[i16], &[i8], &[u32], &mut [i32]),
    pub(super) widen: fn(&[i8], &mut [i16]),
    pub(super) tile: fn(&[i16], &[i16], usize) -> Tile,
    pub(super) add_scaled: fn(&mut [f64], f64, &[f32]),
}

impl Kernels {
    /// The dot product of two vectors of one length.
    pub(crate) fn dot(&self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        (self.dot)(a, b)
    }

    /// The dot products of `query` with rows that follow each other; the same bits as [`Kernels::dot`] one by one.
    pub(crate) fn dots(&self, query: &[f32], rows: &[f32], out: &mut [f32]) {
        assert_eq!(rows.len(), query.len() * out.len());
        (self.dots)(query, rows, out);
    }

    /// The dot products of a query with rows of codes that follow each other. No sum of theirs may exceed an `i32`.
    pub(crate) fn code_dots(&self, query: &[i16], codes: &[i8], out: &mut [i32]) {
        assert_eq!(codes.len(), query.len() * out.len());
        (self.code_dots)(query, codes, out);
    }

    /// [`Kernels::code_dots`] with the rows named, wherever they are.
    ///
    /// # Panics
    /// When a row lies outside the codes.
    pub(crate) fn gather(&self, query: &[i16], codes: &[i8], rows: &[u32], out: &mut [i32]) {
        let count = codes.len() / query.len().max(1);
        assert!(out.len() == rows.len() && rows.iter().all(|row| (*row as usize) < count));
        (self.gather)(query, codes, rows, out);
    }

    /// Codes as 16-bit numbers.
    pub(crate) fn widen(&self, codes: &[i8], out: &mut [i16]) {
        assert_eq!(codes.len(), out.len());
        (self.widen)(codes, out);
    }

    /// The dot products of [`TILE_ROWS`] widened rows with [`TILE_QUERIES`] queries, all of `dim`.
    pub(crate) fn tile(&self, queries: &[i16], rows: &[i16], dim: usize) -> Tile {
        assert!(queries.len() == TILE_QUERIES * dim && rows.len() == TILE_ROWS * dim);
        (self.tile)(queries, rows, dim)
    }

    /// `sum += weight · row`.
    pub(crate) fn add_scaled(&self, sum: &mut [f64], weight: f64, row: &[f32]) {
        assert_eq!(sum.len(), row.len());
        (self.add_scaled)(sum, weight, row);
    }
}
