//! The pairs of audio and caption that an adapter learns from, as a CSV file gives them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::corpus::{self, Rejected};
use crate::error::{Hint, Topic};
use crate::{Error, Result};

/// Share of the groups that is held out where the file does not say which clips are.
const HELD_OUT: f64 = 0.1;

/// Clips and their captions.
#[derive(Debug)]
pub(super) struct Pairs {
    /// Distinct files in the order of the file.
    pub clips: Vec<PairedClip>,
    /// Distinct captions.
    pub texts: Vec<String>,
    /// What stands for the same thing.
    pub sets: Sets,
    /// Usable rows.
    pub rows: usize,
    /// Rows that are left out, and why.
    pub rejected: Vec<Rejected>,
}

/// A file with its captions.
#[derive(Debug, Clone)]
pub(super) struct PairedClip {
    pub path: PathBuf,
    /// The first line that names it.
    pub line: u64,
    /// Its captions: which text, and which set of concepts.
    pub captions: Vec<(usize, usize)>,
    /// Held out for validation.
    pub held_out: bool,
    /// How often it is drawn in training, relative to the others.
    pub weight: f64,
    group: String,
}

/// How two captions relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// They say the same: each is right for the other's sound.
    Same,
    /// They share a sound but differ in others: neither right nor wrong.
    Partly,
    /// They have nothing in common.
    Other,
}

/// Distinct sets of concepts, each sorted. A caption without concepts is a concept of its own.
#[derive(Debug, Default)]
pub(super) struct Sets {
    concepts: HashMap<String, u32>,
    ids: HashMap<Vec<u32>, usize>,
    sets: Vec<Vec<u32>>,
}

impl Sets {
    fn intern(&mut self, names: &str, caption: &str) -> usize {
        let mut set: Vec<u32> = names.split_whitespace().map(|name| self.concept(name.to_owned())).collect();
        if set.is_empty() {
            // No name of a concept holds a space.
            set.push(self.concept(format!(" {}", caption.to_lowercase())));
        }
        set.sort_unstable();
        set.dedup();
        let next = self.sets.len();
        let id = *self.ids.entry(set.clone()).or_insert(next);
        if id == next {
            self.sets.push(set);
        }
        id
    }

    fn concept(&mut self, name: String) -> u32 {
        let next = self.concepts.len() as u32;
        *self.concepts.entry(name).or_insert(next)
    }

    /// How captions with the sets `one` and `other` relate.
    pub fn relation(&self, one: usize, other: usize) -> Relation {
        if one == other {
            return Relation::Same;
        }
        let (one, other) = (&self.sets[one], &self.sets[other]);
        if one.iter().any(|concept| other.contains(concept)) { Relation::Partly } else { Relation::Other }
    }
}

/// Where the columns are.
struct Columns {
    audio: usize,
    caption: usize,
    split: Option<usize>,
    group: Option<usize>,
    concepts: Option<usize>,
    weight: Option<usize>,
}

impl Columns {
    fn find(file: &str, names: &[String]) -> Result<Self> {
        let position = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        let required = |wanted: &str| {
            position(wanted).ok_or_else(|| {
                Error::input(file, format!("the columns {}", names.join(", ")), format!("a column named '{wanted}'"))
                    .with_hint(Hint::about(Topic::PairColumns, "the columns `audio` and `caption` are required"))
            })
        };
        Ok(Self {
            audio: required("audio")?,
            caption: required("caption")?,
            split: position("split"),
            group: position("group"),
            concepts: position("concepts"),
            weight: position("weight"),
        })
    }
}

/// Reads the pairs. Rows that are unusable by themselves are listed, and the rest goes on.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Input`] when it has no usable header line or row.
pub(super) fn read(path: &Path, seed: u64) -> Result<Pairs> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let (names, records) = corpus::table(&name, std::io::BufReader::new(file))?;
    let columns = Columns::find(&name, &names)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut pairs =
        Pairs { clips: Vec::new(), texts: Vec::new(), sets: Sets::default(), rows: 0, rejected: Vec::new() };
    let (mut clips, mut texts) = (HashMap::new(), HashMap::new());
    for (line, record) in records {
        let row =
            record.and_then(|fields| Row::parse(&fields, &columns, folder).map_err(|reason| Rejected { line, reason }));
        let row = match row {
            Ok(row) => row,
            Err(rejected) => {
                pairs.rejected.push(rejected);
                continue;
            }
        };
        let set = pairs.sets.intern(&row.concepts, &row.caption);
        let next = pairs.texts.len();
        let text = *texts.entry(row.caption.clone()).or_insert(next);
        if text == next {
            pairs.texts.push(row.caption);
        }
        let next = pairs.clips.len();
        let clip = *clips.entry(row.path.clone()).or_insert(next);
        if clip == next {
            let (held_out, weight) = (row.held_out, row.weight);
            let group = row.group.unwrap_or_else(|| row.path.display().to_string());
            pairs.clips.push(PairedClip { path: row.path, line, captions: Vec::new(), held_out, weight, group });
        }
        let captions = &mut pairs.clips[clip].captions;
        if !captions.contains(&(text, set)) {
            captions.push((text, set));
        }
        pairs.rows += 1;
    }
    if pairs.clips.is_empty() {
        let first = pairs.rejected.first().map(|r| format!(" (line {}: {})", r.line, r.reason)).unwrap_or_default();
        return Err(Error::input(name, format!("no usable row{first}"), "rows with an audio file and a caption"));
    }
    if columns.split.is_none() {
        hold_out(&mut pairs.clips, seed);
    }
    Ok(pairs)
}

/// Holds out a tenth of the groups, by a hash of their names and the seed; none where there is only one.
fn hold_out(clips: &mut [PairedClip], seed: u64) {
    let hash = |group: &str| Sha256::new().chain_update(seed.to_le_bytes()).chain_update(group).finalize();
    let mut groups: Vec<_> = clips.iter().map(|clip| hash(&clip.group)).collect();
    groups.sort();
    groups.dedup();
    let count = (groups.len() as f64 * HELD_OUT).ceil() as usize;
    groups.truncate(count.min(groups.len().saturating_sub(1)));
    for clip in clips {
        clip.held_out = groups.binary_search(&hash(&clip.group)).is_ok();
    }
}

/// A usable row.
struct Row {
    path: PathBuf,
    caption: String,
    held_out: bool,
    group: Option<String>,
    concepts: String,
    weight: f64,
}

impl Row {
    fn parse(fields: &[String], columns: &Columns, folder: &Path) -> Result<Self, String> {
        let required = |index: usize, what: &str| match fields.get(index).map(String::as_str) {
            None => Err(format!("only {} columns", fields.len())),
            Some("") => Err(format!("the {what} is empty")),
            Some(value) => Ok(value),
        };
        let optional = |index: Option<usize>| index.and_then(|i| fields.get(i)).map_or("", String::as_str);
        let audio = required(columns.audio, "audio path")?;
        let caption = required(columns.caption, "caption")?.split_whitespace().collect::<Vec<_>>().join(" ");
        let path = folder.join(audio);
        if !path.is_file() {
            return Err(format!("there is no file {}", path.display()));
        }
        let held_out = match optional(columns.split) {
            "" | "train" => false,
            "val" | "validation" => true,
            other => return Err(format!("the split '{other}', where `train` or `val` is expected")),
        };
        let weight = match optional(columns.weight) {
            "" => 1.0,
            text => text
                .parse::<f64>()
                .ok()
                .filter(|weight| weight.is_finite() && *weight >= 0.0)
                .ok_or_else(|| format!("the weight '{text}', where a number of 0 or more is expected"))?,
        };
        let group = Some(optional(columns.group)).filter(|group| !group.is_empty()).map(str::to_owned);
        Ok(Self { path, caption, held_out, group, concepts: optional(columns.concepts).to_owned(), weight })
    }
}

/// A clip that is used, and its features `[windows, dim]`.
pub(super) type Usable = (PairedClip, Vec<f32>);

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Result<Pairs> {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.wav", "b.wav", "c.wav"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let path = dir.path().join("pairs.csv");
        std::fs::write(&path, text).unwrap();
        read(&path, 1)
    }

    #[test]
    fn rows_of_one_file_become_one_clip_and_bad_rows_keep_their_line() {
        let read = pairs(
            "audio,caption,split,weight\na.wav,Rain,train,2\nnone.wav,Wind,train,1\na.wav, Rain  falls ,train,2\nb.wav,,val,1\nb.wav,Wind,test,1\nb.wav,Wind,val,x\nb.wav,Wind,val,\n",
        )
        .unwrap();
        assert_eq!(read.texts, ["Rain", "Rain falls", "Wind"]);
        assert_eq!((read.clips.len(), read.rows), (2, 3));
        assert_eq!((read.clips[0].weight, read.clips[0].held_out, read.clips[1].held_out), (2.0, false, true));
        assert_eq!(read.rejected.iter().map(|r| r.line).collect::<Vec<_>>(), [3, 5, 6, 7]);
    }

    #[test]
    fn concepts_say_what_is_the_same() {
        let read = pairs(
            "audio,caption,concepts\na.wav,A dog barks,dog\nb.wav,A hound bays,dog\nb.wav,A dog barks in the rain,rain dog\nc.wav,Wind,\nc.wav,wind,\n",
        )
        .unwrap();
        let set = |clip: usize, caption: usize| read.clips[clip].captions[caption].1;
        assert_eq!(read.sets.relation(set(0, 0), set(1, 0)), Relation::Same);
        assert_eq!(read.sets.relation(set(0, 0), set(1, 1)), Relation::Partly);
        assert_eq!(read.sets.relation(set(0, 0), set(2, 0)), Relation::Other);
        assert_eq!(set(2, 0), set(2, 1));
    }

    #[test]
    fn without_a_split_a_tenth_of_the_groups_is_held_out() {
        let rows: Vec<String> = ["a.wav,Rain,g1", "b.wav,Wind,g2", "c.wav,Hail,g2"].map(str::to_owned).to_vec();
        let read = pairs(&format!("audio,caption,group\n{}\n", rows.join("\n"))).unwrap();
        let held_out: Vec<bool> = read.clips.iter().map(|clip| clip.held_out).collect();
        assert!(held_out == [true, false, false] || held_out == [false, true, true], "{held_out:?}");
    }

    #[test]
    fn nothing_usable_is_an_error() {
        let message = pairs("audio,caption\nnone.wav,Rain\n").unwrap_err().to_string();
        assert!(message.contains("line 2"), "{message}");
        assert!(pairs("audio,words\na.wav,Rain\n").unwrap_err().to_string().contains("'caption'"));
    }
}
