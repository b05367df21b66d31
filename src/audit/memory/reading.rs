//! Reading the texts: each once, for all that is to be known of them.

use rayon::prelude::*;

use super::duplicates::Hashed;
use super::rows::Rows;
use super::texts::Texts;
use crate::Result;
use crate::memory::Caption;
use crate::progress::Control;

/// Texts that are read together.
const BATCH: usize = 4096;

/// What is to be known of the texts.
pub(super) struct Wanted {
    /// Which are the same.
    pub hashes: bool,
    /// What is odd about them, with the evidence for so many of a kind.
    pub oddities: Option<usize>,
}

/// Reads all texts: the hashes in their order, and how the texts are written.
///
/// # Errors
/// [`Error::Damaged`](crate::Error::Damaged) when a record is; [`Error::Interrupted`](crate::Error::Interrupted) where it is stopped.
pub(super) fn read(rows: &Rows<'_>, wanted: &Wanted, control: &Control<'_>) -> Result<(Vec<Hashed>, Option<Texts>)> {
    let mut texts = wanted.oddities.map(Texts::naming);
    if !wanted.hashes && texts.is_none() {
        return Ok((Vec::new(), None));
    }
    let live: Vec<usize> = rows.live().collect();
    let phase = control.begin("reading texts", Some(live.len() as u64));
    let mut hashes = Vec::with_capacity(if wanted.hashes { live.len() } else { 0 });
    for batch in live.chunks(BATCH) {
        control.check()?;
        let read = |row: &usize| Ok((*row, rows.caption(*row)?));
        let captions: Vec<(usize, Caption)> = batch.iter().map(read).collect::<Result<_>>()?;
        if wanted.hashes {
            hashes.par_extend(captions.par_iter().map(|(row, caption)| Hashed::of(*row, &caption.text)));
        }
        texts.iter_mut().for_each(|texts| texts.take(&captions));
        control.advance(batch.len() as u64);
    }
    phase.end();
    hashes.par_sort_unstable_by_key(Hashed::order);
    let texts = texts.map(|texts| texts.compared(rows)).transpose()?;
    Ok((hashes, texts))
}
