//! An advisory lock on a file that names its owner: that of a store's one writer, and that of the one training in a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::clock::utc;
use crate::{Error, Result};

/// Held as long as it lives; the operating system releases it when the process ends, however it ends. So a crashed owner keeps nobody out,
/// whatever the file says: neither a process id that was given to another process since, nor the name of another host, nor nonsense.
#[derive(Debug)]
pub(crate) struct Lock(File);

/// What came of taking a lock.
pub(crate) enum Taken {
    /// It is held now; a former owner that is still named ended without releasing it.
    Ours(Lock, Option<String>),
    /// Another holds it, who is named like this.
    Held(String),
}

/// Bytes of the owner's name that are read.
const NAME_BYTES: u64 = 1000;

impl Drop for Lock {
    fn drop(&mut self) {
        // An owner that is still named was not able to say goodbye.
        if let Err(error) = self.0.set_len(0) {
            tracing::debug!("cannot clear the owner of the lock: {error}");
        }
        // Closing alone does not release it while a child process that is just being started still shares the open file.
        if let Err(error) = self.0.unlock() {
            tracing::debug!("cannot unlock: {error}");
        }
    }
}

impl Lock {
    /// Takes the lock on the file at `path`, which is made where there is none.
    pub(crate) fn take(path: &Path) -> Result<Taken> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = options.map_err(Error::io("open", path))?;
        let locked = file.try_lock();
        let mut name = Vec::new();
        let read = (&mut file).take(NAME_BYTES).read_to_end(&mut name);
        let named = legible(&name[..read.unwrap_or(0)]);
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Ok(Taken::Held(match named {
                    Some(name) if name.starts_with(&process()) => "this process itself".to_owned(),
                    Some(name) => name,
                    None => "which has not named itself".to_owned(),
                }));
            }
            Err(TryLockError::Error(source)) => return Err(Error::io("lock", path)(source)),
        }
        // The name is a courtesy: on a full disk the lock holds without it.
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(owner().as_bytes()));
        if let Err(error) = written {
            tracing::debug!("cannot write the owner into {}: {error}", path.display());
        }
        Ok(Taken::Ours(Self(file), named))
    }
}

/// What the file says of its owner, whatever bytes it holds: one line, or `None` when it says nothing.
fn legible(name: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(name);
    let text: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    (!text.is_empty()).then_some(text)
}

/// Which process this is, of which machine.
fn process() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok());
    let host = host.as_deref().map_or("this machine", str::trim);
    format!("process {} on {host}:", std::process::id())
}

/// This process, as others will read it.
fn owner() -> String {
    let command: Vec<String> = std::env::args_os().take(2).map(|word| word.to_string_lossy().into_owned()).collect();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    format!("{} {}, since {} UTC", process(), command.join(" "), utc(since))
}
