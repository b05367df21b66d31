//! `echoic compact`: frees the space of removed captions and merges small segments.

use echoic::Result;
use echoic::Snapshot;

use super::context::Context;
use super::output::{bytes, counted, number};

/// Compacts, then builds the graphs that are wanted.
pub fn run(context: &Context) -> Result<()> {
    let mut writer = context.store()?.writer()?;
    let done = writer.compact(&context.control())?;
    writer.index(&context.control())?;
    context.out.item(&done, |d| {
        format!(
            "{} dropped, {} instead of {}, {} instead of {}",
            counted(d.captions, "removed caption"),
            counted(d.segments_after, "segment"),
            number(d.segments_before),
            bytes(d.bytes_after),
            bytes(d.bytes_before)
        )
    })
}

/// What does what is advised.
pub const COMMAND: &str = "echoic compact";

/// Says on stderr when compacting would be worth its while.
pub fn advise(memory: &Snapshot) {
    if let Some(advice) = memory.compaction_advice() {
        tracing::warn!("{advice}: {COMMAND}");
    }
}
