//! AU files (Sun, NeXT; `.au`, `.snd`): a header of six numbers, then samples, the highest byte first.

use std::path::Path;

use symphonia::core::audio::{Channels, Position};
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, well_known as ids};
use symphonia::core::common::FourCc;
use symphonia::core::errors::{Error as Cause, Result as Outcome, SeekErrorKind};
use symphonia::core::formats::{FormatId, FormatInfo, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track};
use symphonia::core::io::{MediaSourceStream, ReadBytes};
use symphonia::core::meta::{Metadata, MetadataLog};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::{damaged, unread};
use crate::Result;

/// What it is called.
pub const NAME: &str = "au";

/// How a file begins.
pub const MAGIC: &[u8] = b".snd";

const INFO: FormatInfo =
    FormatInfo { format: FormatId::new(FourCc::new(*b".snd")), short_name: NAME, long_name: "Sun AU" };

/// Frames of a packet.
const FRAMES: u64 = 4096;

/// More channels are taken for damage.
const MOST_CHANNELS: u32 = 1024;

/// An AU file, cut into packets.
pub struct AuReader {
    stream: MediaSourceStream<'static>,
    tracks: [Track; 1],
    media: MediaInfo,
    metadata: MetadataLog,
    /// Bytes of a frame.
    frame: u64,
    /// Bytes of sound that are still to be read; `None` for all there are.
    left: Option<u64>,
    at: u64,
}

impl AuReader {
    /// Reads the header of a file.
    ///
    /// # Errors
    /// [`Error::Input`] for damage, and for an encoding that is not read.
    pub fn open(path: &Path, mut stream: MediaSourceStream<'static>) -> Result<Self> {
        let mut header = [0; 24];
        stream.read_buf_exact(&mut header).map_err(|_| damaged(path, "an AU file that ends within its header"))?;
        let field = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (start, size, encoding, rate, channels) = (field(4), field(8), field(12), field(16), field(20));
        let Some((codec, width)) = codec(encoding) else {
            return Err(unread::error(path, &format!("an AU file of encoding {encoding}")));
        };
        if start < 24 || rate == 0 || !(1..=MOST_CHANNELS).contains(&channels) {
            return Err(damaged(path, format!("an AU file of {channels} channels at {rate} Hz, from byte {start} on")));
        }
        stream
            .ignore_bytes(u64::from(start) - 24)
            .map_err(|_| damaged(path, "an AU file that ends within its header"))?;
        let frame = u64::from(channels) * width;
        // Programs that write to a pipe leave the size at 2³²-1; then, and at 0, all that follows is sound.
        let left = Some(u64::from(size)).filter(|size| !matches!(*size, 0 | 0xFFFF_FFFF));
        let mut parameters = AudioCodecParameters::new();
        let positions = Position::from_count(channels).map(Channels::Positioned);
        parameters
            .for_codec(codec)
            .with_sample_rate(rate)
            .with_channels(positions.unwrap_or(Channels::Discrete(channels as u16)))
            .with_max_frames_per_packet(FRAMES);
        let mut track = Track::new(0);
        track.with_codec_params(CodecParameters::Audio(parameters));
        if let Some(size) = left {
            track.with_num_frames(size / frame);
        }
        let media = MediaInfo::from_track(&track);
        Ok(Self { stream, tracks: [track], media, metadata: MetadataLog::default(), frame, left, at: 0 })
    }
}

/// The codec of an encoding, and its bytes a sample.
fn codec(encoding: u32) -> Option<(AudioCodecId, u64)> {
    Some(match encoding {
        1 => (ids::CODEC_ID_PCM_MULAW, 1),
        2 => (ids::CODEC_ID_PCM_S8, 1),
        3 => (ids::CODEC_ID_PCM_S16BE, 2),
        4 => (ids::CODEC_ID_PCM_S24BE, 3),
        5 => (ids::CODEC_ID_PCM_S32BE, 4),
        6 => (ids::CODEC_ID_PCM_F32BE, 4),
        7 => (ids::CODEC_ID_PCM_F64BE, 8),
        27 => (ids::CODEC_ID_PCM_ALAW, 1),
        _ => return None,
    })
}

impl FormatReader for AuReader {
    fn format_info(&self) -> &FormatInfo {
        &INFO
    }

    fn media_info(&self) -> &MediaInfo {
        &self.media
    }

    fn metadata(&mut self) -> Metadata<'_> {
        self.metadata.metadata()
    }

    fn seek(&mut self, _: SeekMode, _: SeekTo) -> Outcome<SeekedTo> {
        Err(Cause::SeekError(SeekErrorKind::Unseekable))
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn next_packet(&mut self) -> Outcome<Option<Packet>> {
        let wanted = self.left.unwrap_or(u64::MAX).min(FRAMES * self.frame);
        let mut data = vec![0; wanted as usize];
        let mut filled = 0;
        while filled < data.len() {
            match self.stream.read_buf(&mut data[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                // What symphonia's streams say at their end.
                Err(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => break,
                Err(cause) => return Err(cause.into()),
            }
        }
        let frames = filled as u64 / self.frame;
        data.truncate((frames * self.frame) as usize);
        if frames == 0 {
            return Ok(None);
        }
        self.left = self.left.map(|left| left - filled as u64);
        let packet = Packet::new(0, Timestamp::new(self.at as i64), Duration::new(frames), data);
        self.at += frames;
        Ok(Some(packet))
    }

    fn into_inner<'s>(self: Box<Self>) -> MediaSourceStream<'s>
    where
        Self: 's,
    {
        self.stream
    }
}
