//! METEOR's table of paraphrases: millions of pairs of phrases, of which those are kept whose words the captions have.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::progress::Control;
use crate::{Error, Result};

/// How much is unpacked at once, in bytes.
const BLOCK: usize = 1 << 18;
/// After how many entries it is asked whether to stop.
const ENTRIES_AT_ONCE: u32 = 1 << 16;

/// Phrases by the words that they replace, all by the numbers of their words.
#[derive(Debug, Default)]
pub(super) struct Paraphrases {
    by_phrase: HashMap<Box<[u32]>, Vec<Box<[u32]>>>,
    longest: usize,
}

impl Paraphrases {
    /// Reads the table: three lines an entry, the probability, a phrase, and one that may stand for it.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Input`] when it ends within an entry.
    pub(super) fn read(path: &Path, numbers: &HashMap<String, u32>, control: &Control<'_>) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let packed = Counted { file, control };
        let mut lines = BufReader::with_capacity(BLOCK, MultiGzDecoder::new(BufReader::with_capacity(BLOCK, packed)));
        let mut table = Self::default();
        let (mut phrase, mut other) = (Vec::new(), Vec::new());
        for entry in 0u32.. {
            if entry % ENTRIES_AT_ONCE == 0 {
                control.check()?;
            }
            let mut next = |line: &mut Vec<u8>| {
                line.clear();
                lines.read_until(b'\n', line).map_err(Error::io("read", path))
            };
            if next(&mut phrase)? == 0 {
                break;
            }
            next(&mut phrase)?;
            if next(&mut other)? == 0 {
                return Err(Error::input(path.display(), "the middle of an entry", "its end"));
            }
            let Some(from) = words(&phrase, numbers) else { continue };
            let Some(to) = words(&other, numbers) else { continue };
            table.longest = table.longest.max(from.len());
            table.by_phrase.entry(from).or_default().push(to);
        }
        Ok(table)
    }

    /// The phrases that may stand for words from the beginning of `words`, with how many words they replace: few words first.
    pub(super) fn of<'a>(&'a self, words: &'a [u32]) -> impl Iterator<Item = (usize, &'a [u32])> + 'a {
        (1..=self.longest.min(words.len())).flat_map(move |length| {
            let found = self.by_phrase.get(&words[..length]).map_or(&[][..], Vec::as_slice);
            found.iter().map(move |phrase| (length, &**phrase))
        })
    }
}

/// The words of a line by their numbers; `None` where one has none.
fn words(line: &[u8], numbers: &HashMap<String, u32>) -> Option<Box<[u32]>> {
    let line = std::str::from_utf8(line).ok()?;
    line.split_ascii_whitespace().map(|word| numbers.get(word).copied()).collect()
}

/// Reports how much of the packed file was read.
struct Counted<'a> {
    file: File,
    control: &'a Control<'a>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.control.advance(read as u64);
        Ok(read)
    }
}
