//! What makes a family: a layout of checkpoints, and how texts and sounds are prepared for it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::formats::checkpoint::Checkpoint;
use crate::towers::audio_tower::AudioTower;
use crate::towers::text::TextTower;
use crate::towers::tokens::Kind;

/// A family of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Family {
    /// The starter: a CNN for sound effects and MiniLM, joined by an adapter.
    Starter,
    /// WavCaps CLAP with the audio tower CNN14 and BERT.
    WavcapsCnn14,
    /// WavCaps CLAP with the audio tower HTSAT and BERT.
    WavcapsHtsat,
    /// LAION CLAP as a `ClapModel` of Hugging Face: `laion/clap-htsat-unfused`, `laion/larger_clap_*`.
    Laion,
    /// The same with the fusion branch: `laion/clap-htsat-fused`.
    LaionFused,
    /// LAION CLAP in the names of the original code: `630k-audioset-best.pt`.
    LaionOriginal,
    /// Microsoft CLAP 2023.
    #[serde(rename = "msclap-2023")]
    Msclap2023,
}

/// All that is to be said of a family, in one place.
pub(crate) struct FamilySpec {
    pub family: Family,
    /// Its name, as records and `--json` write it.
    pub name: &'static str,
    /// The licence under which its makers published it, in a few words.
    pub licence: &'static str,
    /// The repository of its text tower's tokenizer.
    pub tokenizer: &'static str,
    /// How a checkpoint of both towers is laid out; `None` for the starter, which is none.
    pub layout: Option<Layout>,
    /// Relatives that are recognised and refused by name.
    pub relatives: &'static [Relative],
}

/// A checkpoint of both towers.
pub(crate) struct Layout {
    /// Tensors of the audio tower, the text tower and the projections: which names tell the family. All of them must be there.
    pub signature: [&'static str; 3],
    /// The tensor whose first dimension is that of the embeddings.
    pub dim: &'static str,
    /// The tensor with a row for each token that the text tower knows.
    pub words: &'static str,
    /// Whether a `config.json` beside the weights must tell the same family.
    pub configured: bool,
    pub tokenizer: Kind,
    /// Tokens of a text that count.
    pub token_limit: fn(&Source) -> Result<usize>,
    /// The prompt template: a text as the tokenizer is given it.
    pub prompt: fn(&str) -> Cow<'_, str>,
    pub load_text: fn(&Source) -> Result<TextTower>,
    pub load_audio: fn(&Source) -> Result<AudioTower>,
}

/// A model of its makers that is not supported.
pub(crate) struct Relative {
    /// A tensor that only it has.
    pub tensor: &'static str,
    /// What it is.
    pub what: &'static str,
    /// What to use instead.
    pub instead: &'static str,
}

/// An open checkpoint and the folder with its companions.
#[derive(Debug)]
pub(crate) struct Source {
    pub file: Checkpoint,
    pub folder: PathBuf,
}

impl Source {
    /// Opens a checkpoint.
    pub fn open(weights: &Path) -> Result<Self> {
        let folder = weights.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(Self { file: Checkpoint::open(weights)?, folder })
    }
}

/// The prompt template of families that have none.
pub(crate) fn as_it_is(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}
