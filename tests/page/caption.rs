//! Story: somebody asks why a sound got its caption, and reads the answer as a page: with a pointer, with a keyboard, on a phone, in the dark.

use echoic::internals;
use echoic::page::Method;

use crate::by_hand::{MARKUP, data, map, memory, pictures, written};
use crate::common::browser::Browser;

const PHONE: (u32, u32) = (360, 800);
const DESK: (u32, u32) = (1280, 900);

/// The page of the audit that was written by hand, opened.
fn opened(size: (u32, u32), dark: bool) -> Option<(Browser, tempfile::TempDir)> {
    let browser = Browser::start()?;
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(&folder.path().join("store"), 1_200);
    let map = map(&memory, Method::Principal);
    let page = written("by-hand.html", &internals::page("caption", &data(Some(&map)), &[]).unwrap());
    browser.open(&page, size, dark);
    Some((browser, folder))
}

/// Nothing was refused by the page's policy, no script failed.
#[track_caller]
fn content(browser: &Browser) {
    assert_eq!(browser.complaints(), [""; 0]);
}

const ROWS: &str = "#caption-1-table tbody tr";

/// The first words of the table's texts, in the order of its rows.
fn texts(browser: &Browser) -> Vec<String> {
    let cells = browser.texts("#caption-1-table tbody td:nth-child(2)");
    cells.iter().map(|cell| cell.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
}

fn sorted(browser: &Browser, column: usize) -> String {
    let selector =
        format!("return document.querySelector('#caption-1-table th:nth-child({column})').getAttribute('aria-sort')");
    browser.run(&selector).as_str().unwrap().to_owned()
}

#[test]
fn a_table_sorts_by_pointer_and_by_keyboard_and_says_how() {
    let Some((browser, _folder)) = opened(DESK, false) else { return };
    assert_eq!(texts(&browser)[0], "A tram");
    assert_eq!((sorted(&browser, 1), sorted(&browser, 4)), ("ascending".into(), "none".into()));
    browser.click("#caption-1-table th:nth-child(4) button");
    assert_eq!((texts(&browser)[0].as_str(), sorted(&browser, 4).as_str()), ("A tram", "descending"));
    // The button has the focus still: Enter turns the order around, Space back again.
    browser.press("\u{E007}");
    assert_eq!((texts(&browser)[0].as_str(), sorted(&browser, 4).as_str()), ("A bus", "ascending"));
    browser.press(" ");
    assert_eq!((texts(&browser)[0].as_str(), sorted(&browser, 1).as_str()), ("A tram", "none"));
    // From heading to heading by Tab.
    browser.press("\u{E004}\u{E007}");
    assert_eq!(sorted(&browser, 5), "descending");
    content(&browser);
}

#[test]
fn a_table_filters_by_words_and_domain_and_says_how_many_are_left() {
    let Some((browser, _folder)) = opened(DESK, false) else { return };
    let count = || browser.texts("#caption-1-neighbours [role=status]")[0].clone();
    assert_eq!((browser.texts(ROWS).len(), count()), (8, "8 texts".into()));
    browser.keys("#caption-1-table-words", "RAIN");
    assert_eq!((browser.texts(ROWS).len(), count()), (1, "1 of 8 texts".into()));
    browser.keys("#caption-1-table-words", "nowhere");
    assert_eq!((browser.texts(ROWS).len(), count()), (0, "0 of 8 texts".into()));
    browser.run("const input = document.getElementById('caption-1-table-words'); input.value = ''; input.dispatchEvent(new Event('input'))");
    browser.keys("#caption-1-table-domain", "household");
    assert_eq!((texts(&browser), count()), (vec!["A kettle".to_owned(), "A clock".into()], "2 of 8 texts".into()));
    content(&browser);
}

#[test]
fn texts_that_look_like_markup_stay_texts() {
    let Some((browser, _folder)) = opened(DESK, false) else { return };
    assert!(browser.texts("#caption-1-table tbody td:nth-child(2)").iter().any(|text| text.starts_with(MARKUP)));
    assert!(browser.texts(".strategies .said").contains(&MARKUP.to_owned()));
    assert_eq!(
        browser
            .run("return [document.images.length, document.querySelectorAll('b').length, document.title]")
            .to_string(),
        "[0,0,\"a page\"]"
    );
    content(&browser);
    // The policy is at work: what was not there when the page was made does not run.
    browser.run("const script = document.createElement('script'); script.textContent = 'document.title = \"hurt\"'; document.body.append(script)");
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\"><p style=\"color:red\">')");
    assert_eq!(browser.run("return document.title"), "a page");
    let refused = browser.complaints().concat();
    assert!(refused.contains("Content Security Policy"), "{refused}");
}

#[test]
fn the_map_reads_what_is_pointed_at_and_walks_by_keys() {
    let Some((browser, _folder)) = opened(DESK, false) else { return };
    let reading = || browser.texts("#map-figure-reading")[0].clone();
    let begun = reading();
    browser.run("document.getElementById('map').scrollIntoView()");
    browser.keys(".map-canvas.front", "\u{E011}");
    assert_eq!(reading(), "field.wav (the audited sound)");
    browser.press("\u{E012}\u{E012}\u{E013}");
    let walked = reading();
    assert!(walked.contains(" text ") && walked != begun, "{walked}");
    // Somewhere around the middle of 1,200 texts is one.
    let mut pointed = Vec::new();
    for (x, y) in [(0, 0), (60, 40), (-90, 30), (120, -80)] {
        browser.point(".map-canvas.front", x, y);
        pointed.push(reading());
    }
    pointed.dedup();
    assert!(pointed.len() > 1 && pointed.iter().all(|text| text.ends_with(')')), "{pointed:?}");
    content(&browser);
}

#[test]
fn words_are_read_one_by_one_with_the_keyboard() {
    let Some((browser, _folder)) = opened(DESK, false) else { return };
    let reading = || browser.texts("#caption-1-words .reading")[0].clone();
    browser.keys("#caption-1-words .token", "\u{E014}");
    assert!(reading().starts_with("“tram”: probability 0.710, by habit 0.004"), "{}", reading());
    assert!(reading().contains("habit would have written “man”"));
    browser.press("\u{E010}");
    assert!(reading().starts_with("“the end”"));
    content(&browser);
}

#[test]
fn the_sound_plays_and_can_be_moved_through() {
    let Some((browser, _folder)) = opened(DESK, false) else { return };
    browser.run("document.querySelector('.player').scrollIntoView()");
    let clock = || browser.texts(".clock")[0].clone();
    assert_eq!(clock(), "0:00.0 / 0:04.0");
    browser.run("const seek = document.querySelector('.player input'); seek.value = 2.5; seek.dispatchEvent(new Event('input'))");
    assert_eq!(clock(), "0:02.5 / 0:04.0");
    assert!(
        browser.run("return parseFloat(getComputedStyle(document.querySelector('.playhead')).left)").as_f64().unwrap()
            > 300.0
    );
    browser.click(".play");
    assert_eq!(browser.texts(".play"), ["Pause"]);
    let moved = (0..50).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        *clock() > *"0:02.6"
    });
    assert!(moved, "{}", clock());
    content(&browser);
}

#[test]
fn both_papers_and_both_widths_are_fit_to_be_read() {
    for (size, width) in [(PHONE, "phone"), (DESK, "desk")] {
        for dark in [false, true] {
            let Some((browser, _folder)) = opened(size, dark) else { return };
            let paper = || browser.run("return getComputedStyle(document.body).backgroundColor").to_string();
            let before = paper();
            let reach = browser.run("return [document.documentElement.scrollWidth, innerWidth]");
            assert!(reach[0].as_u64() <= reach[1].as_u64(), "{width}: it scrolls sideways: {reach}");
            let paper_name = if dark { "dark" } else { "light" };
            browser.picture(&pictures().join(format!("caption-{width}-{paper_name}.png")), None);
            browser.click("#theme");
            assert_ne!(paper(), before);
            assert_eq!(browser.texts("#theme"), [if dark { "Dark paper" } else { "Light paper" }]);
            content(&browser);
        }
    }
}

#[test]
fn a_map_of_more_than_twenty_thousand_points_says_that_it_is_a_sample() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(&folder.path().join("store"), 20_800);
    let map = map(&memory, Method::Principal);
    assert_eq!(map.texts, 20_800);
    let page = written("many-points.html", &internals::page("caption", &data(Some(&map)), &[]).unwrap());
    browser.open(&page, DESK, false);
    assert!(
        browser.texts("#map figcaption")[0].starts_with("A sample of 20,00"),
        "{:?}",
        browser.texts("#map figcaption")
    );
    // A hundred moves of the pointer over the map, with what each draws.
    let took = browser.run(
        "const front = document.querySelector('.map-canvas.front'); const box = front.getBoundingClientRect(); const begun = performance.now(); \
         for (let i = 0; i < 100; i += 1) front.dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + i * box.width / 100, clientY: box.top + box.height / 2 })); \
         return performance.now() - begun",
    );
    let took = took.as_f64().unwrap() / 100.0;
    // What it takes is told and not judged: docs/benchmarks/auditing.md says what it was.
    println!("a move of the pointer over 20,000 points: {took:.2} ms");
    content(&browser);
}
