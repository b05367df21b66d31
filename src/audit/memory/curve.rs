//! Recall against latency: the memory as a whole asked with ever more effort, one query after another.

use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::ThreadPoolBuilder;

use super::options::{AudioQueries, MemoryAuditOptions};
use super::recall::{first, moved_text, share};
use super::report::{CurvePoint, RecallCurve};
use super::rows::Rows;
use crate::memory::{Effort, SearchOptions};
use crate::progress::Control;
use crate::{Embeddings, Error, Result, Snapshot};

/// Texts, and sounds, that ask.
const QUERIES: usize = 200;
/// Lengths of the candidate queue that are tried.
const EF: [usize; 8] = [10, 16, 32, 64, 128, 256, 512, 1024];
/// Times that each query is asked and timed, behind one that warms up.
const ROUNDS: usize = 3;

/// Measures how much of the true neighbours searches find, and how long a search takes on one thread, from little effort to comparing with all. It
/// is asked with stored texts that are moved to where a new one would lie, and with `sounds`. Of the options, `k`, `scope` and `seed` count. What is
/// found is the same on every run; how long it takes is not.
///
/// # Errors
/// As [`audit_memory`](super::audit_memory).
pub fn recall_curve(
    memory: &Snapshot,
    sounds: Option<&AudioQueries>,
    options: &MemoryAuditOptions,
    control: &Control<'_>,
) -> Result<RecallCurve> {
    options.check(memory)?;
    let rows = Rows::of(memory, &options.scope)?;
    let live: Vec<usize> = rows.live().collect();
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut texts = Embeddings::with_capacity(rows.dim, QUERIES);
    for _ in 0..QUERIES {
        texts.push(&moved_text(&rows, &live, &mut rng))?;
    }
    let sounds = sounds.map(|sounds| first(&sounds.embeddings, QUERIES)).transpose()?;
    let efforts = EF.into_iter().filter(|ef| *ef >= options.k).map(Some).chain([None]);
    let efforts: Vec<Option<usize>> = efforts.collect();
    let phase = control.begin("timing searches", Some((efforts.len() * (1 + usize::from(sounds.is_some()))) as u64));
    let pool = ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|error| Error::Internal(format!("no thread to measure on: {error}")))?;
    let measured = |queries: &Embeddings| -> Result<Vec<CurvePoint>> {
        let search = SearchOptions::default().k(options.k).scope(options.scope.clone());
        let exact = similarities(memory, queries, &search.clone().effort(Effort::EXACT))?;
        let points = efforts.iter().map(|ef| {
            let search = search.clone().effort(ef.map_or(Effort::EXACT, Effort::ef));
            let point = pool.install(|| timed(memory, queries, &search, &exact, control));
            control.advance(1);
            point.map(|point| CurvePoint { ef: *ef, ..point })
        });
        points.collect()
    };
    let curve = RecallCurve {
        k: options.k,
        by_texts: measured(&texts)?,
        by_sounds: sounds.as_ref().map(measured).transpose()?,
    };
    phase.end();
    Ok(curve)
}

/// For each query the similarities of what it finds, best first.
fn similarities(memory: &Snapshot, queries: &Embeddings, search: &SearchOptions) -> Result<Vec<Vec<f32>>> {
    let found = memory.nearest(queries, search)?;
    Ok(found.into_iter().map(|found| found.iter().map(|hit| hit.similarity).collect()).collect())
}

/// Asks one query after another. The first round warms up, and says what is found.
fn timed(
    memory: &Snapshot,
    queries: &Embeddings,
    search: &SearchOptions,
    exact: &[Vec<f32>],
    control: &Control<'_>,
) -> Result<CurvePoint> {
    let single: Vec<Embeddings> =
        queries.rows().map(|query| Embeddings::from_vec(queries.dim(), query.to_vec())).collect::<Result<_>>()?;
    let (mut recall, mut micros) = (0.0, Vec::with_capacity(ROUNDS * single.len()));
    for (query, exact) in single.iter().zip(exact) {
        recall += share(&similarities(memory, query, search)?.concat(), exact);
    }
    for _ in 0..ROUNDS {
        control.check()?;
        for query in &single {
            let begun = Instant::now();
            memory.nearest(query, search)?;
            micros.push(begun.elapsed().as_secs_f64() * 1e6);
        }
    }
    micros.sort_unstable_by(f64::total_cmp);
    let median_us = micros.get(micros.len() / 2).copied().unwrap_or_default();
    Ok(CurvePoint { ef: None, queries: single.len() as u64, recall: recall / single.len().max(1) as f64, median_us })
}
