//! Log-mel frames from a stream of samples (realfft).

use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};

use crate::{Error, Result};

/// How a model family turns samples into log-mel frames.
///
/// Frames are centred as in librosa: frame `t` covers samples `t·hop − fft/2 .. t·hop + fft/2`, zeros outside the clip, under a periodic Hann
/// window; power spectrum; triangular filters on the HTK mel scale, each scaled to unit sum; `log10(1 + gain·x) / divisor`.
#[derive(Debug, Clone, PartialEq)]
pub struct MelParameters {
    /// Samples a second, in Hz.
    pub sample_rate: u32,
    /// Length of the window and of the Fourier transform, in samples.
    pub fft: usize,
    /// Samples from one frame to the next.
    pub hop: usize,
    /// Number of mel bands.
    pub bands: usize,
    /// Lower end of the lowest band, in Hz.
    pub low: f64,
    /// Upper end of the highest band, in Hz.
    pub high: f64,
    /// Factor before the logarithm.
    pub gain: f32,
    /// What the logarithm is divided by.
    pub divisor: f32,
}

impl MelParameters {
    /// The parameters of the starter's tower: `aisfx/inference.py`, `spectrogram_librosa.py` and `preprocessing.py`.
    pub const SFX: Self = Self {
        sample_rate: 44_100,
        fft: 2048,
        hop: 1024,
        bands: 96,
        low: 0.0,
        high: 22_050.0,
        gain: 10_000.0,
        divisor: 9.457_799,
    };

    /// Frames that a clip of `samples` samples has.
    pub fn frames(&self, samples: u64) -> u64 {
        1 + samples / self.hop as u64
    }
}

/// Turns a stream of samples into log-mel frames.
pub struct LogMel {
    parameters: MelParameters,
    window: Vec<f32>,
    /// Per band: the first bin and the weights from there.
    filters: Vec<(usize, Vec<f32>)>,
    transform: Arc<dyn RealToComplex<f32>>,
    scratch: Vec<Complex32>,
    spectrum: Vec<Complex32>,
    power: Vec<f32>,
    windowed: Vec<f32>,
    /// Samples not yet passed by every frame, with the zeros before the clip.
    pending: Vec<f32>,
    taken: u64,
    given: u64,
}

impl LogMel {
    /// A fresh stream.
    pub fn new(parameters: &MelParameters) -> Self {
        let fft = parameters.fft;
        let transform = RealFftPlanner::<f32>::new().plan_fft_forward(fft);
        let window =
            (0..fft).map(|i| (0.5 - 0.5 * (std::f64::consts::TAU * i as f64 / fft as f64).cos()) as f32).collect();
        Self {
            window,
            filters: filterbank(parameters),
            scratch: transform.make_scratch_vec(),
            spectrum: transform.make_output_vec(),
            power: vec![0.0; fft / 2 + 1],
            windowed: transform.make_input_vec(),
            transform,
            pending: vec![0.0; fft / 2],
            taken: 0,
            given: 0,
            parameters: parameters.clone(),
        }
    }

    /// Takes samples and appends every complete frame, `[bands]` each, to `out`.
    ///
    /// # Errors
    /// [`Error::Internal`] when the Fourier transform refuses its buffers.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<()> {
        self.taken += samples.len() as u64;
        self.pending.extend_from_slice(samples);
        self.drain(u64::MAX, out)
    }

    /// Appends the frames that reach over the end of the clip to `out`.
    ///
    /// # Errors
    /// [`Error::Internal`] when the Fourier transform refuses its buffers.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<()> {
        self.pending.resize(self.pending.len() + self.parameters.fft, 0.0);
        self.drain(self.parameters.frames(self.taken), out)
    }

    fn drain(&mut self, total: u64, out: &mut Vec<f32>) -> Result<()> {
        let (fft, hop) = (self.parameters.fft, self.parameters.hop);
        let mut start = 0;
        while start + fft <= self.pending.len() && self.given < total {
            for ((x, sample), w) in self.windowed.iter_mut().zip(&self.pending[start..start + fft]).zip(&self.window) {
                *x = sample * w;
            }
            self.transform
                .process_with_scratch(&mut self.windowed, &mut self.spectrum, &mut self.scratch)
                .map_err(|cause| Error::Internal(format!("the Fourier transform failed: {cause}")))?;
            for (power, bin) in self.power.iter_mut().zip(&self.spectrum) {
                *power = bin.norm_sqr();
            }
            let (gain, divisor) = (self.parameters.gain, self.parameters.divisor);
            out.extend(self.filters.iter().map(|(first, weights)| {
                let energy: f32 = weights.iter().zip(&self.power[*first..]).map(|(w, p)| w * p).sum();
                (1.0 + gain * energy).log10() / divisor
            }));
            start += hop;
            self.given += 1;
        }
        self.pending.drain(..start);
        Ok(())
    }
}

/// Triangular filters on the HTK mel scale, each scaled to unit sum, as `librosa.filters.mel(htk=True, norm=1.0)` has them.
fn filterbank(parameters: &MelParameters) -> Vec<(usize, Vec<f32>)> {
    let mel = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
    let hertz = |mel: f64| 700.0 * (10f64.powf(mel / 2595.0) - 1.0);
    let (low, high) = (mel(parameters.low), mel(parameters.high));
    let edge = |i: usize| hertz(low + (high - low) * i as f64 / (parameters.bands + 1) as f64);
    let bins = parameters.fft / 2 + 1;
    (0..parameters.bands)
        .map(|band| {
            let (left, centre, right) = (edge(band), edge(band + 1), edge(band + 2));
            let weights: Vec<f64> = (0..bins)
                .map(|bin| {
                    let f = bin as f64 * f64::from(parameters.sample_rate) / parameters.fft as f64;
                    ((f - left) / (centre - left)).min((right - f) / (right - centre)).max(0.0)
                })
                .collect();
            let first = weights.iter().position(|w| *w > 0.0).unwrap_or(0);
            let last = weights.iter().rposition(|w| *w > 0.0).map_or(first, |last| last + 1);
            let sum: f64 = weights.iter().sum();
            let scale = if sum > 0.0 { 1.0 / sum } else { 0.0 };
            (first, weights[first..last].iter().map(|w| (w * scale) as f32).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_one_frame_a_hop_and_one_more_however_the_samples_arrive() {
        let p = MelParameters::SFX;
        let samples: Vec<f32> = (0..10_000u32).map(|i| ((i * 7919) % 2000) as f32 / 1000.0 - 1.0).collect();
        for len in [1, 1023, 1024, 1025, 2048, 9_999] {
            let mut whole = Vec::new();
            let mut mel = LogMel::new(&p);
            mel.push(&samples[..len], &mut whole).unwrap();
            mel.finish(&mut whole).unwrap();
            assert_eq!(whole.len() as u64, p.frames(len as u64) * 96, "{len} samples");
            let mut pieces = Vec::new();
            let mut mel = LogMel::new(&p);
            samples[..len].chunks(333).for_each(|piece| mel.push(piece, &mut pieces).unwrap());
            mel.finish(&mut pieces).unwrap();
            assert_eq!(pieces, whole, "{len} samples");
        }
    }

    #[test]
    fn filters_sum_to_one() {
        for (_, weights) in filterbank(&MelParameters::SFX) {
            let sum: f32 = weights.iter().sum();
            assert!(sum == 0.0 || (sum - 1.0).abs() < 1e-5, "{sum}");
        }
    }
}
