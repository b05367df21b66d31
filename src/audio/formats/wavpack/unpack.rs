//! One block to samples of full scale 1.

use super::block::{self, Header};
use super::prediction::Passes;
use super::words::{Bits, Words};

/// What the format's parts say of samples whose lowest bits are kept apart.
#[derive(Debug, Default, Clone, Copy)]
struct Wide {
    sent: u32,
    zeros: u32,
    ones: u32,
    doubles: u32,
}

/// How floats were turned into integers.
#[derive(Debug, Default, Clone, Copy)]
struct Floats {
    flags: u8,
    shift: u32,
    exponent: i32,
}

impl Floats {
    /// The bits that shifting emptied are all ones; or as one bit says; or sent.
    const ONES: u8 = 1;
    const SAME: u8 = 2;
    const SENT: u8 = 4;
    /// Zeros stand for what is sent, or only for their sign.
    const ZEROS_SENT: u8 = 8;
    const ZERO_SIGN: u8 = 16;
}

/// The samples of a block, for each of its channels; `None` for a damaged one.
pub fn unpack(header: &Header, bytes: &[u8]) -> Option<Vec<Vec<f32>>> {
    let mut words = Words::new(header);
    let (mut coded, mut low_bits) = (None, None);
    let (mut wide, mut floats) = (Wide::default(), Floats::default());
    for (id, part) in block::parts(bytes) {
        match id {
            block::MEDIANS => words.set_medians(part)?,
            block::HYBRID => words.set_hybrid(part)?,
            block::INT32 => {
                let [sent, zeros, ones, doubles] =
                    part.get(..4)?.try_into().ok().map(|part: [u8; 4]| part.map(u32::from))?;
                wide = Wide { sent, zeros, ones, doubles };
                if [sent, zeros, ones, doubles].iter().any(|bits| *bits > 31) {
                    return None;
                }
            }
            block::FLOAT => {
                let [flags, shift, exponent] = part.get(..3)?.try_into().ok()?;
                floats = Floats { flags, shift: u32::from(shift), exponent: i32::from(exponent) };
            }
            block::WORDS => coded = Some(part),
            block::LOW_BITS | block::NEW_LOW_BITS => low_bits = Some(part),
            _ => {}
        }
    }
    let mut bits = Bits::new(coded?);
    let mut passes = Passes::read(header, bytes)?;
    let channels = if header.is_mono() {
        let mut samples = Vec::with_capacity(header.frames as usize);
        for _ in 0..header.frames {
            samples.push(words.next(&mut bits, 0)?);
        }
        passes.undo_mono(&mut samples);
        vec![samples]
    } else {
        let mut frames = Vec::with_capacity(header.frames as usize);
        for _ in 0..header.frames {
            frames.push([words.next(&mut bits, 0)?, words.next(&mut bits, 1)?]);
        }
        passes.undo_stereo(&mut frames);
        if header.is_joint() {
            for [left, right] in &mut frames {
                *right = right.wrapping_sub(*left >> 1);
                *left = left.wrapping_add(*right);
            }
        }
        vec![frames.iter().map(|frame| frame[0]).collect(), frames.iter().map(|frame| frame[1]).collect()]
    };
    if checksum(&channels) != header.crc {
        return None;
    }
    let low = low_bits.map(|part| part.split_first_chunk()).map(|split| split.ok_or(()));
    let low = low.transpose().ok()?;
    let mut samples =
        if header.is_float() { float(header, floats, &channels, low)? } else { integer(header, wide, channels, low)? };
    if samples.len() < header.channels() {
        samples.push(samples[0].clone());
    }
    Some(samples)
}

/// The decoded samples, folded by threes, frame by frame.
fn checksum(channels: &[Vec<i32>]) -> u32 {
    let frames = channels[0].len();
    let in_order = (0..frames).flat_map(|frame| channels.iter().map(move |channel| channel[frame]));
    in_order.fold(u32::MAX, |sum, sample| sum.wrapping_mul(3).wrapping_add(sample as u32))
}

type LowBits<'a> = Option<(&'a [u8; 4], &'a [u8])>;

fn integer(header: &Header, wide: Wide, mut channels: Vec<Vec<i32>>, low: LowBits<'_>) -> Option<Vec<Vec<f32>>> {
    let mut shift = header.shift();
    let mut sum = u32::MAX;
    if header.is_wide() && (low.is_some() || wide.sent == 0) {
        let mut bits = low.map(|(_, bits)| Bits::new(bits));
        for frame in 0..header.frames as usize {
            for channel in &mut channels {
                channel[frame] = widened(channel[frame], wide, bits.as_mut())?;
                let bits = channel[frame] as u32;
                sum = sum.wrapping_mul(9).wrapping_add((bits & 0xffff).wrapping_mul(3)).wrapping_add(bits >> 16);
            }
        }
        if low.is_some_and(|(expected, _)| u32::from_le_bytes(*expected) != sum) {
            return None;
        }
    } else if header.is_wide() {
        shift += wide.sent + wide.zeros + wide.ones + wide.doubles;
    }
    let bits = 8 * header.width() - 1;
    // What was lost may carry samples over full scale.
    let (lowest, highest) = (-(1i64 << bits), (1i64 << bits) - 1);
    let scale = (1i64 << bits) as f64;
    let scaled = |sample: i32| (((i64::from(sample) << shift.min(31)).clamp(lowest, highest)) as f64 / scale) as f32;
    Some(channels.into_iter().map(|channel| channel.into_iter().map(scaled).collect()).collect())
}

/// A sample with the low bits that were kept apart, or that follow from one rule.
fn widened(sample: i32, wide: Wide, bits: Option<&mut Bits<'_>>) -> Option<i32> {
    let mut sample = sample;
    if wide.sent > 0 {
        sample = sample.wrapping_shl(wide.sent) | bits?.take(wide.sent)? as i32;
    }
    Some(if wide.zeros > 0 {
        sample.wrapping_shl(wide.zeros)
    } else if wide.ones > 0 {
        sample.wrapping_add(1).wrapping_shl(wide.ones).wrapping_sub(1)
    } else if wide.doubles > 0 {
        sample.wrapping_add(sample & 1).wrapping_shl(wide.doubles).wrapping_sub(sample & 1)
    } else {
        sample
    })
}

fn float(header: &Header, floats: Floats, channels: &[Vec<i32>], low: LowBits<'_>) -> Option<Vec<Vec<f32>>> {
    let mut out: Vec<Vec<f32>> = channels.iter().map(|channel| Vec::with_capacity(channel.len())).collect();
    let mut bits = low.map(|(_, bits)| Bits::new(bits));
    let mut sum = u32::MAX;
    for frame in 0..header.frames as usize {
        for (channel, out) in channels.iter().zip(&mut out) {
            let value = Parts::of(channel[frame], floats, bits.as_mut())?;
            sum = sum.wrapping_mul(27).wrapping_add(value.mantissa.wrapping_mul(9));
            sum = sum.wrapping_add(value.exponent.wrapping_mul(3)).wrapping_add(u32::from(value.is_negative));
            out.push(value.value());
        }
    }
    if low.is_some_and(|(expected, _)| u32::from_le_bytes(*expected) != sum) {
        return None;
    }
    Some(out)
}

/// The fields of a float.
#[derive(Debug, Default)]
struct Parts {
    is_negative: bool,
    exponent: u32,
    mantissa: u32,
}

impl Parts {
    fn value(&self) -> f32 {
        f32::from_bits(u32::from(self.is_negative) << 31 | (self.exponent & 255) << 23 | self.mantissa)
    }

    /// From the integer that stands for it, and the bits that were kept apart where there are any.
    fn of(sample: i32, floats: Floats, mut bits: Option<&mut Bits<'_>>) -> Option<Self> {
        let mut parts = Self::default();
        if sample == 0 {
            if let Some(bits) = &mut bits {
                if floats.flags & Floats::ZEROS_SENT != 0 && bits.bit()? {
                    parts.mantissa = bits.take(23)?;
                    parts.exponent = if floats.exponent >= 25 { bits.take(8)? } else { 0 };
                    parts.is_negative = bits.bit()?;
                } else if floats.flags & Floats::ZERO_SIGN != 0 {
                    parts.is_negative = bits.bit()?;
                }
            }
            return Some(parts);
        }
        let mut value = u64::from(sample.unsigned_abs()) << floats.shift.min(31);
        parts.is_negative = sample < 0;
        let mut exponent = floats.exponent;
        if value == 1 << 24
            && let Some(bits) = &mut bits
        {
            // Not a number, or infinite.
            parts.mantissa = if bits.bit()? { bits.take(23)? } else { 0 };
            parts.exponent = 255;
            return Some(parts);
        }
        while value >= 1 << 24 {
            (value, exponent) = (value >> 1, exponent + 1);
        }
        let mut emptied = 0;
        if exponent > 0 {
            while value & 1 << 23 == 0 {
                exponent -= 1;
                if exponent == 0 {
                    break;
                }
                (value, emptied) = (value << 1, emptied + 1);
            }
        }
        if emptied > 0 {
            let all = (1u64 << emptied) - 1;
            let sent = |flag: u8| floats.flags & flag != 0;
            if sent(Floats::ONES) {
                value |= all;
            } else if let Some(bits) = bits {
                if sent(Floats::SAME) {
                    value |= if bits.bit()? { all } else { 0 };
                } else if sent(Floats::SENT) {
                    value |= u64::from(bits.take(emptied)?);
                }
            }
        }
        parts.mantissa = value as u32 & 0x7f_ffff;
        parts.exponent = exponent.max(0) as u32;
        Some(parts)
    }
}
