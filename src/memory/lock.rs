//! The lock of the one writer: an advisory lock on a file that names its owner.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use fs4::{FileExt, TryLockError};

use super::layout;
use crate::{Error, Result};

/// Held as long as it lives; the operating system releases it when the process ends, however it ends. So a crashed owner keeps nobody out,
/// whatever the file says: neither a process id that was given to another process since, nor the name of another host, nor nonsense.
pub(super) struct Lock(File);

/// Bytes of the owner's name that are read.
const NAME_BYTES: u64 = 1000;

impl Drop for Lock {
    fn drop(&mut self) {
        // An owner that is still named was not able to say goodbye.
        if let Err(error) = self.0.set_len(0) {
            tracing::debug!("cannot clear the owner of the lock: {error}");
        }
        // Closing alone does not release it while a child process that is just being started still shares the open file.
        if let Err(error) = FileExt::unlock(&self.0) {
            tracing::debug!("cannot unlock the store: {error}");
        }
    }
}

impl Lock {
    /// Takes the lock of the store at `dir`.
    pub(super) fn take(dir: &Path) -> Result<Self> {
        let path = layout::lock(dir);
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(Error::io("open", &path))?;
        let locked = FileExt::try_lock(&file);
        let mut name = Vec::new();
        let read = (&mut file).take(NAME_BYTES).read_to_end(&mut name);
        let named = legible(&name[..read.unwrap_or(0)]);
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = named.unwrap_or_else(|| "which has not named itself".to_owned());
                return Err(Error::Locked { path: dir.to_path_buf(), owner });
            }
            Err(TryLockError::Error(source)) => return Err(Error::io("lock", &path)(source)),
        }
        if let Some(former) = named {
            tracing::warn!(
                "took over {} from a writer that ended without closing it: {former}; what it acknowledged is there",
                dir.display()
            );
        }
        // The name is a courtesy: on a full disk the lock holds without it.
        let named = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(owner().as_bytes()));
        if let Err(error) = named {
            tracing::debug!("cannot write the owner into {}: {error}", path.display());
        }
        Ok(Self(file))
    }
}

/// What the file says of its owner, whatever bytes it holds: one line, or `None` when it says nothing.
fn legible(name: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(name);
    let text: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    (!text.is_empty()).then_some(text)
}

/// This process, as others will read it.
fn owner() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok());
    let host = host.as_deref().map_or("this machine", str::trim);
    let command: Vec<String> = std::env::args_os().take(2).map(|word| word.to_string_lossy().into_owned()).collect();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    format!("process {} on {host}: {}, since {} UTC", std::process::id(), command.join(" "), clock(since))
}

/// Seconds since 1970 as a date and time.
fn clock(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days to civil date, after Howard Hinnant's `civil_from_days`.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    #[test]
    fn tells_the_time() {
        assert_eq!(super::clock(0), "1970-01-01 00:00:00");
        assert_eq!(super::clock(951_782_399), "2000-02-28 23:59:59");
        assert_eq!(super::clock(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(super::clock(1_795_354_674), "2026-11-22 13:37:54");
    }
}
