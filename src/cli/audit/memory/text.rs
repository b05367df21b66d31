//! The report for people: what was found first, then each part in a few lines of at most 80 columns.

use echoic::audit::memory::{
    Cluster, DuplicateAudit, Finding, GapAudit, HubAudit, MemoryAudit, OutlierAudit, OverlapAudit, RecallAudit,
    RecallCurve, Remedy, TextAudit,
};
use echoic::memory::Caption;

use super::mending::Mending;
use crate::cli::bins::histogram;
use crate::cli::output::{counted, number, table};

/// Columns of a line.
const WIDTH: usize = 80;
/// Columns of what shows that a text is odd, or of a sound's name.
const EVIDENCE: usize = 24;
/// Ids that a command names where not all are asked for.
const IDS: usize = 8;

/// The whole report; lists name `limit` texts.
pub fn report(audit: &MemoryAudit, mending: &Mending<'_>, limit: usize) -> String {
    let mut lines = head(audit);
    lines.extend(findings(&audit.findings, mending, limit));
    lines.extend(audit.duplicates.iter().flat_map(|part| duplicates(part, limit)));
    lines.extend(audit.hubs.iter().flat_map(|part| hubs(part, limit)));
    lines.extend(audit.overlap.iter().flat_map(overlap));
    lines.extend(audit.outliers.iter().flat_map(|part| outliers(part, limit)));
    lines.extend(audit.texts.iter().flat_map(|part| texts(part, limit)));
    lines.extend(audit.recall.iter().flat_map(|part| recall(part, limit)));
    lines.extend(audit.gap.iter().flat_map(|part| gap(part, limit)));
    lines.join("\n")
}

fn head(audit: &MemoryAudit) -> Vec<String> {
    let examined = &audit.examined;
    let domains = counted(examined.domains.len() as u64, "domain");
    let mut lines = vec![format!(
        "{} in {domains}, from {}, commit {}",
        counted(examined.captions, "caption"),
        counted(examined.occurrences, "row"),
        examined.commit
    )];
    if examined.sampled + examined.sounds == 0 {
        // Nothing was asked for the neighbours of texts.
        return lines;
    }
    let drawn = if examined.sampled < examined.captions { ", a sample by seed " } else { "" };
    let seed = if drawn.is_empty() { String::new() } else { examined.seed.to_string() };
    let asked = counted(examined.sampled, "text");
    let sounds =
        if examined.sounds > 0 { format!(" and {}", counted(examined.sounds, "sound")) } else { String::new() };
    let asked =
        if examined.sampled > 0 { format!("{asked}{drawn}{seed}{sounds}") } else { sounds.replacen(" and ", "", 1) };
    lines.push(format!("asked with {asked}, for {} each", counted(examined.k as u64, "neighbour")));
    lines
}

fn findings(findings: &[Finding], mending: &Mending<'_>, limit: usize) -> Vec<String> {
    if findings.is_empty() {
        return vec![String::new(), "nothing was found that needs mending".into()];
    }
    let mut lines = vec![String::new(), "FOUND, what matters most first".into()];
    for finding in findings {
        let severity = format!("{:?}", finding.severity).to_lowercase();
        let words = wrapped(&finding.summary, WIDTH - 10);
        lines.extend(words.iter().enumerate().map(|(at, line)| {
            let begin = if at == 0 { severity.as_str() } else { "" };
            format!("  {begin:<8}{line}")
        }));
        for remedy in &finding.remedies {
            let (remedy, left) = shortened(remedy, limit);
            let rest = if left > 0 { format!("    # and {} more: --all", number(left as u64)) } else { String::new() };
            lines.push(format!("          {}{rest}", mending.command(&remedy)));
        }
    }
    lines
}

/// A remedy that names a few ids, and how many it leaves out.
fn shortened(remedy: &Remedy, limit: usize) -> (Remedy, usize) {
    match remedy {
        Remedy::RemoveCaptions { ids } if limit < usize::MAX && ids.len() > IDS.max(limit) => {
            let kept = IDS.max(limit);
            (Remedy::RemoveCaptions { ids: ids[..kept].to_vec() }, ids.len() - kept)
        }
        other => (other.clone(), 0),
    }
}

/// Words in lines of at most so many columns.
fn wrapped(words: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split(' ') {
        let fits =
            lines.last().is_some_and(|line| line.is_empty() || line.chars().count() + word.chars().count() < width);
        match lines.last_mut().filter(|_| fits) {
            Some(line) if line.is_empty() => word.clone_into(line),
            Some(line) => *line = format!("{line} {word}"),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

fn heading(words: &str) -> [String; 2] {
    [String::new(), words.to_owned()]
}

/// A line about a text, cut to the width.
fn line(begin: &str, text: &Caption) -> String {
    let times = if text.multiplicity > 1 { format!(" x{}", text.multiplicity) } else { String::new() };
    let end = format!(" [{} {}]{times}", text.domain, text.id);
    let room = WIDTH.saturating_sub(begin.chars().count() + end.chars().count()).max(12);
    format!("{begin}{}{end}", visible(&cut(&text.text, room)))
}

/// The end of what is longer than so many columns is left out.
fn cut(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        true => text.chars().take(width - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// The beginning of what is longer than so many columns is left out.
fn cut_before(text: &str, width: usize) -> String {
    let length = text.chars().count();
    match length > width {
        true => std::iter::once('…').chain(text.chars().skip(length - width + 1)).collect(),
        false => text.to_owned(),
    }
}

/// Text in which nothing can move the cursor or the direction of writing.
fn visible(text: &str) -> String {
    let is_safe = |c: char| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if is_safe(c) { c } else { '\u{fffd}' }).collect()
}

fn more(all: u64, shown: usize) -> Option<String> {
    let left = all.saturating_sub(shown as u64);
    (left > 0).then(|| format!("    and {} more", number(left)))
}

fn name(of: impl std::fmt::Debug) -> String {
    let mut words = String::new();
    for letter in format!("{of:?}").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn duplicates(part: &DuplicateAudit, limit: usize) -> Vec<String> {
    let mut lines = heading("DUPLICATES, by kind").to_vec();
    let rows = part.kinds.iter().map(|kind| {
        vec![format!("  {}", name(kind.kind)), number(kind.clusters), number(kind.captions), number(kind.superfluous)]
    });
    let titles = ["  kind", "clusters", "texts", "could go"].map(str::to_owned).to_vec();
    lines.extend(table(&std::iter::once(titles).chain(rows).collect::<Vec<_>>()).lines().map(str::to_owned));
    lines.extend(part.clusters.iter().take(limit).flat_map(|cluster| members(cluster, limit)));
    lines.push("  cosine to the nearest other text".into());
    lines.extend(histogram(&part.nearest, cosine));
    lines
}

fn members(cluster: &Cluster, limit: usize) -> Vec<String> {
    let mut lines = vec![format!("  {}, {}", name(cluster.kind), counted(cluster.size, "text"))];
    let shown = cluster.members.iter().take(limit.max(2));
    lines.extend(shown.map(|member| line(&format!("    {:.3}  ", member.similarity), &member.text)));
    lines.extend(more(cluster.size, cluster.members.len().min(limit.max(2))));
    lines
}

fn cosine(edge: f64) -> String {
    format!("{edge:.2}")
}

fn hubs(part: &HubAudit, limit: usize) -> Vec<String> {
    let asked = [("texts", Some(&part.by_texts)), ("sounds", part.by_sounds.as_ref())];
    let counted_of = asked.into_iter().filter_map(|(asked, counts)| Some((asked, counts?)));
    let parts = counted_of.flat_map(|(asked, counts)| {
        let mut lines = heading(&format!("HUBS, asked with {asked}")).to_vec();
        let (hubs, share) = (counted(counts.hubs, "hub"), 100.0 * counts.hub_share);
        let takes = if counts.hubs == 1 { "takes" } else { "take" };
        lines.push(match counts.skewness {
            Some(skewness) => {
                format!("  skewness of the k-occurrence {skewness:.2}; {hubs} {takes} {share:.1} % of all answers")
            }
            None => format!("  {} only: too few for hubs to mean anything", queries(counts.queries)),
        });
        let found = counts.most_found.iter().take(limit);
        lines.extend(found.map(|hub| {
            let times = hub.found as f64 / counts.expected.max(f64::MIN_POSITIVE);
            line(&format!("    {:>6} times, {times:.0} x the mean  ", number(hub.found)), &hub.text)
        }));
        let orphans = &counts.orphans;
        let verdict = match orphans.meaningful {
            true => format!("; by chance {:.0}", orphans.by_chance),
            false => "; too few queries to mean anything".into(),
        };
        lines.push(format!("  found by none: {}{verdict}", counted(orphans.count, "text")));
        if orphans.meaningful {
            lines.extend(orphans.texts.iter().take(limit).map(|text| line("    ", text)));
        }
        lines.push("  how often a text is found".into());
        lines.extend(histogram(&counts.distribution, |edge| format!("{edge:.0}")));
        lines
    });
    parts.collect()
}

/// `1 query`, `29 queries`.
fn queries(count: u64) -> String {
    if count == 1 { "1 query".to_owned() } else { format!("{} queries", number(count)) }
}

fn overlap(part: &OverlapAudit) -> Vec<String> {
    if part.domains.len() < 2 {
        return Vec::new();
    }
    let mut lines = heading("OVERLAP OF DOMAINS, in pairs").to_vec();
    let mut pairs = Vec::new();
    for (a, row) in part.near.iter().enumerate() {
        for (b, share) in row.iter().enumerate().filter(|(b, _)| a != *b) {
            pairs.push((share.unwrap_or(0.0), a, b));
        }
    }
    pairs.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
    let titles = ["  of the texts of", "have a near one in", "share", "same", "centroids"].map(str::to_owned).to_vec();
    let rows = pairs.iter().take(8).map(|(share, a, b)| {
        vec![
            format!("  {}", part.domains[*a]),
            part.domains[*b].clone(),
            format!("{:.1}", 100.0 * share),
            number(part.same[*a][*b]),
            format!("{:.2}", part.centroids[*a][*b]),
        ]
    });
    lines.extend(table(&std::iter::once(titles).chain(rows).collect::<Vec<_>>()).lines().map(str::to_owned));
    lines.extend(more(pairs.len() as u64, pairs.len().min(8)));
    lines
}

fn outliers(part: &OutlierAudit, limit: usize) -> Vec<String> {
    let measures = [("the k-th neighbour", &part.by_neighbour), ("the centroid of the domain", &part.by_centroid)];
    let lines = measures.into_iter().flat_map(|(from, measure)| {
        let mut lines = heading(&format!("OUTLIERS, by the cosine to {from}")).to_vec();
        lines.push(format!("  {} beyond the outer fence", counted(measure.outliers, "text")));
        let far = measure.farthest.iter().take(limit);
        lines.extend(far.map(|outlier| line(&format!("    {:.3}  ", outlier.similarity), &outlier.text)));
        lines
    });
    lines.collect()
}

fn texts(part: &TextAudit, limit: usize) -> Vec<String> {
    let mut lines = heading("TEXTS as they are written").to_vec();
    if part.anomalies.is_empty() {
        lines.push("  nothing odd".into());
    }
    for anomaly in &part.anomalies {
        lines.push(format!("  {}: {}", name(anomaly.kind), counted(anomaly.count, "text")));
        lines.extend(anomaly.texts.iter().take(limit).map(|suspect| {
            let evidence = match suspect.evidence == suspect.text.text {
                true => String::new(),
                false => format!("{}  ", cut(&visible(&suspect.evidence), EVIDENCE)),
            };
            line(&format!("    {evidence}"), &suspect.text)
        }));
    }
    lines.push("  words of a text".into());
    lines.extend(histogram(&part.words, |edge| format!("{edge:.0}")));
    lines
}

fn recall(part: &RecallAudit, limit: usize) -> Vec<String> {
    let mut lines = heading(&format!("RECALL of the {} nearest, segment by segment", part.k)).to_vec();
    let indexed: Vec<_> = part.segments.iter().filter(|segment| segment.indexed).collect();
    let scanned = (part.segments.len() - indexed.len()) as u64;
    if scanned > 0 {
        lines.push(format!("  {} without an index: scanned, so nothing is missed", counted(scanned, "segment")));
    }
    for segment in indexed.iter().take(limit.max(8)) {
        let share = |point: &Option<echoic::audit::memory::RecallPoint>| {
            point.as_ref().map_or("-".to_owned(), |point| format!("{:.4} (worst {:.2})", point.recall, point.worst))
        };
        lines.push(format!(
            "  {} of {}: by texts {}, by sounds {}",
            segment.segment,
            segment.domain,
            share(&segment.by_texts),
            share(&segment.by_sounds)
        ));
    }
    lines
}

/// What searches find with ever more effort, and how long they take.
pub fn curve(curve: &RecallCurve) -> String {
    let asked = [("texts", Some(&curve.by_texts)), ("sounds", curve.by_sounds.as_ref())];
    let parts = asked.into_iter().filter_map(|(asked, points)| Some((asked, points?)));
    let lines = parts.flat_map(|(asked, points)| {
        let count = points.first().map_or(0, |point| point.queries);
        let mut lines =
            heading(&format!("RECALL AND LATENCY of the {} nearest, asked with {asked}: {}", curve.k, queries(count)))
                .to_vec();
        let titles = ["  candidates (--ef)", "found", "median ms, one thread"].map(str::to_owned).to_vec();
        let rows = points.iter().map(|point| {
            let ef = point.ef.map_or("all (--exact)".to_owned(), |ef| number(ef as u64));
            vec![format!("  {ef}"), format!("{:.4}", point.recall), format!("{:.3}", point.median_us / 1000.0)]
        });
        let rows: Vec<_> = std::iter::once(titles).chain(rows).collect();
        lines.extend(table(&rows).lines().map(str::to_owned));
        lines
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn gap(part: &GapAudit, limit: usize) -> Vec<String> {
    let mut lines = heading("GAP between texts and sounds").to_vec();
    let mean = |within: Option<f64>| within.map_or("-".to_owned(), |within| format!("{within:.3}"));
    lines.push(format!("  mean cosine of two texts {}", mean(part.texts.within)));
    let Some(sounds) = &part.sounds else {
        lines.push("  no sounds were given to measure it with".into());
        return lines;
    };
    lines.push(format!("  mean cosine of two sounds {}", mean(sounds.within)));
    lines.push(format!("  mean cosine of a text and a sound {}", mean(part.across)));
    lines.push(format!("  distance of the means {}", mean(part.distance)));
    lines.push("  cosine of each sound to the nearest text".into());
    lines.extend(part.nearest_cosines.iter().flat_map(|cosines| histogram(cosines, cosine)));
    lines.push("  the sounds that are farthest from all texts".into());
    lines.extend(part.farthest.iter().take(limit).map(|unmatched| {
        let begin = format!("    {:.3}  {}: ", unmatched.similarity, cut_before(&visible(&unmatched.sound), EVIDENCE));
        line(&begin, &unmatched.nearest)
    }));
    lines
}
