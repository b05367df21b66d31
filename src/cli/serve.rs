//! `echoic serve`: captions, audits and searches over HTTP, and the page that asks for them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use echoic::serve::{Limits, Options, PORT, Server};
use echoic::{Error, Result};
use serde::Serialize;

use super::context::Context;
use super::output::counted;
use super::search::at_least_one;

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The address and port to listen on; port 0 lets the system choose. Any other than 127.0.0.1 and [::1] needs a token
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address, default_value_t = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT))]
    bind: SocketAddr,
    /// Answer only who shows this token, of 16 characters or more; in the environment other users of the machine do not see it
    #[arg(long, env = "ECHOIC_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// Answer under this name, too, as behind a proxy (may be given several times)
    #[arg(long = "host", value_name = "NAME[:PORT]")]
    hosts: Vec<String>,
    /// Let recordings of this folder be played, those that captions name as their clips
    #[arg(long, value_name = "DIR")]
    clips: Option<PathBuf>,
    #[command(flatten)]
    bounds: Bounds,
}

/// What a client can ask of the machine.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct Bounds {
    /// The largest sound that is taken, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    max_upload: u64,
    /// The longest sound that is taken, in seconds
    #[arg(long, value_name = "S", default_value_t = Limits::default().seconds)]
    max_seconds: f64,
    /// The most channels that a sound may have
    #[arg(long, value_name = "N", default_value_t = Limits::default().channels)]
    max_channels: u16,
    /// Sounds that are received or worked on at once; who comes past them is told to come again
    #[arg(long, value_name = "N", default_value_t = Limits::default().sounds, value_parser = at_least_one)]
    max_sounds: usize,
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections, value_parser = at_least_one)]
    max_connections: usize,
    /// Seconds after which a request is given up
    #[arg(long, value_name = "S", default_value_t = Limits::default().request.as_secs_f64())]
    request_seconds: f64,
    /// Seconds that a client may pause while it sends a request, or takes the answer
    #[arg(long, value_name = "S", default_value_t = Limits::default().pause.as_secs_f64())]
    pause_seconds: f64,
}

impl Bounds {
    fn limits(&self) -> Result<Limits> {
        let pause = duration("--pause-seconds", self.pause_seconds)?;
        let mut limits = Limits::default();
        limits.upload_bytes = self.max_upload << 20;
        limits.seconds = self.max_seconds;
        limits.channels = self.max_channels;
        limits.sounds = self.max_sounds;
        limits.connections = self.max_connections;
        limits.request = duration("--request-seconds", self.request_seconds)?;
        (limits.head, limits.pause) = (pause, pause);
        Ok(limits)
    }
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    let text =
        text.strip_prefix("localhost:").map_or(text.to_owned(), |port| format!("{}:{port}", Ipv4Addr::LOCALHOST));
    text.parse().map_err(|_| "give an address and a port, such as 127.0.0.1:7373, [::1]:7373 or localhost:7373")
}

fn duration(option: &str, seconds: f64) -> Result<Duration> {
    let duration = Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| Error::input(option, seconds, "seconds, more than 0"))
}

/// What is printed once the server listens.
#[derive(Serialize)]
struct Listening {
    url: String,
    address: SocketAddr,
    token: bool,
    clips: Option<usize>,
}

/// Answers until it is stopped.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let Arguments { bind, token, hosts, clips, bounds } = arguments;
    let options = Options::default().address(*bind).token(token.clone()).hosts(hosts.clone());
    let options = options.clips(clips.clone()).limits(bounds.limits()?);
    let phase = context.control().begin("loading the model", None);
    let server = Server::bind(&context.global.store, options)?;
    phase.end();
    let listening =
        Listening { url: server.url(), address: server.address(), token: token.is_some(), clips: server.clips() };
    context.out.item(&listening, |listening| {
        let token = if listening.token { "; put # and the token behind it" } else { "" };
        let clips = listening.clips.map(|clips| format!(", {} to play", counted(clips as u64, "recording")));
        format!("listening on {}{token}{}", listening.url, clips.unwrap_or_default())
    })?;
    server.run(context.stop)
}
