//! The audit as a whole: each stored row is asked for once, and every part takes from the answers what it needs.

use super::duplicates::{Clusters, Pairs, clusters};
use super::findings;
use super::gap::gap;
use super::hubs::Occurrences;
use super::naming::name_once;
use super::neighbours::{Neighbours, of_queries, of_rows};
use super::options::{AudioQueries, MemoryAuditOptions, Part};
use super::outliers::Farness;
use super::overlap::Nearness;
use super::reading::{Wanted, read};
use super::recall::recall;
use super::remedy::Finding;
use super::report::{Examined, HubAudit, MemoryAudit};
use super::rows::Rows;
use crate::progress::Control;
use crate::{Result, Snapshot};

/// Comparisons of two vectors that asking with stored texts may take where nobody says how many texts shall ask: about a minute on two cores.
const COMPARISONS: f64 = 4e9;
/// Rows that a walk through an index compares, about.
const OF_A_WALK: usize = 4000;

/// Examines a memory: what is stored twice, found too often or never, far from all else, oddly written, or missed by searches, and how it lies to
/// `sounds`. The same store, sounds and options give the same report, bit for bit, on any number of threads.
///
/// ```
/// use echoic::audit::memory::{MemoryAuditOptions, audit_memory};
/// use echoic::memory::RowKey;
/// use echoic::progress::Control;
/// use echoic::{EmbeddingSpace, Embeddings, Store};
///
/// # let folder = tempfile::tempdir().expect("a temporary folder");
/// # let dir = folder.path().join("store");
/// let store = Store::create(&dir, EmbeddingSpace::external(2))?;
/// let mut writer = store.writer()?;
/// let plan = writer.plan("street", &[RowKey::new("A tram rings."), RowKey::new("a tram rings")])?;
/// writer.append("street", plan, &Embeddings::from_vec(2, vec![1.0, 0.0, 0.0, 1.0])?)?;
///
/// let audit = audit_memory(&store.snapshot()?, None, &MemoryAuditOptions::default(), &Control::default())?;
/// assert!(audit.findings[0].summary.contains("1 text differs"));
/// # Ok::<(), echoic::Error>(())
/// ```
///
/// # Errors
/// [`Error::Input`](crate::Error::Input) where there is no caption, or an option or a sound is of no use; [`Error::Dimension`](crate::Error::Dimension) for sounds of another space;
/// [`Error::NotFound`](crate::Error::NotFound) for an unknown domain; [`Error::Damaged`](crate::Error::Damaged) when a record is; [`Error::Interrupted`](crate::Error::Interrupted) where it is stopped.
pub fn audit_memory(
    memory: &Snapshot,
    sounds: Option<&AudioQueries>,
    options: &MemoryAuditOptions,
    control: &Control<'_>,
) -> Result<MemoryAudit> {
    options.check(memory)?;
    let rows = Rows::of(memory, &options.scope)?;
    let wants = |parts: &[Part]| parts.iter().any(|part| options.examines(*part));
    let mut pairs = Pairs::new(options.near);
    let mut by_texts = Occurrences::new(&rows);
    let mut nearness = Nearness::new(&rows, options.near);
    let mut farness = Farness::default();
    let asking = match wants(&[Part::Duplicates, Part::Hubs, Part::Overlap, Part::Outliers]) {
        true => rows.sample(options.sample.unwrap_or_else(|| affordable(&rows)), options.seed),
        false => Vec::new(),
    };
    of_rows(&rows, &asking, options.k, control, |row, neighbours| {
        pairs.visit(row, neighbours);
        by_texts.visit(neighbours);
        nearness.visit(&rows, row, neighbours);
        farness.visit(row, neighbours);
    })?;
    let heard: Option<Vec<Neighbours>> = match sounds.filter(|_| wants(&[Part::Hubs, Part::Gap])) {
        Some(sounds) => Some(of_queries(&rows, &sounds.embeddings, options.k, control)?),
        None => None,
    };
    let mut audit = MemoryAudit {
        examined: examined(memory, &rows, sounds, options, asking.len())?,
        findings: findings::of_store(memory, &rows),
        duplicates: None,
        hubs: None,
        overlap: None,
        outliers: None,
        texts: None,
        recall: None,
        gap: None,
    };
    let listed = options.listed;
    let wanted = Wanted {
        hashes: wants(&[Part::Duplicates, Part::Overlap]),
        oddities: options.examines(Part::Texts).then_some(listed),
    };
    let (written, read) = read(&rows, &wanted, control)?;
    let mut alike = Clusters::default();
    if options.examines(Part::Duplicates) {
        alike = clusters(&rows, &written, &pairs);
        audit.findings.extend(findings::of_duplicates(&rows, &alike));
        audit.duplicates = Some(alike.report(&rows, &pairs, listed)?);
    }
    if options.examines(Part::Hubs) {
        let by_sounds = heard.as_ref().map(|heard| {
            let mut found = Occurrences::new(&rows);
            heard.iter().for_each(|neighbours| found.visit(neighbours));
            found.report(&rows, listed)
        });
        let hubs = HubAudit { by_texts: by_texts.report(&rows, listed)?, by_sounds: by_sounds.transpose()? };
        audit.findings.extend(findings::of_hubs(&hubs));
        audit.hubs = Some(hubs);
    }
    if options.examines(Part::Overlap) {
        let overlap = nearness.report(&rows, &written);
        audit.findings.extend(findings::of_overlap(&overlap, &nearness.captions()));
        audit.overlap = Some(overlap);
    }
    if options.examines(Part::Outliers) {
        let outliers = farness.report(&rows, listed)?;
        audit.findings.extend(findings::of_outliers(&outliers));
        audit.outliers = Some(outliers);
    }
    if let Some(texts) = read {
        audit.findings.extend(findings::of_texts(&rows, &texts));
        audit.texts = Some(texts.report(&rows)?);
    }
    if options.examines(Part::Recall) {
        let recall = recall(&rows, sounds.map(|sounds| &sounds.embeddings), options.k, options.seed, control)?;
        audit.findings.extend(findings::of_recall(&recall));
        audit.recall = Some(recall);
    }
    if options.examines(Part::Gap) {
        let gap = gap(&rows, sounds.zip(heard.as_deref()), listed, options.seed)?;
        audit.findings.extend(findings::of_gap(&gap));
        audit.gap = Some(gap);
    }
    sort(&mut audit.findings);
    name_once(&mut audit.findings, &rows, &alike);
    Ok(audit)
}

/// The worst first; of equals in the order of their kinds, and those about the most texts.
fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| (finding.severity, finding.kind, u64::MAX - finding.count));
}

/// How many texts can ask in about a minute.
fn affordable(rows: &Rows<'_>) -> usize {
    let compared = rows.blocks.iter().map(|block| match block.has_index() {
        true => block.len().min(OF_A_WALK),
        false => block.len(),
    });
    (COMPARISONS / compared.sum::<usize>().max(1) as f64) as usize
}

fn examined(
    memory: &Snapshot,
    rows: &Rows<'_>,
    sounds: Option<&AudioQueries>,
    options: &MemoryAuditOptions,
    sampled: usize,
) -> Result<Examined> {
    let (captions, occurrences) = memory.counts(&options.scope)?;
    Ok(Examined {
        commit: memory.commit(),
        space: memory.space().clone(),
        domains: rows.domains.clone(),
        captions,
        occurrences,
        sampled: sampled as u64,
        sounds: sounds.map_or(0, |sounds| sounds.embeddings.len() as u64),
        k: options.k,
        near: options.near,
        seed: options.seed,
        parts: Part::ALL.into_iter().filter(|part| options.examines(*part)).collect(),
    })
}
