//! Requests to a hub: who gets the token, what is tried again, and how a file is taken up where it broke off.
//!
//! The crate hf-hub (0.5) is not used. It knows the layout of addresses and folders, which is a few lines of [`super::hub`], and its downloads
//! fall short here: they check no checksum, send the token on to the host that stores large files when they ask it for a file's size, append a
//! second copy after a retry that follows a cut (the position of a file that was opened for appending begins at 0), take a whole file for the
//! rest of one, and retry without heeding `Retry-After`. So the transfer is ours, over ureq.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use rand::Rng;
use ureq::http::{HeaderMap, Response, Uri};
use ureq::{Agent, Body};

use super::checksum::Checksum;
use super::hub::Hub;
use crate::error::Hint;
use crate::progress::Control;
use crate::{Error, Result};

/// Redirects that are followed for one request.
const REDIRECTS: usize = 10;

/// Bytes that a connection must have brought for the next failure to count as the first again.
const HEADWAY: u64 = 1 << 20;

/// The longest that a server may ask for to be left alone.
const PATIENCE: Duration = Duration::from_secs(120);

/// Bytes of a description that are read at most.
const DESCRIPTION: u64 = 16 << 20;

/// A file of a repository.
#[derive(Debug)]
pub(crate) struct Remote {
    pub url: String,
    pub checksum: Checksum,
    pub bytes: u64,
}

/// Why a request failed, and whether it is worth another try.
enum Failure {
    Final(Error),
    Again { reason: String, after: Option<Duration> },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// A client for one pull.
pub(crate) struct Client<'a> {
    pub hub: &'a Hub,
    /// The model that errors name.
    pub model: &'a str,
    /// The repository that is spoken of, whose page hints name.
    pub repository: &'a str,
    pub control: Control<'a>,
    agent: Agent,
}

impl<'a> Client<'a> {
    pub fn new(hub: &'a Hub, model: &'a str, repository: &'a str, control: &Control<'a>) -> Self {
        let config = Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("echoic/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(60)));
        Self { hub, model, repository, control: *control, agent: config.build().into() }
    }

    /// The JSON document at `url`.
    pub fn description(&self, url: &str) -> Result<Vec<u8>> {
        self.persist(|| {
            let response = self.follow(url, None)?;
            self.expect(&response, url, &[200])?;
            let mut bytes = Vec::new();
            let read = response.into_body().into_reader().take(DESCRIPTION).read_to_end(&mut bytes);
            read.map_err(|cause| again(format!("the connection to {url} broke off: {cause}")))?;
            Ok(bytes)
        })
    }

    /// Checksum and length of the file at `url`, which must be of the commit `commit` where the hub says of which it is.
    pub fn look_up(&self, url: &str, commit: &str) -> Result<Remote> {
        let headers = self.persist(|| self.headers(url))?;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(other) = text("x-repo-commit").filter(|found| *found != commit) {
            return Err(self.failed(
                format!("{url} is of commit {other}, not {commit}"),
                "the repository may have changed a moment ago: try again",
            ));
        }
        let checksum = text("x-linked-etag").or_else(|| text("etag")).and_then(Checksum::from_etag);
        let bytes = text("x-linked-size").or_else(|| text("content-length")).and_then(|length| length.parse().ok());
        let (Some(checksum), Some(bytes)) = (checksum, bytes) else {
            let reason = format!("{url} comes without a checksum or a length, so that it could not be verified");
            return Err(self.failed(reason, "check HF_ENDPOINT: a mirror must pass on the headers of the hub"));
        };
        Ok(Remote { url: url.to_owned(), checksum, bytes })
    }

    /// Fetches `remote` into the file `part`, from where an earlier try broke off.
    pub fn download(&self, remote: &Remote, part: &Path, control: &Control<'_>) -> Result<()> {
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(part);
        let mut file = opened.map_err(Error::io("create", part))?;
        let mut have = file.metadata().map_err(Error::io("read", part))?.len();
        if have > remote.bytes {
            have = 0;
        }
        control.skip(have);
        let (mut failures, mut since) = (0, have);
        while have < remote.bytes {
            self.control.check()?;
            let failure = match self.append(remote, &mut file, part, have, control) {
                Ok(()) => None,
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Again { reason, after }) => Some((reason, after)),
            };
            have = file.metadata().map_err(Error::io("read", part))?.len();
            if let Some((reason, after)) = failure {
                failures = if have.saturating_sub(since) >= HEADWAY { 1 } else { failures + 1 };
                since = have;
                self.wait(failures, reason, after)?;
            }
        }
        file.sync_all().map_err(Error::io("write", part))
    }

    /// One connection: appends what it brings behind the first `have` bytes.
    fn append(
        &self,
        remote: &Remote,
        file: &mut File,
        part: &Path,
        have: u64,
        control: &Control<'_>,
    ) -> Result<(), Failure> {
        let response = self.follow(&remote.url, Some(have))?;
        self.expect(&response, &remote.url, &[200, 206, 416])?;
        // Only a rest that begins where we ended may be appended; a whole file, or a refusal of the range, begins anew.
        let resumes = response.status() == 206 && range_start(response.headers()) == Some(have);
        let start = if resumes { have } else { 0 };
        file.set_len(start).map_err(Error::io("write", part))?;
        file.seek(SeekFrom::Start(start)).map_err(Error::io("write", part))?;
        if response.status() == 416 || (response.status() == 206 && !resumes) {
            return Err(again(format!("{} was not given from byte {have} on", remote.url)));
        }
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        let mut at = start;
        while at < remote.bytes {
            self.control.check()?;
            let room = usize::try_from(remote.bytes - at).unwrap_or(usize::MAX).min(buffer.len());
            let read = body.read(&mut buffer[..room]).map_err(|cause| {
                again(format!("{} broke off after {at} of {} bytes: {cause}", remote.url, remote.bytes))
            })?;
            if read == 0 {
                return Err(again(format!("{} ended after {at} of {} bytes", remote.url, remote.bytes)));
            }
            file.write_all(&buffer[..read]).map_err(Error::io("write", part))?;
            at += read as u64;
            control.advance(read as u64);
        }
        Ok(())
    }

    /// Does `act` until it succeeds, fails for good, or has failed too often.
    fn persist<T>(&self, mut act: impl FnMut() -> Result<T, Failure>) -> Result<T> {
        let mut failures = 0;
        loop {
            match act() {
                Ok(value) => return Ok(value),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Again { reason, after }) => {
                    failures += 1;
                    self.wait(failures, reason, after)?;
                }
            }
        }
    }

    /// Waits before another try: as long as the server asks for, or else twice as long each time, a little more or less.
    fn wait(&self, failures: u32, reason: String, after: Option<Duration>) -> Result<()> {
        if failures > self.hub.retries {
            return Err(self.failed(
                format!("{reason} ({failures} tries)"),
                "check the network and HF_ENDPOINT, and pull again: what has arrived is kept",
            ));
        }
        if let Some(long) = after.filter(|after| *after > PATIENCE) {
            let reason = format!("{reason}, and asks to come back in {} s", long.as_secs());
            return Err(self.failed(reason, "pull again later: what has arrived is kept"));
        }
        let growing = self.hub.backoff * 2_u32.saturating_pow(failures - 1).min(64);
        let mut rest = after.unwrap_or_else(|| growing.mul_f64(rand::rng().random_range(0.75..1.25)));
        tracing::info!("{reason}; trying again in {:.1} s", rest.as_secs_f64());
        while !rest.is_zero() {
            self.control.check()?;
            let nap = rest.min(Duration::from_millis(100));
            std::thread::sleep(nap);
            rest -= nap;
        }
        Ok(())
    }

    /// The response to a GET, from behind all redirects.
    fn follow(&self, url: &str, from: Option<u64>) -> Result<Response<Body>, Failure> {
        let mut at = url.to_owned();
        for _ in 0..=REDIRECTS {
            let response = self.send(&at, from, false)?;
            match location(&at, &response) {
                Some(next) => at = self.next(&at, next)?,
                None => return Ok(response),
            }
        }
        Err(self.loops(url).into())
    }

    /// The headers of the hub's own answer about a file: before the redirect to whoever stores it, behind those within the hub.
    fn headers(&self, url: &str) -> Result<HeaderMap, Failure> {
        let mut at = url.to_owned();
        for _ in 0..=REDIRECTS {
            let response = self.send(&at, None, true)?;
            match location(&at, &response) {
                Some(next) if !response.headers().contains_key("x-linked-etag") => {
                    at = self.next(&at, next)?;
                    if origin(&at) != origin(&self.hub.endpoint) {
                        // A checksum must come from the hub; `look_up` says that there is none.
                        return Ok(HeaderMap::new());
                    }
                }
                Some(_) => return Ok(response.headers().clone()),
                None => {
                    self.expect(&response, url, &[200])?;
                    return Ok(response.headers().clone());
                }
            }
        }
        Err(self.loops(url).into())
    }

    fn loops(&self, url: &str) -> Error {
        let reason = format!("{url} was redirected more than {REDIRECTS} times");
        self.failed(reason, "check HF_ENDPOINT and proxies")
    }

    /// Where a redirect may lead: never from a secured connection to an open one.
    fn next(&self, at: &str, next: Option<String>) -> Result<String, Failure> {
        match next {
            Some(next) if !(at.starts_with("https:") && next.starts_with("http:")) => Ok(next),
            other => {
                let to = other.unwrap_or_else(|| "nowhere".into());
                let reason = format!("{at} was redirected to {to}, which is not to be followed");
                Err(self.failed(reason, "check HF_ENDPOINT and proxies").into())
            }
        }
    }

    /// One request. The token goes to the hub itself and to nobody else, wherever a redirect leads.
    fn send(&self, url: &str, from: Option<u64>, head: bool) -> Result<Response<Body>, Failure> {
        let mut request = if head { self.agent.head(url) } else { self.agent.get(url) };
        // Compressed on the way, neither lengths nor ranges would be those of the file.
        request = request.header("Accept-Encoding", "identity");
        if let Some(token) = &self.hub.token
            && origin(url) == origin(&self.hub.endpoint)
        {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if let Some(from) = from.filter(|from| *from > 0) {
            request = request.header("Range", format!("bytes={from}-"));
        }
        request.call().map_err(|cause| match cause {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                self.failed(format!("{url} is no address ({cause})"), "check HF_ENDPOINT and HF_TOKEN").into()
            }
            ureq::Error::HostNotFound => again(format!("the host of {url} was not found")),
            other => again(format!("{url} cannot be reached: {other}")),
        })
    }

    /// Turns a status that is not among `good` into what the user should know.
    fn expect(&self, response: &Response<Body>, url: &str, good: &[u16]) -> Result<(), Failure> {
        let status = response.status().as_u16();
        if good.contains(&status) {
            return Ok(());
        }
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let said = header("x-error-message").map(|message| format!(": {message}")).unwrap_or_default();
        let reason = format!("{url} answers with status {status}{said}");
        let page = format!("{}/{}", self.hub.endpoint, self.repository);
        let hint = match status {
            408 | 429 | 500 | 502 | 503 | 504 => {
                let after = header("retry-after").and_then(|after| after.parse().ok()).map(Duration::from_secs);
                return Err(Failure::Again { reason, after });
            }
            401 | 403 if self.hub.token.is_none() => format!(
                "check the name; if the model is gated or private, accept its licence at {page} and set HF_TOKEN to your token"
            ),
            401 | 403 => format!(
                "HF_TOKEN was refused: accept the model's licence at {page} with the account of the token, which needs the right to read"
            ),
            404 => "check the name and the revision; for a file, see the list on the model's page".into(),
            _ => "check HF_ENDPOINT and proxies".into(),
        };
        Err(self.failed(reason, hint).into())
    }

    /// The error that names the model.
    pub fn failed(&self, reason: String, hint: impl Into<Hint>) -> Error {
        Error::ModelMissing { model: self.model.to_owned(), reason, hint: hint.into() }
    }
}

fn again(reason: String) -> Failure {
    Failure::Again { reason, after: None }
}

/// Scheme, host and port of an address: who is spoken to.
fn origin(url: &str) -> Option<(String, String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let usual = if scheme == "https" { 443 } else { 80 };
    Some((scheme, uri.host()?.to_ascii_lowercase(), uri.port_u16().unwrap_or(usual)))
}

/// Where a redirect leads, `Some(None)` when nobody could say; `None` where the response is no redirect.
fn location(at: &str, response: &Response<Body>) -> Option<Option<String>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let to = response.headers().get("location").and_then(|to| to.to_str().ok());
    Some(to.and_then(|to| {
        let uri: Uri = at.parse().ok()?;
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        match to {
            _ if to.starts_with("http://") || to.starts_with("https://") => Some(to.to_owned()),
            _ if to.starts_with("//") => Some(format!("{scheme}:{to}")),
            _ if to.starts_with('/') => Some(format!("{scheme}://{authority}{to}")),
            _ => None,
        }
    }))
}

/// The first byte that a partial answer holds.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    headers.get("content-range")?.to_str().ok()?.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}
