//! The starter's audio tower: the sound-effects CNN of Ma and Lerch (ISMIR 2022), as `aisfx/models/cnn2d.py` defines it.
//!
//! Four blocks of two 3 × 3 convolutions with 64, 128, 256 and 512 channels, batch norm (folded into the weights here) and ReLU; 2 × 2 max
//! pooling after the first three. Input: blocks of up to 100 log-mel frames of 96 bands.

use std::path::Path;

use pulp::{Arch, NullaryFnOnce};

use crate::Result;
use crate::formats::checkpoint::Checkpoint;
use crate::nn::feature_map::{Map, Then};
use crate::nn::tensors::Tensors;
use crate::nn::winograd::{Convolution, Workspace};

/// Log-mel frames of a full block (`EMB_BLOCK_LENGTH` in `aisfx/inference.py`).
pub const BLOCK: usize = 100;

/// Mel bands of a frame.
pub const BANDS: usize = 96;

/// Log-mel frames that one step of the tower's output spans, after three poolings.
pub const STRIDE: usize = 8;

/// Steps of output of a full block: a rest of the frames is lost in pooling.
const FULL_STEPS: usize = BLOCK / STRIDE;

/// Channels of the blocks.
const CHANNELS: [usize; 4] = [64, 128, 256, 512];

/// The epsilon of PyTorch's batch norm.
const EPSILON: f32 = 1e-5;

/// The tower, its weights in memory.
#[derive(Debug)]
pub struct Sfx {
    /// `[9, 64]`: the first convolution has one input channel, too few for Winograd's form.
    first: Vec<[f32; CHANNELS[0]]>,
    first_bias: Vec<f32>,
    /// The second convolution of block 1, then both of blocks 2 to 4.
    rest: Vec<Convolution>,
}

/// What the tower sees in one block of frames; maps hold `[steps, bands, channels]`, channels innermost.
#[derive(Debug, Clone)]
pub struct BlockMaps {
    /// Output steps of [`STRIDE`] frames each.
    pub steps: usize,
    /// Third block after pooling: `[steps, 12, 256]`.
    pub third: Vec<f32>,
    /// Fourth block: `[steps, 12, 512]`.
    pub fourth: Vec<f32>,
}

impl Sfx {
    /// Reads the weights from the checkpoint of the `aisfx` wheel.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) or [`Error::Input`](crate::Error::Input) that names the first missing or misshapen tensor.
    pub fn load(checkpoint: &Path) -> Result<Self> {
        let file = Checkpoint::open(checkpoint)?;
        let (weight, first_bias) = fold(&file, 1, 1, 1, CHANNELS[0])?;
        let first = (0..9).map(|tap| std::array::from_fn(|channel| weight[channel * 9 + tap])).collect();
        let mut rest = Vec::new();
        let mut inputs = CHANNELS[0];
        for (index, &outputs) in CHANNELS.iter().enumerate() {
            for layer in 1..=2 {
                if (index, layer) == (0, 1) {
                    continue;
                }
                let (weight, bias) = fold(&file, index + 1, layer, inputs, outputs)?;
                rest.push(Convolution::new(&weight, bias, inputs, outputs));
                inputs = outputs;
            }
        }
        Ok(Self { first, first_bias, rest })
    }

    /// The maps of each block; a block is `[frames, 96]` with 1 to 100 frames, in effect padded with zeros to 100 as the reference does.
    ///
    /// Runs on the calling thread. A block's maps have the same bits whatever blocks come with it.
    pub fn forward(&self, blocks: &[&[f32]]) -> Vec<BlockMaps> {
        let mut workspace = Workspace::default();
        let (mut steps, mut thirds) = (Vec::new(), Vec::new());
        for block in blocks {
            let frames = (block.len() / BANDS).min(BLOCK);
            let wanted = frames.div_ceil(STRIDE).min(FULL_STEPS);
            // The last wanted step sees 32 frames beyond its own at most: what lies further changes it by rounding only, so it is left out.
            let mut input = Map::zeros(BLOCK.min(wanted * STRIDE + 32), BANDS, 1);
            input.data[..frames * BANDS].copy_from_slice(&block[..frames * BANDS]);
            let mut map = self.first_layer(&input);
            for (layer, convolution) in self.rest[..5].iter().enumerate() {
                let then = if layer % 2 == 0 { Then::MaxPool } else { Then::Keep };
                map = convolution.forward(&[map], then, &mut workspace).swap_remove(0);
            }
            steps.push(wanted);
            thirds.push(map);
        }
        // The fourth block has most of the weights and few places: all blocks share one pass over them.
        let fourths = self.rest[5].forward(&thirds, Then::Keep, &mut workspace);
        let fourths = self.rest[6].forward(&fourths, Then::Keep, &mut workspace);
        let keep = |mut map: Map, steps: usize| {
            map.data.truncate(steps * map.width * map.channels);
            map.data
        };
        let maps = steps.into_iter().zip(thirds).zip(fourths);
        maps.map(|((steps, third), fourth)| BlockMaps { steps, third: keep(third, steps), fourth: keep(fourth, steps) })
            .collect()
    }

    /// The first convolution, from one channel to 64, with ReLU.
    fn first_layer(&self, input: &Map) -> Map {
        let mut out = Map::zeros(input.height, input.width, CHANNELS[0]);
        Arch::new().dispatch(FirstLayer { tower: self, input, out: &mut out });
        out
    }
}

/// The first convolution as `pulp` dispatches it.
struct FirstLayer<'a> {
    tower: &'a Sfx,
    input: &'a Map,
    out: &'a mut Map,
}

impl NullaryFnOnce for FirstLayer<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { tower, input, out } = self;
        for (place, sums) in out.data.as_chunks_mut::<{ CHANNELS[0] }>().0.iter_mut().enumerate() {
            let (y, x) = (place / input.width, place % input.width);
            sums.copy_from_slice(&tower.first_bias);
            for (tap, weights) in tower.first.iter().enumerate() {
                let (row, column) = ((y + tap / 3).wrapping_sub(1), (x + tap % 3).wrapping_sub(1));
                if row < input.height && column < input.width {
                    let value = input.data[row * input.width + column];
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum = value.mul_add(*weight, *sum);
                    }
                }
            }
            sums.iter_mut().for_each(|sum| *sum = sum.max(0.0));
        }
    }
}

/// A convolution's weight and bias with its batch norm folded in: `w·γ/√(σ²+ε)` and `β − μ·γ/√(σ²+ε)`.
fn fold(
    file: &impl Tensors,
    block: usize,
    layer: usize,
    inputs: usize,
    outputs: usize,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let prefix = format!("embedding_net.conv_block{block}");
    let mut weight = file.get(&format!("{prefix}.conv{layer}.weight"), &[outputs, inputs, 3, 3])?;
    let norm = |name: &str| file.get(&format!("{prefix}.bn{layer}.{name}"), &[outputs]);
    let (gamma, beta) = (norm("weight")?, norm("bias")?);
    let (mean, variance) = (norm("running_mean")?, norm("running_var")?);
    let scales: Vec<f32> = gamma.iter().zip(&variance).map(|(g, v)| g / (v + EPSILON).sqrt()).collect();
    for (weights, scale) in weight.chunks_exact_mut(inputs * 9).zip(&scales) {
        weights.iter_mut().for_each(|w| *w *= scale);
    }
    let bias = beta.iter().zip(&mean).zip(&scales).map(|((b, m), s)| b - m * s).collect();
    Ok((weight, bias))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prints the processor time: `SFX=checkpoint.pth cargo test --release tower_speed -- --ignored --nocapture`.
    #[test]
    #[ignore = "a measurement"]
    fn tower_speed() {
        let seconds = || {
            let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
            stat.split(' ').next().unwrap().parse::<f64>().unwrap() * 1e-9
        };
        let tower = Sfx::load(Path::new(&std::env::var("SFX").unwrap())).unwrap();
        let block = vec![0.3f32; BLOCK * BANDS];
        for n in [1, 2, 4, 8] {
            let blocks = vec![block.as_slice(); n];
            let start = seconds();
            for _ in 0..16 / n {
                tower.forward(&blocks);
            }
            println!("{n} blocks: {:.2} ms a block", (seconds() - start) * 1e3 / 16.0);
        }
        let mut workspace = Workspace::default();
        let time = |name: String, run: &mut dyn FnMut()| {
            let start = seconds();
            (0..20).for_each(|_| run());
            println!("{name}: {:.2} ms", (seconds() - start) * 50.0);
        };
        let mut map = Map { height: 100, width: 96, channels: 1, data: block.clone() };
        let mut out = Vec::new();
        time("first layer".into(), &mut || out = vec![tower.first_layer(&map)]);
        for (layer, c) in tower.rest.iter().enumerate() {
            map = out[0].clone();
            let then = if layer % 2 == 0 && layer < 6 { Then::MaxPool } else { Then::Keep };
            let maps = vec![map.clone(); if layer < 5 { 1 } else { 8 }];
            let name = format!("layer {layer}, {} × {}×{}×{}", maps.len(), map.height, map.width, map.channels);
            time(name, &mut || out = c.forward(&maps, then, &mut workspace));
        }
    }
}
