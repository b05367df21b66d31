//! Deduplication changes no sum: each caption weighs by its multiplicity.

use echoic::Snapshot;
use echoic::bridge::estimate_noise_variance;
use echoic::embedding::dot;
use echoic::gap::estimate_noise;
use echoic::memory::{RowKey, Scope};
use echoic::progress::Control;

use crate::common::stores::*;

#[test]
fn a_sum_weighted_by_multiplicity_is_the_plain_sum_over_all_rows() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    let (query, temperature) = (embed("a query", DIM), 0.05);
    let weight = |vector: &[f32]| f64::from(dot(&query, vector) / temperature).exp();
    let add = |sum: &mut [f64], vector: &[f32], times: f64| {
        sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += times * weight(vector) * f64::from(*x));
    };
    // Twenty commits of rows that repeat each other, inside a commit and across, in two domains.
    let mut plain = vec![0.0; DIM];
    for commit in 0..20u32 {
        let rows: Vec<RowKey> = (0..30)
            .map(|i| row(&format!("text {}", (i * (commit + 1)) % 17), Some(&format!("{commit}/{i}")), 0))
            .collect();
        for row in &rows {
            add(&mut plain, &embed(&row.text, DIM), 1.0);
        }
        ingest(&mut writer, ["a", "b"][commit as usize % 2], &rows).unwrap();
    }
    let check = |memory: &Snapshot| {
        let mut weighted = vec![0.0; DIM];
        for block in memory.blocks(&Scope::all()).unwrap() {
            for (row, vector) in block.vectors().chunks(DIM).enumerate() {
                add(&mut weighted, vector, f64::from(block.multiplicity(row)));
            }
        }
        for (plain, weighted) in plain.iter().zip(&weighted) {
            assert!((plain - weighted).abs() <= 1e-4 * plain.abs().max(1.0), "{plain} {weighted}");
        }
    };
    let memory = open(&dir);
    assert!(memory.len() < 40 && memory.stats().occurrences == 600, "{:?}", memory.stats());
    check(&memory);
    assert_eq!(writer.merge(&Control::default()).unwrap(), 2);
    check(&writer.snapshot().unwrap());
}

#[test]
fn the_noise_is_estimated_from_every_row_of_a_clip() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    // Each clip shares a caption with the next, so that every second row is a repeat; commits come between.
    let texts = |clip: usize| [format!("text {clip}"), format!("text {}", clip + 1)];
    for clip in 0..6 {
        let rows = texts(clip).map(|text| row(&text, Some(&format!("clip {clip}")), 0));
        ingest(&mut writer, "d", &rows).unwrap();
    }
    let memory = writer.snapshot().unwrap();
    assert_eq!((memory.len(), memory.stats().occurrences), (7, 12));
    let plain: Vec<_> = (0..6).map(|clip| texts(clip).map(|text| embed(&text, DIM))).collect();
    let plain = estimate_noise_variance(plain.iter().map(|clip| clip.iter().map(Vec::as_slice))).unwrap();
    let found = estimate_noise(&memory, &Scope::all()).unwrap().unwrap();
    assert_eq!(plain.pairs, 6);
    assert_eq!((found.pairs, found.clips), (6, 6));
    assert!((plain.variance - found.variance).abs() < 1e-6 * plain.variance, "{plain:?} {found:?}");
}
