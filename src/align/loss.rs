//! The symmetric InfoNCE loss over a batch of clips and captions, with targets shared among captions that say the same.

use candle_core::{Device, Tensor};

use super::pairs::Relation;
use crate::nn::ops::floats;
use crate::tensor::Result;

/// What is right in a batch, clips by captions.
pub(super) struct Targets {
    batch: usize,
    /// Shares of the right captions in each clip's target; rows sum to 1.
    by_clip: Vec<f64>,
    /// Shares of the right clips in each caption's target; columns sum to 1.
    by_caption: Vec<f64>,
    /// Whether clip and caption are compared.
    compared: Vec<bool>,
}

impl Targets {
    /// From the relation of clip `row` and caption `column`, which is symmetric; a clip's caption, on the diagonal, is always right.
    pub fn new(batch: usize, relation: impl Fn(usize, usize) -> Relation) -> Self {
        let relations: Vec<Relation> = (0..batch * batch).map(|at| relation(at / batch, at % batch)).collect();
        let same = |row: usize, column: usize| f64::from(u8::from(relations[row * batch + column] == Relation::Same));
        let rows: Vec<f64> = (0..batch).map(|row| (0..batch).map(|column| same(row, column)).sum()).collect();
        let columns: Vec<f64> = (0..batch).map(|column| (0..batch).map(|row| same(row, column)).sum()).collect();
        let all =
            |share: &dyn Fn(usize, usize) -> f64| (0..batch * batch).map(|at| share(at / batch, at % batch)).collect();
        Self {
            batch,
            by_clip: all(&|row, column| same(row, column) / rows[row]),
            by_caption: all(&|row, column| same(row, column) / columns[column]),
            compared: relations.iter().map(|relation| *relation != Relation::Partly).collect(),
        }
    }

    /// The mean of both cross entropies for unit vectors `[batch, dim]`, whose products are multiplied by `scale`; and the gradient of the clips.
    pub fn loss(&self, clips: &Tensor, captions: &Tensor, scale: f64) -> Result<(f64, Tensor)> {
        let batch = self.batch;
        let products = clips.matmul(&captions.t()?)?;
        let logits: Vec<f64> = floats(&products)?.iter().map(|product| f64::from(*product) * scale).collect();
        let compared = || (0..batch * batch).filter(|at| self.compared[*at]);
        // `ln Σ exp` of each row and of each column.
        let log_sums = |line: &dyn Fn(usize) -> usize| {
            let (mut most, mut sums) = (vec![f64::NEG_INFINITY; batch], vec![0.0; batch]);
            compared().for_each(|at| most[line(at)] = most[line(at)].max(logits[at]));
            compared().for_each(|at| sums[line(at)] += (logits[at] - most[line(at)]).exp());
            most.iter().zip(sums).map(|(most, sum): (&f64, f64)| most + sum.ln()).collect::<Vec<f64>>()
        };
        let (rows, columns) = (log_sums(&|at| at / batch), log_sums(&|at| at % batch));
        let share = -0.5 / batch as f64;
        let (mut loss, mut grad) = (0.0, vec![0f32; batch * batch]);
        for at in compared() {
            let (row, column) = (logits[at] - rows[at / batch], logits[at] - columns[at % batch]);
            let (by_clip, by_caption) = (self.by_clip[at], self.by_caption[at]);
            loss += share * (by_clip * row + by_caption * column);
            grad[at] = (share * scale * (by_clip - row.exp() + by_caption - column.exp())) as f32;
        }
        let grad = Tensor::from_vec(grad, (batch, batch), &Device::Cpu)?.matmul(captions)?;
        Ok((loss, grad))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(clips: &[f32], relation: impl Fn(usize, usize) -> Relation) -> f64 {
        let captions = Tensor::new(&[[1f32, 0.0], [0.0, 1.0], [0.6, 0.8]], &Device::Cpu).unwrap();
        let clips = Tensor::from_slice(clips, (3, 2), &Device::Cpu).unwrap();
        Targets::new(3, relation).loss(&clips, &captions, 2.0).unwrap().0
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
        assert!((loss(&clips, plain) - wanted).abs() < 1e-5);

        let partly = |row: usize, column: usize| match (row, column) {
            (0, 2) | (2, 0) => Relation::Partly,
            _ => plain(row, column),
        };
        let masked = [[2.0, 0.0, -1e4], [0.0, 2.0, 1.6], [-1e4, 1.6, 2.0]];
        let wanted = (0..3).map(|i| of(&masked[i], i)).sum::<f64>() / 3.0;
        assert!((loss(&clips, partly) - wanted).abs() < 1e-5);

        let shared = |row: usize, column: usize| match (row, column) {
            (1, 2) | (2, 1) => Relation::Same,
            _ => plain(row, column),
        };
        let both = |row: &[f64; 3]| (of(row, 1) + of(row, 2)) / 2.0;
        let wanted = (of(&logits[0], 0) + both(&logits[1]) + both(&logits[2])) / 3.0;
        assert!((loss(&clips, shared) - wanted).abs() < 1e-5);
    }
}
