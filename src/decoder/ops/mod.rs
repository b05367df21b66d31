//! Fused tensor operations for the decoder, each with a hand-written backward pass, for CPU.
//!
//! Composed from candle's own operations, a training step spends most of its time in temporaries: layer norm alone takes
//! ten of them. Here each is one pass over the data, run by rayon over fixed blocks of rows, so that sums have the same
//! order whatever the number of threads. All tensors are contiguous `f32`.
//!
//! Sequences are packed: rows of all captions of a batch follow each other without padding, and only [`attention`] knows
//! where one ends. So every row that is computed is a useful one.

mod adamw;
mod attention;
mod cross_entropy;
mod elementwise;
mod embed;
mod kernels;
mod layer_norm;
mod linear;

pub use adamw::{AdamW, Moments, squared_norm};
pub use attention::attention;
pub use cross_entropy::cross_entropy;
pub use elementwise::{dropout_add, gelu};
pub use embed::{embed, select_rows};
pub(super) use kernels::{exp, floats, gelu_scalar, simd};
pub use layer_norm::{EPSILON, layer_norm};
pub use linear::linear;
