//! The families of models, a file each.

pub(crate) mod laion;
pub(crate) mod list;
pub(crate) mod msclap;
pub(crate) mod spec;
pub(crate) mod starter;
pub(crate) mod wavcaps;
