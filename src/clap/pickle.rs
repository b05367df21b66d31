//! Python's pickle, read as data: what a PyTorch checkpoint says about its tensors. Nothing is looked up, called or executed.
//!
//! Values lie in one vector and name each other by number, so that a hostile file can neither recurse nor double itself: memory is bounded by
//! [`MOST_VALUES`], and reading takes time linear in the file.

/// Values that a pickle may make; a checkpoint with the state of an optimiser makes some ten thousand.
const MOST_VALUES: usize = 8_000_000;

/// The number of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(u32);

/// A value. What the pickle would have Python build by a call is kept as the call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Integer(i64),
    Text(String),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// `module name`, such as `torch._utils _rebuild_tensor_v2`.
    Global(String),
    Call {
        function: Id,
        arguments: Id,
    },
    /// What lies outside the pickle: a storage.
    Outside(Id),
    /// None, booleans, floats, bytes: nothing that a tensor is described with.
    Other,
}

/// A pickle's values.
#[derive(Debug)]
pub(crate) struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// Reads a pickle of protocol 2 to 5.
    ///
    /// # Errors
    /// What was found that is no such pickle, in words.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut machine = Machine { rest: bytes, ..Machine::default() };
        let root = machine.run()?;
        Ok(Self { values: machine.values, root })
    }

    /// The whole.
    pub fn root(&self) -> Id {
        self.root
    }

    /// The value `id`.
    pub fn value(&self, id: Id) -> &Value {
        // Ids are only made for values that exist, and values are never removed.
        &self.values[id.0 as usize]
    }

    /// The items of a tuple or a list.
    pub fn items(&self, id: Id) -> Option<&[Id]> {
        match self.value(id) {
            Value::Tuple(items) | Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a dictionary.
    pub fn entries(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.value(id) {
            Value::Dict(entries) => Some(entries),
            _ => None,
        }
    }

    /// A text.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.value(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    pub fn size(&self, id: Id) -> Option<usize> {
        match self.value(id) {
            Value::Integer(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A call as the name of what is called and its arguments.
    pub fn call(&self, id: Id) -> Option<(&str, &[Id])> {
        match self.value(id) {
            Value::Call { function, arguments } => match self.value(*function) {
                Value::Global(name) => Some((name, self.items(*arguments)?)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The stack machine that a pickle is written for.
#[derive(Default)]
struct Machine<'a> {
    rest: &'a [u8],
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: std::collections::HashMap<u32, Id>,
}

type Step<T> = Result<T, String>;

impl<'a> Machine<'a> {
    fn run(&mut self) -> Step<Id> {
        loop {
            let code = self.byte()?;
            if code == b'.' {
                return self.pop();
            }
            self.step(code)?;
        }
    }

    fn step(&mut self, code: u8) -> Step<()> {
        match code {
            0x80 => self.take(1).map(drop),
            0x95 => self.take(8).map(drop),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop().map(drop),
            b'1' => self.above_mark().map(drop),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }
            b'N' | 0x88 | 0x89 => self.push(Value::Other),
            b'G' => {
                self.take(8)?;
                self.push(Value::Other)
            }
            b'K' | b'M' | b'J' | 0x8a | 0x8b => self.integer(code),
            b'X' | 0x8c | 0x8d | b'U' | b'T' | b'C' | b'B' | 0x8e => self.string(code),
            b')' => self.push(Value::Tuple(Vec::new())),
            0x85 => self.tuple(1),
            0x86 => self.tuple(2),
            0x87 => self.tuple(3),
            b't' => {
                let items = self.above_mark()?;
                self.push(Value::Tuple(items))
            }
            b']' | 0x8f => self.push(Value::List(Vec::new())),
            b'l' | 0x91 => {
                let items = self.above_mark()?;
                self.push(Value::List(items))
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])
            }
            b'e' | 0x90 => {
                let items = self.above_mark()?;
                self.append(items)
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b'd' => {
                let entries = pairs(&self.above_mark()?)?;
                self.push(Value::Dict(entries))
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![(key, value)])
            }
            b'u' => {
                let entries = pairs(&self.above_mark()?)?;
                self.set(entries)
            }
            b'c' | 0x93 => self.global(code),
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments)
            }
            0x92 => {
                self.pop()?;
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments)
            }
            // The state that an object is given: of a dictionary, attributes that hold no tensor.
            b'b' => self.pop().map(drop),
            b'Q' => {
                let key = self.pop()?;
                self.push(Value::Outside(key))
            }
            b'q' | b'r' | 0x94 => self.memoise(code),
            b'h' | b'j' => self.recall(code),
            other => Err(format!("a pickle with the operation {other:#04x}, which is none of protocol 2 to 5")),
        }
    }

    fn integer(&mut self, code: u8) -> Step<()> {
        let length = match code {
            b'K' => 1,
            b'M' => 2,
            b'J' => 4,
            0x8a => self.little_endian(1)? as usize,
            _ => self.little_endian(4)? as usize,
        };
        let bytes = self.take(length)?;
        if length > 8 {
            return self.push(Value::Other);
        }
        let mut number = [0; 8];
        number[..length].copy_from_slice(bytes);
        let number = i64::from_le_bytes(number);
        // All but the one-byte and two-byte forms are signed.
        let unused = if length == 0 || matches!(code, b'K' | b'M') { 0 } else { 64 - 8 * length };
        self.push(Value::Integer(number << unused >> unused))
    }

    fn string(&mut self, code: u8) -> Step<()> {
        let length = match code {
            0x8c | b'U' | b'C' => self.little_endian(1)?,
            0x8d | 0x8e => self.little_endian(8)?,
            _ => self.little_endian(4)?,
        };
        let bytes = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        match (code, std::str::from_utf8(bytes)) {
            (b'C' | b'B' | 0x8e, _) => self.push(Value::Other),
            (_, Ok(text)) => self.push(Value::Text(text.to_owned())),
            (_, Err(_)) => Err("a pickle with text that is not UTF-8".into()),
        }
    }

    fn tuple(&mut self, length: usize) -> Step<()> {
        let from = self.floor(length)?;
        let items = self.stack.split_off(from);
        self.push(Value::Tuple(items))
    }

    fn append(&mut self, more: Vec<Id>) -> Step<()> {
        let list = self.top()?;
        match &mut self.values[list.0 as usize] {
            Value::List(items) => items.extend(more),
            // Calls that make lists of their own kind.
            Value::Call { .. } => {}
            _ => return Err("a pickle that appends to what is no list".into()),
        }
        Ok(())
    }

    fn set(&mut self, more: Vec<(Id, Id)>) -> Step<()> {
        let dict = self.top()?;
        match &mut self.values[dict.0 as usize] {
            Value::Dict(entries) => entries.extend(more),
            Value::Call { .. } => {}
            _ => return Err("a pickle that sets items of what is no dictionary".into()),
        }
        Ok(())
    }

    fn global(&mut self, code: u8) -> Step<()> {
        let name = if code == b'c' {
            format!("{} {}", self.line()?, self.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (&self.values[module.0 as usize], &self.values[name.0 as usize]) {
                (Value::Text(module), Value::Text(name)) => format!("{module} {name}"),
                _ => return Err("a pickle that names a class by what is no text".into()),
            }
        };
        self.push(Value::Global(name))
    }

    fn call(&mut self, function: Id, arguments: Id) -> Step<()> {
        let dictionary = matches!(&self.values[function.0 as usize], Value::Global(name)
            if name == "collections OrderedDict" || name == "collections defaultdict");
        self.push(if dictionary { Value::Dict(Vec::new()) } else { Value::Call { function, arguments } })
    }

    fn memoise(&mut self, code: u8) -> Step<()> {
        let key = match code {
            b'q' => self.little_endian(1)? as u32,
            b'r' => self.little_endian(4)? as u32,
            _ => u32::try_from(self.memo.len()).map_err(|_| "too large a pickle")?,
        };
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, code: u8) -> Step<()> {
        let key = self.little_endian(if code == b'h' { 1 } else { 4 })? as u32;
        let id = self.memo.get(&key).copied().ok_or("a pickle that recalls what it never made")?;
        self.stack.push(id);
        Ok(())
    }

    fn push(&mut self, value: Value) -> Step<()> {
        if self.values.len() >= MOST_VALUES {
            return Err(format!("a pickle of more than {MOST_VALUES} values"));
        }
        self.stack.push(Id(self.values.len() as u32));
        self.values.push(value);
        Ok(())
    }

    /// The height of the stack below its `count` topmost values, none of which a mark separates from the others.
    fn floor(&self, count: usize) -> Step<usize> {
        let from = self.stack.len().checked_sub(count);
        from.filter(|from| self.marks.last().is_none_or(|mark| mark <= from)).ok_or_else(|| "a pickle cut short".into())
    }

    fn pop(&mut self) -> Step<Id> {
        self.floor(1)?;
        self.stack.pop().ok_or_else(|| "a pickle cut short".into())
    }

    fn top(&self) -> Step<Id> {
        self.floor(1)?;
        self.stack.last().copied().ok_or_else(|| "a pickle cut short".into())
    }

    fn above_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or("a pickle without a mark")?;
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, length: usize) -> Step<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("a pickle cut short")?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Step<u8> {
        Ok(self.take(1)?[0])
    }

    fn little_endian(&mut self, length: usize) -> Step<u64> {
        let mut number = [0; 8];
        number[..length].copy_from_slice(self.take(length)?);
        Ok(u64::from_le_bytes(number))
    }

    fn line(&mut self) -> Step<String> {
        let length = self.rest.iter().position(|byte| *byte == b'\n').ok_or("a pickle cut short")?;
        let line = self.take(length + 1)?;
        Ok(String::from_utf8_lossy(&line[..length]).trim_end_matches('\r').to_owned())
    }
}

fn pairs(items: &[Id]) -> Step<Vec<(Id, Id)>> {
    match items.as_chunks::<2>() {
        (pairs, []) => Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect()),
        _ => Err("a pickle with a key that has no value".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_python_writes() {
        // pickle.dumps({"a": (1, -2, [True, 3.5]), "b": 70000}, protocol=2)
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01J\xfe\xff\xff\xff]q\x02(\x88G@\x0c\x00\x00\x00\x00\x00\x00e\x87q\x03X\x01\x00\x00\x00bq\x04Jp\x11\x01\x00u.";
        let pickle = Pickle::read(bytes).unwrap();
        let entries = pickle.entries(pickle.root()).unwrap();
        assert_eq!(entries.iter().map(|(key, _)| pickle.text(*key).unwrap()).collect::<Vec<_>>(), ["a", "b"]);
        let items = pickle.items(entries[0].1).unwrap();
        assert_eq!((pickle.value(items[0]), pickle.value(items[1])), (&Value::Integer(1), &Value::Integer(-2)));
        assert_eq!((pickle.items(items[2]).unwrap().len(), pickle.size(entries[1].1)), (2, Some(70_000)));
    }

    #[test]
    fn a_call_is_kept_and_not_made() {
        let pickle = Pickle::read(b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.").unwrap();
        let (name, arguments) = pickle.call(pickle.root()).unwrap();
        assert_eq!((name, pickle.text(arguments[0])), ("posix system", Some("ls")));
    }

    #[test]
    fn hostile_pickles_are_refused_or_stay_small() {
        for bytes in [
            &b""[..],
            b".",
            b"\x80\x02",
            b"h\x00.",
            b"t.",
            b"(.",
            b"N(s.",
            b"X\xff\xff\xff\xffab.",
            b"\x8b\xff\xff\xff\x7f1.",
            b"NNs.",
            b"i",
        ] {
            Pickle::read(bytes).unwrap_err();
        }
        // Lists that hold their predecessor twice, a hundred deep; and a hundred thousand tuples in one another.
        let mut doubling = b"]q\x00".to_vec();
        for key in 1..100u8 {
            doubling.extend([b']', b'q', key, b'(', b'h', key - 1, b'h', key - 1, b'e']);
        }
        doubling.push(b'.');
        assert_eq!(Pickle::read(&doubling).unwrap().values.len(), 100);
        let deep = [&b"N"[..], &[0x85; 100_000], b"."].concat();
        assert_eq!(Pickle::read(&deep).unwrap().values.len(), 100_001);
        let endless = [&[b'N'; MOST_VALUES + 1][..], b"."].concat();
        assert!(Pickle::read(&endless).unwrap_err().contains("more than"));
    }
}
