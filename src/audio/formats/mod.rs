//! The containers and codecs that are read: symphonia's, and those of this folder.

mod aiff;
mod au;
mod caf;
mod chunks;
mod libopus;
mod matroska;
mod opus;
mod spliced;
mod unread;
mod wave;
mod wavpack;

use std::fmt::{Display, Formatter};
use std::io::Read;
use std::path::Path;
use std::sync::LazyLock;

use symphonia::core::codecs::registry::{CodecRegistry, RegisterableAudioDecoder};
use symphonia::core::formats::probe::{Hint, Probe, ProbeableFormat};
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::default::{codecs, formats, meta};

use crate::Result;
use spliced::Spliced;
pub use unread::{in_mp4, tracks as no_track};

/// Bytes of a file by which its kind is told.
const START: u64 = 4096;

/// What this build reads, for error messages.
pub const FORMATS: Formats = Formats;

/// Writes the list of what is built in.
#[derive(Debug, Clone, Copy)]
pub struct Formats;

impl Display for Formats {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "an audio file ({}, with sound in {})", BUILT_IN.containers.join(", "), BUILT_IN.codecs.join(", "))
    }
}

/// An error for a file of a format that is read, which all the same cannot be.
pub fn damaged(path: &Path, found: impl ToString) -> crate::Error {
    crate::Error::input(path.display(), found, FORMATS)
        .with_hint("the file is probably damaged: fetch or export it again")
}

/// The decoders that are built in.
pub fn decoders() -> &'static CodecRegistry {
    &BUILT_IN.registry
}

/// A source as symphonia can read it, and what is to be said of the file.
struct Shown {
    source: Box<dyn MediaSource>,
    remark: Option<String>,
}

/// A container that is open, and what is to be said of the file.
pub struct Opened {
    pub format: Box<dyn FormatReader>,
    pub remark: Option<String>,
}

impl From<Box<dyn FormatReader>> for Opened {
    fn from(format: Box<dyn FormatReader>) -> Self {
        Self { format, remark: None }
    }
}

/// Opens the container of `source`, whatever it is.
///
/// # Errors
/// `Error::Input` when it is none that is read, with its name where that is known.
pub fn open(path: &Path, mut source: Box<dyn MediaSource>) -> Result<Opened> {
    let mut start = Vec::new();
    (&mut source).take(START).read_to_end(&mut start).map_err(crate::Error::io("read", path))?;
    if let Some(refusal) = unread::foreign(path, &start) {
        return Err(refusal);
    }
    let mut whole: Box<dyn MediaSource> = if source.is_seekable() {
        source.seek(std::io::SeekFrom::Start(0)).map_err(crate::Error::io("read", path))?;
        source
    } else {
        Box::new(Spliced::new(start.clone(), source, 0, None))
    };
    let stream = |source| MediaSourceStream::new(source, Default::default());
    if start.starts_with(au::MAGIC) {
        let reader: Box<dyn FormatReader> = Box::new(au::AuReader::open(path, stream(whole))?);
        return Ok(reader.into());
    }
    if start.starts_with(wavpack::MAGIC) {
        let reader: Box<dyn FormatReader> = Box::new(wavpack::WavPackReader::open(path, stream(whole))?);
        return Ok(reader.into());
    }
    let is_matroska = start.starts_with(matroska::MAGIC) && whole.is_seekable();
    let paddings = is_matroska.then(|| matroska::paddings(&mut whole)).transpose();
    let paddings = paddings.map_err(crate::Error::io("read", path))?;
    let Shown { source: shown, remark } = match wave::Kind::of(&start) {
        Some(kind) => wave::open(path, whole, kind)?,
        None if aiff::is_one(&start) => aiff::open(path, whole)?,
        None if start.starts_with(caf::MAGIC) => caf::open(path, whole)?,
        None => Shown { source: whole, remark: None },
    };
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|e| e.to_str()) {
        hint.with_extension(extension);
    }
    let format = BUILT_IN
        .probe
        .probe(&hint, stream(shown), FormatOptions::default(), MetadataOptions::default())
        .map_err(|_| unread::file(path, &start))?;
    let format = match paddings {
        Some(paddings) => matroska::Ended::of(format, &paddings),
        None => format,
    };
    Ok(Opened { format, remark })
}

static BUILT_IN: LazyLock<BuiltIn> = LazyLock::new(BuiltIn::new);

struct BuiltIn {
    probe: Probe,
    registry: CodecRegistry,
    containers: Vec<&'static str>,
    codecs: Vec<&'static str>,
}

impl BuiltIn {
    fn new() -> Self {
        let mut built = Self {
            probe: Probe::default(),
            registry: CodecRegistry::new(),
            containers: Vec::new(),
            codecs: Vec::new(),
        };
        built.container::<formats::WavReader<'_>>();
        built.containers.extend(wave::NAMES);
        built.container::<formats::AiffReader<'_>>();
        built.containers.extend([au::NAME, wavpack::NAME]);
        built.container::<formats::CafReader<'_>>();
        built.container::<formats::FlacReader<'_>>();
        built.container::<formats::OggReader<'_>>();
        built.container::<formats::MpaReader<'_>>();
        built.container::<formats::AdtsReader<'_>>();
        built.container::<formats::IsoMp4Reader<'_>>();
        built.container::<formats::MkvReader<'_>>();
        built.probe.register_metadata::<meta::ApeReader<'_>>();
        built.probe.register_metadata::<meta::Id3v1Reader<'_>>();
        built.probe.register_metadata::<meta::Id3v2Reader<'_>>();
        built.codec::<codecs::PcmDecoder>();
        built.codec::<codecs::AdpcmDecoder>();
        built.codec::<codecs::FlacDecoder>();
        built.codec::<codecs::AlacDecoder>();
        built.codec::<codecs::MpaDecoder>();
        built.codec::<codecs::AacDecoder>();
        built.codec::<codecs::VorbisDecoder>();
        built.codec::<opus::OpusDecoder>();
        built.codec::<wavpack::WavPackDecoder>();
        built
    }

    /// Adds a container, named by the first endings that its files have.
    fn container<R>(&mut self)
    where
        for<'a> R: ProbeableFormat<'a>,
    {
        self.probe.register_format::<R>();
        for data in R::probe_data() {
            // The others are of the same container.
            let endings = data.spec.extensions;
            add(&mut self.containers, &endings[..endings.len().min(2)]);
        }
    }

    fn codec<D: RegisterableAudioDecoder + 'static>(&mut self) {
        self.registry.register_audio_decoder::<D>();
        for codec in D::supported_codecs() {
            // There are dozens of PCM and ADPCM.
            let family =
                ["pcm", "adpcm"].into_iter().find(|family| codec.info.short_name.starts_with(&format!("{family}_")));
            add(&mut self.codecs, &[family.unwrap_or(codec.info.short_name)]);
        }
    }
}

fn add(list: &mut Vec<&'static str>, names: &[&'static str]) {
    names.iter().for_each(|name| {
        if !list.contains(name) {
            list.push(name);
        }
    });
}
