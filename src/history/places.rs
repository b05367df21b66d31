//! Where each entry of a log lies in its file, also where a part of it is damaged.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::format::{self, HEAD, HEADER, Head, JSON_LIMIT, TAIL};

/// Bytes that are looked through at once for the next whole entry.
const WINDOW: usize = 4 << 20;

/// The beginning of the entry at `offset`, where all of it is there and has its checksum.
pub(super) fn whole_at(file: &mut File, offset: u64, len: u64) -> io::Result<Option<Head>> {
    let mut head = [0; HEAD];
    if offset + (HEAD + TAIL) as u64 > len {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut head)?;
    let Some(head) = Head::read(&head).filter(|head| offset + head.whole() <= len) else { return Ok(None) };
    let mut whole = vec![0; head.whole() as usize];
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut whole)?;
    Ok(format::check(&whole).ok())
}

/// An entry of which its beginning says that it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: u64,
    pub(super) time: u64,
    pub(super) offset: u64,
    pub(super) whole: u64,
}

/// The entries of a file, in the order of their numbers, which follow one another: those that are missing between two are damaged.
#[derive(Debug, Default)]
pub(super) struct Places {
    all: Vec<Place>,
    end: u64,
    /// The last number that was acknowledged: entries up to it were there, whatever the file holds now.
    acknowledged: u64,
}

impl Places {
    /// Goes through a file of `len` bytes. Half an entry at its end is none, unless it was acknowledged.
    pub(super) fn find(file: &mut File, len: u64, acknowledged: u64) -> io::Result<Self> {
        let (mut all, mut offset): (Vec<Place>, _) = (Vec::new(), HEADER as u64);
        while offset < len {
            let expected = all.last().map(|last| last.number + 1);
            // The number of the first is believed by its checksum, those of the others by the one before.
            let is_believed = match expected {
                Some(_) => true,
                None => whole_at(file, offset, len)?.is_some(),
            };
            let place = Self::at(file, offset, len)?.filter(|place| expected.is_none_or(|e| e == place.number));
            let place = match place.filter(|_| is_believed) {
                Some(place) => Some(place),
                None => Self::next_whole(file, offset, len, expected)?,
            };
            let Some(place) = place else { break };
            offset = place.offset + place.whole;
            all.push(place);
        }
        let end = all.last().map_or(HEADER as u64, |last| last.offset + last.whole);
        Ok(Self { all, end, acknowledged })
    }

    /// The entry that begins at `offset` and has the same length at its end.
    fn at(file: &mut File, offset: u64, len: u64) -> io::Result<Option<Place>> {
        let (mut head, mut tail) = ([0; HEAD], [0; TAIL]);
        if offset + (HEAD + TAIL) as u64 > len {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut head)?;
        let Some(head) = Head::read(&head).filter(|head| offset + head.whole() <= len) else { return Ok(None) };
        file.seek(SeekFrom::Start(offset + head.whole() - TAIL as u64))?;
        file.read_exact(&mut tail)?;
        let place = Place { number: head.number, time: head.time, offset, whole: head.whole() };
        Ok((u32::from_le_bytes(tail) == head.len).then_some(place))
    }

    /// The next entry behind `offset` that is whole to its checksum, with at least the number that is expected.
    fn next_whole(file: &mut File, offset: u64, len: u64, expected: Option<u64>) -> io::Result<Option<Place>> {
        let mut begin = offset;
        while begin < len {
            file.seek(SeekFrom::Start(begin))?;
            let mut bytes = Vec::new();
            // Windows overlap by the longest entry.
            file.take((WINDOW + HEAD + JSON_LIMIT + TAIL) as u64).read_to_end(&mut bytes)?;
            for start in 0..bytes.len().min(WINDOW) {
                let rest = &bytes[start..];
                let whole = Head::read(rest).and_then(|head| rest.get(..head.whole() as usize));
                if let Some(head) = whole.and_then(|whole| format::check(whole).ok())
                    && expected.is_none_or(|expected| head.number >= expected)
                {
                    let (number, time, whole) = (head.number, head.time, head.whole());
                    return Ok(Some(Place { number, time, offset: begin + start as u64, whole }));
                }
            }
            begin += WINDOW as u64;
        }
        Ok(None)
    }

    /// The lowest number. Where the file does not begin with an entry that can be found, it is that of one which cannot.
    pub(super) fn first(&self) -> Option<u64> {
        match self.all.first() {
            Some(place) => Some(place.number - u64::from(place.offset > HEADER as u64 && place.number > 1)),
            // All are lost; how many there were is not known.
            None => Some(self.acknowledged).filter(|last| *last > 0),
        }
    }

    /// The highest number.
    pub(super) fn last(&self) -> Option<u64> {
        let found = self.all.last().map_or(0, |place| place.number);
        Some(found.max(self.acknowledged)).filter(|last| *last > 0)
    }

    /// How many entries there are, with those that are damaged.
    pub(super) fn count(&self) -> u64 {
        self.first().zip(self.last()).map_or(0, |(first, last)| last - first + 1)
    }

    /// Where the last entry ends.
    pub(super) fn end(&self) -> u64 {
        self.end.max(HEADER as u64)
    }

    /// The entry of this number, where it is not damaged beyond finding.
    pub(super) fn of(&self, number: u64) -> Option<Place> {
        let place = self.all.binary_search_by_key(&number, |place| place.number).ok()?;
        self.all.get(place).copied()
    }

    /// How many of the entries before `number` cannot be read: they are missing, or not what was written.
    pub(super) fn unreadable(&self, file: &mut File, number: u64) -> io::Result<u64> {
        let before = self.all.iter().take_while(|place| place.number < number);
        let mut readable = 0;
        for place in before {
            readable += u64::from(whole_at(file, place.offset, self.end())?.is_some());
        }
        let last = self.last().map_or(0, |last| last.min(number - 1));
        Ok(self.first().map_or(0, |first| (last + 1).saturating_sub(first)) - readable)
    }

    /// The first entry that is not from before a point in time, with its place in the file.
    pub(super) fn since(&self, time: u64) -> Option<(u64, u64)> {
        self.all.iter().find(|place| place.time >= time).map(|place| (place.number, place.offset))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::entry::Kind;
    use super::*;

    /// A log of entries 1 to 6, and where each of them begins.
    fn log() -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut begin) = (format::header(0).to_vec(), Vec::new());
        for number in 1..=6u64 {
            begin.push(bytes.len());
            bytes.extend(format::encode(number, 100 + number, Kind::Caption, &vec![b'x'; number as usize * 37]));
        }
        (bytes, begin)
    }

    fn found(bytes: &[u8]) -> Places {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Places::find(&mut file, bytes.len() as u64, 0).unwrap()
    }

    /// Also at a border between two entries, where no byte of the others is left.
    #[test]
    fn what_was_acknowledged_and_is_cut_off_is_missed() {
        let (bytes, begin) = log();
        for len in HEADER..bytes.len() {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes[..len]).unwrap();
            let places = Places::find(&mut file, len as u64, 5).unwrap();
            let whole = begin.iter().skip(1).filter(|end| **end <= len).count() as u64;
            assert_eq!((places.last(), places.end()), (Some(5), begin[whole as usize] as u64), "{len} bytes");
            let lost = if whole == 0 { 1 } else { 5 - whole };
            assert_eq!(places.unreadable(&mut file, u64::MAX).unwrap(), lost, "{len} bytes");
        }
    }

    fn numbers(bytes: &[u8]) -> Vec<u64> {
        found(bytes).all.iter().map(|place| place.number).collect()
    }

    #[test]
    fn every_entry_is_found_and_half_of_one_is_none() {
        let (bytes, begin) = log();
        assert_eq!(numbers(&bytes), [1, 2, 3, 4, 5, 6]);
        let places = found(&bytes);
        assert_eq!(
            (places.first(), places.last(), places.count(), places.end()),
            (Some(1), Some(6), 6, bytes.len() as u64)
        );
        assert_eq!(places.since(104), Some((4, begin[3] as u64)));
        assert_eq!(places.since(107), None);
        for len in begin[5]..bytes.len() {
            let places = found(&bytes[..len]);
            assert_eq!((places.last(), places.end()), (Some(5), begin[5] as u64), "{len} bytes");
        }
        assert_eq!(found(&bytes[..HEADER]).count(), 0);
    }

    #[test]
    fn damage_anywhere_hides_no_other_entry() {
        let (bytes, begin) = log();
        for place in HEADER..begin[5] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x41;
            let hit = begin.iter().filter(|begin| **begin <= place).count() as u64;
            let places = found(&damaged);
            // It is either not found, or found and refused by its checksum when it is read.
            let others = (1..=6).filter(|number| *number != hit);
            assert!(
                others.clone().all(|number| places.of(number).is_some()),
                "byte {place} of entry {hit}: {places:?}"
            );
            assert_eq!((places.first(), places.count()), (Some(1), 6), "byte {place}");
        }
    }
}
