//! What a store is meant to be: a map of captions, and a brute-force search.

use std::collections::{BTreeMap, BTreeSet};

use echoic::embedding::normalize;
use echoic::internals::{dot, index_above};
use echoic::memory::{RowKey, Scope, SearchOptions};
use echoic::progress::Control;
use echoic::{Error, Snapshot, Writer};

use super::stores::{DIM, Seen, contents, embed, ingest, row};

pub const DOMAINS: [&str; 3] = ["a", "b", "c"];

/// Something that is done to a store.
#[derive(Debug, Clone)]
pub enum Step {
    /// Rows of (text, clip, ordinal); clip 0 is none.
    Append {
        domain: usize,
        rows: Vec<(u8, u8, u8)>,
    },
    RemoveDomain(usize),
    RenameDomain {
        from: usize,
        to: usize,
    },
    /// The captions at these places, in the order of ids.
    RemoveCaptions(Vec<usize>),
    /// Of the clip, only rows with this text stay.
    Retain {
        domain: usize,
        clip: u8,
        text: u8,
    },
    Merge,
    Compact,
    Index,
}

/// Numbers that a step reports; which ones depends on the step.
pub type Outcome = (u64, u64, u64);

impl Step {
    /// Does it to a store that is as `model`. What is not there cannot be removed, and that is no failure.
    pub fn perform(&self, writer: &mut Writer, model: &Model) -> echoic::Result<Outcome> {
        match self {
            Self::Append { domain, rows } => {
                let appended = ingest(writer, DOMAINS[*domain], &keys(rows))?;
                Ok((appended.new, appended.repeats, appended.duplicates))
            }
            Self::RemoveDomain(domain) => match writer.remove_domain(DOMAINS[*domain]) {
                Err(Error::NotFound { .. }) => Ok((0, 0, 0)),
                removed => Ok((removed?, 0, 0)),
            },
            Self::RenameDomain { from, to } => match writer.rename_domain(DOMAINS[*from], DOMAINS[*to]) {
                Err(Error::NotFound { .. } | Error::Input { .. }) => Ok((0, 0, 0)),
                renamed => renamed.map(|()| (1, 0, 0)),
            },
            Self::RemoveCaptions(places) => {
                let removed = writer.remove_captions(&model.ids(places))?;
                Ok((removed.captions, removed.occurrences, 0))
            }
            Self::Retain { domain, clip, text } => match writer.retain(DOMAINS[*domain], keep(*clip, *text)) {
                Err(Error::NotFound { .. }) => Ok((0, 0, 0)),
                removed => removed.map(|removed| (removed.captions, removed.occurrences, 0)),
            },
            Self::Merge => writer.merge(&Control::default()).map(|_| (0, 0, 0)),
            Self::Compact => writer.compact(&Control::default()).map(|_| (0, 0, 0)),
            Self::Index => index_above(writer, 1, &Control::default()).map(|_| (0, 0, 0)),
        }
    }

    /// Does it to the model.
    pub fn apply(&self, model: &mut Model) -> Outcome {
        match self {
            Self::Append { domain, rows } => model.append(DOMAINS[*domain], &keys(rows)),
            Self::RemoveDomain(domain) => model.remove_domain(DOMAINS[*domain]),
            Self::RenameDomain { from, to } => model.rename_domain(DOMAINS[*from], DOMAINS[*to]),
            Self::RemoveCaptions(places) => model.remove_captions(&model.ids(places)),
            Self::Retain { domain, clip, text } => model.retain(DOMAINS[*domain], keep(*clip, *text)),
            Self::Merge | Self::Compact | Self::Index => (0, 0, 0),
        }
    }
}

fn keys(rows: &[(u8, u8, u8)]) -> Vec<RowKey> {
    let key = |(text, clip, ordinal): &(u8, u8, u8)| {
        let clip = (*clip > 0).then(|| format!("{clip}.wav"));
        row(&text.to_string(), clip.as_deref(), u32::from(*ordinal))
    };
    rows.iter().map(key).collect()
}

fn keep(clip: u8, text: u8) -> impl Fn(&str, Option<&str>) -> bool {
    let (clip, text) = (format!("{clip}.wav"), text.to_string());
    move |given, of| of != Some(&clip) || *given == text
}

#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    pub domain: &'static str,
    pub text: String,
    /// Clip and ordinal of each row that carries the text.
    pub rows: Vec<(Option<String>, u32)>,
}

/// What a store is meant to be.
#[derive(Default, Clone)]
pub struct Model {
    pub captions: BTreeMap<u64, Stored>,
    /// Those that are empty, too.
    domains: BTreeSet<&'static str>,
    last_id: u64,
}

impl Model {
    /// The ids of the captions at these places; places past the end are none.
    pub fn ids(&self, places: &[usize]) -> Vec<u64> {
        places.iter().filter_map(|place| self.captions.keys().nth(*place).copied()).collect()
    }

    fn append(&mut self, domain: &'static str, rows: &[RowKey]) -> Outcome {
        let mut counts = (0, 0, 0);
        for row in rows {
            let known = self.captions.values_mut().find(|stored| stored.domain == domain && stored.text == row.text);
            let key = (row.clip.clone(), row.ordinal);
            match known {
                Some(stored) if stored.rows.contains(&key) => counts.2 += 1,
                Some(stored) => {
                    stored.rows.push(key);
                    counts.1 += 1;
                }
                None => {
                    self.last_id += 1;
                    self.captions.insert(self.last_id, Stored { domain, text: row.text.clone(), rows: vec![key] });
                    counts.0 += 1;
                }
            }
        }
        if counts.0 + counts.1 > 0 {
            self.domains.insert(domain);
        }
        counts
    }

    fn remove_domain(&mut self, domain: &str) -> Outcome {
        self.domains.remove(domain);
        let before = self.captions.len();
        self.captions.retain(|_, stored| stored.domain != domain);
        ((before - self.captions.len()) as u64, 0, 0)
    }

    fn rename_domain(&mut self, from: &str, to: &'static str) -> Outcome {
        if !self.domains.contains(from) || self.domains.contains(to) {
            return (0, 0, 0);
        }
        self.domains.remove(from);
        self.domains.insert(to);
        self.captions.values_mut().filter(|stored| stored.domain == from).for_each(|stored| stored.domain = to);
        (1, 0, 0)
    }

    fn remove_captions(&mut self, ids: &[u64]) -> Outcome {
        let gone: Vec<Stored> = ids.iter().filter_map(|id| self.captions.remove(id)).collect();
        (gone.len() as u64, gone.iter().map(|stored| stored.rows.len() as u64).sum(), 0)
    }

    /// Captions of the domain lose the rows that are not to be kept; one that keeps some gets a new id.
    fn retain(&mut self, domain: &str, keep: impl Fn(&str, Option<&str>) -> bool) -> Outcome {
        let mut counts = (0, 0, 0);
        for (id, stored) in self.captions.clone() {
            let kept: Vec<_> =
                stored.rows.iter().filter(|(clip, _)| keep(&stored.text, clip.as_deref())).cloned().collect();
            if stored.domain != domain || kept.len() == stored.rows.len() {
                continue;
            }
            self.captions.remove(&id);
            counts.1 += (stored.rows.len() - kept.len()) as u64;
            if kept.is_empty() {
                counts.0 += 1;
            } else {
                self.last_id += 1;
                self.captions.insert(self.last_id, Stored { rows: kept, ..stored });
            }
        }
        counts
    }

    pub fn search(&self, query: &[f32], k: usize, domain: Option<&str>) -> Vec<(u64, f32)> {
        let mut query = query.to_vec();
        normalize(&mut query);
        let wanted = self.captions.iter().filter(|(_, stored)| domain.is_none_or(|name| stored.domain == name));
        let mut scored: Vec<(u64, f32)> = wanted
            .map(|(id, stored)| {
                let mut vector = embed(&stored.text, DIM);
                normalize(&mut vector);
                (*id, dot(&query, &vector))
            })
            .collect();
        scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        scored.truncate(k);
        scored
    }

    /// What a reader is to see.
    pub fn contents(&self) -> Vec<Seen> {
        let seen = |(id, stored): (&u64, &Stored)| {
            let mut clips: Vec<String> = stored.rows.iter().filter_map(|(clip, _)| clip.clone()).collect();
            clips.sort();
            (*id, stored.domain.to_owned(), stored.text.clone(), stored.rows.len() as u32, clips)
        };
        self.captions.iter().map(seen).collect()
    }

    /// Compares all that a snapshot answers.
    pub fn check(&self, memory: &Snapshot) {
        assert_eq!(contents(memory), self.contents());
        assert_eq!(memory.len(), self.captions.len() as u64);
        let domains = memory.domains();
        assert!(domains.iter().map(|stats| &*stats.name).collect::<BTreeSet<_>>().iter().eq(&self.domains));
        for stats in memory.domains() {
            let of_domain = || self.captions.values().filter(|stored| stored.domain == stats.name);
            assert_eq!(stats.captions, of_domain().count() as u64);
            assert_eq!(stats.occurrences, of_domain().map(|stored| stored.rows.len() as u64).sum::<u64>());
        }
        // Rows of removed captions may be in a block, and weigh nothing.
        let blocks = memory.blocks(&Scope::all()).expect("blocks");
        let rows =
            blocks.iter().flat_map(|block| block.ids().enumerate().map(|(row, id)| (id, block.multiplicity(row))));
        let rows: BTreeMap<u64, u32> = rows.filter(|(_, multiplicity)| *multiplicity > 0).collect();
        assert!(rows.into_iter().eq(self.captions.iter().map(|(id, stored)| (*id, stored.rows.len() as u32))));
        for (text, k) in [("0", 3), ("a question", 10), ("11", 100)] {
            for domain in [None, Some("a")] {
                if domain.is_some() && memory.domains().iter().all(|stats| stats.name != "a") {
                    continue;
                }
                let scope = domain.map_or_else(Scope::all, |name| Scope::domains([name]));
                let options = SearchOptions::default().k(k).scope(scope);
                let found = memory.search(&embed(text, DIM), &options).expect("an answer");
                let found: Vec<(u64, f32)> = found.iter().map(|n| (n.id, n.similarity)).collect();
                let expected = self.search(&embed(text, DIM), k, domain);
                let expected: Vec<(u64, f32)> = expected.iter().map(|(id, s)| (*id, s.clamp(-1.0, 1.0))).collect();
                assert_eq!(found, expected);
            }
        }
    }
}
