//! The audit against plain models that compare everything with everything.

use proptest::prelude::*;

use super::*;
use crate::embedding::{dot, normalize};
use crate::memory::{RowKey, Scope};
use crate::progress::Control;
use crate::{EmbeddingSpace, Embeddings, Snapshot, Store};

const DIM: usize = 4;

/// A store with a row for each vector, in two domains by turns, and the vectors with unit length.
fn stored(vectors: &[[f32; DIM]]) -> (tempfile::TempDir, Snapshot, Vec<Vec<f32>>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store"), EmbeddingSpace::external(DIM)).unwrap();
    let unit = |vector: &[f32; DIM]| {
        let mut vector = vector.to_vec();
        normalize(&mut vector);
        vector
    };
    let units: Vec<Vec<f32>> = vectors.iter().map(unit).collect();
    let mut writer = store.writer().unwrap();
    for (row, vector) in units.iter().enumerate() {
        let domain = ["a", "b"][row % 2];
        let plan = writer.plan(domain, &[RowKey::new(format!("sound number {row} rings"))]).unwrap();
        writer.append(domain, plan, &Embeddings::from_vec(DIM, vector.clone()).unwrap()).unwrap();
    }
    let memory = writer.snapshot().unwrap();
    (folder, memory, units)
}

/// Vectors of which every fourth or so is that of the row before it.
fn vectors() -> impl Strategy<Value = Vec<[f32; DIM]>> {
    let one = (0..4u8, proptest::array::uniform4(-1.0f32..1.0));
    proptest::collection::vec(one, 2..24).prop_map(|drawn| {
        let mut vectors: Vec<[f32; DIM]> = Vec::new();
        for (kind, [a, b, c, d]) in drawn {
            let before = vectors.last().copied().filter(|_| kind == 0);
            vectors.push(before.unwrap_or([a + 1.5, b, c, d]));
        }
        vectors
    })
}

/// The `k` nearest other rows of each, best first.
fn model(units: &[Vec<f32>], k: usize) -> Vec<Vec<(usize, f32)>> {
    let lists = units.iter().enumerate().map(|(row, vector)| {
        let mut others: Vec<(usize, f32)> =
            units.iter().enumerate().filter(|(other, _)| *other != row).map(|(o, v)| (o, dot(vector, v))).collect();
        others.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        others.truncate(k);
        others
    });
    lists.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn clusters_and_occurrences_are_those_of_a_plain_comparison(vectors in vectors(), k in 1usize..30) {
        let (_folder, memory, units) = stored(&vectors);
        let mut options = MemoryAuditOptions::default();
        (options.k, options.near) = (k, 0.97);
        let audit = audit_memory(&memory, None, &options, &Control::default()).unwrap();
        let lists = model(&units, k);

        let mut occurrences = vec![0u64; units.len()];
        lists.iter().flatten().for_each(|(row, _)| occurrences[*row] += 1);
        let hubs = audit.hubs.unwrap().by_texts;
        for hub in &hubs.most_found {
            // Ids begin with 1.
            prop_assert_eq!(hub.found, occurrences[hub.text.id as usize - 1]);
        }
        let total: u64 = occurrences.iter().sum();
        prop_assert_eq!(hubs.expected, total as f64 / units.len() as f64);

        if k >= units.len() {
            let mut sets = sets::Sets::new(units.len());
            for (row, list) in lists.iter().enumerate() {
                list.iter().filter(|(_, similarity)| *similarity >= 0.97).for_each(|(other, _)| sets.join(row, *other));
            }
            let mut wanted: Vec<Vec<u64>> =
                sets.clusters().into_iter().map(|rows| rows.into_iter().map(|row| row as u64 + 1).collect()).collect();
            let clusters = audit.duplicates.unwrap().clusters;
            let mut found: Vec<Vec<u64>> =
                clusters.iter().map(|c| c.members.iter().map(|member| member.text.id).collect()).collect();
            found.iter_mut().for_each(|ids| ids.sort_unstable());
            wanted.sort();
            found.sort();
            prop_assert_eq!(found, wanted);
        }
    }
}

#[test]
fn the_same_store_gives_the_same_bits_on_any_number_of_threads() {
    let vectors: Vec<[f32; DIM]> =
        (0..60).map(|i| [i % 3 + 1, i % 5 - 2, i % 7 - 3, i % 2].map(|x| x as f32)).collect();
    let (_folder, memory, units) = stored(&vectors);
    let sounds = AudioQueries {
        names: (0..5).map(|i| format!("{i}.wav")).collect(),
        embeddings: Embeddings::from_vec(DIM, units.iter().take(5).flatten().map(|x| x + 0.1).collect()).unwrap(),
    };
    let options = MemoryAuditOptions { sample: Some(20), ..MemoryAuditOptions::default() };
    let told = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let audit = pool.install(|| audit_memory(&memory, Some(&sounds), &options, &Control::default()).unwrap());
        assert_eq!((audit.examined.sampled, audit.examined.sounds), (20, 5));
        serde_json::to_string(&audit).unwrap()
    };
    assert_eq!(told(1), told(3));
    let first = told(1);
    let options = MemoryAuditOptions { seed: 1, ..options.clone() };
    let audit = audit_memory(&memory, Some(&sounds), &options, &Control::default()).unwrap();
    assert_ne!(first, serde_json::to_string(&audit).unwrap(), "another seed draws others");
}

#[test]
fn more_effort_finds_more_and_comparing_with_all_finds_all() {
    const WIDE: usize = 32;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store"), EmbeddingSpace::external(WIDE)).unwrap();
    let mut writer = store.writer().unwrap();
    let vectors = crate::testing::noise(6_000 * WIDE, 5);
    let texts: Vec<String> = (0..6_000).map(|row| format!("sound number {row} rings")).collect();
    let keys: Vec<RowKey> = texts.iter().map(|text| RowKey::new(text.as_str())).collect();
    let plan = writer.plan("a", &keys).unwrap();
    writer.append("a", plan, &Embeddings::from_vec(WIDE, vectors.clone()).unwrap()).unwrap();
    assert_eq!(writer.index_above(1_000, &Control::default()).unwrap(), 1);
    let sounds = AudioQueries {
        names: (0..40).map(|row| row.to_string()).collect(),
        embeddings: Embeddings::from_vec(WIDE, vectors[7..7 + 40 * WIDE].to_vec()).unwrap(),
    };
    let memory = writer.snapshot().unwrap();
    let curve = recall_curve(&memory, Some(&sounds), &MemoryAuditOptions::default(), &Control::default()).unwrap();
    for (points, queries) in [(curve.by_texts, 200), (curve.by_sounds.unwrap(), 40)] {
        let recalls: Vec<f64> = points.iter().map(|point| point.recall).collect();
        assert!(recalls.is_sorted() && recalls[0] < 0.9, "{points:?}");
        let last = points.last().unwrap();
        assert_eq!((last.ef, last.recall), (None, 1.0));
        assert!(points.iter().all(|point| point.queries == queries && point.median_us > 0.0), "{points:?}");
        assert!(points[0].median_us < last.median_us, "{points:?}");
    }
}

#[test]
fn one_caption_is_no_reason_to_fail() {
    let (_folder, memory, _) = stored(&[[1.0, 0.0, 0.0, 0.0]]);
    let audit = audit_memory(&memory, None, &MemoryAuditOptions::default(), &Control::default()).unwrap();
    assert_eq!(audit.findings, []);
    assert_eq!(audit.hubs.unwrap().by_texts.skewness, None);
    assert_eq!(audit.overlap.unwrap().nearest, [[None]]);
    assert_eq!(audit.gap.unwrap().texts.within, None);
    assert!(audit.outliers.unwrap().by_neighbour.farthest.is_empty());
}

#[test]
fn the_gap_is_the_distance_of_the_means() {
    let (_folder, memory, units) = stored(&[[2.0, 0.0, 0.0, 0.1], [0.0, 2.0, 0.0, 0.0], [0.0, 0.3, 2.0, 0.0]]);
    let heard = [[0.0, 0.0, 0.0, 3.0f32], [0.0, 0.0, 0.6, 0.8]];
    let sounds = AudioQueries {
        names: vec!["one".into(), "two".into()],
        embeddings: Embeddings::from_vec(DIM, heard.concat()).unwrap(),
    };
    let audit = audit_memory(&memory, Some(&sounds), &MemoryAuditOptions::default(), &Control::default()).unwrap();
    let gap = audit.gap.unwrap();
    let mean = |at: usize| units.iter().map(|unit| f64::from(unit[at])).sum::<f64>() / 3.0;
    let heard_mean = [0.0, 0.0, 0.3, 0.9];
    let wanted = (0..DIM).map(|at| (mean(at) - heard_mean[at]).powi(2)).sum::<f64>().sqrt();
    assert!((gap.distance.unwrap() - wanted).abs() < 1e-6, "{gap:?}");
    let pairs = [(0, 1), (0, 2), (1, 2)].map(|(a, b)| f64::from(dot(&units[a], &units[b])));
    assert!((gap.texts.within.unwrap() - pairs.iter().sum::<f64>() / 3.0).abs() < 1e-6);
    assert!((gap.sounds.unwrap().within.unwrap() - 0.8).abs() < 1e-6);
    assert_eq!(gap.farthest.len(), 2);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let (_folder, memory, _) = stored(&[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]);
    let refused = |change: &dyn Fn(&mut MemoryAuditOptions)| {
        let mut options = MemoryAuditOptions::default();
        change(&mut options);
        audit_memory(&memory, None, &options, &Control::default()).unwrap_err().to_string()
    };
    assert!(refused(&|options| options.k = 0).contains("neighbours"));
    assert!(refused(&|options| options.sample = Some(0)).contains("sample"));
    assert!(refused(&|options| options.near = 1.5).contains("near-duplicates"));
    assert!(refused(&|options| options.near = f32::NAN).contains("near-duplicates"));
    assert!(refused(&|options| options.scope = Scope::domains(["z"])).contains("no domain named 'z'"));
}
