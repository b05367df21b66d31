//! A search for ever more neighbours of one query finds what searches anew would find.

use echoic::internals::index_above;
use echoic::memory::{Effort, Hit, RowKey, Scope, SearchOptions};
use echoic::progress::Control;
use echoic::{Embeddings, Snapshot};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::common::stores::{DIM, clustered, embed, empty_store, open, writing};

/// What a store is made of.
#[derive(Debug, Clone)]
struct Making {
    /// For each commit, its domain and its rows: which text, and whether its vector is one that others have, too.
    commits: Vec<(bool, Vec<(u16, bool)>)>,
    removed: Vec<u64>,
    /// Whether segments get graphs.
    graphs: bool,
    compacted: bool,
    seed: u64,
}

fn makings() -> impl Strategy<Value = Making> {
    let rows = prop::collection::vec((0..400u16, prop::bool::weighted(0.2)), 1..80);
    let commits = prop::collection::vec((any::<bool>(), rows), 1..6);
    let removed = prop::collection::vec(1..200u64, 0..30);
    (commits, removed, any::<bool>(), prop::bool::weighted(0.2), any::<u64>())
        .prop_map(|(commits, removed, graphs, compacted, seed)| Making { commits, removed, graphs, compacted, seed })
}

fn make(making: &Making) -> (TempDir, Snapshot) {
    let (guard, dir) = empty_store();
    let mut writer = writing(&dir);
    let alike = embed("what several texts mean", DIM);
    for (first, rows) in &making.commits {
        let text = |(text, same): &(u16, bool)| format!("{text}{}", if *same { " alike" } else { "" });
        let rows: Vec<RowKey> = rows.iter().map(|row| RowKey::new(text(row))).collect();
        let plan = writer.plan(if *first { "a" } else { "b" }, &rows).unwrap();
        let mut embeddings = Embeddings::new(DIM);
        for text in plan.texts() {
            let own = || embed(text, DIM);
            embeddings.push(&if text.ends_with("alike") { alike.clone() } else { own() }).unwrap();
        }
        writer.append(if *first { "a" } else { "b" }, plan, &embeddings).unwrap();
    }
    let there = |id: &u64| writer.snapshot().unwrap().caption(*id).unwrap().is_some();
    let removed: Vec<u64> = making.removed.iter().copied().filter(there).collect();
    if making.graphs {
        index_above(&mut writer, 1, &Control::default()).unwrap();
    }
    writer.remove_captions(&removed).unwrap();
    if making.compacted {
        writer.compact(&Control::default()).unwrap();
    }
    drop(writer);
    (guard, open(&dir))
}

/// All that is told of a hit.
fn seen<'a>(hits: &[Hit<'a>]) -> Vec<(u64, u32, u32, &'a [f32])> {
    hits.iter().map(|hit| (hit.id, hit.similarity.to_bits(), hit.multiplicity, hit.embedding)).collect()
}

/// Widens step by step and compares each with a search of its own; returns how many were found in the end.
fn compare(snapshot: &Snapshot, query: &[f32], options: &SearchOptions, steps: &[usize]) -> usize {
    let mut widening = snapshot.widening(query, options).unwrap();
    let queries = Embeddings::from_vec(query.len(), query.to_vec()).unwrap();
    let mut found = 0;
    for k in steps {
        let widened = widening.nearest(*k);
        let anew = snapshot.nearest(&queries, &options.clone().k(*k)).unwrap().concat();
        assert_eq!(seen(&widened), seen(&anew), "{k} with {options:?}");
        found = widened.len();
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn widening_finds_what_searching_anew_finds(
        making in makings(),
        mut steps in prop::collection::vec(1..500usize, 1..7),
        back in any::<bool>(),
    ) {
        let (_guard, snapshot) = make(&making);
        if !back {
            steps.sort_unstable();
        }
        let scopes = [Scope::all(), Scope::domains(snapshot.domains().into_iter().map(|domain| domain.name).take(1))];
        // Walks, too: on segments as small as these the planner weighs the width against a scan, and changes its mind on the way.
        let efforts = [Effort::EXACT, Effort::default(), Effort::ef(20), Effort::recall(0.8)];
        for query in clustered(3, DIM, making.seed).chunks(DIM) {
            for scope in &scopes {
                for effort in efforts {
                    let options = SearchOptions::default().scope(scope.clone()).effort(effort);
                    let found = compare(&snapshot, query, &options, &steps);
                    let there = snapshot.blocks(scope).unwrap();
                    let there = there.iter().flat_map(|b| (0..b.len()).filter(|row| b.multiplicity(*row) > 0)).count();
                    let asked = steps.last().copied().unwrap_or(0);
                    prop_assert!(found == there.min(asked) || effort != Effort::EXACT, "{} of {}", found, there);
                }
            }
        }
    }
}

/// A segment large enough for a walk, from where it pays to where a scan takes its place.
#[test]
fn a_walk_that_becomes_a_scan_on_the_way_finds_the_same() {
    const ROWS: usize = 5_000;
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    let rows: Vec<RowKey> = (0..ROWS).map(|row| RowKey::new(format!("row {row}"))).collect();
    let plan = writer.plan("a", &rows).unwrap();
    writer.append("a", plan, &Embeddings::from_vec(DIM, clustered(ROWS, DIM, 3)).unwrap()).unwrap();
    index_above(&mut writer, 1, &Control::default()).unwrap();
    writer.remove_captions(&(1..400).step_by(3).collect::<Vec<u64>>()).unwrap();
    let snapshot = writer.snapshot().unwrap();
    assert_eq!(snapshot.stats().indexed, snapshot.len());
    for query in clustered(4, DIM, 4).chunks(DIM) {
        for effort in [Effort::EXACT, Effort::default(), Effort::ef(30), Effort::recall(0.5), Effort::ef(5_000)] {
            let options = SearchOptions::default().effort(effort);
            compare(&snapshot, query, &options, &[1, 10, 10, 40, 160, 640, 2_560, ROWS, 2 * ROWS, 3]);
        }
    }
}

#[test]
fn what_cannot_be_asked_is_refused_at_once() {
    let (_guard, snapshot) = make(&Making {
        commits: vec![(true, vec![(1, false), (2, false)])],
        removed: vec![],
        graphs: false,
        compacted: false,
        seed: 1,
    });
    let options = SearchOptions::default();
    assert!(matches!(snapshot.widening(&[1.0; DIM + 1], &options), Err(echoic::Error::Dimension { found: 9, .. })));
    assert!(matches!(snapshot.widening(&[0.0; DIM], &options), Err(echoic::Error::Input { .. })));
    let unknown = options.clone().scope(Scope::domains(["z"]));
    assert!(matches!(snapshot.widening(&[1.0; DIM], &unknown), Err(echoic::Error::NotFound { .. })));
    assert!(matches!(
        snapshot.widening(&[1.0; DIM], &options.effort(Effort::recall(2.0))),
        Err(echoic::Error::Input { .. })
    ));
    let mut widening = snapshot.widening(&[1.0; DIM], &SearchOptions::default()).unwrap();
    assert_eq!((widening.nearest(1).len(), widening.nearest(usize::MAX).len()), (1, 2));
}
