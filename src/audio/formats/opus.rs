//! Opus (RFC 6716) in any container that symphonia opens: pre-skip, output gain and channel mapping as its header says (RFC 7845).

use symphonia::core::audio::{
    AsGenericAudioBufferRef, AudioBuffer, AudioMut, AudioSpec, Channels, GenericAudioBufferRef, Position,
};
use symphonia::core::codecs::CodecInfo;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions, FinalizeResult};
use symphonia::core::codecs::registry::{RegisterableAudioDecoder, SupportedAudioCodec};
use symphonia::core::errors::{Error, Result};
use symphonia::core::packet::PacketRef;

use super::libopus::{Libopus, MAX_FRAMES, RATE};

/// What the identification header says: RFC 7845, section 5.1.
#[derive(Debug, PartialEq)]
struct Head {
    /// Frames at the start that only let the decoder settle.
    pre_skip: usize,
    /// What samples are multiplied by.
    gain: f32,
    family: u8,
    streams: u8,
    coupled: u8,
    /// The decoded channel behind each channel.
    mapping: Vec<u8>,
}

impl Head {
    fn parse(data: &[u8]) -> Option<Self> {
        let data = data.strip_prefix(b"OpusHead")?;
        let [version, channels, skip_0, skip_1, _, _, _, _, gain_0, gain_1, family] = data.first_chunk::<11>()?;
        let table = &data[11..];
        // MP4 keeps the same fields in the other order of bytes, under version 0 (Encapsulation of Opus in ISO BMFF, 4.3.2).
        let number = |bytes: [u8; 2]| if *version == 0 { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
        let (streams, coupled, mapping) = match (family, table) {
            (0, _) if (1..=2).contains(channels) => (1, channels - 1, (0..*channels).collect()),
            (0, _) => return None,
            (_, [streams, coupled, mapping @ ..]) => {
                (*streams, *coupled, mapping.get(..usize::from(*channels))?.to_vec())
            }
            _ => return None,
        };
        Some(Self {
            pre_skip: usize::from(number([*skip_0, *skip_1])),
            gain: 10f32.powf(f32::from(number([*gain_0, *gain_1]).cast_signed()) / (20.0 * 256.0)),
            family: *family,
            streams,
            coupled,
            mapping,
        })
    }

    /// What is assumed where a container leaves the header out.
    fn plain(channels: usize) -> Option<Self> {
        let channels = u8::try_from(channels).ok().filter(|channels| (1..=2).contains(channels))?;
        let mapping = (0..channels).collect();
        Some(Self { pre_skip: 0, gain: 1.0, family: 0, streams: 1, coupled: channels - 1, mapping })
    }

    /// What the channels are, and the mapping in the order that they are told in.
    fn layout(&self) -> (Channels, Vec<u8>) {
        let Some(positions) = vorbis_order(self.mapping.len()).filter(|_| self.family < 2) else {
            let count = self.mapping.len();
            let order = (0..=14u8).find(|order| (usize::from(*order) + 1).pow(2) == count).filter(|_| self.family == 2);
            let channels = order.map_or(Channels::Discrete(count as u16), Channels::Ambisonic);
            return (channels, self.mapping.clone());
        };
        let mut channels: Vec<_> = positions.iter().copied().zip(self.mapping.iter().copied()).collect();
        channels.sort_by_key(|(position, _)| position.bits());
        let all = positions.iter().fold(Position::empty(), |all, position| all | *position);
        (Channels::Positioned(all), channels.into_iter().map(|(_, decoded)| decoded).collect())
    }
}

/// The positions of `count` channels, in the order of Vorbis and of Opus' mapping family 1.
fn vorbis_order(count: usize) -> Option<&'static [Position]> {
    const FL: Position = Position::FRONT_LEFT;
    const FC: Position = Position::FRONT_CENTER;
    const FR: Position = Position::FRONT_RIGHT;
    const RL: Position = Position::REAR_LEFT;
    const RC: Position = Position::REAR_CENTER;
    const RR: Position = Position::REAR_RIGHT;
    const SL: Position = Position::SIDE_LEFT;
    const SR: Position = Position::SIDE_RIGHT;
    const LFE: Position = Position::LFE1;
    Some(match count {
        // As mono wav files are told.
        1 => &[FL],
        2 => &[FL, FR],
        3 => &[FL, FC, FR],
        4 => &[FL, FR, RL, RR],
        5 => &[FL, FC, FR, RL, RR],
        6 => &[FL, FC, FR, RL, RR, LFE],
        7 => &[FL, FC, FR, SL, SR, RC, LFE],
        8 => &[FL, FC, FR, SL, SR, RL, RR, LFE],
        _ => return None,
    })
}

/// Opus packets to samples.
pub struct OpusDecoder {
    parameters: AudioCodecParameters,
    decoder: Libopus,
    channels: usize,
    /// Frames of the pre-skip that are still to be left out.
    skip: usize,
    gain: f32,
    interleaved: Vec<f32>,
    decoded: AudioBuffer<f32>,
}

impl OpusDecoder {
    fn new(parameters: &AudioCodecParameters) -> Result<Self> {
        let head = match &parameters.extra_data {
            Some(data) => Head::parse(data),
            None => Head::plain(parameters.channels.as_ref().map_or(0, Channels::count)),
        };
        let head = head.ok_or(Error::DecodeError("opus: the header is damaged"))?;
        // Families 2 and 255 have the table of family 1; that of family 3 is a matrix, and others are not defined.
        if ![0, 1, 2, 255].contains(&head.family) {
            return Err(Error::Unsupported("opus: the channel mapping"));
        }
        let (channels, mapping) = head.layout();
        let decoder = Libopus::new(head.streams, head.coupled, &mapping)
            .ok_or(Error::DecodeError("opus: the channel mapping is damaged"))?;
        let mut parameters = parameters.clone();
        parameters.with_sample_rate(RATE).with_channels(channels.clone());
        Ok(Self {
            parameters,
            decoder,
            channels: mapping.len(),
            skip: head.pre_skip,
            gain: head.gain,
            interleaved: vec![0.0; MAX_FRAMES * mapping.len()],
            decoded: AudioBuffer::new(AudioSpec::new(RATE, channels), MAX_FRAMES),
        })
    }
}

impl AudioDecoder for OpusDecoder {
    fn reset(&mut self) {
        if let Ok(fresh) = Self::new(&self.parameters) {
            self.decoder = fresh.decoder;
        }
    }

    fn codec_info(&self) -> &CodecInfo {
        &Self::supported_codecs()[0].info
    }

    fn codec_params(&self) -> &AudioCodecParameters {
        &self.parameters
    }

    fn decode_ref(&mut self, packet: &PacketRef<'_>) -> Result<GenericAudioBufferRef<'_>> {
        self.decoded.clear();
        let frames = self
            .decoder
            .decode(packet.data, &mut self.interleaved)
            .ok_or(Error::DecodeError("opus: the packet is damaged"))?;
        // Containers with an edit list skip the same frames as the header does.
        let start = frames.min(self.skip.max(packet.trim_start.get() as usize));
        self.skip = self.skip.saturating_sub(frames);
        let end = frames.saturating_sub(packet.trim_end.get() as usize).max(start);
        let samples = &mut self.interleaved[start * self.channels..end * self.channels];
        if self.gain != 1.0 {
            samples.iter_mut().for_each(|x| *x *= self.gain);
        }
        self.decoded.render_uninit(Some(end - start));
        self.decoded.copy_from_slice_interleaved(&&*samples);
        Ok(self.decoded.as_generic_audio_buffer_ref())
    }

    fn finalize(&mut self) -> FinalizeResult {
        FinalizeResult::default()
    }

    fn last_decoded(&self) -> GenericAudioBufferRef<'_> {
        self.decoded.as_generic_audio_buffer_ref()
    }
}

impl RegisterableAudioDecoder for OpusDecoder {
    fn try_registry_new(parameters: &AudioCodecParameters, _: &AudioDecoderOptions) -> Result<Box<dyn AudioDecoder>> {
        Ok(Box::new(Self::new(parameters)?))
    }

    fn supported_codecs() -> &'static [SupportedAudioCodec] {
        const INFO: CodecInfo = CodecInfo { short_name: "opus", long_name: "Opus", profiles: &[] };
        &[SupportedAudioCodec { id: CODEC_ID_OPUS, info: INFO }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(channels: u8, gain: i16, rest: &[u8]) -> Vec<u8> {
        let mut bytes = b"OpusHead\x01".to_vec();
        bytes.extend([channels, 0x38, 0x01]);
        bytes.extend(48_000u32.to_le_bytes());
        bytes.extend(gain.to_le_bytes());
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn surround_comes_in_the_order_in_which_positions_are_told() {
        let head = Head::parse(&head(6, 0, &[1, 4, 2, 0, 4, 1, 2, 3, 5])).unwrap();
        assert_eq!((head.pre_skip, head.gain), (312, 1.0));
        let (channels, mapping) = head.layout();
        assert_eq!(channels.count(), 6);
        // Left, right, centre, bass, rear left, rear right.
        assert_eq!(mapping, [0, 1, 4, 5, 2, 3]);
    }

    #[test]
    fn mp4_has_its_numbers_the_other_way_round() {
        let mut bytes = head(2, 0, &[0]);
        (bytes[8], bytes[10], bytes[11], bytes[16], bytes[17]) = (0, 0x01, 0x38, 0xFA, 0x00);
        let head = Head::parse(&bytes).unwrap();
        assert_eq!(head.pre_skip, 312);
        assert!((head.gain - 0.501_187).abs() < 1e-5, "{}", head.gain);
    }

    #[test]
    fn the_gain_is_in_decibels_of_eight_fractional_bits() {
        let gain = |q8| Head::parse(&head(1, q8, &[0])).unwrap().gain;
        assert!((gain(-6 * 256) - 0.501_187).abs() < 1e-5, "{}", gain(-6 * 256));
    }

    #[test]
    fn forged_headers_are_refused() {
        let mut parameters = AudioCodecParameters::new();
        for bytes in [
            head(3, 0, &[0]),
            head(0, 0, &[0]),
            head(2, 0, &[1, 0, 0, 0, 1]),
            head(2, 0, &[1, 1, 2, 0, 1]),
            head(2, 0, &[1, 1, 1, 0, 9]),
            head(255, 0, &[255, 255, 255, 0]),
            head(4, 0, &[3, 2, 2, 0, 1, 2, 3]),
            b"OpusHead".to_vec(),
        ] {
            parameters.with_extra_data(bytes.clone().into());
            assert!(OpusDecoder::new(&parameters).is_err(), "{bytes:?}");
        }
    }
}
