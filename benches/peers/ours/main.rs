//! Echoic's side of the comparison with its peers; `benches/peers/run.py` drives it.
//!
//!     peers embed DATA OUT                  captions and clips into .npy files, by the starter
//!     peers grow IN.npy OUT.npy ROWS        a larger set from a smaller one
//!     peers serve                           questions from standard input, answers to standard output
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on shall fail")]

mod data;
mod serve;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

fn main() -> echoic::Result<()> {
    let asked: Option<Targets> = std::env::var("RUST_LOG").ok().and_then(|filter| filter.parse().ok());
    let asked = asked.unwrap_or_else(|| Targets::new().with_default(LevelFilter::ERROR));
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
        .with(asked)
        .init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["embed", from, to] => data::embed(from.as_ref(), to.as_ref()),
        ["grow", from, to, rows] => data::grow(from.as_ref(), to.as_ref(), rows.parse().unwrap()),
        ["serve"] => serve::serve(),
        _ => {
            let usage = "embed DATA OUT | grow IN.npy OUT.npy ROWS | serve";
            Err(echoic::Error::input("the arguments", format!("{arguments:?}"), usage))
        }
    }
}
