//! `echoic stats`: what the store holds.

use echoic::Result;

use super::context::Context;
use super::output::{bytes, number, table};

/// Prints the figures of the store.
pub fn run(context: &Context) -> Result<()> {
    let mut stats = context.snapshot()?.stats();
    // What the library advises, the command line knows how to do.
    stats.advice = stats.advice.map(|advice| format!("{advice}: {}", super::compact::COMMAND));
    context.out.item(&stats, |s| {
        let mut rows = vec![
            ("store".to_owned(), context.global.store.display().to_string()),
            ("embedding space".into(), s.space.to_string()),
            ("format version".into(), s.format_version.to_string()),
            ("commit".into(), s.commit.to_string()),
            ("domains".into(), number(s.domains)),
            ("captions".into(), number(s.captions)),
            ("occurrences".into(), number(s.occurrences)),
            ("segments".into(), number(s.segments)),
            ("rows with a graph".into(), number(s.indexed)),
            ("size on disk".into(), bytes(s.bytes.total())),
        ];
        if s.removed > 0 {
            rows.push(("removed, not compacted".into(), number(s.removed)));
        }
        rows.extend(s.advice.iter().map(|advice| ("advice".into(), advice.clone())));
        rows.extend(s.decoders.iter().map(|d| ("decoder".into(), d.name.clone())));
        table(&rows.into_iter().map(|(name, value)| vec![name, value]).collect::<Vec<_>>())
    })
}
