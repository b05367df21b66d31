//! An audit of a caption in words and bars, 80 columns wide but for the captions themselves.

use echoic::audit::{AuditedNeighbour, CaptionAudit, Influence, TokenAudit, WindowAudit};
use echoic::bridge::Strategy;

use crate::cli::batch::written_by;
use crate::cli::drawing::bar;
use crate::cli::output::number;
use crate::cli::search::span;

/// Columns of a bar.
const BAR: usize = 10;

/// Above so many nats a word was called for by the sound: it is e times as likely with it as by habit.
const CALLED_FOR: f32 = 1.0;

/// An audit for people.
pub fn describe(audit: &CaptionAudit) -> String {
    let parts = [head(audit), neighbours(audit), strategies(audit), words(audit), windows(audit)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn head(audit: &CaptionAudit) -> String {
    let captioned = &audit.captioned;
    let row = captioned.row.map(|row| format!(" [{row}]")).unwrap_or_default();
    let seconds = captioned.seconds.map(|seconds| format!("  {seconds:.1} s")).unwrap_or_default();
    let lost = match captioned.strategy {
        Strategy::Projection => {
            let truly = audit.true_lost_mass.map(|lost| format!(", truly {}", percent(lost))).unwrap_or_default();
            format!("; at most {} of the weight left out{truly}", percent(captioned.lost_mass))
        }
        _ => String::new(),
    };
    let speak = if captioned.strategy == Strategy::Projection { "speak" } else { "would speak in a projection" };
    let spoke = format!("{:.1} of {} texts {speak}", audit.effective_texts, number(audit.texts.rows));
    format!(
        "{}{row}{}{seconds}\n  {}\n  {}\n  {spoke}{lost}; what is written from is {:.3} like the sound",
        captioned.path,
        span(captioned.start, captioned.end),
        captioned.caption,
        written_by(captioned),
        audit.prefix_similarity,
    )
}

/// A share for people: no share of something is told as nothing.
fn percent(share: f32) -> String {
    match share * 100.0 {
        0.0 => "0 %".into(),
        percent if percent < 0.01 => "0.01 %".into(),
        percent => format!("{percent:.2} %"),
    }
}

fn neighbours(audit: &CaptionAudit) -> String {
    let search = &audit.search;
    let found = search.k - search.missed_ranks.len();
    let missed = match search.missed_ranks.as_slice() {
        [] => String::new(),
        ranks => format!(", missed rank {}", ranks.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let title = format!("  neighbours: {found} of the {} nearest found{missed}; similarity, weight", search.k);
    let lines = audit.audited.iter().map(neighbour);
    std::iter::once(title).chain(lines).collect::<Vec<_>>().join("\n")
}

fn neighbour(audited: &AuditedNeighbour) -> String {
    let AuditedNeighbour { rank, text, found, influence, .. } = audited;
    let times = if text.multiplicity > 1 { format!(" x{}", text.multiplicity) } else { String::new() };
    let missed = if *found { "" } else { " (missed)" };
    let (similarity, weight) = (text.similarity, text.weight);
    let bar = bar(weight.into(), BAR);
    let without = without(influence.as_ref());
    format!(
        "  {rank:>4}  {similarity:.3}  {bar} {weight:.2}  {} [{} {}]{times}{missed}{without}",
        text.caption, text.domain, text.id
    )
}

/// What becomes of the caption without something, where it becomes another.
fn without(influence: Option<&Influence>) -> String {
    match influence {
        Some(Influence { caption, changes: true, .. }) => format!("\n        without it: {caption}"),
        _ => String::new(),
    }
}

fn strategies(audit: &CaptionAudit) -> String {
    if audit.strategies.is_empty() {
        return String::new();
    }
    let agreeing = audit.strategies.iter().filter(|strategy| strategy.agrees).count();
    let title = format!("  strategies: {agreeing} of {} agree; likeness to the sound", audit.strategies.len());
    let lines = audit.strategies.iter().map(|audited| {
        let (name, mark) = (audited.strategy.to_string(), if audited.agrees { "=" } else { " " });
        format!("  {mark} {name:<10}  {:>6.3}  {}", audited.prefix_similarity, audited.caption)
    });
    std::iter::once(title).chain(lines).collect::<Vec<_>>().join("\n")
}

fn words(audit: &CaptionAudit) -> String {
    if audit.tokens.is_empty() {
        return String::new();
    }
    let title = "  words: how likely after those before them, by habit, and called for by the sound";
    let lines = audit.tokens.iter().map(word);
    std::iter::once(title.to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
}

fn word(token: &TokenAudit) -> String {
    let TokenAudit { text, is_end, probability, habit, forced, instead, .. } = token;
    let text = if *is_end { "(end)" } else { text.trim() };
    let called = if *forced >= CALLED_FOR { '*' } else { ' ' };
    let instead = match instead.as_deref().map(str::trim) {
        Some("") => "  habit: (end)".into(),
        Some(instead) => format!("  habit: {instead}"),
        None => String::new(),
    };
    let bar = bar((*probability).into(), BAR);
    format!("  {called} {text:<16} {bar} {probability:.3}  {habit:.3}  {forced:>+6.1}{instead}")
}

fn windows(audit: &CaptionAudit) -> String {
    if audit.windows.is_empty() {
        return String::new();
    }
    let title = "  windows: share of the sound, likeness to what is written from";
    let most = audit.windows.iter().map(|window| window.support).fold(f32::NEG_INFINITY, f32::max);
    let lines = audit.windows.iter().map(|audited| window(audited, audited.support == most));
    std::iter::once(title.to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
}

fn window(audited: &WindowAudit, spoke: bool) -> String {
    let WindowAudit { start, end, share, support, caption, influence, .. } = audited;
    let mark = if spoke { '*' } else { ' ' };
    let bar = bar((*share).into(), BAR);
    let without = without(influence.as_ref());
    format!("  {mark} {start:>7.1} to {end:>7.1} s  {bar} {share:.2}  {support:>6.3}  {caption}{without}")
}
