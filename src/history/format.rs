//! The file of the log, byte by byte: `schema/history.md`.

use super::entry::{Entry, Kind, Record};

/// What the file begins with.
const MAGIC: &[u8; 8] = b"ECHOICLO";

/// The version of the file.
pub(super) const VERSION: u32 = 1;

/// Bytes before the first entry.
pub(super) const HEADER: usize = 28;

/// Where the header says which entry is the last that was acknowledged.
pub(super) const ACKNOWLEDGED: usize = 16;

/// Bytes of an entry before its JSON.
pub(super) const HEAD: usize = 28;

/// Bytes of an entry behind its JSON.
pub(super) const TAIL: usize = 4;

/// Bytes of an entry's JSON: that of a caption has some kilobytes, that of an audit some more.
pub(super) const JSON_LIMIT: usize = 1 << 20;

/// Why a file or an entry cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It was written by a newer version of Echoic.
    Newer(u32),
    /// It is damaged, so.
    Damaged(String),
}

/// The beginning of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the JSON.
    pub(super) len: u32,
    crc: u32,
    pub(super) number: u64,
    pub(super) time: u64,
    kind: u32,
}

impl Head {
    /// Reads it; `None` where it is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let long = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let head = Self { len: word(0)?, crc: word(4)?, number: long(8)?, time: long(16)?, kind: word(24)? };
        (head.len as usize <= JSON_LIMIT && head.number > 0).then_some(head)
    }

    /// Bytes of the whole entry.
    pub(super) fn whole(self) -> u64 {
        (HEAD + TAIL) as u64 + u64::from(self.len)
    }
}

/// The bytes before the first entry, of a log whose last entry has the number `last`; 0 for none.
pub(super) fn header(last: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let crc = crc32fast::hash(&header[..12]);
    header[12..ACKNOWLEDGED].copy_from_slice(&crc.to_le_bytes());
    header[ACKNOWLEDGED..].copy_from_slice(&acknowledging(last));
    header
}

/// The part of the header that says which entry is the last that was acknowledged.
pub(super) fn acknowledging(last: u64) -> [u8; HEADER - ACKNOWLEDGED] {
    let mut bytes = [0; HEADER - ACKNOWLEDGED];
    bytes[..8].copy_from_slice(&last.to_le_bytes());
    bytes[8..].copy_from_slice(&crc32fast::hash(&last.to_le_bytes()).to_le_bytes());
    bytes
}

/// The last entry that was acknowledged; `None` where the header does not say so any more.
pub(super) fn acknowledged(header: &[u8; HEADER]) -> Option<u64> {
    let last = u64::from_le_bytes(*header[ACKNOWLEDGED..].first_chunk()?);
    (header[ACKNOWLEDGED..] == acknowledging(last)).then_some(last)
}

/// Refuses a file of another kind or of a newer version.
pub(super) fn check_header(bytes: &[u8; HEADER]) -> Result<(), Unread> {
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    match word(8) {
        _ if bytes[..8] != *MAGIC || crc32fast::hash(&bytes[..12]) != word(12) => {
            Err(Unread::Damaged("another beginning".into()))
        }
        VERSION => Ok(()),
        version => Err(Unread::Newer(version)),
    }
}

/// The JSON of a record; `None` where it is too long.
pub(super) fn json(record: &Record) -> Result<Option<Vec<u8>>, String> {
    let json = serde_json::to_vec(record).map_err(|error| error.to_string())?;
    Ok((json.len() <= JSON_LIMIT).then_some(json))
}

/// The bytes of an entry.
pub(super) fn encode(number: u64, time: u64, kind: Kind, json: &[u8]) -> Vec<u8> {
    let (len, kind) = ((json.len() as u32).to_le_bytes(), kind as u32);
    let rest = [&number.to_le_bytes()[..], &time.to_le_bytes(), &kind.to_le_bytes(), json].concat();
    [&len[..], &checksum(&len, &rest).to_le_bytes(), &rest, &len].concat()
}

/// Refuses an entry whose bytes are not those that were written.
pub(super) fn check(bytes: &[u8]) -> Result<Head, Unread> {
    let damaged = |found: &str| Err(Unread::Damaged(found.to_owned()));
    let Some(head) = Head::read(bytes) else { return damaged("no beginning") };
    if head.whole() != bytes.len() as u64 {
        return damaged("another length");
    }
    let (len, end) = (&bytes[..4], bytes.len() - TAIL);
    match bytes[end..] == *len && checksum(len, &bytes[8..end]) == head.crc {
        true => Ok(head),
        false => damaged("another checksum"),
    }
}

/// The entry of its bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<Entry, Unread> {
    let Head { number, time, kind, .. } = check(bytes)?;
    let kind = match kind {
        0 => Kind::Caption,
        1 => Kind::Audit,
        other => return Err(Unread::Damaged(format!("the kind {other}"))),
    };
    let json = &bytes[HEAD..bytes.len() - TAIL];
    let record: Record = serde_json::from_slice(json).map_err(|error| Unread::Damaged(error.to_string()))?;
    Ok(Entry { number, time, kind, record })
}

fn checksum(len: &[u8], rest: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(len);
    crc.update(rest);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte as `schema/history.md` has it.
    #[test]
    fn an_entry_has_the_bytes_of_the_schema() {
        let rest = [7, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, 0, 0, 0, 0, 1, 0, 0, 0, b'{', b'}'];
        let crc = crc32fast::hash(&[&[2u8, 0, 0, 0][..], &rest].concat());
        let expected = [&[2u8, 0, 0, 0][..], &crc.to_le_bytes(), &rest, &[2, 0, 0, 0]].concat();
        assert_eq!(encode(7, 0x0102_0304, Kind::Audit, b"{}"), expected);
        let header = header(0x0708);
        assert_eq!(header[..12], *b"ECHOICLO\x01\0\0\0");
        assert_eq!(header[16..24], [8, 7, 0, 0, 0, 0, 0, 0]);
        assert_eq!(header[24..], crc32fast::hash(&header[16..24]).to_le_bytes());
        assert_eq!((check_header(&header), acknowledged(&header)), (Ok(()), Some(0x0708)));
    }

    #[test]
    fn what_differs_in_any_byte_is_refused() {
        let entry = encode(7, 1_800_000_000, Kind::Caption, b"{\"caption\":\"Rain falls.\"}");
        assert_eq!(check(&entry).unwrap().number, 7);
        for place in 0..entry.len() {
            let mut other = entry.clone();
            other[place] ^= 0x10;
            assert!(check(&other).is_err(), "byte {place}");
        }
        assert!((0..entry.len()).all(|len| check(&entry[..len]).is_err()));
        for place in 0..HEADER {
            let mut other = header(7);
            other[place] ^= 1;
            let (is_log, last) = (check_header(&other).is_ok(), acknowledged(&other));
            assert_eq!((is_log, last.is_some()), (place >= ACKNOWLEDGED, place < ACKNOWLEDGED), "byte {place}");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut newer = header(0);
        newer[8] = 2;
        let crc = crc32fast::hash(&newer[..12]);
        newer[12..ACKNOWLEDGED].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(check_header(&newer), Err(Unread::Newer(2)));
    }
}
