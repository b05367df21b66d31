//! Audits: why a sound got its caption, and whether the memory behind it can be trusted.

mod caption;
mod compare;
pub mod memory;

pub use caption::{
    AgreementAudit, AuditedNeighbour, Auditor, CaptionAudit, Influence, Parts, SearchAudit, TokenAudit, WindowAudit,
};
pub use compare::{CompareAudit, Compared, Comparison, Interval, Scores, Standing, Way};
