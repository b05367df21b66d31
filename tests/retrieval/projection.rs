//! The projections agree with plain sums, and the bound on the lost mass holds.

use echoic::Error;
use echoic::bridge::{ExactProjector, Scored, Strategy, nearest, project, project_all};
use echoic::embedding::{dot, normalize};
use proptest::prelude::*;
use proptest::strategy::Strategy as Strategy2;

const DIM: usize = 12;

/// Texts of unit length with multiplicities, and a query.
#[derive(Debug, Clone)]
struct Memory {
    vectors: Vec<f32>,
    copies: Vec<u32>,
    query: Vec<f32>,
}

fn memories() -> impl Strategy2<Value = Memory> {
    let unit = || {
        prop::collection::vec(-1f32..1.0, DIM).prop_map(|mut v| {
            v[0] += 1.5; // one cone, as CLAP's embeddings have it: the sum never cancels out
            normalize(&mut v);
            v
        })
    };
    prop::collection::vec((unit(), 0u32..5), 1..60).prop_flat_map(move |texts| {
        unit().prop_map(move |query| {
            let (vectors, mut copies): (Vec<Vec<f32>>, Vec<u32>) = texts.iter().cloned().unzip();
            copies[0] += 1;
            Memory { vectors: vectors.concat(), copies, query }
        })
    })
}

impl Memory {
    fn row(&self, index: usize) -> &[f32] {
        &self.vectors[index * DIM..][..DIM]
    }

    fn similarity(&self, index: usize) -> f32 {
        dot(self.row(index), &self.query)
    }

    /// Indices of the texts that exist, nearest first.
    fn ranked(&self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.copies.len()).filter(|i| self.copies[*i] > 0).collect();
        all.sort_by(|a, b| self.similarity(*b).total_cmp(&self.similarity(*a)));
        all
    }

    fn scored(&self, indices: &[usize]) -> Vec<Scored<'_>> {
        let scored = |i: &usize| Scored {
            similarity: self.similarity(*i),
            multiplicity: self.copies[*i],
            embedding: self.row(*i),
        };
        indices.iter().map(scored).collect()
    }

    /// The plain sum in f64, over every copy.
    fn plain(&self, tau: f64) -> (Vec<f64>, Vec<f64>) {
        let top = self.ranked().first().map_or(0.0, |i| f64::from(self.similarity(*i)));
        let terms: Vec<f64> = (0..self.copies.len())
            .map(|i| {
                let one = ((f64::from(self.similarity(i)) - top) / tau).exp();
                (0..self.copies[i]).map(|_| one).sum()
            })
            .collect();
        let total: f64 = terms.iter().sum();
        let mut sum = [0f64; DIM];
        for (i, term) in terms.iter().enumerate() {
            for (sum, x) in sum.iter_mut().zip(self.row(i)) {
                *sum += term / total * f64::from(*x);
            }
        }
        let norm = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
        (sum.iter().map(|x| x / norm).collect(), terms.iter().map(|t| t / total).collect())
    }
}

/// The exponential of the entropy of weights.
fn effective(weights: &[f64]) -> f64 {
    let spoken = weights.iter().filter(|weight| **weight > 0.0);
    spoken.map(|weight| -weight * weight.ln()).sum::<f64>().exp()
}

fn close(a: &[f32], b: &[f64], tolerance: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (f64::from(*a) - b).abs() < tolerance)
}

/// Temperatures from 1e-3 to 1, evenly on a logarithmic scale.
fn temperatures() -> impl Strategy2<Value = f32> {
    (-3f32..0.0).prop_map(|exponent| 10f32.powf(exponent))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn projecting_onto_all_neighbours_is_the_plain_sum_over_copies(memory in memories(), tau in temperatures()) {
        let ranked = memory.ranked();
        let projection = project(&memory.scored(&ranked), 0, tau).unwrap();
        let (embedding, weights) = memory.plain(f64::from(tau));
        prop_assert!(close(&projection.embedding, &embedding, 1e-5));
        let expected: Vec<f64> = ranked.iter().map(|i| weights[*i]).collect();
        prop_assert!(close(&projection.weights, &expected, 1e-6));
        prop_assert!((projection.weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        prop_assert_eq!(projection.lost_mass, 0.0);
        prop_assert!((projection.effective_texts / effective(&weights) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn the_bound_is_never_below_the_mass_lost(memory in memories(), tau in temperatures(), k in 1usize..60) {
        let ranked = memory.ranked();
        let (kept, left) = ranked.split_at(k.min(ranked.len()));
        let rest: u64 = left.iter().map(|i| u64::from(memory.copies[*i])).sum();
        let projection = project(&memory.scored(kept), rest, tau).unwrap();
        let (_, weights) = memory.plain(f64::from(tau));
        let lost: f64 = left.iter().map(|i| weights[*i]).sum();
        prop_assert!(lost <= f64::from(projection.lost_mass) * (1.0 + 1e-12), "{} > {}", lost, projection.lost_mass);
        prop_assert!(projection.lost_mass < 1.0 || rest > 0);
    }

    #[test]
    fn the_streaming_sum_is_the_plain_sum(memory in memories(), tau in temperatures(), block in 1usize..20) {
        let mut whole = ExactProjector::new(DIM, tau).unwrap();
        for (index, rows) in memory.vectors.chunks(block * DIM).enumerate() {
            let mut part = ExactProjector::new(DIM, tau).unwrap();
            part.add(rows, |row| memory.copies[index * block + row], &memory.query).unwrap();
            whole.merge(&part).unwrap();
        }
        let exact = whole.finish().unwrap();
        let (embedding, weights) = memory.plain(f64::from(tau));
        // The projector may round a similarity otherwise than this test does, and the temperature divides its last bits.
        let tolerance = 1e-5 + 4.0 * f64::from(f32::EPSILON / tau);
        prop_assert!(close(&exact.embedding, &embedding, tolerance));
        prop_assert_eq!(exact.occurrences, memory.copies.iter().map(|c| u64::from(*c)).sum::<u64>());
        for (i, weight) in weights.iter().enumerate() {
            let found = f64::from(exact.weight(memory.similarity(i), memory.copies[i]));
            prop_assert!((found - weight).abs() < tolerance);
        }
        let expected = effective(&weights);
        prop_assert!((exact.effective_texts / expected - 1.0).abs() < tolerance * 60.0);
        let parallel = project_all(&memory.vectors, |i| memory.copies[i], &memory.query, tau).unwrap();
        prop_assert!(close(&parallel.embedding, &embedding, tolerance));
        // Bounds that exceed the similarities by nothing, by little or by so much that they are of no use.
        for slack in [0.0, 0.02, 3.0] {
            let rows = 0..memory.copies.len();
            let bounds: Vec<f32> = rows.map(|i| memory.similarity(i) + 1e-6 + slack * (i % 3) as f32).collect();
            let mut bounded = ExactProjector::new(DIM, tau).unwrap();
            bounded.add_bounded(&memory.vectors, &bounds, |i| memory.copies[i], &memory.query).unwrap();
            let bounded = bounded.finish().unwrap();
            prop_assert!(close(&bounded.embedding, &embedding, tolerance));
            prop_assert_eq!(bounded.occurrences, exact.occurrences);
            prop_assert!((bounded.effective_texts / expected - 1.0).abs() < tolerance * 60.0);
            prop_assert!((bounded.log_sum_exp - exact.log_sum_exp).abs() < 1e-7 + 4.0 * f64::from(f32::EPSILON / tau));
        }
    }

    #[test]
    fn the_nearest_is_the_projection_at_temperature_zero(memory in memories()) {
        let ranked = memory.ranked();
        let best = nearest(&memory.scored(&ranked)).unwrap();
        prop_assert_eq!(best, 0);
    }
}

#[test]
fn the_bound_is_reached_when_the_rest_lies_at_the_last_neighbour() {
    let (a, b) = ([1.0, 0.0], [0.0, 1.0]);
    let neighbours = [
        Scored { similarity: 0.5, multiplicity: 1, embedding: &a },
        Scored { similarity: 0.4, multiplicity: 1, embedding: &b },
    ];
    let (near, far) = ((0.5f64 / 0.1).exp(), (f64::from(0.4f32) / f64::from(0.1f32)).exp());
    let bound = f64::from(project(&neighbours, 7, 0.1).unwrap().lost_mass);
    assert!((bound - 7.0 * far / (near + 8.0 * far)).abs() < 1e-6);
}

#[test]
fn many_blocks_in_parallel_give_one_result_for_any_number_of_threads() {
    let dim = 16;
    let mut vectors: Vec<f32> = (0..10_000 * dim).map(|i| ((i * 7919 % 1013) as f32 / 1013.0) - 0.3).collect();
    vectors.chunks_exact_mut(dim).for_each(|row| {
        normalize(row);
    });
    let query = vectors[..dim].to_vec();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| project_all(&vectors, |i| u32::from(i % 3 != 0), &query, 0.02).unwrap())
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
    assert_eq!(one.occurrences, 6_666);
}

/// The share that rows left out may hold is a promise about all of them together, however many they are.
#[test]
fn a_million_rows_that_weigh_little_each_are_left_out_only_if_they_weigh_little_together() {
    let (near, far) = ([1.0f32, 0.0], [0.0f32, 1.0]);
    let rows = [near].into_iter().chain(std::iter::repeat_n(far, 1_000_000)).flatten().collect::<Vec<_>>();
    for (tau, copies) in [(0.05f32, 1u32), (0.04, 7), (0.036, 1), (0.033, 100), (0.03, 1), (0.01, 1)] {
        let bounds: Vec<f32> = rows.as_chunks::<2>().0.iter().map(|row| row[0]).collect();
        let mut sum = ExactProjector::new(2, tau).unwrap();
        sum.add_bounded(&rows, &bounds, |row| if row == 0 { 1 } else { copies }, &near).unwrap();
        let sum = sum.finish().unwrap();
        let weight = 1e6 * f64::from(copies) * (-1.0 / f64::from(tau)).exp();
        let length = weight.hypot(1.0);
        assert!((f64::from(sum.embedding[0]) - 1.0 / length).abs() < 6e-8, "{tau}");
        assert!((f64::from(sum.embedding[1]) - weight / length).abs() < 6e-8, "{tau}: {}", sum.embedding[1]);
        assert_eq!(sum.occurrences, 1 + 1_000_000 * u64::from(copies));
    }
}

#[test]
fn what_cannot_be_projected_is_an_error_with_advice() {
    let row = [1.0, 0.0];
    let good = Scored { similarity: 0.5, multiplicity: 1, embedding: &row };
    for result in [
        project(&[], 0, 0.01),
        project(&[Scored { multiplicity: 0, ..good }], 0, 0.01),
        project(&[Scored { similarity: f32::NAN, ..good }], 0, 0.01),
        project(&[good], 0, 0.0),
        project(&[good], 0, f32::NAN),
        project(&[good, Scored { embedding: &[-1.0, 0.0], ..good }], 0, 0.01),
    ] {
        assert!(matches!(result, Err(Error::Input { .. })), "{result:?}");
    }
    assert!(project(&[good, Scored { embedding: &[1.0], ..good }], 0, 0.01).is_err());
    let mut projector = ExactProjector::new(2, 0.01).unwrap();
    assert!(projector.add(&[1.0, 0.0, 1.0], |_| 1, &row).is_err());
    assert!(projector.add(&[1.0, f32::NAN], |_| 1, &row).is_err());
    assert!(ExactProjector::new(2, 0.01).unwrap().finish().is_err());
    assert!(project_all(&[], |_| 1, &row, 0.01).is_err());
}

#[test]
fn strategies_have_the_names_of_the_command_line() {
    for strategy in Strategy::ALL {
        assert_eq!(strategy.to_string().parse::<Strategy>().unwrap(), strategy);
        assert_eq!(serde_json::to_string(&strategy).unwrap(), format!("\"{strategy}\""));
    }
    assert!("projecton".parse::<Strategy>().unwrap_err().to_string().contains("nearest"));
}
