//! `echoic completions`: completion scripts for shells.

use clap::{Args, Command};
use clap_complete::Shell;
use echoic::{Error, Result};

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the script for the whole command line.
pub fn run(arguments: &Arguments, mut whole: Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut whole, "echoic", &mut script);
    std::io::Write::write_all(&mut std::io::stdout(), &script).map_err(Error::io("write", "stdout"))
}
