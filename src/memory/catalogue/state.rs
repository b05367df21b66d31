//! What `check` says of the catalogue.

use serde::Serialize;

/// What the catalogue is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CatalogueState {
    /// It knows every stored row.
    Agrees,
    /// There is none; the next writer builds it.
    Absent,
    /// The next writer will build it again, for this reason. No damage: a writer that is killed may leave it so.
    Outdated(String),
    /// It was not looked at, because a writer is at work or nothing may be written here.
    NotChecked(String),
    /// It claims to be up to date and is not.
    Wrong(String),
}
