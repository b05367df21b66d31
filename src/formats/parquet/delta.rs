//! What pages of texts in the delta encodings announce, compared with what they hold before they are decoded.
//!
//! Both encodings begin with lengths as differences packed to a few bits, or to none: a page of some bytes may announce any number of them.
//! In `DELTA_BYTE_ARRAY` each text also repeats the beginning of the one before it, so that a small page may stand for a huge one.

use std::result::Result;

/// The bytes that a page's texts take when all of them are written out, beyond those of the page; `values` is how many may be in it.
pub(super) fn repeated(bytes: &[u8], values: u32) -> Result<u64, String> {
    let mut rest = Packed(bytes);
    let (mut sum, mut prefixes) = (0u64, 0u64);
    rest.numbers(values, |prefix| {
        prefixes += 1;
        sum += u64::try_from(prefix).map_err(|_| "a text that repeats less than nothing")?;
        Ok(())
    })?;
    let suffixes = lengths(rest.0, values)?;
    if prefixes != suffixes {
        return Err(format!("{prefixes} beginnings of texts and {suffixes} ends"));
    }
    Ok(sum)
}

/// How many lengths there are, no more than `values`.
pub(super) fn lengths(bytes: &[u8], values: u32) -> Result<u64, String> {
    Packed(bytes).head().and_then(|head| match head.count > u64::from(values) {
        true => Err(format!("{} texts in a page of {values}", head.count)),
        false => Ok(head.count),
    })
}

/// What is not read yet.
struct Packed<'a>(&'a [u8]);

struct Head {
    /// Numbers of a block, and the parts of it that have widths of their own.
    block: u64,
    parts: u64,
    /// All numbers.
    count: u64,
    first: i64,
}

impl Packed<'_> {
    /// Calls `each` with every number.
    fn numbers(&mut self, values: u32, mut each: impl FnMut(i64) -> Result<(), String>) -> Result<(), String> {
        let Head { block, parts, count, first } = self.head()?;
        if count > u64::from(values) {
            return Err(format!("{count} texts in a page of {values}"));
        }
        if parts == 0 || block == 0 || block % parts != 0 || block / parts % 8 != 0 || block > 1 << 16 {
            return Err(format!("blocks of {block} numbers in {parts} parts"));
        }
        let mut number = first;
        let mut left = count;
        if left > 0 {
            each(number)?;
            left -= 1;
        }
        while left > 0 {
            let least = self.zigzag()?;
            let widths = self.take(parts)?.to_vec();
            for width in widths {
                if left == 0 {
                    break; // parts behind the last number are not written
                }
                let in_part = block / parts;
                if width > 64 {
                    return Err(format!("numbers of {width} bits"));
                }
                let part = self.take(in_part * u64::from(width) / 8)?;
                for at in 0..in_part.min(left) {
                    number = number.wrapping_add(least).wrapping_add(bits(part, at * u64::from(width), width));
                    each(i64::from(number as i32))?;
                }
                left = left.saturating_sub(in_part);
            }
        }
        Ok(())
    }

    fn head(&mut self) -> Result<Head, String> {
        Ok(Head { block: self.varint()?, parts: self.varint()?, count: self.varint()?, first: self.zigzag()? })
    }

    fn take(&mut self, length: u64) -> Result<&[u8], String> {
        let taken = usize::try_from(length).ok().and_then(|length| self.0.split_at_checked(length));
        let (taken, rest) = taken.ok_or("lengths of texts that are cut short")?;
        self.0 = rest;
        Ok(taken)
    }

    fn zigzag(&mut self) -> Result<i64, String> {
        self.varint().map(|number| (number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number of more than 64 bits".into())
    }
}

/// The number in `width` bits from the bit `from` on, the lowest first. They lie inside.
fn bits(bytes: &[u8], from: u64, width: u8) -> i64 {
    let bit = |at: u64| u64::from(bytes[(at / 8) as usize] >> (at % 8) & 1);
    (0..u64::from(width)).fold(0, |number, at| number | bit(from + at) << at) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_is_compared_with_what_is_there() {
        // Blocks of 128 numbers in 4 parts, 5 of them, the first 7; then each is 1 more, in parts of no bits.
        let growing = b"\x80\x01\x04\x05\x0e\x02\x00\x00\x00\x00";
        let mut seen = Vec::new();
        Packed(growing)
            .numbers(5, |number| {
                seen.push(number);
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, [7, 8, 9, 10, 11]);
        assert_eq!(lengths(growing, 5), Ok(5));
        assert!(lengths(growing, 4).unwrap_err().contains("5 texts in a page of 4"));
        let both = [&growing[..], growing].concat();
        assert_eq!(repeated(&both, 5), Ok(45));
        assert!(repeated(growing, 5).unwrap_err().contains("cut short"));
        // A billion texts in no bits, and each of them repeats a gigabyte.
        assert!(repeated(b"\x80\x01\x04\x80\x80\x80\x80\x04\x00\x00", 9).unwrap_err().contains("texts in a page of 9"));
        // Of 3 bits: 1, 2, 3, 4, … in a part of 32.
        let packed: u32 = (0..8).map(|at| ((at + 1) % 8) << (3 * at)).sum();
        let mut three = b"\x80\x01\x04\x09\x00\x00\x03\x00\x00\x00".to_vec();
        three.extend(&packed.to_le_bytes()[..3]);
        three.extend([0; 9]);
        seen.clear();
        Packed(&three)
            .numbers(9, |number| {
                seen.push(number);
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, [0, 1, 3, 6, 10, 15, 21, 28, 28]);
    }
}
