//! What is not read here, decoded by an installed ffmpeg: its samples come through a pipe, as a wav file that is read like any other.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Error as Failure, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use symphonia::core::io::MediaSource;
use tempfile::NamedTempFile;

use super::decode::Source;
use super::input::{Audio, Input};
use crate::error::{Hint, Topic};
use crate::{Error, Result};

/// The last bytes of what ffmpeg says that are passed on.
const MOST_WORDS: u64 = 400;

/// `opened`, or where it is refused for what it holds, and ffmpeg may decode it, what ffmpeg makes of it.
pub fn or_through_ffmpeg(opened: Result<Source>, audio: &Audio<'_>) -> Result<Source> {
    let (Err(refusal @ Error::Input { .. }), Some(program)) = (&opened, &audio.ffmpeg) else { return opened };
    let refusal = refusal.to_string();
    let (decoding, name) = match &audio.input {
        Input::File(path) if !path.is_file() => return opened,
        Input::File(path) => (Decoding::start(program, path.as_os_str().to_owned(), None)?, *path),
        Input::Bytes { name, bytes } => {
            let copy = copied(bytes).map_err(Error::io("copy", name))?;
            (Decoding::start(program, copy.path().as_os_str().to_owned(), Some(copy))?, Path::new(name))
        }
        Input::Samples { .. } => return opened,
    };
    tracing::debug!("{}: decoded by {}", name.display(), program.display());
    Source::from_stream(name, Box::new(decoding)).map_err(|cause| match cause {
        Error::Io { source, .. } => Error::input(name.display(), source, "an audio file that ffmpeg decodes")
            .with_hint(format!("without ffmpeg: {refusal}")),
        other => other,
    })
}

fn copied(bytes: &[u8]) -> std::io::Result<NamedTempFile> {
    let mut copy = NamedTempFile::new()?;
    copy.write_all(bytes)?;
    copy.flush()?;
    Ok(copy)
}

/// An ffmpeg at work. It is ended when this is dropped.
struct Decoding {
    child: Child,
    /// What it says, which could fill a pipe that nobody reads.
    words: File,
    /// The file that it reads, where that is a copy.
    _input: Option<NamedTempFile>,
}

impl Decoding {
    fn start(program: &Path, input: OsString, copy: Option<NamedTempFile>) -> Result<Self> {
        let words = tempfile::tempfile().map_err(Error::io("create", "a temporary file"))?;
        let told = words.try_clone().map_err(Error::io("create", "a temporary file"))?;
        // Without the protocol a name such as `-y` or `http:x` would be taken for something else than a file.
        let mut file = OsString::from("file:");
        file.push(input);
        let child = Command::new(program)
            .args(["-nostdin", "-hide_banner", "-v", "error", "-protocol_whitelist", "file,pipe", "-i"])
            .arg(file)
            .args(["-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(told))
            .spawn();
        let child = child.map_err(|cause| match cause.kind() {
            ErrorKind::NotFound | ErrorKind::PermissionDenied => {
                Error::input(program.display(), format!("no program that can be run ({cause})"), "an installed ffmpeg")
                    .with_hint(Hint::about(Topic::Ffmpeg, "install ffmpeg, or say where it is"))
            }
            _ => Error::io("run", program)(cause),
        })?;
        Ok(Self { child, words, _input: copy })
    }

    /// Nothing where ffmpeg was content, and what it said where it was not.
    fn end(&mut self) -> std::io::Result<()> {
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        let len = self.words.seek(SeekFrom::End(0))?;
        self.words.seek(SeekFrom::Start(len.saturating_sub(MOST_WORDS)))?;
        let mut words = Vec::new();
        self.words.read_to_end(&mut words)?;
        let words = String::from_utf8_lossy(&words);
        let words: Vec<_> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Err(Failure::other(format!("ffmpeg failed ({status}): {}", words.join("; "))))
    }
}

impl Read for Decoding {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let Some(samples) = &mut self.child.stdout else { return Ok(0) };
        let count = samples.read(out)?;
        if count == 0 && !out.is_empty() {
            self.end()?;
        }
        Ok(count)
    }
}

impl Seek for Decoding {
    fn seek(&mut self, _: SeekFrom) -> std::io::Result<u64> {
        Err(Failure::from(ErrorKind::Unsupported))
    }
}

impl MediaSource for Decoding {
    fn is_seekable(&self) -> bool {
        false
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}

impl Drop for Decoding {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing of it is left.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
