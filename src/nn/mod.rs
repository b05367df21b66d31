//! The arithmetic of neural networks that towers and decoder share.

pub(crate) mod feature_map;
pub(crate) mod functions;
pub(crate) mod gemm;
pub(crate) mod layers;
pub(crate) mod narrow;
#[cfg(feature = "decoder")]
pub(crate) mod ops;
pub(crate) mod packed_attention;
pub(crate) mod tensors;
pub(crate) mod winograd;
