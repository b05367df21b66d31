//! Tests in processes of their own, for those that kill, are killed, or measure.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Runs the test `test` of a module, given as `module_path!()`, in another process.
pub fn child(module: &str, test: &str) -> Command {
    // A test has no crate in its name.
    let name = module.split_once("::").map_or_else(|| test.to_owned(), |(_, inner)| format!("{inner}::{test}"));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &name, "--nocapture", "--include-ignored"]);
    command
}

/// Starts a child that says `ready` on a line of its own, and waits for that.
pub fn until_ready(child: &mut Command) -> Child {
    let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "ready"), "the child ended before it was ready");
    child
}

/// Does `body` of the test `test`, which calls this, in a process that does nothing else.
pub fn alone(module: &str, test: &str, body: impl FnOnce()) {
    const ALONE: &str = "ECHOIC_TEST_ALONE";
    const DONE: &str = "it is done";
    if std::env::var_os(ALONE).is_some() {
        body();
        println!("\n{DONE}");
        return;
    }
    let output = child(module, test).env(ALONE, "1").output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    print!("{said}");
    assert!(output.status.success() && said.lines().any(|line| line == DONE), "{test} failed in its own process");
}

/// The largest resident size of this process so far, in bytes, where the system tells.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}

/// A small file system of its own, unmounted when dropped.
#[cfg(target_os = "linux")]
pub struct Mounted(PathBuf);

#[cfg(target_os = "linux")]
impl Mounted {
    /// A tmpfs of this size; `None`, saying so, where this user may not mount.
    pub fn new(at: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let options = format!("size={size}");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at).output();
        if done.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        super::needs::skip("root", "a tmpfs cannot be mounted here");
        None
    }

    /// From now on it can only be read.
    pub fn seal(&self) {
        let done = Command::new("mount").args(["-o", "remount,ro"]).arg(&self.0).status().unwrap();
        assert!(done.success());
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
