//! Random histories of a store against a plain model: a map of captions and a brute-force search.

mod memory_support;

use std::collections::{BTreeMap, HashSet};

use echoic::embedding::{dot, normalize};
use echoic::memory::{Memory, RowKey, SearchOptions};
use echoic::progress::Stop;
use memory_support::*;
use proptest::prelude::*;

const DOMAINS: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Step {
    Append { domain: usize, rows: Vec<(u8, u8, u8)> },
    RemoveDomain(usize),
    Merge,
    Index,
    Reopen,
    Keep,
}

fn step() -> impl Strategy<Value = Step> {
    let rows = prop::collection::vec((0..12u8, 0..4u8, 0..2u8), 0..8);
    prop_oneof![
        12 => (0..DOMAINS.len(), rows).prop_map(|(domain, rows)| Step::Append { domain, rows }),
        1 => (0..DOMAINS.len()).prop_map(Step::RemoveDomain),
        1 => Just(Step::Merge),
        1 => Just(Step::Index),
        1 => Just(Step::Reopen),
        1 => Just(Step::Keep),
    ]
}

#[derive(Debug, Clone, PartialEq)]
struct Stored {
    domain: &'static str,
    text: String,
    clips: Vec<Option<String>>,
}

/// What a store is meant to be.
#[derive(Default, Clone)]
struct Model {
    captions: BTreeMap<u64, Stored>,
    rows: HashSet<(&'static str, String, Option<String>, u32)>,
    last_id: u64,
}

impl Model {
    fn append(&mut self, domain: &'static str, rows: &[RowKey]) -> (u64, u64, u64) {
        let mut counts = (0, 0, 0);
        for row in rows {
            if !self.rows.insert((domain, row.text.clone(), row.clip.clone(), row.ordinal)) {
                counts.2 += 1;
                continue;
            }
            let known = self.captions.values_mut().find(|stored| stored.domain == domain && stored.text == row.text);
            if let Some(stored) = known {
                stored.clips.push(row.clip.clone());
                counts.1 += 1;
            } else {
                self.last_id += 1;
                let clips = vec![row.clip.clone()];
                self.captions.insert(self.last_id, Stored { domain, text: row.text.clone(), clips });
                counts.0 += 1;
            }
        }
        counts
    }

    fn remove(&mut self, domain: &str) -> u64 {
        let before = self.captions.len();
        self.captions.retain(|_, stored| stored.domain != domain);
        self.rows.retain(|row| row.0 != domain);
        (before - self.captions.len()) as u64
    }

    fn search(&self, query: &[f32], k: usize, domain: Option<&str>) -> Vec<(u64, f32)> {
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

    fn check(&self, memory: &Memory) {
        let expected: Vec<_> = self
            .captions
            .iter()
            .map(|(id, stored)| {
                let mut clips: Vec<String> = stored.clips.iter().flatten().cloned().collect();
                clips.sort();
                (*id, stored.domain.to_owned(), stored.text.clone(), stored.clips.len() as u32, clips)
            })
            .collect();
        assert_eq!(contents(memory), expected);
        assert_eq!(memory.len(), self.captions.len() as u64);
        for stats in memory.domains() {
            let of_domain = || self.captions.values().filter(|stored| stored.domain == stats.name);
            assert_eq!(stats.captions, of_domain().count() as u64);
            assert_eq!(stats.occurrences, of_domain().map(|stored| stored.clips.len() as u64).sum::<u64>());
        }
        let blocks = memory.blocks(None).expect("blocks");
        let in_blocks =
            blocks.iter().flat_map(|block| block.ids().enumerate().map(|(row, id)| (id, block.multiplicity(row))));
        let in_blocks: BTreeMap<u64, u32> = in_blocks.collect();
        assert!(in_blocks.into_iter().eq(expected.iter().map(|caption| (caption.0, caption.3))));
        for (text, k) in [("0", 3), ("a question", 10), ("11", 100)] {
            for domain in [None, Some("a")] {
                if domain.is_some() && memory.domains().iter().all(|stats| stats.name != "a") {
                    continue;
                }
                let domains = domain.map(|name: &str| vec![name.to_owned()]);
                let options = SearchOptions { k, domains, ..SearchOptions::default() };
                let found = memory.search(&embed(text, DIM), &options).expect("an answer");
                let found: Vec<(u64, f32)> = found.iter().map(|n| (n.id, n.similarity)).collect();
                let expected = self.search(&embed(text, DIM), k, domain);
                let expected: Vec<(u64, f32)> = expected.iter().map(|(id, s)| (*id, s.clamp(-1.0, 1.0))).collect();
                assert_eq!(found, expected);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_its_model(steps in prop::collection::vec(step(), 1..40)) {
        let (_guard, dir) = empty_store();
        let mut writer = Memory::writer(&dir).expect("a writer");
        let mut model = Model::default();
        let mut kept = Vec::new();
        for step in steps {
            match step {
                Step::Append { domain, rows } => {
                    let rows: Vec<RowKey> = rows
                        .iter()
                        .map(|(text, clip, ordinal)| {
                            let clip = (*clip > 0).then(|| format!("{clip}.wav"));
                            row(&text.to_string(), clip.as_deref(), u32::from(*ordinal))
                        })
                        .collect();
                    let appended = ingest(&mut writer, DOMAINS[domain], &rows).expect("an append");
                    let expected = model.append(DOMAINS[domain], &rows);
                    prop_assert_eq!((appended.new, appended.repeats, appended.duplicates), expected);
                }
                Step::RemoveDomain(domain) => {
                    let removed = writer.remove_domain(DOMAINS[domain]).unwrap_or(0);
                    prop_assert_eq!(removed, model.remove(DOMAINS[domain]));
                }
                Step::Merge => _ = writer.merge(&(), &Stop::new()).expect("a merge"),
                Step::Index => _ = writer.index_above(1, &(), &Stop::new()).expect("graphs"),
                Step::Reopen => {
                    drop(writer);
                    writer = Memory::writer(&dir).expect("a writer");
                }
                Step::Keep => kept.push((Memory::open(&dir).expect("a reader"), model.clone())),
            }
            model.check(&writer.snapshot().expect("a snapshot"));
        }
        let memory = Memory::open(&dir).expect("a reader");
        model.check(&memory);
        prop_assert_eq!(memory.verify(&()).expect("readable"), []);
        // Old snapshots show what they showed.
        for (memory, model) in kept {
            model.check(&memory);
        }
    }
}
