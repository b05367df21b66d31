//! How loud a sound is, tenth of a second by tenth of a second, and which stretches of it hold nothing.

use std::ops::Range;

use serde::Serialize;

/// Blocks a second, until there are too many.
const BLOCKS: u32 = 10;

/// The most blocks that are kept (1.8 hours of tenths of a second); then two become one.
const MOST: usize = 1 << 16;

/// A sound of which no block is louder than this power, of full scale 1, is silence: -80 dBFS, where 16-bit samples hold their own noise.
const FLOOR: f64 = 1e-8;

/// A sound of which no block is louder than this power is hardly more than silence: -70 dBFS, the noise of a recorder.
const FAINT: f64 = 1e-7;

/// Blocks below this share of a sound's mean power hold nothing: all of them together are less than a thousandth of it.
const SHARE: f64 = 1e-3;

/// Silence shorter than this many seconds is a pause in a sound.
const PAUSE: f64 = 3.0;

/// Sounds shorter than this many seconds are too short to tell.
const SHORT: f64 = 0.1;

/// How loud a sound or a stretch of it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Level {
    /// The root of its mean power, of which steady offsets are no part, in dB of full scale 1: a sine of full scale has -3.01. `None`, in JSON
    /// `null`, for digital silence.
    pub level_dbfs: Option<f64>,
    /// What there is to hear.
    pub heard: Heard,
}

/// What there is to hear in a sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Heard {
    /// Something.
    Sound,
    /// No tenth of a second is louder than -80 dBFS: whatever is said of it is made up.
    Silence,
    /// No tenth of a second is louder than -70 dBFS: it may be no more than the noise of the recorder.
    Faint,
    /// It is shorter than a tenth of a second.
    TooShort,
}

impl Heard {
    /// Whether there is something to hear, be it faint.
    pub fn is_audible(self) -> bool {
        matches!(self, Self::Sound | Self::Faint)
    }

    /// What to say of it, where there is nothing to hear.
    pub fn remark(self) -> Option<&'static str> {
        match self {
            Self::Sound => None,
            Self::Silence => Some("holds only silence: nothing was heard"),
            Self::Faint => Some("hardly louder than silence: what was heard may be the noise of the recorder"),
            Self::TooShort => Some("too short to tell what is heard: less than a tenth of a second"),
        }
    }
}

/// Measures a stream of samples.
#[derive(Debug)]
pub struct Meter {
    seconds: f64,
    /// Samples a block.
    length: u64,
    levels: Vec<f32>,
    sum: f64,
    square: f64,
    count: u64,
}

impl Meter {
    /// For samples at `rate` Hz.
    pub fn new(rate: u32) -> Self {
        let length = u64::from(rate.div_ceil(BLOCKS).max(1));
        Self { seconds: 1.0 / f64::from(rate.max(1)), length, levels: Vec::new(), sum: 0.0, square: 0.0, count: 0 }
    }

    /// Takes the next samples.
    pub fn push(&mut self, mut samples: &[f32]) {
        while !samples.is_empty() {
            let room = usize::try_from(self.length - self.count).unwrap_or(usize::MAX);
            let (part, rest) = samples.split_at(samples.len().min(room));
            for x in part {
                let x = f64::from(*x);
                self.sum += x;
                self.square += x * x;
            }
            self.count += part.len() as u64;
            if self.count == self.length {
                self.close();
            }
            samples = rest;
        }
    }

    fn close(&mut self) {
        let count = self.count.max(1) as f64;
        self.levels.push((self.square / count - (self.sum / count).powi(2)).max(0.0) as f32);
        (self.sum, self.square, self.count) = (0.0, 0.0, 0);
        if self.levels.len() == MOST {
            self.levels = self.levels.chunks(2).map(|pair| pair.iter().sum::<f32>() / pair.len() as f32).collect();
            self.length *= 2;
        }
    }

    /// What was measured.
    pub fn finish(mut self) -> Levels {
        let whole = self.levels.len() as f64 * self.length as f64;
        let seconds = (whole + self.count as f64) * self.seconds;
        if self.count > 0 {
            self.close();
        }
        Levels { powers: self.levels, block: self.length as f64 * self.seconds, seconds }
    }
}

/// The power of each block of a sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Levels {
    powers: Vec<f32>,
    /// Seconds a block.
    block: f64,
    seconds: f64,
}

/// A stretch of a sound, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// Where it begins and ends.
    pub span: Range<f64>,
    /// Whether it holds nothing.
    pub silent: bool,
}

impl Levels {
    /// Of the whole sound.
    pub fn level(&self) -> Level {
        self.over(0.0..self.seconds)
    }

    /// Of the blocks that a stretch, in seconds, has a part in.
    pub fn over(&self, span: Range<f64>) -> Level {
        let powers = self.blocks(&span);
        let power = mean(powers);
        let level_dbfs = (power > 0.0).then(|| (1000.0 * power.log10()).round() / 100.0);
        let heard = match () {
            () if span.end - span.start < SHORT => Heard::TooShort,
            () if powers.iter().all(|power| f64::from(*power) <= FLOOR) => Heard::Silence,
            () if powers.iter().all(|power| f64::from(*power) <= FAINT) => Heard::Faint,
            () => Heard::Sound,
        };
        Level { level_dbfs, heard }
    }

    /// How much a stretch counts beside others: wholly, unless it is much softer than the sound as a whole.
    pub fn weight(&self, span: Range<f64>) -> f64 {
        /// The share of the mean power from which on a stretch counts wholly: 20 dB below it.
        const WHOLLY: f64 = 1e-2;
        let whole = mean(&self.powers);
        if whole <= 0.0 { 1.0 } else { (mean(self.blocks(&span)) / (WHOLLY * whole)).sqrt().min(1.0) }
    }

    /// The sound in stretches that hold something and silent ones of at least [`PAUSE`] seconds, by turns. All silence is one stretch, which is
    /// then not called silent: nothing is louder.
    pub fn stretches(&self) -> Vec<Stretch> {
        let whole = 0.0..self.seconds;
        let floor = FLOOR.max(SHARE * mean(&self.powers));
        let silent = |power: &f32| f64::from(*power) <= floor;
        if self.powers.iter().all(silent) {
            return vec![Stretch { span: whole, silent: false }];
        }
        let mut out: Vec<Stretch> = Vec::new();
        let mut at = 0;
        for run in self.powers.chunk_by(|a, b| silent(a) == silent(b)) {
            let span = at as f64 * self.block..((at + run.len()) as f64 * self.block).min(self.seconds);
            at += run.len();
            let silent = silent(&run[0]) && span.end - span.start >= PAUSE;
            match out.last_mut() {
                Some(last) if last.silent == silent => last.span.end = span.end,
                _ => out.push(Stretch { span, silent }),
            }
        }
        out
    }

    fn blocks(&self, span: &Range<f64>) -> &[f32] {
        // Where a span ends with a block it has no part in the next, however it was rounded.
        let near = 1e-6;
        let start = (span.start / self.block + near).max(0.0) as usize;
        let end = ((span.end / self.block - near).ceil().max(0.0) as usize).min(self.powers.len());
        &self.powers[start.min(end.saturating_sub(1))..end]
    }
}

fn mean(powers: &[f32]) -> f64 {
    powers.iter().map(|power| f64::from(*power)).sum::<f64>() / powers.len().max(1) as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RATE: u32 = 1000;

    fn levels(samples: &[f32]) -> Levels {
        let mut meter = Meter::new(RATE);
        samples.chunks(37).for_each(|part| meter.push(part));
        meter.finish()
    }

    /// A tone of some seconds.
    fn tone(seconds: f64, amplitude: f32) -> Vec<f32> {
        let count = (seconds * f64::from(RATE)).round() as usize;
        (0..count).map(|i| amplitude * (std::f64::consts::TAU * 0.1 * i as f64).sin() as f32).collect()
    }

    fn stretches(parts: &[Vec<f32>]) -> Vec<(f64, f64, bool)> {
        let tenth = |seconds: f64| (seconds * 10.0).round() / 10.0;
        let all = levels(&parts.concat()).stretches();
        all.into_iter().map(|s| (tenth(s.span.start), tenth(s.span.end), s.silent)).collect()
    }

    #[test]
    fn a_level_is_that_of_the_mean_power_without_offsets() {
        let sine = levels(&tone(2.0, 1.0)).level();
        assert_eq!(sine, Level { level_dbfs: Some(-3.01), heard: Heard::Sound });
        let offset: Vec<f32> = tone(2.0, 0.1).iter().map(|x| x + 0.5).collect();
        assert_eq!(levels(&offset).level().level_dbfs, Some(-23.01));
        for steady in [0.0, 0.5] {
            let level = levels(&vec![steady; 2000]).level();
            assert_eq!((level.heard, level.level_dbfs.is_none_or(|level| level < -100.0)), (Heard::Silence, true));
        }
        assert_eq!(levels(&tone(1.0, 1e-5)).level().heard, Heard::Silence);
        assert_eq!(levels(&tone(1.0, 2e-4)).level().heard, Heard::Faint);
        assert_eq!(levels(&tone(1.0, 1e-3)).level().heard, Heard::Sound);
        for short in [1, 20, 99] {
            assert_eq!(levels(&vec![0.3; short]).level().heard, Heard::TooShort, "{short} ms");
        }
    }

    #[test]
    fn long_silence_is_a_stretch_of_its_own_and_a_pause_is_not() {
        let (sound, quiet) = (tone(5.0, 0.5), tone(20.0, 1e-4));
        assert_eq!(stretches(&[tone(20.0, 0.0), sound.clone()]), [(0.0, 20.0, true), (20.0, 25.0, false)]);
        assert_eq!(stretches(&[sound.clone(), quiet]), [(0.0, 5.0, false), (5.0, 25.0, true)]);
        let paused = [sound.clone(), tone(2.0, 0.0), sound.clone()];
        assert_eq!(stretches(&paused), [(0.0, 12.0, false)]);
        let parted = [sound.clone(), tone(4.0, 0.0), sound];
        assert_eq!(stretches(&parted), [(0.0, 5.0, false), (5.0, 9.0, true), (9.0, 14.0, false)]);
        assert_eq!(stretches(&[tone(30.0, 0.0)]), [(0.0, 30.0, false)]);
    }

    #[test]
    fn a_bang_does_not_make_the_rest_silent() {
        let mut sound = tone(600.0, 0.005);
        sound[300_000..300_500].copy_from_slice(&tone(0.5, 1.0));
        assert_eq!(stretches(&[sound]), [(0.0, 600.0, false)]);
    }

    #[test]
    fn soft_stretches_count_less_and_others_all_the_same() {
        let all = levels(&[tone(10.0, 0.5), tone(10.0, 0.2), tone(10.0, 0.005), tone(10.0, 0.0)].concat());
        let weights = [0.0, 10.0, 20.0, 30.0].map(|start| all.weight(start..start + 10.0));
        assert_eq!((weights[0], weights[1], weights[3]), (1.0, 1.0, 0.0));
        assert!((0.1..0.3).contains(&weights[2]), "{weights:?}");
    }

    #[test]
    fn days_of_sound_take_no_more_blocks_than_hours() {
        let mut meter = Meter::new(10);
        let day = vec![0.5; 100_000];
        (0..20).for_each(|_| meter.push(&day));
        let levels = meter.finish();
        assert!(levels.powers.len() <= MOST && levels.seconds == 200_000.0);
        assert_eq!((levels.powers.len() as f64 * levels.block).round(), 200_000.0, "with the last block whole");
    }
}
