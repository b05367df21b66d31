//! The plots of an audited memory, as files.

use clap::{Args, ValueEnum};
use echoic::audit::memory::{CurvePoint, MemoryAudit, RecallCurve};
use echoic::page::{Figure, Method};
use echoic::plot::{Axis, Lines, Series};
use echoic::{Error, Result};

use crate::cli::audit::html::Examined;
use crate::cli::context::Context;
use crate::cli::plots::Files;

/// Which plot goes into which file.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The plot that is written; by default similarity. With recall, which takes some seconds, the curve is printed, too
    #[arg(long, value_name = "PLOT")]
    plot: Option<Plot>,
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
    /// What searches find, and how long they take, from little effort to comparing with all
    Recall,
}

impl Plot {
    /// The plot as a part of the report; `None` for those that are none.
    fn figure(self) -> Option<Figure> {
        match self {
            Self::Similarity => Some(Figure::Similarity),
            Self::Hubs => Some(Figure::Hubs),
            Self::Overlap => Some(Figure::Overlap),
            Self::Outliers => Some(Figure::Outliers),
            Self::Words => Some(Figure::Words),
            Self::Gap => Some(Figure::Gap),
            Self::Map | Self::Recall => None,
        }
    }
}

impl Arguments {
    /// Refuses a plot that would go nowhere, before anything is done.
    ///
    /// # Errors
    /// [`Error::Input`] where no file is named.
    pub fn check(&self) -> Result<()> {
        if self.plot.is_none() || self.files.are_wanted() || self.wants_curve() {
            return Ok(());
        }
        Err(Error::input("--plot", "no file to write to", "--svg FILE or --png FILE beside it"))
    }

    /// Whether searches are to be timed, which is no part of the report: it would be another one on each run.
    pub fn wants_curve(&self) -> bool {
        self.plot == Some(Plot::Recall)
    }

    /// Writes the files that are wanted.
    ///
    /// # Errors
    /// [`Error::Input`] where the audit did not look at what is to be drawn; as [`Files::write`].
    pub fn write(
        &self,
        context: &Context,
        examined: &Examined<'_>,
        audit: &MemoryAudit,
        curve: Option<&RecallCurve>,
    ) -> Result<()> {
        if let Some(curve) = curve {
            return self.files.write(|look| Ok(drawn(curve).svg(look)));
        }
        self.files.write(|look| match self.plot.unwrap_or(Plot::Similarity).figure() {
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

/// Recall by latency.
fn drawn(curve: &RecallCurve) -> Lines {
    let series = |name: &str, points: &[CurvePoint]| {
        let queries = points.first().map_or(0, |point| point.queries);
        let points = points.iter().map(|point| (point.median_us / 1000.0, point.recall));
        Series::new(format!("{name} ({queries} queries)"), points.collect())
    };
    let asked =
        [Some(series("texts", &curve.by_texts)), curve.by_sounds.as_ref().map(|points| series("sounds", points))];
    let across = Axis::new("median milliseconds of a query, on one thread").logarithmic();
    let up = Axis::new(format!("share of the {} nearest that is found", curve.k));
    Lines::new("Recall and latency of searches", across, up, asked.into_iter().flatten().collect())
}
