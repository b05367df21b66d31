//! What every command is given: the options of all commands, and where results and progress go.

use std::path::{Path, PathBuf};

use clap::Args;
use echoic::audio::Audio;
use echoic::models::ModelCache;
use echoic::progress::{Control, Stop};
use echoic::{Result, Snapshot, Store};

use super::bars::Bars;
use super::output::Output;
use super::pipes;

/// The heading under which help lists what every command takes, apart from its own options.
const GLOBAL: &str = "Options of every command";

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// The folder of the store
    #[arg(long, global = true, help_heading = GLOBAL, env = "ECHOIC_STORE", value_name = "DIR", default_value = "./echoic-store", value_parser = pipes::file)]
    pub store: PathBuf,
    /// Whether that folder was named, and is not the one that is taken where none is
    #[arg(skip)]
    pub store_is_named: bool,
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
    /// Let an installed ffmpeg decode the audio files that are not read otherwise
    #[arg(long, global = true, help_heading = GLOBAL, env = "ECHOIC_FFMPEG", value_name = "PROGRAM", num_args = 0..=1, default_missing_value = "ffmpeg", require_equals = true)]
    pub ffmpeg: Option<PathBuf>,
}

impl Global {
    /// A file to listen to.
    pub fn audio<'a>(&self, path: &'a Path) -> Audio<'a> {
        self.decoded(Audio::from(path))
    }

    /// A sound that an installed ffmpeg decodes where that was asked for.
    pub fn decoded<'a>(&self, audio: Audio<'a>) -> Audio<'a> {
        match self.ffmpeg() {
            Some(program) => audio.with_ffmpeg(program),
            None => audio,
        }
    }

    /// The ffmpeg that was allowed; an empty name in the environment allows none.
    pub fn ffmpeg(&self) -> Option<&PathBuf> {
        self.ffmpeg.as_ref().filter(|program| !program.as_os_str().is_empty())
    }
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
