//! What a story needs of the machine beside the checkout. Where it is not there the story is skipped, and says so on stderr; where
//! `ECHOIC_REQUIRE` names the need, as in `ECHOIC_REQUIRE=starter,data`, its absence is a failure.

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use echoic::Clap;

/// The words that `ECHOIC_REQUIRE` knows, and how to get what each stands for.
const NEEDS: [(&str, &str); 5] = [
    ("starter", "`echoic models pull starter`, with the ECHOIC_CACHE that the tests have"),
    ("data", "set ECHOIC_DATA to the folder of real captions and recordings; tests/README.md says what is in it"),
    ("meteor", "`echoic models pull meteor`, with the ECHOIC_CACHE that the tests have"),
    (
        "chromium",
        "install Debian's packages chromium and chromium-driver, or what else brings `chromedriver` into PATH",
    ),
    ("root", "run the tests as a user who may mount a tmpfs and start programs as another user"),
];

/// The needs that must be met.
fn required(words: &str) -> Vec<&str> {
    let words = words.split(',').map(str::trim).filter(|word| !word.is_empty());
    let known = |word: &&str| {
        let names = NEEDS.map(|(name, _)| name);
        assert!(names.contains(word), "ECHOIC_REQUIRE names '{word}', which is none of {}", names.join(", "));
    };
    words.inspect(known).collect()
}

/// Says that a story is skipped, and why; panics instead where the need is required.
#[track_caller]
pub fn skip(need: &str, missing: impl Display) {
    let (_, how) = NEEDS.iter().find(|(name, _)| *name == need).expect("a need that ECHOIC_REQUIRE knows");
    let words = std::env::var("ECHOIC_REQUIRE").unwrap_or_default();
    assert!(!required(&words).contains(&need), "{missing}; ECHOIC_REQUIRE={words} asks for it: {how}");
    // Past the harness, which keeps what the macros print of stories that do not fail.
    let story = std::thread::current().name().unwrap_or("a story").to_owned();
    let _ = writeln!(std::io::stderr(), "skipped {story}: {missing} ({how})");
}

/// Whether the starter model is installed.
pub fn starter_is_installed() -> bool {
    let found = echoic::models::path("starter");
    if let Err(error) = &found {
        skip("starter", error);
    }
    found.is_ok()
}

/// The starter model, loaded once, where it is installed.
pub fn starter() -> Option<&'static Clap> {
    static CLAP: OnceLock<Clap> = OnceLock::new();
    starter_is_installed().then(|| CLAP.get_or_init(|| Clap::load("starter").unwrap()))
}

/// The folder with METEOR's data, where they are installed.
pub fn meteor() -> Option<PathBuf> {
    echoic::models::path("meteor").inspect_err(|error| skip("meteor", error)).ok()
}

/// The folder with real captions and recordings, if `part` of it is there: `ECHOIC_DATA`, or `../shared/data` beside the checkout.
pub fn real_data(part: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("ECHOIC_DATA").map_or(beside, PathBuf::from);
    if folder.join(part).exists() {
        return Some(folder);
    }
    skip("data", format!("there is no {}", folder.join(part).display()));
    None
}

#[test]
fn what_is_required_is_known() {
    required(&std::env::var("ECHOIC_REQUIRE").unwrap_or_default());
    assert_eq!(required(" starter, data,"), ["starter", "data"]);
    assert_eq!(required(""), [""; 0]);
    let unknown = std::panic::catch_unwind(|| required("starter,dtaa").len()).expect_err("an unknown word");
    let said = unknown.downcast_ref::<String>().expect("a message");
    assert!(said.contains("'dtaa'") && said.contains("starter, data, meteor, chromium, root"), "{said}");
}
