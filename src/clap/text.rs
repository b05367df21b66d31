//! A text tower: tokens in, unit vectors out.

use crate::Result;
use crate::clap::bert::{Bert, Readout};
use crate::clap::layers::Linear;
use crate::clap::projection::{Projection, unit_rows};

/// An encoder, how it is read, and what follows.
#[derive(Debug)]
pub(crate) struct TextTower {
    pub encoder: Bert,
    pub readout: Readout,
    /// Linear and tanh, as RoBERTa has it.
    pub pooler: Option<Linear>,
    /// `None` where the encoder's own space is the model's.
    pub projection: Option<Projection>,
}

impl TextTower {
    /// Unit rows `[texts, dim]`, in order; a text's has the same bits whatever texts come with it.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] for ids that do not fit, [`crate::Error::Input`] when the weights make no sense.
    pub fn embed(&self, texts: &[&[u32]]) -> Result<Vec<f32>> {
        let mut rows = self.encoder.read(texts, self.readout)?;
        if let Some(pooler) = &self.pooler {
            rows = pooler.apply(&rows);
            rows.iter_mut().for_each(|x| *x = x.tanh());
        }
        match &self.projection {
            Some(projection) => projection.apply(&rows),
            None => unit_rows(&mut rows, self.encoder.config().width).map(|()| rows),
        }
    }
}
