//! Windows of sound: how a clip of any length becomes pieces that the audio tower takes whole, in bounded memory.

use std::ops::Range;

use rayon::prelude::*;

use super::encoders::sfx::{BANDS, BLOCK, Sfx};
use super::plan::{Cut, Part, Planned};
use super::pooling::WindowMaps;
use crate::audio::{Clip, LogMel, MelParameters};
use crate::{Error, Result};

/// Log-mel frames of a window, about: 10 s.
pub const FRAMES: u64 = 431;

/// A last block of fewer frames than this is left out when full ones come before it: it holds less than one step of the tower's output.
const LEAST_BLOCK: usize = 8;

/// Blocks that a thread takes through the tower together: fewer would read the last layers' weights too often.
const GROUP: usize = 8;

/// Number of windows for `frames` log-mel frames.
///
/// The clip is divided into windows of equal length, to within a frame, as near to 10 s as a whole number of them allows: no last window is
/// much shorter than the others, so that each may count the same in their mean.
pub fn count(frames: u64) -> u64 {
    ((frames + FRAMES / 2) / FRAMES).max(1)
}

/// Frames at which window `index` of `count` begins; `start(count, …)` is the end.
fn start(index: u64, count: u64, frames: u64) -> u64 {
    (u128::from(index) * u128::from(frames) / u128::from(count)) as u64
}

/// The windows of so many samples, in log-mel frames.
fn cut(samples: u64) -> Vec<Range<u64>> {
    let frames = MelParameters::SFX.frames(samples);
    let windows = count(frames);
    (0..windows).map(|index| start(index, windows, frames)..start(index + 1, windows, frames)).collect()
}

/// The windows of a clip, in log-mel frames.
fn plan(clip: &Clip<'_>) -> Vec<Part> {
    let MelParameters { sample_rate, hop, .. } = MelParameters::SFX;
    let cut = Cut { rate: sample_rate, unit: hop as u64, full: FRAMES * 2 / 3, windows: cut };
    match count(MelParameters::SFX.frames(clip.len())) {
        1 => cut.whole(clip),
        _ => cut.parts(clip),
    }
}

/// Takes `clip` through the tower window by window and gives `take` each in turn; memory holds one window at a time. Windows that `wanted` refuses
/// are passed over.
///
/// # Errors
/// What reading the clip or `take` returns.
pub fn for_each(
    clip: &Clip<'_>,
    tower: &Sfx,
    wanted: impl Fn(&Planned) -> bool,
    mut take: impl FnMut(&Planned, &WindowMaps) -> Result<()>,
) -> Result<()> {
    // Silence stays silence; everything else is scaled to a peak of 1, as the reference does.
    let peak = if clip.peak() > 0.0 { clip.peak() } else { 1.0 };
    let mut parts = plan(clip).into_iter().map(|part| Spectra::of(part, &wanted));
    let mut current = parts.next();
    let (mut at, mut scaled) = (0, Vec::new());
    clip.samples(|mut block| {
        while let Some(part) = &mut current {
            let room = usize::try_from(part.end - at).unwrap_or(usize::MAX);
            let (piece, rest) = block.split_at(block.len().min(room));
            at += piece.len() as u64;
            scaled.clear();
            scaled.extend(piece.iter().map(|x| x / peak));
            part.push(&scaled, at, |window, mel| take(window, &maps(tower, mel)))?;
            if at < part.end {
                break;
            }
            current = parts.next();
            block = rest;
        }
        Ok(())
    })?;
    if current.is_none() { Ok(()) } else { Err(Error::Internal("a part without its sound".into())) }
}

/// A part of a clip on its way to log-mel frames, window by window.
struct Spectra {
    end: u64,
    windows: std::iter::Peekable<std::vec::IntoIter<Planned>>,
    mel: LogMel,
    pending: Vec<f32>,
    /// The frame that `pending` begins with.
    start: u64,
}

impl Spectra {
    fn of(part: Part, wanted: impl Fn(&Planned) -> bool) -> Self {
        let windows: Vec<_> = part.windows.into_iter().filter(|window| wanted(window)).collect();
        let windows = windows.into_iter().peekable();
        Self { end: part.samples.end, windows, mel: LogMel::new(&MelParameters::SFX), pending: Vec::new(), start: 0 }
    }

    /// Takes the next samples, up to sample `at` of the clip, and gives `take` the windows that they complete.
    fn push(&mut self, samples: &[f32], at: u64, mut take: impl FnMut(&Planned, Vec<f32>) -> Result<()>) -> Result<()> {
        if self.windows.peek().is_none() {
            return Ok(());
        }
        self.mel.push(samples, &mut self.pending)?;
        if at == self.end {
            self.mel.finish(&mut self.pending)?;
        }
        let known = |pending: &[f32], start: u64| start + (pending.len() / BANDS) as u64;
        while let Some(window) = self.windows.next_if(|window| window.span.end <= known(&self.pending, self.start)) {
            let before = (window.span.start - self.start) as usize * BANDS;
            self.pending.drain(..before);
            let frames = self.pending.drain(..(window.span.end - window.span.start) as usize * BANDS).collect();
            self.start = window.span.end;
            take(&window, frames)?;
        }
        match self.windows.peek() {
            Some(_) if at == self.end => Err(Error::Internal("a window without its sound".into())),
            _ => Ok(()),
        }
    }
}

/// The tower's maps of one window of log-mel frames `[frames, 96]`.
pub fn maps(tower: &Sfx, mel: Vec<f32>) -> WindowMaps {
    let mut blocks: Vec<&[f32]> = mel.chunks(BLOCK * BANDS).collect();
    if blocks.len() > 1 && blocks.last().is_some_and(|last| last.len() < LEAST_BLOCK * BANDS) {
        blocks.pop();
    }
    let group = blocks.len().div_ceil(rayon::current_num_threads()).clamp(1, GROUP);
    let blocks = blocks.par_chunks(group).flat_map_iter(|group| tower.forward(group)).collect();
    WindowMaps { mel, blocks }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_every_frame_once_and_are_of_like_length() {
        for frames in [1, 10, 431, 432, 646, 647, 1_000, 465_118] {
            let windows = count(frames);
            assert_eq!((start(0, windows, frames), start(windows, windows, frames)), (0, frames));
            for index in 0..windows {
                let length = start(index + 1, windows, frames) - start(index, windows, frames);
                assert!((1..=FRAMES * 3 / 2).contains(&length), "{frames} frames, window {index}: {length}");
                assert!(windows == 1 || length >= FRAMES * 2 / 3, "{frames} frames, window {index}: {length}");
            }
        }
    }
}
