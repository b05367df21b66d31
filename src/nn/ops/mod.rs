//! Fused tensor operations for training, each with its hand-written backward pass, for CPU.
//!
//! Composed from candle's own operations, a training step spends most of its time in temporaries: layer norm alone takes
//! ten of them. Here each is one pass over the data, run by rayon over fixed blocks of rows, so that sums have the same
//! order whatever the number of threads. All tensors are contiguous `f32` on the CPU; matrix products are candle's.
//!
//! The backward passes are called by the models themselves and not through candle's autograd (candle 0.11): that begins every
//! gradient as a tensor of zeros to add to, and adds in a pool whose threads spin while they wait. On two busy cores it
//! took 40 % of a training step.
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
pub use attention::{attention, attention_backward};
pub use cross_entropy::{cross_entropy, cross_entropy_backward};
pub(crate) use elementwise::map2;
pub use elementwise::{blend, dropout_add, dropout_backward, gelu, gelu_backward, tanh, tanh_backward};
pub use embed::{embed, embed_backward, select_rows, select_rows_backward};
pub(crate) use kernels::floats;
pub use layer_norm::{EPSILON, layer_norm, layer_norm_backward};
pub use linear::{linear, linear_backward, linear_parameters_backward};
