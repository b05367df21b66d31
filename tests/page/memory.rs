//! Story: the corpus itself is examined, and whoever keeps it reads what to mend, as a page and as plots.

use crate::by_hand::{DIM, memory, pictures};
use crate::common::bench::Bench;
use crate::common::browser::Browser;

/// A store of 1,200 texts in four domains, and embeddings of fifty sounds.
fn filled() -> (Bench, String) {
    let bench = Bench::new();
    memory(&bench.store(), 1_200);
    let sounds = bench.npy("sounds.npy", 50, DIM);
    (bench, sounds)
}

#[test]
fn the_page_of_a_memory_shows_what_was_found_and_what_mends_it() {
    let Some(browser) = Browser::start() else { return };
    let (bench, sounds) = filled();
    let page = pictures().join("memory.html");
    std::fs::create_dir_all(pictures()).unwrap();
    let arguments = ["audit", "memory", "--queries", &sounds, "--near", "0.95", "--html", page.to_str().unwrap()];
    let audit = bench.run_json(&arguments).succeeds().json();
    let findings = audit["findings"].as_array().unwrap();
    assert!(!findings.is_empty());
    for ((width, height), name) in [((360, 800), "phone"), ((1280, 900), "desk")] {
        for dark in [false, true] {
            browser.open(&page, (width, height), dark);
            let reach = browser.run("return [document.documentElement.scrollWidth, innerWidth]");
            assert!(reach[0].as_u64() <= reach[1].as_u64(), "{name}: it scrolls sideways: {reach}");
            let paper = if dark { "dark" } else { "light" };
            browser.picture(&pictures().join(format!("memory-{name}-{paper}.png")), None);
        }
    }
    let summaries: Vec<&str> = findings.iter().map(|finding| finding["summary"].as_str().unwrap()).collect();
    assert_eq!(browser.texts(".findings .said"), summaries);
    let commands: Vec<&str> = findings
        .iter()
        .flat_map(|finding| finding["commands"].as_array().unwrap())
        .map(|command| command.as_str().unwrap())
        .collect();
    assert_eq!(browser.texts(".findings code"), commands);
    assert_eq!(browser.run("return document.querySelectorAll('main svg[role=img]').length"), 6);
    assert_eq!(browser.texts("#overlap-table tbody tr").len(), 12);
    browser.click("#overlap-table th:nth-child(1) button");
    assert!(browser.texts("#overlap-table tbody td:nth-child(1)").is_sorted());
    assert!(browser.texts("#map figcaption")[0].starts_with("1,200 texts"));
    // Long lists begin short.
    let rows = || browser.texts("#hubs-texts-table tbody tr").len();
    assert_eq!((rows(), browser.texts("#hubs .more")[0].as_str()), (12, "Show all 100"));
    browser.keys("#hubs .more", "\u{E007}");
    assert_eq!(rows(), 100);
    browser.run("document.getElementById('map').scrollIntoView()");
    browser.keys(".map-canvas.front", "\u{E011}");
    assert!(browser.texts("#map-figure-reading")[0].ends_with("(sound)"));
    if !commands.is_empty() {
        browser.click(".copy");
        let said = (0..20).map(|_| browser.texts(".copy")[0].clone()).find(|said| said != "Copy");
        assert!(said.is_some(), "the button says what it did");
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn every_part_of_the_audit_can_be_a_picture() {
    let (bench, sounds) = filled();
    for plot in ["similarity", "hubs", "overlap", "outliers", "words", "gap", "map"] {
        let (svg, png) = (format!("{plot}.svg"), format!("{plot}.png"));
        let files = ["--plot", plot, "--svg", &svg, "--png", &png];
        bench.run(&[&["audit", "memory", "--sample", "200", "--queries", &sounds], &files[..]].concat()).succeeds();
        let drawn = std::fs::read_to_string(bench.path(&svg)).unwrap();
        assert!(drawn.starts_with("<svg") && drawn.contains("<desc>") && !drawn.contains("NaN"), "{plot}: {drawn}");
        let pixels = std::fs::read(bench.path(&png)).unwrap();
        assert!(pixels.starts_with(b"\x89PNG") && pixels.len() > 5_000, "{plot}");
        std::fs::create_dir_all(pictures()).unwrap();
        std::fs::write(pictures().join(format!("plot-{plot}.png")), pixels).unwrap();
    }
    let run = bench.run(&["audit", "memory", "--only", "texts", "--plot", "hubs", "--svg", "none.svg"]);
    run.fails(1, &["nothing about hubs in this audit"]);
    assert!(!bench.path("none.svg").exists());
}
