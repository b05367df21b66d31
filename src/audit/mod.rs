//! Audits: why a sound got its caption, and whether the memory behind it can be trusted.

mod caption;

pub use caption::{AgreementAudit, AuditedNeighbour, CaptionAudit, Influence, SearchAudit, TokenAudit, WindowAudit};
