//! `echoic audit memory`.

use clap::Args;
use echoic::{Error, Result};

use super::super::context::Context;

/// Arguments of `audit memory`.
#[derive(Debug, Args)]
pub struct Arguments {}

/// Audits.
pub fn run(_context: &Context, _arguments: &Arguments) -> Result<()> {
    Err(Error::Internal("unfinished".into()))
}
