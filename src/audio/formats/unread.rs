//! Names for what is not read: a file that is refused shall say what it is, and what can be done.

use std::path::Path;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioCodecId, well_known as ids};
use symphonia::core::formats::{FormatReader, TrackType};

use super::FORMATS;
use crate::Error;
use crate::error::{Hint, Topic};

/// How files begin that hold sound which is not read here.
const SOUNDS: [(&[u8], &str); 33] = [
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a WMA or WMV file (ASF)"),
    (b"#!AMR-WB\n", "an AMR-WB file"),
    (b"#!AMR\n", "an AMR file"),
    (b"#!SILK_V3", "a SILK file"),
    (b"\x7f\xfe\x80\x01", "a DTS file"),
    (b"\xfe\x7f\x01\x80", "a DTS file"),
    (b"\x1f\xff\xe8\x00", "a DTS file"),
    (b"\xff\x1f\x00\xe8", "a DTS file"),
    (b"DTSHDHDR", "a DTS-HD file"),
    (b"MPCK", "a Musepack file"),
    (b"MP+", "a Musepack file"),
    (b"MAC ", "a Monkey's Audio file"),
    (b"MACF", "a Monkey's Audio file"),
    (b"TTA1", "a TTA file"),
    (b"TTA2", "a TTA file"),
    (b"DSD ", "a DSD file (DSF)"),
    (b"FRM8", "a DSD file (DFF)"),
    (b"OFR ", "an OptimFROG file"),
    (b"tBaK", "a TAK file"),
    (b"ajkg", "a Shorten file"),
    (b".ra\xfd", "a RealAudio file"),
    (b".RMF", "a RealMedia file"),
    (b"Creative Voice File", "a Creative Voice file"),
    (b"NIST_1A", "a NIST SPHERE file"),
    (b"\x64\xa3\x01\x00", "an IRCAM file"),
    (b"\x64\xa3\x02\x00", "an IRCAM file"),
    (b"FLV\x01", "a Flash video"),
    (b"\x00\x00\x01\xba", "an MPEG program stream"),
    (b".SoX", "a SoX file"),
    (b"XoS.", "a SoX file"),
    (b"nut/multimedia", "a NUT file"),
    (b"2BIT", "an AVR file"),
    (b"Extended Module", "a tracker module"),
];

/// How files begin that hold no sound.
const OTHERS: [(&[u8], &str); 24] = [
    (b"MThd", "a MIDI file (notes, no sound)"),
    (b"\x00\x05\x16\x07", "an AppleDouble file (what a Mac keeps beside a file)"),
    (b"%PDF", "a PDF file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"<!DOCTYPE", "a web page"),
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
    (b"version https://git-lfs", "a pointer to a file of Git LFS, whose content was not fetched"),
];

const DAMAGED: &str = "the file may be damaged: fetch or export it again";

/// An error for sound that is not read: `found` names it.
pub fn error(path: &Path, found: &str) -> Error {
    let hint = Hint::about(Topic::Convert { path: path.display().to_string() }, "convert it to flac or wav first");
    Error::input(path.display(), found, FORMATS).with_hint(hint)
}

/// The least bytes of a beginning that are no chance.
const SURE: usize = 3;

/// An error for a file that begins as one which is not read, and in which something that looks like a packet of sound would soon be found.
pub fn foreign(path: &Path, start: &[u8]) -> Option<Error> {
    let known =
        |table: &[(&[u8], &str)]| table.iter().any(|(magic, _)| magic.len() >= SURE && start.starts_with(magic));
    (known(&SOUNDS) || known(&OTHERS) || is_transport_stream(start)).then(|| file(path, start))
}

/// Whether packets of 188 bytes begin here, each by itself or behind a point in time of four bytes.
fn is_transport_stream(start: &[u8]) -> bool {
    [(0, 188), (4, 192)].into_iter().any(|(first, length)| {
        let mut marks = start.iter().skip(first).step_by(length);
        start.len() > 8 * length && marks.all(|mark| *mark == 0x47)
    })
}

/// An error for a file in which no format was found; `start` are its first bytes.
pub fn file(path: &Path, start: &[u8]) -> Error {
    if let Some(found) = damaged(start) {
        return Error::input(path.display(), found, FORMATS).with_hint(DAMAGED);
    }
    if let Some(found) = sound(start) {
        return error(path, &found);
    }
    let named = OTHERS.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, name)| *name);
    let found = named.unwrap_or(match start {
        _ if start.iter().all(|byte| *byte == 0) => "nothing but zero bytes at its start",
        _ if is_text(start) => "text",
        _ => "no audio format that is known here",
    });
    let error = Error::input(path.display(), found, FORMATS);
    if named.is_some() || is_text(start) { error } else { error.with_hint(DAMAGED) }
}

/// What is said of a file of a format that is read, which all the same cannot be.
fn damaged(start: &[u8]) -> Option<&'static str> {
    match start {
        [b'O', b'g', b'g', b'S', ..]
            if [&b"\x7fFLAC"[..], b"\x01vorbis"].iter().any(|head| ogg_packet(start).starts_with(head)) =>
        {
            Some("an Ogg file that breaks off before its sound, or whose header is damaged")
        }
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(
            "a file of MP4's family without a usable index (moov): it breaks off before it, is damaged, or of an odd kind",
        ),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Some("a Matroska or WebM file that breaks off before its sound, or is damaged"),
        [b'c', b'a', b'f', b'f', ..] => Some(
            "a CAF file that breaks off before its sound or the table of its packets, is damaged, or of an odd kind",
        ),
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F', ..] => Some("an AIFF file that is damaged"),
        [b'f', b'L', b'a', b'C', ..] => Some("a FLAC file that is damaged"),
        _ => None,
    }
}

fn sound(start: &[u8]) -> Option<String> {
    let riff = |form: &[u8]| start.starts_with(b"RIFF") && start.get(8..12) == Some(form);
    let named = match start {
        _ if riff(b"AVI ") => Some("an AVI video"),
        _ if riff(b"RMID") => Some("a MIDI file (notes, no sound)"),
        _ if start.starts_with(b"FORM") && start.get(8..12) == Some(b"8SVX") => Some("an 8SVX file"),
        [0x0b, 0x77, _, _, _, bsid, ..] => Some(if bsid >> 3 > 10 { "an E-AC-3 file" } else { "an AC-3 file" }),
        _ if start.starts_with(b"OggS") => Some(ogg(start)),
        _ if is_transport_stream(start) => Some("an MPEG transport stream"),
        [0x56, second, ..] if second & 0xe0 == 0xe0 => Some("AAC in LATM"),
        _ if start.starts_with(b"FORM") && start.get(8..12) == Some(b"AIFC") => {
            Some("an AIFF-C file of a compression that is not read")
        }
        _ => SOUNDS.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, name)| *name),
    };
    named.map(str::to_owned)
}

fn ogg_packet(start: &[u8]) -> &[u8] {
    start.get(26).and_then(|segments| start.get(27 + usize::from(*segments)..)).unwrap_or_default()
}

/// What the first packet of an Ogg file says.
fn ogg(start: &[u8]) -> &'static str {
    let packet = ogg_packet(start);
    let known: [(&[u8], &str); 6] = [
        (b"Speex   ", "an Ogg file that holds Speex"),
        (b"CELT    ", "an Ogg file that holds CELT"),
        (b"PCM     ", "an Ogg file that holds PCM"),
        (b"\x80theora", "an Ogg file that holds Theora video"),
        (b"OpusHead", "an Ogg file that holds Opus of an unknown channel mapping"),
        (b"fishead\0", "an Ogg file of several streams, none of which is known"),
    ];
    let name = known.iter().find(|(magic, _)| packet.starts_with(magic)).map(|(_, name)| *name);
    name.unwrap_or("an Ogg file that holds an unknown codec")
}

fn is_text(start: &[u8]) -> bool {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // The last letter may be cut.
        Err(error) if start.len() - error.valid_up_to() < 4 => {
            std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty() && text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'))
}

/// An error for a container that is read, without a track that is.
pub fn tracks(path: &Path, format: &dyn FormatReader) -> Error {
    let container = format.format_info().long_name;
    let codecs = format.tracks().iter().filter_map(|track| match &track.codec_params {
        Some(CodecParameters::Audio(parameters)) => Some(codec(parameters.codec)),
        _ => None,
    });
    let mut codecs: Vec<_> = codecs.collect();
    codecs.dedup();
    if !codecs.is_empty() {
        return error(path, &format!("{} in a container that is read ({container})", codecs.join(", ")));
    }
    let is_video = format.tracks().iter().any(|track| track.track_type() == Some(TrackType::Video));
    // A track without parameters is of a codec that symphonia has no name for.
    if !is_video || format.tracks().iter().any(|track| track.codec_params.is_none()) {
        return error(path, &format!("no audio track of a known codec ({container})"));
    }
    Error::input(path.display(), format!("a video without sound ({container})"), FORMATS)
}

fn codec(id: AudioCodecId) -> &'static str {
    const NAMES: [(AudioCodecId, &str); 22] = [
        (ids::CODEC_ID_VORBIS, "Vorbis that cannot be decoded"),
        (ids::CODEC_ID_OPUS, "Opus of an unknown channel mapping"),
        (ids::CODEC_ID_AAC, "AAC of a kind that is not known"),
        (ids::CODEC_ID_SPEEX, "Speex"),
        (ids::CODEC_ID_MUSEPACK, "Musepack"),
        (ids::CODEC_ID_AC3, "AC-3"),
        (ids::CODEC_ID_EAC3, "E-AC-3"),
        (ids::CODEC_ID_AC4, "AC-4"),
        (ids::CODEC_ID_DCA, "DTS"),
        (ids::CODEC_ID_ATRAC1, "ATRAC1"),
        (ids::CODEC_ID_ATRAC3, "ATRAC3"),
        (ids::CODEC_ID_WMA, "WMA"),
        (ids::CODEC_ID_RA10, "RealAudio"),
        (ids::CODEC_ID_RA20, "RealAudio"),
        (ids::CODEC_ID_SIPR, "RealAudio (SIPR)"),
        (ids::CODEC_ID_COOK, "RealAudio (Cook)"),
        (ids::CODEC_ID_RALF, "RealAudio (lossless)"),
        (ids::CODEC_ID_WAVPACK, "WavPack"),
        (ids::CODEC_ID_MONKEYS_AUDIO, "Monkey's Audio"),
        (ids::CODEC_ID_TTA, "TTA"),
        (ids::CODEC_ID_TRUEHD, "TrueHD"),
        (ids::CODEC_ID_SBC, "SBC"),
    ];
    NAMES.iter().find(|(known, _)| *known == id).map_or("a codec that is not known", |(_, name)| *name)
}

/// An error for a file of MP4's family whose sound is of one of these `kinds`, where it is none that is read.
pub fn in_mp4(path: &Path, kinds: &[[u8; 4]]) -> Option<Error> {
    let name = |kind: &[u8; 4]| match kind {
        b"samr" => Some("AMR"),
        b"sawb" | b"sawp" => Some("AMR-WB"),
        b"ac-3" => Some("AC-3"),
        b"ec-3" => Some("E-AC-3"),
        b"ac-4" => Some("AC-4"),
        b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" => Some("DTS"),
        b"mlpa" => Some("TrueHD"),
        b"mha1" | b"mhm1" => Some("MPEG-H"),
        b"sevc" | b"sqcp" => Some("EVRC or QCELP"),
        b"QDM2" | b"QDMC" => Some("QDesign Music"),
        b"MAC3" | b"MAC6" => Some("MACE"),
        b"agsm" => Some("GSM 6.10"),
        b"ulaw" | b"alaw" => Some("A-law or µ-law"),
        b"ima4" => Some("ADPCM (IMA4)"),
        b"enca" | b"drms" => Some("sound under copy protection"),
        _ => None,
    };
    let name = kinds.iter().find_map(name)?;
    Some(error(path, &format!("{name} in a container that is read (MP4, 3GP or QuickTime)")))
}

/// A wav file of a format that is not read, by the number in its header.
pub fn in_wav(tag: u16) -> String {
    let name = match tag {
        0x0031 => "GSM 6.10",
        0x0160..=0x0163 => "WMA",
        0x2000 | 0x0092 => "AC-3",
        0x2001 | 0x0008 => "DTS",
        0x00FF | 0x1600..=0x1610 | 0xA106 => "AAC",
        0xA109 => "Speex",
        0xF1AC => "FLAC",
        0x566F | 0x674F..=0x6771 => "Vorbis",
        0x704F => "Opus",
        0x0038 | 0x0045 | 0x0064 | 0x0040 => "G.72x",
        0x0022 => "TrueSpeech",
        0x0270 => "ATRAC3",
        0x5756 => "WavPack",
        _ => return format!("a wav file of format 0x{tag:04x}"),
    };
    format!("a wav file that holds {name} (format 0x{tag:04x})")
}
