//! Looking after a store: checking, repairing what is derived, backing up.

pub(crate) mod backup;
pub(crate) mod check;
