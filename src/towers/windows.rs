//! Windows of sound: how a clip of any length becomes pieces that the audio tower takes whole, in bounded memory.

use std::ops::Range;

use rayon::prelude::*;

use super::encoders::sfx::{BANDS, BLOCK, Sfx};
use super::plan::{Planned, Recording};
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

/// The windows of `frames` log-mel frames.
fn cut(frames: u64) -> Vec<Range<u64>> {
    let windows = count(frames);
    (0..windows).map(|index| start(index, windows, frames)..start(index + 1, windows, frames)).collect()
}

/// The windows of a clip, in log-mel frames.
pub fn plan(clip: &Clip<'_>) -> Vec<Planned> {
    let parameters = MelParameters::SFX;
    let frames = parameters.frames(clip.len());
    if count(frames) == 1 {
        return vec![Planned { span: 0..frames, weight: 1.0 }];
    }
    let rate = f64::from(parameters.sample_rate) / parameters.hop as f64;
    Recording { length: frames, rate, levels: clip.levels() }.plan(FRAMES * 2 / 3, cut)
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
    let mut windows = plan(clip).into_iter();
    let mut mel = LogMel::new(&MelParameters::SFX);
    let mut pending = Vec::new();
    let mut next = windows.next();
    let mut give = |pending: &mut Vec<f32>| {
        while let Some(window) = &next {
            let length = (window.span.end - window.span.start) as usize * BANDS;
            if pending.len() < length {
                break;
            }
            let frames: Vec<f32> = pending.drain(..length).collect();
            if wanted(window) {
                take(window, &maps(tower, frames))?;
            }
            next = windows.next();
        }
        Ok::<_, Error>(next.is_none())
    };
    // Silence stays silence; everything else is scaled to a peak of 1, as the reference does.
    let peak = if clip.peak() > 0.0 { clip.peak() } else { 1.0 };
    let mut scaled = Vec::new();
    clip.samples(|block| {
        scaled.clear();
        scaled.extend(block.iter().map(|x| x / peak));
        mel.push(&scaled, &mut pending)?;
        give(&mut pending).map(drop)
    })?;
    mel.finish(&mut pending)?;
    if give(&mut pending)? { Ok(()) } else { Err(Error::Internal("a window without its sound".into())) }
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
