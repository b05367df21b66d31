//! Answering over HTTP: captions, audits and searches of one store, and the page that asks for them.
//!
//! Nothing listens before [`Server::bind`], and nobody is answered before [`Server::run`]. On the loopback interface no token is needed; anywhere
//! else there is no server without one. What a client can ask of the machine is bounded by [`Limits`].
//!
//! ```no_run
//! use echoic::progress::Stop;
//! use echoic::serve::{Options, Server};
//!
//! let server = Server::bind("my-store", Options::default())?;
//! println!("{}", server.url());
//! let stop = Stop::new(); // a signal handler calls `stop.request()`
//! server.run(&stop)?;
//! # Ok::<(), echoic::Error>(())
//! ```

mod answers;
mod assets;
mod body;
mod clips;
mod drain;
mod guard;
mod ingests;
mod jobs;
mod limits;
mod listen;
mod memory;
mod playing;
mod question;
mod refusal;
mod routes;
mod shared;
mod tables;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use limits::Limits;

use self::clips::Clips;
use self::guard::{Guard, Token};
use self::memory::Memory;
use self::shared::Shared;
use crate::progress::Stop;
use crate::{Error, Result};

/// The port that is listened on where none is named.
pub const PORT: u16 = 7373;

/// Where and how to answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The address to listen on; with port 0 the system chooses one.
    pub address: SocketAddr,
    /// What a client must show. Needed on any address that is not of the loopback interface.
    pub token: Option<String>,
    /// Names under which the server may be spoken to, beside its address and `localhost`; with a port, or on any.
    pub hosts: Vec<String>,
    /// The folder of the recordings that captions describe; those that are found there by their names can be played.
    pub clips: Option<PathBuf>,
    /// What a client can ask of the machine.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT);
        Self { address, token: None, hosts: Vec::new(), clips: None, limits: Limits::default() }
    }
}

impl Options {
    /// Listens here.
    #[must_use]
    pub fn address(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// Answers only who shows this token.
    #[must_use]
    pub fn token(self, token: impl Into<Option<String>>) -> Self {
        Self { token: token.into(), ..self }
    }

    /// Answers to these names, too.
    #[must_use]
    pub fn hosts(self, hosts: Vec<String>) -> Self {
        Self { hosts, ..self }
    }

    /// Plays recordings of this folder.
    #[must_use]
    pub fn clips(self, clips: impl Into<Option<PathBuf>>) -> Self {
        Self { clips: clips.into(), ..self }
    }

    /// Bounds what is asked so.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}

/// A server that listens; [`Server::run`] answers.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    /// Opens the store in `dir` with its model, finds the clips, and listens.
    ///
    /// # Errors
    /// [`Error::Input`] for an address that needs a token, for a token that is too short, and for a name that is none; as
    /// [`Store::snapshot`](crate::Store::snapshot), [`Clap::for_store`](crate::Clap::for_store) and [`Clap::load_audio`](crate::Clap::load_audio);
    /// [`Error::Io`] where the address is taken, or the folder of clips cannot be read.
    pub fn bind(dir: impl AsRef<Path>, options: Options) -> Result<Self> {
        let Options { address, token, hosts, clips, limits } = options;
        limits.check()?;
        let token = token.as_deref().map(Token::new).transpose()?;
        if token.is_none() && !address.ip().is_loopback() {
            return Err(Error::input(
                "the address",
                format!("{address}, which others can reach, and no token"),
                "a token",
            )
            .with_hint("give a token, or listen on 127.0.0.1"));
        }
        let clips = clips.as_deref().map(Clips::find).transpose()?;
        let memory = Memory::open(dir.as_ref())?;
        let failed = |source| Error::Io { action: "listen on", path: PathBuf::from(address.to_string()), source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let guard = Guard::new(address, &hosts, token)?;
        Ok(Self { listener, address, shared: Arc::new(Shared::new(memory, clips, guard, limits)) })
    }

    /// Where it listens, with the port that the system chose where that was left to it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the page.
    pub fn url(&self) -> String {
        let reachable = match self.address.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        };
        format!("http://{}/", SocketAddr::new(reachable, self.address.port()))
    }

    /// Recordings that can be played; `None` where no folder of them was named.
    pub fn clips(&self) -> Option<usize> {
        self.shared.clips.as_ref().map(Clips::len)
    }

    /// Answers until `stop` is requested, then until what is under way is done, or [`Limits::grace`] is over.
    ///
    /// # Errors
    /// [`Error::Io`] where no threads can be started.
    pub fn run(self, stop: &Stop) -> Result<()> {
        listen::run(self.listener, self.shared, stop)
    }
}
