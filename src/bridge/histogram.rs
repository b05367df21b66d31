//! How often values fall between edges.

use serde::{Deserialize, Serialize};

/// Bins of cosines: so many between -1 and 1.
const COSINE_BINS: usize = 100;

/// How often values fall between edges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Histogram {
    /// Where bins begin, ascending, and at last where the last one ends: one more than there are bins. A bin holds its lower edge, the last
    /// one its upper edge, too.
    pub edges: Vec<f64>,
    /// Values in each bin.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Counts between edges, without the empty bins before the first and behind the last that holds something.
    pub(crate) fn trimmed(edges: &[f64], counts: &[u64]) -> Self {
        let Some(first) = counts.iter().position(|count| *count > 0) else {
            return Self { edges: Vec::new(), counts: Vec::new() };
        };
        let last = counts.iter().rposition(|count| *count > 0).unwrap_or(first);
        Self { edges: edges[first..=last + 1].to_vec(), counts: counts[first..=last].to_vec() }
    }

    /// Cosines in bins of 0.02, from the first to the last that holds one.
    pub(crate) fn of_cosines(values: &[f32]) -> Self {
        let mut counts = vec![0u64; COSINE_BINS];
        for value in values {
            let bin = (f64::from(*value) + 1.0) / 2.0 * COSINE_BINS as f64;
            counts[(bin.max(0.0) as usize).min(COSINE_BINS - 1)] += 1;
        }
        let edges = (0..=COSINE_BINS).map(|edge| (2.0 * edge as f64 - COSINE_BINS as f64) / COSINE_BINS as f64);
        Self::trimmed(&edges.collect::<Vec<_>>(), &counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_fall_into_bins_and_the_ends_count() {
        let histogram = Histogram::of_cosines(&[1.0, 0.99, 0.9801, 0.95]);
        assert_eq!((histogram.edges.first(), histogram.edges.last()), (Some(&0.94), Some(&1.0)));
        assert_eq!(histogram.counts, [1, 0, 3]);
        assert_eq!(Histogram::of_cosines(&[-1.0]).counts, [1]);
        assert!(Histogram::of_cosines(&[]).counts.is_empty());
    }
}
