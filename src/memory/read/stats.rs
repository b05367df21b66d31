//! What a store holds, in numbers.

use std::path::Path;

use serde::Serialize;

use super::decoders::DecoderEntry;
use super::planner;
use super::snapshot::Snapshot;
use crate::memory::format::layout;
use crate::memory::read::options::Scope;
use crate::{EmbeddingSpace, Result};

/// Share of removed captions from which compacting is advised.
const WORTHWHILE_SHARE: f64 = 0.2;
/// Number of small segments of a domain above which compacting is advised.
const WORTHWHILE_SEGMENTS: usize = 16;

/// A domain in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DomainStats {
    /// Its name.
    pub name: String,
    /// Distinct captions.
    pub captions: u64,
    /// Ingested rows: the sum of the captions' multiplicities.
    pub occurrences: u64,
    /// Captions that are removed and still take up space.
    pub removed: u64,
    /// Segments.
    pub segments: u64,
    /// Bytes of captions and vectors.
    pub bytes: u64,
}

/// Bytes on disk by kind of file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DiskUse {
    /// The manifest.
    pub manifest: u64,
    /// Captions of all segments.
    pub captions: u64,
    /// Vectors of all segments.
    pub vectors: u64,
    /// Lists of removed captions.
    pub tombstones: u64,
    /// Graphs; derived.
    pub graphs: u64,
    /// The writer's catalogue; derived.
    pub catalogue: u64,
    /// Published decoders.
    pub decoders: u64,
    /// What belongs to the model.
    pub model: u64,
    /// The log of captions and audits.
    pub history: u64,
}

impl DiskUse {
    /// All of it.
    pub fn total(&self) -> u64 {
        let truth = self.manifest + self.captions + self.vectors + self.tombstones + self.decoders + self.model;
        truth + self.graphs + self.catalogue + self.history
    }
}

/// A store in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
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
    /// Captions that are removed and still take up space.
    pub removed: u64,
    /// Bytes on disk.
    pub bytes: DiskUse,
    /// Published decoders.
    pub decoders: Vec<DecoderEntry>,
    /// Why [`Writer::compact`](crate::memory::Writer::compact) would be worth its while, where it would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Snapshot {
    /// The domains in the order of their creation.
    pub fn domains(&self) -> Vec<DomainStats> {
        let manifest = &self.0.manifest;
        let stats = manifest.domains.iter().map(|domain| {
            let segments = || manifest.segments.iter().filter(|segment| segment.domain == domain.id);
            let records = segments().map(|segment| u64::from(segment.rows) + u64::from(segment.repeats)).sum::<u64>();
            let removed =
                segments().filter_map(|s| manifest.tombstones_of(s.id)).map(|t| u64::from(t.rows)).sum::<u64>();
            DomainStats {
                name: domain.name.clone(),
                captions: segments().map(|segment| u64::from(segment.rows)).sum::<u64>() - removed,
                occurrences: records - self.0.buried(domain.id),
                removed,
                segments: segments().count() as u64,
                bytes: segments().map(|segment| segment.captions.len + segment.vectors.len).sum(),
            }
        });
        stats.collect()
    }

    /// Distinct captions that take part, and the ingested rows that they stand for.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) for an unknown domain.
    pub fn counts(&self, scope: &Scope) -> Result<(u64, u64)> {
        self.0.selected(scope)?;
        let chosen = self.domains().into_iter().filter(|domain| scope.contains(&domain.name));
        Ok(chosen.fold((0, 0), |(rows, all), domain| (rows + domain.captions, all + domain.occurrences)))
    }

    /// The store in numbers.
    pub fn stats(&self) -> StoreStats {
        let (dir, manifest) = (self.dir(), &self.0.manifest);
        let domains = self.domains();
        let indexed = self.0.segments.iter().filter(|segment| segment.graph().is_some());
        let graphs = manifest.segments.iter().map(|segment| size_of_tree(&layout::graph(dir, segment.id)));
        StoreStats {
            format_version: manifest.version(),
            commit: manifest.commit,
            space: manifest.space.clone(),
            domains: domains.len() as u64,
            segments: manifest.segments.len() as u64,
            captions: self.len(),
            occurrences: domains.iter().map(|domain| domain.occurrences).sum(),
            indexed: indexed.map(|segment| segment.live() as u64).sum(),
            removed: domains.iter().map(|domain| domain.removed).sum(),
            bytes: DiskUse {
                manifest: size_of_tree(&layout::manifest(dir)),
                captions: manifest.segments.iter().map(|segment| segment.captions.len).sum(),
                vectors: manifest.segments.iter().map(|segment| segment.vectors.len).sum(),
                tombstones: manifest.tombstones.iter().map(|tombstones| tombstones.file.len).sum(),
                graphs: graphs.sum(),
                catalogue: size_of_tree(&layout::catalogue(dir)),
                history: size_of_tree(&layout::history(dir)),
                decoders: manifest.decoders.iter().map(|decoder| decoder.len).sum(),
                model: manifest.model.iter().flat_map(|model| &model.files).map(|file| file.len).sum(),
            },
            decoders: self.decoders().to_vec(),
            advice: self.compaction_advice(),
        }
    }

    /// Why [`Writer::compact`](crate::memory::Writer::compact) would be worth its while, where it would: a domain in which more than a fifth
    /// of the captions are removed, or which has more than 16 segments that are too small for a graph.
    pub fn compaction_advice(&self) -> Option<String> {
        let small = |domain: &str| {
            let of_domain = self.0.segments.iter().filter(|segment| segment.domain == domain);
            of_domain.filter(|segment| segment.rows() < planner::GRAPH_ROWS).count()
        };
        self.domains().into_iter().find_map(|domain| {
            let (name, removed, small) = (&domain.name, domain.removed, small(&domain.name));
            let share = removed as f64 / (domain.captions + removed).max(1) as f64;
            if share > WORTHWHILE_SHARE {
                Some(format!("{:.0} % of the captions in {name} are removed", 100.0 * share))
            } else if small > WORTHWHILE_SEGMENTS {
                Some(format!("{name} has {small} small segments"))
            } else {
                None
            }
        })
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
