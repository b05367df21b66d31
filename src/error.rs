//! The one error type of the library: what went wrong, where, what was expected, and what to do about it.

use std::path::{Path, PathBuf};

/// The result of every fallible call in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed. [`Error::hint`] says what can be done about it.
///
/// ```
/// use echoic::{EmbeddingSpace, Error, Store};
///
/// match Store::open("no/such/folder") {
///     Err(Error::NoStore { path }) => println!("nothing at {}", path.display()),
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read, write, map, rename, … a file.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb phrase: `read`, `create`, `replace`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },

    /// Something the user gave is not usable: a file, a value, a name.
    #[error("{subject}: found {found}, expected {expected}")]
    Input {
        /// The file, option or value, with its line where known.
        subject: String,
        /// What was there.
        found: String,
        /// What would have been usable.
        expected: String,
        /// What to do.
        hint: Option<Hint>,
    },

    /// Something the user gave is more than was allowed for.
    #[error("{subject}: found {found}, allowed are at most {allowed}")]
    TooMuch {
        /// What was given.
        subject: String,
        /// How much of it there was, or how much at least.
        found: String,
        /// The limit.
        allowed: String,
    },

    /// A vector has another number of components than what it is to be compared with.
    #[error("{subject}: found {found} components, expected {expected}")]
    Dimension {
        /// Whose vector it is.
        subject: String,
        /// Its components.
        found: usize,
        /// Those of the store or the model.
        expected: usize,
    },

    /// Something that was asked for does not exist.
    #[error("no {kind} named '{name}'{}", known_names(known))]
    NotFound {
        /// What kind of thing.
        kind: Missing,
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },

    /// A file of the store is damaged: a checksum, length or magic number does not match.
    #[error("{} is damaged{}: found {found}, expected {expected}", path.display(), at_byte(*offset))]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// Where the check failed, in bytes from the start; `None` where the file is missing, or is not as a whole what it was.
        offset: Option<u64>,
        /// What was read.
        found: String,
        /// What should have been there.
        expected: String,
    },

    /// The folder holds no store.
    #[error("there is no Echoic store at {}", path.display())]
    NoStore {
        /// The folder that was looked at.
        path: PathBuf,
    },

    /// The store was written by another format version.
    #[error("{} has store format version {found}; this build reads version {supported}", path.display())]
    Version {
        /// The store.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The newest version this build knows.
        supported: u32,
    },

    /// The store has a writer already, of another process or of this one.
    #[error("the store at {} has a writer already ({owner})", path.display())]
    Locked {
        /// The store.
        path: PathBuf,
        /// Who holds the lock, as it named itself.
        owner: String,
    },

    /// Another training works in the folder.
    #[error("a decoder is being trained in {} already ({owner})", path.display())]
    Training {
        /// The folder.
        path: PathBuf,
        /// Who trains there, as it named itself.
        owner: String,
    },

    /// Embeddings of one space were offered to a store of another.
    #[error("the store is bound to the embedding space {store}, but the embeddings come from {given}")]
    SpaceMismatch {
        /// The store's space.
        store: String,
        /// The space of what was offered.
        given: String,
    },

    /// A model is not on this machine yet.
    #[error("the model '{model}' is not installed: {reason}")]
    ModelMissing {
        /// The model's name.
        model: String,
        /// Which file is missing, or why fetching failed.
        reason: String,
        /// What to do.
        hint: Hint,
    },

    /// An earlier commit of this writer failed; it refuses further work so that nothing half-done is built upon.
    #[error("this writer failed to commit earlier and refuses further work")]
    Poisoned,

    /// Work was stopped on request (Ctrl-C); what was committed stays.
    #[error("stopped on request")]
    Interrupted,

    /// A tensor computation failed.
    #[error("a tensor computation failed: {0}")]
    Tensor(String),

    /// An invariant did not hold: a defect in Echoic.
    #[error("internal error: {0}")]
    Internal(String),
}

/// What kind of thing does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missing {
    /// A domain of a store.
    Domain,
    /// A decoder of a store.
    Decoder,
    /// A caption of a store.
    Caption,
    /// A model, installed or known.
    Model,
    /// A file of weights in a repository.
    Checkpoint,
    /// A layout of corpora.
    CorpusFormat,
    /// A format of exports.
    ExportFormat,
    /// A preset of trainings.
    Preset,
    /// An entry of the log of captions and audits.
    LogEntry,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Domain => "domain",
            Self::Decoder => "decoder",
            Self::Caption => "caption",
            Self::Model => "model",
            Self::Checkpoint => "checkpoint in the repository",
            Self::CorpusFormat => "corpus format",
            Self::ExportFormat => "export format",
            Self::Preset => "preset",
            Self::LogEntry => "entry of the log",
        })
    }
}

/// What can be done about an error, in words that name no program; [`Hint::topic`] lets a program add how it is done there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    words: String,
    // Boxed, so that errors stay small enough to be returned by value.
    topic: Option<Box<Topic>>,
}

impl Hint {
    /// Advice about something that programs have a command or an option for.
    pub fn about(topic: Topic, words: impl Into<String>) -> Self {
        Self { words: words.into(), topic: Some(Box::new(topic)) }
    }

    /// What the advice is about, if programs may have more to say on it.
    pub fn topic(&self) -> Option<&Topic> {
        self.topic.as_deref()
    }
}

impl std::fmt::Display for Hint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words)
    }
}

impl From<&str> for Hint {
    fn from(words: &str) -> Self {
        Self { words: words.to_owned(), topic: None }
    }
}

impl From<String> for Hint {
    fn from(words: String) -> Self {
        Self { words, topic: None }
    }
}

/// What a [`Hint`] is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Topic {
    /// Creating a store.
    CreateStore,
    /// Choosing the folder of a store.
    StoreFolder,
    /// Creating a store for another model.
    CreateStoreForModel,
    /// Ingesting captions.
    Ingest,
    /// Naming the layout of a corpus.
    CorpusFormat,
    /// Naming the column of captions.
    CaptionColumn,
    /// Learning how far captions can be trusted.
    Calibrate,
    /// Training a decoder.
    Train,
    /// Going on with a training that was stopped, or discarding it.
    StoppedTraining,
    /// Naming a training.
    TrainingName,
    /// Summing a projection over all texts.
    ExactProjection,
    /// Bringing embeddings of one's own.
    Embeddings,
    /// Learning an adapter.
    Align,
    /// Lowering the learning rate.
    LearningRate,
    /// Getting a model, by the name that it is kept under.
    Pull {
        /// Where from: a name, `OWNER/NAME` of a hub, a file or a folder.
        from: String,
        /// The name to keep it under, where it is another.
        keep_as: Option<String>,
    },
    /// Removing a model, then getting it again.
    PullAgain {
        /// The name that it is kept under.
        name: String,
        /// Where from.
        from: String,
    },
    /// Comparing an installed model with its checksums.
    VerifyModel,
    /// Naming a file of a repository.
    CheckpointFile,
    /// Naming what a model is to be kept under.
    ModelName,
    /// Which columns a file of pairs has.
    PairColumns,
    /// Finding the program that decodes what is not read.
    Ffmpeg,
    /// Naming several domains.
    SeveralDomains,
    /// Exporting or clearing the log of captions and audits.
    Log,
    /// Naming the sound that a logged caption was made of.
    LoggedInput,
    /// What becomes of clips that only predictions or only references have.
    UnmatchedClips,
    /// Naming the column of clips.
    ClipColumn,
    /// Converting a sound file into a format that is read.
    Convert {
        /// The file.
        path: String,
    },
}

/// What mends a damaged file of a store, by what the file holds.
fn remedy(path: &Path) -> &'static str {
    let within = |folder: &str| path.parent().is_some_and(|parent| parent.ends_with(folder));
    if within("model") {
        "put the file back: from a backup, or the adapter that the store was made with, under this name"
    } else if within("segments") {
        "restore the file from a backup, or remove the domain and ingest it again"
    } else {
        "restore the file from a backup"
    }
}

impl Error {
    /// An operating-system error on `path` while trying to `action` it.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// Unusable input without a hint; see [`Error::with_hint`].
    pub fn input(subject: impl ToString, found: impl ToString, expected: impl ToString) -> Self {
        Self::Input {
            subject: subject.to_string(),
            found: found.to_string(),
            expected: expected.to_string(),
            hint: None,
        }
    }

    /// A damaged store file.
    pub fn damaged(
        path: impl AsRef<Path>,
        offset: impl Into<Option<u64>>,
        found: impl ToString,
        expected: impl ToString,
    ) -> Self {
        Self::Damaged {
            path: path.as_ref().to_path_buf(),
            offset: offset.into(),
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }

    /// Adds advice to an [`Error::Input`]; other variants carry their own.
    #[must_use]
    pub fn with_hint(mut self, advice: impl Into<Hint>) -> Self {
        if let Self::Input { hint, .. } = &mut self {
            *hint = Some(advice.into());
        }
        self
    }

    /// What can be done about it, if anything is known.
    pub fn hint(&self) -> Option<Hint> {
        let about = |topic, words: &str| Some(Hint::about(topic, words));
        let words = |words: &str| Some(Hint::from(words));
        match self {
            Self::Input { hint, .. } => hint.clone(),
            Self::ModelMissing { hint, .. } => Some(hint.clone()),
            Self::NotFound { kind: Missing::Domain, name, known } if is_list(name, known) => {
                about(Topic::SeveralDomains, "these are several domains: name each by itself")
            }
            Self::Dimension { .. } => words("use embeddings of the model that the store was created for"),
            Self::NoStore { path } if path.is_file() => {
                about(Topic::StoreFolder, "it is a file: name the folder of a store")
            }
            Self::NoStore { path } if std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) => {
                about(Topic::StoreFolder, "it holds other things: name the folder of a store, or create one elsewhere")
            }
            Self::NoStore { .. } => about(Topic::CreateStore, "create one, or name another folder"),
            Self::Locked { .. } => words("wait until it has finished, or end it; readers are not affected"),
            Self::Training { .. } => {
                about(Topic::TrainingName, "wait until it has finished, end it, or train under another name")
            }
            Self::Damaged { path, .. } if path.ends_with("history.log") => about(
                Topic::Log,
                "the captions and their texts are not affected; clear the log, and captions are logged again",
            ),
            Self::Damaged { path, .. } => words(remedy(path)),
            Self::Version { found, supported, .. } if found > supported => {
                words("use a newer version of echoic; the store was left untouched")
            }
            Self::SpaceMismatch { store, given } if model_of(store) == model_of(given) => about(
                Topic::CreateStoreForModel,
                "the model is the same by name, but its adapter or its weights are others: where the store was made with an adapter \
                 of its own and does not keep it, ingest into it once on the machine that has the adapter; or create another store",
            ),
            Self::SpaceMismatch { .. } => about(
                Topic::CreateStoreForModel,
                "use the model that the store was created with, or create another store for this one",
            ),
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull => words("free some space; what was there before is safe"),
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                    words("check the permissions of the file and of its folder")
                }
                _ => None,
            },
            Self::Poisoned => words("open the store again; what was committed before is safe"),
            _ => None,
        }
    }
}

/// The model that a space as it is displayed begins with.
fn model_of(space: &str) -> &str {
    space.split_once(" (").map_or(space, |(model, _)| model)
}

/// Whether what was taken for one name is several of those that there are, with commas between.
fn is_list(name: &str, known: &[String]) -> bool {
    name.contains(',') && name.split(',').all(|part| known.iter().any(|known| known == part.trim()))
}

/// Where in a file, for messages.
fn at_byte(offset: Option<u64>) -> String {
    offset.map_or_else(String::new, |offset| format!(" at byte {offset}"))
}

fn known_names(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!(" (there are: {})", known.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Above 128 bytes clippy takes a `Result` for too large, in every program that returns ours.
    #[test]
    fn an_error_is_small_enough_to_be_returned_by_value() {
        assert!(size_of::<Error>() < 128, "{}", size_of::<Error>());
    }
}
