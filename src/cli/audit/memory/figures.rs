//! The plots of an audited memory, as files.

use clap::{Args, ValueEnum};
use echoic::audit::memory::MemoryAudit;
use echoic::page::{Figure, Method};
use echoic::{Error, Result};

use super::super::html::Examined;
use crate::cli::context::Context;
use crate::cli::plots::Files;

/// Which plot goes into which file.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The plot that is written
    #[arg(long, value_name = "PLOT", default_value = "similarity")]
    plot: Plot,
    #[command(flatten)]
    files: Files,
}

/// A plot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Plot {
    /// How near each text is to the nearest other one
    Similarity,
    /// How often texts are found
    Hubs,
    /// What domains have in common, as a heat map
    Overlap,
    /// How near texts lie to others
    Outliers,
    /// How many words texts have
    Words,
    /// Cosines within texts, within sounds and across the gap
    Gap,
    /// Texts and sounds in two dimensions
    Map,
}

impl Plot {
    /// The plot as a part of the report; `None` for the map, which is none.
    fn figure(self) -> Option<Figure> {
        match self {
            Self::Similarity => Some(Figure::Similarity),
            Self::Hubs => Some(Figure::Hubs),
            Self::Overlap => Some(Figure::Overlap),
            Self::Outliers => Some(Figure::Outliers),
            Self::Words => Some(Figure::Words),
            Self::Gap => Some(Figure::Gap),
            Self::Map => None,
        }
    }
}

impl Arguments {
    /// Writes the files that are wanted.
    ///
    /// # Errors
    /// [`Error::Input`] where the audit did not look at what is to be drawn; as [`Files::write`].
    pub fn write(&self, context: &Context, examined: &Examined<'_>, audit: &MemoryAudit) -> Result<()> {
        self.files.write(|look| match self.plot.figure() {
            Some(figure) => figure.svg(audit, look).ok_or_else(|| {
                let found = format!("nothing about {} in this audit", figure.name());
                Error::input(
                    "the plot",
                    found,
                    "a part that was examined, and two domains at least where they are compared",
                )
            }),
            None => {
                let map = examined.map(Method::Principal, &context.control())?;
                Ok(map.scatter("Texts and sounds of the memory").svg(look))
            }
        })
    }
}
