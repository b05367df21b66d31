//! The manifest: the one file that says what the store holds. Replacing it is the commit.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use bincode::{Decode, Encode};

use super::codec::{self, MANIFEST_LIMIT, u32_at, u64_at};
use super::{layout, limits};
use crate::error::Missing;
use crate::{EmbeddingSpace, Error, Result};

/// The newest store format version that this build reads and writes. A store stays at version 1 as long as it holds nothing that version 1
/// cannot say: builds from before go on reading it.
pub const FORMAT_VERSION: u32 = 2;
/// The first version, whose manifests name no model.
const WITHOUT_MODEL: u32 = 1;

const MAGIC: &[u8; 8] = b"ECHOICMF";
/// Magic, version and header checksum keep these places in every format version, so that any build can name the version it met.
const HEADER: usize = 32;
/// Ids, commits and bytes of decoders stay below: more than any store comes to, and little enough that sums of them do not overflow.
const COUNTS: u64 = 1 << 48;

/// What a store holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest {
    /// Drawn at creation; tells a catalogue of another store from ours.
    pub store: [u8; 16],
    /// 0 at creation, one more with each commit.
    pub commit: u64,
    pub space: EmbeddingSpace,
    pub next_caption: u64,
    pub next_segment: u64,
    pub next_domain: u32,
    /// In order of creation.
    pub domains: Vec<DomainEntry>,
    /// In order of their ids.
    pub segments: Vec<SegmentEntry>,
    /// Of the segments that have lost rows, in order of their ids.
    pub tombstones: Vec<TombstoneEntry>,
    pub decoders: Vec<DecoderRecord>,
    /// What belongs to the model; since version 2.
    pub model: Option<ModelRecord>,
}

/// A domain. Its id is never given again, so that what the catalogue knows of a removed domain cannot come back to life.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct DomainEntry {
    pub id: u32,
    pub name: String,
}

/// A segment and what identifies its files.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct SegmentEntry {
    pub id: u64,
    pub domain: u32,
    /// The commit that brought it.
    pub commit: u64,
    /// Captions, one vector each.
    pub rows: u32,
    /// Further occurrences of captions, here or in older segments.
    pub repeats: u32,
    /// Lowest and highest caption id; both 0 when there is no row.
    pub first_id: u64,
    pub last_id: u64,
    pub captions: FileEntry,
    pub vectors: FileEntry,
}

/// The length of a file, and the checksum of its header or footer, which in turn holds the checksums of all the rest.
#[derive(Debug, Clone, Copy, PartialEq, Encode, Decode)]
pub(crate) struct FileEntry {
    pub len: u64,
    pub crc: u32,
}

/// Rows of a segment that were removed, as a bitmap in a file of its own.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct TombstoneEntry {
    pub segment: u64,
    pub generation: u32,
    pub rows: u32,
    pub file: FileEntry,
}

/// A published decoder.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct DecoderRecord {
    pub name: String,
    pub file: String,
    pub sha256: [u8; 32],
    pub len: u64,
    /// Seconds since 1970.
    pub created: u64,
    /// JSON.
    pub details: String,
}

/// What belongs to the model that the store is bound to and lies in the store.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct ModelRecord {
    /// JSON: what the model is and how to get it again.
    pub details: String,
    /// Files in the folder `model/`.
    pub files: Vec<ModelFileRecord>,
}

/// A file that belongs to the model, such as its adapter.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct ModelFileRecord {
    /// What it is to the model.
    pub role: String,
    pub file: String,
    pub sha256: [u8; 32],
    pub len: u64,
}

/// The fields of a body in their order, without the model's.
type Body = (
    [u8; 16],
    u64,
    (String, String, usize),
    (u64, u64, u32),
    Vec<DomainEntry>,
    Vec<SegmentEntry>,
    Vec<TombstoneEntry>,
    Vec<DecoderRecord>,
);

impl Manifest {
    /// The oldest version that can say what it says.
    pub(crate) fn version(&self) -> u32 {
        if self.model.is_some() { FORMAT_VERSION } else { WITHOUT_MODEL }
    }

    fn encode_body(&self) -> Result<Vec<u8>, String> {
        let Self { store, commit, space, next_caption, next_segment, next_domain, .. } = self;
        let fields = (
            store,
            commit,
            (&space.model, &space.sha256, space.dim),
            (next_caption, next_segment, next_domain),
            &self.domains,
            &self.segments,
            &self.tombstones,
            &self.decoders,
        );
        match &self.model {
            None => codec::encode(&fields),
            Some(model) => codec::encode(&(fields, model)),
        }
    }

    fn decode_body(body: &[u8], version: u32) -> Result<Self, String> {
        let (fields, model): (Body, _) = match version {
            WITHOUT_MODEL => (codec::decode::<_, MANIFEST_LIMIT>(body)?, None),
            _ => codec::decode::<(Body, ModelRecord), MANIFEST_LIMIT>(body)
                .map(|(fields, model)| (fields, Some(model)))?,
        };
        let (store, commit, (name, sha256, dim), next, domains, segments, tombstones, decoders) = fields;
        let (next_caption, next_segment, next_domain) = next;
        let space = EmbeddingSpace { model: name, sha256, dim };
        Ok(Self {
            store,
            commit,
            space,
            next_caption,
            next_segment,
            next_domain,
            domains,
            segments,
            tombstones,
            decoders,
            model,
        })
    }

    /// The manifest as a file.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let body = self.encode_body().map_err(Error::Internal)?;
        // What could not be read back must not be committed.
        if body.len() > MANIFEST_LIMIT {
            return Err(Error::Internal(format!("a manifest of {} bytes", body.len())));
        }
        let mut file = Vec::with_capacity(HEADER + body.len());
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&self.version().to_le_bytes());
        file.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        file.extend_from_slice(&(body.len() as u64).to_le_bytes());
        file.extend_from_slice(&[0; 4]);
        file.extend_from_slice(&crc32fast::hash(&file).to_le_bytes());
        file.extend_from_slice(&body);
        Ok(file)
    }

    /// Reads the manifest of the store at `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = layout::manifest(dir);
        match std::fs::read(&path) {
            Ok(bytes) => Self::decode(&bytes, dir, &path),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                Err(Error::NoStore { path: dir.to_path_buf() })
            }
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    fn decode(bytes: &[u8], dir: &Path, path: &Path) -> Result<Self> {
        if bytes.len() < HEADER {
            return Err(Error::damaged(
                path,
                bytes.len() as u64,
                "the end of the file",
                format!("{HEADER} bytes of header"),
            ));
        }
        let (header, body) = bytes.split_at(HEADER);
        if !header.starts_with(MAGIC) {
            return Err(Error::damaged(path, 0, "another kind of file", "the magic number ECHOICMF"));
        }
        check_crc(path, 0, crc32fast::hash(&header[..28]), u32_at(header, 28))?;
        let version = u32_at(header, 8);
        if !(WITHOUT_MODEL..=FORMAT_VERSION).contains(&version) {
            return Err(Error::Version { path: dir.to_path_buf(), found: version, supported: FORMAT_VERSION });
        }
        let len = u64_at(header, 16);
        if len != body.len() as u64 {
            return Err(Error::damaged(path, 16, format!("{} bytes of body", body.len()), len));
        }
        check_crc(path, HEADER as u64, crc32fast::hash(body), u32_at(header, 12))?;
        let manifest = Self::decode_body(body, version)
            .map_err(|reason| Error::damaged(path, HEADER as u64, reason, "a manifest"))?;
        manifest.check().map_err(|reason| Error::damaged(path, HEADER as u64, reason, "a consistent manifest"))?;
        Ok(manifest)
    }

    /// What readers rely on without asking again.
    fn check(&self) -> std::result::Result<(), String> {
        if limits::check_dim(self.space.dim).is_err() {
            return Err(format!("{} dimensions", self.space.dim));
        }
        for domain in &self.domains {
            // Names become words on command lines and parts of paths.
            limits::check_name("domain", &domain.name).map_err(|error| error.to_string())?;
        }
        for pair in self.segments.windows(2) {
            if pair[0].id >= pair[1].id {
                return Err(format!("segment {} before {}", pair[0].id, pair[1].id));
            }
        }
        let counts = [self.commit, self.next_caption, self.next_segment, self.bytes().unwrap_or(u64::MAX)];
        if let Some(count) = counts.into_iter().find(|count| *count >= COUNTS) {
            return Err(format!("a count of {count}"));
        }
        let domains: HashSet<u32> = self.domains.iter().map(|domain| domain.id).collect();
        for segment in &self.segments {
            let known = domains.contains(&segment.domain);
            let ordered = segment.first_id <= segment.last_id && segment.last_id < self.next_caption;
            if !known || !ordered || segment.id >= self.next_segment {
                return Err(format!("segment {} out of range", segment.id));
            }
        }
        for pair in self.tombstones.windows(2) {
            if pair[0].segment >= pair[1].segment {
                return Err(format!("tombstones of segment {} before {}", pair[0].segment, pair[1].segment));
            }
        }
        for tombstones in &self.tombstones {
            let fits = |segment: &SegmentEntry| (1..=segment.rows).contains(&tombstones.rows);
            if !self.segment(tombstones.segment).is_some_and(fits) {
                return Err(format!("{} tombstones of segment {}", tombstones.rows, tombstones.segment));
            }
        }
        for decoder in &self.decoders {
            limits::check_name("decoder", &decoder.name).map_err(|error| error.to_string())?;
            if !layout::is_decoder_file(&decoder.file) || decoder.file.contains(['/', '\\']) {
                return Err(format!("the decoder file name {:?}", decoder.file));
            }
        }
        for file in self.model.iter().flat_map(|model| &model.files) {
            limits::check_name("role", &file.role).map_err(|error| error.to_string())?;
            if !layout::is_model_file(&file.file) || file.file.contains(['/', '\\']) {
                return Err(format!("the model's file name {:?}", file.file));
            }
        }
        Ok(())
    }

    /// The length of every file that it names, together; `None` where no number holds it.
    fn bytes(&self) -> Option<u64> {
        let segments = self.segments.iter().flat_map(|segment| [segment.captions.len, segment.vectors.len]);
        let tombstones = self.tombstones.iter().map(|tombstones| tombstones.file.len);
        let decoders = self.decoders.iter().map(|decoder| decoder.len);
        let model = self.model.iter().flat_map(|model| &model.files).map(|file| file.len);
        segments.chain(tombstones).chain(decoders).chain(model).try_fold(0u64, u64::checked_add)
    }

    /// The segment of that id.
    pub(crate) fn segment(&self, id: u64) -> Option<&SegmentEntry> {
        self.segments.binary_search_by_key(&id, |segment| segment.id).ok().map(|index| &self.segments[index])
    }

    /// The removed rows of a segment, if it has lost any.
    pub(crate) fn tombstones_of(&self, segment: u64) -> Option<&TombstoneEntry> {
        let index = self.tombstones.binary_search_by_key(&segment, |tombstones| tombstones.segment);
        index.ok().map(|index| &self.tombstones[index])
    }

    /// The paths of the files that make up its segments, and of the graphs that may lie beside them.
    pub(crate) fn segment_files(&self, dir: &Path) -> BTreeSet<PathBuf> {
        files_of(dir, self.segments.iter(), self.tombstones.iter()).collect()
    }

    /// Those of them that `newer` does not name any more.
    pub(crate) fn files_gone_from(&self, newer: &Self, dir: &Path) -> Vec<PathBuf> {
        let segments = self.segments.iter().filter(|segment| newer.segment(segment.id).is_none());
        let kept = |t: &TombstoneEntry| newer.tombstones_of(t.segment).is_some_and(|n| n.generation == t.generation);
        files_of(dir, segments, self.tombstones.iter().filter(|tombstones| !kept(tombstones))).collect()
    }

    /// The paths of decoders and of what belongs to the model, with their checksums.
    pub(crate) fn other_files(&self, dir: &Path) -> Vec<(PathBuf, [u8; 32])> {
        let decoders = self.decoders.iter().map(|decoder| (layout::decoders(dir).join(&decoder.file), decoder.sha256));
        let model = self.model.iter().flat_map(|model| &model.files);
        decoders.chain(model.map(|file| (layout::model(dir).join(&file.file), file.sha256))).collect()
    }

    /// The domain of that name.
    pub(crate) fn domain(&self, name: &str) -> Option<&DomainEntry> {
        self.domains.iter().find(|domain| domain.name == name)
    }

    /// The error that names the domains there are.
    pub(crate) fn no_domain(&self, name: &str) -> Error {
        let known = self.domains.iter().map(|domain| domain.name.clone()).collect();
        Error::NotFound { kind: Missing::Domain, name: name.to_owned(), known }
    }

    /// The error that names the decoders there are.
    pub(crate) fn no_decoder(&self, name: &str) -> Error {
        let known = self.decoders.iter().map(|decoder| decoder.name.clone()).collect();
        Error::NotFound { kind: Missing::Decoder, name: name.to_owned(), known }
    }
}

fn files_of<'a>(
    dir: &Path,
    segments: impl Iterator<Item = &'a SegmentEntry>,
    tombstones: impl Iterator<Item = &'a TombstoneEntry>,
) -> impl Iterator<Item = PathBuf> {
    let files = |id| [layout::captions(dir, id), layout::vectors(dir, id), layout::graph(dir, id)];
    let files = segments.flat_map(move |segment| files(segment.id));
    files.chain(tombstones.map(|t| layout::tombstones(dir, t.segment, t.generation)))
}

/// Compares a checksum with the one stored at `offset`.
pub(crate) fn check_crc(path: &Path, offset: u64, found: u32, expected: u32) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::damaged(path, offset, format!("checksum {found:08x}"), format!("{expected:08x}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_whose_sums_would_overflow_are_refused() {
        let decoder = DecoderRecord {
            name: "a".into(),
            file: "a-0123456789ab.safetensors".into(),
            sha256: [0; 32],
            len: 1 << 40,
            created: 0,
            details: String::new(),
        };
        let sound = Manifest {
            store: [0; 16],
            commit: 1,
            space: EmbeddingSpace::external(2),
            next_caption: 1,
            next_segment: 1,
            next_domain: 1,
            domains: Vec::new(),
            segments: Vec::new(),
            tombstones: Vec::new(),
            decoders: vec![decoder.clone()],
            model: None,
        };
        assert_eq!(sound.check(), Ok(()));
        let heavy = vec![DecoderRecord { len: u64::MAX / 2 + 1, ..decoder }; 2];
        let file = FileEntry { len: u64::MAX / 2 + 1, crc: 0 };
        let (captions, vectors) = (file, file);
        let long = SegmentEntry {
            id: 0,
            domain: 0,
            commit: 1,
            rows: 1,
            repeats: 0,
            first_id: 0,
            last_id: 0,
            captions,
            vectors,
        };
        for bad in [
            Manifest { commit: u64::MAX, ..sound.clone() },
            Manifest { next_caption: u64::MAX, ..sound.clone() },
            Manifest { next_segment: 1 << 48, ..sound.clone() },
            Manifest { decoders: heavy, ..sound.clone() },
            Manifest { segments: vec![long], ..sound },
        ] {
            assert!(bad.check().is_err_and(|reason| reason.contains("count")));
        }
    }
}
