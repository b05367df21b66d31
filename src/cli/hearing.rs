//! Hearing many sounds with the model of a store, some at once.

use echoic::captioner::no_tower;
use echoic::towers::Clap;
use echoic::{Error, Result, Snapshot};
use rayon::prelude::*;

use super::context::Context;
use super::sounds::Sound;

/// Sounds that are heard at once.
const BATCH: usize = 16;

/// The model of a store, which hears.
///
/// # Errors
/// [`Error::Input`] with `remedy` where the store's embeddings come from elsewhere; as [`Clap::for_store`].
pub fn ear(memory: &Snapshot, remedy: &str) -> Result<Clap> {
    match memory.space().is_external() {
        true => Err(no_tower(memory.space()).with_hint(remedy)),
        false => Clap::for_store(memory),
    }
}

/// Calls `take` with the number and the embedding of each sound, in order. One that fails is told and does not stop the others.
///
/// # Errors
/// [`Error::Interrupted`] where it is stopped; what `take` returns.
pub fn hear(
    context: &Context,
    clap: &Clap,
    sounds: &[Sound],
    mut take: impl FnMut(usize, Vec<f32>) -> Result<()>,
) -> Result<()> {
    let control = context.control();
    let _phase = control.begin("listening", Some(sounds.len() as u64));
    let global = &context.global;
    for (number, batch) in sounds.chunks(BATCH).enumerate() {
        control.check()?;
        let hear = |sound: &Sound| clap.embed_audio(sound.audio(global)?).map(|heard| heard.embedding);
        let heard: Vec<Result<Vec<f32>, Error>> = batch.par_iter().map(hear).collect();
        for ((place, sound), heard) in batch.iter().enumerate().zip(heard) {
            match heard {
                Ok(embedding) => take(number * BATCH + place, embedding)?,
                Err(error) => context.bars.aside(|| context.out.failure_of(sound, &error))?,
            }
        }
        control.advance(batch.len() as u64);
    }
    Ok(())
}
