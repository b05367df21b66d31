//! 3 × 3 convolution with padding 1 over maps of few columns and many channels, as matrix products.
//!
//! In the last block of a deep tower a map is two columns wide: half of a Winograd tile would be padding, and its transformed weights four
//! times as large. Here the taps that fall on padding left and right are left out, and the weights are read once, each thread its own part.

use rayon::prelude::*;

use super::feature_map::{Map, Then};
use super::gemm::{Packed, multiply_part};

/// Panels of the weights that a thread takes at a time: 64 channels.
const PANELS: usize = 4;

/// A convolution with bias and ReLU.
#[derive(Debug)]
pub(crate) struct Narrow {
    inputs: usize,
    bias: Vec<f32>,
    /// `[3 columns, 3 rows, inputs]` by outputs: the taps of a column lie together.
    weight: Packed,
}

impl Narrow {
    /// Packs `weight` of shape `[outputs, inputs, 3, 3]`.
    pub fn new(weight: &[f32], bias: Vec<f32>, inputs: usize, outputs: usize) -> Self {
        assert_eq!(weight.len(), outputs * inputs * 9);
        let weight = Packed::from_fn(9 * inputs, outputs, |k, n| {
            let (column, row, input) = (k / (3 * inputs), k / inputs % 3, k % inputs);
            weight[(n * inputs + input) * 9 + 3 * row + column]
        });
        Self { inputs, bias, weight }
    }

    /// Convolves a map on all threads; the bits do not depend on their number.
    pub fn forward_spread(&self, map: &Map, then: Then) -> Map {
        assert_eq!(map.channels, self.inputs);
        let outputs = self.bias.len();
        let columns: Vec<(usize, Vec<f32>)> = (0..map.width).map(|x| self.taps(map, x)).collect();
        let groups: Vec<_> = (0..self.weight.panels()).step_by(PANELS).collect();
        let parts: Vec<Vec<Vec<f32>>> = groups
            .par_iter()
            .map(|&first| {
                let panels = first..(first + PANELS).min(self.weight.panels());
                let product = |(tap, left): &(usize, Vec<f32>)| {
                    let depth = left.len() / map.height;
                    let terms = 3 * self.inputs * tap..3 * self.inputs * tap + depth;
                    let mut out = vec![0.0; map.height * self.weight.width(&panels)];
                    multiply_part(left, &self.weight, terms, panels.clone(), &mut out);
                    out
                };
                columns.iter().map(product).collect()
            })
            .collect();
        let mut full = Map::zeros(map.height, map.width, outputs);
        for (place, out) in full.data.chunks_exact_mut(outputs).enumerate() {
            let (y, x) = (place / map.width, place % map.width);
            let parts = parts
                .iter()
                .flat_map(|part| &part[x][y * (part[x].len() / map.height)..][..part[x].len() / map.height]);
            for ((out, sum), bias) in out.iter_mut().zip(parts).zip(&self.bias) {
                *out = (sum + bias).max(0.0);
            }
        }
        full.pooled(then)
    }

    /// What column `x` of the output sees: the first column of taps that is not padding, and `[height, taps · inputs]`.
    fn taps(&self, map: &Map, x: usize) -> (usize, Vec<f32>) {
        let first = if x == 0 { 1 } else { 0 };
        let last = if x + 1 == map.width { 1 } else { 2 };
        let mut rows = Vec::with_capacity(map.height * (last - first + 1) * 3 * self.inputs);
        for y in 0..map.height {
            for column in first..=last {
                for row in 0..3 {
                    match (y + row).checked_sub(1).filter(|row| *row < map.height) {
                        Some(row) => {
                            rows.extend(&map.data[(row * map.width + x + column - 1) * self.inputs..][..self.inputs])
                        }
                        None => rows.resize(rows.len() + self.inputs, 0.0),
                    }
                }
            }
        }
        (first, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::super::winograd::Convolution;
    use super::*;
    use crate::testing::noise;

    #[test]
    fn agrees_with_winograds_form() {
        let (inputs, outputs) = (16, 88);
        let (weight, bias) = (noise(outputs * inputs * 9, 1), noise(outputs, 2));
        let narrow = Narrow::new(&weight, bias.clone(), inputs, outputs);
        let wide = Convolution::new(&weight, bias, inputs, outputs);
        for (height, width) in [(1, 1), (2, 2), (7, 2), (31, 2), (6, 5)] {
            let map = Map { height, width, channels: inputs, data: noise(height * width * inputs, 3) };
            for then in [Then::Keep, Then::MaxPool, Then::MeanPool] {
                let (got, wanted) = (narrow.forward_spread(&map, then), wide.forward_spread(&map, then));
                assert_eq!((got.height, got.width, got.channels), (wanted.height, wanted.width, wanted.channels));
                let worst = got.data.iter().zip(&wanted.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst < 1e-4, "{height}×{width} {then:?}: off by {worst}");
            }
        }
    }
}
