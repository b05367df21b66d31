//! The lock of the one writer.

use std::path::Path;

use crate::lock::{Lock, Taken};
use crate::memory::format::layout;
use crate::{Error, Result};

/// Takes the lock of the store at `dir`.
pub(crate) fn take(dir: &Path) -> Result<Lock> {
    match Lock::take(&layout::lock(dir))? {
        Taken::Held(owner) => Err(Error::Locked { path: dir.to_path_buf(), owner }),
        Taken::Ours(lock, former) => {
            if let Some(former) = former {
                tracing::warn!(
                    "took over {} from a writer that ended without closing it: {former}; what it acknowledged is there",
                    dir.display()
                );
            }
            Ok(lock)
        }
    }
}
