//! What every model can do, whatever its towers are.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::OnceLock;

use super::features::Features;
use crate::Result;
use crate::audio::{Audio, Facts, Level};

/// The two towers of a model. Each is loaded when it is first used.
pub(crate) trait Towers: Debug + Send + Sync {
    /// The prompt template: a text as the tokenizer is given it.
    fn prompt<'a>(&self, text: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(text)
    }

    /// Embeds tokenised texts: unit rows `[texts, dim]`, each with the same bits whatever texts come with it.
    fn embed_tokens(&self, texts: &[&[u32]]) -> Result<Vec<f32>>;

    /// The kind of features that the audio side gives where no other is asked for.
    fn features(&self) -> Features;

    /// Gives `take` the features of each window of a sound in turn, of those only that count if `counted`. Memory holds one window at a time.
    fn for_each_window(
        &self,
        audio: Audio<'_>,
        kind: Features,
        counted: bool,
        take: &mut dyn FnMut(Window) -> Result<()>,
    ) -> Result<Facts>;

    /// Loads the audio tower, so that threads that are about to use it do not each load it.
    fn load_audio(&self) -> Result<()>;

    /// The same for the text tower.
    fn load_text(&self) -> Result<()>;
}

/// A window of sound.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    /// Where it begins, in seconds.
    pub start: f64,
    /// Where it ends, in seconds.
    pub end: f64,
    /// How much it counts in the embedding of the whole sound, from 0 to 1.
    pub weight: f64,
    /// How loud it is.
    pub level: Level,
    /// Its features.
    pub features: Vec<f32>,
}

/// `OnceLock::get_or_try_init`, which is not stable yet: two threads may load at once, and one result is kept.
pub(crate) fn get_or_load<T>(cell: &OnceLock<T>, load: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = load()?;
    Ok(cell.get_or_init(|| value))
}
