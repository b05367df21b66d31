//! From a tower's features to the space that both towers share.

use crate::nn::functions::{add, gelu_all};
use crate::nn::layers::{Linear, Norm};
use crate::nn::tensors::{Tensors, lengths};
use crate::{Error, Result, embedding};

/// Two linear layers, and unit length in the end.
#[derive(Debug)]
pub(crate) struct Projection {
    first: Linear,
    second: Linear,
    /// `None`: ReLU between the layers, as in WavCaps' and LAION's models. Otherwise GELU, and the norm of what both layers give, added: Microsoft's.
    norm: Option<Norm>,
}

impl Projection {
    /// Reads the two layers `names`; the first takes `inputs` features, and its tensor tells how many components the space has.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] that names the first missing or misshapen tensor.
    pub fn load(file: &dyn Tensors, names: [&str; 2], inputs: usize) -> Result<Self> {
        let [dim, _] = lengths(file, &format!("{}.weight", names[0]))?;
        let (first, second) = (Linear::load(file, names[0], inputs, dim)?, Linear::load(file, names[1], dim, dim)?);
        Ok(Self { first, second, norm: None })
    }

    /// Reads `NAME.linear1` and `NAME.linear2`, which have no biases, and `NAME.layer_norm`.
    ///
    /// # Errors
    /// As [`Projection::load`].
    pub fn residual(file: &dyn Tensors, name: &str, inputs: usize, epsilon: f32) -> Result<Self> {
        let [dim, _] = lengths(file, &format!("{name}.linear1.weight"))?;
        Ok(Self {
            first: Linear::unbiased(file, &format!("{name}.linear1"), inputs, dim)?,
            second: Linear::unbiased(file, &format!("{name}.linear2"), dim, dim)?,
            norm: Some(Norm::load(file, &format!("{name}.layer_norm"), dim, epsilon)?),
        })
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
        let mut rows = self.first.apply(features);
        match &self.norm {
            None => {
                rows.iter_mut().for_each(|x| *x = x.max(0.0));
                rows = self.second.apply(&rows);
            }
            Some(norm) => {
                let mut hidden = rows.clone();
                gelu_all(&mut hidden);
                add(&mut rows, &self.second.apply(&hidden));
                norm.apply(&mut rows);
            }
        }
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
