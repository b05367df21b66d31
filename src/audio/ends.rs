//! Where the sound of a track begins and ends among the samples that its decoder gives.
//!
//! Lossy encoders put samples before the sound (their delay, or priming) and behind it (padding, to fill the last packet). Files say how
//! many in different places. What none of them says is not cut: a length is never a guess.

use std::ops::Range;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_ALAC, CODEC_ID_FLAC, CODEC_ID_MP3, CODEC_ID_OPUS, CODEC_ID_VORBIS,
};
use symphonia::core::formats::well_known::{
    FORMAT_ID_ADTS, FORMAT_ID_CAF, FORMAT_ID_ISOMP4, FORMAT_ID_MP1, FORMAT_ID_MP2, FORMAT_ID_MP3,
};
use symphonia::core::formats::{FormatInfo, Track};

use super::edits::Edit;

/// Which of a track's decoded samples are heard, counted over all channels at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ends {
    /// Samples before the sound.
    skip: u64,
    /// Padding behind the sound, which joined files have in their middle.
    padding: Option<Range<u64>>,
    /// Nothing is heard from the packet on that begins here or later.
    stop: Option<u64>,
    /// Samples that the file says there are, where it counted them.
    pub announced: Option<u64>,
}

impl Ends {
    /// What `track` of a container says of itself; `edit` is what a file of MP4's family plays of it.
    pub fn of(track: &Track, container: &FormatInfo, edit: Option<Edit>) -> Self {
        let announced = track.num_frames;
        let delay = track.delay.map(u64::from);
        match container.format {
            // With a tag in the first frame the count is the encoder's, and there is a delay, be it 0. Without one, the count is an
            // estimate from the first frames.
            FORMAT_ID_MP1 | FORMAT_ID_MP2 | FORMAT_ID_MP3 => {
                let Some((delay, frames)) = delay.zip(announced) else { return Self::default() };
                let end = delay + frames;
                let padding = track.padding.filter(|padding| *padding > 0).map(|padding| end..end + u64::from(padding));
                Self { skip: delay, padding, stop: None, announced }
            }
            // The count is an estimate.
            FORMAT_ID_ADTS => Self::default(),
            FORMAT_ID_ISOMP4 => {
                let Edit { skip, stop } = edit.unwrap_or_default();
                // What the decoder cuts is behind it already.
                let stop = stop.filter(|_| !codec_cuts(track)).or_else(|| stop.map(|stop| stop.saturating_sub(skip)));
                let skip = if codec_cuts(track) { 0 } else { skip };
                let left = |all: u64| all.min(stop.unwrap_or(all)).saturating_sub(skip);
                // Without an edit list the count has what the decoder cuts.
                let announced = announced.filter(|_| stop.is_some() || !codec_cuts(track)).map(left);
                Self { skip, padding: None, stop, announced }
            }
            // Their decoders cut what the packets say.
            _ if codec_cuts(track) => {
                // The count of Opus has them.
                let cut = delay.filter(|_| is_one_of(track, &[CODEC_ID_OPUS])).unwrap_or(0);
                Self { announced: announced.map(|all| all.saturating_sub(cut)), ..Self::default() }
            }
            _ => {
                let (skip, frames) = (delay.unwrap_or(0), announced);
                let padding = frames.zip(track.padding).map(|(frames, padding)| (skip + frames, u64::from(padding)));
                let padding = padding.map(|(end, length)| end..end + length);
                // Where packets are listed, a file that gives all of them is whole, whatever length it says.
                let listed = container.format == FORMAT_ID_CAF && is_packed(track);
                Self { skip, padding, stop: None, announced: announced.filter(|_| !listed) }
            }
        }
    }

    /// Whether a packet that begins at `position` lies behind the end.
    pub fn is_over(&self, position: u64) -> bool {
        self.stop.is_some_and(|stop| position >= stop)
    }

    /// The parts of `count` decoded samples from `position` on that are heard, relative to `position`.
    pub fn heard(&self, position: u64, count: u64) -> [Range<usize>; 2] {
        let (start, end) = (position, position + count);
        let padding = self.padding.clone().unwrap_or(end..end);
        let relative = |from: u64, to: u64| {
            let from = from.clamp(start, end);
            (from - start) as usize..(to.clamp(from, end) - start) as usize
        };
        [relative(self.skip, padding.start), relative(padding.end.max(self.skip), end)]
    }
}

fn codec_cuts(track: &Track) -> bool {
    is_one_of(track, &[CODEC_ID_VORBIS, CODEC_ID_OPUS])
}

/// Whether the packets are of many samples each.
fn is_packed(track: &Track) -> bool {
    is_one_of(track, &[CODEC_ID_ALAC, CODEC_ID_AAC, CODEC_ID_FLAC, CODEC_ID_MP3, CODEC_ID_OPUS])
}

fn is_one_of(track: &Track, codecs: &[AudioCodecId]) -> bool {
    matches!(&track.codec_params, Some(CodecParameters::Audio(audio)) if codecs.contains(&audio.codec))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The samples heard of packets of `size` samples, as their numbers.
    fn heard(ends: &Ends, size: u64, packets: u64) -> Vec<u64> {
        let mut all = Vec::new();
        for start in (0..packets).map(|packet| packet * size).take_while(|start| !ends.is_over(*start)) {
            for part in ends.heard(start, size) {
                all.extend(part.map(|at| start + at as u64));
            }
        }
        all
    }

    #[test]
    fn delay_and_padding_are_cut_wherever_packets_end() {
        let ends = Ends { skip: 5, padding: Some(12..15), stop: None, announced: Some(7) };
        let wanted: Vec<u64> = (5..12).chain(15..24).collect();
        for size in [1, 2, 3, 4, 6, 8, 12, 24] {
            assert_eq!(heard(&ends, size, 24 / size), wanted, "packets of {size}");
        }
    }

    #[test]
    fn without_word_of_them_nothing_is_cut() {
        assert_eq!(heard(&Ends::default(), 4, 3), (0..12).collect::<Vec<_>>());
    }

    #[test]
    fn the_packet_in_which_an_edit_ends_is_heard_whole() {
        let ends = Ends { skip: 2, padding: None, stop: Some(9), announced: None };
        assert_eq!(heard(&ends, 4, 5), (2..12).collect::<Vec<_>>());
    }
}
