//! WavPack: lossless, and hybrid files without their correction; 8 to 32 bits and floats; any number of channels.
//!
//! A file is a row of blocks of one or two channels. The blocks of the same frames make up a packet here. What a block decodes to is compared
//! with its checksum.

mod block;
mod prediction;
mod unpack;
mod words;

use std::path::Path;

use symphonia::core::audio::{
    AsGenericAudioBufferRef, Audio, AudioBuffer, AudioMut, AudioSpec, Channels, GenericAudioBufferRef, Position,
};
use symphonia::core::codecs::audio::well_known::CODEC_ID_WAVPACK;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions, FinalizeResult};
use symphonia::core::codecs::registry::{RegisterableAudioDecoder, SupportedAudioCodec};
use symphonia::core::codecs::{CodecInfo, CodecParameters};
use symphonia::core::errors::{Error as Cause, Result as Outcome, SeekErrorKind};
use symphonia::core::formats::well_known::FORMAT_ID_WAVPACK;
use symphonia::core::formats::{FormatInfo, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track};
use symphonia::core::io::{MediaSourceStream, ReadBytes};
use symphonia::core::meta::{Metadata, MetadataLog};
use symphonia::core::packet::{Packet, PacketRef};
use symphonia::core::units::{Duration, Timestamp};

use super::{damaged, unread};
use crate::Result;
use block::{HEADER, Header};

/// What it is called.
pub const NAME: &str = "wv";

/// How a file begins.
pub const MAGIC: &[u8] = b"wvpk";

const INFO: FormatInfo = FormatInfo { format: FORMAT_ID_WAVPACK, short_name: NAME, long_name: "WavPack" };

/// More channels are taken for damage.
const MOST_CHANNELS: usize = 64;

/// A block, as it was read.
struct Block {
    start: [u8; HEADER],
    header: Header,
    bytes: Vec<u8>,
}

/// A WavPack file, cut into the blocks of the same frames.
pub struct WavPackReader {
    stream: MediaSourceStream<'static>,
    tracks: [Track; 1],
    media: MediaInfo,
    metadata: MetadataLog,
    next: Option<Block>,
}

impl WavPackReader {
    /// Reads up to the first block of sound.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none, or of a kind that is not read.
    pub fn open(path: &Path, mut stream: MediaSourceStream<'static>) -> Result<Self> {
        let Some(first) = next_block(&mut stream) else { return Err(damaged(path, "a WavPack file without sound")) };
        let header = first.header;
        if header.is_dsd() {
            return Err(unread::error(path, "a WavPack file that holds DSD"));
        }
        let part = |wanted| block::parts(&first.bytes).find(|(id, _)| *id == wanted).map(|(_, part)| part);
        let sent_rate =
            part(block::RATE).and_then(|rate| rate.first_chunk()).map(|[a, b, c]| u32::from_le_bytes([*a, *b, *c, 0]));
        let rate = header.rate().or(sent_rate).ok_or_else(|| damaged(path, "a WavPack file without a sample rate"))?;
        let (count, mask) = match part(block::CHANNELS).and_then(block::channels) {
            Some(channels) => channels,
            None => (header.channels() as u32, 0),
        };
        if !(1..=MOST_CHANNELS as u32).contains(&count) {
            return Err(damaged(path, format!("a WavPack file of {count} channels")));
        }
        let placed = (mask.count_ones() == count).then(|| Position::from_bits_truncate(u64::from(mask)));
        let placed =
            placed.filter(|places| places.bits().count_ones() == count).or_else(|| Position::from_count(count));
        let channels = placed.map_or(Channels::Discrete(count as u16), Channels::Positioned);
        let mut parameters = AudioCodecParameters::new();
        // In Matroska the blocks have other headers: what came from here says so.
        parameters
            .for_codec(CODEC_ID_WAVPACK)
            .with_sample_rate(rate)
            .with_channels(channels)
            .with_extra_data(MAGIC.into());
        let mut track = Track::new(0);
        track.with_codec_params(CodecParameters::Audio(parameters));
        if let Some(total) = header.total {
            track.with_num_frames(total);
        }
        let media = MediaInfo::from_track(&track);
        Ok(Self { stream, tracks: [track], media, metadata: MetadataLog::default(), next: Some(first) })
    }
}

/// The next block with sound; `None` at the end. What is no block is passed over.
fn next_block(stream: &mut MediaSourceStream<'_>) -> Option<Block> {
    let mut start = [0; HEADER];
    stream.read_buf_exact(&mut start).ok()?;
    loop {
        let Some(header) = Header::parse(&start) else {
            start.rotate_left(1);
            start[HEADER - 1] = stream.read_byte().ok()?;
            continue;
        };
        let bytes = stream.read_boxed_slice_exact(header.size).ok()?.into_vec();
        if header.frames > 0 {
            return Some(Block { start, header, bytes });
        }
        stream.read_buf_exact(&mut start).ok()?;
    }
}

impl FormatReader for WavPackReader {
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
        let Some(first) = self.next.take().or_else(|| next_block(&mut self.stream)) else { return Ok(None) };
        let mut data = packed(&first);
        let (mut channels, mut last) = (first.header.channels(), first.header);
        while !last.is_last() && channels < MOST_CHANNELS {
            let Some(block) = next_block(&mut self.stream) else { break };
            if block.header.index != first.header.index || block.header.is_first() {
                // The end of the packet is missing.
                self.next = Some(block);
                break;
            }
            data.extend(packed(&block));
            (channels, last) = (channels + block.header.channels(), block.header);
        }
        let start = Timestamp::new(first.header.index as i64);
        Ok(Some(Packet::new(0, start, Duration::new(u64::from(first.header.frames)), data)))
    }

    fn into_inner<'s>(self: Box<Self>) -> MediaSourceStream<'s>
    where
        Self: 's,
    {
        self.stream
    }
}

/// A block as the decoder takes it: its header again, and its parts.
fn packed(block: &Block) -> Vec<u8> {
    [&block.start[..], &block.bytes].concat()
}

/// Blocks of the same frames to samples.
pub struct WavPackDecoder {
    parameters: AudioCodecParameters,
    channels: usize,
    interleaved: Vec<f32>,
    decoded: AudioBuffer<f32>,
}

impl WavPackDecoder {
    fn new(parameters: &AudioCodecParameters) -> Outcome<Self> {
        let (Some(rate), Some(channels), Some(MAGIC)) =
            (parameters.sample_rate, parameters.channels.clone(), parameters.extra_data.as_deref())
        else {
            return Err(Cause::Unsupported("wavpack: blocks of another container"));
        };
        Ok(Self {
            parameters: parameters.clone(),
            channels: channels.count(),
            interleaved: Vec::new(),
            decoded: AudioBuffer::new(AudioSpec::new(rate, channels), 0),
        })
    }

    /// The samples of all channels, one after the other.
    fn unpack(&self, mut data: &[u8]) -> Option<Vec<Vec<f32>>> {
        let mut channels: Vec<Vec<f32>> = Vec::new();
        while let Some((start, rest)) = data.split_first_chunk() {
            let header = Header::parse(start)?;
            let (bytes, rest) = rest.split_at_checked(header.size)?;
            data = rest;
            channels.extend(unpack::unpack(&header, bytes)?);
        }
        let frames = channels.first()?.len();
        let is_whole = channels.len() == self.channels && channels.iter().all(|channel| channel.len() == frames);
        is_whole.then_some(channels)
    }
}

impl AudioDecoder for WavPackDecoder {
    fn reset(&mut self) {}

    fn codec_info(&self) -> &CodecInfo {
        &Self::supported_codecs()[0].info
    }

    fn codec_params(&self) -> &AudioCodecParameters {
        &self.parameters
    }

    fn decode_ref(&mut self, packet: &PacketRef<'_>) -> Outcome<GenericAudioBufferRef<'_>> {
        self.decoded.clear();
        let channels = self.unpack(packet.data).ok_or(Cause::DecodeError("wavpack: the block is damaged"))?;
        let frames = channels[0].len();
        self.interleaved.clear();
        self.interleaved.extend((0..frames).flat_map(|frame| channels.iter().map(move |channel| channel[frame])));
        if self.decoded.capacity() < frames {
            self.decoded = AudioBuffer::new(self.decoded.spec().clone(), frames);
        }
        self.decoded.render_uninit(Some(frames));
        self.decoded.copy_from_slice_interleaved(&self.interleaved);
        Ok(self.decoded.as_generic_audio_buffer_ref())
    }

    fn finalize(&mut self) -> FinalizeResult {
        FinalizeResult::default()
    }

    fn last_decoded(&self) -> GenericAudioBufferRef<'_> {
        self.decoded.as_generic_audio_buffer_ref()
    }
}

impl RegisterableAudioDecoder for WavPackDecoder {
    fn try_registry_new(parameters: &AudioCodecParameters, _: &AudioDecoderOptions) -> Outcome<Box<dyn AudioDecoder>> {
        Ok(Box::new(Self::new(parameters)?))
    }

    fn supported_codecs() -> &'static [SupportedAudioCodec] {
        const INFO: CodecInfo = CodecInfo { short_name: "wavpack", long_name: "WavPack", profiles: &[] };
        &[SupportedAudioCodec { id: CODEC_ID_WAVPACK, info: INFO }]
    }
}
