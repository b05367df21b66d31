//! Retrieval asks a store for no more than `TextStore` promises: one that is no `Snapshot`, plain loops over rows in memory, answers alike.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use echoic::bridge::{ExactProjection, ExactProjector};
use echoic::captioner::{CaptionOptions, Captioned, Captioner};
use echoic::decoder::{Decoder, TrainOptions, train};
use echoic::embedding::normalize;
use echoic::error::Missing;
use echoic::internals::dot;
use echoic::memory::{Caption, Effort, RowKey, Scope};
use echoic::progress::Control;
use echoic::retrieval::{Counts, Match, RetrievalOptions, TextStore, Widening, nearest, retrieve};
use echoic::{EmbeddingSpace, Embeddings, Error, Result, Snapshot, Store, Strategy};
use tempfile::TempDir;

use crate::common::{scattered, texts};

/// Everything in memory, and nothing clever.
struct Double {
    space: EmbeddingSpace,
    captions: Vec<Caption>,
    /// Row after row.
    vectors: Vec<f32>,
    /// Whether it can sum over all texts itself.
    sums: bool,
}

impl Double {
    /// What a snapshot holds.
    fn of(snapshot: &Snapshot, sums: bool) -> Self {
        let (captions, vectors): (Vec<_>, Vec<_>) =
            snapshot.captions(&Scope::all()).unwrap().map(Result::unwrap).map(|(c, v)| (c, v.to_vec())).unzip();
        Self { space: snapshot.space().clone(), captions, vectors: vectors.concat(), sums }
    }

    fn rows(&self, scope: &Scope) -> Result<Vec<(&Caption, &[f32])>> {
        let known = || self.captions.iter().map(|caption| caption.domain.clone());
        for name in scope.names().unwrap_or_default() {
            if known().all(|domain| domain != *name) {
                let known = known().collect();
                return Err(Error::NotFound { kind: Missing::Domain, name: name.clone(), known });
            }
        }
        let rows = self.captions.iter().zip(self.vectors.chunks(self.space.dim));
        Ok(rows.filter(|(caption, _)| scope.contains(&caption.domain)).collect())
    }
}

impl TextStore for Double {
    fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn counts(&self, scope: &Scope) -> Result<Counts> {
        let rows = self.rows(scope)?;
        let occurrences = rows.iter().map(|(caption, _)| u64::from(caption.multiplicity)).sum();
        Ok(Counts::new(rows.len() as u64, occurrences))
    }

    fn nearest<'a>(&'a self, queries: &Embeddings, k: usize, scope: &Scope, _: Effort) -> Result<Vec<Vec<Match<'a>>>> {
        let rows = self.rows(scope)?;
        let answer = |query: &[f32]| {
            let expected = self.space.dim;
            if query.len() != expected {
                return Err(Error::Dimension { subject: "the query".into(), found: query.len(), expected });
            }
            let mut query = query.to_vec();
            if normalize(&mut query) == 0.0 {
                return Err(Error::input("the query", "no direction", "one"));
            }
            let mut found: Vec<Match<'_>> = rows
                .iter()
                .map(|(caption, vector)| {
                    let similarity = dot(&query, vector).clamp(-1.0, 1.0);
                    Match::new(caption.id, similarity, caption.multiplicity, Cow::Borrowed(*vector))
                })
                .collect();
            found.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.id.cmp(&b.id)));
            found.truncate(k);
            Ok(found)
        };
        queries.rows().map(answer).collect()
    }

    fn texts(&self, ids: &[u64]) -> Result<Vec<Caption>> {
        let text = |id: &u64| {
            let found = self.captions.iter().find(|caption| caption.id == *id).cloned();
            found.ok_or_else(|| Error::NotFound { kind: Missing::Caption, name: id.to_string(), known: Vec::new() })
        };
        ids.iter().map(text).collect()
    }

    fn project_all(&self, query: &[f32], scope: &Scope, temperature: f32) -> Result<Option<ExactProjection>> {
        if !self.sums {
            return Ok(None);
        }
        let rows = self.rows(scope)?;
        let mut whole = ExactProjector::new(self.space.dim, temperature)?;
        for rows in rows.chunk_by(|a, b| a.0.domain == b.0.domain) {
            let vectors = rows.iter().map(|row| row.1).collect::<Vec<_>>().concat();
            let mut part = ExactProjector::new(self.space.dim, temperature)?;
            part.add(&vectors, |row| rows[row].0.multiplicity, query)?;
            whole.merge(&part)?;
        }
        whole.finish().map(Some)
    }
}

/// What a store was asked, in order: the number of texts, or the `k`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Call {
    Counts,
    Nearest(usize),
    Texts(usize),
    Widening,
    Wider(usize),
    ProjectAll,
}

/// Writes down what the store behind it is asked.
struct Asked<S> {
    store: S,
    calls: Calls,
}

#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    fn note(&self, call: Call) {
        self.0.lock().unwrap().push(call);
    }

    fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl<S> Asked<S> {
    fn new(store: S) -> Self {
        Self { store, calls: Calls::default() }
    }
}

struct AskedWidening<'a> {
    inner: Box<dyn Widening<'a> + 'a>,
    calls: &'a Calls,
}

impl<'a> Widening<'a> for AskedWidening<'a> {
    fn nearest(&mut self, k: usize) -> Result<Vec<Match<'a>>> {
        self.calls.note(Call::Wider(k));
        self.inner.nearest(k)
    }
}

impl<S: TextStore> TextStore for Asked<S> {
    fn space(&self) -> &EmbeddingSpace {
        self.store.space()
    }

    fn counts(&self, scope: &Scope) -> Result<Counts> {
        self.calls.note(Call::Counts);
        self.store.counts(scope)
    }

    fn nearest<'a>(
        &'a self,
        queries: &Embeddings,
        k: usize,
        scope: &Scope,
        effort: Effort,
    ) -> Result<Vec<Vec<Match<'a>>>> {
        self.calls.note(Call::Nearest(k));
        self.store.nearest(queries, k, scope, effort)
    }

    fn texts(&self, ids: &[u64]) -> Result<Vec<Caption>> {
        self.calls.note(Call::Texts(ids.len()));
        self.store.texts(ids)
    }

    fn widening<'a>(&'a self, query: &[f32], scope: &Scope, effort: Effort) -> Result<Box<dyn Widening<'a> + 'a>> {
        self.calls.note(Call::Widening);
        Ok(Box::new(AskedWidening { inner: self.store.widening(query, scope, effort)?, calls: &self.calls }))
    }

    fn project_all(&self, query: &[f32], scope: &Scope, temperature: f32) -> Result<Option<ExactProjection>> {
        self.calls.note(Call::ProjectAll);
        self.store.project_all(query, scope, temperature)
    }
}

const DIM: usize = 24;

/// The texts of the training set in two domains, some in several rows; each commit is one segment.
fn snapshot(commits: usize) -> (TempDir, Snapshot) {
    let set = texts::set();
    let guard = tempfile::tempdir().unwrap();
    let store = Store::create(guard.path().join("store"), set.space.clone()).unwrap();
    let mut writer = store.writer().unwrap();
    let size = set.texts.len().div_ceil(commits);
    for (commit, texts) in set.texts.chunks(size).enumerate() {
        let copies = |index: usize| 1 + index as u32 % 4;
        let keys: Vec<RowKey> = texts
            .iter()
            .enumerate()
            .flat_map(|(i, t)| (0..copies(i)).map(|ordinal| RowKey { ordinal, ..RowKey::new(t.text.as_str()) }))
            .collect();
        let domain = ["even", "odd"][commit % 2];
        let plan = writer.plan(domain, &keys).unwrap();
        let mut embeddings = Embeddings::new(DIM);
        for text in plan.texts() {
            let row = set.texts.iter().position(|t| t.text == text).unwrap();
            embeddings.push(set.embeddings.row(row).unwrap()).unwrap();
        }
        writer.append(domain, plan, &embeddings).unwrap();
    }
    (guard, store.snapshot().unwrap())
}

fn queries() -> Vec<Vec<f32>> {
    scattered(12, DIM).chunks(DIM).map(<[f32]>::to_vec).collect()
}

/// Options of every kind that are summed over the nearest texts, and over all.
fn options(effort: Effort) -> impl Iterator<Item = RetrievalOptions> {
    let scopes = [Scope::all(), Scope::domains(["odd"])];
    let temperatures = [0.005, 0.01, 0.07, 1.0];
    scopes.into_iter().flat_map(move |scope| {
        let scope = RetrievalOptions::default().effort(effort).scope(scope);
        temperatures.into_iter().flat_map(move |temperature| {
            let options = scope.clone().temperature(temperature);
            [None, Some(1), Some(5), Some(1000)].into_iter().map(move |k| options.clone().k(k))
        })
    })
}

#[track_caller]
fn assert_near(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() <= 1e-6, "{a} and {b}"));
}

#[test]
fn the_exact_projection_is_that_of_a_snapshot() {
    for (segments, sums) in [(2, true), (2, false), (6, true), (6, false)] {
        let (_guard, snapshot) = snapshot(segments);
        let double = Double::of(&snapshot, sums);
        for query in queries() {
            for options in options(Effort::EXACT) {
                let (ours, theirs) =
                    (retrieve(&double, &query, &options).unwrap(), retrieve(&snapshot, &query, &options).unwrap());
                let seen = |r: &echoic::retrieval::Retrieval| -> Vec<_> {
                    r.neighbours.iter().map(|n| (n.id, n.domain.clone(), n.caption.clone(), n.similarity)).collect()
                };
                assert_eq!(seen(&ours), seen(&theirs), "{options:?}");
                assert_eq!((ours.lost_mass, theirs.lost_mass), (0.0, 0.0));
                if segments == 2 && sums {
                    // One segment a domain: the very same additions in the same order.
                    assert_eq!(ours, theirs, "{options:?}");
                }
                assert_near(&ours.projection, &theirs.projection);
                let weights = |r: &echoic::retrieval::Retrieval| -> Vec<f32> {
                    r.neighbours.iter().map(|neighbour| neighbour.weight).collect()
                };
                assert_near(&weights(&ours), &weights(&theirs));
            }
        }
    }
}

#[test]
fn what_widens_until_enough_is_covered_widens_alike() {
    let (_guard, snapshot) = snapshot(6);
    let double = Double::of(&snapshot, false);
    let mut most = 0;
    for query in queries() {
        for options in options(Effort::default()) {
            let theirs = retrieve(&snapshot, &query, &options).unwrap();
            assert_eq!(retrieve(&double, &query, &options).unwrap(), theirs, "{options:?}");
            if options.k.is_none() {
                assert!(theirs.lost_mass <= 1.0 - options.mass, "{theirs:?}");
                most = most.max(theirs.neighbours.len());
            }
            let (first, embedding) = nearest(&double, &query, &options).unwrap();
            assert_eq!((first, embedding), nearest(&snapshot, &query, &options).unwrap());
        }
    }
    assert_eq!(most, RetrievalOptions::REPORTED, "no more are reported than ever");
}

#[test]
fn errors_come_through_as_the_store_gave_them() {
    let (_guard, snapshot) = snapshot(2);
    let double = Double::of(&snapshot, true);
    for store in [&double as &dyn TextStore, &snapshot] {
        for effort in [Effort::EXACT, Effort::default()] {
            let options = RetrievalOptions::default().effort(effort);
            let wide = retrieve(store, &[1.0; DIM + 1], &options).unwrap_err();
            assert!(matches!(wide, Error::Dimension { found: 25, expected: DIM, .. }), "{wide:?}");
            let nowhere = retrieve(store, &[0.0; DIM], &options).unwrap_err();
            assert!(matches!(nowhere, Error::Input { .. }), "{nowhere:?}");
            let unknown = options.clone().scope(Scope::domains(["z"]));
            let unknown = retrieve(store, &[1.0; DIM], &unknown).unwrap_err();
            assert!(
                matches!(&unknown, Error::NotFound { kind: Missing::Domain, name, .. } if name == "z"),
                "{unknown:?}"
            );
            for bad in [options.clone().k(0), options.clone().mass(1.0), options.clone().temperature(0.0)] {
                let error = retrieve(store, &[1.0; DIM], &bad).unwrap_err();
                assert!(matches!(error, Error::Input { .. }), "{error:?}");
            }
        }
    }
    let empty = Double { space: EmbeddingSpace::external(2), captions: vec![], vectors: vec![], sums: true };
    let error = retrieve(&empty, &[1.0, 0.0], &RetrievalOptions::default()).unwrap_err();
    assert!(error.to_string().contains("no caption"), "{error}");
}

/// A decoder of the training set's space, half trained.
fn decoder() -> Decoder {
    let folder = tempfile::tempdir().unwrap();
    let options = TrainOptions::default().epochs(4).batch(12).validation(0.0);
    let report = train(&texts::set(), &texts::tokenizer(), &options, folder.path(), &Control::default()).unwrap();
    Decoder::load(&report.best).unwrap()
}

#[test]
fn a_captioner_runs_on_it() {
    let (_guard, snapshot) = snapshot(3);
    let ours = Captioner::new(Double::of(&snapshot, false), decoder(), None).unwrap();
    let theirs = Captioner::new(snapshot, decoder(), None).unwrap();
    for strategy in Strategy::ALL {
        for query in queries() {
            let options = CaptionOptions::default().strategy(strategy);
            let caption = |captioner: &Captioner| {
                let mut captioned = captioner.caption_embedding("a query", &query, &options).unwrap();
                captioned.timings = Default::default();
                captioned
            };
            let captioned: Captioned = caption(&ours);
            assert!(!captioned.caption.is_empty());
            assert_eq!(captioned, caption(&theirs), "{strategy}");
        }
    }
    assert_eq!(ours.store().space().model, "test");
    let refused = ours.caption("rain.wav", &CaptionOptions::default()).unwrap_err();
    assert!(matches!(refused, Error::Input { .. }), "there is no tower: {refused:?}");
    let (_guard, other) = crate::common::stores::empty_store();
    let other = Captioner::new(crate::common::stores::open(&other), decoder(), None).unwrap_err();
    assert!(matches!(other, Error::SpaceMismatch { .. }), "{other:?}");
}

#[test]
fn texts_are_asked_for_what_is_reported_and_sums_where_one_is_needed() {
    let (_guard, snapshot) = snapshot(1);
    let rows = snapshot.len() as usize;
    let query = &queries()[0];
    let store = Asked::new(Double::of(&snapshot, true));
    let options = RetrievalOptions::default();

    nearest(&store, query, &options).unwrap();
    assert_eq!(store.calls.take(), [Call::Counts, Call::Nearest(10), Call::Texts(10)]);
    nearest(&store, query, &options.clone().k(3).effort(Effort::EXACT)).unwrap();
    assert_eq!(store.calls.take(), [Call::Counts, Call::Nearest(3), Call::Texts(3)]);

    // A temperature at which all texts share the weight: the search widens up to all, and ten texts are read.
    retrieve(&store, query, &options.clone().temperature(1.0)).unwrap();
    let widened = [Call::Counts, Call::Widening, Call::Wider(10), Call::Wider(40), Call::Texts(10)];
    assert_eq!((store.calls.take(), rows), (widened.to_vec(), 36));
    retrieve(&store, query, &options.clone().k(7)).unwrap();
    // A given k is searched for once.
    assert_eq!(store.calls.take(), [Call::Counts, Call::Nearest(7), Call::Texts(7)]);

    let exact = options.clone().effort(Effort::EXACT);
    retrieve(&store, query, &exact).unwrap();
    assert_eq!(store.calls.take(), [Call::Counts, Call::Nearest(10), Call::ProjectAll, Call::Texts(10)]);
    let without = Asked::new(Double::of(&snapshot, false));
    retrieve(&without, query, &exact).unwrap();
    let calls = without.calls.take();
    assert_eq!(calls.iter().filter(|call| matches!(call, Call::Texts(_))).collect::<Vec<_>>(), [&Call::Texts(10)]);
    assert!(calls.contains(&Call::ProjectAll) && calls.contains(&Call::Nearest(rows)), "{calls:?}");
    assert!(!calls.contains(&Call::Widening), "{calls:?}");
}

#[test]
fn direct_and_nearest_never_widen_and_never_sum() {
    let (_guard, snapshot) = snapshot(1);
    let store = Asked::new(Double::of(&snapshot, true));
    let calls = store.calls.clone();
    let captioner = Captioner::new(store, decoder(), None).unwrap();
    let query = &queries()[1];
    for strategy in [Strategy::Direct, Strategy::Nearest] {
        for effort in [Effort::default(), Effort::EXACT] {
            let retrieval = RetrievalOptions::default().k(4).effort(effort);
            let options = CaptionOptions::default().strategy(strategy).retrieval(retrieval);
            captioner.caption_embedding("a query", query, &options).unwrap();
            assert_eq!(calls.take(), [Call::Counts, Call::Nearest(4), Call::Texts(4)], "{strategy}");
        }
    }
}
