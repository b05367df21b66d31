//! The memory itself examined: what is stored twice, what is found too often or never, what does not belong, and what searches miss.

mod options;
mod remedy;
mod report;

pub use options::{AudioQueries, MemoryAuditOptions, Part};
pub use remedy::{Finding, FindingKind, Remedy, Severity};
pub use report::{
    Anomaly, AnomalyKind, CloudAudit, Cluster, ClusterKind, ClusterMember, DuplicateAudit, DuplicateCount, Examined,
    GapAudit, Histogram, Hub, HubAudit, HubCounts, LanguageCount, MemoryAudit, Orphans, Outlier, OutlierAudit,
    OutlierMeasure, OverlapAudit, RecallAudit, RecallPoint, SegmentRecall, Suspect, TextAudit, Unmatched,
};
