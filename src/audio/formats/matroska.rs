//! What symphonia's reader of Matroska and WebM leaves out: how much of the last block of a track is padding (`DiscardPadding`), and where
//! a file ends that was written to a pipe, without the sizes of its parts.

use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::errors::{Error as Cause, Result as Outcome};
use symphonia::core::formats::{FormatInfo, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::Metadata;
use symphonia::core::packet::Packet;
use symphonia::core::units::Duration;

use super::libopus::RATE;

/// How a file begins: an EBML header.
pub const MAGIC: &[u8] = b"\x1a\x45\xdf\xa3";

const SEGMENT: u64 = 0x1853_8067;
const CLUSTER: u64 = 0x1F43_B675;
const BLOCK_GROUP: u64 = 0xA0;
const BLOCK: u64 = 0xA1;
const SIMPLE_BLOCK: u64 = 0xA3;
const DISCARD_PADDING: u64 = 0x75A2;

/// Tracks of a file that are looked at.
const MOST_TRACKS: usize = 32;

/// The padding of each track's last block in the last cluster, in nanoseconds; `None` for a file that breaks off.
pub struct Paddings(Option<Vec<(u64, u64)>>);

/// Looks for padding at the end of a file, which is left standing at its beginning.
pub fn paddings(source: &mut Box<dyn MediaSource>) -> std::io::Result<Paddings> {
    let mut walk = Walk { file: BufReader::new(source), at: 0, last_cluster: None, blocks: Vec::new() };
    let found = walk.whole().map(|()| std::mem::take(&mut walk.blocks));
    walk.file.seek(SeekFrom::Start(0))?;
    Ok(Paddings(found))
}

struct Walk<R> {
    file: BufReader<R>,
    at: u64,
    last_cluster: Option<u64>,
    /// The last block of each track, and its padding.
    blocks: Vec<(u64, u64)>,
}

impl<R: Read + Seek> Walk<R> {
    /// Goes over the clusters, then into the last.
    fn whole(&mut self) -> Option<()> {
        self.elements(false)?;
        let Some(at) = self.last_cluster else { return Some(()) };
        self.file.seek(SeekFrom::Start(at)).ok()?;
        self.at = at;
        self.elements(true)
    }

    /// Elements one after the other; those that hold blocks are entered, others skipped. `None` where the file is damaged or cut.
    fn elements(&mut self, enter_clusters: bool) -> Option<()> {
        loop {
            let start = self.at;
            let Some(id) = self.number(false) else { return self.is_end().then_some(()) };
            let size = self.number(true)?;
            let is_unknown = size == u64::MAX;
            match id {
                SEGMENT | BLOCK_GROUP => {}
                CLUSTER if enter_clusters || is_unknown => self.last_cluster = None,
                CLUSTER => {
                    self.last_cluster = Some(start);
                    self.skip(size)?;
                }
                BLOCK | SIMPLE_BLOCK => {
                    let before = self.at;
                    let track = self.number(true)?;
                    self.set(track, 0);
                    self.skip(size.checked_sub(self.at - before)?)?;
                }
                DISCARD_PADDING => {
                    let mut bytes = [0; 8];
                    let bytes = bytes.get_mut(..usize::try_from(size).ok()?)?;
                    self.bytes(bytes)?;
                    // Negative padding stands at the start of a block.
                    let is_negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
                    let padding = bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                    if let Some(block) = self.blocks.last_mut().filter(|_| !is_negative) {
                        block.1 = padding;
                    }
                }
                _ => self.skip(size)?,
            }
        }
    }

    /// Puts a track's last block last.
    fn set(&mut self, track: u64, padding: u64) {
        self.blocks.retain(|(known, _)| *known != track);
        if self.blocks.len() < MOST_TRACKS {
            self.blocks.push((track, padding));
        }
    }

    /// A number of variable length; ids keep the bit that tells their length. All ones are "unknown".
    fn number(&mut self, masked: bool) -> Option<u64> {
        let [mut first] = [0];
        self.bytes(std::slice::from_mut(&mut first))?;
        let more = first.leading_zeros() as usize;
        let mut rest = [0; 7];
        let rest = rest.get_mut(..more)?;
        self.bytes(rest)?;
        if masked {
            first &= (0xFFu16 >> (more + 1)) as u8;
        }
        let is_unknown = masked && u16::from(first) == 0xFF >> (more + 1) && rest.iter().all(|byte| *byte == 0xFF);
        Some(if is_unknown {
            u64::MAX
        } else {
            rest.iter().fold(u64::from(first), |sum, byte| sum << 8 | u64::from(*byte))
        })
    }

    fn bytes(&mut self, out: &mut [u8]) -> Option<()> {
        self.file.read_exact(out).ok()?;
        self.at += out.len() as u64;
        Some(())
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        self.file.seek_relative(i64::try_from(count).ok()?).ok()?;
        self.at = self.at.checked_add(count)?;
        Some(())
    }

    /// Whether the file ends here, and not before.
    fn is_end(&mut self) -> bool {
        self.file.seek(SeekFrom::End(0)).is_ok_and(|end| end == self.at)
    }
}

/// A whole file: its last packet of Opus knows its padding, and its end is no error.
pub struct Ended {
    inner: Box<dyn FormatReader>,
    /// A track whose last packet has frames that are not to be heard, and their number.
    padding: Option<(u32, u64)>,
    /// The next packet of that track: it is the last one when there is none behind it.
    held: Option<Packet>,
}

impl Ended {
    /// `inner` itself where the file breaks off.
    pub fn of(inner: Box<dyn FormatReader>, paddings: &Paddings) -> Box<dyn FormatReader> {
        let Some(paddings) = &paddings.0 else { return inner };
        let track = inner.default_track(TrackType::Audio).filter(
            |track| matches!(&track.codec_params, Some(CodecParameters::Audio(audio)) if audio.codec == CODEC_ID_OPUS),
        );
        let padding = track.and_then(|track| {
            let (_, nanoseconds) = paddings.iter().find(|(known, _)| *known == u64::from(track.id))?;
            Some((track.id, (*nanoseconds as f64 * f64::from(RATE) / 1e9).round() as u64))
        });
        Box::new(Self { inner, padding, held: None })
    }
}

impl FormatReader for Ended {
    fn format_info(&self) -> &FormatInfo {
        self.inner.format_info()
    }

    fn media_info(&self) -> &MediaInfo {
        self.inner.media_info()
    }

    fn metadata(&mut self) -> Metadata<'_> {
        self.inner.metadata()
    }

    fn seek(&mut self, mode: SeekMode, to: SeekTo) -> Outcome<SeekedTo> {
        self.held = None;
        self.inner.seek(mode, to)
    }

    fn tracks(&self) -> &[Track] {
        self.inner.tracks()
    }

    fn next_packet(&mut self) -> Outcome<Option<Packet>> {
        loop {
            let next = match self.inner.next_packet() {
                // Where sizes are unknown, the end of the file is that of the last part.
                Err(Cause::IoError(cause)) if cause.kind() == ErrorKind::UnexpectedEof => None,
                next => next?,
            };
            match (next, self.padding) {
                (None, padding) => {
                    let mut last = self.held.take();
                    if let (Some(last), Some((_, frames))) = (&mut last, padding) {
                        last.trim_end = Duration::new(frames);
                    }
                    return Ok(last);
                }
                (Some(packet), Some((track, _))) if packet.track_id == track => {
                    if let Some(before) = self.held.replace(packet) {
                        return Ok(Some(before));
                    }
                }
                (packet, _) => return Ok(packet),
            }
        }
    }

    fn into_inner<'s>(self: Box<Self>) -> MediaSourceStream<'s>
    where
        Self: 's,
    {
        self.inner.into_inner()
    }
}
