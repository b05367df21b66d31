//! How each family of towers takes a recording of any length: in windows of the length that it was trained on.
//!
//! Nothing is cropped at random, as the reference implementations do with recordings that are too long: these are taken in windows, one
//! behind the other, the last one ending where the recording ends. A recording of at most [`Framing::whole`] samples is one window, prepared
//! as the reference prepares it, so that its features are the reference's.

use super::plan::{Cut, Part, Planned};
use crate::audio::{Clip, LogMel, MelParameters, Stretch};
use crate::{Error, Result};

/// How a family cuts recordings into windows, and what it makes of them. Lengths are in samples of `mel.sample_rate`.
#[derive(Debug, Clone, PartialEq)]
pub struct Framing {
    /// From samples to log-mel frames.
    pub mel: MelParameters,
    /// The longest recording that is taken as one window.
    pub whole: u64,
    /// Length of the windows of a longer one, and the way from one to the next.
    pub window: u64,
    /// What becomes of a shorter one.
    pub short: Short,
}

/// What becomes of a recording that is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Short {
    /// Zeros follow, up to this many samples.
    Pad(u64),
    /// It is repeated as often as it fits whole into this many samples; zeros follow (`repeatpad`).
    RepeatPad(u64),
    /// It is repeated up to this many samples, the last time in part (`repeat`).
    Repeat(u64),
}

impl Framing {
    /// WavCaps' CNN14. It takes any length: up to 30 s, which the clips of Clotho and AudioCaps do not exceed, a recording is taken whole, as in
    /// WSAC's evaluation; windows of a longer one have the 10 s that the tower was trained with. Shorter than 64 frames: zeros follow.
    pub const WAVCAPS_CNN14: Self =
        Self { mel: MelParameters::WAVCAPS, whole: 30 * 32_000, window: 10 * 32_000, short: Short::Pad(63 * 320) };

    /// WavCaps' HTSAT. A recording of up to 1,024 frames, 10.24 s, is taken whole. A shorter one than 10 s is followed by zeros, as the authors'
    /// `zero_shot_classification.py` does it: left alone it would be stretched to 10 s, and a short sound would seem a long one.
    pub const WAVCAPS_HTSAT: Self = Self {
        mel: MelParameters::WAVCAPS,
        whole: 1_024 * 320 - 1,
        window: 10 * 32_000,
        short: Short::Pad(10 * 32_000),
    };

    /// LAION's towers without fusion: 10 s, shorter ones repeated and padded.
    pub const LAION: Self = Self {
        mel: MelParameters::LAION,
        whole: 10 * 48_000,
        window: 10 * 48_000,
        short: Short::RepeatPad(10 * 48_000),
    };

    /// LAION's towers with fusion. Fusion is for recordings of more than 10 s, of which their tower sees a shrunk view and three crops at random;
    /// here these too are taken in windows, which each are short. So the fusion branch has nothing to do, as in LAION's own code where no
    /// recording is longer. (Hugging Face's then picks one recording of a batch at random and fuses it with copies of itself.)
    pub const LAION_FUSED: Self = Self { mel: MelParameters::LAION_FUSED, ..Self::LAION };

    /// Microsoft's CLAP of 2023: 7 s, shorter ones repeated.
    pub const MSCLAP: Self =
        Self { mel: MelParameters::MSCLAP, whole: 7 * 44_100, window: 7 * 44_100, short: Short::Repeat(7 * 44_100) };

    /// Number of windows of a recording of `samples` samples.
    pub fn count(&self, samples: u64) -> u64 {
        if samples <= self.whole { 1 } else { samples.div_ceil(self.window) }
    }

    /// Where each window of a recording begins and ends, in order.
    pub fn windows(&self, samples: u64) -> impl Iterator<Item = std::ops::Range<u64>> {
        let length = if samples <= self.whole { samples } else { self.window };
        (0..self.count(samples)).map(move |index| {
            let start = (index * length).min(samples - length);
            start..start + length
        })
    }

    /// Log-mel frames `[frames, bands]` of one window of samples, made long enough.
    ///
    /// # Errors
    /// [`Error::Input`] when there is no sample, [`Error::Internal`] when the Fourier transform fails.
    pub fn log_mel(&self, samples: &[f32]) -> Result<Vec<f32>> {
        if samples.is_empty() {
            return Err(Error::input("a window of sound", "no samples", "at least one"));
        }
        LogMel::of(&self.short.prolong(samples), &self.mel)
    }

    /// The windows of a clip that was opened at `mel.sample_rate`, in samples. One that is taken whole is so unless a window's length of it and more
    /// is silent.
    fn plan(&self, clip: &Clip<'_>) -> Vec<Part> {
        let (samples, rate) = (clip.len(), self.mel.sample_rate);
        let cut =
            Cut { rate, unit: 1, full: self.window.min(samples), windows: |length| self.windows(length).collect() };
        let length = |stretch: &Stretch| (stretch.span.end - stretch.span.start) * f64::from(rate);
        let is_long = |stretch: &Stretch| stretch.silent && length(stretch) >= self.window as f64;
        match samples <= self.whole && !clip.levels().stretches().iter().any(is_long) {
            true => cut.whole(clip),
            false => cut.parts(clip),
        }
    }

    /// Gives `take` the log-mel frames `[frames, bands]` of each window of `clip` in turn that `wanted` accepts. Memory holds one window at a time.
    ///
    /// `clip` must have been opened at `mel.sample_rate`. Silence and clipped sound pass as they are: no family scales its input.
    ///
    /// # Errors
    /// What reading the clip or `take` returns.
    pub fn for_each(
        &self,
        clip: &Clip<'_>,
        wanted: impl Fn(&Planned) -> bool,
        mut take: impl FnMut(&Planned, Vec<f32>) -> Result<()>,
    ) -> Result<()> {
        let windows = self.plan(clip).into_iter().flat_map(|part| {
            part.windows.into_iter().map(move |window| (window.span.start + part.samples.start, window))
        });
        let mut windows = windows.filter(|(_, window)| wanted(window)).peekable();
        // The samples from `start` on that a coming window may need.
        let (mut pending, mut start) = (Vec::new(), 0);
        clip.samples(|block| {
            pending.extend_from_slice(block);
            let known = |start: u64, pending: &[f32]| start + pending.len() as u64;
            while let Some((from, window)) =
                windows.next_if(|(from, window)| from + window.span.end - window.span.start <= known(start, &pending))
            {
                let end = from + window.span.end - window.span.start;
                // Within `pending`: what was dropped lies before the start of this window.
                take(&window, self.log_mel(&pending[(from - start) as usize..(end - start) as usize])?)?;
                let next = windows.peek().map_or(end, |(next, _)| (*next).min(end));
                pending.drain(..(next - start) as usize);
                start = next;
            }
            // What lies before the next window is not needed.
            if let Some(next) = windows.peek().map(|(next, _)| *next).filter(|next| *next > start) {
                let surplus = (next - start).min(pending.len() as u64);
                pending.drain(..surplus as usize);
                start += surplus;
            }
            Ok(())
        })?;
        match windows.next() {
            None => Ok(()),
            Some((at, _)) => Err(Error::Internal(format!("no samples for the window that begins at {at}"))),
        }
    }
}

impl Short {
    fn prolong(self, samples: &[f32]) -> Vec<f32> {
        let (Self::Pad(wanted) | Self::RepeatPad(wanted) | Self::Repeat(wanted)) = self;
        let wanted = wanted as usize;
        let mut out = samples.to_vec();
        if samples.len() < wanted {
            match self {
                Self::Pad(_) => {}
                Self::RepeatPad(_) => out = samples.repeat(wanted / samples.len()),
                Self::Repeat(_) => out = samples.iter().cycle().take(wanted).copied().collect(),
            }
            out.resize(wanted, 0.0);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_every_sample_and_the_last_ends_with_the_recording() {
        let framing = Framing::LAION;
        for samples in [1, 479_999, 480_000, 480_001, 960_000, 1_000_000, 10_000_001] {
            let windows: Vec<_> = framing.windows(samples).collect();
            assert_eq!(windows.len() as u64, framing.count(samples));
            assert_eq!((windows[0].start, windows[windows.len() - 1].end), (0, samples));
            assert!(windows.windows(2).all(|pair| pair[1].start <= pair[0].end), "{samples}: a gap");
            assert!(windows.iter().all(|w| w.end - w.start == samples.min(480_000)), "{samples}");
        }
    }

    #[test]
    fn a_short_recording_is_made_long_enough_as_its_family_does() {
        let samples = [1.0, 2.0, 3.0];
        assert_eq!(Short::Pad(5).prolong(&samples), [1.0, 2.0, 3.0, 0.0, 0.0]);
        assert_eq!(Short::RepeatPad(8).prolong(&samples), [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 0.0, 0.0]);
        assert_eq!(Short::Repeat(8).prolong(&samples), [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 2.0]);
        for short in [Short::Pad(3), Short::RepeatPad(2), Short::Repeat(1)] {
            assert_eq!(short.prolong(&samples), samples);
        }
    }

    #[test]
    fn the_shortest_recording_has_the_frames_that_its_tower_needs() {
        for (framing, frames) in [
            (Framing::WAVCAPS_CNN14, 64),
            (Framing::WAVCAPS_HTSAT, 1_001),
            (Framing::LAION, 1_001),
            (Framing::MSCLAP, 965),
        ] {
            assert_eq!(framing.log_mel(&[0.5]).unwrap().len(), frames * framing.mel.bands);
            assert!(framing.log_mel(&[]).is_err());
        }
        let longest = Framing::WAVCAPS_HTSAT.whole;
        assert_eq!(Framing::WAVCAPS_HTSAT.mel.frames(longest), 1_024);
        assert_eq!(Framing::WAVCAPS_HTSAT.mel.frames(longest + 1), 1_025);
    }
}
