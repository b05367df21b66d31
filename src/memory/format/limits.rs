//! What a store accepts, stated once and checked before anything is written.

use crate::{Error, Result};

/// Longest caption, in bytes of UTF-8.
pub const CAPTION_BYTES: usize = 4096;
/// Longest clip id, in bytes of UTF-8.
pub const CLIP_BYTES: usize = 1024;
/// Longest name of a domain or a decoder.
pub const DOMAIN_BYTES: usize = 64;
/// Most components of a vector.
pub const DIMENSIONS: usize = 8192;

/// Checks a caption as it will be stored: trimmed.
///
/// # Errors
/// [`Error::Input`] for a caption that is empty, is over [`CAPTION_BYTES`], or has control characters inside.
pub fn check_caption(text: &str) -> Result<()> {
    check_text("the caption", text.trim(), CAPTION_BYTES)
}

/// Checks a clip id.
///
/// # Errors
/// [`Error::Input`] for an empty clip id, one over [`CLIP_BYTES`], or one with control characters.
pub fn check_clip(clip: &str) -> Result<()> {
    check_text("the clip id", clip, CLIP_BYTES)
}

/// Checks the name of a domain or decoder (`kind` says which, for the message).
///
/// # Errors
/// [`Error::Input`] unless it is 1 to 64 of `[A-Za-z0-9._-]` and begins with neither `.` nor `-`.
pub fn check_name(kind: &str, name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let fits = (1..=DOMAIN_BYTES).contains(&name.len()) && !name.starts_with(['.', '-']) && name.bytes().all(allowed);
    if fits {
        return Ok(());
    }
    Err(Error::input(
        format!("the {kind} name"),
        format!("{:?}", preview(name)),
        format!("1 to {DOMAIN_BYTES} of a to z, A to Z, 0 to 9, '.', '_' and '-', not beginning with '.' or '-'"),
    ))
}

/// Checks a number of dimensions.
pub(crate) fn check_dim(dim: usize) -> Result<()> {
    if (1..=DIMENSIONS).contains(&dim) {
        return Ok(());
    }
    Err(Error::input("the embedding dimension", dim, format!("1 to {DIMENSIONS}")))
}

fn check_text(what: &str, text: &str, limit: usize) -> Result<()> {
    if text.is_empty() {
        return Err(Error::input(what, "nothing", format!("1 to {limit} bytes of text")));
    }
    if text.len() > limit {
        let subject = format!("{what} {:?}", preview(text));
        return Err(Error::input(subject, format!("{} bytes", text.len()), format!("at most {limit} bytes")));
    }
    if let Some(bad) = text.chars().find(|c| c.is_control()) {
        let subject = format!("{what} {:?}", preview(text));
        return Err(Error::input(
            subject,
            format!("the control character {bad:?}"),
            "text on one line, without control characters",
        ));
    }
    Ok(())
}

/// The beginning of a text, short enough for a message.
fn preview(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "Clotho-v2.1", "9_lives", &"x".repeat(64)] {
            assert!(check_name("domain", good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".hidden", "-rf", "a/b", "a b", "ä", "a\0", &"x".repeat(65)] {
            assert!(check_name("domain", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn captions() {
        for good in ["A dog barks.", " padded\r\n", "雨が降る", &"x".repeat(4096)] {
            assert!(check_caption(good).is_ok(), "{good}");
        }
        for bad in ["", " ", "two\nlines", "nul\0", "tab\there", &"x".repeat(4097)] {
            assert!(check_caption(bad).is_err(), "{bad:?}");
        }
    }
}
