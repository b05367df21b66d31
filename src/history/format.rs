//! Keys and values of the log, byte by byte: `schema/history.md`.

use bincode::{BorrowDecode, Encode};

use super::entry::{Entry, Kind, Record};
use crate::memory::codec;

/// The version of the values.
pub(super) const VERSION: u32 = 1;

/// Bytes of an entry: one of a caption has some kilobytes, that of an audit some more.
pub(super) const ENTRY_LIMIT: usize = 1 << 20;

/// Bytes around the JSON of an entry.
const AROUND: usize = 28;

/// Why a value is no entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It was written by a newer version of Echoic.
    Newer(u32),
    /// It is damaged, so.
    Damaged(String),
}

#[derive(Encode, BorrowDecode)]
struct Value<'a> {
    version: u32,
    /// CRC-32 of number, time and kind as little-endian numbers, and of the JSON.
    crc: u32,
    time: u64,
    kind: u32,
    json: &'a [u8],
}

/// The key of an entry.
pub(super) fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The number that a key stands for.
pub(super) fn number(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

/// The JSON of a record; `None` where it is too long.
pub(super) fn json(record: &Record) -> Result<Option<Vec<u8>>, String> {
    let json = serde_json::to_vec(record).map_err(|error| error.to_string())?;
    Ok((json.len() <= ENTRY_LIMIT - AROUND).then_some(json))
}

/// The value of an entry.
pub(super) fn encode(number: u64, time: u64, kind: Kind, json: &[u8]) -> Result<Vec<u8>, String> {
    let kind = match kind {
        Kind::Caption => 0,
        Kind::Audit => 1,
    };
    codec::encode(&Value { version: VERSION, crc: checksum(number, time, kind, json), time, kind, json })
}

/// Refuses a value of a newer version.
pub(super) fn check_version(value: &[u8]) -> Result<(), Unread> {
    match codec::u32_at(value, 0) {
        version if value.len() < AROUND || version == 0 => Err(Unread::Damaged(format!("{} bytes", value.len()))),
        VERSION => Ok(()),
        version => Err(Unread::Newer(version)),
    }
}

/// When an entry was logged.
pub(super) fn time(number: u64, value: &[u8]) -> Result<u64, Unread> {
    checked(number, value).map(|value| value.time)
}

/// The entry of a value.
pub(super) fn decode(number: u64, value: &[u8]) -> Result<Entry, Unread> {
    let Value { time, kind, json, .. } = checked(number, value)?;
    let kind = match kind {
        0 => Kind::Caption,
        1 => Kind::Audit,
        other => return Err(Unread::Damaged(format!("the kind {other}"))),
    };
    let record: Record = serde_json::from_slice(json).map_err(|error| Unread::Damaged(error.to_string()))?;
    Ok(Entry { number, time, kind, record })
}

fn checked(number: u64, value: &[u8]) -> Result<Value<'_>, Unread> {
    check_version(value)?;
    let value: Value<'_> = codec::decode::<_, ENTRY_LIMIT>(value).map_err(Unread::Damaged)?;
    match checksum(number, value.time, value.kind, value.json) == value.crc {
        true => Ok(value),
        false => Err(Unread::Damaged("another checksum".into())),
    }
}

fn checksum(number: u64, time: u64, kind: u32, json: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&number.to_le_bytes());
    crc.update(&time.to_le_bytes());
    crc.update(&kind.to_le_bytes());
    crc.update(json);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte as `schema/history.md` has it.
    #[test]
    fn a_value_has_the_bytes_of_the_schema() {
        let value = encode(7, 0x0102_0304, Kind::Audit, b"{}").unwrap();
        let mut expected = vec![1, 0, 0, 0];
        expected.extend(
            crc32fast::hash(
                &[&[7u8, 0, 0, 0, 0, 0, 0, 0][..], &[4, 3, 2, 1, 0, 0, 0, 0], &[1, 0, 0, 0], b"{}"].concat(),
            )
            .to_le_bytes(),
        );
        expected.extend([4, 3, 2, 1, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, b'{', b'}']);
        assert_eq!(value, expected);
        assert_eq!(key(258), [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!((number(&key(258)), number(b"short")), (Some(258), None));
        assert_eq!(time(7, &value), Ok(0x0102_0304));
    }

    #[test]
    fn a_value_that_differs_in_any_byte_or_stands_elsewhere_is_refused() {
        let value = encode(7, 1_800_000_000, Kind::Caption, b"{\"caption\":\"Rain falls.\"}").unwrap();
        assert!(matches!(time(8, &value), Err(Unread::Damaged(_))));
        for place in 0..value.len() {
            let mut other = value.clone();
            other[place] ^= 0x10;
            assert!(time(7, &other).is_err(), "byte {place}");
        }
        for len in 0..value.len() {
            assert!(matches!(time(7, &value[..len]), Err(Unread::Damaged(_))), "{len} bytes");
        }
        let mut newer = value;
        newer[0] = 2;
        assert_eq!(time(7, &newer), Err(Unread::Newer(2)));
    }
}
