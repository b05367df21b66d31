//! The rows as tables: for people, for papers, for other programs.

use echoic::metrics::Metric;
use echoic::{Error, Result};
use serde_json::Value;

use super::results::Told;
use crate::cli::output::{no_row, table, written};

/// The columns of captioning papers, and what tells whether captions are clumsy.
const COLUMNS: [(&str, Metric); 9] = [
    ("BLEU-1", Metric::Bleu1),
    ("BLEU-4", Metric::Bleu4),
    ("METEOR", Metric::Meteor),
    ("ROUGE-L", Metric::RougeL),
    ("CIDEr-D", Metric::CiderD),
    ("SPICE", Metric::Spice),
    ("SPIDEr", Metric::Spider),
    ("CLAP", Metric::ClapSimilarity),
    ("repeats", Metric::Repetition),
];

/// Metrics of which the interval is shown.
const WITH_INTERVAL: [Metric; 2] = [Metric::CiderD, Metric::Spider];

/// For people.
pub fn plain(rows: &[Told<'_>]) -> String {
    let (head, cells) = cells(rows);
    let mut all = vec![head];
    all.extend(cells);
    table(&all)
}

/// For a paper or a page.
pub fn markdown(rows: &[Told<'_>]) -> String {
    let (head, cells) = cells(rows);
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let rule = head.iter().enumerate().map(|(column, _)| if column == 0 { "---" } else { "---:" });
    let rule = rule.map(str::to_owned).collect::<Vec<_>>();
    let lines = [line(&head), format!("|{}|", rule.join("|"))].into_iter().chain(cells.iter().map(|row| line(row)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Heading and rows; columns of metrics that no row has are left out.
fn cells(rows: &[Told<'_>]) -> (Vec<String>, Vec<Vec<String>>) {
    let has = |metric: Metric| rows.iter().any(|row| row.scores[metric.name()].is_object());
    let columns: Vec<(&str, Metric)> = COLUMNS.into_iter().filter(|(_, metric)| has(*metric)).collect();
    let controls: Vec<&str> = ["silence", "shuffled"]
        .into_iter()
        .filter(|control| rows.iter().any(|row| row.control(control).is_some()))
        .collect();
    let mut head = vec!["row".to_owned()];
    for (name, metric) in &columns {
        head.push((*name).to_owned());
        if WITH_INTERVAL.contains(metric) {
            head.push("95 %".to_owned());
        }
    }
    head.extend(controls.iter().map(|control| format!("CIDEr-D, {control}")));
    let row = |row: &Told<'_>| {
        let mut line = vec![row.row.to_owned()];
        for (_, metric) in &columns {
            let score = &row.scores[metric.name()];
            line.push(number(&score["score"]));
            if WITH_INTERVAL.contains(metric) {
                line.push(format!("{}-{}", number(&score["low"]), number(&score["high"])));
            }
        }
        line.extend(
            controls
                .iter()
                .map(|control| row.control(control).map_or_else(String::new, |scores| number(&scores["cider_d"]))),
        );
        line
    };
    (head, rows.iter().map(row).collect())
}

fn number(value: &Value) -> String {
    value.as_f64().map_or_else(String::new, |number| format!("{number:.3}"))
}

/// Every metric with its interval, and the controls.
///
/// # Errors
/// [`Error::Internal`] for what is no CSV.
pub fn csv(rows: &[Told<'_>]) -> Result<String> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let names: Vec<&str> = Metric::NAMES.iter().map(|(name, _)| *name).collect();
    let mut head = vec!["row".to_owned(), "questions".to_owned()];
    for name in &names {
        head.extend([(*name).to_owned(), format!("{name}_low"), format!("{name}_high")]);
        head.extend(["silence", "shuffled"].map(|control| format!("{name}_{control}")));
    }
    let failed = |cause| no_row("the table", cause);
    out.write_record(&head).map_err(failed)?;
    for row in rows {
        let mut line = vec![row.row.to_owned(), row.questions.to_string()];
        let text = |value: &Value| if value.is_null() { String::new() } else { value.to_string() };
        for name in &names {
            let score = &row.scores[name];
            line.extend(["score", "low", "high"].map(|part| text(&score[part])));
            line.extend(
                ["silence", "shuffled"]
                    .map(|control| row.control(control).map_or_else(String::new, |scores| text(&scores[name]))),
            );
        }
        out.write_record(&line).map_err(failed)?;
    }
    String::from_utf8(written(out)?).map_err(|cause| Error::Internal(format!("a table that is no text: {cause}")))
}
