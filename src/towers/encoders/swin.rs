//! The layers of a Swin transformer (Liu et al., 2021) over a square of tokens: attention within windows that every second block shifts.
//!
//! A block is two passes over the tokens, each spread over threads: attention, window by window, and the feed-forward layers, some rows at a
//! time. Every sum has one order, so the bits depend neither on the number of threads nor on how the rows are cut.

use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use crate::nn::functions::{add, gelu, softmax_in_lanes};
use crate::nn::gemm::{Packed, multiply_inline};
use crate::nn::layers::{Linear, Norm};

/// The mask's share of a score between places that are neighbours only because the square is rolled.
const APART: f32 = -100.0;

/// Rows that a thread takes through linear layers at a time, where there are enough.
const ROWS: usize = 64;

/// Norm and a linear layer over rows that `gather` puts together from others: how patches and merged patches become tokens.
pub(super) fn project(
    norm: Option<&Norm>,
    linear: &Linear,
    after: Option<&Norm>,
    rows: usize,
    gather: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let (inputs, outputs) = (linear.inputs(), linear.outputs());
    let mut out = vec![0.0; rows * outputs];
    let chunk = rows_at_a_time(rows);
    out.par_chunks_mut(chunk * outputs).enumerate().for_each_init(Scratch::default, |scratch, (index, out)| {
        scratch.rows.resize(out.len() / outputs * inputs, 0.0);
        for (row, input) in scratch.rows.chunks_exact_mut(inputs).enumerate() {
            gather(index * chunk + row, input);
        }
        Arch::new().dispatch(Project { norm, linear, after, scratch, out });
    });
    out
}

fn rows_at_a_time(rows: usize) -> usize {
    // In fours, as the product takes them.
    (rows / rayon::current_num_threads() / 4 * 4).clamp(16, ROWS)
}

struct Project<'a> {
    norm: Option<&'a Norm>,
    linear: &'a Linear,
    after: Option<&'a Norm>,
    scratch: &'a mut Scratch,
    out: &'a mut [f32],
}

impl NullaryFnOnce for Project<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { norm, linear, after, scratch, out } = self;
        if let Some(norm) = norm {
            norm.apply(&mut scratch.rows);
        }
        linear.apply_inline(&scratch.rows, &mut scratch.wide);
        out.copy_from_slice(&scratch.wide);
        if let Some(norm) = after {
            norm.apply(out);
        }
    }
}

/// Buffers that one thread reuses.
#[derive(Default)]
struct Scratch {
    rows: Vec<f32>,
    wide: Vec<f32>,
    narrow: Vec<f32>,
}

/// Where a block's tokens lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    /// Tokens along each side of the square.
    pub side: usize,
    /// Tokens along each side of a window; divides `side`.
    pub window: usize,
    /// By how many tokens the square is rolled up and to the left before it is cut into windows.
    pub shift: usize,
    /// Components of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
}

/// A Swin block.
#[derive(Debug)]
pub(super) struct Block {
    pub geometry: Geometry,
    pub norm_before: Norm,
    /// Query, key and value side by side.
    pub mix: Linear,
    /// What is added to scores: `[heads, window², window²]`.
    pub positions: Vec<f32>,
    pub join: Linear,
    pub norm_after: Norm,
    pub expand: Linear,
    pub contract: Linear,
}

impl Geometry {
    /// The token of the square that is number `place` of window `window`.
    fn token(&self, window: usize, place: usize) -> usize {
        let across = self.side / self.window;
        let row = window / across * self.window + place / self.window + self.shift;
        let column = window % across * self.window + place % self.window + self.shift;
        row % self.side * self.side + column % self.side
    }

    /// Window and place of each token of the square: the inverse of `token`, as one number.
    fn places(&self) -> Vec<usize> {
        let size = self.window * self.window;
        let mut places = vec![0; self.side * self.side];
        for index in 0..places.len() {
            places[self.token(index / size, index % size)] = index;
        }
        places
    }

    /// For each place of a window the part of the square that it comes from; `None` where all come from one.
    fn parts(&self, window: usize) -> Option<Vec<u8>> {
        let across = self.side / self.window;
        let (row, column) = (window / across, window % across);
        if self.shift == 0 || (row + 1 < across && column + 1 < across) {
            return None;
        }
        let beyond = |last: bool, at: usize| u8::from(last && at >= self.window - self.shift);
        let part = |place: usize| {
            2 * beyond(row + 1 == across, place / self.window) + beyond(column + 1 == across, place % self.window)
        };
        Some((0..self.window * self.window).map(part).collect())
    }
}

/// Spreads a table `[(2·window − 1)², heads]` of biases over the pairs of a window's places: `[heads, window², window²]`.
pub(super) fn spread_positions(table: &[f32], window: usize, heads: usize) -> Vec<f32> {
    let size = window * window;
    let mut out = Vec::with_capacity(heads * size * size);
    for head in 0..heads {
        for (to, from) in (0..size * size).map(|pair| (pair / size, pair % size)) {
            let row = to / window + window - 1 - from / window;
            let column = to % window + window - 1 - from % window;
            out.push(table[(row * (2 * window - 1) + column) * heads + head]);
        }
    }
    out
}

impl Block {
    /// Takes `state` `[side², width]` through the block.
    pub fn forward(&self, state: &mut [f32]) {
        let Geometry { window, width, .. } = self.geometry;
        let mut mixed = vec![0.0; state.len()];
        let tokens: &[f32] = state;
        mixed.par_chunks_mut(window * window * width).enumerate().for_each_init(
            || (Scratch::default(), HeadScratch::new(&self.geometry)),
            |(scratch, head), (window, out)| {
                Arch::new().dispatch(Attend { block: self, window, state: tokens, scratch, head, out });
            },
        );
        let places = self.geometry.places();
        let chunk = rows_at_a_time(state.len() / width);
        let rows = state.par_chunks_mut(chunk * width).zip(places.par_chunks(chunk));
        rows.for_each_init(Scratch::default, |scratch, (state, places)| {
            Arch::new().dispatch(Feed { block: self, mixed: &mixed, places, scratch, state });
        });
    }
}

/// What one head works on.
struct HeadScratch {
    query: Vec<f32>,
    key: Packed,
    value: Packed,
    scores: Vec<f32>,
    context: Vec<f32>,
}

impl HeadScratch {
    fn new(geometry: &Geometry) -> Self {
        let (size, part) = (geometry.window * geometry.window, geometry.width / geometry.heads);
        Self {
            query: vec![0.0; size * part],
            key: Packed::zeros(part, size),
            value: Packed::zeros(size, part),
            scores: vec![0.0; size * size],
            context: vec![0.0; size * part],
        }
    }
}

/// Attention within one window, as `pulp` dispatches it.
struct Attend<'a> {
    block: &'a Block,
    window: usize,
    state: &'a [f32],
    scratch: &'a mut Scratch,
    head: &'a mut HeadScratch,
    out: &'a mut [f32],
}

impl NullaryFnOnce for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { block, window, state, scratch, head, out } = self;
        let Geometry { width, heads, .. } = block.geometry;
        let (size, part) = (out.len() / width, width / heads);
        scratch.rows.clear();
        for place in 0..size {
            scratch.rows.extend_from_slice(&state[block.geometry.token(window, place) * width..][..width]);
        }
        block.norm_before.apply(&mut scratch.rows);
        block.mix.apply_inline(&scratch.rows, &mut scratch.wide);
        let parts = block.geometry.parts(window);
        let mixed = &scratch.wide;
        for (index, positions) in block.positions.chunks_exact(size * size).enumerate() {
            for (row, query) in head.query.chunks_exact_mut(part).enumerate() {
                query.copy_from_slice(&mixed[row * 3 * width + index * part..][..part]);
            }
            head.key.fill(|k, n| mixed[(n * 3 + 1) * width + index * part + k]);
            head.value.fill(|k, n| mixed[(k * 3 + 2) * width + index * part + n]);
            multiply_inline(&head.query, &head.key, &mut head.scores);
            for (place, scores) in head.scores.chunks_exact_mut(size).enumerate() {
                add(scores, &positions[place * size..]);
                if let Some(parts) = &parts {
                    for (score, part) in scores.iter_mut().zip(parts) {
                        *score += if *part == parts[place] { 0.0 } else { APART };
                    }
                }
                softmax_in_lanes(scores);
            }
            multiply_inline(&head.scores, &head.value, &mut head.context);
            // The rows are no longer needed: they take the heads' results side by side.
            for (row, context) in head.context.chunks_exact(part).enumerate() {
                scratch.rows[row * width + index * part..][..part].copy_from_slice(context);
            }
        }
        block.join.apply_inline(&scratch.rows, &mut scratch.narrow);
        out.copy_from_slice(&scratch.narrow);
    }
}

/// The feed-forward layers of some rows, as `pulp` dispatches them.
struct Feed<'a> {
    block: &'a Block,
    mixed: &'a [f32],
    places: &'a [usize],
    scratch: &'a mut Scratch,
    state: &'a mut [f32],
}

impl NullaryFnOnce for Feed<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { block, mixed, places, scratch, state } = self;
        let width = block.geometry.width;
        for (row, place) in state.chunks_exact_mut(width).zip(places) {
            add(row, &mixed[place * width..]);
        }
        scratch.rows.clear();
        scratch.rows.extend_from_slice(state);
        block.norm_after.apply(&mut scratch.rows);
        block.expand.apply_inline(&scratch.rows, &mut scratch.wide);
        scratch.wide.iter_mut().for_each(|x| *x = gelu(*x));
        block.contract.apply_inline(&scratch.wide, &mut scratch.narrow);
        add(state, &scratch.narrow);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_every_token_once_and_parts_tell_what_was_rolled() {
        let geometry = Geometry { side: 8, window: 4, shift: 2, width: 1, heads: 1 };
        let mut places = geometry.places();
        assert_eq!(geometry.token(0, 0), 2 * 8 + 2);
        assert_eq!((geometry.token(3, 15), places[9]), (9, 63));
        places.sort_unstable();
        assert!(places.into_iter().eq(0..64));
        assert!(geometry.parts(0).is_none());
        assert_eq!(geometry.parts(1).unwrap()[..8], [0, 0, 1, 1, 0, 0, 1, 1]);
        assert_eq!(geometry.parts(3).unwrap()[4..12], [0, 0, 1, 1, 2, 2, 3, 3]);
        assert!((0..4).all(|window| Geometry { shift: 0, ..geometry }.parts(window).is_none()));
    }
}
