//! CNN14, the audio tower of PANNs (Kong et al., 2020) of WavCaps' CNN14-BERT: `retrieval/models/cnns.py`.
//!
//! Batch norm over the mel bands; six blocks of two 3 × 3 convolutions (batch norm folded into the weights, ReLU) and mean pooling over
//! 2 × 2 places; mean over frequency; maximum plus mean over time.

use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use crate::nn::feature_map::{Map, Then};
use crate::nn::gemm::{Packed, multiply_inline};
use crate::nn::narrow::Narrow;
use crate::nn::tensors::Tensors;
use crate::nn::winograd::Convolution;
use crate::{Error, Result};

/// Mel bands of a frame.
pub const BANDS: usize = 64;

/// The fewest log-mel frames that leave something after six poolings.
pub const LEAST_FRAMES: usize = 64;

/// The epsilon of PyTorch's batch norm.
const EPSILON: f32 = 1e-5;

/// Rows that a thread takes through the first convolution at a time.
const ROWS: usize = 64;

/// Sizes of the tower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cnn14Config {
    /// Channels of the six blocks, multiples of 8; the last is the number of features.
    pub channels: [usize; 6],
}

impl Default for Cnn14Config {
    /// As published.
    fn default() -> Self {
        Self { channels: [64, 128, 256, 512, 1024, 2048] }
    }
}

/// The tower, its weights in memory: some 550 MB at the published size.
#[derive(Debug)]
pub struct Cnn14 {
    /// The batch norm over mel bands: factor and summand of each.
    norm: Vec<(f32, f32)>,
    /// `[9, channels]`: the first convolution has one input channel.
    first: Packed,
    first_bias: Vec<f32>,
    /// The second convolution of block 1, then both of the other blocks.
    rest: Vec<Layer>,
    features: usize,
}

/// A convolution in the form that suits its map.
#[derive(Debug)]
enum Layer {
    Wide(Convolution),
    Narrow(Narrow),
}

impl Cnn14 {
    /// Reads the weights, whose names begin with `prefix` (`audio_encoder.audio_enc.` in WavCaps' checkpoints).
    ///
    /// # Errors
    /// [`Error::Input`] that names the first missing or misshapen tensor, or channels that are no multiple of 8; [`Error::Io`].
    pub fn load(tensors: &dyn Tensors, prefix: &str, config: &Cnn14Config) -> Result<Self> {
        if let Some(odd) = config.channels.iter().find(|channels| **channels == 0 || !channels.is_multiple_of(8)) {
            return Err(Error::input("CNN14", format!("a block of {odd} channels"), "a multiple of 8"));
        }
        let (scales, shifts) = norm(tensors, &format!("{prefix}bn0"), BANDS)?;
        let block = |index: usize, layer: usize, inputs: usize| {
            convolution(tensors, &format!("{prefix}conv_block{}", index + 1), layer, inputs, config.channels[index])
        };
        let [first_channels, .., features] = config.channels;
        let (weight, first_bias) = block(0, 1, 1)?;
        let first = Packed::from_fn(9, first_channels, |tap, channel| weight[channel * 9 + tap]);
        let mut rest = Vec::new();
        let mut inputs = first_channels;
        for (index, &outputs) in config.channels.iter().enumerate() {
            for layer in 1..=2 {
                if (index, layer) == (0, 1) {
                    continue;
                }
                let (weight, bias) = block(index, layer, inputs)?;
                rest.push(if BANDS >> index <= 2 {
                    Layer::Narrow(Narrow::new(&weight, bias, inputs, outputs))
                } else {
                    Layer::Wide(Convolution::new(&weight, bias, inputs, outputs))
                });
                inputs = outputs;
            }
        }
        Ok(Self { norm: scales.into_iter().zip(shifts).collect(), first, first_bias, rest, features })
    }

    /// Number of features.
    pub fn dim(&self) -> usize {
        self.features
    }

    /// The features `[dim]` of log-mel frames `[frames, 64]`, of which there must be at least [`LEAST_FRAMES`].
    ///
    /// Work is spread over the threads of the pool; the bits do not depend on their number.
    ///
    /// # Errors
    /// [`Error::Input`] when there are too few frames.
    pub fn forward(&self, log_mel: &[f32]) -> Result<Vec<f32>> {
        let frames = log_mel.len() / BANDS;
        if frames < LEAST_FRAMES || !log_mel.len().is_multiple_of(BANDS) {
            let expected = format!("at least {LEAST_FRAMES} frames of {BANDS} bands");
            return Err(Error::input("CNN14", format!("{} numbers of log-mel", log_mel.len()), expected));
        }
        let mut map = self.first_layer(log_mel, frames);
        for (index, layer) in self.rest.iter().enumerate() {
            let then = if index % 2 == 0 { Then::MeanPool } else { Then::Keep };
            map = match layer {
                Layer::Wide(convolution) => convolution.forward_spread(&map, then),
                Layer::Narrow(convolution) => convolution.forward_spread(&map, then),
            };
        }
        Ok(pool(&map))
    }

    /// The norm and the first convolution, from one channel, with ReLU.
    fn first_layer(&self, log_mel: &[f32], frames: usize) -> Map {
        let norm = self.norm.iter().cycle();
        let input: Vec<f32> = log_mel.iter().zip(norm).map(|(x, (scale, shift))| x.mul_add(*scale, *shift)).collect();
        let channels = self.first_bias.len();
        let mut out = Map::zeros(frames, BANDS, channels);
        out.data.par_chunks_mut(ROWS * BANDS * channels).enumerate().for_each(|(index, out)| {
            Arch::new().dispatch(FirstLayer { tower: self, input: &input, first: index * ROWS, out });
        });
        out
    }
}

/// Rows of the first convolution, from row `first` on, as `pulp` dispatches it.
struct FirstLayer<'a> {
    tower: &'a Cnn14,
    input: &'a [f32],
    first: usize,
    out: &'a mut [f32],
}

impl NullaryFnOnce for FirstLayer<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { tower, input, first, out } = self;
        let channels = tower.first_bias.len();
        let mut taps = vec![0.0; BANDS * 9];
        for (y, out) in out.chunks_exact_mut(BANDS * channels).enumerate() {
            for (x, taps) in taps.as_chunks_mut::<9>().0.iter_mut().enumerate() {
                for (tap, value) in taps.iter_mut().enumerate() {
                    let (row, column) = ((first + y + tap / 3).wrapping_sub(1), (x + tap % 3).wrapping_sub(1));
                    let inside = column < BANDS && row < input.len() / BANDS;
                    *value = if inside { input[row * BANDS + column] } else { 0.0 };
                }
            }
            multiply_inline(&taps, &tower.first, out);
            for place in out.chunks_exact_mut(channels) {
                for (x, bias) in place.iter_mut().zip(&tower.first_bias) {
                    *x = (*x + bias).max(0.0);
                }
            }
        }
    }
}

/// Mean over frequency; maximum plus mean over time.
fn pool(map: &Map) -> Vec<f32> {
    let channels = map.channels;
    let (mut sum, mut max) = (vec![0f64; channels], vec![f32::NEG_INFINITY; channels]);
    let mut mean = vec![0f32; channels];
    for step in map.data.chunks_exact(map.width * channels) {
        mean.fill(0.0);
        for place in step.chunks_exact(channels) {
            mean.iter_mut().zip(place).for_each(|(mean, x)| *mean += x);
        }
        for ((mean, sum), max) in mean.iter_mut().zip(&mut sum).zip(&mut max) {
            *mean /= map.width as f32;
            *sum += f64::from(*mean);
            *max = max.max(*mean);
        }
    }
    sum.iter().zip(&max).map(|(sum, max)| max + (sum / map.height as f64) as f32).collect()
}

/// A convolution's weight and bias with its batch norm folded in.
fn convolution(
    tensors: &dyn Tensors,
    block: &str,
    layer: usize,
    inputs: usize,
    outputs: usize,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let mut weight = tensors.get(&format!("{block}.conv{layer}.weight"), &[outputs, inputs, 3, 3])?;
    let (scales, bias) = norm(tensors, &format!("{block}.bn{layer}"), outputs)?;
    for (weights, scale) in weight.chunks_exact_mut(inputs * 9).zip(&scales) {
        weights.iter_mut().for_each(|w| *w *= scale);
    }
    Ok((weight, bias))
}

/// A batch norm as factors `γ/√(σ²+ε)` and summands `β − μ·γ/√(σ²+ε)`.
pub(crate) fn norm(tensors: &dyn Tensors, name: &str, channels: usize) -> Result<(Vec<f32>, Vec<f32>)> {
    let get = |part: &str| tensors.get(&format!("{name}.{part}"), &[channels]);
    let (gamma, beta) = (get("weight")?, get("bias")?);
    let (mean, variance) = (get("running_mean")?, get("running_var")?);
    let scales: Vec<f32> = gamma.iter().zip(&variance).map(|(g, v)| g / (v + EPSILON).sqrt()).collect();
    let shifts = beta.iter().zip(&mean).zip(&scales).map(|((b, m), s)| b - m * s).collect();
    Ok((scales, shifts))
}
