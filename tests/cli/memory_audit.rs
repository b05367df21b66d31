//! Story: somebody examines a memory in which faults were planted; each is found, and the command that is printed mends it.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::bench::{Bench, Run, finished};
use crate::common::needs::starter_is_installed;
use crate::common::{fixture, npy, scattered};

const DIM: usize = 16;

/// Captions that nothing is wrong with: 96 of them.
fn sound_captions() -> Vec<String> {
    let who = ["A small dog", "An old clock", "The cold wind", "A heavy train", "Some children", "A broken engine"];
    let does = ["makes a loud noise", "can be heard far away", "goes on for a while", "stops all of a sudden"];
    let place = ["in the garden at night", "behind the house", "near the river", "while people are talking"];
    let mut captions = Vec::new();
    for who in who {
        for does in does {
            captions.extend(place.map(|place| format!("{who} {does} {place}.")));
        }
    }
    captions
}

/// Vectors around the first axis.
fn around(rows: usize) -> Vec<Vec<f32>> {
    let mut vectors: Vec<Vec<f32>> = scattered(rows, DIM).chunks_exact(DIM).map(<[f32]>::to_vec).collect();
    vectors.iter_mut().for_each(|vector| vector[0] += 1.0);
    vectors
}

struct Planted {
    bench: Bench,
    ids: HashMap<String, u64>,
}

const HUB: &str = "Something makes a noise somewhere.";
const STRAY: &str = "The committee approved the budget of the year.";
const FRENCH: &str = "Un chien aboie très fort dans le jardin de la maison voisine.";
const UNSEEN: &str = "A cat\u{200b} purrs on the sofa next to a window.";
const ENTITY: &str = "Cats &amp; dogs are fighting in the yard.";
const SHOUTED: &str = "a SMALL dog makes a loud noise, in the garden at night!";
const AGAIN: &str = "A little dog is making much noise in a garden by night.";

/// A store with faults: an odd text or vector for each, and a domain that says nothing new.
fn planted() -> Planted {
    let bench = Bench::external(DIM);
    let mut captions = sound_captions();
    let mut vectors = around(captions.len() + 5);
    vectors.truncate(captions.len());
    let extra = around(captions.len() + 5);
    let axis = |sign: f32| (0..DIM).map(|at| if at == 0 { sign } else { 0.0 }).collect::<Vec<f32>>();
    let copied = |of: usize| vectors[of].clone();
    let faults = [
        (HUB, axis(1.0)),
        (STRAY, axis(-1.0)),
        (FRENCH, extra[captions.len()].clone()),
        (UNSEEN, extra[captions.len() + 1].clone()),
        (ENTITY, extra[captions.len() + 2].clone()),
        (SHOUTED, extra[captions.len() + 3].clone()),
        (AGAIN, copied(1)),
    ];
    for (caption, vector) in faults {
        captions.push(caption.into());
        vectors.push(vector);
    }
    let ingest = |domain: &str, captions: &[String], vectors: &[Vec<f32>]| {
        let text = bench.write(&format!("{domain}.txt"), captions.join("\n"));
        let file = bench.write(&format!("{domain}.npy"), npy(&vectors.concat(), vectors.len(), DIM));
        bench.run(&["ingest", &text, "--domain", domain, "--embeddings", &file]).succeeds();
    };
    ingest("street", &captions, &vectors);
    ingest("copy", &captions[20..30], &vectors[20..30]);
    let listed = bench.run_json(&["captions", "list", "--domain", "street"]).succeeds().lines();
    let ids = listed.iter().map(|c| (c["caption"].as_str().unwrap().to_owned(), c["id"].as_u64().unwrap())).collect();
    Planted { bench, ids }
}

impl Planted {
    fn audit(&self) -> Value {
        self.bench.run_json(&["audit", "memory"]).succeeds().json()
    }

    /// Runs a command as it was printed, in a shell.
    fn mend(&self, command: &str) -> Run {
        let program = Path::new(env!("CARGO_BIN_EXE_echoic")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        finished(shell.args(["-c", command]).env("PATH", path).current_dir(self.bench.dir.path()).output().unwrap())
    }
}

/// The finding that names this caption for removal, and is of this kind.
fn finding<'a>(audit: &'a Value, kind: &str, id: u64) -> Option<&'a Value> {
    let names = |remedy: &Value| remedy["ids"].as_array().is_some_and(|ids| ids.contains(&id.into()));
    let mut findings = audit["findings"].as_array().unwrap().iter();
    findings.find(|finding| finding["kind"] == kind && finding["remedies"].as_array().unwrap().iter().any(names))
}

#[cfg(unix)]
#[test]
fn every_fault_is_found_and_the_command_that_is_printed_mends_it() {
    let planted = planted();
    for (kind, caption) in [
        ("hubs", HUB),
        ("outliers", STRAY),
        ("odd_texts", FRENCH),
        ("odd_texts", UNSEEN),
        ("odd_texts", ENTITY),
        ("trivial_duplicates", SHOUTED),
        ("near_duplicates", AGAIN),
    ] {
        let id = planted.ids[caption];
        let audit = planted.audit();
        let found = finding(&audit, kind, id);
        let found = found.unwrap_or_else(|| panic!("{kind} for '{caption}' is not in {:#}", audit["findings"]));
        let command = found["commands"][0].as_str().unwrap();
        assert!(command.starts_with("echoic --store '") && command.contains("captions remove"), "{command}");
        planted.mend(command).succeeds();
        assert_eq!(finding(&planted.audit(), kind, id), None, "{command} has mended nothing");
    }
    let audit = planted.audit();
    let domain = audit["findings"].as_array().unwrap().iter().find(|finding| finding["kind"] == "domain_overlap");
    let command = domain.unwrap()["commands"][0].as_str().unwrap().to_owned();
    assert!(command.ends_with("domains remove copy"), "{command}");
    planted.mend(&command).succeeds();
    let after = planted.audit();
    assert!(after["findings"].as_array().unwrap().iter().all(|finding| finding["kind"] != "domain_overlap"));
    assert_eq!(after["examined"]["domains"], serde_json::json!(["street"]));
}

#[test]
fn the_report_says_what_lies_behind_its_findings() {
    let planted = planted();
    let audit = planted.audit();
    let first = &audit["hubs"]["by_texts"]["most_found"][0];
    assert_eq!(first["caption"], HUB);
    assert!(audit["hubs"]["by_texts"]["skewness"].as_f64().unwrap() > 1.4);
    assert_eq!(audit["outliers"]["by_neighbour"]["farthest"][0]["caption"], STRAY);
    let is_orphan = |text: &Value| text["id"] == planted.ids[STRAY];
    let orphans = audit["hubs"]["by_texts"]["orphans"]["texts"].as_array().unwrap();
    assert!(orphans.iter().any(is_orphan), "what is far from all is found by none");
    assert_eq!(audit["overlap"]["domains"], serde_json::json!(["street", "copy"]));
    assert_eq!((&audit["overlap"]["same"][0][1], &audit["overlap"]["near"][1][0]), (&10.into(), &1.0.into()));
    let kinds: Vec<u64> = audit["duplicates"]["kinds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["clusters"].as_u64().unwrap())
        .collect();
    assert!(kinds[0] == 10 && kinds[1] >= 1 && kinds[2] >= 1, "{kinds:?}");
    let edges = audit["duplicates"]["nearest"]["edges"].as_array().unwrap().len();
    assert_eq!(edges, audit["duplicates"]["nearest"]["counts"].as_array().unwrap().len() + 1);
    let severities: Vec<&str> =
        audit["findings"].as_array().unwrap().iter().map(|finding| finding["severity"].as_str().unwrap()).collect();
    assert!(severities.is_sorted_by_key(|severity| ["high", "medium", "low"].iter().position(|s| s == severity)));
    assert_eq!(audit, planted.audit(), "the same store gives the same report");

    let told = planted.bench.run(&["audit", "memory"]);
    let text = &told.succeeds().stdout;
    for words in ["FOUND", "HUBS", "OUTLIERS", "skewness", "other language", "French", "U+200B", "captions remove"] {
        assert!(text.contains(words), "'{words}' is not in {text}");
    }
    assert!(!text.contains('█') && !text.contains('\u{1b}'), "plain in a pipe");
    for line in text.lines().filter(|line| !line.contains("echoic --store")) {
        assert!(line.chars().count() <= 80, "{line}");
    }

    let few = planted.bench.run_json(&["audit", "memory", "--only", "texts,gap", "--domain", "copy"]).succeeds().json();
    assert!(few["hubs"].is_null() && few["texts"].is_object() && few["gap"]["sounds"].is_null());
    assert_eq!(few["examined"]["captions"], 10);
    let some =
        planted.bench.run_json(&["audit", "memory", "--sample", "20", "-k", "3", "--near", "0.9"]).succeeds().json();
    let examined = &some["examined"];
    assert_eq!((&examined["sampled"], &examined["k"]), (&20.into(), &3.into()));
    assert_eq!(some["hubs"]["by_texts"]["orphans"]["meaningful"], false);
}

/// Whoever runs one command after another removes each text once, and keeps one of those that say the same.
#[cfg(unix)]
#[test]
fn all_commands_can_be_run_one_after_another() {
    let planted = planted();
    let audit = planted.audit();
    let remedies =
        audit["findings"].as_array().unwrap().iter().flat_map(|finding| finding["remedies"].as_array().unwrap());
    let ids: Vec<u64> = remedies
        .flat_map(|remedy| remedy["ids"].as_array().cloned().unwrap_or_default())
        .map(|id| id.as_u64().unwrap())
        .collect();
    let once: std::collections::BTreeSet<u64> = ids.iter().copied().collect();
    assert_eq!(once.len(), ids.len(), "a text is named twice: {ids:?}");
    assert!(once.contains(&planted.ids[STRAY]) && once.contains(&planted.ids[HUB]));
    for finding in audit["findings"].as_array().unwrap() {
        for command in finding["commands"].as_array().unwrap().iter().take(1) {
            let command = command.as_str().unwrap();
            if command.contains("remove") {
                planted.mend(command).succeeds();
            }
        }
    }
    let left = planted.bench.run_json(&["captions", "list"]).succeeds().lines();
    let left: Vec<&str> = left.iter().map(|caption| caption["caption"].as_str().unwrap()).collect();
    assert!(sound_captions()[20..30].iter().all(|caption| left.contains(&caption.as_str())), "both copies are gone");
    for (one, other) in [(AGAIN, &sound_captions()[1]), (SHOUTED, &sound_captions()[0])] {
        assert!(left.contains(&one) || left.contains(&other.as_str()), "neither {one} nor {other} is left");
    }
}

#[test]
fn a_handful_of_queries_is_no_verdict_on_hubs() {
    let planted = planted();
    let file = planted.bench.npy("few.npy", 1, DIM);
    let asked = ["audit", "memory", "--only", "hubs", "--sample", "29", "--queries", &file];
    let hubs = planted.bench.run_json(&asked).succeeds().json()["hubs"].clone();
    for (asked, queries) in [("by_texts", 29), ("by_sounds", 1)] {
        let counts = &hubs[asked];
        assert_eq!((&counts["queries"], &counts["meaningful"]), (&queries.into(), &false.into()), "{counts}");
        assert_eq!(counts["skewness"], Value::Null);
    }
    let told = planted.bench.run(&[&asked[..], &["-k", "1"]].concat());
    for words in [
        "29 queries only: too few",
        "1 query only: too few",
        "29 texts, a sample by seed 0 and 1 sound, for 1 neighbour each",
    ] {
        assert!(told.succeeds().stdout.contains(words), "'{words}' is not in {told:?}");
    }
    let told = planted.bench.run(&["audit", "memory", "--only", "recall"]);
    assert!(!told.succeeds().stdout.contains("asked with"), "{told:?}");
}

#[test]
fn searches_are_timed_and_their_recall_is_drawn() {
    let planted = planted();
    let (svg, png) = (planted.bench.path("recall.svg"), planted.bench.path("recall.png"));
    let file = planted.bench.npy("asking.npy", 12, DIM);
    let files = ["--svg", svg.to_str().unwrap(), "--png", png.to_str().unwrap(), "--queries", &file];
    let timed = ["audit", "memory", "--only", "recall", "--plot", "recall"];
    let curve = planted.bench.run_json(&[&timed[..], &files].concat()).succeeds().json()["recall_curve"].clone();
    assert_eq!(curve["k"], 10);
    for (asked, queries) in [("by_texts", 200), ("by_sounds", 12)] {
        let points = curve[asked].as_array().unwrap();
        assert!(points.iter().all(|point| point["queries"] == queries && point["median_us"].as_f64() > Some(0.0)));
        let last = points.last().unwrap();
        assert_eq!((&last["ef"], &last["recall"]), (&Value::Null, &1.0.into()));
    }
    let drawn = std::fs::read_to_string(svg).unwrap();
    for words in ["Recall and latency", "texts (200 queries)", "sounds (12 queries)", "median milliseconds"] {
        assert!(drawn.contains(words), "'{words}' is not drawn");
    }
    assert!(std::fs::read(png).unwrap().starts_with(b"\x89PNG"));
    let told = planted.bench.run(&timed);
    for words in ["RECALL AND LATENCY of the 10 nearest, asked with texts: 200 queries", "all (--exact)", "1.0000"] {
        assert!(told.succeeds().stdout.contains(words), "'{words}' is not in {told:?}");
    }
    assert!(told.stdout.lines().all(|line| line.chars().count() <= 80), "{told:?}");
    assert_eq!(planted.audit()["recall_curve"], Value::Null, "nothing is timed unasked");
}

#[test]
fn a_plot_or_a_map_that_goes_nowhere_is_refused() {
    let planted = planted();
    let run = |more: &[&str]| planted.bench.run(&[&["audit", "memory", "--only", "texts"], more].concat());
    run(&["--plot", "words"]).fails(1, &["--plot", "no file", "--svg FILE or --png FILE"]);
    run(&["--map", "tsne"]).fails(1, &["--map", "no page", "--html FILE"]);
    run(&["--map", "none"]).succeeds();
}

#[test]
fn embeddings_of_sounds_ask_too() {
    let planted = planted();
    let mut vectors = around(40);
    vectors.truncate(29);
    vectors.push((0..DIM).map(|at| if at == 3 { -1.0 } else { 0.0 }).collect());
    let file = planted.bench.write("heard.npy", npy(&vectors.concat(), 30, DIM));
    let audit = planted.bench.run_json(&["audit", "memory", "--queries", &file]).succeeds().json();
    assert_eq!((&audit["examined"]["sounds"], &audit["hubs"]["by_sounds"]["queries"]), (&30.into(), &30.into()));
    let gap = &audit["gap"];
    assert!(gap["distance"].as_f64().unwrap() > 0.0 && gap["across_cosines"]["counts"].is_array());
    assert!(gap["farthest"][0]["sound"].as_str().unwrap().ends_with("heard.npy [29]"), "{}", gap["farthest"][0]);
    let unmatched = audit["findings"].as_array().unwrap().iter().find(|finding| finding["kind"] == "unmatched_sounds");
    assert!(unmatched.unwrap()["commands"][0].as_str().unwrap().ends_with("ingest FILE --domain NAME"));

    // A row without a direction is told and does not stop the others.
    vectors[4] = vec![0.0; DIM];
    let file = planted.bench.write("one-is-nothing.npy", npy(&vectors.concat(), 30, DIM));
    let run = planted.bench.run(&["audit", "memory", "--queries", &file]);
    run.fails(1, &["row 4", "a direction"]);
    assert!(run.stdout.contains("and 29 sounds"), "{run:?}");
    let nothing = planted.bench.write("nothing.npy", npy(&[0.0; 2 * DIM], 2, DIM));
    planted.bench.run(&["audit", "memory", "--queries", &nothing]).fails(1, &["nothing to ask with"]);
}

#[test]
fn what_cannot_be_examined_is_named() {
    let bench = Bench::external(4);
    let refuse = |arguments: &[&str], words: &[&str]| {
        bench.run(&[&["audit", "memory"], arguments].concat()).fails(1, words);
    };
    refuse(&[], &["no caption", "echoic ingest"]);
    let (text, vectors) = (bench.write("c.txt", "Rain falls on a tin roof.\n"), bench.npy("c.npy", 1, 4));
    bench.run(&["ingest", &text, "--domain", "one", "--embeddings", &vectors]).succeeds();
    let alone = bench.run(&["audit", "memory"]);
    assert!(alone.succeeds().stdout.contains("nothing was found that needs mending"), "{alone:?}");

    refuse(&["--domain", "none"], &["no domain named 'none'", "one"]);
    refuse(&["--near", "2"], &["near-duplicates", "at most 1"]);
    refuse(&["-k", "0"], &["at least 1"]);
    refuse(&["--sample", "0"], &["at least 1"]);
    refuse(&["--only", "everything"], &["everything", "duplicates"]);
    let folder = bench.path("recordings");
    std::fs::create_dir(&folder).unwrap();
    refuse(&["--queries", &folder.display().to_string()], &["external", "--queries FILE"]);
    let wide = bench.npy("wide.npy", 2, 8);
    refuse(&["--queries", &wide], &["rows of 8 numbers", "rows of 4"]);
    refuse(&["--queries", "not-there.npy"], &["not-there.npy"]);

    bench.run(&["captions", "remove", "1"]).succeeds();
    refuse(&["--domain", "one"], &["no caption"]);
}

#[test]
fn recordings_are_heard_from_a_folder_and_from_a_table() {
    if !starter_is_installed() {
        return;
    }
    let bench = Bench::new();
    bench.run(&["init"]).succeeds();
    let text = bench.write("c.txt", sound_captions()[..12].join("\n"));
    bench.run(&["ingest", &text, "--domain", "street"]).succeeds();
    let folder = bench.path("recordings");
    std::fs::create_dir(&folder).unwrap();
    for name in ["bursts.wav", "sweep.wav"] {
        std::fs::copy(fixture(&format!("starter/{name}")), folder.join(name)).unwrap();
    }
    let only = ["audit", "memory", "--only", "hubs,gap", "--queries"];
    let ask = |place: &str| bench.run_json(&[&only[..], &[place]].concat());
    let heard = ask(&folder.display().to_string()).succeeds().json();
    assert_eq!(heard["examined"]["sounds"], 2);

    std::fs::write(folder.join("broken.wav"), "no sound").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere.wav", folder.join("dangling.wav")).unwrap();
    std::fs::create_dir(folder.join("folder.wav")).unwrap();
    let run = ask(&folder.display().to_string());
    run.fails(1, &["broken.wav"]);
    if cfg!(unix) {
        run.fails(1, &["dangling.wav"]);
    }
    assert_eq!(run.lines().last().unwrap()["gap"], heard["gap"], "the others are heard all the same");

    let table = bench.write(
        "table.csv",
        "file_name,caption\nrecordings/sweep.wav,a\nrecordings/bursts.wav,b\nrecordings/sweep.wav,c\n",
    );
    let listed = ask(&table).succeeds().json();
    assert_eq!(listed["examined"]["sounds"], 2, "each file once");
    assert_eq!(listed["gap"]["distance"], heard["gap"]["distance"]);
    let other = bench.write("other.csv", "words\nrain\n");
    ask(&other).fails(1, &["the columns words", "file_name"]);
    ask("not-there.csv").fails(1, &["not-there.csv"]);
    // A folder in the place of a table, and a table that names one in the place of a sound.
    std::fs::create_dir(bench.path("folder.csv")).unwrap();
    ask("folder.csv").fails(1, &["folder.csv"]);
    let naming = bench.write("naming.csv", "path\nrecordings/folder.wav\nrecordings/sweep.wav\n");
    let run = ask(&naming);
    run.fails(1, &["folder.wav"]);
    assert_eq!(run.lines().last().unwrap()["examined"]["sounds"], 1);
}
