//! The texts as they are written: their lengths, their languages, and what is odd about them.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use whatlang::Lang;

use super::histogram::quartiles;
use super::oddities::{oddities, words};
use super::report::{Anomaly, AnomalyKind, LanguageCount, Suspect, TextAudit};
use super::rows::Rows;
use crate::Result;
use crate::bridge::Histogram;
use crate::memory::Caption;

/// Words that a text needs before its language is guessed: shorter ones are taken for anything.
const WORDS_TO_TELL: usize = 6;
/// How sure the guess must be.
const CONFIDENCE: f64 = 0.95;
/// The share that the main language of a domain has: below it there is none.
const MAIN: f64 = 0.7;

/// What was found, by rows.
pub(super) struct Texts {
    /// How many of each kind are given with their evidence.
    listed: usize,
    words: Vec<(usize, u32)>,
    characters: Vec<u32>,
    languages: Vec<(usize, Lang)>,
    /// Rows by what is odd about them, and of the first of each the evidence.
    pub odd: BTreeMap<AnomalyKind, Vec<usize>>,
    evidence: BTreeMap<(AnomalyKind, usize), String>,
}

/// A text that seems to be in another language than its domain, with its words, each with the domain.
struct Foreign {
    row: usize,
    language: Lang,
    words: Vec<(usize, String)>,
}

/// The language of a text, where it is long enough to tell and the guess is sure. Scripts of one language tell it by few words, too.
fn language(text: &str) -> Option<Lang> {
    let guess = whatlang::detect(text)?;
    let is_latin = guess.script() == whatlang::Script::Latin;
    let enough = words(text) >= if is_latin { WORDS_TO_TELL } else { 2 };
    (enough && guess.is_reliable() && guess.confidence() >= CONFIDENCE).then(|| guess.lang())
}

/// The words of a text, in small letters.
fn single_words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

impl Texts {
    /// Nothing read yet; of each kind `listed` texts will be given with what is odd about them.
    pub fn naming(listed: usize) -> Self {
        let (odd, evidence) = (BTreeMap::new(), BTreeMap::new());
        Self { listed, words: Vec::new(), characters: Vec::new(), languages: Vec::new(), odd, evidence }
    }

    /// Takes in some texts with their rows.
    pub fn take(&mut self, captions: &[(usize, Caption)]) {
        let judged = captions.par_iter().map(|(_, caption)| {
            let text = caption.text.as_str();
            (words(text), text.chars().count(), language(text), oddities(text))
        });
        let judged: Vec<_> = judged.collect();
        for ((row, _), (words, characters, language, odd)) in captions.iter().zip(judged) {
            self.words.push((*row, words as u32));
            self.characters.push(characters as u32);
            self.languages.extend(language.map(|language| (*row, language)));
            odd.into_iter().for_each(|(kind, evidence)| self.add(kind, *row, evidence));
        }
    }

    /// With what is odd about a text beside the others of its domain, when all were taken in.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) when a record is.
    pub fn compared(mut self, rows: &Rows<'_>) -> Result<Self> {
        self.foreign(rows)?;
        self.long(rows);
        Ok(self)
    }

    fn add(&mut self, kind: AnomalyKind, row: usize, evidence: String) {
        let rows = self.odd.entry(kind).or_default();
        rows.push(row);
        if rows.len() <= self.listed {
            self.evidence.insert((kind, row), evidence);
        }
    }

    /// Texts in each language by domain, the most frequent first.
    fn spoken(&self, rows: &Rows<'_>) -> Vec<Vec<(Lang, u64)>> {
        let mut counts: Vec<BTreeMap<&str, (Lang, u64)>> = vec![BTreeMap::new(); rows.domains.len()];
        for (row, language) in &self.languages {
            counts[rows.domain(*row)].entry(language.code()).or_insert((*language, 0)).1 += 1;
        }
        let sorted = counts.into_iter().map(|counts| {
            let mut counts: Vec<(Lang, u64)> = counts.into_values().collect();
            counts.sort_by_key(|(_, count)| u64::MAX - count);
            counts
        });
        sorted.collect()
    }

    /// Texts in another language than most of their domain. Names and lists of short words are taken for other languages at times; so a text
    /// is none of these whose words mostly stand in texts of the main language, too.
    fn foreign(&mut self, rows: &Rows<'_>) -> Result<()> {
        let main = |spoken: &Vec<(Lang, u64)>| {
            let told: u64 = spoken.iter().map(|(_, count)| count).sum();
            spoken.first().filter(|(_, count)| *count as f64 >= MAIN * told as f64).map(|(language, _)| *language)
        };
        let mains: Vec<Option<Lang>> = self.spoken(rows).iter().map(main).collect();
        let (usual, other): (Vec<_>, Vec<_>) = self
            .languages
            .iter()
            .filter(|(row, _)| mains[rows.domain(*row)].is_some())
            .partition(|(row, language)| mains[rows.domain(*row)] == Some(*language));
        let other: Vec<Foreign> = other
            .into_iter()
            .map(|(row, language)| {
                let domain = rows.domain(row);
                let words = single_words(&rows.caption(row)?.text).map(|word| (domain, word)).collect();
                Ok(Foreign { row, language, words })
            })
            .collect::<Result<_>>()?;
        let mut seen: HashMap<(usize, String), bool> =
            other.iter().flat_map(|text| text.words.iter().cloned()).map(|word| (word, false)).collect();
        for (row, _) in usual.into_iter().filter(|_| !other.is_empty()) {
            let domain = rows.domain(row);
            for word in single_words(&rows.caption(row)?.text) {
                seen.entry((domain, word)).and_modify(|seen| *seen = true);
            }
        }
        for Foreign { row, language, words } in other {
            let known = words.iter().filter(|word| seen.get(word).copied().unwrap_or(false)).count();
            if 2 * known < words.len() {
                self.add(AnomalyKind::OtherLanguage, row, language.eng_name().to_owned());
            }
        }
        Ok(())
    }

    /// Texts far longer than others of their domain: beyond the outer fence, and twice as long as three quarters of them.
    fn long(&mut self, rows: &Rows<'_>) {
        let mut lengths: Vec<Vec<f32>> = vec![Vec::new(); rows.domains.len()];
        self.words.iter().for_each(|(row, words)| lengths[rows.domain(*row)].push(*words as f32));
        let fences = lengths.iter_mut().map(|lengths| {
            lengths.sort_unstable_by(f32::total_cmp);
            let [first, _, third] = quartiles(lengths)?;
            Some((third + 3.0 * (third - first).max(1.0)).max(2.0 * third))
        });
        let fences: Vec<Option<f32>> = fences.collect();
        let is_long =
            |(row, words): &&(usize, u32)| fences[rows.domain(*row)].is_some_and(|fence| *words as f32 > fence);
        let mut long: Vec<(usize, u32)> = self.words.iter().filter(is_long).copied().collect();
        long.sort_by_key(|(_, words)| u32::MAX - words);
        for (row, words) in long {
            self.add(AnomalyKind::Long, row, format!("{words} words"));
        }
    }

    /// What is told of them.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) when a record is.
    pub fn report(&self, rows: &Rows<'_>) -> Result<TextAudit> {
        let spoken = self.spoken(rows).into_iter().enumerate().flat_map(|(domain, spoken)| {
            let domain = &rows.domains[domain];
            let count = move |(language, captions): (Lang, u64)| LanguageCount {
                domain: domain.clone(),
                language: language.code().to_owned(),
                captions,
            };
            spoken.into_iter().map(count)
        });
        let anomalies = self.odd.iter().map(|(kind, odd)| {
            let suspects = odd.iter().take(self.listed).map(|row| {
                let evidence = self.evidence.get(&(*kind, *row)).cloned().unwrap_or_default();
                Ok(Suspect { text: rows.caption(*row)?, evidence })
            });
            Ok(Anomaly { kind: *kind, count: odd.len() as u64, texts: suspects.collect::<Result<_>>()? })
        });
        Ok(TextAudit {
            words: Histogram::of_counts(self.words.iter().map(|(_, words)| *words as usize)),
            characters: Histogram::of_counts(self.characters.iter().map(|characters| *characters as usize)),
            languages: spoken.collect(),
            anomalies: anomalies.collect::<Result<_>>()?,
        })
    }
}
