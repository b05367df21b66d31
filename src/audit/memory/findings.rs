//! What of a report is worth telling, and what mends it.

use super::duplicates::Clusters;
use super::remedy::{Finding, FindingKind, Remedy, Severity};
use super::report::{AnomalyKind, ClusterKind, GapAudit, HubAudit, OutlierAudit, OverlapAudit, RecallAudit};
use super::rows::Rows;
use super::texts::Texts;
use crate::Snapshot;

/// Ids that one remedy names.
const IDS: usize = 1000;
/// Recall below which searches are worse by what they miss, and below which answers are wrong by it.
const RECALL: (f64, f64) = (0.95, 0.9);
/// The share of texts with a near-duplicate in another domain from which one of the two says nothing new.
const OVERLAP: f64 = 0.5;
/// A hub to speak of is found so many times as often as texts are on average, and by this share of all queries: a fiftieth of them may well be about
/// one thing, as with the classes of ESC-50, whose own texts are no hubs.
const HUB: (f64, f64) = (5.0, 0.1);
/// A share of superfluous texts that answers are worse by: that many places of a list are taken by repetitions.
const REPETITIONS: f64 = 0.05;

fn finding(severity: Severity, kind: FindingKind, count: u64, summary: String, remedies: Vec<Remedy>) -> Finding {
    Finding { severity, kind, count, summary, remedies }
}

fn remove(ids: Vec<u64>) -> Vec<Remedy> {
    vec![Remedy::RemoveCaptions { ids }]
}

/// What the store itself needs.
pub(super) fn of_store(memory: &Snapshot, rows: &Rows<'_>) -> Vec<Finding> {
    let without: Vec<usize> = rows.blocks.iter().filter(|block| block.lacks_index()).map(|block| block.len()).collect();
    let no_index = (!without.is_empty()).then(|| {
        let captions: usize = without.iter().sum();
        let summary =
            format!("{} without an index, though large enough for one: {captions} captions", segments(without.len()));
        let remedies = vec![Remedy::BuildIndexes];
        finding(Severity::Medium, FindingKind::NoIndex, without.len() as u64, summary, remedies)
    });
    let uncompacted = memory.compaction_advice().map(|advice| {
        let removed = memory.domains().iter().map(|domain| domain.removed).sum();
        finding(Severity::Low, FindingKind::Uncompacted, removed, advice, vec![Remedy::Compact])
    });
    no_index.into_iter().chain(uncompacted).collect()
}

fn segments(count: usize) -> String {
    if count == 1 { "1 segment".into() } else { format!("{count} segments") }
}

/// Segments whose index misses too much.
pub(super) fn of_recall(recall: &RecallAudit) -> Vec<Finding> {
    let lowest = |segment: &super::report::SegmentRecall| {
        let points = segment.by_texts.iter().map(|point| ("texts", point.recall));
        let points = points.chain(segment.by_sounds.iter().map(|point| ("sounds", point.recall)));
        points.min_by(|a, b| a.1.total_cmp(&b.1))
    };
    let low = recall.segments.iter().filter_map(|segment| Some((segment, lowest(segment)?)));
    let low = low.filter(|(_, (_, recall))| *recall < RECALL.0).map(|(segment, (asked, recall))| {
        let severity = if recall < RECALL.1 { Severity::High } else { Severity::Medium };
        let summary = format!(
            "searches of segment {} of {} find {:.1} % of the true neighbours of {asked}",
            segment.segment,
            segment.domain,
            100.0 * recall
        );
        finding(
            severity,
            FindingKind::LowRecall,
            segment.captions,
            summary,
            vec![Remedy::SearchHarder { recall: 0.999 }],
        )
    });
    low.collect()
}

/// Clusters of each kind.
pub(super) fn of_duplicates(rows: &Rows<'_>, clusters: &Clusters) -> Vec<Finding> {
    let captions = rows.live().count();
    let kinds = [
        (ClusterKind::Identical, FindingKind::IdenticalTexts, "stand in another domain, too, letter by letter"),
        (
            ClusterKind::Trivial,
            FindingKind::TrivialDuplicates,
            "differ from another in case, punctuation or white space alone",
        ),
        (ClusterKind::Near, FindingKind::NearDuplicates, "say nearly what another says"),
    ];
    let found = kinds.into_iter().filter_map(|(kind, of, words)| {
        let sizes =
            clusters.clusters.iter().filter(|(cluster, _)| *cluster == kind).map(|(_, members)| members.len() - 1);
        let superfluous: usize = sizes.sum();
        let severity =
            if superfluous as f64 > REPETITIONS * captions as f64 { Severity::Medium } else { Severity::Low };
        let ids = clusters.superfluous(rows, kind, IDS);
        (superfluous > 0).then(|| finding(severity, of, superfluous as u64, texts(superfluous, words), remove(ids)))
    });
    found.collect()
}

/// `1 text lies far`, `2 texts lie far`; `words` begin with the verb.
fn texts(count: usize, words: &str) -> String {
    let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
    match (count, verb) {
        (1, "are") => format!("1 text is {rest}"),
        (1, "have") => format!("1 text has {rest}"),
        (1, verb) => format!("1 text {verb}s {rest}"),
        _ => format!("{count} texts {words}"),
    }
}

/// Domains that say nothing new beside another.
pub(super) fn of_overlap(overlap: &OverlapAudit, captions: &[u64]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (a, row) in overlap.near.iter().enumerate() {
        // The smaller one could go; of equals the later one.
        let others = row.iter().enumerate().filter(|(b, _)| (captions[*b], a) > (captions[a], *b));
        let most = others.filter_map(|(b, share)| Some((b, (*share)?))).max_by(|x, y| x.1.total_cmp(&y.1));
        if let Some((b, share)) = most.filter(|(_, share)| *share >= OVERLAP) {
            let (domain, other) = (&overlap.domains[a], &overlap.domains[b]);
            let summary = format!("{:.0} % of the texts of {domain} have a near-duplicate in {other}", 100.0 * share);
            let remedies = vec![Remedy::RemoveDomain { domain: domain.clone() }];
            found.push(finding(Severity::Medium, FindingKind::DomainOverlap, captions[a], summary, remedies));
        }
    }
    found
}

/// Texts that are found far too often, and never.
pub(super) fn of_hubs(hubs: &HubAudit) -> Vec<Finding> {
    let asked = [(&hubs.by_texts, "texts")].into_iter().chain(hubs.by_sounds.as_ref().map(|counts| (counts, "sounds")));
    let found = asked.flat_map(|(counts, asked)| {
        let is_hub = |hub: &&super::report::Hub| {
            counts.meaningful && hub.found as f64 >= HUB.0 * counts.expected.max(1.0) && hub.share >= HUB.1
        };
        let ids: Vec<u64> = counts.most_found.iter().filter(is_hub).map(|hub| hub.text.id).collect();
        let most = counts.most_found.first().map_or(0.0, |hub| hub.share);
        let hub = (!ids.is_empty()).then(|| {
            let summary = format!(
                "{}: by up to {:.1} % of {asked}, where {:.1} answers each would be even",
                texts(ids.len(), "are found far too often"),
                100.0 * most,
                counts.expected
            );
            finding(Severity::Medium, FindingKind::Hubs, ids.len() as u64, summary, remove(ids))
        });
        let orphans = &counts.orphans;
        let orphan = (orphans.meaningful && orphans.count as f64 > 2.0 * orphans.by_chance + 0.5).then(|| {
            let ids = orphans.texts.iter().map(|text| text.id).collect();
            let words = format!(
                "are among the nearest of none of {} {asked}, where chance would leave {:.0}: such searches lose nothing without",
                counts.queries, orphans.by_chance
            );
            let summary = texts(orphans.count as usize, &words);
            finding(Severity::Low, FindingKind::Orphans, orphans.count, summary, remove(ids))
        });
        hub.into_iter().chain(orphan)
    });
    found.collect()
}

/// Texts far from all others.
pub(super) fn of_outliers(outliers: &OutlierAudit) -> Vec<Finding> {
    let measures =
        [(&outliers.by_neighbour, "their neighbours"), (&outliers.by_centroid, "the centre of their domain")];
    let found = measures.into_iter().filter(|(measure, _)| measure.outliers > 0).map(|(measure, from)| {
        let ids = measure.farthest.iter().filter(|outlier| outlier.beyond).map(|outlier| outlier.text.id).collect();
        let summary = texts(measure.outliers as usize, &format!("lie far from {from}"));
        finding(Severity::Low, FindingKind::Outliers, measure.outliers, summary, remove(ids))
    });
    found.collect()
}

/// Texts that are odd as they are written.
pub(super) fn of_texts(rows: &Rows<'_>, read: &Texts) -> Vec<Finding> {
    let found = read.odd.iter().map(|(kind, odd)| {
        let (severity, words) = match kind {
            AnomalyKind::InvisibleCharacters => (Severity::Medium, "hold characters that cannot be seen"),
            AnomalyKind::Mojibake => (Severity::Medium, "hold letters that were decoded wrongly"),
            AnomalyKind::Markup => (Severity::Medium, "hold tags"),
            AnomalyKind::Entities => (Severity::Medium, "hold HTML entities"),
            AnomalyKind::WebAddress => (Severity::Medium, "hold web addresses"),
            AnomalyKind::FileName => (Severity::Medium, "look like names of files"),
            AnomalyKind::OtherLanguage => (Severity::Medium, "are in another language than most of their domain"),
            AnomalyKind::Capitals => (Severity::Low, "are in capitals"),
            AnomalyKind::OneWord => (Severity::Low, "have one word or none"),
            AnomalyKind::Long => (Severity::Low, "are far longer than others of their domain"),
        };
        let ids = odd.iter().take(IDS).map(|row| rows.id(*row)).collect();
        let mut remedies = remove(ids);
        let domain = rows.domain(odd[0]);
        if odd.iter().all(|row| rows.domain(*row) == domain) {
            remedies.push(Remedy::IngestAnew { domain: rows.domains[domain].clone() });
        }
        let summary = texts(odd.len(), words);
        finding(severity, FindingKind::OddTexts, odd.len() as u64, summary, remedies)
    });
    found.collect()
}

/// Sounds that no text is near to.
pub(super) fn of_gap(gap: &GapAudit) -> Option<Finding> {
    let beyond = gap.farthest.iter().filter(|unmatched| unmatched.beyond).count();
    let first = gap.farthest.first().filter(|_| beyond > 0)?;
    let summary = format!(
        "{} sound{} far from all texts, the farthest {} at {:.2}",
        beyond,
        if beyond == 1 { " is" } else { "s are" },
        first.sound,
        first.similarity
    );
    Some(finding(Severity::Medium, FindingKind::UnmatchedSounds, beyond as u64, summary, vec![Remedy::IngestMore]))
}
