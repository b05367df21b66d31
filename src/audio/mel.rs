//! Log-mel frames from a stream of samples (realfft).

use std::iter::Sum;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{FftNum, RealFftPlanner, RealToComplex};

use crate::{Error, Result};

/// How a model family turns samples into log-mel frames.
///
/// Frames are centred as in librosa: frame `t` covers samples `t·hop − fft/2 .. t·hop + fft/2` under a periodic Hann window; then the power
/// spectrum, triangular filters and a logarithm.
#[derive(Debug, Clone, PartialEq)]
pub struct MelParameters {
    /// Samples a second, in Hz.
    pub sample_rate: u32,
    /// Length of the window and of the Fourier transform, in samples.
    pub fft: usize,
    /// Samples from one frame to the next.
    pub hop: usize,
    /// What lies before the first sample and behind the last.
    pub edges: Edges,
    /// Number of mel bands.
    pub bands: usize,
    /// Lower end of the lowest band, in Hz.
    pub low: f64,
    /// Upper end of the highest band, in Hz.
    pub high: f64,
    /// The sample rate that the filters take the samples to have, in Hz. It is the sample rate but for a family whose authors mixed the two up.
    pub filter_rate: u32,
    /// How the filters lie.
    pub filters: Filters,
    /// What becomes of a band's energy.
    pub loudness: Loudness,
}

/// What a frame sees beyond the ends of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edges {
    /// Zeros.
    Zeros,
    /// The clip mirrored at its first and last sample, neither of which is repeated. It must be longer than half a window.
    Reflect,
}

/// How triangular filters lie on the frequencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filters {
    /// Evenly on the HTK mel scale, each scaled to unit sum: `librosa.filters.mel(htk=True, norm=1.0)`.
    HtkUnitSum,
    /// Evenly on the HTK mel scale, each with a peak of 1: `librosa.filters.mel(htk=True, norm=None)`, torchaudio's default.
    HtkUnitPeak,
    /// Evenly on Slaney's mel scale, each scaled to unit area: `librosa.filters.mel()`.
    SlaneyUnitArea,
}

/// What becomes of a band's energy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loudness {
    /// `log10(1 + gain·x) / divisor`, in single precision.
    Compressed {
        /// Factor before the logarithm.
        gain: f32,
        /// What the logarithm is divided by.
        divisor: f32,
    },
    /// `10·log10(max(x, 1e-10))`, from a transform in double precision: in a band that is faint beside a loud one, single precision is off by
    /// more than a thousandth of a decibel.
    Decibels,
}

/// Bands of all CLAP families below.
pub const CLAP_BANDS: usize = 64;

impl MelParameters {
    /// The parameters of the starter's tower: `aisfx/inference.py`, `spectrogram_librosa.py` and `preprocessing.py`.
    pub const SFX: Self = Self {
        sample_rate: 44_100,
        fft: 2048,
        hop: 1024,
        edges: Edges::Zeros,
        bands: 96,
        low: 0.0,
        high: 22_050.0,
        filter_rate: 44_100,
        filters: Filters::HtkUnitSum,
        loudness: Loudness::Compressed { gain: 10_000.0, divisor: 9.457_799 },
    };

    /// The parameters of the towers of WavCaps, CNN14 and HTSAT: `retrieval/settings` and `models/feature_extractor.py`.
    pub const WAVCAPS: Self = Self {
        sample_rate: 32_000,
        fft: 1024,
        hop: 320,
        edges: Edges::Reflect,
        bands: CLAP_BANDS,
        low: 50.0,
        high: 14_000.0,
        filter_rate: 32_000,
        filters: Filters::SlaneyUnitArea,
        loudness: Loudness::Decibels,
    };

    /// The parameters of LAION's towers without fusion: `ClapFeatureExtractor` with `rand_trunc`, and torchlibrosa inside the original HTSAT.
    /// (The original rounds samples to 16 bits first; Hugging Face's does not, nor does this.)
    pub const LAION: Self = Self { sample_rate: 48_000, hop: 480, filter_rate: 48_000, ..Self::WAVCAPS };

    /// The parameters of LAION's towers with fusion, `ClapFeatureExtractor` with `fusion`: torchaudio's filters.
    pub const LAION_FUSED: Self = Self { filters: Filters::HtkUnitPeak, ..Self::LAION };

    /// The parameters of Microsoft's CLAP of 2023, which reads 44.1 kHz with filters that were laid out for 32 kHz.
    pub const MSCLAP: Self = Self { sample_rate: 44_100, ..Self::WAVCAPS };

    /// Frames that a clip of `samples` samples has.
    pub fn frames(&self, samples: u64) -> u64 {
        1 + samples / self.hop as u64
    }

    /// The middle of each band, in Hz.
    pub fn middles(&self) -> Vec<f64> {
        (1..=self.bands).map(|i| self.edge(i)).collect()
    }

    /// Where bands end and others have their middles, in Hz, from the lower end of the lowest on.
    fn edge(&self, i: usize) -> f64 {
        let slaney = self.filters == Filters::SlaneyUnitArea;
        let mel = |hertz: f64| if slaney { slaney::mel(hertz) } else { 2595.0 * (1.0 + hertz / 700.0).log10() };
        let hertz = |mel: f64| if slaney { slaney::hertz(mel) } else { 700.0 * (10f64.powf(mel / 2595.0) - 1.0) };
        let (low, high) = (mel(self.low), mel(self.high));
        hertz(low + (high - low) * i as f64 / (self.bands + 1) as f64)
    }
}

/// Turns a stream of samples into log-mel frames.
pub struct LogMel {
    parameters: MelParameters,
    analysis: Analysis,
    /// Samples not yet passed by every frame, with what lies before the clip.
    pending: Vec<f32>,
    taken: u64,
    given: u64,
}

/// [`Loudness`] with what computes it.
enum Analysis {
    Compressed { spectrum: Spectrum<f32>, gain: f32, divisor: f32 },
    Decibels(Spectrum<f64>),
}

impl LogMel {
    /// A fresh stream.
    pub fn new(parameters: &MelParameters) -> Self {
        let before = match parameters.edges {
            Edges::Zeros => vec![0.0; parameters.fft / 2],
            // Mirrored as soon as there are enough samples.
            Edges::Reflect => Vec::new(),
        };
        let analysis = match parameters.loudness {
            Loudness::Compressed { gain, divisor } => {
                Analysis::Compressed { spectrum: Spectrum::new(parameters, |x| x as f32), gain, divisor }
            }
            Loudness::Decibels => Analysis::Decibels(Spectrum::new(parameters, |x| x)),
        };
        Self { parameters: parameters.clone(), analysis, pending: before, taken: 0, given: 0 }
    }

    /// The frames of a whole clip, `[frames, bands]`.
    ///
    /// # Errors
    /// As [`LogMel::finish`].
    pub fn of(samples: &[f32], parameters: &MelParameters) -> Result<Vec<f32>> {
        let mut stream = Self::new(parameters);
        let mut frames = Vec::with_capacity(parameters.frames(samples.len() as u64) as usize * parameters.bands);
        stream.push(samples, &mut frames)?;
        stream.finish(&mut frames)?;
        Ok(frames)
    }

    /// Takes samples and appends every complete frame, `[bands]` each, to `out`.
    ///
    /// # Errors
    /// [`Error::Internal`] when the Fourier transform refuses its buffers.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<()> {
        let half = self.parameters.fft / 2;
        let mirrored = self.parameters.edges == Edges::Zeros || self.taken > half as u64;
        self.taken += samples.len() as u64;
        self.pending.extend_from_slice(samples);
        if !mirrored {
            if self.taken <= half as u64 {
                return Ok(());
            }
            let before: Vec<f32> = self.pending[1..=half].iter().rev().copied().collect();
            self.pending.splice(..0, before);
        }
        self.drain(u64::MAX, out)
    }

    /// Appends the frames that reach over the end of the clip to `out`.
    ///
    /// # Errors
    /// [`Error::Internal`] when the Fourier transform refuses its buffers, or the clip is too short to be mirrored.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<()> {
        let fft = self.parameters.fft;
        match self.parameters.edges {
            Edges::Zeros => self.pending.resize(self.pending.len() + fft, 0.0),
            Edges::Reflect => {
                // As a hop is less than half a window, what was mirrored is still pending.
                let end = self.pending.len();
                let mirrored = (end > fft / 2 && self.taken > (fft / 2) as u64).then(|| end - 1 - fft / 2..end - 1);
                let behind = mirrored.and_then(|range| self.pending.get(range)).ok_or_else(|| {
                    Error::Internal(format!("{} samples are too few to be mirrored over {}", self.taken, fft / 2))
                })?;
                let behind: Vec<f32> = behind.iter().rev().copied().collect();
                self.pending.extend(behind);
            }
        }
        self.drain(self.parameters.frames(self.taken), out)
    }

    fn drain(&mut self, total: u64, out: &mut Vec<f32>) -> Result<()> {
        let (fft, hop) = (self.parameters.fft, self.parameters.hop);
        let mut start = 0;
        while start + fft <= self.pending.len() && self.given < total {
            let frame = &self.pending[start..start + fft];
            match &mut self.analysis {
                Analysis::Compressed { spectrum, gain, divisor } => {
                    spectrum.transform(frame)?;
                    out.extend(spectrum.energies().map(|energy| (1.0 + *gain * energy).log10() / *divisor));
                }
                Analysis::Decibels(spectrum) => {
                    spectrum.transform(frame)?;
                    out.extend(spectrum.energies().map(|energy| (10.0 * energy.max(1e-10).log10()) as f32));
                }
            }
            start += hop;
            self.given += 1;
        }
        self.pending.drain(..start);
        Ok(())
    }
}

/// The power spectrum of one frame and the energies of its bands, in one precision.
struct Spectrum<T> {
    window: Vec<T>,
    /// Per band: the first bin and the weights from there.
    filters: Vec<(usize, Vec<T>)>,
    transform: Arc<dyn RealToComplex<T>>,
    scratch: Vec<Complex<T>>,
    bins: Vec<Complex<T>>,
    power: Vec<T>,
    windowed: Vec<T>,
}

impl<T: FftNum + From<f32> + Sum> Spectrum<T> {
    fn new(parameters: &MelParameters, round: impl Fn(f64) -> T) -> Self {
        let fft = parameters.fft;
        let transform = RealFftPlanner::<T>::new().plan_fft_forward(fft);
        let window = (0..fft).map(|i| round(0.5 - 0.5 * (std::f64::consts::TAU * i as f64 / fft as f64).cos()));
        let filters = filterbank(parameters).into_iter();
        Self {
            window: window.collect(),
            filters: filters.map(|(first, weights)| (first, weights.into_iter().map(&round).collect())).collect(),
            scratch: transform.make_scratch_vec(),
            bins: transform.make_output_vec(),
            power: vec![round(0.0); fft / 2 + 1],
            windowed: transform.make_input_vec(),
            transform,
        }
    }

    fn transform(&mut self, frame: &[f32]) -> Result<()> {
        for ((x, sample), w) in self.windowed.iter_mut().zip(frame).zip(&self.window) {
            *x = T::from(*sample) * *w;
        }
        self.transform
            .process_with_scratch(&mut self.windowed, &mut self.bins, &mut self.scratch)
            .map_err(|cause| Error::Internal(format!("the Fourier transform failed: {cause}")))?;
        for (power, bin) in self.power.iter_mut().zip(&self.bins) {
            *power = bin.norm_sqr();
        }
        Ok(())
    }

    fn energies(&self) -> impl Iterator<Item = T> {
        self.filters
            .iter()
            .map(|(first, weights)| weights.iter().zip(&self.power[*first..]).map(|(w, p)| *w * *p).sum())
    }
}

/// The filters of each band: the first bin and the weights from there.
fn filterbank(parameters: &MelParameters) -> Vec<(usize, Vec<f64>)> {
    let edge = |i: usize| parameters.edge(i);
    let bins = parameters.fft / 2 + 1;
    (0..parameters.bands)
        .map(|band| {
            let (left, centre, right) = (edge(band), edge(band + 1), edge(band + 2));
            let weights: Vec<f64> = (0..bins)
                .map(|bin| {
                    let f = bin as f64 * f64::from(parameters.filter_rate) / parameters.fft as f64;
                    ((f - left) / (centre - left)).min((right - f) / (right - centre)).max(0.0)
                })
                .collect();
            let first = weights.iter().position(|w| *w > 0.0).unwrap_or(0);
            let last = weights.iter().rposition(|w| *w > 0.0).map_or(first, |last| last + 1);
            let scale = match parameters.filters {
                Filters::SlaneyUnitArea => 2.0 / (right - left),
                Filters::HtkUnitPeak => 1.0,
                Filters::HtkUnitSum => {
                    let sum: f64 = weights.iter().sum();
                    if sum > 0.0 { 1.0 / sum } else { 0.0 }
                }
            };
            (first, weights[first..last].iter().map(|w| w * scale).collect())
        })
        .collect()
}

/// Slaney's mel scale: linear up to 1,000 Hz, logarithmic above, 27 steps for a factor of 6.4.
mod slaney {
    /// Hz a mel in the linear part.
    const STEP: f64 = 200.0 / 3.0;
    /// Where the logarithmic part begins, in Hz.
    const KNEE: f64 = 1_000.0;

    pub fn mel(hertz: f64) -> f64 {
        if hertz < KNEE { hertz / STEP } else { KNEE / STEP + (hertz / KNEE).ln() * 27.0 / 6.4f64.ln() }
    }

    pub fn hertz(mel: f64) -> f64 {
        if mel < KNEE / STEP { mel * STEP } else { KNEE * ((mel - KNEE / STEP) * 6.4f64.ln() / 27.0).exp() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirrored_clip_has_the_same_frames_however_its_samples_arrive() {
        let p = MelParameters::WAVCAPS;
        let samples: Vec<f32> = (0..5_000u32).map(|i| ((i * 7919) % 2000) as f32 / 1000.0 - 1.0).collect();
        for len in [513, 514, 1023, 1024, 4_999] {
            let whole = LogMel::of(&samples[..len], &p).unwrap();
            assert_eq!(whole.len() as u64, p.frames(len as u64) * 64, "{len} samples");
            // What a transform without edges sees in the clip mirrored by hand.
            let mut mirrored: Vec<f32> = samples[1..=512].iter().rev().copied().collect();
            mirrored.extend(&samples[..len]);
            mirrored.extend(samples[len - 513..len - 1].iter().rev());
            let mut plain = Vec::new();
            let mut mel =
                LogMel { pending: Vec::new(), ..LogMel::new(&MelParameters { edges: Edges::Zeros, ..p.clone() }) };
            mel.push(&mirrored, &mut plain).unwrap();
            assert_eq!(whole, plain, "{len} samples");
            for piece in [1, 333, 600] {
                let mut pieces = Vec::new();
                let mut mel = LogMel::new(&p);
                samples[..len].chunks(piece).for_each(|piece| mel.push(piece, &mut pieces).unwrap());
                mel.finish(&mut pieces).unwrap();
                assert_eq!(pieces, whole, "{len} samples in pieces of {piece}");
            }
        }
        assert!(LogMel::of(&samples[..512], &p).is_err());
    }

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
            let sum: f64 = weights.iter().sum();
            assert!(sum == 0.0 || (sum - 1.0).abs() < 1e-5, "{sum}");
        }
    }
}
