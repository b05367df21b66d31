//! Resampling of a stream of samples to another rate (rubato's FFT resampler).

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use crate::{Error, Result};

/// Input samples a call of the FFT resampler takes, at least. Larger blocks have a steeper filter.
const CHUNK: u32 = 1024;

/// Brings a stream of mono samples from one sample rate to another.
///
/// The output is aligned with the input (the filter's delay is cut off) and has `ceil(input · to / from)` samples. It does not depend on
/// how the input is cut into pieces.
pub struct Resampler {
    engine: Option<Engine>,
}

struct Engine {
    fft: Fft<f32>,
    from: u64,
    to: u64,
    pending: Vec<f32>,
    output: Vec<f32>,
    /// Samples of the filter's delay still to be dropped.
    skip: usize,
    taken: u64,
    given: u64,
}

impl Resampler {
    /// A resampler from `from` Hz to `to` Hz; equal rates pass samples through.
    ///
    /// # Errors
    /// [`Error::Internal`] when the rates are refused (zero).
    pub fn new(from: u32, to: u32) -> Result<Self> {
        if from == to {
            return Ok(Self { engine: None });
        }
        // The filter delays by half a block: an even number of blocks of the reduced ratio makes that a whole number of samples on both
        // sides, so that the output is aligned with the input exactly.
        let step = 2 * from / gcd(from, to);
        let chunk = step * CHUNK.div_ceil(step);
        let fft = Fft::<f32>::new_custom(
            from as usize,
            to as usize,
            chunk as usize,
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(|cause| Error::Internal(format!("no resampler from {from} to {to} Hz: {cause}")))?;
        let output = vec![0.0; fft.output_frames_max()];
        let skip = fft.output_delay();
        let (from, to) = (u64::from(from), u64::from(to));
        Ok(Self { engine: Some(Engine { fft, from, to, pending: Vec::new(), output, skip, taken: 0, given: 0 }) })
    }

    /// Takes `input` and appends what can be computed so far to `out`.
    ///
    /// # Errors
    /// [`Error::Internal`] when the resampler refuses a block.
    pub fn push(&mut self, input: &[f32], out: &mut Vec<f32>) -> Result<()> {
        let Some(engine) = &mut self.engine else {
            out.extend_from_slice(input);
            return Ok(());
        };
        engine.taken += input.len() as u64;
        engine.pending.extend_from_slice(input);
        engine.drain(out)
    }

    /// Appends the samples that were held back for want of input to `out`.
    ///
    /// # Errors
    /// [`Error::Internal`] when the resampler refuses a block.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<()> {
        let Some(engine) = &mut self.engine else { return Ok(()) };
        let total = (engine.taken * engine.to).div_ceil(engine.from);
        while engine.given < total {
            let needed = engine.fft.input_frames_next();
            engine.pending.resize(needed, 0.0);
            engine.drain(out)?;
        }
        let surplus = (engine.given - total) as usize;
        out.truncate(out.len() - surplus);
        engine.given = total;
        Ok(())
    }
}

impl Engine {
    fn drain(&mut self, out: &mut Vec<f32>) -> Result<()> {
        let refused = |cause: String| Error::Internal(format!("resampling failed: {cause}"));
        let mut start = 0;
        loop {
            let needed = self.fft.input_frames_next();
            if self.pending.len() - start < needed {
                break;
            }
            let block = &self.pending[start..start + needed];
            let input = InterleavedSlice::new(block, 1, needed).map_err(|e| refused(e.to_string()))?;
            let frames = self.output.len();
            let mut output =
                InterleavedSlice::new_mut(&mut self.output, 1, frames).map_err(|e| refused(e.to_string()))?;
            let (_, made) =
                self.fft.process_into_buffer(&input, &mut output, None).map_err(|e| refused(e.to_string()))?;
            start += needed;
            let skipped = self.skip.min(made);
            self.skip -= skipped;
            out.extend_from_slice(&self.output[skipped..made]);
            self.given += (made - skipped) as u64;
        }
        self.pending.drain(..start);
        Ok(())
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f64, len: usize) -> Vec<f32> {
        (0..len).map(|i| (std::f64::consts::TAU * hertz * i as f64 / f64::from(rate)).sin() as f32).collect()
    }

    fn resample(from: u32, to: u32, input: &[f32], piece: usize) -> Vec<f32> {
        let mut resampler = Resampler::new(from, to).unwrap();
        let mut out = Vec::new();
        for piece in input.chunks(piece) {
            resampler.push(piece, &mut out).unwrap();
        }
        resampler.finish(&mut out).unwrap();
        out
    }

    #[test]
    fn keeps_a_tone_aligned_at_every_common_rate() {
        for from in [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000] {
            let input = tone(from, 997.0, from as usize);
            let out = resample(from, 44_100, &input, 1_000);
            assert_eq!(out.len(), 44_100, "from {from}");
            let wanted = tone(44_100, 997.0, out.len());
            // The ends ring, because the tone starts and stops abruptly there.
            let worst =
                out.iter().zip(&wanted).skip(2_000).take(40_000).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-4, "from {from}: off by {worst}");
        }
    }

    #[test]
    fn does_not_depend_on_how_the_input_is_cut() {
        let input = tone(16_000, 440.0, 12_345);
        let whole = resample(16_000, 44_100, &input, input.len());
        assert_eq!(whole.len(), (12_345 * 44_100usize).div_ceil(16_000));
        for piece in [1, 7, 1024, 5_000] {
            assert_eq!(resample(16_000, 44_100, &input, piece), whole, "pieces of {piece}");
        }
    }

    #[test]
    fn removes_what_the_lower_rate_cannot_hold() {
        let out = resample(192_000, 44_100, &tone(192_000, 30_000.0, 192_000), 4096);
        let worst = out.iter().skip(2_000).take(40_000).fold(0f32, |m, x| m.max(x.abs()));
        assert!(worst < 1e-4, "30 kHz leaks at {worst}");
    }
}
