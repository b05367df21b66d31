//! A measured gap in words.

use echoic::gap::{GapReport, Side};

use super::Measured;
use crate::cli::bins::histogram;
use crate::cli::output::{counted, number, table};

/// The report for people.
pub fn text(measured: &Measured<'_>, plot: bool) -> String {
    let report = measured.report;
    let mut lines = vec![format!("the modality gap in {}, commit {}", report.space, report.commit), String::new()];
    lines.extend(sides(report));
    lines.push(String::new());
    lines.push(table(&figures(report)));
    if let Some(pairs) = report.pairs.as_ref().filter(|_| plot) {
        for (name, cosines) in [("a sound and its text", &pairs.paired), ("a sound and another text", &pairs.unpaired)]
        {
            lines.extend([String::new(), format!("{name}, cosine")]);
            lines.extend(histogram(&cosines.histogram, |edge| format!("{edge:.2}")));
        }
    }
    lines.push(String::new());
    if measured.left_out > 0 {
        lines.push(format!("{} without a direction left out", counted(measured.left_out as u64, "pair")));
    }
    if measured.failed > 0 {
        lines.push(format!("{} could not be used", counted(measured.failed, "clip")));
    }
    lines.extend(measured.remarks.iter().cloned());
    lines.join("\n")
}

/// What was kept, what is missing, and how to get it.
pub fn remarks(report: &GapReport, kept: bool, dry_run: bool, external: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    let how = match external {
        true => "--audio-embeddings FILE --text-embeddings FILE",
        false => "--pairs CSV --audio DIR",
    };
    if report.pairs.is_none() {
        remarks.push(format!("without pairs nothing is known of sounds, nor the shift: echoic gap {how}"));
    }
    if report.noise.is_none() {
        remarks.push("no stored clip has several captions: sigma cannot be estimated".into());
    }
    remarks.push(match (kept, dry_run, report.pairs.is_some()) {
        (true, _, true) => {
            "kept in the store; `echoic train --bridge shift` and `--bridge both` take the shift from there".into()
        }
        (true, _, false) => "kept in the store".into(),
        (false, true, _) => "nothing was kept".into(),
        (false, false, _) => "what the store keeps already was measured with pairs, and stays".into(),
    });
    remarks
}

/// A column for each set of vectors.
fn sides(report: &GapReport) -> Vec<String> {
    let pairs = report.pairs.as_ref();
    let columns: Vec<(&str, &Side)> = [
        report.texts.as_ref().map(|side| ("stored texts", side)),
        pairs.map(|pairs| ("texts of pairs", &pairs.texts)),
        pairs.map(|pairs| ("sounds of pairs", &pairs.sounds)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let row = |name: &str, cell: &dyn Fn(&Side) -> String| {
        std::iter::once(name.to_owned()).chain(columns.iter().map(|(_, side)| cell(side))).collect::<Vec<_>>()
    };
    let known = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    let heading = std::iter::once(String::new()).chain(columns.iter().map(|(name, _)| (*name).to_owned())).collect();
    let rows = [
        heading,
        row("embeddings", &|side| number(side.count)),
        row("length of their mean", &|side| format!("{:.3}", side.centroid_length)),
        row("mean cosine of two", &|side| known(side.within, 3)),
        row("participation ratio", &|side| known(side.participation_ratio, 1)),
    ];
    table(&rows).lines().map(str::to_owned).collect()
}

fn figures(report: &GapReport) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    if let Some(pairs) = &report.pairs {
        row("distance of the means", format!("{:.3}, which is the length of the shift", pairs.distance));
        row("paired cosine", format!("{:.3}, mean of {}", pairs.paired.mean, number(pairs.paired.count)));
        row("unpaired cosine", format!("{:.3}, mean of {}", pairs.unpaired.mean, number(pairs.unpaired.count)));
        row(
            "linear separability",
            match pairs.separability {
                Some(found) => format!("{:.3} of {} held out; 0.5 is chance", found.accuracy, number(found.tested)),
                None => "too few sounds".into(),
            },
        );
    }
    if let Some(noise) = &report.noise {
        row(
            "sigma of the noise",
            format!(
                "{:.4} (variance {:.5}), from {} between captions of {}",
                noise.sigma,
                noise.variance,
                counted(noise.pairs, "difference"),
                counted(noise.clips, "clip"),
            ),
        );
    }
    rows
}
