//! `echoic domains`: what domains there are, renaming and removing one.

use clap::{Args, Subcommand};
use echoic::Result;

use super::context::Context;
use super::output::{bytes, counted, number, table};

/// Arguments of `domains`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the domains with their counts (the default)
    List,
    /// Give a domain another name
    Rename {
        /// The domain
        #[arg(value_name = "OLD")]
        name: String,
        /// A name that no domain has
        #[arg(value_name = "NEW")]
        new: String,
    },
    /// Remove a domain and all its captions
    Remove {
        /// The domain
        name: String,
    },
}

/// Lists, renames or removes.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    match &arguments.action {
        None | Some(Action::List) => list(context),
        Some(Action::Rename { name, new }) => {
            context.store()?.writer()?.rename_domain(name, new)?;
            let result = serde_json::json!({ "domain": new, "renamed_from": name });
            context.out.item(&result, |_| format!("renamed the domain {name} to {new}"))
        }
        Some(Action::Remove { name }) => {
            let mut writer = context.store()?.writer()?;
            let removed = writer.remove_domain(name)?;
            let result = serde_json::json!({ "domain": name, "removed": removed });
            context.out.item(&result, |_| format!("removed the domain {name} with {}", counted(removed, "caption")))
        }
    }
}

fn list(context: &Context) -> Result<()> {
    let domains = context.snapshot()?.domains();
    context.out.item(&domains, |domains| {
        if domains.is_empty() {
            return "no domain yet; add one with: echoic ingest FILE --domain NAME".into();
        }
        let heading = ["domain", "captions", "occurrences", "segments", "size"].map(str::to_owned).to_vec();
        let rows = domains.iter().map(|d| {
            let counts = [d.captions, d.occurrences, d.segments].map(number);
            [vec![d.name.clone()], counts.to_vec(), vec![bytes(d.bytes)]].concat()
        });
        table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
    })
}
