//! Deduplication changes no sum: each caption weighs by its multiplicity.
#![allow(clippy::unwrap_used)]

mod memory_support;

use echoic::embedding::dot;
use echoic::memory::{Memory, RowKey};
use echoic::progress::Stop;
use memory_support::*;

#[test]
fn a_sum_weighted_by_multiplicity_is_the_plain_sum_over_all_rows() {
    let (_guard, dir) = empty_store();
    let mut writer = Memory::writer(&dir).unwrap();
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
    let check = |memory: &Memory| {
        let mut weighted = vec![0.0; DIM];
        for block in memory.blocks(None).unwrap() {
            for (row, vector) in block.vectors().chunks(DIM).enumerate() {
                add(&mut weighted, vector, f64::from(block.multiplicity(row)));
            }
        }
        for (plain, weighted) in plain.iter().zip(&weighted) {
            assert!((plain - weighted).abs() <= 1e-4 * plain.abs().max(1.0), "{plain} {weighted}");
        }
    };
    let memory = Memory::open(&dir).unwrap();
    assert!(memory.len() < 40 && memory.stats().occurrences == 600, "{:?}", memory.stats());
    check(&memory);
    assert_eq!(writer.merge(&(), &Stop::new()).unwrap(), 2);
    check(&writer.snapshot().unwrap());
}
