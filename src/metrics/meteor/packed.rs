//! METEOR's table of paraphrases in a form that is read at once.
//!
//! The table is a packed text of 16 million lines. From it a file is derived that lies beside it: every word once, then the entries, whose words
//! are told by their numbers. It is made again where it is missing, of another table, or damaged.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use foldhash::{HashMap, HashMapExt};

use crate::file::Replacement;
use crate::progress::Control;
use crate::{Error, Result};

/// What the file begins with; the number is that of its form.
const MAGIC: &[u8; 8] = b"ECHOPAR1";
/// Magic, length of the table, length of the words, checksum of what follows.
const HEADER: usize = 8 + 8 + 8 + 4;
/// The ending of the file.
const ENDING: &str = "index";
/// How much of the packed table is read at once, in bytes.
const BLOCK: usize = 1 << 18;
/// After how many entries it is asked whether to stop.
const ENTRIES_AT_ONCE: u32 = 1 << 16;

/// The table.
#[derive(Debug)]
pub(super) struct Packed {
    /// The words, each with a line end behind it.
    words: Vec<u8>,
    /// Of each entry the phrase and what may stand for it: how many words, and their numbers.
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
        let mut bytes = std::fs::read(path).ok()?;
        let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let words = usize::try_from(number(16)?).ok()?;
        let checksum = u32::from_le_bytes(bytes.get(24..HEADER)?.try_into().ok()?);
        let is_whole = bytes.starts_with(MAGIC) && number(8)? == table && crc32fast::hash(&bytes[HEADER..]) == checksum;
        if !is_whole || words > bytes.len() - HEADER {
            return None;
        }
        let entries = bytes.split_off(HEADER + words);
        bytes.drain(..HEADER);
        Some(Self { words: bytes, entries })
    }

    fn keep(&self, path: &Path, table: u64) -> Result<()> {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&self.words);
        checksum.update(&self.entries);
        let file = Replacement::beside(path)?;
        let mut out = file.create()?;
        let parts: [&[u8]; 6] = [
            MAGIC,
            &table.to_le_bytes(),
            &(self.words.len() as u64).to_le_bytes(),
            &checksum.finalize().to_le_bytes(),
            &self.words,
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
        let mut derived = Self { words: Vec::new(), entries: Vec::new() };
        let mut line = Vec::new();
        for entry in 0u32.. {
            if entry.is_multiple_of(ENTRIES_AT_ONCE) {
                control.check()?;
            }
            let mut next = |line: &mut Vec<u8>| {
                line.clear();
                lines.read_until(b'\n', line).map_err(|cause| Error::io("read", path)(cause))
            };
            if next(&mut line)? == 0 {
                break;
            }
            for _ in 0..2 {
                if next(&mut line)? == 0 {
                    return Err(Error::input(path.display(), "the middle of an entry", "its end"));
                }
                derived.add(&line, &mut numbers);
            }
        }
        Ok(derived)
    }

    /// Adds a phrase.
    fn add(&mut self, line: &[u8], numbers: &mut HashMap<Vec<u8>, u32>) {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        put(words.clone().count() as u32, &mut self.entries);
        for word in words {
            let number = numbers.get(word).copied().unwrap_or_else(|| {
                let number = numbers.len() as u32;
                numbers.insert(word.to_vec(), number);
                self.words.extend_from_slice(word);
                self.words.push(b'\n');
                number
            });
            put(number, &mut self.entries);
        }
    }

    /// The words in the order of their numbers.
    pub(super) fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.words.split_inclusive(|byte| *byte == b'\n').map(|word| &word[..word.len() - 1])
    }

    /// The phrases: that of an entry, then the one that may stand for it.
    pub(super) fn phrases(&self) -> Phrases<'_> {
        Phrases { rest: &self.entries }
    }
}

/// The phrases of all entries, in turn.
pub(super) struct Phrases<'a> {
    rest: &'a [u8],
}

impl Phrases<'_> {
    /// Gives each word of the next phrase to `word`; `false` where there is no further phrase.
    pub(super) fn next(&mut self, mut word: impl FnMut(u32)) -> bool {
        if self.rest.is_empty() {
            return false;
        }
        for _ in 0..self.number() {
            word(self.number());
        }
        true
    }

    fn number(&mut self) -> u32 {
        let mut number = 0;
        for shift in (0..u32::BITS).step_by(7) {
            let Some((byte, rest)) = self.rest.split_first() else {
                break;
            };
            self.rest = rest;
            number |= u32::from(byte & 0x7F) << shift;
            if *byte < 0x80 {
                break;
            }
        }
        number
    }
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
        let (mut phrases, mut all) = (packed.phrases(), Vec::new());
        loop {
            let mut words = Vec::new();
            if !phrases.next(|word| words.push(word)) {
                return all;
            }
            all.push(words);
        }
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
        for at in [0, 9, 20, 25, HEADER, whole.len() - 1] {
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
