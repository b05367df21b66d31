//! From a tower's features to the space that both towers share.

use crate::clap::checkpoint::{Tensors, lengths};
use crate::clap::layers::Linear;
use crate::{Error, Result, embedding};

/// Linear, ReLU, linear, unit length: as in WavCaps' and LAION's models.
#[derive(Debug)]
pub(crate) struct Projection {
    first: Linear,
    second: Linear,
}

impl Projection {
    /// Reads the two layers `names`; the first takes `inputs` features, and its tensor tells how many components the space has.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] that names the first missing or misshapen tensor.
    pub fn load(file: &dyn Tensors, names: [&str; 2], inputs: usize) -> Result<Self> {
        let [dim, _] = lengths(file, &format!("{}.weight", names[0]))?;
        Ok(Self { first: Linear::load(file, names[0], inputs, dim)?, second: Linear::load(file, names[1], dim, dim)? })
    }

    /// Components of the space.
    pub fn dim(&self) -> usize {
        self.second.outputs()
    }

    /// `[rows, inputs]` to unit rows `[rows, dim]`.
    ///
    /// # Errors
    /// [`Error::Input`] when the weights give a row no direction.
    pub fn apply(&self, features: &[f32]) -> Result<Vec<f32>> {
        let mut hidden = self.first.apply(features);
        hidden.iter_mut().for_each(|x| *x = x.max(0.0));
        let mut rows = self.second.apply(&hidden);
        unit_rows(&mut rows, self.dim())?;
        Ok(rows)
    }
}

/// Scales each row to unit length.
///
/// # Errors
/// [`Error::Input`] for a row without direction: weights that make no sense, for features are finite numbers.
pub(crate) fn unit_rows(rows: &mut [f32], dim: usize) -> Result<()> {
    match rows.chunks_exact_mut(dim).all(|row| embedding::normalize(row) > 0.0) {
        true => Ok(()),
        false => Err(Error::input("the model", "an embedding without direction", "weights of a trained model")),
    }
}
