//! What a training builds on where it does not begin at random: another decoder, whose weights and words it takes.

use std::collections::BTreeMap;

use super::config::DecoderConfig;
use super::decoder_file::{Header, Tensors, read_decoder};
use super::model::Parameters;
use super::options::TrainOptions;
use super::origin::{Beginning, Origin};
use super::state;
use super::vocabulary::{UNKNOWN, Vocabulary};
use crate::{EmbeddingSpace, Error, Result, file};

/// A decoder that was read to be built on.
pub(super) struct Foundation {
    header: Header,
    tensors: Tensors,
    pub(super) origin: Origin,
}

impl Foundation {
    /// Reads it, where the options name one.
    ///
    /// # Errors
    /// [`Error::SpaceMismatch`] for a decoder of another space; [`Error::Input`] where the options ask for another shape or a start that a
    /// decoder does not have; as [`read_decoder`].
    pub(super) fn of(options: &TrainOptions, space: &EmbeddingSpace) -> Result<Option<Self>> {
        let Some(Beginning { name, path }) = &options.from else { return Ok(None) };
        if options.shape != Default::default() {
            return Err(Error::input(
                "the shape",
                "one that was asked for",
                format!("that of {name}, which is begun with"),
            ));
        }
        if options.recipe.informed_start == Some(true) {
            let found = "an informed start, which makes weights";
            return Err(Error::input("the start", found, format!("the weights of {name}")));
        }
        let (header, tensors) = read_decoder(path)?;
        if header.space != *space {
            return Err(Error::SpaceMismatch { store: space.to_string(), given: header.space.to_string() });
        }
        Ok(Some(Self { header, tensors, origin: Origin { name: name.clone(), sha256: file::sha256(path)? } }))
    }

    pub(super) fn vocabulary(&self) -> &Vocabulary {
        &self.header.vocabulary
    }

    /// Its shape, with room for more words.
    pub(super) fn config(&self, vocabulary: usize) -> DecoderConfig {
        DecoderConfig { vocabulary, ..self.header.config.clone() }
    }

    /// Overwrites fresh parameters with its weights. The row of a new word is the mean of those of all words, and beside it what was drawn: it
    /// is as likely as any, and no two are the same.
    pub(super) fn begin(self, parameters: &Parameters, width: usize) -> Result<()> {
        let mut all = BTreeMap::new();
        for (name, (_, fresh)) in state::weights(parameters)? {
            let Some((_, mut data)) = self.tensors.get(&name).cloned() else {
                return Err(Error::Internal(format!("a decoder without the weight {name}")));
            };
            if data.len() < fresh.len() {
                let mean = mean_row(&data, width);
                let new = fresh[data.len()..].iter().enumerate();
                data.extend(new.map(|(at, drawn)| mean[at % width] + drawn).collect::<Vec<_>>());
            }
            all.insert(name, data);
        }
        Ok(parameters.load(&all)?)
    }
}

/// The mean of the rows of words, which begin behind the markers.
fn mean_row(rows: &[f32], width: usize) -> Vec<f32> {
    let words = rows.get((UNKNOWN as usize + 1) * width..).unwrap_or_default();
    let count = (words.len() / width).max(1) as f64;
    let mut sum = vec![0f64; width];
    for row in words.chunks_exact(width) {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    sum.iter().map(|sum| (sum / count) as f32).collect()
}
