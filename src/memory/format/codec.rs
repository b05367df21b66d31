//! The one place that speaks bincode, always with a limit on what a decoded value may hold.
//!
//! bincode is unmaintained (RUSTSEC-2025-0141) and pinned to `=2.0.1`; keeping it here makes it replaceable. Numbers are
//! fixed-width and little-endian, so that `schema/v1.md` can describe every byte: a string is a u64 length and its bytes, an
//! option is a byte 0 or 1 and then the value, an enum is a u32 variant and then its fields.

use bincode::{BorrowDecode, Encode, config};

/// Largest body of one caption record: text, clip id and a few numbers.
pub(crate) const RECORD_LIMIT: usize = 16 * 1024;
/// Largest manifest body. A segment entry takes about 100 bytes, and merging bounds their number.
pub(crate) const MANIFEST_LIMIT: usize = 64 * 1024 * 1024;

/// Encodes a value.
pub(crate) fn encode<T: Encode>(value: &T) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    encode_into(value, &mut bytes)?;
    Ok(bytes)
}

/// Encodes a value behind what is in `bytes`.
pub(crate) fn encode_into<T: Encode>(value: &T, bytes: &mut Vec<u8>) -> Result<(), String> {
    let config = config::standard().with_little_endian().with_fixed_int_encoding();
    bincode::encode_into_std_write(value, bytes, config).map(drop).map_err(|error| error.to_string())
}

/// Decodes a value of at most `LIMIT` bytes that must fill `bytes` exactly, and that may borrow from them.
pub(crate) fn decode<'a, T: BorrowDecode<'a, ()>, const LIMIT: usize>(bytes: &'a [u8]) -> Result<T, String> {
    let config = config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<LIMIT>();
    let (value, used) = bincode::borrow_decode_from_slice(bytes, config).map_err(|error| error.to_string())?;
    if used != bytes.len() {
        return Err(format!("{} bytes after the value", bytes.len() - used));
    }
    Ok(value)
}

/// The little-endian u32 at `offset`; 0 past the end, which no caller reaches after its length check.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word))
}

/// The little-endian u64 at `offset`; 0 past the end, which no caller reaches after its length check.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_it_is_allocated() {
        let mut bytes = u64::MAX.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"abc");
        assert!(decode::<String, 1024>(&bytes).is_err());
        let bytes = encode(&"x".repeat(2000)).unwrap();
        assert!(decode::<String, 1024>(&bytes).is_err());
        assert!(decode::<String, 4096>(&bytes).is_ok());
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = encode(&7u32).unwrap();
        assert_eq!(bytes, 7u32.to_le_bytes());
        bytes.push(0);
        assert!(decode::<u32, 64>(&bytes).is_err());
    }
}
