//! A map of the memory: stored texts, sounds and what was asked, brought down to two dimensions.

use std::collections::HashMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::flatten::{neighbourhoods, principal};
use crate::audit::CaptionAudit;
use crate::embedding::normalize;
use crate::memory::{Scope, Snapshot};
use crate::plot::{Axis, Group, Scatter};
use crate::progress::Control;
use crate::{Embeddings, Result};

/// Points that a map shows at most.
const MOST: usize = 20_000;

/// Points of a map by neighbourhoods: its time grows faster than they do.
const MOST_NEIGHBOURHOODS: usize = 3_000;

/// How many dimensions become two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The two directions in which the points differ most (principal components); texts as a whole and sounds as a whole weigh the same.
    #[default]
    Principal,
    /// Points that are near each other stay so (t-SNE); what is far apart says nothing.
    Neighbourhoods,
}

/// What a point of a map stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A stored text.
    Text,
    /// A sound that was given beside what was asked.
    Sound,
    /// What was asked: the sound of an audit.
    Query,
    /// The sum of stored texts that stands for what was asked.
    Projection,
}

/// A point of a map.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Point {
    /// Its place, in -1..1.
    pub x: f32,
    /// Its place, in -1..1.
    pub y: f32,
    /// What it stands for.
    pub kind: Kind,
    /// The id of a stored text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Its domain, as an index into [`Map::domains`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<usize>,
    /// The text, or what the sound is called.
    pub label: String,
}

/// Stored texts, sounds and what was asked, in two dimensions.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Map {
    /// How dimensions were left out.
    pub method: Method,
    /// The share of the points' differences that the two directions hold, in 0..1; `None` where the method has no directions.
    pub kept: Option<f32>,
    /// Distinct texts that could have been shown.
    pub texts: u64,
    /// The domains of the points.
    pub domains: Vec<String>,
    /// The points; those to be seen above the others come last.
    pub points: Vec<Point>,
}

/// Draws a map: a fixed sample of the texts, what they are to be seen beside, and a [`Method`].
#[derive(Debug, Clone)]
#[must_use = "nothing is drawn before it runs"]
pub struct Mapping<'a> {
    memory: &'a Snapshot,
    scope: Scope,
    method: Method,
    most: usize,
    seed: u64,
    sounds: Option<(&'a Embeddings, &'a [String])>,
    queries: Vec<Query<'a>>,
}

#[derive(Debug, Clone)]
struct Query<'a> {
    name: String,
    embedding: &'a [f32],
    prefix: Option<&'a [f32]>,
    answered: Vec<u64>,
}

impl<'a> Mapping<'a> {
    /// A map of all texts of a memory, or of a sample of them.
    pub fn new(memory: &'a Snapshot) -> Self {
        let (scope, method) = (Scope::all(), Method::default());
        Self { memory, scope, method, most: MOST, seed: 0, sounds: None, queries: Vec::new() }
    }

    /// Shows these domains alone.
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Leaves dimensions out so.
    pub fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// Shows at most so many texts, and never more than 20,000; by neighbourhoods 3,000.
    pub fn most(self, most: usize) -> Self {
        Self { most: most.min(MOST), ..self }
    }

    /// Draws the sample of texts with this seed.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Shows sounds, too, with what each is called.
    pub fn sounds(self, sounds: &'a Embeddings, names: &'a [String]) -> Self {
        Self { sounds: Some((sounds, names)), ..self }
    }

    /// Shows what was asked, the sum of texts that stands for it where there is one, and the texts that answered.
    pub fn query(
        mut self,
        name: impl Into<String>,
        embedding: &'a [f32],
        prefix: Option<&'a [f32]>,
        answered: impl IntoIterator<Item = u64>,
    ) -> Self {
        self.queries.push(Query { name: name.into(), embedding, prefix, answered: answered.into_iter().collect() });
        self
    }

    /// Shows the sound of an audit, what its caption was written from, and the texts that were audited.
    pub fn audit(self, audit: &'a CaptionAudit) -> Self {
        let answered = audit.audited.iter().map(|neighbour| neighbour.text.id);
        self.query(&audit.captioned.path, &audit.embedding, Some(&audit.prefix), answered)
    }

    /// Draws it.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) for an unknown domain; [`Error::Dimension`](crate::Error::Dimension) for embeddings of
    /// another space; [`Error::Interrupted`](crate::Error::Interrupted).
    pub fn run(&self, control: &Control<'_>) -> Result<Map> {
        let phase = control.begin("drawing the map", None);
        let ids = self.sample()?;
        let mut map = Map {
            method: self.method,
            kept: None,
            texts: self.memory.counts(&self.scope)?.0,
            domains: Vec::new(),
            points: Vec::new(),
        };
        let mut vectors = Embeddings::with_capacity(self.memory.space().dim, ids.len());
        let mut domains = HashMap::new();
        for id in ids {
            let (Some(caption), Some(embedding)) = (self.memory.caption(id)?, self.memory.embedding(id)) else {
                continue;
            };
            let next = domains.len();
            let domain = *domains.entry(caption.domain.clone()).or_insert_with(|| {
                map.domains.push(caption.domain.clone());
                next
            });
            vectors.push(embedding)?;
            map.points.push(Point { id: Some(id), domain: Some(domain), ..point(Kind::Text, &caption.text) });
        }
        let texts = vectors.len();
        self.add_sounds(&mut map, &mut vectors)?;
        control.check()?;
        let flat = principal(&vectors, texts);
        let places = match self.method {
            Method::Principal => {
                map.kept = Some(flat.kept);
                flat.places
            }
            Method::Neighbourhoods => neighbourhoods(&vectors, &flat.places, control)?,
        };
        place(&mut map.points, &places);
        phase.end();
        Ok(map)
    }

    /// Sounds, what was asked, and what stands for it.
    fn add_sounds(&self, map: &mut Map, vectors: &mut Embeddings) -> Result<()> {
        if let Some((sounds, names)) = self.sounds {
            for (row, sound) in sounds.rows().enumerate() {
                vectors.push(sound)?;
                map.points.push(point(Kind::Sound, names.get(row).map_or("", String::as_str)));
            }
        }
        let prefixes = self.queries.iter().filter_map(|query| Some((Kind::Projection, &query.name, query.prefix?)));
        let asked = self.queries.iter().map(|query| (Kind::Query, &query.name, query.embedding));
        for (kind, name, embedding) in prefixes.chain(asked) {
            let mut unit = embedding.to_vec();
            normalize(&mut unit);
            vectors.push(&unit)?;
            map.points.push(point(kind, name));
        }
        Ok(())
    }

    /// The texts to show: a sample, and behind it those that answered.
    fn sample(&self) -> Result<Vec<u64>> {
        let most = if self.method == Method::Neighbourhoods { self.most.min(MOST_NEIGHBOURHOODS) } else { self.most };
        let mut answered: Vec<u64> = self.queries.iter().flat_map(|query| query.answered.iter().copied()).collect();
        answered.sort_unstable();
        answered.dedup();
        let blocks = self.memory.blocks(&self.scope)?;
        let mut live = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            live.extend(block.live_rows().map(|row| (index as u32, row as u32)));
        }
        let drawn = live.len().min(most);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut chosen = rand::seq::index::sample(&mut rng, live.len(), drawn).into_vec();
        chosen.sort_unstable();
        let ids =
            chosen.into_iter().map(|index| live[index]).map(|(block, row)| blocks[block as usize].id(row as usize));
        let sampled = ids.filter(|id| answered.binary_search(id).is_err());
        Ok(sampled.chain(answered.iter().copied()).collect())
    }
}

fn point(kind: Kind, label: &str) -> Point {
    Point { x: 0.0, y: 0.0, kind, id: None, domain: None, label: label.to_owned() }
}

/// Gives the points their places, as large as the paper allows. Both axes keep one scale.
fn place(points: &mut [Point], places: &[[f32; 2]]) {
    let reach = |axis: usize| {
        let values = || places.iter().map(move |place| place[axis]).filter(|x| x.is_finite());
        (values().fold(f32::INFINITY, f32::min), values().fold(f32::NEG_INFINITY, f32::max))
    };
    let (across, up) = (reach(0), reach(1));
    let half = ((across.1 - across.0).max(up.1 - up.0) / 2.0).max(f32::MIN_POSITIVE);
    // Four digits are finer than any screen.
    let scaled = |x: f32, (low, high): (f32, f32)| ((x - (low + high) / 2.0) / half * 1e4).round() / 1e4;
    for (point, place) in points.iter_mut().zip(places) {
        (point.x, point.y) = (scaled(place[0], across), scaled(place[1], up));
    }
}

impl Map {
    /// The map as a plot, texts by their domains.
    pub fn scatter(&self, title: impl Into<String>) -> Scatter {
        let of = |wanted: &dyn Fn(&Point) -> bool| {
            let points = self.points.iter().filter(|point| wanted(point));
            points.map(|point| (f64::from(point.x), f64::from(point.y))).collect::<Vec<_>>()
        };
        let mut groups: Vec<Group> = self
            .domains
            .iter()
            .enumerate()
            .map(|(index, name)| Group::new(name, of(&|point| point.domain == Some(index))))
            .collect();
        for (kind, name) in [(Kind::Sound, "sounds"), (Kind::Projection, "projection"), (Kind::Query, "query")] {
            let points = of(&|point| point.kind == kind);
            if !points.is_empty() {
                let group = Group::new(name, points);
                groups.push(if kind == Kind::Sound { group } else { group.marked() });
            }
        }
        let (across, up) = match self.method {
            Method::Principal => ("first direction", "second direction"),
            Method::Neighbourhoods => ("", ""),
        };
        let wide = |axis: Axis| axis.between(-1.05, 1.05);
        Scatter::new(title, wide(Axis::new(across)), wide(Axis::new(up)), groups)
    }
}
