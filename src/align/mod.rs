//! Learning the adapter from audio to text embeddings: the gap between the two modalities, closed by a small network.
//!
//! WSAC (arXiv 2309.12242) bridges that gap by projecting onto stored texts, and names as future work to learn it. Here a
//! network of one hidden layer goes from the frozen audio tower's features to the frozen text tower's embeddings, trained as CLAP
//! (arXiv 2206.04769) trains its towers: the symmetric cross entropy of which audio belongs to which caption of a batch. What
//! differs: the temperature is given and stays; captions of the same concepts share the target, and captions that share some of a clip's concepts, but not
//! all, are left out of its comparison, for they are neither right nor wrong.
//!
//! [`Alignment`] reads pairs from a CSV file, computes features once for each file, trains, and writes the adapter's file.

mod features;
mod learn;
mod loss;
mod network;
mod options;
mod pairs;
mod retrieval;
mod train;

pub use learn::Alignment;
pub use options::{AlignOptions, AlignReport};
pub use retrieval::Retrieval;
