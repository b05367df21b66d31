//! The writer's catalogue: where each text is stored. Derived from the segments, kept in sled.

pub(crate) mod bloom;
pub(crate) mod key_value;
pub(crate) mod lookup;
pub(crate) mod page_cache;
pub(crate) mod pages;
pub(crate) mod state;
pub(crate) mod stored;
pub(crate) mod table;
