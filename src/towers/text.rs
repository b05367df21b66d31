//! A text tower: tokens in, unit vectors out.

use super::encoders::bert::{Bert, Readout};
use super::encoders::gpt2::Gpt2;
use super::projection::{Projection, unit_rows};
use crate::Result;
use crate::nn::layers::Linear;

/// An encoder and what follows.
#[derive(Debug)]
pub(crate) struct TextTower {
    pub encoder: TextEncoder,
    /// `None` where the encoder's own space is the model's.
    pub projection: Option<Projection>,
}

/// What makes one vector of a text's tokens.
#[derive(Debug)]
pub(crate) enum TextEncoder {
    Bert {
        bert: Bert,
        readout: Readout,
        /// Linear and tanh, as RoBERTa has it.
        pooler: Option<Linear>,
    },
    Gpt2 {
        gpt2: Gpt2,
        /// Which of a text's tokens stands for it.
        read_at: fn(&[u32]) -> usize,
    },
}

impl TextEncoder {
    /// Components of a vector.
    fn width(&self) -> usize {
        match self {
            Self::Bert { bert, .. } => bert.config().width,
            Self::Gpt2 { gpt2, .. } => gpt2.width(),
        }
    }

    /// `[texts, width]`, in order.
    fn read(&self, texts: &[&[u32]]) -> Result<Vec<f32>> {
        match self {
            Self::Bert { bert, readout, pooler: None } => bert.read(texts, *readout),
            Self::Bert { bert, readout, pooler: Some(pooler) } => {
                let mut rows = pooler.apply(&bert.read(texts, *readout)?);
                rows.iter_mut().for_each(|x| *x = x.tanh());
                Ok(rows)
            }
            Self::Gpt2 { gpt2, read_at } => gpt2.read(texts, *read_at),
        }
    }
}

impl TextTower {
    /// Unit rows `[texts, dim]`, in order; a text's has the same bits whatever texts come with it.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] for ids that do not fit, [`crate::Error::Input`] when the weights make no sense.
    pub fn embed(&self, texts: &[&[u32]]) -> Result<Vec<f32>> {
        let mut rows = self.encoder.read(texts)?;
        match &self.projection {
            Some(projection) => projection.apply(&rows),
            None => unit_rows(&mut rows, self.encoder.width()).map(|()| rows),
        }
    }
}
