//! What domains have in common, each with each.

use super::duplicates::{Hashed, shared};
use super::neighbours::Neighbours;
use super::report::OverlapAudit;
use super::rows::Rows;

/// Domains that are compared: more than these make no picture that can be read.
const MOST_DOMAINS: usize = 32;

/// How near the texts of each domain come to those of each other one.
pub(super) struct Nearness {
    /// The domains that are compared.
    chosen: Vec<usize>,
    /// Where each domain stands among them.
    place: Vec<Option<usize>>,
    captions: Vec<u64>,
    near: f32,
    asked: Vec<u64>,
    /// By who asked and who answered: near-duplicates, sum of similarities, answers.
    cells: Vec<Vec<(u64, f64, u64)>>,
}

impl Nearness {
    pub fn new(rows: &Rows<'_>, near: f32) -> Self {
        let mut captions = vec![0; rows.domains.len()];
        for (number, block) in rows.blocks.iter().enumerate() {
            captions[rows.domain_of_block(number)] += block.live() as u64;
        }
        let mut chosen: Vec<usize> = (0..captions.len()).collect();
        chosen.sort_by_key(|domain| u64::MAX - captions[*domain]);
        chosen.truncate(MOST_DOMAINS);
        chosen.sort_unstable();
        let place = (0..captions.len()).map(|domain| chosen.iter().position(|other| *other == domain)).collect();
        let cells = vec![vec![(0, 0.0, 0); chosen.len()]; chosen.len()];
        Self { asked: vec![0; chosen.len()], chosen, place, captions, near, cells }
    }

    /// Takes in what a row found.
    pub fn visit(&mut self, rows: &Rows<'_>, row: usize, neighbours: &Neighbours) {
        let Some(asking) = self.place[rows.domain(row)] else { return };
        self.asked[asking] += 1;
        for (cell, domain) in self.cells[asking].iter_mut().zip(&self.chosen) {
            if let Some(similarity) = neighbours.by_domain[*domain] {
                cell.0 += u64::from(similarity >= self.near);
                cell.1 += f64::from(similarity);
                cell.2 += 1;
            }
        }
    }

    /// What is told of it.
    pub fn report(&self, rows: &Rows<'_>, written: &[Hashed]) -> OverlapAudit {
        let count = self.chosen.len();
        let mut same = vec![vec![0; count]; count];
        shared(rows, written, |a, b| {
            if let (Some(a), Some(b)) = (self.place[a], self.place[b]) {
                same[a][b] += 1;
                same[b][a] += 1;
            }
        });
        self.chosen.iter().enumerate().for_each(|(at, domain)| same[at][at] = self.captions[*domain]);
        let share = |value: &dyn Fn(&(u64, f64, u64)) -> f64| {
            let row = |cells: &Vec<(u64, f64, u64)>| {
                cells.iter().map(|cell| (cell.2 > 0).then(|| value(cell) / cell.2 as f64)).collect()
            };
            self.cells.iter().map(row).collect()
        };
        let centroids = centroids(rows);
        let cosine = |a: &usize, b: &usize| cosine(&centroids[*a].0, &centroids[*b].0);
        OverlapAudit {
            domains: self.chosen.iter().map(|domain| rows.domains[*domain].clone()).collect(),
            left_out: (rows.domains.len() - count) as u64,
            sampled: self.asked.clone(),
            near: share(&|cell| cell.0 as f64),
            nearest: share(&|cell| cell.1),
            same,
            centroids: self.chosen.iter().map(|a| self.chosen.iter().map(|b| cosine(a, b)).collect()).collect(),
        }
    }

    /// Captions of each compared domain.
    pub fn captions(&self) -> Vec<u64> {
        self.chosen.iter().map(|domain| self.captions[*domain]).collect()
    }
}

/// The sum of the vectors of each domain, and how many they are.
pub(super) fn centroids(rows: &Rows<'_>) -> Vec<(Vec<f64>, u64)> {
    let mut sums = vec![(vec![0f64; rows.dim], 0u64); rows.domains.len()];
    for (number, block) in rows.blocks.iter().enumerate() {
        let (sum, count) = &mut sums[rows.domain_of_block(number)];
        for (row, vector) in block.vectors().chunks_exact(rows.dim).enumerate() {
            if block.is_live(row) {
                sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += f64::from(*x));
                *count += 1;
            }
        }
    }
    sums
}

/// Cosine of two vectors of any length; 0 where one has none.
pub(super) fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 { (dot(a, b) / lengths).clamp(-1.0, 1.0) } else { 0.0 }
}
