//! The memory itself examined: what is stored twice, what is found too often or never, what does not belong, and what searches miss.

mod curve;
mod duplicates;
mod examine;
mod findings;
mod gap;
mod histogram;
mod hubs;
mod naming;
mod neighbours;
mod oddities;
mod options;
mod outliers;
mod overlap;
mod reading;
mod recall;
mod remedy;
mod report;
mod rows;
mod sets;
mod texts;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use crate::bridge::Histogram;
pub use curve::recall_curve;
pub use examine::audit_memory;
pub use options::{AudioQueries, MemoryAuditOptions, Part};
pub use remedy::{Finding, FindingKind, Remedy, Severity};
pub use report::{
    Anomaly, AnomalyKind, CloudAudit, Cluster, ClusterKind, ClusterMember, CurvePoint, DuplicateAudit, DuplicateCount,
    Examined, GapAudit, Hub, HubAudit, HubCounts, LanguageCount, MemoryAudit, Orphans, Outlier, OutlierAudit,
    OutlierMeasure, OverlapAudit, RecallAudit, RecallCurve, RecallPoint, SegmentRecall, Suspect, TextAudit, Unmatched,
};
