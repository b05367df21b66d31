//! What is told of a row.

use echoic::bridge::Strategy;
use echoic::captioner::Parameters;
use echoic::eval::Measured;
use echoic::metrics::{Bootstrap, Metric, Report};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::cli::measures::why_absent;

/// A way to caption, what it wrote and how good that is.
pub struct Row {
    pub name: String,
    pub strategy: Strategy,
    pub parameters: Parameters,
    pub captions: Vec<String>,
    pub measured: Measured,
    /// What silence is captioned with.
    pub silence: Option<String>,
}

/// The row as programs are told.
#[derive(Serialize)]
pub struct Told<'a> {
    pub row: &'a str,
    pub questions: usize,
    strategy: Strategy,
    parameters: &'a Parameters,
    /// By the name of the metric, `null` where it was not computed.
    pub scores: Value,
    why_null: Map<String, Value>,
    /// By how much each score is above that of the first row.
    above_first: Option<Value>,
    silence: Option<ToldControl<'a>>,
    shuffled: Option<ToldControl<'a>>,
}

/// A control beside a row.
#[derive(Serialize)]
struct ToldControl<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
    scores: Value,
}

impl<'a> Told<'a> {
    /// What is told of a row; `first` is the row that it is compared with.
    pub fn of(row: &'a Row, first: Option<&Row>, bootstrap: &Bootstrap) -> Self {
        let report = &row.measured.report;
        let why = Metric::NAMES.iter().filter(|(_, metric)| report.score(*metric).is_none());
        let why = why.map(|(name, metric)| ((*name).to_owned(), Value::String(why_absent(report, *metric))));
        let control = |caption, report: &Report| ToldControl { caption, scores: plain(report) };
        Self {
            row: &row.name,
            questions: row.captions.len(),
            strategy: row.strategy,
            parameters: &row.parameters,
            scores: scores(report, bootstrap),
            why_null: why.collect(),
            above_first: first.filter(|first| first.name != row.name).map(|first| above(row, first, bootstrap)),
            silence: row.measured.silence.as_ref().map(|silence| control(row.silence.as_deref(), silence)),
            shuffled: row.measured.shuffled.as_ref().map(|shuffled| control(None, shuffled)),
        }
    }

    /// The scores of a control by its name, where it stands beside the row.
    pub fn control(&self, name: &str) -> Option<&Value> {
        let control = if name == "silence" { &self.silence } else { &self.shuffled };
        control.as_ref().map(|control| &control.scores)
    }
}

/// Each score with its interval.
fn scores(report: &Report, bootstrap: &Bootstrap) -> Value {
    each(|metric| {
        let score = report.score(metric)?;
        let interval = bootstrap.interval(score);
        Some(json!({
            "score": score.corpus,
            "low": interval.map(|interval| interval.low),
            "high": interval.map(|interval| interval.high),
        }))
    })
}

/// The scores of a control.
fn plain(report: &Report) -> Value {
    each(|metric| Some(json!(report.score(metric)?.corpus)))
}

/// By how much each score is above that of the first row.
fn above(row: &Row, first: &Row, bootstrap: &Bootstrap) -> Value {
    each(|metric| {
        let (own, other) = (row.measured.report.score(metric)?, first.measured.report.score(metric)?);
        bootstrap.difference(own, other).map(|told| json!(told))
    })
}

/// A value for each metric, `null` where there is none.
fn each(value: impl Fn(Metric) -> Option<Value>) -> Value {
    let all = Metric::NAMES.iter().map(|(name, metric)| ((*name).to_owned(), value(*metric).unwrap_or(Value::Null)));
    Value::Object(all.collect())
}
