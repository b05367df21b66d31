//! The encoders that towers are made of.

pub(crate) mod bert;
pub(crate) mod cnn14;
pub(crate) mod gpt2;
pub(crate) mod htsat;
pub(crate) mod sfx;
pub(crate) mod swin;
