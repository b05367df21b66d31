//! Our BERTs beside those of candle-transformers, on real captions: are the embeddings the same, do their bits depend on what else is
//! embedded, and how long does a text take?
//!
//! `ECHOIC_DATA=… cargo bench --bench candle -- [ROUNDS]`, with candle optimised by the options that `docs/benchmarks/candle.md` names: here
//! it is built without. The starter must be installed (`echoic models pull starter`). `minilm` is its text tower; `bert` is WavCaps',
//! bert-base-uncased, and `roberta` that of LAION's CLAP, both of full size with random weights. Each contestant is a process of its own for
//! each number of threads; they take turns, so that what else the machine does meets all alike. Printed are medians.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that cannot go on shall fail")]

mod contestants;
#[path = "../peak.rs"]
mod peak;
#[path = "../../processor/mod.rs"]
mod processor;
mod random;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use contestants::{CONTESTANTS, MODELS};

/// How many captions are embedded in one go.
const COUNTS: [usize; 3] = [1, 8, 64];

/// Rounds that do not count: the first one loads the weights.
const WARM_UP: usize = 2;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [word, contestant, model, folder, texts] = &arguments[..]
        && word == "contestant"
    {
        return contestants::serve(contestant, model, folder.as_ref(), texts.as_ref());
    }
    let rounds = arguments.iter().find_map(|word| word.parse().ok()).unwrap_or(5);
    let Some(captions) = captions() else {
        eprintln!("SKIPPED: ECHOIC_DATA does not name a folder with captions/clotho-val.csv");
        return;
    };
    let guard = tempfile::tempdir().unwrap();
    for model in MODELS {
        let folder = random::folder(model, guard.path());
        for count in COUNTS {
            let texts = guard.path().join("texts");
            std::fs::write(&texts, captions[..count].join("\n")).unwrap();
            compare(model, &folder, &texts, count, rounds, guard.path());
        }
    }
}

/// Captions of Clotho, one a clip, so that neighbours do not resemble each other.
fn captions() -> Option<Vec<String>> {
    let path = PathBuf::from(std::env::var_os("ECHOIC_DATA")?).join("captions/clotho-val.csv");
    let rows = echoic::corpus::open(&path, &Default::default()).ok()?;
    let texts: Vec<String> = rows.flatten().map(|row| row.text).step_by(5).collect();
    (texts.len() >= COUNTS[2]).then_some(texts)
}

/// All contestants with one thread and with two, in turns; prints a table.
fn compare(model: &str, folder: &Path, texts: &Path, count: usize, rounds: usize, scratch: &Path) {
    let pairs = CONTESTANTS.iter().flat_map(|name| [(*name, 1), (*name, 2)]);
    let mut all: Vec<Process> =
        pairs.map(|(name, threads)| Process::start(name, threads, model, folder, texts)).collect();
    for round in 0..WARM_UP + rounds {
        for process in &mut all {
            process.turn(round >= WARM_UP);
        }
    }
    let embeddings: Vec<Vec<f32>> = all.iter_mut().map(|process| process.embeddings(scratch)).collect();
    println!("\n{model}, {count} texts\n");
    println!(
        "| contestant | threads | ms a text | processor ms a text | largest difference from ours | cosine distance from ours | texts whose bits \
         differ alone | bits as with 1 thread | MB |\n|---|---|---|---|---|---|---|---|---|"
    );
    for (index, (process, found)) in all.iter_mut().zip(&embeddings).enumerate() {
        let ours = &embeddings[0];
        let apart = found.iter().zip(ours).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let dim = ours.len() / count;
        let cosine =
            |(a, b): (&[f32], &[f32])| 1.0 - a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let distance = found.chunks(dim).zip(ours.chunks(dim)).map(cosine).fold(0.0, f64::max);
        let same = if found == &embeddings[index / 2 * 2] { "yes" } else { "no" };
        let (wall, processor) = (median(&process.wall), median(&process.processor));
        let (differ, memory) = (process.ask("alone"), process.ask("memory"));
        let of = |seconds: f64| seconds * 1e3 / count as f64;
        println!(
            "| {} | {} | {:.2} | {:.2} | {apart:.1e} | {distance:.1e} | {differ} of {count} | {same} | {memory} |",
            process.name,
            process.threads,
            of(wall),
            of(processor),
        );
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A contestant that waits for its turns.
struct Process {
    name: &'static str,
    threads: usize,
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    wall: Vec<f64>,
    processor: Vec<f64>,
}

impl Process {
    fn start(name: &'static str, threads: usize, model: &str, folder: &Path, texts: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["contestant", name, model]).arg(folder).arg(texts);
        command.env("RAYON_NUM_THREADS", threads.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { name, threads, child, questions, answers, wall: Vec::new(), processor: Vec::new() }
    }

    fn ask(&mut self, question: &str) -> String {
        writeln!(self.questions, "{question}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    fn turn(&mut self, counts: bool) {
        let answer = self.ask("turn");
        let (wall, processor) = answer.split_once(' ').unwrap();
        if counts {
            self.wall.push(wall.parse().unwrap());
            self.processor.push(processor.parse().unwrap());
        }
    }

    fn embeddings(&mut self, scratch: &Path) -> Vec<f32> {
        let path = scratch.join("embeddings");
        assert_eq!(self.ask(&format!("write {}", path.display())), "written");
        let bytes = std::fs::read(path).unwrap();
        bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
