//! The header of a `.npy` file: a Python dictionary of three entries, in the form that NumPy's format description gives.
//!
//! Only what NumPy writes is read: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 384), }`, its keys in any order. General parsers of
//! Python literals take nested brackets of any depth, and some take years for them.

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NpyHeader {
    /// The type of the numbers, such as `<f4`.
    pub descr: String,
    pub fortran_order: bool,
    /// The lengths of the axes.
    pub shape: Vec<u64>,
}

impl NpyHeader {
    /// Reads the text of a header, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = Rest(text.trim());
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        rest.expect('{')?;
        while !rest.take('}') {
            let key = rest.string()?;
            rest.expect(':')?;
            match key {
                "descr" => descr = Some(rest.string()?.to_owned()),
                "fortran_order" => fortran_order = Some(rest.boolean()?),
                "shape" => shape = Some(rest.numbers()?),
                other => return Err(format!("an entry '{other}'")),
            }
            if !rest.take(',') {
                rest.expect('}')?;
                break;
            }
        }
        if !rest.0.is_empty() {
            return Err("something behind the header".into());
        }
        let missing = |name: &str| format!("a header without '{name}'");
        Ok(Self {
            descr: descr.ok_or_else(|| missing("descr"))?,
            fortran_order: fortran_order.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
        })
    }
}

/// What is still to be read, without white space before it.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn advance(&mut self, bytes: usize) {
        self.0 = self.0[bytes..].trim_start();
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.0.starts_with(wanted);
        if found {
            self.advance(wanted.len_utf8());
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) {
            return Ok(());
        }
        let found = self.0.chars().next().map_or("its end".to_owned(), |c| format!("{c:?}"));
        Err(format!("{found} where {wanted:?} is expected"))
    }

    /// A string in either kind of quotes, without escapes.
    fn string(&mut self) -> Result<&'a str, String> {
        let quote = self.0.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or("no string")?;
        let rest: &'a str = &self.0[1..];
        let end = rest.find(quote).ok_or("a string that does not end")?;
        self.0 = rest[end + 1..].trim_start();
        Ok(&rest[..end])
    }

    fn boolean(&mut self) -> Result<bool, String> {
        for (word, value) in [("True", true), ("False", false)] {
            if self.0.starts_with(word) {
                self.advance(word.len());
                return Ok(value);
            }
        }
        Err("neither True nor False".into())
    }

    /// A tuple of lengths. Python 2 wrote a long one with an `L` behind it.
    fn numbers(&mut self) -> Result<Vec<u64>, String> {
        let mut numbers = Vec::new();
        self.expect('(')?;
        while !self.take(')') {
            let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
            numbers.push(self.0[..digits].parse().map_err(|_| "a shape that is no tuple of lengths")?);
            self.advance(digits);
            self.take('L');
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_numpy_writes() {
        let cases: [(&str, &str, bool, &[u64]); 5] = [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 384), }   \n", "<f4", false, &[3, 384]),
            ("{'descr': '>f8', 'fortran_order': True, 'shape': (384,), }", ">f8", true, &[384]),
            ("{\"shape\": (), \"descr\": \"|b1\", \"fortran_order\": False}", "|b1", false, &[]),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 2L), }", "<f4", false, &[3, 2]),
            ("{'descr':'<f4','fortran_order':False,'shape':(3,2)}", "<f4", false, &[3, 2]),
        ];
        for (text, descr, fortran_order, shape) in cases {
            let expected = NpyHeader { descr: descr.into(), fortran_order, shape: shape.to_vec() };
            assert_eq!(NpyHeader::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn says_what_it_does_not_read() {
        for text in [
            "",
            "{",
            "{}",
            "[1, 2]",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'more': 1}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} {",
            "{'descr: '<f4'}",
            "{'ä': 1}",
        ] {
            assert!(NpyHeader::parse(text).is_err(), "{text}");
        }
        assert!(NpyHeader::parse(&"[".repeat(10_000)).is_err());
    }
}
