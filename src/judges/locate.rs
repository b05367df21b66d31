//! Where the field's own tools keep the networks of FENSE, once they have fetched them.

use std::path::{Path, PathBuf};

use crate::models::{Hub, Reference};

/// The sentence encoder that FENSE is defined with.
pub const SENTENCES: &str = "sentence-transformers/paraphrase-TinyBERT-L6-v2";

/// The detector of errors that FENSE is defined with, as the file that its authors publish.
pub const FLUENCY: &str = "echecker_clotho_audiocaps_base.ckpt";

/// The folder of [`SENTENCES`]: in the folder that programs of Hugging Face share (`HF_HOME`), or where sentence-transformers before 2.3
/// kept it.
pub fn sentences() -> Option<PathBuf> {
    let shared = || Some(Hub::from_env().shared_snapshot(&Reference::parse(SENTENCES)?)?.0);
    let older = || {
        let named = set("SENTENCE_TRANSFORMERS_HOME").or_else(|| Some(torch()?.join("sentence_transformers")))?;
        Some(named.join(SENTENCES.replace('/', "_"))).filter(|folder| folder.is_dir())
    };
    shared().or_else(older)
}

/// The file [`FLUENCY`]: in `FENSE_DATA`, or where torch keeps it (`hub/fense_data` of `TORCH_HOME`).
pub fn fluency() -> Option<PathBuf> {
    let folder = set("FENSE_DATA").or_else(|| Some(torch()?.join("hub").join("fense_data")))?;
    Some(folder.join(FLUENCY)).filter(|file| file.is_file())
}

fn torch() -> Option<PathBuf> {
    let usual = |cache: &Path| cache.join("torch");
    set("TORCH_HOME")
        .or_else(|| set("XDG_CACHE_HOME").as_deref().map(usual))
        .or_else(|| directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".cache").join("torch")))
}

fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
