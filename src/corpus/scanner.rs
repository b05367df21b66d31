//! Taking a JSON document apart value by value, so that a million entries are never held at once.

use std::io::{BufRead, Result};

use super::row::MAX_ROW_BYTES;

/// A value that was passed over, as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// All of it.
    Whole(Vec<u8>),
    /// It is longer than a row may be.
    TooLong,
    /// The document ends within it; what there is of it.
    CutOff(Vec<u8>),
}

/// Reads through a document; white space between values is passed over.
pub(super) struct Scanner<R> {
    reader: R,
}

impl<R: BufRead> Scanner<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader }
    }

    fn byte(&mut self) -> Result<Option<u8>> {
        Ok(self.reader.fill_buf()?.first().copied())
    }

    /// The next byte that is no white space, which stays; `None` at the end.
    pub(super) fn peek(&mut self) -> Result<Option<u8>> {
        while let Some(byte) = self.byte()? {
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.skip();
        }
        Ok(None)
    }

    /// Passes over the byte that [`Scanner::peek`] has shown.
    pub(super) fn skip(&mut self) {
        self.reader.consume(1);
    }

    /// Passes over this byte, where it is the next.
    pub(super) fn skip_if(&mut self, byte: u8) -> Result<()> {
        if self.peek()? == Some(byte) {
            self.skip();
        }
        Ok(())
    }

    /// Passes over the value that begins here. Whether it is right JSON is for who reads it: only its end is looked for.
    pub(super) fn value(&mut self) -> Result<Written> {
        let mut written = Vec::new();
        let (mut depth, mut in_text, mut escaped, mut is_first) = (0u64, false, false, true);
        self.peek()?;
        loop {
            let Some(byte) = self.byte()? else {
                // A number or a word ends with the document.
                return Ok(if depth == 0 && !in_text { whole(written) } else { Written::CutOff(written) });
            };
            let is_end = if in_text {
                let ends_text = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                in_text = !ends_text;
                ends_text && depth == 0
            } else {
                match byte {
                    b'"' => {
                        in_text = true;
                        false
                    }
                    b'{' | b'[' => {
                        depth += 1;
                        false
                    }
                    b'}' | b']' | b',' | b':' if depth == 0 && !is_first => return Ok(whole(written)),
                    b'}' | b']' => {
                        depth = depth.saturating_sub(1);
                        depth == 0
                    }
                    byte if depth == 0 && byte.is_ascii_whitespace() => return Ok(whole(written)),
                    _ => false,
                }
            };
            is_first = false;
            self.skip();
            if written.len() <= MAX_ROW_BYTES {
                written.push(byte);
            }
            if is_end {
                return Ok(whole(written));
            }
        }
    }
}

fn whole(written: Vec<u8>) -> Written {
    if written.len() > MAX_ROW_BYTES { Written::TooLong } else { Written::Whole(written) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_where_they_end() {
        let mut scanner = Scanner::new(&br#" {"a": "}\"]\\"} , [1, [2]] 17,"x" null tru"#[..]);
        let mut values = Vec::new();
        while let Some(byte) = scanner.peek().unwrap() {
            if byte == b',' {
                scanner.skip();
            } else if let Written::Whole(value) = scanner.value().unwrap() {
                values.push(String::from_utf8(value).unwrap());
            }
        }
        assert_eq!(values, [r#"{"a": "}\"]\\"}"#, "[1, [2]]", "17", r#""x""#, "null", "tru"]);
        assert_eq!(Scanner::new(&br#"{"a": [1"#[..]).value().unwrap(), Written::CutOff(br#"{"a": [1"#.to_vec()));
    }

    #[test]
    fn a_value_that_is_too_long_is_passed_over_and_costs_no_memory() {
        let text = format!("[\"{}\"] 1", "x".repeat(2 * MAX_ROW_BYTES));
        let mut scanner = Scanner::new(text.as_bytes());
        assert_eq!(scanner.value().unwrap(), Written::TooLong);
        assert_eq!(scanner.value().unwrap(), Written::Whole(b"1".to_vec()));
    }
}
