//! Our side of `benches/towers/run.py`: takes ten seconds of log-mel, or 32 texts of 20 tokens, through a tower for each line of input, or the
//! lines of a file through the starter's MiniLM, and prints how long it took.
//!
//! `towers cnn14|htsat|bert CHECKPOINT THREADS` or `towers minilm TEXTS THREADS`; prints `ready MEGABYTES SECONDS`, then for each line `WALL PROCESSOR` in seconds.

mod peak;

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use echoic::Clap;
use echoic::internals::checkpoint;
use echoic::internals::cnn14::{Cnn14, Cnn14Config};
use echoic::internals::htsat::{Htsat, HtsatConfig, Layout};
use peak::peak_memory;

/// Log-mel frames of ten seconds.
const FRAMES: usize = 1_001;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [tower, file, threads] = &arguments[..] else { return Err("cnn14|htsat|bert|minilm FILE THREADS".into()) };
    rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build_global()?;
    let start = Instant::now();
    let forward = contestant(tower, Path::new(file))?;
    println!("ready {:.0} {:.2}", peak_memory(), start.elapsed().as_secs_f64());
    for line in std::io::stdin().lock().lines() {
        line?;
        let (wall, processor) = (Instant::now(), processor_time());
        std::hint::black_box(forward()?);
        println!("{:.6} {:.6}", wall.elapsed().as_secs_f64(), processor_time() - processor);
        std::io::stdout().flush()?;
    }
    eprintln!("peak {:.0} MB", peak_memory());
    Ok(())
}

type Forward = Box<dyn Fn() -> echoic::Result<Vec<f32>>>;

/// What a turn computes, with everything loaded.
fn contestant(tower: &str, file: &Path) -> Result<Forward, Box<dyn std::error::Error>> {
    if tower == "bert" || tower == "minilm" {
        let starter = tower == "minilm";
        let clap = Clap::load(&if starter { "starter".to_owned() } else { file.display().to_string() })?;
        let word = |text: usize| (0..18).map(move |n| format!("w{}", (text * 311 + n * 97) % 30_000));
        let texts: Vec<String> = match starter {
            true => std::fs::read_to_string(file)?.lines().map(str::to_owned).collect(),
            false => (0..32).map(|text| word(text).collect::<Vec<_>>().join(" ")).collect(),
        };
        // Once outside the turns: the tower is loaded when it is first used.
        clap.embed_texts(&texts)?;
        return Ok(Box::new(move || Ok(clap.embed_texts(&texts)?.into_vec())));
    }
    let tensors = checkpoint::open(file)?;
    let mel: Vec<f32> = (0..FRAMES * 64).map(|i| ((i * 7919) % 600) as f32 / 10.0 - 60.0).collect();
    if tower == "cnn14" {
        let tower = Cnn14::load(tensors.as_ref(), "", &Cnn14Config::default())?;
        return Ok(Box::new(move || tower.forward(&mel)));
    }
    let tower = Htsat::load(tensors.as_ref(), "", Layout::Original, &HtsatConfig::tiny())?;
    Ok(Box::new(move || tower.forward(&mel)))
}

/// Seconds that all threads together have run.
fn processor_time() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let time = |task: std::fs::DirEntry| -> Option<f64> {
        std::fs::read_to_string(task.path().join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    tasks.filter_map(time).sum::<f64>() * 1e-9
}
