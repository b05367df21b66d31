//! A server at work, and a client of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::bench::Bench;
use crate::common::copy_tree;
use crate::common::needs::starter_is_installed;
use crate::common::sounds::{sound, wav_at};

pub const CAPTIONS: [&str; 8] = [
    "Rain falls on a roof.",
    "A tram rings its bell.",
    "A dog barks in a yard.",
    "Waves break on a beach.",
    "An engine starts and idles.",
    "Birds sing at dawn.",
    "A clock ticks slowly.",
    "Thunder rolls in the distance.",
];

/// A store of the starter with a few captions in two domains and a decoder, made once; each story gets a copy.
pub fn stocked() -> Option<Bench> {
    static MADE: OnceLock<Option<Bench>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        if !starter_is_installed() {
            return None;
        }
        let bench = Bench::new();
        bench.run(&["init"]).succeeds();
        let rows = CAPTIONS.iter().enumerate().map(|(i, caption)| format!("clip-{i}.wav,{caption}\n"));
        let csv = bench.write("street.csv", format!("clip,caption\n{}", rows.collect::<String>()));
        bench.run(&["ingest", &csv, "--domain", "street"]).succeeds();
        let text = bench.write("farm.txt", "A cow lows in a barn.\nA rooster crows.\n");
        bench.run(&["ingest", &text, "--domain", "farm"]).succeeds();
        bench.run(&["train", "--name", "tiny", "--epochs", "4"]).succeeds();
        Some(bench)
    });
    let made = made.as_ref()?;
    let copy = Bench::new();
    copy_tree(&made.store(), &copy.store());
    Some(copy)
}

/// A server that ends with this.
pub struct Served {
    child: Child,
    pub printed: Value,
    pub url: String,
    pub agent: ureq::Agent,
}

impl Served {
    /// Starts the program on the store of `bench`, on a port that the system chooses.
    pub fn start(bench: &Bench, arguments: &[&str]) -> Self {
        let all = [&["--json", "--quiet", "serve", "--bind", "127.0.0.1:0"], arguments].concat();
        let mut child = bench.command(&all).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let printed: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        let url = printed["url"].as_str().unwrap().to_owned();
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Self { child, printed, url, agent }
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{}", self.url.trim_end_matches('/'), path)
    }

    pub fn host(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        told(self.agent.get(self.at(path)).call().unwrap())
    }

    pub fn post(&self, path: &str, kind: &str, body: &[u8]) -> (u16, Value) {
        told(self.agent.post(self.at(path)).header("Content-Type", kind).send(body).unwrap())
    }

    pub fn post_json(&self, path: &str, body: &Value) -> (u16, Value) {
        self.post(path, "application/json", body.to_string().as_bytes())
    }

    /// A connection of its own, to say anything over.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.host()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// The status and the whole of what comes back for these very bytes; 0 where nothing does.
    pub fn raw(&self, request: &str) -> (u16, String) {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        answer(&mut stream)
    }

    /// The largest resident size of the server so far, in MiB, where the system tells.
    pub fn peak_mib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? >> 10)
    }

    pub fn is_alive(&self) {
        let (status, said) = self.get("/healthz");
        assert_eq!((status, &said["status"]), (200, &"ok".into()));
    }

    /// Asks it to stop, and says with what code it ended, and after how long.
    #[cfg(unix)]
    pub fn stop(mut self) -> (i32, Duration) {
        let begun = Instant::now();
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        (self.child.wait().unwrap().code().unwrap_or(-1), begun.elapsed())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What comes over a connection until it ends, or a whole answer did.
pub fn answer(stream: &mut TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, text)
}

fn told(mut response: ureq::http::Response<ureq::Body>) -> (u16, Value) {
    let text = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Seconds of sound as a wav file, with its bytes.
pub fn recording(folder: &Path, seconds: f64) -> (PathBuf, Vec<u8>) {
    let path = folder.join(format!("recording-{seconds}.wav"));
    wav_at(&path, &sound(seconds, 16_000), 16_000);
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

/// A form with one field.
pub fn form(field: &str, file: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    let head = format!(
        "--edge\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{file}\"\r\nContent-Type: audio/wav\r\n\r\n"
    );
    ("multipart/form-data; boundary=edge".to_owned(), [head.as_bytes(), bytes, b"\r\n--edge--\r\n"].concat())
}
