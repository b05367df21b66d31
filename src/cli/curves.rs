//! The curves of a training: in the terminal, and as files.

use clap::Args;
use echoic::Result;
use echoic::decoder::LogEntry;
use echoic::plot::{Axis, Lines, Series};

use super::drawing::sparkline;
use super::output::{counted, table};
use super::plots::Files;

/// Columns of a curve at most, so that a line fits a terminal of 80.
const WIDTH: usize = 36;

/// How the curves of a training are wanted.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Draw the curves of its training
    #[arg(long)]
    plot: bool,
    #[command(flatten)]
    files: Files,
}

impl Arguments {
    /// Whether anything is to be drawn.
    pub fn are_wanted(&self) -> bool {
        self.plot || self.files.are_wanted()
    }

    /// Whether they are to be drawn in the terminal.
    pub fn are_drawn(&self) -> bool {
        self.plot
    }

    /// Writes the files that are wanted.
    ///
    /// # Errors
    /// As [`Files::write`].
    pub fn write(&self, name: &str, log: &[LogEntry]) -> Result<()> {
        self.files.write(|look| Ok(lines(name, log).svg(look)))
    }
}

/// Both losses by epoch.
fn lines(name: &str, log: &[LogEntry]) -> Lines {
    let points = |of: &dyn Fn(&LogEntry) -> Option<f64>| {
        log.iter().filter_map(|entry| Some((entry.epoch as f64, of(entry)?))).collect::<Vec<_>>()
    };
    let training = Series::new("training", points(&|entry| Some(entry.train_loss)));
    let validation = points(&|entry| entry.validation_loss);
    let mut series = vec![training];
    if !validation.is_empty() {
        series.push(Series::new("validation", validation));
    }
    Lines::new(format!("Training of {name}"), Axis::new("epoch"), Axis::new("loss, nats a token"), series)
}

/// The curves as lines of a terminal, from the first epoch to the last.
pub fn drawn(log: &[LogEntry]) -> String {
    let curves: [(&str, usize, Vec<f64>); 3] = [
        ("training loss", 3, log.iter().map(|entry| entry.train_loss).collect()),
        ("validation loss", 3, log.iter().filter_map(|entry| entry.validation_loss).collect()),
        ("tokens a second", 0, log.iter().map(|entry| entry.tokens_per_second).collect()),
    ];
    let rows = curves.iter().filter_map(|(name, decimals, values)| {
        let written = |value: &f64| format!("{value:.decimals$}");
        let (first, last) = (written(values.first()?), written(values.last()?));
        Some(vec![(*name).to_owned(), first, sparkline(&thinned(values, WIDTH)), last])
    });
    let epochs = counted(log.len() as u64, "epoch");
    let heading = ["", "first", &epochs, "last"].map(str::to_owned).to_vec();
    table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

/// The means of at most `most` equally long stretches.
fn thinned(values: &[f64], most: usize) -> Vec<f64> {
    let stretch = values.len().div_ceil(most).max(1);
    values.chunks(stretch).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_training_fits_the_line() {
        for epochs in [1, 35, 36, 37, 500] {
            let values: Vec<f64> = (0..epochs).map(f64::from).collect();
            let thin = thinned(&values, WIDTH);
            assert!(!thin.is_empty() && thin.len() <= WIDTH, "{epochs}: {}", thin.len());
        }
    }
}
