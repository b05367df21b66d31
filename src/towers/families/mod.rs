//! The families of models.

pub(crate) mod laion;
pub(crate) mod msclap;
pub(crate) mod starter;
pub(crate) mod wavcaps;
