//! The page of an audited memory, and its plots.

use serde::Serialize;

use super::caption::Heading;
use super::document::document;
use super::map::Map;
use crate::Result;
use crate::audit::memory::{self, MemoryAudit};
use crate::plot::{Axis, Bins, Heat, Histogram, Look};

/// A plot of what an audit of a memory says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Cosine of each text to the nearest other one.
    Similarity,
    /// How many texts are found how often.
    Hubs,
    /// What domains have in common.
    Overlap,
    /// How far texts lie from the others.
    Outliers,
    /// Words of a text.
    Words,
    /// Cosines within texts, within sounds, and across the gap between them.
    Gap,
}

impl Figure {
    /// All of them, in the order of a page.
    pub const ALL: [Self; 6] = [Self::Similarity, Self::Hubs, Self::Overlap, Self::Outliers, Self::Words, Self::Gap];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Similarity => "similarity",
            Self::Hubs => "hubs",
            Self::Overlap => "overlap",
            Self::Outliers => "outliers",
            Self::Words => "words",
            Self::Gap => "gap",
        }
    }

    /// The plot; `None` where the audit did not look at that.
    pub fn svg(self, audit: &MemoryAudit, look: Look) -> Option<String> {
        match self {
            Self::Similarity => {
                let duplicates = audit.duplicates.as_ref()?;
                let across = Axis::new("cosine to the nearest other text");
                Some(Histogram::new("Nearest neighbours", across, vec![bins("texts", &duplicates.nearest)]).svg(look))
            }
            Self::Hubs => {
                let hubs = audit.hubs.as_ref()?;
                let sounds = hubs.by_sounds.as_ref().map(|counts| bins("found by sounds", &counts.distribution));
                let sets = [bins("found by texts", &hubs.by_texts.distribution)].into_iter().chain(sounds);
                Some(Histogram::new("How often texts are found", Axis::new("times found"), sets.collect()).svg(look))
            }
            Self::Overlap => audit.overlap.as_ref().filter(|overlap| overlap.domains.len() > 1).map(|overlap| {
                let values = overlap.near.iter().flatten().map(|share| share.unwrap_or(f64::NAN)).collect();
                let title = "Texts with a near-duplicate, of the domain at the left in the domain above";
                Heat::new(title, overlap.domains.clone(), overlap.domains.clone(), values).svg(look)
            }),
            Self::Outliers => {
                let outliers = audit.outliers.as_ref()?;
                let sets = vec![
                    bins("to the k-th nearest text", &outliers.by_neighbour.distribution),
                    bins("to the middle of the domain", &outliers.by_centroid.distribution),
                ];
                Some(Histogram::new("How near texts lie to others", Axis::new("cosine"), sets).svg(look))
            }
            Self::Words => {
                let texts = audit.texts.as_ref()?;
                Some(Histogram::new("Length of texts", Axis::new("words"), vec![bins("texts", &texts.words)]).svg(look))
            }
            Self::Gap => {
                let gap = audit.gap.as_ref()?;
                let within = [
                    Some(bins("two texts", &gap.texts.cosines)),
                    gap.sounds.as_ref().map(|sounds| bins("two sounds", &sounds.cosines)),
                    gap.across_cosines.as_ref().map(|cosines| bins("a sound and a text", cosines)),
                    gap.nearest_cosines.as_ref().map(|cosines| bins("a sound and its nearest text", cosines)),
                ];
                let sets = within.into_iter().flatten().collect();
                Some(Histogram::new("The gap between texts and sounds", Axis::new("cosine"), sets).svg(look))
            }
        }
    }
}

fn bins(name: &str, histogram: &memory::Histogram) -> Bins {
    Bins::new(name, histogram.edges.clone(), histogram.counts.clone())
}

/// What the page draws from.
#[derive(Serialize)]
struct Data<'a> {
    echoic: &'static str,
    heading: &'a Heading,
    audit: &'a MemoryAudit,
    /// For each finding, the commands that mend it.
    commands: &'a [Vec<String>],
    map: Option<&'a Map>,
}

/// A page of an audited memory, as one HTML file. `commands` are, for each finding of the audit, those that mend it.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) when the data cannot be written as JSON.
pub fn memory(heading: &Heading, audit: &MemoryAudit, commands: &[Vec<String>], map: Option<&Map>) -> Result<String> {
    let drawn = Figure::ALL.into_iter().filter_map(|figure| Some((figure.name(), figure.svg(audit, Look::Page)?)));
    let data = Data { echoic: env!("CARGO_PKG_VERSION"), heading, audit, commands, map };
    document("Audit of a memory · Echoic", "memory", &data, &drawn.collect::<Vec<_>>())
}
