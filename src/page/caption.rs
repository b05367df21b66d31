//! The page of audited captions.

use serde::Serialize;

use super::document::document;
use super::map::Map;
use super::sound::Sound;
use crate::Result;
use crate::audit::CaptionAudit;

/// What a page says of where it comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Heading {
    /// The store.
    pub store: String,
    /// When the page was made, as it shall be shown; empty for not at all.
    pub made: String,
}

impl Heading {
    /// A page about a store, made at a time.
    pub fn new(store: impl Into<String>, made: impl Into<String>) -> Self {
        Self { store: store.into(), made: made.into() }
    }
}

/// An audited caption with the sound that it is about.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Shown<'a> {
    audit: &'a CaptionAudit,
    sound: Option<Sound>,
}

impl<'a> Shown<'a> {
    /// An audit, and its sound where there is one to look at.
    pub fn new(audit: &'a CaptionAudit, sound: Option<Sound>) -> Self {
        Self { audit, sound }
    }
}

/// What the page draws from.
#[derive(Serialize)]
struct Data<'a> {
    echoic: &'static str,
    heading: &'a Heading,
    captions: &'a [Shown<'a>],
    map: Option<&'a Map>,
}

/// A page of audited captions with a map of the memory, as one HTML file.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) when the data cannot be written as JSON.
pub fn caption(heading: &Heading, captions: &[Shown<'_>], map: Option<&Map>) -> Result<String> {
    let title = match captions {
        [only] => format!("{} · Echoic", only.audit.captioned.caption),
        several => format!("{} audited captions · Echoic", several.len()),
    };
    let data = Data { echoic: env!("CARGO_PKG_VERSION"), heading, captions, map };
    document(&title, "caption", &data, &[])
}
