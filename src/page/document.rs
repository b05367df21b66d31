//! The file around the data: policy, style, script.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Error, Result};

const STYLE: &str = include_str!("assets/page.css");

/// The pieces of the script; each defines functions, the last calls them.
const SCRIPT: [&str; 8] = [
    include_str!("assets/dom.js"),
    include_str!("assets/table.js"),
    include_str!("assets/sound.js"),
    include_str!("assets/words.js"),
    include_str!("assets/map.js"),
    include_str!("assets/caption.js"),
    include_str!("assets/memory.js"),
    include_str!("assets/start.js"),
];

/// A page of one `kind` with its data. `figures` are drawings that the page shows at the places of their names.
pub(crate) fn document(title: &str, kind: &str, data: &impl Serialize, figures: &[(&str, String)]) -> Result<String> {
    let json =
        serde_json::to_string(data).map_err(|e| Error::Internal(format!("a page's data that is no JSON: {e}")))?;
    let script = format!("(() => {{\n\"use strict\";\n{}}})();\n", SCRIPT.concat());
    let (style, script) = (as_parsed(STYLE), as_parsed(&script));
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; media-src blob:; base-uri 'none'; form-action 'none'",
        hash(&script),
        hash(&style)
    );
    let mut drawn = String::new();
    for (name, svg) in figures {
        // Writing to a string cannot fail.
        let _ = writeln!(drawn, "<figure class=\"plot\" data-figure=\"{name}\">{svg}</figure>");
    }
    Ok(format!(
        r#"<!doctype html>
<html lang="en" data-kind="{kind}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Echoic {version}">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<noscript><p class="noscript">This page draws itself with a script of its own, which this browser does not run. Its data is in the file, as JSON.</p></noscript>
<div id="figures" hidden>{drawn}</div>
<script type="application/json" id="data">{json}</script>
<script>{script}</script>
</body>
</html>
"#,
        version = env!("CARGO_PKG_VERSION"),
        title = escaped(title),
        json = inert(&json),
    ))
}

/// Text as a browser reads it, which is what it hashes.
fn as_parsed(text: &str) -> String {
    text.replace("\r\n", "\n")
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// JSON in which nothing can end the script that it stands in. All of these letters stand in strings only.
fn inert(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(safe, "\\u{:04x}", letter as u32);
            }
            letter => safe.push(letter),
        }
    }
    safe
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_text_holds_cannot_end_the_data() {
        let text = "</script><!-- <img src=x onerror=alert(1)> & \u{2028}\u{2029}";
        let page = document(text, "caption", &serde_json::json!({ "caption": text }), &[]).unwrap();
        let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
        assert!(!data.contains(['<', '>', '&', '\u{2028}', '\u{2029}']));
        assert_eq!(serde_json::from_str::<serde_json::Value>(data).unwrap()["caption"], text);
        assert!(page.contains("<title>&lt;/script&gt;"));
    }

    #[test]
    fn the_policy_names_what_is_there_and_nothing_else() {
        let page = document("t", "caption", &(), &[]).unwrap();
        let policy = page.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"));
        for (begin, end) in [("<style>", "</style>"), ("<script>", "</script>")] {
            let inner = page.split(begin).nth(1).unwrap().split(end).next().unwrap();
            assert!(policy.contains(&hash(inner)), "{begin}");
        }
        for assets in [STYLE, &SCRIPT.concat()] {
            assert!(!assets.contains("http:") && !assets.contains("https:") && !assets.contains("innerHTML"));
            assert!(!assets.contains("</script") && !assets.contains("</style"));
        }
    }
}
