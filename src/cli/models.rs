//! `echoic models`: list, fetch, find, verify and remove models.

use clap::{Args, Subcommand};
use echoic::models;
use echoic::{Error, Result};

use super::Context;
use super::output::{bytes, table};

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
    let out = &context.out;
    match arguments.action.as_ref().unwrap_or(&Action::List) {
        Action::List => out.item(&models::list(), |all| {
            let heading = ["model", "dim", "licence", "installed", "size", "what"].map(str::to_owned).to_vec();
            let rows = all.iter().map(|m| {
                let dim = m.dim.map(|d| d.to_string()).unwrap_or_default();
                let installed = if m.installed { "yes" } else { "no" }.to_owned();
                vec![m.name.clone(), dim, m.licence.clone(), installed, bytes(m.bytes), m.description.clone()]
            });
            table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
        }),
        Action::Pull { name } => {
            let path = models::pull(name, context.global.offline, &context.bars, context.stop)?;
            out.item(&serde_json::json!({ "model": name, "path": path }), |_| format!("{name} is at {}", path.display()))
        }
        Action::Path { name } => {
            let path = models::path(name)?;
            out.item(&serde_json::json!({ "model": name, "path": path }), |_| path.display().to_string())
        }
        Action::Verify { name } => {
            let damaged = models::verify(name)?;
            let result = serde_json::json!({ "model": name, "ok": damaged.is_empty(), "damaged": damaged });
            out.item(&result, |_| match damaged.is_empty() {
                true => format!("{name}: every file is as it was published"),
                false => format!("{name}: {} damaged", damaged.join(", ")),
            })?;
            if damaged.is_empty() {
                return Ok(());
            }
            Err(Error::input(name, "files that differ from what was published", "the published files")
                .with_hint(format!("fetch it again: echoic models remove {name} && echoic models pull {name}")))
        }
        Action::Remove { name } => {
            models::remove(name)?;
            out.item(&serde_json::json!({ "model": name, "removed": true }), |_| format!("removed {name}"))
        }
    }
}
