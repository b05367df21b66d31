//! Hubs and orphans: in how many lists of nearest texts each text is.
//!
//! In spaces of many dimensions a few points are among the nearest of very many others (Radovanović, Nanopoulos, Ivanović: Hubs in Space,
//! Journal of Machine Learning Research 11, 2010). The measure is theirs: N_k, the k-occurrence, and the skewness of its distribution.

use super::histogram::{deviation, skewness};
use super::neighbours::Neighbours;
use super::report::{Hub, HubCounts, Orphans};
use super::rows::Rows;
use crate::Result;
use crate::bridge::Histogram;

/// Answers a text, on average, from which on it means something that no query finds it.
const ANSWERS_ENOUGH: f64 = 5.0;

/// Queries from which on the distribution of what they find means something: of a handful each answer is found by a large share.
const QUERIES_ENOUGH: u64 = 30;

/// How often each row was found.
pub(super) struct Occurrences {
    found: Vec<u32>,
    queries: u64,
    answers: u64,
}

impl Occurrences {
    pub fn new(rows: &Rows<'_>) -> Self {
        Self { found: vec![0; rows.len()], queries: 0, answers: 0 }
    }

    /// Takes in what a query found.
    pub fn visit(&mut self, neighbours: &Neighbours) {
        self.queries += 1;
        self.answers += neighbours.nearest.len() as u64;
        neighbours.nearest.iter().for_each(|found| self.found[found.row] += 1);
    }

    /// What is told of them, with the rows of hubs that are one by any measure, and of orphans.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) when a record is.
    pub fn report(&self, rows: &Rows<'_>, listed: usize) -> Result<HubCounts> {
        let live: Vec<usize> = rows.live().collect();
        let counts: Vec<u32> = live.iter().map(|row| self.found[*row]).collect();
        let expected = self.answers as f64 / live.len() as f64;
        let edge = expected + 2.0 * deviation(&counts, expected);
        let hubs = counts.iter().filter(|count| f64::from(**count) > edge);
        let (hubs, taken) = hubs.fold((0, 0), |(hubs, all), count| (hubs + 1, all + u64::from(*count)));
        let mut by_count: Vec<(u32, usize)> = counts.iter().copied().zip(live.iter().copied()).collect();
        by_count.sort_by_cached_key(|(count, row)| (u32::MAX - count, rows.id(*row)));
        let most_found = by_count.iter().take(listed).filter(|(count, _)| *count > 0).map(|(count, row)| {
            let (found, share) = (u64::from(*count), f64::from(*count) / self.queries.max(1) as f64);
            Ok(Hub { text: rows.caption(*row)?, found, share })
        });
        let never: Vec<usize> = live.iter().copied().filter(|row| self.found[*row] == 0).collect();
        let orphans = Orphans {
            count: never.len() as u64,
            by_chance: live.len() as f64 * (-expected).exp(),
            meaningful: expected >= ANSWERS_ENOUGH,
            texts: rows.captions(&never, listed)?,
        };
        Ok(HubCounts {
            queries: self.queries,
            expected,
            meaningful: self.queries >= QUERIES_ENOUGH,
            skewness: (self.queries >= QUERIES_ENOUGH).then(|| skewness(&counts)),
            hubs,
            hub_share: taken as f64 / self.answers.max(1) as f64,
            most_found: most_found.collect::<Result<_>>()?,
            distribution: Histogram::of_counts(counts.iter().map(|count| *count as usize)),
            orphans,
        })
    }
}
