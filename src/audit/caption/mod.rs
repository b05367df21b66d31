//! One caption taken apart.

mod report;

pub use report::{AgreementAudit, AuditedNeighbour, CaptionAudit, Influence, SearchAudit, TokenAudit, WindowAudit};
