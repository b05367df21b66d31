//! The shipped adapter hears: clips of ESC-50's fold 4, which it has not been trained on, find the text of their class in a store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use echoic::Clap;
use echoic::corpus::{self, Options};
use echoic::retrieval::{RetrievalOptions, retrieve};

use crate::common::bench::Bench;
use crate::common::needs::{real_data, starter_is_installed};
use crate::common::stores;

/// Share of the clips that must find their class.
const LEAST: f64 = 0.75;

/// A class's label in natural words, as people write captions.
fn noun(label: &str) -> String {
    let label = label.replace('_', " ");
    let special = [
        ("door wood knock", "a door knock"),
        ("mouse click", "a mouse click"),
        ("can opening", "a can opening"),
        ("drinking sipping", "drinking and sipping"),
        ("clock tick", "a clock ticking"),
        ("clock alarm", "an alarm clock"),
        ("door wood creaks", "a creaking wooden door"),
    ];
    // Materials, doings and plurals take no article.
    let plain = [
        "coughing",
        "sneezing",
        "laughing",
        "snoring",
        "breathing",
        "brushing teeth",
        "footsteps",
        "clapping",
        "fireworks",
        "rain",
        "sea waves",
        "chirping birds",
        "water drops",
        "pouring water",
        "church bells",
        "wind",
        "crickets",
        "glass breaking",
        "keyboard typing",
        "insects",
    ];
    if let Some((_, natural)) = special.iter().find(|(raw, _)| *raw == label) {
        (*natural).to_owned()
    } else if plain.contains(&label.as_str()) {
        label
    } else {
        format!("{} {label}", if label.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" })
    }
}

/// A column of the index, where it is filled, by the path of the clip.
fn column(data: &Path, name: &str) -> BTreeMap<String, String> {
    let options = Options::default().column(name.to_owned());
    let rows = corpus::open(data.join("audio/index.csv"), &options).unwrap().flatten();
    rows.map(|row| (row.clip.unwrap(), row.text)).collect()
}

#[test]
fn clips_of_an_unheard_fold_find_the_text_of_their_class() {
    let Some(data) = real_data("audio/index.csv").filter(|_| starter_is_installed()) else { return };
    let (folds, labels) = (column(&data, "split"), column(&data, "label"));
    let clips = folds.into_iter().filter(|(_, fold)| fold == "fold4");
    let clips: Vec<(String, String)> = clips
        .map(|(path, _)| {
            let text = format!("The sound of {}.", noun(&labels[&path]));
            (path, text)
        })
        .collect();
    let classes: BTreeSet<&str> = clips.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!((clips.len(), classes.len()), (400, 50));

    let bench = Bench::new();
    bench.run(&["init"]).succeeds();
    bench.write("classes.txt", classes.iter().copied().collect::<Vec<_>>().join("\n"));
    bench.run(&["ingest", "classes.txt", "--domain", "classes"]).succeeds();

    let memory = stores::open(&bench.store());
    let clap = Clap::for_store(&memory).unwrap();
    let options = RetrievalOptions::default().k(1);
    let mut right = 0;
    let mut missed: BTreeMap<&str, usize> = BTreeMap::new();
    for (path, text) in &clips {
        let audio = clap.embed_audio(&data.join("audio").join(path)).unwrap();
        let found = retrieve(&memory, &audio.embedding, &options).unwrap();
        if found.neighbours[0].caption == *text {
            right += 1;
        } else {
            *missed.entry(text).or_default() += 1;
        }
    }
    let share = f64::from(right) / clips.len() as f64;
    println!("ESC-50 fold 4: {share:.4} of {} clips find their class; missed: {missed:?}", clips.len());
    assert!(share >= LEAST, "{share}");

    let (path, _) = &clips[0];
    let path = data.join("audio").join(path).display().to_string();
    let searched = bench.run_json(&["search", "--audio", &path, "-k", "1"]);
    let audio = clap.embed_audio(&path).unwrap();
    let found = retrieve(&memory, &audio.embedding, &options).unwrap();
    assert_eq!(searched.succeeds().json()["neighbours"][0]["caption"], found.neighbours[0].caption.as_str());
}
