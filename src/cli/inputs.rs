//! What commands that caption are given: sounds, or embeddings in their place.

use std::path::PathBuf;

use clap::Args;

use super::search::at_least_one;

/// Sounds, or a file of their embeddings.
#[derive(Debug, Args)]
pub struct Inputs {
    /// Audio files (wav, flac, ogg, mp3, m4a), folders of them, or `-` for standard input
    #[arg(value_name = "AUDIO", required_unless_present = "embedding")]
    pub audio: Vec<PathBuf>,
    /// Precomputed audio embeddings in place of sounds: a file (.npy, .npz, safetensors, Parquet, Arrow); an array or column in it is named behind a colon
    #[arg(long, value_name = "FILE[:NAME]", conflicts_with = "audio")]
    pub embedding: Option<PathBuf>,
    /// Sounds to work on at once; by default as many as there are processors, 8 at most
    #[arg(short, long, value_name = "N", value_parser = at_least_one, conflicts_with = "embedding")]
    jobs: Option<usize>,
}

impl Inputs {
    /// Sounds to work on at once. Each of minutes holds some 45 MB while it is worked on, and a tower keeps several processors busy itself.
    pub fn jobs(&self) -> usize {
        self.jobs.unwrap_or_else(|| rayon::current_num_threads().min(8))
    }
}
