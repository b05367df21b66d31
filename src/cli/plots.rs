//! Plots as files: which, where, and how.

use std::path::PathBuf;

use clap::Args;
use echoic::plot::{Look, png};
use echoic::{Result, file};

use super::pipes;

/// Pixels a unit of a PNG: sharp on any screen.
const SCALE: f32 = 2.0;

/// The files that a plot is written to.
#[derive(Debug, Args)]
pub struct Files {
    /// Write the plot to this file as SVG
    #[arg(long, value_name = "FILE", value_parser = pipes::file)]
    pub svg: Option<PathBuf>,
    /// Write the plot to this file as PNG
    #[arg(long, value_name = "FILE", value_parser = pipes::file)]
    pub png: Option<PathBuf>,
}

impl Files {
    /// Whether there is one.
    pub fn are_wanted(&self) -> bool {
        self.svg.is_some() || self.png.is_some()
    }

    /// Writes what `svg` draws on light paper.
    ///
    /// # Errors
    /// As [`png`] and [`file::replace`].
    pub fn write(&self, svg: impl FnOnce(Look) -> Result<String>) -> Result<()> {
        if !self.are_wanted() {
            return Ok(());
        }
        let drawn = svg(Look::Light)?;
        if let Some(path) = &self.png {
            file::replace(path, &png(&drawn, SCALE)?)?;
        }
        match &self.svg {
            Some(path) => file::replace(path, drawn.as_bytes()),
            None => Ok(()),
        }
    }
}
