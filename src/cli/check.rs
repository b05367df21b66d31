//! `echoic check`: is the store as it was written? And mending what is derived.

use clap::Args;
use echoic::memory::{CatalogueState, CheckReport, Damage};
use echoic::{Error, Result};

use super::context::Context;
use super::output::{bytes, counted, number};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Build damaged graphs and the catalogue again and remove leftovers; captions and vectors are never touched
    #[arg(long)]
    repair: bool,
}

/// Checks, prints the report, and fails if something is damaged.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let (store, control) = (context.store()?, context.control());
    let report = if arguments.repair { store.repair(&control)? } else { store.check(&control)? };
    context.out.item(&report, describe)?;
    // Damage of truth comes first: it is what cannot be built again.
    match report.damage.iter().min_by_key(|damage| damage.derived) {
        None => Ok(()),
        Some(damage) => Err(failure(damage)),
    }
}

fn failure(damage: &Damage) -> Error {
    let Damage { file, offset, found, expected, derived, .. } = damage;
    match derived {
        false => Error::damaged(file, *offset, found, expected),
        true => Error::input(file.display(), found, expected)
            .with_hint("echoic check --repair mends that; answers are right meanwhile"),
    }
}

fn describe(report: &CheckReport) -> String {
    let mut lines = vec![format!(
        "commit {}: {} in {}, {} removed; {} read, {} found through graphs",
        report.commit,
        counted(report.captions, "caption"),
        counted(report.segments, "segment"),
        number(report.removed),
        bytes(report.bytes),
        counted(report.walked, "vector")
    )];
    lines.extend(report.repaired.iter().cloned());
    lines.extend(report.leftovers.iter().map(|path| format!("leftover: {}", path.display())));
    lines.push(match &report.catalogue {
        CatalogueState::Agrees => "the catalogue knows every row".to_owned(),
        CatalogueState::Absent => "there is no catalogue; the next writer builds it".into(),
        CatalogueState::Outdated(reason) => format!("the next writer builds the catalogue again: {reason}"),
        CatalogueState::NotChecked(reason) => format!("the catalogue was not looked at: {reason}"),
        CatalogueState::Wrong(reason) => format!("the catalogue is wrong: {reason}"),
        other => format!("the catalogue: {other:?}"),
    });
    lines.extend(report.damage.iter().map(|d| {
        let Damage { file, offset, found, expected, .. } = d;
        let place = offset.map(|offset| format!(" at byte {offset}")).unwrap_or_default();
        format!("damaged: {}{place}: found {found}, expected {expected}", file.display())
    }));
    if report.is_sound() {
        lines.push("sound".into());
    }
    lines.join("\n")
}
