//! Keys and values for the catalogue: in sled, behind a guard against its errors and panics, or in memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::quiet::quietly;

/// Bytes that sled may cache; its own default is a gigabyte. The catalogue keeps the pages that it needs in memory itself.
const CACHE: u64 = 32 * 1024 * 1024;

/// How often, and after what pause, a database is tried again whose last user in this process was just dropped: sled's threads let go of
/// its lock a little later. The store's own lock keeps everybody else away.
const LET_GO_ATTEMPTS: u32 = 200;
const LET_GO_PAUSE: Duration = Duration::from_millis(10);

/// Why sled cannot be used any more: its error, or what it said when it panicked.
pub(crate) type Broken = String;

/// A key and its value.
pub(crate) type KeyValue = (Vec<u8>, Vec<u8>);

/// An ordered map of bytes.
pub(crate) enum KeyValueStore {
    /// On disk.
    Sled(Guarded),
    /// As long as the writer lives.
    Memory(BTreeMap<Vec<u8>, Vec<u8>>),
}

/// A database whose end is guarded, too: dropping it writes, and may panic like everything else in it.
pub(crate) struct Guarded(Option<sled::Db>);

impl Guarded {
    fn call<T>(&self, f: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, Broken> {
        match &self.0 {
            Some(db) => guarded(|| f(db)),
            None => Err("it is closed".into()),
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let db = self.0.take();
        if let Err(reason) = quietly(|| drop(db)) {
            tracing::debug!("sled was not closed properly: {reason}");
        }
    }
}

impl KeyValueStore {
    /// Opens or creates the database in the folder `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, Broken> {
        let config = sled::Config::new().path(path).cache_capacity(CACHE).flush_every_ms(Some(1000));
        let mut left = LET_GO_ATTEMPTS;
        loop {
            match guarded(|| config.open()) {
                Ok(db) => return Ok(Self::Sled(Guarded(Some(db)))),
                Err(reason) if left > 0 && reason.contains("could not acquire lock") => {
                    left -= 1;
                    std::thread::sleep(LET_GO_PAUSE);
                }
                Err(reason) => return Err(reason),
            }
        }
    }

    /// An empty map in memory.
    pub(crate) fn in_memory() -> Self {
        Self::Memory(BTreeMap::new())
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        match self {
            Self::Memory(map) => Ok(map.get(key).cloned()),
            Self::Sled(db) => Ok(db.call(|db| db.get(key))?.map(|value| value.to_vec())),
        }
    }

    pub(crate) fn insert(&mut self, entries: impl IntoIterator<Item = KeyValue>) -> Result<(), Broken> {
        match self {
            Self::Memory(map) => map.extend(entries),
            Self::Sled(db) => {
                let mut batch = sled::Batch::default();
                entries.into_iter().for_each(|(key, value)| batch.insert(key, value));
                db.call(|db| db.apply_batch(batch))?;
            }
        }
        Ok(())
    }

    /// All entries whose keys begin with `prefix`, in the order of their keys.
    pub(crate) fn with_prefix(&self, prefix: &[u8]) -> Result<Vec<KeyValue>, Broken> {
        match self {
            Self::Memory(map) => {
                let from = map.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
                Ok(from.map(|(key, value)| (key.clone(), value.clone())).collect())
            }
            Self::Sled(db) => db.call(|db| {
                db.scan_prefix(prefix).map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
            }),
        }
    }

    pub(crate) fn remove_prefix(&mut self, prefix: &[u8]) -> Result<(), Broken> {
        match self {
            Self::Memory(map) => map.retain(|key, _| !key.starts_with(prefix)),
            Self::Sled(db) => db.call(|db| {
                let mut batch = sled::Batch::default();
                for key in db.scan_prefix(prefix).keys() {
                    batch.remove(key?);
                }
                db.apply_batch(batch)
            })?,
        }
        Ok(())
    }

    /// Makes everything so far durable.
    pub(crate) fn flush(&self) -> Result<(), Broken> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Sled(db) => db.call(|db| db.flush()).map(|_| ()),
        }
    }
}

/// Calls sled; its errors and its panics become one kind of trouble.
fn guarded<T>(f: impl FnOnce() -> sled::Result<T>) -> Result<T, Broken> {
    match quietly(f) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => Err(panic),
    }
}
