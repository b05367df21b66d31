//! What the stories share: running the binary, and making small inputs.
#![allow(dead_code, clippy::unwrap_used, missing_docs)] // each story uses its own part

pub mod checkpoints;
pub mod hub;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A folder of its own with a store in it, and the binary to work on it.
pub struct Bench {
    pub dir: TempDir,
}

/// What a run of the binary gave.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// The only JSON document on stdout.
    pub fn json(&self) -> Value {
        let lines = self.lines();
        assert_eq!(lines.len(), 1, "one document expected: {self:?}");
        lines[0].clone()
    }

    /// The JSON lines on stdout.
    pub fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line:?}\n{self:?}"));
        self.stdout.lines().map(parse).collect()
    }

    /// Holds a failure to what every failure owes: its exit code, one clear paragraph, and no panic.
    pub fn fails(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        assert!(self.stderr.contains("error: "), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "'{word}' is not in {self:?}");
        }
        self
    }

    pub fn succeeds(&self) -> &Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

impl Bench {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// With an empty store for embeddings that the test brings.
    pub fn external(dim: usize) -> Self {
        let bench = Self::new();
        bench.run(&["init", "--model", "external", "--dim", &dim.to_string()]).succeeds();
        bench
    }

    pub fn store(&self) -> PathBuf {
        self.dir.path().join("a store")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Embeddings with a direction of their own for each row, as a `.npy` file.
    pub fn npy(&self, name: &str, rows: usize, dim: usize) -> String {
        self.write(name, npy(&scattered(rows, dim), rows, dim))
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_at(&self.store(), arguments)
    }

    fn command_at(&self, store: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_echoic"));
        command.arg("--store").arg(store).args(arguments).current_dir(self.dir.path());
        command
    }

    pub fn run_json_at(&self, store: &Path, arguments: &[&str]) -> Run {
        finished(self.command_at(store, &[&["--json"], arguments].concat()).output().unwrap())
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        finished(self.command(arguments).output().unwrap())
    }

    pub fn run_json(&self, arguments: &[&str]) -> Run {
        self.run(&[&["--json"], arguments].concat())
    }
}

pub fn finished(output: Output) -> Run {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Run { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Numbers that look random and are the same in every run.
pub fn scattered(rows: usize, dim: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..rows * dim).map(|_| next()).collect()
}

/// A version 1.0 `.npy` file of little-endian f32.
pub fn npy(data: &[f32], rows: usize, dim: usize) -> Vec<u8> {
    assert_eq!(data.len(), rows * dim);
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data.iter().flat_map(|x| x.to_le_bytes()));
    bytes
}

/// True when the starter model is installed. A story that needs it ends early, saying so, where it is not.
pub fn starter_is_installed() -> bool {
    let installed = echoic::models::path("starter").is_ok();
    if !installed {
        eprintln!("skipped: the starter model is not installed (echoic models pull starter)");
    }
    installed
}

/// The folder with real captions and audio, if it is there: `ECHOIC_DATA`, or `../shared/data` beside the checkout.
pub fn real_data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("ECHOIC_DATA").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: there is no real data at {} (set ECHOIC_DATA)", folder.display());
    None
}

/// Every file below a folder with its bytes.
pub fn files(folder: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| (entry.path().to_path_buf(), std::fs::read(entry.path()).unwrap()))
        .collect()
}
