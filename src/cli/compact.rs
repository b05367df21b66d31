//! `echoic compact`: frees the space of removed captions and merges small segments.

use echoic::Result;
use echoic::memory::Memory;

use super::context::Context;
use super::output::{bytes, counted, number};

/// Compacts, then builds the graphs that are wanted.
pub fn run(context: &Context) -> Result<()> {
    let mut writer = Memory::writer(&context.global.store)?;
    let done = writer.compact(&context.bars, context.stop)?;
    writer.index(&context.bars, context.stop)?;
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

/// Says on stderr when compacting would be worth its while.
pub fn advise(memory: &Memory) {
    if let Some(advice) = memory.compaction_advice() {
        tracing::warn!("{advice}");
    }
}
