//! Texts far from all others: by their k-th neighbour, and by the centroid of their domain.

use rayon::prelude::*;

use super::histogram::lower_fence;
use super::neighbours::Neighbours;
use super::overlap::centroids;
use super::report::{Outlier, OutlierAudit, OutlierMeasure};
use super::rows::Rows;
use crate::Result;
use crate::bridge::Histogram;

/// How near the k-th neighbour of each row is that asked.
#[derive(Default)]
pub(super) struct Farness(Vec<(usize, f32)>);

impl Farness {
    /// Takes in what a row found.
    pub fn visit(&mut self, row: usize, neighbours: &Neighbours) {
        self.0.extend(neighbours.nearest.last().map(|found| (row, found.similarity)));
    }

    /// What is told of it.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) when a record is.
    pub fn report(&self, rows: &Rows<'_>, listed: usize) -> Result<OutlierAudit> {
        let similarities: Vec<f32> = self.0.iter().map(|(_, similarity)| *similarity).collect();
        let fence = lower_fence(&similarities);
        let by_neighbour = self.0.iter().map(|(row, similarity)| Far::new(*row, *similarity, fence)).collect();
        Ok(OutlierAudit {
            by_neighbour: measure(rows, by_neighbour, listed)?,
            by_centroid: measure(rows, from_centroids(rows), listed)?,
        })
    }
}

/// A row and how far it lies.
struct Far {
    row: usize,
    similarity: f32,
    /// How far beyond the fence; not above 0 for one that is within.
    beyond: f32,
}

impl Far {
    fn new(row: usize, similarity: f32, fence: Option<f32>) -> Self {
        Self { row, similarity, beyond: fence.map_or(0.0, |fence| fence - similarity) }
    }
}

fn from_centroids(rows: &Rows<'_>) -> Vec<Far> {
    let centroids: Vec<Vec<f64>> = centroids(rows).into_iter().map(|(sum, _)| unit(&sum)).collect();
    let live: Vec<usize> = rows.live().collect();
    let similarity = |row: &usize| {
        let centroid = &centroids[rows.domain(*row)];
        let cosine: f64 = rows.vector(*row).iter().zip(centroid).map(|(x, c)| f64::from(*x) * c).sum();
        (rows.domain(*row), *row, cosine as f32)
    };
    let all: Vec<(usize, usize, f32)> = live.par_iter().map(similarity).collect();
    let of_domain = |domain: usize| {
        let similarities: Vec<f32> = all.iter().filter(|(of, ..)| *of == domain).map(|(.., s)| *s).collect();
        lower_fence(&similarities)
    };
    let fences: Vec<Option<f32>> = (0..rows.domains.len()).map(of_domain).collect();
    all.into_iter().map(|(domain, row, similarity)| Far::new(row, similarity, fences[domain])).collect()
}

/// Scaled to unit length; zeros where there is no direction.
fn unit(sum: &[f64]) -> Vec<f64> {
    let length = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
    sum.iter().map(|x| if length > 0.0 { x / length } else { 0.0 }).collect()
}

fn measure(rows: &Rows<'_>, mut all: Vec<Far>, listed: usize) -> Result<OutlierMeasure> {
    let similarities: Vec<f32> = all.iter().map(|far| far.similarity).collect();
    // Those beyond their fences first, then the farthest.
    let order = |a: &Far, b: &Far| {
        let class = |far: &Far| far.beyond <= 0.0;
        (class(a).cmp(&class(b))).then(a.similarity.total_cmp(&b.similarity)).then(a.row.cmp(&b.row))
    };
    all.sort_unstable_by(order);
    let farthest = all
        .iter()
        .take(listed)
        .map(|far| Ok(Outlier { text: rows.caption(far.row)?, similarity: far.similarity, beyond: far.beyond > 0.0 }));
    Ok(OutlierMeasure {
        distribution: Histogram::of_cosines(&similarities),
        outliers: all.iter().filter(|far| far.beyond > 0.0).count() as u64,
        farthest: farthest.collect::<Result<_>>()?,
    })
}
