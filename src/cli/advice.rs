//! What the command line adds to an error: how that is done here which the library advises, and the exit code.

use echoic::Error;
use echoic::error::{Hint, Topic};

use super::pipes::STDIN;

/// What to do about an error, in commands and options.
pub fn hint(error: &Error) -> Option<String> {
    error.hint().map(|hint| worded(&hint))
}

/// A hint with the command or option that it speaks of.
fn worded(hint: &Hint) -> String {
    match hint.topic() {
        None => hint.to_string(),
        Some(Topic::CreateStore) => "create one with `echoic init`, or name another with --store".to_owned(),
        Some(Topic::StoreFolder) => format!("{hint} (--store DIR)"),
        Some(Topic::CreateStoreForModel) => format!("{hint} (`echoic init --model`)"),
        Some(Topic::Ingest) => format!("{hint}: echoic ingest FILE --domain NAME"),
        Some(Topic::CorpusFormat) => format!("{hint} (--format FORMAT)"),
        Some(Topic::CaptionColumn) => format!("{hint} (--column NAME)"),
        Some(Topic::SeveralDomains) => format!("{hint} (--domain A --domain B)"),
        Some(Topic::Calibrate) => format!("{hint} (`echoic calibrate`)"),
        Some(Topic::Train) => format!("{hint}: echoic train"),
        Some(Topic::StoppedTraining) => format!("{hint} (--resume goes on, --restart begins anew)"),
        Some(Topic::TrainingName) => format!("{hint} (--name NAME)"),
        Some(Topic::ExactProjection) => format!("{hint} (--exact)"),
        Some(Topic::Embeddings) => format!("{hint} (--embedding FILE; `ingest` takes --embeddings FILE)"),
        Some(Topic::Align) => format!("{hint}: echoic align PAIRS.csv --out FILE, then echoic init --adapter FILE"),
        Some(Topic::LearningRate) => format!("{hint} (--learning-rate LR)"),
        Some(Topic::Pull { from, keep_as }) => format!("{hint}: {}", pull(from, keep_as.as_deref())),
        Some(Topic::PullAgain { name, from }) => {
            let keep_as = (name != from).then_some(name.as_str());
            format!("{hint}: echoic models remove {name}; {}", pull(from, keep_as))
        }
        Some(Topic::VerifyModel) => format!("{hint} (`echoic models verify NAME`)"),
        Some(Topic::CheckpointFile) => format!("{hint} (--file PATH)"),
        Some(Topic::ModelName) => format!("{hint} (--as NAME)"),
        Some(Topic::PairColumns) => format!("{hint}; see `echoic align --help`"),
        Some(Topic::Convert { path }) => {
            let path = if path == STDIN { "-" } else { path };
            format!("{hint}: ffmpeg -i {} out.flac; or let an installed ffmpeg decode it (--ffmpeg)", quoted(path))
        }
        Some(Topic::Log) => format!("{hint} (`echoic audit history export`, `echoic audit history clear`)"),
        Some(Topic::LoggedInput) => format!("{hint} (--audio FILE|DIR)"),
        Some(Topic::UnmatchedClips) => format!("{hint} (--unmatched skip|empty)"),
        Some(Topic::ClipColumn) => format!("{hint} (--clip-column NAME)"),
        Some(Topic::Ffmpeg) => format!("{hint} (--ffmpeg=PROGRAM, or ECHOIC_FFMPEG)"),
        Some(_) => hint.to_string(),
    }
}

fn pull(from: &str, keep_as: Option<&str>) -> String {
    let from = quoted(from);
    match keep_as {
        Some(name) => format!("echoic models pull {from} --as {name}"),
        None => format!("echoic models pull {from}"),
    }
}

/// A word as a shell takes it: a path may hold anything, and what is advised shall work as it stands there.
pub fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "/._-@:+".contains(c));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// 130 for work that was stopped, as shells have it; 1 for what the user can mend, 2 for the unexpected.
pub fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Interrupted => STOPPED,
        Error::Tensor(_) | Error::Internal(_) => 2,
        _ => 1,
    }
}

/// The exit code of what Ctrl-C or SIGTERM stopped.
pub const STOPPED: u8 = 130;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_advised_can_be_pasted() {
        assert_eq!(quoted("a/b-c_1.safetensors"), "a/b-c_1.safetensors");
        assert_eq!(quoted("my file"), "'my file'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("$HOME"), "'$HOME'");
        assert_eq!(quoted(""), "''");
    }
}
