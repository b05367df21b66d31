//! `echoic completions`: completion scripts for shells.

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use echoic::{Error, Result};

use super::{Cli, Context};

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(_context: &Context, arguments: &Arguments) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "echoic", &mut script);
    std::io::Write::write_all(&mut std::io::stdout(), &script).map_err(Error::io("write", "stdout"))
}
