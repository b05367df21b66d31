//! Reading everything and comparing every checksum.

use std::path::PathBuf;

use serde::Serialize;

use super::captions::Record;
use super::graph::Graph;
use super::manifest::Manifest;
use super::segment::Segment;
use super::snapshot::Memory;
use super::{decoders, layout};
use crate::digest::hex;
use crate::progress::Progress;
use crate::{Error, Result};

/// Something in a store that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where, in bytes from its start.
    pub offset: u64,
    /// What is there.
    pub found: String,
    /// What should be there.
    pub expected: String,
    /// True for a graph, which can be built again from the rest.
    pub derived: bool,
}

impl Memory {
    /// Reads all files of this snapshot and compares every checksum; returns what is damaged, nothing for a sound store.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be read for another reason than damage.
    pub fn verify(&self, progress: &dyn Progress) -> Result<Vec<Damage>> {
        let mut damage = Vec::new();
        let snapshot = &self.0;
        progress.begin("checking", Some((snapshot.segments.len() + snapshot.manifest.decoders.len() + 1) as u64));
        let mut note = |result: Result<()>, derived: bool| match result {
            Ok(()) => Ok(()),
            Err(Error::Damaged { path, offset, found, expected }) => {
                damage.push(Damage { file: path, offset, found, expected, derived });
                Ok(())
            }
            Err(error) => Err(error),
        };
        note(Manifest::read(self.dir()).map(|_| ()), false)?;
        progress.advance(1);
        for segment in &snapshot.segments {
            note(segment.captions.verify(), false)?;
            note(self.verify_repeats(segment), false)?;
            note(segment.vectors.verify(), false)?;
            let graph = Graph::open(&layout::graph(self.dir(), segment.entry.id), &segment.vectors, segment.rows());
            note(graph.map(|_| ()), true)?;
            progress.advance(1);
        }
        for decoder in &snapshot.manifest.decoders {
            note(self.verify_decoder(&decoder.file, &decoder.sha256), false)?;
            progress.advance(1);
        }
        progress.end();
        Ok(damage)
    }

    /// Every repeat must refer to a caption of its own domain.
    fn verify_repeats(&self, segment: &Segment) -> Result<()> {
        // A damaged record has been reported already.
        let sound = segment.captions.records().map_while(Result::ok);
        for record in sound.filter(|record| matches!(record, Record::Repeat { .. })) {
            let home = self.0.find(record.id()).map(|(home, _)| home.entry.domain);
            if home != Some(segment.entry.domain) {
                let found = format!("a repeat of caption {}", record.id());
                return Err(Error::damaged(segment.captions.path(), 0, found, "a caption of the same domain"));
            }
        }
        Ok(())
    }

    fn verify_decoder(&self, file: &str, sha256: &[u8; 32]) -> Result<()> {
        let path = layout::decoders(self.dir()).join(file);
        match decoders::hash(&path, &mut std::io::sink(), &path) {
            Ok((found, _)) if found == *sha256 => Ok(()),
            Ok((found, _)) => {
                let expected = format!("SHA-256 {}", hex(sha256));
                Err(Error::damaged(&path, 0, format!("SHA-256 {}", hex(&found)), expected))
            }
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::damaged(&path, 0, "no file", "the decoder that the manifest names"))
            }
            Err(error) => Err(error),
        }
    }
}
