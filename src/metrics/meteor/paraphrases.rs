//! METEOR's table of paraphrases: millions of pairs of phrases, of which those are kept whose words the captions have.
//!
//! The table is unpacked by a thread of its own while its lines are looked at: each takes about as long.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use flate2::read::MultiGzDecoder;

use crate::progress::Control;
use crate::{Error, Result};

/// How much is unpacked at once, in bytes.
const BLOCK: usize = 1 << 20;
/// How many blocks may wait to be looked at.
const WAITING: usize = 8;
/// How much of the packed file is read at once, in bytes.
const PACKED: usize = 1 << 18;
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
    /// [`Error::Io`] when it cannot be read, [`Error::Input`] when it ends within an entry, [`Error::Interrupted`] when stopping was asked for.
    pub(super) fn read(path: &Path, numbers: &HashMap<String, u32>, control: &Control<'_>) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io("read", path))?;
        let words = Words::of(numbers);
        let (sender, receiver) = sync_channel(WAITING);
        std::thread::scope(|scope| {
            // Where looking ends early, nobody takes the blocks any more, and unpacking ends, too.
            scope.spawn(move || unpack(&mut file, &sender));
            Self::of(path, &words, Blocks { receiver, block: Block::default(), at: 0 }, control)
        })
    }

    fn of(path: &Path, words: &Words, mut lines: Blocks, control: &Control<'_>) -> Result<Self> {
        let mut table = Self::default();
        let mut read = 0;
        let (mut phrase, mut other) = (Vec::new(), Vec::new());
        for entry in 0u32.. {
            if entry % ENTRIES_AT_ONCE == 0 {
                control.check()?;
                control.advance(lines.block.packed - read);
                read = lines.block.packed;
            }
            let mut next = |line: &mut Vec<u8>| lines.line(line).map_err(Error::io("read", path));
            if next(&mut phrase)? == 0 {
                break;
            }
            next(&mut phrase)?;
            if next(&mut other)? == 0 {
                return Err(Error::input(path.display(), "the middle of an entry", "its end"));
            }
            if !words.may_have(&phrase) || !words.may_have(&other) {
                continue;
            }
            let Some(from) = words.numbers(&phrase) else { continue };
            let Some(to) = words.numbers(&other) else { continue };
            table.longest = table.longest.max(from.len());
            table.by_phrase.entry(from).or_default().push(to);
        }
        Ok(table)
    }

    /// The phrases that may stand for words from the beginning of `words`, with how many words they replace: few words first.
    pub(super) fn of_words<'a>(&'a self, words: &'a [u32]) -> impl Iterator<Item = (usize, &'a [u32])> + 'a {
        (1..=self.longest.min(words.len())).flat_map(move |length| {
            let found = self.by_phrase.get(&words[..length]).map_or(&[][..], Vec::as_slice);
            found.iter().map(move |phrase| (length, &**phrase))
        })
    }
}

/// The numbers of words, by their bytes. Most words of the table are none of them, which one look at a bit tells.
struct Words<'a> {
    numbers: HashMap<&'a [u8], u32>,
    may_be: Vec<bool>,
}

impl<'a> Words<'a> {
    const SLOTS: usize = 1 << 16;

    fn of(numbers: &'a HashMap<String, u32>) -> Self {
        let numbers: HashMap<&[u8], u32> = numbers.iter().map(|(word, number)| (word.as_bytes(), *number)).collect();
        let mut may_be = vec![false; Self::SLOTS];
        numbers.keys().for_each(|word| may_be[Self::slot(word)] = true);
        Self { numbers, may_be }
    }

    fn slot(word: &[u8]) -> usize {
        let mixed = word.iter().fold(0u32, |mixed, byte| (mixed ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        (mixed ^ (mixed >> 16)) as usize % Self::SLOTS
    }

    /// The words of a line by their numbers; `None` where one has none.
    fn numbers(&self, line: &[u8]) -> Option<Box<[u32]>> {
        split(line).map(|word| self.numbers.get(word).copied()).collect()
    }

    /// Whether each word of a line may have a number.
    fn may_have(&self, line: &[u8]) -> bool {
        split(line).all(|word| self.may_be[Self::slot(word)])
    }
}

fn split(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// A part of what was unpacked, and how much of the packed file had been read then.
#[derive(Debug, Default)]
struct Block {
    bytes: Vec<u8>,
    packed: u64,
}

/// Unpacks block by block until the end, an error, or nobody who takes them.
fn unpack(file: &mut File, sender: &SyncSender<std::io::Result<Block>>) {
    let mut packed = MultiGzDecoder::new(BufReader::with_capacity(PACKED, Counted { file, read: 0 }));
    loop {
        let mut bytes = Vec::with_capacity(BLOCK);
        let unpacked = packed.by_ref().take(BLOCK as u64).read_to_end(&mut bytes);
        let read = packed.get_ref().get_ref().read;
        let is_last = !matches!(unpacked, Ok(1..));
        if sender.send(unpacked.map(|_| Block { bytes, packed: read })).is_err() || is_last {
            return;
        }
    }
}

/// Counts what is read.
struct Counted<'a> {
    file: &'a mut File,
    read: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}

/// The blocks as one text.
struct Blocks {
    receiver: Receiver<std::io::Result<Block>>,
    block: Block,
    at: usize,
}

impl Blocks {
    /// Reads the next line, with its end; how long it is, which is 0 at the end of the text.
    fn line(&mut self, line: &mut Vec<u8>) -> std::io::Result<usize> {
        line.clear();
        loop {
            let rest = &self.block.bytes[self.at..];
            if let Some(end) = memchr::memchr(b'\n', rest) {
                line.extend_from_slice(&rest[..=end]);
                self.at += end + 1;
                return Ok(line.len());
            }
            line.extend_from_slice(rest);
            self.at = self.block.bytes.len();
            match self.receiver.recv() {
                Ok(block) => (self.block, self.at) = (block?, 0),
                Err(_) => return Ok(line.len()),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn table(text: &str) -> Result<Paraphrases> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut packed = GzEncoder::new(&file, Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap();
        let numbers =
            ["dog", "a", "hound", "puppy"].into_iter().zip(0..).map(|(word, n)| (word.to_owned(), n)).collect();
        Paraphrases::read(file.path(), &numbers, &Control::default())
    }

    #[test]
    fn only_entries_of_known_words_are_kept_in_their_order() {
        let table = table("0.1\ndog\npuppy\n0.5\ndog\na hound\n0.2\ndog\ncat\n0.3\na dog\nhound\n").unwrap();
        let found: Vec<(usize, Vec<u32>)> = table.of_words(&[0, 1]).map(|(n, words)| (n, words.to_vec())).collect();
        assert_eq!(found, [(1, vec![3]), (1, vec![1, 2])]);
        assert_eq!(table.of_words(&[1, 0]).collect::<Vec<_>>(), [(2, &[2][..])]);
        assert_eq!(table.of_words(&[]).count(), 0);
    }

    #[test]
    fn a_table_that_breaks_off_is_told() {
        assert!(matches!(table("0.1\ndog\n"), Err(Error::Input { .. })));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "no gzip").unwrap();
        let read = Paraphrases::read(file.path(), &HashMap::new(), &Control::default());
        assert!(matches!(read, Err(Error::Io { .. })), "{read:?}");
    }
}
