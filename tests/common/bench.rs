//! A folder with a store in it, and the program to work on it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{npy, scattered};

/// A folder of its own with a store in it, and the binary to work on it.
pub struct Bench {
    pub dir: TempDir,
    /// The cache of models that the binary uses, where it is not the user's.
    pub cache: Option<PathBuf>,
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
    #[track_caller]
    pub fn fails(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        assert!(self.stderr.contains("error: "), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "'{word}' is not in {self:?}");
        }
        self
    }

    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

impl Bench {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), cache: None }
    }

    /// With a cache of models of its own, empty, so that models and adapters of this story stay apart from the user's.
    pub fn with_own_cache() -> Self {
        let bench = Self::new();
        let cache = bench.path("cache");
        Self { cache: Some(cache), ..bench }
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
        // What other programs keep for this user is no part of a story.
        for (name, folder) in [("HF_HOME", "hf"), ("TORCH_HOME", "torch")] {
            command.env(name, self.path(folder));
        }
        for name in ["FENSE_DATA", "SENTENCE_TRANSFORMERS_HOME"] {
            command.env_remove(name);
        }
        if let Some(cache) = &self.cache {
            command.env("ECHOIC_CACHE", cache);
        }
        command
    }

    pub fn run_json_at(&self, store: &Path, arguments: &[&str]) -> Run {
        finished(self.command_at(store, &[&["--json"], arguments].concat()).output().unwrap())
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        finished(self.command(arguments).output().unwrap())
    }

    /// Runs with this on standard input. A run that refuses may close it at once.
    pub fn run_given(&self, arguments: &[&str], input: &[u8]) -> Run {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input);
        finished(child.wait_with_output().unwrap())
    }

    pub fn run_json(&self, arguments: &[&str]) -> Run {
        self.run(&[&["--json"], arguments].concat())
    }
}

pub fn finished(output: Output) -> Run {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Run { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}
