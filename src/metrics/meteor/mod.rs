//! METEOR 1.5 (Denkowski and Lavie 2014) for English, as the COCO caption tools run it: exact words, stems, synonyms and paraphrases, with
//! the parameters tuned to rankings.
//!
//! Its data come from its own program: the jar holds the synonyms, the function words and the prefixes; the paraphrases lie beside it.

mod align;
mod normalize;
mod packed;
mod paraphrases;
mod stats;
mod synonyms;

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use foldhash::{HashMap, HashMapExt};
use rayon::prelude::*;
use rust_stemmers::{Algorithm, Stemmer};
use zip::ZipArchive;

use super::{Score, Tokenized};
use crate::progress::Control;
use crate::{Error, Result};
use align::{Candidates, Match};
use normalize::Prefix;
use packed::Packed;
use paraphrases::Paraphrases;
use stats::Stats;
use synonyms::{Synonyms, share};

/// METEOR's program, of which the data are read.
const JAR: &str = "meteor-1.5.jar";
/// Its table of paraphrases for English.
const PARAPHRASES: &str = "paraphrase-en.gz";

/// How many clips one thread scores before it takes more.
const CLIPS_AT_ONCE: usize = 16;

/// The ways in which words match, in the order in which they are tried.
const EXACT: usize = 0;
const STEM: usize = 1;
const SYNONYM: usize = 2;
const PARAPHRASE: usize = 3;

/// What METEOR knows of English, apart from paraphrases.
#[derive(Debug)]
pub struct Meteor {
    folder: PathBuf,
    synonyms: Synonyms,
    function_words: HashSet<String>,
    prefixes: HashMap<String, Prefix>,
}

impl Meteor {
    /// Reads what METEOR's jar in `folder` holds.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Input`] when it is not METEOR's jar.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let path = folder.join(JAR);
        let file = File::open(&path).map_err(Error::io("read", &path))?;
        let broken = |cause: zip::result::ZipError| Error::input(path.display(), cause, "METEOR's jar");
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
        let mut member = |name: &str| {
            let mut text = String::new();
            let mut member = archive.by_name(name).map_err(broken)?;
            member.read_to_string(&mut text).map_err(Error::io("read", &path))?;
            Ok::<_, Error>(text)
        };
        Ok(Self {
            synonyms: Synonyms::parse(&member("synonym/english.synsets")?, &member("synonym/english.exceptions")?),
            function_words: member("function/english.words")?.lines().map(str::to_owned).collect(),
            prefixes: member("nonbreaking/english.prefixes")?.lines().filter_map(prefix).collect(),
            folder: folder.to_owned(),
        })
    }

    /// METEOR of captions that were tokenized.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] when the paraphrases cannot be read, [`Error::Interrupted`] when stopping was asked for.
    pub fn score(&self, clips: &Tokenized, control: &Control<'_>) -> Result<Score> {
        let path = self.folder.join(PARAPHRASES);
        let normal = |caption: &String| normalize::words(caption, &self.prefixes);
        let prepare = || {
            let lines: Vec<(Vec<String>, Vec<Vec<String>>)> = clips
                .clips
                .par_iter()
                .map(|clip| (normal(&clip.predicted), clip.references.iter().map(normal).collect()))
                .collect();
            let words = lines.iter().flat_map(|(one, others)| others.iter().chain([one]).flatten());
            let vocabulary = self.vocabulary(words);
            (lines, vocabulary)
        };
        let (packed, (lines, vocabulary)) = rayon::join(|| Packed::of(&path, control), prepare);
        let paraphrases = Paraphrases::of_words(&packed?, &vocabulary.numbers);
        let scorer = Scorer { vocabulary, paraphrases };
        let phase = control.begin("METEOR", Some(lines.len() as u64));
        let stats: Vec<Stats> = lines
            .par_iter()
            .with_min_len(CLIPS_AT_ONCE)
            .map(|(predicted, references)| {
                control.check()?;
                let stats = scorer.best(predicted, references);
                control.advance(1);
                Ok(stats)
            })
            .collect::<Result<_>>()?;
        phase.end();
        let corpus = stats.iter().fold(Stats::default(), Stats::add).score();
        let clips = stats.iter().map(Stats::score).collect();
        let of_clips = move |clips: &[u32]| {
            let chosen = clips.iter().filter_map(|clip| stats.get(*clip as usize));
            chosen.fold(Stats::default(), Stats::add).score()
        };
        Ok(Score::joint(corpus, clips, of_clips))
    }

    fn vocabulary<'a>(&self, words: impl Iterator<Item = &'a String>) -> Vocabulary {
        let mut numbers: HashMap<String, u32> = HashMap::new();
        for word in words {
            if !numbers.contains_key(word) {
                numbers.insert(word.clone(), numbers.len() as u32);
            }
        }
        let mut words: Vec<&String> = numbers.keys().collect();
        words.sort_unstable_by_key(|word| numbers[*word]);
        let stemmer = Stemmer::create(Algorithm::English);
        let mut stems: HashMap<String, u32> = HashMap::new();
        let mut facts = Vec::with_capacity(words.len());
        for word in words {
            let next = stems.len() as u32;
            facts.push(Word {
                stem: *stems.entry(stemmer.stem(word).into_owned()).or_insert(next),
                sets: self.synonyms.of(word),
                is_function_word: self.function_words.contains(word),
            });
        }
        Vocabulary { numbers, facts }
    }
}

/// A line of the list of prefixes.
fn prefix(line: &str) -> Option<(String, Prefix)> {
    let mut words = line.split_ascii_whitespace();
    let word = words.next().filter(|word| !word.starts_with('#'))?;
    let kind = if words.next() == Some("#NUMERIC_ONLY#") { Prefix::BeforeNumbers } else { Prefix::Always };
    Some((word.to_owned(), kind))
}

/// What is known of a word.
#[derive(Debug)]
struct Word {
    stem: u32,
    sets: Vec<u32>,
    is_function_word: bool,
}

/// The words of the captions.
#[derive(Debug)]
struct Vocabulary {
    numbers: HashMap<String, u32>,
    facts: Vec<Word>,
}

/// Scores captions of a vocabulary.
#[derive(Debug)]
struct Scorer {
    vocabulary: Vocabulary,
    paraphrases: Paraphrases,
}

impl Scorer {
    /// What the best of the references gives; the first of equals.
    fn best(&self, predicted: &[String], references: &[Vec<String>]) -> Stats {
        let numbers =
            |words: &[String]| -> Vec<u32> { words.iter().map(|word| self.vocabulary.numbers[word]).collect() };
        let predicted = numbers(predicted);
        let all = references.iter().map(|reference| self.stats(&predicted, &numbers(reference)));
        all.reduce(|best, next| if next.score() > best.score() { next } else { best }).unwrap_or_default()
    }

    fn stats(&self, predicted: &[u32], reference: &[u32]) -> Stats {
        let mut candidates = Candidates::new(predicted.len(), reference.len());
        self.match_words(predicted, reference, &mut candidates);
        if predicted != reference {
            self.match_phrases(predicted, reference, &mut candidates);
        }
        let is_function_word = |word: &u32| self.vocabulary.facts[*word as usize].is_function_word;
        let functions = |words: &[u32]| -> Vec<bool> { words.iter().map(is_function_word).collect() };
        Stats::of(&functions(predicted), &functions(reference), &candidates.aligned())
    }

    /// Words that are equal; and where the lines are not, those with one stem, and those of one synonym set.
    fn match_words(&self, predicted: &[u32], reference: &[u32], candidates: &mut Candidates) {
        let stages = if predicted == reference { EXACT..=EXACT } else { EXACT..=SYNONYM };
        for stage in stages {
            for (start, there) in reference.iter().enumerate() {
                for (predicted_start, here) in predicted.iter().enumerate() {
                    if self.match_by(stage, *here, *there) {
                        candidates.push(Match { start, length: 1, predicted_start, predicted_length: 1, stage });
                    }
                }
            }
        }
    }

    fn match_by(&self, stage: usize, here: u32, there: u32) -> bool {
        let word = |number: u32| &self.vocabulary.facts[number as usize];
        match stage {
            EXACT => here == there,
            STEM => here != there && word(here).stem == word(there).stem,
            _ => here != there && share(&word(here).sets, &word(there).sets),
        }
    }

    /// Phrases of one line that may stand for phrases of the other.
    fn match_phrases(&self, predicted: &[u32], reference: &[u32], candidates: &mut Candidates) {
        let words = |line: &[u32]| {
            let mut words = vec![false; self.vocabulary.facts.len()];
            line.iter().for_each(|word| words[*word as usize] = true);
            words
        };
        let (here, there) = (words(predicted), words(reference));
        for start in 0..reference.len() {
            for (length, phrase) in self.paraphrases.of(&reference[start..], &here) {
                for predicted_start in places(predicted, phrase) {
                    let predicted_length = phrase.len();
                    candidates.push(Match { start, length, predicted_start, predicted_length, stage: PARAPHRASE });
                }
            }
        }
        for predicted_start in 0..predicted.len() {
            for (predicted_length, phrase) in self.paraphrases.of(&predicted[predicted_start..], &there) {
                for start in places(reference, phrase) {
                    let length = phrase.len();
                    candidates.push(Match { start, length, predicted_start, predicted_length, stage: PARAPHRASE });
                }
            }
        }
    }
}

/// Where a phrase stands in a line.
fn places<'a>(line: &'a [u32], phrase: &'a [u32]) -> impl Iterator<Item = usize> + 'a {
    line.windows(phrase.len().max(1)).enumerate().filter(move |(_, words)| *words == phrase).map(|(at, _)| at)
}
