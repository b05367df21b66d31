//! A reader of Thrift's compact protocol, in which a Parquet file describes itself.
//!
//! The parquet crate has one too. That one makes room for as much as a description announces, goes as deep as it is nested, and counts truth
//! values that are not there; this one is for files from anywhere: it allocates nothing, and every member of a list costs a byte.

/// Structs, lists and maps inside each other, at most; those of Parquet need six.
const DEPTH: usize = 32;

/// What kind of value follows, as the protocol numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(u8);

impl Kind {
    const TRUE: Self = Self(1);
    const FALSE: Self = Self(2);
    pub(super) const I32: Self = Self(5);
    const BINARY: Self = Self(8);
    const LIST: Self = Self(9);
    pub(super) const STRUCT: Self = Self(12);
}

/// A reader of bytes from their beginning.
pub(super) struct Thrift<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Thrift<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, depth: 0 }
    }

    /// Bytes that are not read yet.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Reads a struct: `field` gets the number and the kind of each field, and reads its value or skips it.
    pub(super) fn fields(
        &mut self,
        mut field: impl FnMut(&mut Self, i16, Kind) -> Result<(), String>,
    ) -> Result<(), String> {
        self.deeper()?;
        let mut last = 0i16;
        loop {
            let [head] = self.array()?;
            if head & 15 == 0 {
                break;
            }
            let next = match head >> 4 {
                0 => i16::try_from(self.zigzag()?).ok(),
                delta => last.checked_add(delta.into()),
            };
            last = next.ok_or("a field with an impossible number")?;
            field(self, last, Kind(head & 15))?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads a list of `members` of that kind, each with `member`.
    pub(super) fn list(
        &mut self,
        kind: Kind,
        members: Kind,
        mut member: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        expect(kind, Kind::LIST)?;
        let (length, found) = self.list_head()?;
        expect(found, members)?;
        self.deeper()?;
        (0..length).try_for_each(|_| member(self))?;
        self.depth -= 1;
        Ok(())
    }

    /// A whole number of any width.
    pub(super) fn integer(&mut self, kind: Kind) -> Result<i64, String> {
        match kind.0 {
            4..=6 => self.zigzag(),
            _ => expect(kind, Kind::I32).map(|()| 0),
        }
    }

    /// A truth value, which is told by its kind.
    pub(super) fn truth(&mut self, kind: Kind) -> Result<bool, String> {
        match kind {
            Kind::TRUE => Ok(true),
            _ => expect(kind, Kind::FALSE).map(|()| false),
        }
    }

    /// Bytes or a text.
    pub(super) fn binary(&mut self, kind: Kind) -> Result<&'a [u8], String> {
        expect(kind, Kind::BINARY)?;
        let length = self.varint()?;
        self.take(length)
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self, kind: Kind) -> Result<(), String> {
        match kind.0 {
            1 | 2 => Ok(()),
            3 => self.take(1).map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.take(8).map(drop),
            8 => self.binary(kind).map(drop),
            9 | 10 => {
                let (length, member) = self.list_head()?;
                self.deeper()?;
                (0..length).try_for_each(|_| self.skip_member(member))?;
                self.depth -= 1;
                Ok(())
            }
            11 => self.skip_map(),
            12 => self.fields(|thrift, _, kind| thrift.skip(kind)),
            13 => self.take(16).map(drop),
            unknown => Err(format!("a value of the unknown kind {unknown}")),
        }
    }

    fn skip_map(&mut self) -> Result<(), String> {
        let length = self.varint()?;
        if length == 0 {
            return Ok(());
        }
        let [kinds] = self.array()?;
        self.deeper()?;
        for _ in 0..length {
            self.skip_member(Kind(kinds >> 4))?;
            self.skip_member(Kind(kinds & 15))?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Passes over a member of a list or map, where a truth value takes a byte of its own.
    fn skip_member(&mut self, kind: Kind) -> Result<(), String> {
        match kind {
            Kind::TRUE | Kind::FALSE => self.take(1).map(drop),
            _ => self.skip(kind),
        }
    }

    fn list_head(&mut self) -> Result<(u64, Kind), String> {
        let [head] = self.array()?;
        let length = if head >> 4 == 15 { self.varint()? } else { (head >> 4).into() };
        Ok((length, Kind(head & 15)))
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth <= DEPTH { Ok(()) } else { Err(format!("more than {DEPTH} values inside each other")) }
    }

    fn zigzag(&mut self) -> Result<i64, String> {
        let number = self.varint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number of more than 64 bits".into())
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], String> {
        let taken = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (taken, rest) = taken.ok_or(CUT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(CUT)?;
        self.rest = rest;
        Ok(*taken)
    }
}

/// What is found where bytes end too early; a reader with more of them may try again.
pub(super) const CUT: &str = "a description that is cut short";

fn expect(found: Kind, expected: Kind) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("a value of kind {} where {} belongs", found.0, expected.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(bytes: &[u8]) -> Result<usize, String> {
        let mut thrift = Thrift::new(bytes);
        thrift.skip(Kind::STRUCT).map(|()| thrift.left())
    }

    #[test]
    fn a_member_costs_a_byte_and_nesting_ends() {
        // A list of two billion truth values, and none of them; a struct in a struct in a struct …; and what is cut anywhere.
        assert_eq!(skip(b"\x19\xf1\xff\xff\xff\xff\x07").unwrap_err(), CUT);
        assert!(skip(&b"\x1c".repeat(1 << 20)).unwrap_err().contains("inside each other"));
        assert!(skip(&b"\x19\x19".repeat(1 << 20)).unwrap_err().contains("inside each other"));
        let sound =
            b"\x15\x02\x28\x01a\x19\x25\x04\x06\x1b\x01\x15\x02\x04\x11\x17\x00\x00\x00\x00\x00\x00\x00\x00\x00";
        assert_eq!(skip(sound), Ok(0));
        for end in 0..sound.len() {
            assert_eq!(skip(&sound[..end]).unwrap_err(), CUT, "cut at {end}");
        }
    }

    #[test]
    fn fields_are_told_by_number_and_kind() {
        let mut seen = Vec::new();
        // 1: −3; 2: "ab"; 18, told in full: true.
        let mut thrift = Thrift::new(b"\x15\x05\x18\x02ab\x01\x24\x00!");
        let read = thrift.fields(|thrift, id, kind| {
            seen.push((id, kind.0));
            match id {
                1 => assert_eq!(thrift.integer(kind), Ok(-3)),
                2 => assert_eq!(thrift.binary(kind), Ok(&b"ab"[..])),
                _ => assert_eq!(thrift.truth(kind), Ok(true)),
            }
            Ok(())
        });
        assert_eq!((read, thrift.left()), (Ok(()), 1));
        assert_eq!(seen, [(1, 5), (2, 8), (18, 1)]);
        assert!(Thrift::new(b"").integer(Kind::BINARY).is_err());
    }
}
