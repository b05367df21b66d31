//! What a store holds, in numbers.

use std::path::Path;

use serde::Serialize;

use super::decoders::DecoderEntry;
use super::layout;
use super::manifest::FORMAT_VERSION;
use super::snapshot::Memory;
use crate::EmbeddingSpace;

/// A domain in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DomainStats {
    /// Its name.
    pub name: String,
    /// Distinct captions.
    pub captions: u64,
    /// Ingested rows: the sum of the captions' multiplicities.
    pub occurrences: u64,
    /// Segments.
    pub segments: u64,
    /// Bytes of captions and vectors.
    pub bytes: u64,
}

/// Bytes on disk by kind of file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DiskUse {
    /// The manifest.
    pub manifest: u64,
    /// Captions of all segments.
    pub captions: u64,
    /// Vectors of all segments.
    pub vectors: u64,
    /// Graphs; derived.
    pub graphs: u64,
    /// The writer's catalogue; derived.
    pub catalogue: u64,
    /// Published decoders.
    pub decoders: u64,
}

impl DiskUse {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.manifest + self.captions + self.vectors + self.graphs + self.catalogue + self.decoders
    }
}

/// A store in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoreStats {
    /// Version of the format on disk.
    pub format_version: u32,
    /// The commit that these numbers describe.
    pub commit: u64,
    /// The embedding space that the store is bound to.
    pub space: EmbeddingSpace,
    /// Number of domains.
    pub domains: u64,
    /// Number of segments.
    pub segments: u64,
    /// Distinct captions.
    pub captions: u64,
    /// Ingested rows.
    pub occurrences: u64,
    /// Captions that a graph covers; the others are scanned.
    pub indexed: u64,
    /// Bytes on disk.
    pub bytes: DiskUse,
    /// Published decoders.
    pub decoders: Vec<DecoderEntry>,
}

impl Memory {
    /// The domains in the order of their creation.
    pub fn domains(&self) -> Vec<DomainStats> {
        let manifest = &self.0.manifest;
        let stats = manifest.domains.iter().map(|domain| {
            let segments = || manifest.segments.iter().filter(|segment| segment.domain == domain.id);
            let captions = segments().map(|segment| u64::from(segment.rows)).sum::<u64>();
            DomainStats {
                name: domain.name.clone(),
                captions,
                occurrences: captions + segments().map(|segment| u64::from(segment.repeats)).sum::<u64>(),
                segments: segments().count() as u64,
                bytes: segments().map(|segment| segment.captions.len + segment.vectors.len).sum(),
            }
        });
        stats.collect()
    }

    /// The store in numbers.
    pub fn stats(&self) -> StoreStats {
        let (dir, manifest) = (self.dir(), &self.0.manifest);
        let domains = self.domains();
        let indexed = self.0.segments.iter().filter(|segment| segment.graph().is_some());
        let graphs = manifest.segments.iter().map(|segment| size_of_tree(&layout::graph(dir, segment.id)));
        StoreStats {
            format_version: FORMAT_VERSION,
            commit: manifest.commit,
            space: manifest.space.clone(),
            domains: domains.len() as u64,
            segments: manifest.segments.len() as u64,
            captions: self.len(),
            occurrences: domains.iter().map(|domain| domain.occurrences).sum(),
            indexed: indexed.map(|segment| segment.rows() as u64).sum(),
            bytes: DiskUse {
                manifest: size_of_tree(&layout::manifest(dir)),
                captions: manifest.segments.iter().map(|segment| segment.captions.len).sum(),
                vectors: manifest.segments.iter().map(|segment| segment.vectors.len).sum(),
                graphs: graphs.sum(),
                catalogue: size_of_tree(&layout::catalogue(dir)),
                decoders: manifest.decoders.iter().map(|decoder| decoder.len).sum(),
            },
            decoders: self.decoders().to_vec(),
        }
    }
}

/// Bytes of a file, or of all files in a folder; 0 for what cannot be read.
fn size_of_tree(path: &Path) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| size_of_tree(&entry.path())).sum()
}
