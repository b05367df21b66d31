//! Story: somebody opens the page, lets it hear a sound, asks for words, pastes captions; by pointer and by keyboard, on a phone and in the dark.
//!
//! Pictures lie in `target/pages/` afterwards.

use std::path::Path;

use serde_json::json;

use crate::common::bench::Bench;
use crate::common::browser::Browser;
use crate::served::{Served, recording, stocked};

const DESK: (u32, u32) = (1280, 900);
const PHONE: (u32, u32) = (360, 800);
const MARKUP: &str = "<img src=x onerror=document.title='hacked'> <b>hums</b>.";

/// The page on a server that can play one clip.
fn opened(size: (u32, u32), dark: bool) -> Option<(Browser, Served, Bench)> {
    let browser = Browser::start()?;
    let bench = stocked()?;
    let folder = bench.path("clips");
    std::fs::create_dir(&folder).unwrap();
    let (path, _) = recording(bench.dir.path(), 2.0);
    std::fs::copy(path, folder.join("clip-0.wav")).unwrap();
    let served = Served::start(&bench, &["--clips", folder.to_str().unwrap()]);
    browser.open_at(&served.url, size, dark);
    browser.until("return document.querySelectorAll('#domain option').length > 2");
    Some((browser, served, bench))
}

#[track_caller]
fn content(browser: &Browser) {
    assert_eq!(browser.complaints(), [""; 0]);
    assert_eq!(browser.run("return document.getElementById('problem').textContent"), "");
}

/// Lets the page hear a sound, and waits for all that an audit says.
fn heard(browser: &Browser, bench: &Bench) {
    let (path, _) = recording(bench.dir.path(), 4.0);
    browser.keys("#file", path.to_str().unwrap());
    browser.until("return document.querySelector('#result article h1') !== null && document.getElementById('result').getAttribute('aria-busy') === 'false'");
}

fn picture(browser: &Browser, name: &str) {
    browser.picture(&Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages").join(name), None);
}

#[test]
fn a_sound_becomes_a_caption_with_its_texts_and_other_choices_change_it() {
    let Some((browser, served, bench)) = opened(DESK, false) else { return };
    heard(&browser, &bench);
    // What was chosen is kept as it was, whatever becomes of the file.
    let (_, bytes) = recording(bench.dir.path(), 4.0);
    let (_, expected) = served.post("/api/caption", "audio/wav", &bytes);
    assert_eq!(browser.texts("#result h1"), [expected["caption"].as_str().unwrap()]);
    assert!(browser.texts("#caption-1-table tbody tr").len() > 5);
    picture(&browser, "serve-desk-light.png");
    // Its waveform is drawn, it can be played, and the training of the decoder has a curve.
    let drawn = "const canvas = document.querySelector('.sound-canvas'); return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0)";
    assert_eq!(browser.run(drawn), true);
    browser.until("return document.querySelector('#caption-1 audio').duration > 3.9");
    assert_eq!(browser.run("return document.querySelectorAll('#curves svg .train').length"), 1);
    // The map reads what is pointed at, and goes by keys to what was asked.
    browser.run("document.getElementById('map').scrollIntoView()");
    browser.keys(".map-canvas.front", "\u{E011}");
    assert_eq!(browser.texts("#map-figure-reading"), ["recording-4.wav (the audited sound)"]);
    // Sorted by pointer, then filtered by words.
    browser.click("#caption-1-table th:nth-child(4) button");
    let sorted =
        browser.run("return document.querySelector('#caption-1-table th:nth-child(4)').getAttribute('aria-sort')");
    assert_eq!(sorted, "descending");
    browser.keys("#caption-1-table-words", "rain");
    assert_eq!(browser.texts("#caption-1-table tbody tr").len(), 1);
    // Another strategy is applied to the same sound.
    browser.run("const choice = document.getElementById('strategy'); choice.value = 'text'; choice.dispatchEvent(new Event('change'));");
    let (_, expected) = served.post("/api/caption?strategy=text", "audio/wav", &bytes);
    let expected = expected["caption"].as_str().unwrap();
    browser.until(&format!("return document.querySelector('#result article h1')?.textContent === {expected:?}"));
    browser.until("return document.getElementById('result').getAttribute('aria-busy') === 'false'");
    content(&browser);
}

#[test]
fn words_find_texts_by_keyboard_alone_and_a_known_clip_is_played() {
    let Some((browser, _served, _bench)) = opened(DESK, true) else { return };
    browser.keys("#words", "rain on a roof\u{E007}");
    browser.until("return document.querySelectorAll('#found-table tbody tr').length > 0");
    assert!(browser.texts("#found-table tbody td:nth-child(2)")[0].starts_with("Rain falls on a roof."));
    assert!(browser.run("return document.getElementById('said').textContent").as_str().unwrap().contains("texts near"));
    browser.run("document.querySelector('#found-table tbody button').focus()");
    browser.press("\u{E007}");
    browser.until("const player = document.getElementById('player'); return !player.hidden && player.duration > 1.9");
    picture(&browser, "serve-desk-dark.png");
    content(&browser);
}

#[test]
fn pasted_captions_are_stored_and_one_with_markup_in_it_stays_text() {
    let Some((browser, served, _bench)) = opened(PHONE, false) else { return };
    browser.keys("#into", "pasted");
    browser.keys("#pasted", &format!("{MARKUP}\nA kettle whistles."));
    browser.click("#ingest");
    browser.until("return document.getElementById('ingested').textContent.startsWith('2 new captions in pasted')");
    let (_, found) = served.post_json("/api/search", &json!({ "text": MARKUP, "k": 1 }));
    assert_eq!(found["neighbours"][0]["caption"], MARKUP);
    browser.keys("#words", "img hums\u{E007}");
    browser.until("return [...document.querySelectorAll('#found-table td')].some((cell) => cell.textContent.includes('<b>hums</b>'))");
    assert_eq!(browser.run("return document.querySelectorAll('main img, main b').length"), 0);
    assert_eq!(browser.run("return document.title"), "Echoic");
    content(&browser);
}

#[test]
fn a_phone_shows_it_without_sideways_scrolling() {
    for dark in [false, true] {
        let Some((browser, _served, bench)) = opened(PHONE, dark) else { return };
        heard(&browser, &bench);
        let width = browser.run("return document.documentElement.scrollWidth");
        assert!(width.as_u64().unwrap() <= 360, "{width}");
        picture(&browser, if dark { "serve-phone-dark.png" } else { "serve-phone-light.png" });
        content(&browser);
    }
}

#[test]
fn the_token_is_taken_from_behind_the_hash_or_asked_for() {
    const TOKEN: &str = "a-token-of-some-length";
    let Some(browser) = Browser::start() else { return };
    let Some(bench) = stocked() else { return };
    let served = Served::start(&bench, &["--token", TOKEN]);
    browser.open_at(&served.url, DESK, false);
    browser.until("return !document.getElementById('token-form').hidden");
    browser.keys("#token", &format!("{TOKEN}\u{E007}"));
    browser.until("return document.querySelectorAll('#domain option').length > 2");
    let other = Browser::start().unwrap();
    other.open_at(&format!("{}#{TOKEN}", served.url), DESK, false);
    other.until("return document.querySelectorAll('#domain option').length > 2");
    assert_eq!(other.run("return location.hash"), "");
    content(&other);
}
