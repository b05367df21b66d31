//! A model hub on the loopback interface: a repository's description and small files on one port, large files on another, as the real one has
//! them elsewhere; and the faults that networks have.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use echoic::models::Hub;
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A request that was served.
#[derive(Debug, Clone)]
pub struct Served {
    pub method: String,
    pub path: String,
    /// Whether it came to the port of the large files.
    pub elsewhere: bool,
    pub authorization: Option<String>,
    pub range: Option<String>,
    /// Bytes of the body that were sent.
    pub sent: usize,
}

/// What the hub holds and how it misbehaves.
#[derive(Default)]
pub struct State {
    pub repository: String,
    pub files: BTreeMap<String, Vec<u8>>,
    pub token: Option<String>,
    /// For each connection to a large file, the bytes after which it is cut.
    pub cuts: VecDeque<usize>,
    /// Statuses for the next requests whose path contains the word, and what `Retry-After` says.
    pub refusals: VecDeque<(&'static str, u16, Option<u32>)>,
    /// Serves large files with a changed byte.
    pub wrong: bool,
    /// Redirects large files to themselves.
    pub looping: bool,
    /// Gives a whole file where a rest was asked for.
    pub without_ranges: bool,
    pub served: Vec<Served>,
    ports: (u16, u16),
}

/// The running hub; it ends with the process.
#[derive(Clone)]
pub struct Loopback(Arc<Mutex<State>>);

impl Loopback {
    /// Serves `files` as `repository`.
    pub fn start(repository: &str, files: Vec<(&str, Vec<u8>)>) -> Self {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (hub, elsewhere) = (listen(), listen());
        let ports = (hub.local_addr().unwrap().port(), elsewhere.local_addr().unwrap().port());
        let files = files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
        let state = State { repository: repository.to_owned(), files, ports, ..State::default() };
        let server = Self(Arc::new(Mutex::new(state)));
        for (listener, is_elsewhere) in [(hub, false), (elsewhere, true)] {
            let server = server.clone();
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let server = server.clone();
                    std::thread::spawn(move || server.serve(stream, is_elsewhere));
                }
            });
        }
        server
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.state().ports.0)
    }

    /// The hub as a program sees it that is impatient.
    pub fn hub(&self) -> Hub {
        Hub::default().endpoint(self.endpoint()).retries(3).backoff(Duration::from_millis(5))
    }

    /// Bytes of large files that were sent so far.
    pub fn large_bytes(&self) -> usize {
        self.state().served.iter().filter(|served| served.elsewhere).map(|served| served.sent).sum()
    }

    /// The files that bodies were sent of.
    pub fn fetched(&self) -> Vec<String> {
        let state = self.state();
        let gets = state.served.iter().filter(|served| served.method == "GET" && served.sent > 0);
        gets.map(|served| served.path.rsplit('/').next().unwrap().to_owned()).collect()
    }

    fn serve(&self, mut stream: TcpStream, elsewhere: bool) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut words = line.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut served = Served {
            method,
            path,
            elsewhere,
            authorization: headers.get("authorization").cloned(),
            range: headers.get("range").cloned(),
            sent: 0,
        };
        let (head, body, cut) = self.answer(&served);
        served.sent = if served.method == "HEAD" { 0 } else { body.len().min(cut) };
        let sent = served.sent;
        self.state().served.push(served);
        let _ = stream.write_all(format!("HTTP/1.1 {head}Connection: close\r\n\r\n").as_bytes());
        let _ = stream.write_all(&body[..sent]);
    }

    /// Status line and headers, body, and the bytes after which the connection is cut.
    fn answer(&self, request: &Served) -> (String, Vec<u8>, usize) {
        let mut state = self.state();
        let plain = |status: &str, more: &str| (format!("{status}\r\nContent-Length: 0\r\n{more}"), Vec::new(), 0);
        if state.refusals.front().is_some_and(|(word, ..)| request.path.contains(word)) {
            let (_, status, after) = state.refusals.pop_front().unwrap();
            let after = after.map(|after| format!("Retry-After: {after}\r\n")).unwrap_or_default();
            return plain(&format!("{status} No"), &after);
        }
        if request.elsewhere {
            return large(&mut state, request);
        }
        if state.token.as_ref().is_some_and(|token| request.authorization != Some(format!("Bearer {token}"))) {
            return plain("401 Unauthorized", "X-Error-Message: Access to this model is restricted\r\n");
        }
        let described = format!("/api/models/{}/revision/", state.repository);
        if let Some(revision) = request.path.strip_prefix(&described) {
            if !["main", COMMIT].contains(&revision) {
                return plain("404 Not Found", "X-Error-Message: Invalid rev id\r\n");
            }
            let siblings: Vec<_> = state.files.keys().map(|name| serde_json::json!({ "rfilename": name })).collect();
            let card = serde_json::json!({ "license": "cc-by-4.0" });
            let body = serde_json::json!({ "sha": COMMIT, "siblings": siblings, "cardData": card }).to_string();
            return (format!("200 OK\r\nContent-Length: {}\r\n", body.len()), body.into_bytes(), usize::MAX);
        }
        let resolved = format!("/{}/resolve/{COMMIT}/", state.repository);
        let file = request.path.strip_prefix(&resolved).and_then(|name| Some((name, state.files.get(name)?)));
        let Some((name, bytes)) = file else { return plain("404 Not Found", "X-Error-Message: Entry not found\r\n") };
        if !name.ends_with(".json") && !name.ends_with(".txt") {
            let to = match state.looping {
                true => request.path.clone(),
                false => format!("http://127.0.0.1:{}/blobs/{name}", state.ports.1),
            };
            let tag = if state.looping { String::new() } else { format!("X-Linked-Etag: \"{}\"\r\n", sha256(bytes)) };
            let size = bytes.len();
            let more = format!("Location: {to}\r\n{tag}X-Linked-Size: {size}\r\nX-Repo-Commit: {COMMIT}\r\n");
            return plain("302 Found", &more);
        }
        let head = format!(
            "200 OK\r\nContent-Length: {}\r\nETag: \"{}\"\r\nX-Repo-Commit: {COMMIT}\r\n",
            bytes.len(),
            git_hash(bytes)
        );
        (head, bytes.clone(), usize::MAX)
    }
}

/// A large file, or the rest of one.
fn large(state: &mut State, request: &Served) -> (String, Vec<u8>, usize) {
    let cut = state.cuts.pop_front().unwrap_or(usize::MAX);
    let mut bytes = state.files[request.path.strip_prefix("/blobs/").unwrap()].clone();
    if state.wrong {
        *bytes.last_mut().unwrap() ^= 1;
    }
    let from = request.range.as_ref().filter(|_| !state.without_ranges);
    let from = from.map(|range| range.strip_prefix("bytes=").unwrap().trim_end_matches('-').parse::<usize>().unwrap());
    let (status, more) = match from {
        Some(from) => {
            let whole = bytes.len();
            bytes.drain(..from);
            ("206 Partial Content", format!("Content-Range: bytes {from}-{}/{whole}\r\n", whole - 1))
        }
        None => ("200 OK", String::new()),
    };
    (format!("{status}\r\nContent-Length: {}\r\n{more}", bytes.len()), bytes, cut)
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hash under which git keeps a file.
pub fn git_hash(bytes: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
