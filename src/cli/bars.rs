//! Progress bars and log lines on stderr, drawn so that neither tears the other.

use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use echoic::progress::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;

/// One bar at a time on stderr; none where stderr is no terminal or `--quiet` is given.
#[derive(Clone)]
pub struct Bars {
    all: MultiProgress,
    current: std::sync::Arc<Mutex<Option<ProgressBar>>>,
}

impl Bars {
    /// Bars that are drawn unless `quiet`.
    pub fn new(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { all: MultiProgress::with_draw_target(target), current: std::sync::Arc::default() }
    }

    /// Removes what is drawn.
    pub fn clear(&self) {
        if let Some(bar) = self.take() {
            bar.finish_and_clear();
        }
    }

    /// Runs `print` with the bars out of the way of what it writes.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.all.suspend(print)
    }

    fn take(&self) -> Option<ProgressBar> {
        // A poisoned lock only means that another thread panicked while drawing: the bar itself is sound.
        self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }

    fn with(&self, act: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = &*self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            act(bar);
        }
    }
}

impl Progress for Bars {
    fn begin(&self, what: &str, total: Option<u64>) {
        self.clear();
        let (bar, template) = match total {
            Some(total) => (
                ProgressBar::new(total),
                "{msg:28!} {wide_bar} {human_pos}/{human_len} {per_sec:>12} eta {eta:>4} {prefix}",
            ),
            None => (ProgressBar::new_spinner(), "{msg:28!} {spinner} {human_pos} {per_sec:>12} {elapsed:>4} {prefix}"),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.all.add(bar.with_style(style).with_message(what.to_owned()));
        bar.enable_steady_tick(Duration::from_millis(200));
        *self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(bar);
    }

    fn advance(&self, units: u64) {
        self.with(|bar| bar.inc(units));
    }

    fn note(&self, text: &str) {
        self.with(|bar| bar.set_prefix(text.to_owned()));
    }

    fn end(&self) {
        self.clear();
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
    let asked = std::env::var("ECHOIC_LOG").ok().and_then(|filter| filter.parse().ok());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(BetweenBars(bars.clone()))
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none())
        .without_time()
        .with_target(false);
    tracing_subscriber::registry().with(lines).with(asked.unwrap_or(usual)).init();
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
