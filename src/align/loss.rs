//! The symmetric InfoNCE loss over a batch of clips and captions, with targets shared among captions that say the same.

use candle_core::{Device, Tensor};
use candle_nn::ops::log_softmax;

use super::pairs::Relation;
use crate::tensor::Result;

/// Added to the logits that are left out.
const LEFT_OUT: f32 = -1e4;

/// What is right in a batch: constant matrices `[batch, batch]`, clips by captions.
pub(super) struct Targets {
    /// Shares of the right captions in each clip's target; rows sum to 1.
    by_clip: Tensor,
    /// Shares of the right clips in each caption's target; columns sum to 1.
    by_caption: Tensor,
    /// 0, or a large negative number where clip and caption are not compared.
    mask: Tensor,
}

impl Targets {
    /// From the relation of clip `row` and caption `column`, which is symmetric.
    pub fn new(batch: usize, relation: impl Fn(usize, usize) -> Relation) -> Result<Self> {
        let (mut same, mut mask) = (vec![0f32; batch * batch], vec![0f32; batch * batch]);
        for row in 0..batch {
            for column in 0..batch {
                match relation(row, column) {
                    Relation::Same => same[row * batch + column] = 1.0,
                    Relation::Partly => mask[row * batch + column] = LEFT_OUT,
                    Relation::Other => {}
                }
            }
        }
        let shape = (batch, batch);
        let same = Tensor::from_vec(same, shape, &Device::Cpu)?;
        // The diagonal is always right, so no sum is 0.
        Ok(Self {
            by_clip: same.broadcast_div(&same.sum_keepdim(1)?)?,
            by_caption: same.broadcast_div(&same.sum_keepdim(0)?)?,
            mask: Tensor::from_vec(mask, shape, &Device::Cpu)?,
        })
    }

    /// The mean of both cross entropies, for unit vectors `[batch, dim]` and the factor of their products.
    pub fn loss(&self, clips: &Tensor, captions: &Tensor, scale: f64) -> Result<Tensor> {
        let logits = ((clips.matmul(&captions.t()?)? * scale)? + &self.mask)?;
        let by_clip = (&self.by_clip * log_softmax(&logits, 1)?)?.sum_all()?;
        let by_caption = (&self.by_caption * log_softmax(&logits, 0)?)?.sum_all()?;
        Ok(((by_clip + by_caption)? * (-0.5 / clips.dim(0)? as f64))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(clips: &[f32], relation: impl Fn(usize, usize) -> Relation) -> f32 {
        let captions = Tensor::new(&[[1f32, 0.0], [0.0, 1.0], [0.6, 0.8]], &Device::Cpu).unwrap();
        let clips = Tensor::from_slice(clips, (3, 2), &Device::Cpu).unwrap();
        Targets::new(3, relation).unwrap().loss(&clips, &captions, 2.0).unwrap().to_scalar().unwrap()
    }

    /// Worked out by hand, in double precision, for clips that equal their captions.
    #[test]
    fn agrees_with_the_formula() {
        let clips = [1.0, 0.0, 0.0, 1.0, 0.6, 0.8];
        let plain = |row: usize, column: usize| if row == column { Relation::Same } else { Relation::Other };
        let logits = [[2.0, 0.0, 1.2], [0.0, 2.0, 1.6], [1.2, 1.6, 2.0f64]];
        let of = |row: &[f64; 3], right: usize| row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[right];
        // The matrix is symmetric, so both directions give the same.
        let wanted = (0..3).map(|i| of(&logits[i], i)).sum::<f64>() / 3.0;
        assert!((f64::from(loss(&clips, plain)) - wanted).abs() < 1e-5);

        let partly = |row: usize, column: usize| match (row, column) {
            (0, 2) | (2, 0) => Relation::Partly,
            _ => plain(row, column),
        };
        let masked = [[2.0, 0.0, -1e4], [0.0, 2.0, 1.6], [-1e4, 1.6, 2.0]];
        let wanted = (0..3).map(|i| of(&masked[i], i)).sum::<f64>() / 3.0;
        assert!((f64::from(loss(&clips, partly)) - wanted).abs() < 1e-5);

        let shared = |row: usize, column: usize| match (row, column) {
            (1, 2) | (2, 1) => Relation::Same,
            _ => plain(row, column),
        };
        let both = |row: &[f64; 3]| (of(row, 1) + of(row, 2)) / 2.0;
        let wanted = (of(&logits[0], 0) + both(&logits[1]) + both(&logits[2])) / 3.0;
        assert!((f64::from(loss(&clips, shared)) - wanted).abs() < 1e-5);
    }
}
