//! Decodes every audio file of a folder to one channel, on as many threads as rayon is told, and prints the seconds that it took as JSON.
//!
//! `RAYON_NUM_THREADS=2 cargo run --release --example decoding -- FOLDER`; `run.py` compares it with ffmpeg.

use std::path::PathBuf;
use std::time::Instant;

use echoic::audio::Clip;
use rayon::prelude::*;

/// The rate of the clips: nothing is resampled.
const RATE: u32 = 44_100;

fn main() {
    let folder = std::env::args_os().nth(1).expect("a folder");
    let entries = std::fs::read_dir(folder).expect("a folder of sounds");
    let files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    let start = Instant::now();
    let seconds: f64 = files
        .par_iter()
        .map(|file| {
            let rate = if file.extension().is_some_and(|ending| ending == "opus") { 48_000 } else { RATE };
            Clip::open(file, rate).expect("a sound").seconds()
        })
        .sum();
    let took = start.elapsed().as_secs_f64();
    println!("{}", serde_json::json!({ "files": files.len(), "seconds_of_sound": seconds, "took": took }));
}
