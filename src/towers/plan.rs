//! Which windows a recording is heard in, and how much each counts in the embedding of the whole.
//!
//! A recording of one window is that window, as the references have it. In a longer one, long silence is no part of any window that counts: what
//! is heard before and behind it has windows of its own, as if the silence were not there, and silence has windows that weigh nothing. So a
//! sound with silence before or behind it is the sound. Of the other windows each weighs the same, unless it is much softer than the whole
//! (`Levels::weight`) or much shorter than the others.

use std::ops::Range;

use crate::audio::Clip;

/// A part of a recording that is heard as if it were one of its own: all of it, or what lies between long silence, or that silence.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its first sample, and the one behind its last.
    pub samples: Range<u64>,
    /// Its windows in order, each beginning behind the start of the one before.
    pub windows: Vec<Planned>,
}

/// A window of a part.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Where it begins and ends in the part, in the units that parts were cut in.
    pub span: Range<u64>,
    /// The same in the recording, in seconds.
    pub seconds: Range<f64>,
    /// How much it counts, from 0 to 1.
    pub weight: f64,
}

/// How recordings are cut into windows.
pub struct Cut<F> {
    /// Samples a second.
    pub rate: u32,
    /// Samples a unit.
    pub unit: u64,
    /// Windows of at least so many units count wholly.
    pub full: u64,
    /// From the number of samples to the windows, in units.
    pub windows: F,
}

impl<F: Fn(u64) -> Vec<Range<u64>>> Cut<F> {
    /// The whole clip as one part, all of which counts.
    pub fn whole(&self, clip: &Clip<'_>) -> Vec<Part> {
        vec![self.part(clip, 0..clip.len(), |_, _| 1.0)]
    }

    /// The clip in parts, by what it holds.
    pub fn parts(&self, clip: &Clip<'_>) -> Vec<Part> {
        let stretches = clip.levels().stretches();
        let last = stretches.len() - 1;
        let (mut out, mut start) = (Vec::new(), 0);
        for (index, stretch) in stretches.into_iter().enumerate() {
            let at = (stretch.span.end * f64::from(self.rate)).round() as u64;
            let end = if index == last { clip.len() } else { at.min(clip.len()) };
            if end > start {
                out.push(self.part(clip, start..end, |seconds, share| match stretch.silent {
                    true => 0.0,
                    false => clip.levels().weight(seconds) * share,
                }));
                start = end;
            }
        }
        out
    }

    /// A part; `weight` says how much a window counts of these seconds and this share of a full window.
    fn part(&self, clip: &Clip<'_>, samples: Range<u64>, weight: impl Fn(Range<f64>, f64) -> f64) -> Part {
        let seconds = |unit: u64| {
            let at = (samples.start + unit * self.unit) as f64 / f64::from(self.rate);
            at.min(samples.end as f64 / f64::from(self.rate)).min(clip.seconds())
        };
        let windows = (self.windows)(samples.end - samples.start).into_iter().map(|span| {
            let seconds = seconds(span.start)..seconds(span.end);
            let share = ((span.end - span.start) as f64 / self.full.max(1) as f64).min(1.0);
            Planned { span, weight: weight(seconds.clone(), share), seconds }
        });
        Part { windows: windows.collect(), samples }
    }
}
