//! A row of a corpus, and what every reader makes rows with.

use crate::Result;

/// The longest row that a reader takes, in bytes; longer ones are rejected.
pub const MAX_ROW_BYTES: usize = 1 << 20;

/// One caption of a corpus.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The caption: trimmed, runs of white space folded to one space; empty only where [`Options::keep_empty`](super::Options::keep_empty) asks for it.
    pub text: String,
    /// The audio clip that it describes, where the corpus says so.
    pub clip: Option<String>,
    /// Line of the file where the row begins, from 1. In a WavCaps document, the number of the entry.
    pub line: u64,
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Rejected {
    /// Line of the file where the row begins, from 1.
    pub line: u64,
    /// Why it is unusable.
    pub reason: String,
}

/// What a reader yields for each caption of the corpus.
pub type Item = Result<Row, Rejected>;

/// The names under which corpora commonly keep the caption, best first.
pub(super) const CAPTION_NAMES: [&str; 7] =
    ["caption", "caption_predicted", "text", "description", "sentence", "title", "label"];

/// The names under which corpora commonly keep the clip, best first.
pub(super) const CLIP_NAMES: [&str; 20] = [
    "clip",
    "audio_id",
    "file_name",
    "filename",
    "file",
    "fname",
    "youtube_id",
    "ytid",
    "video_id",
    "audio",
    "path",
    "file_path",
    "audio_path",
    "wav_path",
    "sound_name",
    "audiocap_id",
    "image_id",
    "id",
    "key",
    "url",
];

/// What stands under the name of a clip where the data set was published without its sounds; it names none.
pub(super) const PLACEHOLDERS: [&str; 1] = ["wav_path"];

/// The endings of sounds that corpora name.
const SOUND_ENDINGS: [&str; 8] = ["wav", "flac", "mp3", "ogg", "opus", "m4a", "aac", "aiff"];

/// Whether this is the name of a sound file.
pub(super) fn is_sound(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, ending)| {
        !stem.is_empty() && SOUND_ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
    })
}

/// The number of a column such as `caption_3` or `caption3`.
pub(super) fn numbered(name: &str) -> Option<u64> {
    let (head, digits) = name.split_at(name.trim_end_matches(|c: char| c.is_ascii_digit()).len());
    let head = head.trim_end_matches(['_', '-', ' ']).to_ascii_lowercase();
    if ["caption", "captions", "text", "sentence", "description"].contains(&&*head) {
        digits.parse().ok()
    } else {
        None
    }
}

/// Folds white space and builds the row, or says why it is unusable.
pub(super) fn row(text: &str, clip: Option<&str>, line: u64) -> Item {
    let row = row_or_empty(text, clip, line);
    if row.text.is_empty() { Err(Rejected { line, reason: "the caption is empty".into() }) } else { Ok(row) }
}

/// The same of a caption that may be empty.
pub(super) fn row_or_empty(text: &str, clip: Option<&str>, line: u64) -> Row {
    let clip = clip.map(str::trim).filter(|clip| !clip.is_empty()).map(str::to_owned);
    Row { text: folded(text), clip, line }
}

/// The text without white space around it, runs of it inside folded to one space.
fn folded(text: &str) -> String {
    let text = text.trim();
    // Nearly every caption is of ASCII with single spaces, which one look at its bytes tells.
    let is_plain = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') && !text.contains("  ");
    if is_plain { text.to_owned() } else { text.split_whitespace().collect::<Vec<_>>().join(" ") }
}

/// Rejects bytes that are no UTF-8, saying where they stop to be.
pub(super) fn utf8(bytes: &[u8], line: u64) -> Result<&str, Rejected> {
    std::str::from_utf8(bytes)
        .map_err(|e| Rejected { line, reason: format!("invalid UTF-8 at byte {} of the row", e.valid_up_to() + 1) })
}
