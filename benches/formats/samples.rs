//! What is read of audio files: a line of JSON each, with its length, rate and channels or its error; and, where a folder is named by `--to`, its
//! samples, mixed to one channel, as 32-bit floats.
//!
//! `cargo run --release --example formats -- [--to FOLDER] FILE…`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use echoic::Result;
use echoic::audio::Clip;
use serde_json::{Value, json};

fn main() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).without_time().with_target(false).init();
    let mut arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let mut folder = None;
    if arguments.first().is_some_and(|first| first.as_os_str() == "--to") {
        folder = arguments.drain(..2).next_back();
    }
    for path in arguments {
        let mut line = read(&path, folder.as_deref()).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        line["path"] = path.display().to_string().into();
        println!("{line}");
    }
}

fn read(path: &Path, folder: Option<&Path>) -> Result<Value> {
    let rate = Clip::open(path, 8_000)?.sample_rate();
    let clip = Clip::open(path, rate)?;
    if let Some(folder) = folder {
        let to = folder.join(format!("{}.f32", path.file_name().unwrap_or_default().to_string_lossy()));
        let mut file = BufWriter::new(File::create(&to).expect("a file of samples"));
        clip.samples(|block| {
            block.iter().for_each(|x| file.write_all(&x.to_le_bytes()).expect("room for samples"));
            Ok(())
        })?;
    }
    Ok(
        json!({ "samples": clip.len(), "rate": rate, "channels": clip.channels(), "level_dbfs": clip.facts().level.level_dbfs }),
    )
}
