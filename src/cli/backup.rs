//! `echoic backup`: the newest commit as a store of its own.

use std::path::PathBuf;

use clap::Args;
use echoic::Result;
use echoic::memory::BackupMode;

use super::context::Context;
use super::output::{bytes, counted, number};
use super::pipes;

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A new or empty folder
    #[arg(value_name = "DIR", value_parser = pipes::file)]
    target: PathBuf,
    /// Copy files even where hard links would do, so that damage of the medium cannot hit both
    #[arg(long)]
    copy: bool,
}

/// Makes the backup; a writer may go on meanwhile.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let mode = if arguments.copy { BackupMode::Copy } else { BackupMode::Link };
    let taken = context.store()?.backup(&arguments.target, mode, &context.control())?;
    context.out.item(&taken, |t| {
        let (linked, copied) = (counted(t.linked, "file"), number(t.copied));
        format!("commit {}: {linked} linked, {copied} copied, {}", t.commit, bytes(t.bytes))
    })
}
