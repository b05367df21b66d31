//! What every command is given: the options of all commands, and where results and progress go.

use std::path::PathBuf;

use clap::Args;
use echoic::models::ModelCache;
use echoic::progress::{Control, Stop};
use echoic::{Result, Snapshot, Store};

use super::bars::Bars;
use super::output::Output;

/// The heading under which help lists what every command takes, apart from its own options.
const GLOBAL: &str = "Options of every command";

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// The folder of the store
    #[arg(long, global = true, help_heading = GLOBAL, env = "ECHOIC_STORE", value_name = "DIR", default_value = "./echoic-store")]
    pub store: PathBuf,
    /// Print JSON: one document, or one line an item where there are many
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub json: bool,
    /// Print results only: no progress, no remarks
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub quiet: bool,
    /// Say more about what is done (-vv for everything)
    #[arg(short, long, global = true, help_heading = GLOBAL, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Never try to download anything
    #[arg(long, global = true, help_heading = GLOBAL, env = "ECHOIC_OFFLINE", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub offline: bool,
}

/// What every command works with.
pub struct Context {
    pub global: Global,
    pub out: Output,
    pub bars: Bars,
    pub stop: &'static Stop,
}

impl Context {
    /// Where long work reports, and what stops it.
    pub fn control(&self) -> Control<'_> {
        Control::new(&self.bars, self.stop)
    }

    /// The store that the command works on.
    pub fn store(&self) -> Result<Store> {
        Store::open(&self.global.store)
    }

    /// Its newest commit.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.store()?.snapshot()
    }

    /// The cache of models, which stays off the network with `--offline`.
    pub fn models(&self) -> Result<ModelCache> {
        Ok(ModelCache::from_env()?.offline(self.global.offline))
    }
}
