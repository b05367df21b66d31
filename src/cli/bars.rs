//! Progress and log lines on stderr, so that neither tears the other: bars on a terminal, and elsewhere a line now and then.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use echoic::progress::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;

use super::pace::{Pace, Unit};

/// How often a line tells how far the work has come where no bar can be drawn.
const EVERY: Duration = Duration::from_secs(10);

/// A bar for each phase that is under way, those inside others below them; none with `--quiet`.
#[derive(Clone)]
pub struct Bars {
    all: MultiProgress,
    phases: Arc<Mutex<Vec<Phase>>>,
}

/// A phase of work, with its bar, drawn or not.
struct Phase {
    what: String,
    unit: Unit,
    before: Arc<AtomicU64>,
    bar: ProgressBar,
}

impl Phase {
    fn new(what: &str, unit: Unit, total: Option<u64>) -> Self {
        let before: Arc<AtomicU64> = Arc::default();
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = match total {
            Some(_) => "{msg:28!} {wide_bar} {pace} {prefix}",
            None => "{msg:28!} {spinner} {pace} {elapsed:>4} {prefix}",
        };
        let counted = Arc::clone(&before);
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).with_key(
            "pace",
            move |state: &ProgressState, text: &mut dyn std::fmt::Write| {
                let before = counted.load(Ordering::Relaxed);
                let pace = Pace { unit, done: state.pos(), before, total, elapsed: state.elapsed() };
                // A bar that cannot be drawn is no reason to stop.
                let _ = write!(text, "{pace}");
            },
        );
        Self { what: what.to_owned(), unit, before, bar: bar.with_style(style).with_message(what.to_owned()) }
    }

    /// How far it has come, in a line.
    fn line(&self) -> String {
        let bar = &self.bar;
        let before = self.before.load(Ordering::Relaxed);
        let pace = Pace { unit: self.unit, done: bar.position(), before, total: bar.length(), elapsed: bar.elapsed() };
        let note = bar.prefix();
        let note = if note.is_empty() { note } else { format!(" ({note})") };
        format!("{}: {pace}{note}", self.what)
    }
}

impl Bars {
    /// Bars that are drawn unless `quiet`, or lines where stderr is no terminal.
    pub fn new(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bars = Self { all: MultiProgress::with_draw_target(target), phases: Arc::default() };
        if !quiet && !std::io::stderr().is_terminal() {
            let phases = Arc::clone(&bars.phases);
            // It ends with the program.
            std::thread::spawn(move || tell(&phases));
        }
        bars
    }

    /// Removes what is drawn.
    pub fn clear(&self) {
        for phase in locked(&self.phases).drain(..) {
            phase.bar.finish_and_clear();
        }
    }

    /// Runs `print` with the bars out of the way of what it writes.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.all.suspend(print)
    }

    fn start(&self, phase: Phase) {
        let phase = Phase { bar: self.all.add(phase.bar), ..phase };
        phase.bar.enable_steady_tick(Duration::from_millis(200));
        locked(&self.phases).push(phase);
    }

    /// Acts on the innermost phase.
    fn with(&self, act: impl FnOnce(&Phase)) {
        if let Some(phase) = locked(&self.phases).last() {
            act(phase);
        }
    }
}

/// A poisoned lock only means that another thread panicked while drawing: the phases themselves are sound.
fn locked(phases: &Mutex<Vec<Phase>>) -> MutexGuard<'_, Vec<Phase>> {
    phases.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a line about the innermost phase now and then.
fn tell(phases: &Mutex<Vec<Phase>>) {
    loop {
        std::thread::sleep(EVERY);
        let line = locked(phases).last().map(Phase::line);
        if let Some(line) = line {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}

impl Progress for Bars {
    fn begin(&self, what: &str, total: Option<u64>) {
        self.start(Phase::new(what, Unit::Things, total));
    }

    fn begin_bytes(&self, what: &str, total: Option<u64>) {
        self.start(Phase::new(what, Unit::Bytes, total));
    }

    fn advance(&self, units: u64) {
        self.with(|phase| phase.bar.inc(units));
    }

    fn skip(&self, units: u64) {
        self.with(|phase| {
            phase.before.fetch_add(units, Ordering::Relaxed);
            phase.bar.inc(units);
        });
    }

    fn note(&self, text: &str) {
        self.with(|phase| phase.bar.set_prefix(text.to_owned()));
    }

    fn end(&self) {
        if let Some(phase) = locked(&self.phases).pop() {
            phase.bar.finish_and_clear();
            self.all.remove(&phase.bar);
        }
    }
}

/// Sends log lines to stderr, between the bars: warnings by default, more with `-v`, `ECHOIC_LOG` above all.
pub fn log_to(bars: &Bars, quiet: bool, verbose: u8) {
    let ours = |level: LevelFilter| Targets::new().with_target("echoic", level);
    let usual = match (quiet, verbose) {
        (true, _) => Targets::new().with_default(LevelFilter::ERROR),
        (false, 0) => ours(LevelFilter::WARN),
        (false, 1) => ours(LevelFilter::INFO),
        (false, _) => ours(LevelFilter::DEBUG),
    };
    let filter = std::env::var("ECHOIC_LOG").ok().filter(|filter| !filter.is_empty());
    let asked = filter.as_deref().map(|filter| filter.parse().map_err(|error| format!("ECHOIC_LOG={filter}: {error}")));
    let (asked, wrong) = match asked {
        Some(Err(wrong)) => (None, Some(wrong)),
        Some(Ok(asked)) => (Some(asked), None),
        None => (None, None),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(BetweenBars(bars.clone()))
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .without_time()
        .with_target(false);
    tracing_subscriber::registry().with(lines).with(asked.unwrap_or(usual)).init();
    if let Some(wrong) = wrong {
        tracing::warn!("{wrong}; it takes targets and levels, such as echoic=debug");
    }
}

/// Writes a log line with the bars out of the way.
struct BetweenBars(Bars);

impl Write for BetweenBars {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.all.suspend(|| std::io::stderr().write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for BetweenBars {
    type Writer = BetweenBars;

    fn make_writer(&'a self) -> Self::Writer {
        BetweenBars(self.0.clone())
    }
}
