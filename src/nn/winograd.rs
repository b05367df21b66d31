//! 3 × 3 convolution with padding 1 as Winograd's F(4×4, 3×3): 36 small matrix products in place of 144 multiplications a tile.
//!
//! It needs a quarter of the multiplications of the direct form, which on a CPU outweighs its two transforms; in `f32` it stays
//! within 1e-5 of it, relative to the largest output. (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015.)

use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use super::feature_map::{Map, Then};
use super::gemm::{Packed, multiply, multiply_inline};

/// Channels that the transforms handle at a time: one AVX2 register.
const LANES: usize = 8;

/// Points of a transformed tile.
const POINTS: usize = 36;

/// An index that no map has.
const OUTSIDE: usize = usize::MAX / 2;

type Lane = [f32; LANES];

/// A convolution with bias and ReLU, its weights transformed and packed.
#[derive(Debug)]
pub(crate) struct Convolution {
    inputs: usize,
    outputs: usize,
    bias: Vec<f32>,
    /// One matrix `[inputs, outputs]` for each of the 36 points.
    points: Vec<Packed>,
}

/// Buffers that one thread reuses from layer to layer.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// Transformed input `[36, tiles, inputs]`.
    input: Vec<f32>,
    /// Transformed output `[36, tiles, outputs]`.
    output: Vec<f32>,
}

/// A tile: which map, and the first row and column of its 4 × 4 outputs.
#[derive(Clone, Copy)]
struct Tile {
    map: usize,
    row: usize,
    column: usize,
}

/// Rows of an output map that are written: all, or those of one band.
struct Band<'a> {
    /// The first row.
    first: usize,
    /// One behind the last row.
    end: usize,
    /// Columns of the map.
    width: usize,
    /// `[end - first, width, channels]`.
    data: &'a mut [f32],
}

impl<'a> Band<'a> {
    fn whole(map: &'a mut Map) -> Self {
        Self { first: 0, end: map.height, width: map.width, data: &mut map.data }
    }
}

impl Convolution {
    /// Transforms `weight` of shape `[outputs, inputs, 3, 3]`; both counts must be multiples of 8.
    pub fn new(weight: &[f32], bias: Vec<f32>, inputs: usize, outputs: usize) -> Self {
        assert_eq!(weight.len(), outputs * inputs * 9);
        assert!(inputs.is_multiple_of(LANES) && outputs.is_multiple_of(LANES));
        let transformed: Vec<[f32; POINTS]> = weight.as_chunks::<9>().0.par_iter().map(transform_weight).collect();
        let point = |p: usize| Packed::from_fn(inputs, outputs, |k, n| transformed[n * inputs + k][p]);
        let points = (0..POINTS).into_par_iter().map(point).collect();
        Self { inputs, outputs, bias, points }
    }

    /// Convolves each map on the calling thread; every output has the same bits whatever maps it is computed with.
    pub fn forward(&self, maps: &[Map], then: Then, workspace: &mut Workspace) -> Vec<Map> {
        assert!(maps.iter().all(|map| map.channels == self.inputs));
        let mut outputs: Vec<Map> = maps.iter().map(|map| map.after(self.outputs, then)).collect();
        let tiles: Vec<Tile> = maps.iter().enumerate().flat_map(|(index, map)| tiles(index, map, then)).collect();
        let mut bands: Vec<Band> = outputs.iter_mut().map(Band::whole).collect();
        for tiles in tiles.chunks(self.chunk()) {
            self.step(maps, tiles, then, workspace, &mut bands);
        }
        outputs
    }

    /// Convolves one map on all threads, with the bits of [`Convolution::forward`].
    pub fn forward_spread(&self, map: &Map, then: Then) -> Map {
        assert_eq!(map.channels, self.inputs);
        let mut output = map.after(self.outputs, then);
        let tiles: Vec<Tile> = tiles(0, map, then).collect();
        let chunk = self.chunk();
        if tiles.is_empty() {
            return output;
        }
        if tiles.len() <= chunk {
            // Few places, much weight: each thread takes some of the points and reads their weights only.
            self.step_by_points(map, &tiles, then, &mut Band::whole(&mut output));
            return output;
        }
        // A band for each chunk, but of whole rows of tiles.
        let across = tiles.iter().take_while(|tile| tile.row == 0).count();
        let tall = chunk.div_ceil(across);
        let rows = if then == Then::Keep { 4 * tall } else { 2 * tall };
        let (height, width) = (output.height, output.width);
        output
            .data
            .par_chunks_mut(rows * width * self.outputs)
            .zip(tiles.par_chunks(tall * across))
            .enumerate()
            .for_each_init(Workspace::default, |workspace, (index, (data, tiles))| {
                let first = index * rows;
                let band = Band { first, end: height.min(first + rows), width, data };
                self.step(std::slice::from_ref(map), tiles, then, workspace, &mut [band]);
            });
        output
    }

    /// A number of tiles whose transforms stay in the second-level cache, but not below what makes reading the weights worth it.
    fn chunk(&self) -> usize {
        (3_000 / (self.inputs + self.outputs)).clamp(6, 36) * 4
    }

    fn step(&self, maps: &[Map], tiles: &[Tile], then: Then, workspace: &mut Workspace, bands: &mut [Band]) {
        workspace.input.resize(POINTS * tiles.len() * self.inputs, 0.0);
        workspace.output.resize(POINTS * tiles.len() * self.outputs, 0.0);
        Arch::new().dispatch(Step { convolution: self, maps, tiles, then, workspace, bands });
    }

    fn step_by_points(&self, map: &Map, tiles: &[Tile], then: Then, band: &mut Band) {
        let mut input = vec![0.0; POINTS * tiles.len() * self.inputs];
        let mut output = vec![0.0; POINTS * tiles.len() * self.outputs];
        let maps = std::slice::from_ref(map);
        Arch::new().dispatch(TransformInput { maps, tiles, channels: self.inputs, out: &mut input });
        let products = output.par_chunks_exact_mut(tiles.len() * self.outputs);
        let points = input.par_chunks_exact(tiles.len() * self.inputs).zip(products);
        points.zip(&self.points).for_each(|((input, output), weights)| multiply(input, weights, output));
        let bands = std::slice::from_mut(band);
        Arch::new().dispatch(TransformOutput { input: &output, tiles, bias: &self.bias, then, bands });
    }
}

/// One chunk of tiles as `pulp` dispatches it: all that runs with the instruction set enabled.
struct Step<'a, 'b> {
    convolution: &'a Convolution,
    maps: &'a [Map],
    tiles: &'a [Tile],
    then: Then,
    workspace: &'a mut Workspace,
    bands: &'a mut [Band<'b>],
}

impl NullaryFnOnce for Step<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { convolution, maps, tiles, then, workspace, bands } = self;
        transform_input(maps, tiles, convolution.inputs, &mut workspace.input);
        let products = workspace.output.chunks_exact_mut(tiles.len() * convolution.outputs);
        let points = workspace.input.chunks_exact(tiles.len() * convolution.inputs).zip(products);
        for ((input, output), weights) in points.zip(&convolution.points) {
            multiply_inline(input, weights, output);
        }
        transform_output(&workspace.output, tiles, &convolution.bias, then, bands);
    }
}

/// [`transform_input`] as `pulp` dispatches it.
struct TransformInput<'a> {
    maps: &'a [Map],
    tiles: &'a [Tile],
    channels: usize,
    out: &'a mut [f32],
}

impl NullaryFnOnce for TransformInput<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        transform_input(self.maps, self.tiles, self.channels, self.out);
    }
}

/// [`transform_output`] as `pulp` dispatches it.
struct TransformOutput<'a, 'b> {
    input: &'a [f32],
    tiles: &'a [Tile],
    bias: &'a [f32],
    then: Then,
    bands: &'a mut [Band<'b>],
}

impl NullaryFnOnce for TransformOutput<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        transform_output(self.input, self.tiles, self.bias, self.then, self.bands);
    }
}

/// The tiles that cover the outputs of `map` that are kept.
fn tiles(index: usize, map: &Map, then: Then) -> impl Iterator<Item = Tile> {
    let even = |n: usize| if then == Then::Keep { n } else { n & !1 };
    let (height, width) = (even(map.height), even(map.width));
    (0..height)
        .step_by(4)
        .flat_map(move |row| (0..width).step_by(4).map(move |column| Tile { map: index, row, column }))
}

/// G g Gᵀ.
fn transform_weight(weight: &[f32; 9]) -> [f32; POINTS] {
    const G: [[f64; 3]; 6] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    std::array::from_fn(|point| {
        let (row, column) = (G[point / 6], G[point % 6]);
        let mut sum = 0.0;
        for i in 0..3 {
            for j in 0..3 {
                sum += row[i] * f64::from(weight[3 * i + j]) * column[j];
            }
        }
        sum as f32
    })
}

/// A weighted sum of lanes.
///
/// Here and below loops stand where `array::map` and `array::from_fn` would read better: the compiler does not always inline their closures,
/// and what is not inlined lacks the instruction set.
#[inline(always)]
#[allow(clippy::needless_range_loop)]
fn combine<const N: usize>(terms: [(f32, &Lane); N]) -> Lane {
    let (factor, lane) = terms[0];
    let mut sum = [0.0; LANES];
    for i in 0..LANES {
        sum[i] = factor * lane[i];
    }
    for (factor, lane) in &terms[1..] {
        for i in 0..LANES {
            sum[i] = factor.mul_add(lane[i], sum[i]);
        }
    }
    sum
}

/// Bᵀ applied to six values.
#[inline(always)]
fn input_step(d: &[Lane; 6]) -> [Lane; 6] {
    let even = combine([(-4.0, &d[2]), (1.0, &d[4])]);
    let odd = combine([(-4.0, &d[1]), (1.0, &d[3])]);
    let low = combine([(-1.0, &d[2]), (1.0, &d[4])]);
    let high = combine([(-2.0, &d[1]), (2.0, &d[3])]);
    [
        combine([(4.0, &d[0]), (-5.0, &d[2]), (1.0, &d[4])]),
        combine([(1.0, &even), (1.0, &odd)]),
        combine([(1.0, &even), (-1.0, &odd)]),
        combine([(1.0, &low), (1.0, &high)]),
        combine([(1.0, &low), (-1.0, &high)]),
        combine([(4.0, &d[1]), (-5.0, &d[3]), (1.0, &d[5])]),
    ]
}

/// Aᵀ applied to six values.
#[inline(always)]
fn output_step(m: &[Lane; 6]) -> [Lane; 4] {
    let sum = combine([(1.0, &m[1]), (1.0, &m[2])]);
    let difference = combine([(1.0, &m[1]), (-1.0, &m[2])]);
    let far_sum = combine([(1.0, &m[3]), (1.0, &m[4])]);
    let far_difference = combine([(1.0, &m[3]), (-1.0, &m[4])]);
    [
        combine([(1.0, &m[0]), (1.0, &sum), (1.0, &far_sum)]),
        combine([(1.0, &difference), (2.0, &far_difference)]),
        combine([(1.0, &sum), (4.0, &far_sum)]),
        combine([(1.0, &difference), (8.0, &far_difference), (1.0, &m[5])]),
    ]
}

/// Bᵀ d B of every tile and channel, to `[36, tiles, channels]`.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // a transposition reads best with indices
fn transform_input(maps: &[Map], tiles: &[Tile], channels: usize, out: &mut [f32]) {
    let zero = [0.0; LANES];
    for (index, tile) in tiles.iter().enumerate() {
        let map = &maps[tile.map];
        // Where each place of the tile begins; padding lies beyond the map, where `get` finds nothing.
        let mut places = [[OUTSIDE; 6]; 6];
        for (i, row) in places.iter_mut().enumerate() {
            for (j, place) in row.iter_mut().enumerate() {
                // One to the left and above: the padding wraps around to a huge number and fails the test.
                let (row, column) = ((tile.row + i).wrapping_sub(1), (tile.column + j).wrapping_sub(1));
                if row < map.height && column < map.width {
                    *place = (row * map.width + column) * channels;
                }
            }
        }
        for channel in (0..channels).step_by(LANES) {
            let load = |i: usize, j: usize| -> Lane {
                let at = places[i][j] + channel;
                map.data.get(at..at + LANES).and_then(|lane| lane.first_chunk()).copied().unwrap_or(zero)
            };
            let mut half = [[zero; 6]; 6];
            for j in 0..6 {
                let mut column = [zero; 6];
                for i in 0..6 {
                    column[i] = load(i, j);
                }
                let column = input_step(&column);
                for i in 0..6 {
                    half[i][j] = column[i];
                }
            }
            for (i, row) in half.iter().enumerate() {
                for (j, value) in input_step(row).iter().enumerate() {
                    let at = ((i * 6 + j) * tiles.len() + index) * channels + channel;
                    out[at..at + LANES].copy_from_slice(value);
                }
            }
        }
    }
}

/// Aᵀ m A of every tile and channel, plus bias, ReLU and pooling, into the maps.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // a transposition reads best with indices
fn transform_output(input: &[f32], tiles: &[Tile], bias: &[f32], then: Then, bands: &mut [Band]) {
    let zero = [0.0; LANES];
    let channels = bias.len();
    for (index, tile) in tiles.iter().enumerate() {
        let band = &mut bands[tile.map];
        for channel in (0..channels).step_by(LANES) {
            let load = |point: usize| -> Lane {
                let at = (point * tiles.len() + index) * channels + channel;
                input[at..].first_chunk().copied().unwrap_or(zero)
            };
            let bias: Lane = bias[channel..].first_chunk().copied().unwrap_or(zero);
            let mut half = [[zero; 6]; 4];
            for j in 0..6 {
                let mut column = [zero; 6];
                for i in 0..6 {
                    column[i] = load(i * 6 + j);
                }
                let column = output_step(&column);
                for i in 0..4 {
                    half[i][j] = column[i];
                }
            }
            let mut places = [[zero; 4]; 4];
            for (place, row) in places.iter_mut().zip(&half) {
                *place = output_step(row);
            }
            for place in places.iter_mut().flatten() {
                for (x, b) in place.iter_mut().zip(&bias) {
                    *x = (*x + b).max(0.0);
                }
            }
            let mut store = |row: usize, column: usize, value: &Lane| {
                if row < band.end && column < band.width {
                    let at = ((row - band.first) * band.width + column) * channels + channel;
                    band.data[at..at + LANES].copy_from_slice(value);
                }
            };
            match then {
                Then::Keep => {
                    for (i, row) in places.iter().enumerate() {
                        for (j, value) in row.iter().enumerate() {
                            store(tile.row + i, tile.column + j, value);
                        }
                    }
                }
                Then::MaxPool => {
                    for (i, j, [a, b, c, d]) in quads(&places) {
                        let mut value = zero;
                        for x in 0..LANES {
                            value[x] = a[x].max(b[x]).max(c[x].max(d[x]));
                        }
                        store(tile.row / 2 + i, tile.column / 2 + j, &value);
                    }
                }
                Then::MeanPool => {
                    for (i, j, [a, b, c, d]) in quads(&places) {
                        let mut value = zero;
                        for x in 0..LANES {
                            value[x] = (a[x] + b[x] + (c[x] + d[x])) * 0.25;
                        }
                        store(tile.row / 2 + i, tile.column / 2 + j, &value);
                    }
                }
            }
        }
    }
}

/// The four 2 × 2 squares of a tile's outputs, with their row and column.
#[inline(always)]
fn quads([first, second, third, fourth]: &[[Lane; 4]; 4]) -> [(usize, usize, [&Lane; 4]); 4] {
    [
        (0, 0, [&first[0], &first[1], &second[0], &second[1]]),
        (0, 1, [&first[2], &first[3], &second[2], &second[3]]),
        (1, 0, [&third[0], &third[1], &fourth[0], &fourth[1]]),
        (1, 1, [&third[2], &third[3], &fourth[2], &fourth[3]]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    fn direct(map: &Map, weight: &[f32], bias: &[f32], then: Then) -> Map {
        let outputs = bias.len();
        let mut full = Map::zeros(map.height, map.width, outputs);
        for y in 0..map.height {
            for x in 0..map.width {
                for o in 0..outputs {
                    let mut sum = f64::from(bias[o]);
                    for (i, j) in (0..9).map(|t| (t / 3, t % 3)) {
                        let (row, column) = ((y + i).wrapping_sub(1), (x + j).wrapping_sub(1));
                        if row < map.height && column < map.width {
                            for c in 0..map.channels {
                                let value = map.data[(row * map.width + column) * map.channels + c];
                                sum += f64::from(value) * f64::from(weight[(o * map.channels + c) * 9 + 3 * i + j]);
                            }
                        }
                    }
                    full.data[(y * map.width + x) * outputs + o] = sum.max(0.0) as f32;
                }
            }
        }
        if then == Then::Keep {
            return full;
        }
        let mut pooled = Map::zeros(map.height / 2, map.width / 2, outputs);
        for y in 0..pooled.height {
            for x in 0..pooled.width {
                for o in 0..outputs {
                    let at = |i: usize, j: usize| full.data[((2 * y + i) * full.width + 2 * x + j) * outputs + o];
                    let square = [at(0, 0), at(0, 1), at(1, 0), at(1, 1)];
                    pooled.data[(y * pooled.width + x) * outputs + o] = match then {
                        Then::MeanPool => square.iter().sum::<f32>() / 4.0,
                        _ => square.into_iter().fold(0.0, f32::max),
                    };
                }
            }
        }
        pooled
    }

    #[test]
    fn agrees_with_the_direct_form_at_every_remainder() {
        let (inputs, outputs) = (16, 24);
        let weight = noise(outputs * inputs * 9, 1);
        let bias = noise(outputs, 2);
        let convolution = Convolution::new(&weight, bias.clone(), inputs, outputs);
        let maps: Vec<Map> = [(1, 1), (4, 4), (5, 3), (6, 6), (7, 9), (25, 24), (90, 37)]
            .into_iter()
            .map(|(height, width)| Map {
                height,
                width,
                channels: inputs,
                data: noise(height * width * inputs, (height * width) as u32),
            })
            .collect();
        for then in [Then::Keep, Then::MaxPool, Then::MeanPool] {
            let together = convolution.forward(&maps, then, &mut Workspace::default());
            for (map, got) in maps.iter().zip(&together) {
                let wanted = direct(map, &weight, &bias, then);
                let worst = got.data.iter().zip(&wanted.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst < 1e-4, "{}×{} {then:?}: off by {worst}", map.height, map.width);
                assert_eq!((got.height, got.width), (wanted.height, wanted.width));
                let alone = convolution.forward(std::slice::from_ref(map), then, &mut Workspace::default());
                assert!(alone[0].data == got.data, "a map must not depend on its neighbours");
                assert!(convolution.forward_spread(map, then).data == got.data, "nor on threads");
            }
        }
    }
}
