//! What captions are measured by: the options of every command that scores them.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use echoic::judges::{FluencyDetector, SentenceBert, locate};
use echoic::metrics::{Absence, ErrorDetector, Metric, Report, Rules, Scorer, SentenceEncoder, Spice};
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
    /// The network that embeds sentences for FENSE: a folder of sentence-transformers. By default paraphrase-TinyBERT-L6-v2, where other
    /// programs keep it
    #[arg(long, value_name = "DIR", value_parser = pipes::file)]
    sentence_bert: Option<PathBuf>,
    /// The network that finds errors of fluency for FENSE and SPIDEr-FL. By default echecker_clotho_audiocaps_base.ckpt, where other programs
    /// keep it
    #[arg(long, value_name = "FILE", value_parser = pipes::file)]
    fluency: Option<PathBuf>,
}

impl Measures {
    /// What computes them.
    ///
    /// # Errors
    /// Where METEOR was asked for by name, and its data are absent; where a network cannot be read.
    pub fn scorer(&self, context: &Context) -> Result<Scorer> {
        let meteor = context.models()?.path(METEOR);
        let spice = self.spice.as_ref().map(|jar| Spice::new(jar, &self.java));
        let scorer = Scorer::default()
            .only(self.only.clone())
            .rules(self.rules)
            .meteor(meteor.as_ref().ok().cloned())
            .spice(spice)
            .sentences(self.sentences()?)
            .fluency(self.errors()?);
        if self.asked().contains(&Metric::Meteor) {
            meteor?;
        }
        Ok(scorer)
    }

    /// What embeds sentences, if it is wanted and anywhere.
    fn sentences(&self) -> Result<Option<Arc<dyn SentenceEncoder>>> {
        if ![Metric::SbertSim, Metric::Fense].into_iter().any(|metric| self.want(metric)) {
            return Ok(None);
        }
        let folder = self.sentence_bert.clone().or_else(locate::sentences);
        let open = |folder| SentenceBert::open(folder).map(|network| Arc::new(network) as Arc<dyn SentenceEncoder>);
        folder.map(open).transpose()
    }

    /// What finds errors of fluency, if it is wanted and anywhere.
    fn errors(&self) -> Result<Option<Arc<dyn ErrorDetector>>> {
        if ![Metric::Fer, Metric::Fense, Metric::SpiderFl].into_iter().any(|metric| self.want(metric)) {
            return Ok(None);
        }
        let file = self.fluency.clone().or_else(locate::fluency);
        let open = |file| FluencyDetector::open(file).map(|network| Arc::new(network) as Arc<dyn ErrorDetector>);
        file.map(open).transpose()
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
        Err(match remedy(report, why) {
            Some(remedy) => error.with_hint(remedy),
            None => error,
        })
    }

    fn asked(&self) -> &[Metric] {
        self.only.as_deref().unwrap_or_default()
    }
}

/// Why a metric is absent, and what to do about it.
pub fn why_absent(report: &Report, metric: Metric) -> String {
    let Some(absence) = report.absence(metric) else { return "it was not asked for".to_owned() };
    match remedy(report, absence) {
        Some(remedy) => format!("{absence}; {remedy}"),
        None => absence.to_string(),
    }
}

fn remedy(report: &Report, absence: Absence) -> Option<&'static str> {
    match absence {
        Absence::Without(metric) => remedy(report, report.absence(metric)?),
        Absence::Data => Some("`echoic models pull meteor` brings them"),
        Absence::Program => Some("name it with --spice JAR"),
        Absence::SentenceEncoder => Some("name one with --sentence-bert DIR (docs/metrics.md says where to get it)"),
        Absence::ErrorDetector => Some("name one with --fluency FILE (docs/metrics.md says where to get it)"),
        Absence::Audio => Some("name their folder with --audio DIR"),
        _ => None,
    }
}
