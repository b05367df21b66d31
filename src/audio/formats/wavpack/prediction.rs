//! Prediction of samples from earlier ones and from the other channel: passes whose weights adapt.

use super::block::{self, Header};
use super::words::exp2;

/// The most passes that a block can have.
const MOST_PASSES: usize = 16;

/// One pass over a block.
#[derive(Debug, Clone, Default)]
struct Pass {
    term: i32,
    delta: i32,
    weights: [i32; 2],
    /// Earlier samples of each channel.
    past: [[i32; 8]; 2],
}

/// The passes of a block, in the order in which they are undone.
#[derive(Debug, Default)]
pub struct Passes(Vec<Pass>);

impl Passes {
    /// From the parts of a block, which list the last pass first.
    pub fn read(header: &Header, bytes: &[u8]) -> Option<Self> {
        let mut passes = Vec::new();
        for (id, part) in block::parts(bytes) {
            match id {
                block::TERMS => {
                    passes = part.iter().map(|byte| Pass::new(*byte, header.is_mono())).collect::<Option<_>>()?;
                    if passes.len() > MOST_PASSES {
                        return None;
                    }
                }
                block::WEIGHTS => weights(&mut passes, part, header.is_mono()),
                block::SAMPLES => samples(&mut passes, part, header.is_mono()),
                _ => {}
            }
        }
        passes.reverse();
        Some(Self(passes))
    }

    /// Undoes the prediction of one channel.
    pub fn undo_mono(&mut self, samples: &mut [i32]) {
        for pass in &mut self.0 {
            samples.iter_mut().enumerate().for_each(|(at, sample)| *sample = pass.along(0, at, *sample));
        }
    }

    /// Undoes the prediction of two channels.
    pub fn undo_stereo(&mut self, frames: &mut [[i32; 2]]) {
        for pass in &mut self.0 {
            if pass.term > 0 {
                frames.iter_mut().enumerate().for_each(|(at, [left, right])| {
                    *left = pass.along(0, at, *left);
                    *right = pass.along(1, at, *right);
                });
            } else {
                frames.iter_mut().for_each(|frame| pass.across(frame));
            }
        }
    }
}

impl Pass {
    fn new(byte: u8, is_mono: bool) -> Option<Self> {
        let term = i32::from(byte & 0x1f) - 5;
        let is_term = matches!(term, 1..=8 | 17 | 18) || (matches!(term, -3..=-1) && !is_mono);
        is_term.then(|| Self { term, delta: i32::from(byte >> 5), ..Self::default() })
    }

    /// A sample from earlier ones of its channel.
    fn along(&mut self, channel: usize, at: usize, residue: i32) -> i32 {
        let past = &mut self.past[channel];
        let (predicted, keep) = match self.term {
            17 => (past[0].wrapping_mul(2).wrapping_sub(past[1]), 0),
            18 => (past[0].wrapping_add(past[0].wrapping_sub(past[1]) >> 1), 0),
            term => (past[at & 7], (at + term as usize) & 7),
        };
        let weight = &mut self.weights[channel];
        let sample = weighted(*weight, predicted).wrapping_add(residue);
        if predicted != 0 && residue != 0 {
            *weight += if (predicted < 0) == (residue < 0) { self.delta } else { -self.delta };
        }
        if self.term > 8 {
            past[1] = past[0];
        }
        past[keep] = sample;
        sample
    }

    /// Two samples, each from the other channel.
    fn across(&mut self, [left, right]: &mut [i32; 2]) {
        let [[from_right, ..], [from_left, ..]] = self.past;
        let predicted_left = if self.term == -2 { None } else { Some(from_right) };
        if let Some(predicted) = predicted_left {
            *left = self.clipped(0, predicted, *left);
        }
        let predicted = if self.term == -1 { *left } else { from_left };
        *right = self.clipped(1, predicted, *right);
        if predicted_left.is_none() {
            *left = self.clipped(0, *right, *left);
        }
        (self.past[0][0], self.past[1][0]) = (*right, *left);
    }

    fn clipped(&mut self, channel: usize, predicted: i32, residue: i32) -> i32 {
        let weight = &mut self.weights[channel];
        let sample = weighted(*weight, predicted).wrapping_add(residue);
        if predicted != 0 && residue != 0 {
            let step = if (predicted < 0) == (residue < 0) { self.delta } else { -self.delta };
            *weight = (*weight + step).clamp(-1024, 1024);
        }
        sample
    }
}

/// `weight` is in units of 1/1024.
fn weighted(weight: i32, sample: i32) -> i32 {
    ((i64::from(weight) * i64::from(sample) + 512) >> 10) as i32
}

fn weights(passes: &mut [Pass], part: &[u8], is_mono: bool) {
    let restored = |byte: u8| {
        let weight = i32::from(byte.cast_signed()) << 3;
        if weight > 0 { weight + ((weight + 64) >> 7) } else { weight }
    };
    let coded = if is_mono { 1 } else { 2 };
    for (pass, bytes) in passes.iter_mut().zip(part.chunks_exact(coded)) {
        pass.weights.iter_mut().zip(bytes).for_each(|(weight, byte)| *weight = restored(*byte));
    }
}

fn samples(passes: &mut [Pass], part: &[u8], is_mono: bool) {
    let mut numbers = part.chunks_exact(2).map(|pair| exp2(i32::from(i16::from_le_bytes([pair[0], pair[1]]))));
    let coded = if is_mono { 1 } else { 2 };
    for pass in passes {
        let count = match pass.term {
            17 | 18 => 2,
            term => term.max(1) as usize,
        };
        // Two samples of one channel, then two of the other; or one of each by turns.
        let by_channel = pass.term > 8;
        for number in 0..count * coded {
            let (channel, at) = if by_channel { (number / 2, number % 2) } else { (number % coded, number / coded) };
            let Some(sample) = numbers.next() else { return };
            pass.past[channel][at] = sample;
        }
    }
}
