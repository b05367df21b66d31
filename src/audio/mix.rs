//! Many channels to one: their mean, but where they cancel each other out, the loudest of them.
//!
//! A recording whose one channel is inverted has a mean of nothing. So each second is measured before it is mixed. The sum of channels that
//! have nothing in common has the power of all of them together; where it has less than a tenth of that, the mean would lose more than 10 dB,
//! and the loudest channel is heard instead. All other seconds have the plain mean, bit for bit.

/// The share of the channels' power that their sum must have for the mean to be heard.
const LEAST: f64 = 0.1;

/// Seconds below this power, of full scale 1, are not worth measuring: -80 dB.
const FLOOR: f64 = 1e-8;

/// Nor are those that are softer by this than what came before: there, hum in opposite phase may be all that is left.
const FAINT: f64 = 1e-3;

/// A channel stays the one that is heard while it has this share of the loudest one's power.
const STAYS: f64 = 0.45;

/// From one choice to another, one fades into the other over this share of a second.
const FADES: u32 = 100;

/// Interleaved samples that are measured together, at most, however many channels there are.
const MOST: usize = 1 << 22;

/// What is heard of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Mean,
    Channel(usize),
}

impl Choice {
    fn of(self, frame: &[f32], scale: f32) -> f32 {
        match self {
            Self::Mean => frame.iter().sum::<f32>() * scale,
            Self::Channel(channel) => frame[channel],
        }
    }
}

/// Mixes a stream of frames, whatever pieces it comes in.
#[derive(Debug)]
pub struct Mixer {
    channels: usize,
    /// Frames that are measured together.
    block: usize,
    fade: usize,
    /// Whether the first channel is known to hold all directions.
    ambisonic: bool,
    pending: Vec<f32>,
    choice: Choice,
    /// Power of all blocks so far, and how many there were.
    power: (f64, f64),
    replaced: u64,
}

impl Mixer {
    /// A mixer of `channels` channels (at least one) at `rate` frames a second. Of `ambisonic` sound the first channel, W, is the mix.
    pub fn new(channels: usize, rate: u32, ambisonic: bool) -> Self {
        let block = (rate as usize).min(MOST / channels).max(1);
        let fade = (rate / FADES) as usize;
        let power = (0.0, 0.0);
        Self { channels, block, fade, ambisonic, pending: Vec::new(), choice: Choice::Mean, power, replaced: 0 }
    }

    /// Frames of which another channel than the mean was heard because the channels cancel each other out.
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Channels of a frame.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Takes whole frames and appends the mix of what was measured to `out`.
    pub fn push(&mut self, interleaved: &[f32], out: &mut Vec<f32>) {
        if self.channels == 1 {
            out.extend_from_slice(interleaved);
            return;
        }
        if self.ambisonic {
            out.extend(interleaved.iter().step_by(self.channels));
            return;
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(interleaved);
        let length = self.block * self.channels;
        let whole = pending.len() - pending.len() % length;
        pending[..whole].chunks_exact(length).for_each(|block| self.mix(block, out));
        pending.drain(..whole);
        self.pending = pending;
    }

    /// Appends the mix of the frames that were held back.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.mix(&pending, out);
        }
    }

    fn mix(&mut self, block: &[f32], out: &mut Vec<f32>) {
        let before = self.choice;
        self.choice = self.choose(block);
        let scale = 1.0 / self.channels as f32;
        let fades = before != self.choice && self.power.1 > 1.0;
        let faded = if fades { block.len().min(self.fade * self.channels) } else { 0 };
        let (start, rest) = block.split_at(faded);
        for (index, frame) in start.chunks_exact(self.channels).enumerate() {
            let share = index as f32 / self.fade as f32;
            out.push(before.of(frame, scale) * (1.0 - share) + self.choice.of(frame, scale) * share);
        }
        match self.choice {
            // The same, and three times as fast where the compiler knows how many there are.
            Choice::Mean if self.channels == 2 => {
                let (frames, _) = rest.as_chunks::<2>();
                out.extend(frames.iter().map(|[left, right]| (left + right) * scale));
            }
            Choice::Mean => out.extend(rest.chunks_exact(self.channels).map(|frame| frame.iter().sum::<f32>() * scale)),
            Choice::Channel(channel) => {
                self.replaced += (block.len() / self.channels) as u64;
                out.extend(rest.chunks_exact(self.channels).map(|frame| frame[channel]));
            }
        }
    }

    fn choose(&mut self, block: &[f32]) -> Choice {
        let (channels, sum) = powers(block, self.channels);
        let all: f64 = channels.iter().sum();
        self.power.0 += all;
        self.power.1 += 1.0;
        // A number that is not finite is none of these; it goes into the mean, and is refused behind it.
        let cancels = sum < LEAST * all && all > FLOOR && all > FAINT * self.power.0 / self.power.1;
        if !cancels {
            return Choice::Mean;
        }
        let (loudest, most) = loudest(&channels);
        let stays = |channel: usize| channels[channel] >= STAYS * most;
        match self.choice {
            Choice::Channel(channel) if stays(channel) => self.choice,
            // Sound in four channels may be ambisonic without a word of it; W, the first, has every direction.
            _ if is_square(self.channels) && stays(0) => Choice::Channel(0),
            _ => Choice::Channel(loudest),
        }
    }
}

/// Whether as many channels are a full sphere of ambisonics of some order.
fn is_square(channels: usize) -> bool {
    [4, 9, 16, 25, 36].contains(&channels)
}

/// The first of the channels of the greatest power.
fn loudest(powers: &[f64]) -> (usize, f64) {
    powers
        .iter()
        .enumerate()
        .fold((0, 0.0), |best, (channel, power)| if *power > best.1 { (channel, *power) } else { best })
}

/// The power of each channel about its mean, and that of the sum of all of them.
fn powers(block: &[f32], channels: usize) -> (Vec<f64>, f64) {
    /// Frames over which is summed in single precision.
    const RUN: usize = 64;
    let frames = (block.len() / channels).max(1) as f64;
    let mut sums = vec![(0f64, 0f64); channels + 1];
    let mut run = vec![(0f32, 0f32); channels + 1];
    for part in block.chunks(RUN * channels) {
        run.fill((0.0, 0.0));
        if let ([left, right, both], (frames, _)) = (run.as_mut_slice(), part.as_chunks::<2>()) {
            // The same, in registers.
            let (mut a, mut b, mut c) = (*left, *right, *both);
            for [x, y] in frames {
                let total = x + y;
                a = (a.0 + x, a.1 + x * x);
                b = (b.0 + y, b.1 + y * y);
                c = (c.0 + total, c.1 + total * total);
            }
            (*left, *right, *both) = (a, b, c);
        } else {
            for frame in part.chunks_exact(channels) {
                let mut total = 0f32;
                for ((sum, square), x) in run.iter_mut().zip(frame) {
                    *sum += x;
                    *square += x * x;
                    total += x;
                }
                let (sum, square) = &mut run[channels];
                *sum += total;
                *square += total * total;
            }
        }
        for (all, part) in sums.iter_mut().zip(&run) {
            all.0 += f64::from(part.0);
            all.1 += f64::from(part.1);
        }
    }
    let mut powers: Vec<f64> =
        sums.iter().map(|(sum, square)| (square / frames - (sum / frames).powi(2)).max(0.0)).collect();
    let sum = powers.pop().unwrap_or_default();
    (powers, sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 1000;

    fn noise(seed: u32, len: usize) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from((state >> 16) as i16) / 40_000.0
        };
        (0..len).map(|_| next()).collect()
    }

    fn interleave(channels: &[Vec<f32>]) -> Vec<f32> {
        (0..channels[0].len()).flat_map(|at| channels.iter().map(move |channel| channel[at])).collect()
    }

    fn mixed(channels: &[Vec<f32>], piece: usize) -> (Vec<f32>, u64) {
        let mut mixer = Mixer::new(channels.len(), RATE, false);
        let mut out = Vec::new();
        interleave(channels).chunks(piece * channels.len()).for_each(|part| mixer.push(part, &mut out));
        mixer.finish(&mut out);
        (out, mixer.replaced())
    }

    fn mean(channels: &[Vec<f32>]) -> Vec<f32> {
        let scale = 1.0 / channels.len() as f32;
        interleave(channels).chunks(channels.len()).map(|frame| frame.iter().sum::<f32>() * scale).collect()
    }

    fn scaled(samples: &[f32], factor: f32) -> Vec<f32> {
        samples.iter().map(|x| x * factor).collect()
    }

    #[test]
    fn ordinary_sound_has_the_mean_of_its_channels_bit_for_bit() {
        let (a, b) = (noise(1, 3500), noise(2, 3500));
        let silent = vec![0.0; 3500];
        let partly: Vec<f32> = a.iter().zip(&b).map(|(a, b)| b - 0.5 * a).collect();
        for channels in [
            vec![a.clone(), b.clone()],
            vec![a.clone(), a.clone()],
            vec![a.clone(), silent.clone()],
            vec![silent.clone(), silent.clone()],
            vec![a.clone(), partly],
            vec![a.clone(), silent.clone(), b, silent.clone(), silent.clone(), silent],
        ] {
            for piece in [1, 77, 1000, 5000] {
                let (got, replaced) = mixed(&channels, piece);
                assert!(got == mean(&channels) && replaced == 0, "{} channels in pieces of {piece}", channels.len());
            }
        }
    }

    #[test]
    fn of_channels_that_cancel_out_the_loudest_is_heard() {
        let a = noise(1, 3500);
        let silent = vec![0.0; 3500];
        let soft = scaled(&a, -0.8);
        assert_eq!(mixed(&[a.clone(), scaled(&a, -1.0)], 100), (a.clone(), 3500));
        assert_eq!(mixed(&[soft.clone(), a.clone()], 100).0, a);
        let surround = [silent.clone(), soft, silent.clone(), silent.clone(), a.clone(), silent];
        assert_eq!(mixed(&surround, 100).0, a);
    }

    #[test]
    fn behind_the_listener_ambisonics_are_heard_by_their_first_channel() {
        let (w, silent) = (noise(1, 2000), vec![0.0; 2000]);
        // From behind, in both customs: X is as loud as W, or by 3 dB louder.
        for x in [-1.0, -std::f32::consts::SQRT_2] {
            assert_eq!(mixed(&[w.clone(), scaled(&w, x), silent.clone(), silent.clone()], 100).0, w);
        }
        let mut mixer = Mixer::new(4, RATE, true);
        let mut out = Vec::new();
        mixer.push(&interleave(&[w.clone(), w.clone(), silent.clone(), silent]), &mut out);
        assert!(out == w, "W is the mix where the file says what it is");
    }

    #[test]
    fn only_the_seconds_that_cancel_are_replaced_and_the_change_is_faded() {
        let (a, b) = (noise(1, 4000), noise(2, 4000));
        let right: Vec<f32> = (0..4000).map(|at| if (1000..3000).contains(&at) { -a[at] } else { b[at] }).collect();
        let channels = [a.clone(), right];
        let (got, replaced) = mixed(&channels, 333);
        let plain = mean(&channels);
        assert_eq!(replaced, 2000);
        assert_eq!((&got[..1000], &got[3010..]), (&plain[..1000], &plain[3010..]));
        assert_eq!(got[1010..3000], a[1010..3000]);
        assert!((1000..1010).all(|at| got[at].abs() <= a[at].abs()), "from a mean of nothing to the channel");
    }

    #[test]
    fn steady_offsets_and_what_is_left_of_hum_are_no_sound_that_cancels() {
        let (loud, quiet) = (noise(1, 1000), noise(3, 1000));
        let left: Vec<f32> = loud.iter().copied().chain(scaled(&quiet, 0.001)).collect();
        let right: Vec<f32> = noise(2, 1000).into_iter().chain(scaled(&quiet, -0.001)).collect();
        assert_eq!(mixed(&[left, right], 100).1, 0);
        let offset = |by: f32| noise(4, 1000).iter().map(|x| x * 0.01 + by).collect::<Vec<_>>();
        assert_eq!(mixed(&[offset(0.3), offset(-0.3)], 100).1, 0);
    }
}
