//! What captions are measured by: the options of every command that scores them.

use std::path::PathBuf;

use clap::Args;
use echoic::metrics::{Absence, Metric, Report, Rules, Scorer, Spice};
use echoic::models::METEOR;
use echoic::{Error, Result};

use super::context::Context;
use super::pipes;

/// What to measure, and with what.
#[derive(Debug, Args)]
pub struct Measures {
    /// Compute these metrics only; one that cannot be computed is an error then
    #[arg(long, value_name = "METRIC", value_delimiter = ',')]
    only: Option<Vec<Metric>>,
    /// Whose rules hold where the reference tools differ: pycocoevalcap or aac-metrics
    #[arg(long, value_name = "TOOL", default_value = "pycocoevalcap")]
    rules: Rules,
    /// The official program of SPICE (`spice-1.0.jar`, with its folder `lib`)
    #[arg(long, value_name = "JAR", value_parser = pipes::file)]
    spice: Option<PathBuf>,
    /// The Java that runs it
    #[arg(long, value_name = "PROGRAM", default_value = "java")]
    java: PathBuf,
}

impl Measures {
    /// What computes them.
    ///
    /// # Errors
    /// Where METEOR was asked for by name, and its data are absent.
    pub fn scorer(&self, context: &Context) -> Result<Scorer> {
        let meteor = context.models()?.path(METEOR);
        let spice = self.spice.as_ref().map(|jar| Spice::new(jar, &self.java));
        let scorer = Scorer::default()
            .only(self.only.clone())
            .rules(self.rules)
            .meteor(meteor.as_ref().ok().cloned())
            .spice(spice);
        if self.asked().contains(&Metric::Meteor) {
            meteor?;
        }
        Ok(scorer)
    }

    /// Whether a metric is to be computed.
    pub fn want(&self, metric: Metric) -> bool {
        self.only.is_none() || self.asked().contains(&metric)
    }

    /// Refuses a report that lacks what was asked for by name.
    ///
    /// # Errors
    /// [`Error::Input`], with what to do about it.
    pub fn check(&self, report: &Report) -> Result<()> {
        let absent = self.asked().iter().find_map(|metric| Some((*metric, report.absence(*metric)?)));
        let Some((metric, why)) = absent else { return Ok(()) };
        let found = format!("nothing to compute it with ({why})");
        let error = Error::input(format!("the metric {metric}"), found, "what it needs");
        Err(match remedy(why) {
            Some(remedy) => error.with_hint(remedy),
            None => error,
        })
    }

    fn asked(&self) -> &[Metric] {
        self.only.as_deref().unwrap_or_default()
    }
}

/// Why a metric is absent, and what to do about it.
pub fn reason(absence: Absence) -> String {
    match remedy(absence) {
        Some(remedy) => format!("{absence}; {remedy}"),
        None => absence.to_string(),
    }
}

fn remedy(absence: Absence) -> Option<&'static str> {
    match absence {
        Absence::Data => Some("`echoic models pull meteor` brings them"),
        Absence::Program => Some("name it with --spice JAR"),
        Absence::Audio => Some("name their folder with --audio DIR"),
        _ => None,
    }
}
