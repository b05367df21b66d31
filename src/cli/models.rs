//! `echoic models`: list, fetch, find, verify and remove models.

use clap::{Args, Subcommand};
use echoic::Result;

use super::Context;
use super::output::{Output, bytes, table};

/// Arguments of `models`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the known models (the default)
    List,
    /// Fetch a model into the cache
    Pull {
        /// The model
        name: String,
    },
    /// Print the folder of an installed model
    Path {
        /// The model
        name: String,
    },
    /// Compare every file of an installed model with its checksum
    Verify {
        /// The model
        name: String,
    },
    /// Remove an installed model from the cache
    Remove {
        /// The model
        name: String,
    },
}

/// Runs the action.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let (out, cache) = (&context.out, context.models()?);
    match arguments.action.as_ref().unwrap_or(&Action::List) {
        Action::List => out.item(&cache.list()?, |all| {
            let heading = ["model", "dim", "installed", "size", "licence"].map(str::to_owned).to_vec();
            let rows = all.iter().map(|m| {
                let dim = m.dim.map(|d| d.to_string()).unwrap_or_default();
                let installed = if m.installed { "yes" } else { "no" }.to_owned();
                vec![m.name.clone(), dim, installed, bytes(m.bytes), m.licence.clone()]
            });
            table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
        }),
        Action::Pull { name } => located(out, name, &cache.pull(name, &context.bars)?),
        Action::Path { name } => located(out, name, &cache.path(name)?),
        Action::Verify { name } => {
            let info = cache.verify(name)?;
            let result = serde_json::json!({ "model": name, "ok": true, "path": info.path });
            out.item(&result, |_| format!("{name}: every file is as it was published"))
        }
        Action::Remove { name } => {
            let removed = cache.remove(name)?;
            let words = if removed { "removed" } else { "was not installed:" };
            out.item(&serde_json::json!({ "model": name, "removed": removed }), |_| format!("{words} {name}"))
        }
    }
}

fn located(out: &Output, name: &str, path: &std::path::Path) -> Result<()> {
    out.item(&serde_json::json!({ "model": name, "path": path }), |_| path.display().to_string())
}
