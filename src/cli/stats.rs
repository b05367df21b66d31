//! `echoic stats`: what the store holds.

use echoic::Result;
use echoic::decoders::{TrainingFolder, trainings};
use echoic::gap;
use echoic::memory::StoreStats;
use serde::Serialize;

use super::context::Context;
use super::output::{bytes, counted, number, table};

/// The store in numbers, with what trainings have left in it.
#[derive(Serialize)]
struct Figures {
    #[serde(flatten)]
    stats: StoreStats,
    trainings: Vec<TrainingFolder>,
    gap: Option<gap::Summary>,
}

/// Prints the figures of the store.
pub fn run(context: &Context) -> Result<()> {
    let mut stats = context.snapshot()?.stats();
    // What the library advises, the command line knows how to do.
    stats.advice = stats.advice.map(|advice| format!("{advice}: {}", super::compact::COMMAND));
    let trainings = trainings(&context.global.store);
    let gap = gap::summary(&context.store()?);
    context.out.item(&Figures { stats, trainings, gap }, |Figures { stats: s, trainings, gap }| {
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
            ("size on disk".into(), bytes(s.bytes.total() + trainings.iter().map(|t| t.bytes).sum::<u64>())),
        ];
        if s.removed > 0 {
            rows.push(("removed, not compacted".into(), number(s.removed)));
        }
        rows.extend(s.advice.iter().map(|advice| ("advice".into(), advice.clone())));
        rows.extend(s.decoders.iter().map(|d| ("decoder".into(), d.name.clone())));
        rows.extend(trainings.iter().map(|t| {
            let standing = if t.finished { "finished" } else { "not finished" };
            ("folder of a training".into(), format!("{}, {}, {standing}", t.name, bytes(t.bytes)))
        }));
        rows.extend(gap.iter().map(|gap| {
            let pairs =
                gap.pairs.map_or("without pairs".to_owned(), |pairs| format!("with {}", counted(pairs, "pair")));
            ("modality gap".into(), format!("measured {pairs} at commit {}", gap.commit))
        }));
        table(&rows.into_iter().map(|(name, value)| vec![name, value]).collect::<Vec<_>>())
    })
}
