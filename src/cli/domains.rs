//! `echoic domains`: what domains there are, and removing one.

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
    /// Remove a domain and all its captions
    Remove {
        /// The domain
        name: String,
    },
}

/// Lists or removes.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    match &arguments.action {
        None | Some(Action::List) => list(context),
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
