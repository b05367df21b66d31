//! Which windows a recording is heard in, and how much each counts in the embedding of the whole.
//!
//! A recording of one window is that window, as the references have it. In a longer one, long silence is no part of any window that counts: what
//! is heard before and behind it has windows of its own, as if the silence were not there, and silence has windows that weigh nothing. So a
//! sound with silence before or behind it is the sound. Of the other windows each weighs the same, unless it is much softer than the whole
//! ([`Levels::weight`]) or much shorter than the others.

use std::ops::Range;

use crate::audio::Levels;

/// A window of a recording, in the units that the recording was planned in.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Where it begins and ends.
    pub span: Range<u64>,
    /// How much it counts, from 0 to 1.
    pub weight: f64,
}

/// A recording to be divided.
pub struct Recording<'a> {
    /// Its length.
    pub length: u64,
    /// Units a second.
    pub rate: f64,
    /// How loud it is.
    pub levels: &'a Levels,
}

impl Recording<'_> {
    /// The windows of the recording in order, each beginning behind the start of the one before. `cut` divides a length into windows; those of at
    /// least `full` units count wholly.
    pub fn plan(&self, full: u64, cut: impl Fn(u64) -> Vec<Range<u64>>) -> Vec<Planned> {
        let stretches = self.levels.stretches();
        let last = stretches.len() - 1;
        let mut out = Vec::new();
        let mut start = 0;
        for (index, stretch) in stretches.into_iter().enumerate() {
            let at = (stretch.span.end * self.rate).round() as u64;
            let end = if index == last { self.length } else { at.min(self.length) };
            if end <= start {
                continue;
            }
            out.extend(cut(end - start).into_iter().map(|window| {
                let span = window.start + start..window.end + start;
                Planned { weight: if stretch.silent { 0.0 } else { self.weight(&span, full) }, span }
            }));
            start = end;
        }
        // Where all were rounded to nothing, none is better than another.
        if out.iter().all(|window| window.weight <= 0.0) {
            out.iter_mut().for_each(|window| window.weight = 1.0);
        }
        out
    }

    fn weight(&self, span: &Range<u64>, full: u64) -> f64 {
        let seconds = span.start as f64 / self.rate..span.end as f64 / self.rate;
        let share = ((span.end - span.start) as f64 / full.max(1) as f64).min(1.0);
        self.levels.weight(seconds) * share
    }
}
