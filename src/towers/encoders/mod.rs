//! The encoders that towers are made of.

pub(crate) mod bert;
pub mod cnn14;
pub(crate) mod gpt2;
pub mod htsat;
pub mod sfx;
pub(crate) mod swin;
