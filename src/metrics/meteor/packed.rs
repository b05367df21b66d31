//! METEOR's table of paraphrases in a form that is read at once.
//!
//! The table is a packed text of 16 million lines. From it a file is derived that lies beside it: every word once, where each part of the entries
//! begins, then the entries, whose words are told by their numbers. It is made again where it is missing, of another table, or damaged.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use foldhash::{HashMap, HashMapExt};

use crate::file::Replacement;
use crate::progress::Control;
use crate::{Error, Result};

/// What the file begins with; the number is that of its form.
const MAGIC: &[u8; 8] = b"ECHOPAR2";
/// Magic, length of the table, length of the words, how many parts there are, checksum of what follows.
const HEADER: usize = 8 + 8 + 8 + 8 + 4;
/// The ending of the file.
const ENDING: &str = "index";
/// How much of the packed table is read at once, in bytes.
const BLOCK: usize = 1 << 18;
/// Entries of a part, which one thread reads; after each it is asked whether to stop.
const ENTRIES_AT_ONCE: u32 = 1 << 16;

/// The table.
#[derive(Debug)]
pub(super) struct Packed {
    /// The words, each with a line end behind it.
    words: Vec<u8>,
    /// Where each part of the entries begins.
    starts: Vec<usize>,
    /// Of each entry its length in bytes, then the phrase and what may stand for it: how many words, and their numbers.
    entries: Vec<u8>,
}

impl Packed {
    /// Reads the derived file of a table, or makes it.
    ///
    /// # Errors
    /// [`Error::Io`] when the table cannot be read, [`Error::Input`] when it ends within an entry, [`Error::Interrupted`] when stopping was asked
    /// for. That the derived file cannot be kept is none.
    pub(super) fn of(table: &Path, control: &Control<'_>) -> Result<Self> {
        let bytes = std::fs::metadata(table).map_err(Error::io("read", table))?.len();
        let beside = table.with_extension(ENDING);
        if let Some(packed) = Self::read(&beside, bytes) {
            return Ok(packed);
        }
        let phase = control.begin_bytes("reading paraphrases, once", Some(bytes));
        let packed = Self::derive(table, control)?;
        phase.end();
        if let Err(reason) = packed.keep(&beside, bytes) {
            tracing::debug!("the paraphrases will be read again: {reason}");
        }
        Ok(packed)
    }

    fn read(path: &Path, table: u64) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let all = usize::try_from(file.metadata().ok()?.len()).ok()?;
        let mut take = |length: usize| {
            // Before room is made for what a damaged header asks for.
            let mut bytes = (length <= all).then(|| vec![0; length])?;
            file.read_exact(&mut bytes).ok()?;
            Some(bytes)
        };
        let header = take(HEADER)?;
        let number = |at: usize| Some(u64::from_le_bytes(header.get(at..at + 8)?.try_into().ok()?));
        if !header.starts_with(MAGIC) || number(8)? != table {
            return None;
        }
        let words = take(usize::try_from(number(16)?).ok()?)?;
        let places = take(usize::try_from(number(24)?).ok()?.checked_mul(8)?)?;
        let entries = take(all.checked_sub(HEADER + words.len() + places.len())?)?;
        let starts: Vec<usize> = places.as_chunks().0.iter().map(|place| u64::from_le_bytes(*place) as usize).collect();
        let read = Self { words, starts, entries };
        let is_whole = header.get(32..HEADER)? == read.checksum().to_le_bytes();
        (is_whole && read.starts.is_sorted() && read.starts.iter().all(|start| *start <= read.entries.len()))
            .then_some(read)
    }

    fn places(&self) -> Vec<u8> {
        self.starts.iter().flat_map(|start| (*start as u64).to_le_bytes()).collect()
    }

    fn checksum(&self) -> u32 {
        let mut checksum = crc32fast::Hasher::new();
        [&self.words, &self.places(), &self.entries].into_iter().for_each(|part| checksum.update(part));
        checksum.finalize()
    }

    fn keep(&self, path: &Path, table: u64) -> Result<()> {
        let file = Replacement::beside(path)?;
        let mut out = file.create()?;
        let parts: [&[u8]; 8] = [
            MAGIC,
            &table.to_le_bytes(),
            &(self.words.len() as u64).to_le_bytes(),
            &(self.starts.len() as u64).to_le_bytes(),
            &self.checksum().to_le_bytes(),
            &self.words,
            &self.places(),
            &self.entries,
        ];
        parts
            .iter()
            .try_for_each(|part| out.write_all(part))
            .and_then(|()| out.flush())
            .map_err(Error::io("write", path))?;
        drop(out);
        file.keep()
    }

    /// Reads the table: three lines an entry, the probability, a phrase, and one that may stand for it.
    fn derive(path: &Path, control: &Control<'_>) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let packed = BufReader::with_capacity(BLOCK, Counted { file, control });
        let mut lines = BufReader::with_capacity(BLOCK, MultiGzDecoder::new(packed));
        let mut numbers: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut derived = Self { words: Vec::new(), starts: Vec::new(), entries: Vec::new() };
        let (mut line, mut own) = (Vec::new(), Vec::new());
        for entry in 0u32.. {
            if entry.is_multiple_of(ENTRIES_AT_ONCE) {
                control.check()?;
                derived.starts.push(derived.entries.len());
            }
            let mut next = |line: &mut Vec<u8>| {
                line.clear();
                lines.read_until(b'\n', line).map_err(|cause| Error::io("read", path)(cause))
            };
            if next(&mut line)? == 0 {
                break;
            }
            own.clear();
            for _ in 0..2 {
                if next(&mut line)? == 0 {
                    return Err(Error::input(path.display(), "the middle of an entry", "its end"));
                }
                derived.add(&line, &mut numbers, &mut own);
            }
            put(own.len() as u32, &mut derived.entries);
            derived.entries.extend_from_slice(&own);
        }
        Ok(derived)
    }

    /// Adds a phrase to an entry.
    fn add(&mut self, line: &[u8], numbers: &mut HashMap<Vec<u8>, u32>, entry: &mut Vec<u8>) {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        put(words.clone().count() as u32, entry);
        for word in words {
            let number = numbers.get(word).copied().unwrap_or_else(|| {
                let number = numbers.len() as u32;
                numbers.insert(word.to_vec(), number);
                self.words.extend_from_slice(word);
                self.words.push(b'\n');
                number
            });
            put(number, entry);
        }
    }

    /// The words in the order of their numbers.
    pub(super) fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.words.split_inclusive(|byte| *byte == b'\n').map(|word| &word[..word.len() - 1])
    }

    /// The entries of each part.
    pub(super) fn parts(&self) -> Vec<Entries<'_>> {
        let ends = self.starts.iter().skip(1).copied().chain([self.entries.len()]);
        let part = |(start, end): (&usize, usize)| Entries { rest: self.entries.get(*start..end).unwrap_or_default() };
        self.starts.iter().zip(ends).map(part).collect()
    }
}

/// Some entries, in turn.
pub(super) struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let length = number(&mut self.rest) as usize;
        let (entry, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Entry { rest: entry })
    }
}

/// A phrase, and behind it one that may stand for it.
pub(super) struct Entry<'a> {
    rest: &'a [u8],
}

impl Entry<'_> {
    /// Gives each word of the next phrase to `word`, as long as that says to go on; whether it did to the end.
    pub(super) fn phrase(&mut self, mut word: impl FnMut(u32) -> bool) -> bool {
        let words = number(&mut self.rest);
        (0..words).all(|_| word(number(&mut self.rest)))
    }
}

fn number(rest: &mut &[u8]) -> u32 {
    let mut number = 0;
    for shift in (0..u32::BITS).step_by(7) {
        let Some((byte, behind)) = rest.split_first() else {
            break;
        };
        *rest = behind;
        number |= u32::from(byte & 0x7F) << shift;
        if *byte < 0x80 {
            break;
        }
    }
    number
}

/// Writes a number in groups of seven bits, the last of which is marked by what it lacks.
fn put(mut number: u32, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reports how much of the table was read.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn table(folder: &Path, text: &str) -> std::path::PathBuf {
        let path = folder.join("paraphrase-en.gz");
        let mut packed = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap();
        path
    }

    fn entries(packed: &Packed) -> Vec<Vec<u32>> {
        let mut all = Vec::new();
        for mut entry in packed.parts().into_iter().flatten() {
            for _ in 0..2 {
                let mut words = Vec::new();
                entry.phrase(|word| {
                    words.push(word);
                    true
                });
                all.push(words);
            }
        }
        all
    }

    #[test]
    fn the_derived_file_holds_the_table_and_is_made_again_where_it_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let many: String = (0..300).map(|n| format!("0.1\nw{n}\na\n")).collect();
        let path = table(folder.path(), &format!("0.5\na hound\nthe dog\n{many}"));
        let first = Packed::of(&path, &Control::default()).unwrap();
        assert_eq!(first.words().take(4).collect::<Vec<_>>(), [&b"a"[..], b"hound", b"the", b"dog"]);
        assert_eq!(entries(&first)[..3], [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(entries(&first)[600], [303]);
        let derived = path.with_extension(ENDING);
        let whole = std::fs::read(&derived).unwrap();
        let again = Packed::read(&derived, std::fs::metadata(&path).unwrap().len()).unwrap();
        assert_eq!((&again.words, &again.entries), (&first.words, &first.entries));
        for at in [0, 9, 20, 23, 25, 31, 33, HEADER, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x40;
            std::fs::write(&derived, &damaged).unwrap();
            assert_eq!(entries(&Packed::of(&path, &Control::default()).unwrap()), entries(&first), "byte {at}");
            assert_eq!(std::fs::read(&derived).unwrap(), whole, "byte {at}");
        }
        std::fs::write(&derived, &whole[..10]).unwrap();
        assert_eq!(entries(&Packed::of(&path, &Control::default()).unwrap()), entries(&first));
    }

    #[test]
    fn a_table_that_breaks_off_is_told_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = table(folder.path(), "0.1\ndog\n");
        assert!(matches!(Packed::of(&path, &Control::default()), Err(Error::Input { .. })));
        std::fs::write(&path, "no gzip").unwrap();
        assert!(matches!(Packed::of(&path, &Control::default()), Err(Error::Io { .. })));
        assert!(!path.with_extension(ENDING).exists());
    }
}
