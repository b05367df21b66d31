//! A reader of pickles, the description in a PyTorch checkpoint: it builds plain values and calls nothing.
//!
//! candle has one too. This one is for files from anywhere: values lie side by side and name each other by number, so that neither sharing nor
//! nesting costs more than the bytes that describe it, and nothing in a file makes it panic. The opcodes are those of protocols 2 to 5 that
//! `torch.save` and plain Python data use; their meaning is that of CPython's `pickletools`.

use std::collections::HashMap;

/// Bytes of the names of a module and of a class: a text that is described once may name a class after every five bytes.
const CLASS_LIMIT: usize = 256;

/// The number of a value in its [`Pickle`].
pub(crate) type Id = usize;

/// What a pickle can describe, as far as checkpoints need it.
#[derive(Debug)]
pub(crate) enum Value {
    /// A whole number or a truth value.
    Integer(i64),
    /// A string.
    Text(String),
    /// The name of a class or function: module, a dot, and its name. It is never looked up.
    Global(String),
    /// A tuple, list or set.
    Sequence(Vec<Id>),
    /// A dictionary, ordered or not; a key given twice is there twice.
    Dictionary(Vec<(Id, Id)>),
    /// What calling something with arguments would give.
    Call { function: Id, arguments: Id },
    /// What the storage of the file holds under a key.
    Persistent(Id),
    /// None, a float, bytes: values that nothing here asks for.
    Other,
}

/// The values of a pickle.
#[derive(Debug)]
pub(crate) struct Pickle {
    values: Vec<Value>,
}

impl Pickle {
    /// Reads `bytes` up to the end of the first pickle; the error says what was found.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut machine = Machine { rest: bytes, values: Vec::new(), stack: Vec::new(), memo: HashMap::new() };
        while machine.step()? {}
        Ok(Self { values: machine.values })
    }

    /// The value `id`.
    pub fn get(&self, id: Id) -> &Value {
        self.values.get(id).unwrap_or(&Value::Other)
    }

    /// Every dictionary, in the order in which they begin in the file.
    pub fn dictionaries(&self) -> impl Iterator<Item = &[(Id, Id)]> {
        self.values.iter().filter_map(|value| match value {
            Value::Dictionary(entries) => Some(entries.as_slice()),
            _ => None,
        })
    }

    /// The string `id`.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The count or index `id`.
    pub fn count(&self, id: Id) -> Option<usize> {
        match self.get(id) {
            Value::Integer(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The members of the tuple or list `id`.
    pub fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Sequence(members) => Some(members),
            _ => None,
        }
    }

    /// The name of the class or function `id`.
    pub fn global(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Global(name) => Some(name),
            _ => None,
        }
    }
}

/// What lies on the stack: a value, or the mark where a list of values begins.
#[derive(Clone, Copy)]
enum Item {
    Mark,
    Value(Id),
}

/// The machine that a pickle is a program for.
struct Machine<'a> {
    rest: &'a [u8],
    values: Vec<Value>,
    stack: Vec<Item>,
    memo: HashMap<u64, Id>,
}

impl Machine<'_> {
    /// Carries out one opcode; false at the end.
    fn step(&mut self) -> Result<bool, String> {
        let [opcode] = self.array()?;
        match opcode {
            b'.' => return Ok(false),
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => self.stack.push(Item::Mark),
            b'0' => drop(self.stack.pop()),
            b'1' => drop(self.marked()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(Item::Value(top));
            }
            b'N' | b'G' | b'B' | b'C' | 0x8e | 0x96 => self.other(opcode)?,
            b'K' | b'M' | b'J' | 0x88 | 0x89 | 0x8a | 0x8b => self.integer(opcode)?,
            b'X' | b'T' | b'U' | 0x8c | 0x8d => self.string(opcode)?,
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.remember(opcode)?,
            b'c' | 0x93 => self.name(opcode)?,
            b')' | b']' | 0x8f => self.push(Value::Sequence(Vec::new())),
            b't' | b'l' | 0x91 | 0x85..=0x87 => self.gather(opcode)?,
            b'a' | b'e' | 0x90 => self.append(opcode)?,
            b'}' => self.push(Value::Dictionary(Vec::new())),
            b'd' | b's' | b'u' => self.insert(opcode)?,
            b'R' | 0x81 | 0x92 | b'Q' | b'b' => self.object(opcode)?,
            unknown => return Err(format!("a pickle with the opcode 0x{unknown:02x}, which no checkpoint needs")),
        }
        Ok(true)
    }

    /// None, floats and bytes.
    fn other(&mut self, opcode: u8) -> Result<(), String> {
        let bytes = match opcode {
            b'N' => 0,
            b'G' => 8,
            b'C' => self.number(1)?,
            b'B' => self.number(4)?,
            _ => self.number(8)?,
        };
        self.take(bytes)?;
        self.push(Value::Other);
        Ok(())
    }

    fn integer(&mut self, opcode: u8) -> Result<(), String> {
        let value = match opcode {
            b'K' => Value::Integer(self.array::<1>()?[0].into()),
            b'M' => Value::Integer(u16::from_le_bytes(self.array()?).into()),
            b'J' => Value::Integer(i32::from_le_bytes(self.array()?).into()),
            0x88 | 0x89 => Value::Integer((opcode == 0x88).into()),
            _ => {
                let length = self.number(if opcode == 0x8a { 1 } else { 4 })?;
                whole(self.take(length)?)
            }
        };
        self.push(value);
        Ok(())
    }

    fn string(&mut self, opcode: u8) -> Result<(), String> {
        let width = match opcode {
            b'U' | 0x8c => 1,
            b'X' | b'T' => 4,
            _ => 8,
        };
        let length = self.number(width)?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Value::Text(text));
        Ok(())
    }

    /// The memo: values that are named once and used again.
    fn remember(&mut self, opcode: u8) -> Result<(), String> {
        let key = match opcode {
            b'q' | b'h' => self.number(1)?,
            b'r' | b'j' => self.number(4)?,
            _ => self.memo.len(),
        } as u64;
        if matches!(opcode, b'h' | b'j') {
            let id =
                self.memo.get(&key).ok_or_else(|| format!("a pickle that recalls {key}, which it never stored"))?;
            self.stack.push(Item::Value(*id));
        } else {
            let top = self.top()?;
            self.memo.insert(key, top);
        }
        Ok(())
    }

    fn name(&mut self, opcode: u8) -> Result<(), String> {
        let name = if opcode == b'c' {
            format!("{}.{}", self.line()?, self.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            let text = |id: Id| match self.values.get(id) {
                Some(Value::Text(text)) if text.len() <= CLASS_LIMIT => Ok(text.as_str()),
                Some(Value::Text(text)) => Err(format!("a pickle that names a class by {} bytes", text.len())),
                _ => Err("a pickle that names a class by something else than text".to_owned()),
            };
            format!("{}.{}", text(module)?, text(name)?)
        };
        self.push(Value::Global(name));
        Ok(())
    }

    /// Tuples, and lists and sets in one piece.
    fn gather(&mut self, opcode: u8) -> Result<(), String> {
        let members = match opcode {
            0x85..=0x87 => {
                let mut members = (0x85..=opcode).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
                members.reverse();
                members
            }
            _ => self.marked()?,
        };
        self.push(Value::Sequence(members));
        Ok(())
    }

    fn append(&mut self, opcode: u8) -> Result<(), String> {
        let more = if opcode == b'a' { vec![self.pop()?] } else { self.marked()? };
        let top = self.top()?;
        // Other kinds of list come as calls; what is appended to them is nothing that a checkpoint is asked for.
        if let Some(Value::Sequence(members)) = self.values.get_mut(top) {
            members.extend(more);
        }
        Ok(())
    }

    fn insert(&mut self, opcode: u8) -> Result<(), String> {
        let flat = match opcode {
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.marked()?,
        };
        let (pairs, []) = flat.as_chunks::<2>() else { return Err("a pickle with a key that has no value".into()) };
        let pairs = pairs.iter().map(|[key, value]| (*key, *value));
        if opcode == b'd' {
            self.push(Value::Dictionary(pairs.collect()));
            return Ok(());
        }
        let top = self.top()?;
        if let Some(Value::Dictionary(entries)) = self.values.get_mut(top) {
            entries.extend(pairs);
        }
        Ok(())
    }

    /// Calls, instances, and what lies in the file's storage.
    fn object(&mut self, opcode: u8) -> Result<(), String> {
        if opcode == 0x92 {
            self.pop()?; // the named arguments of an instance
        }
        let last = self.pop()?;
        let value = match opcode {
            b'Q' => Value::Persistent(last),
            // The state of an object: a state dictionary keeps its version there, and no tensor.
            b'b' => return self.top().map(drop),
            _ => {
                let function = self.pop()?;
                match self.values.get(function) {
                    Some(Value::Global(name)) if matches!(name.as_str(), ORDERED | DEFAULT) => {
                        Value::Dictionary(vec![])
                    }
                    _ => Value::Call { function, arguments: last },
                }
            }
        };
        self.push(value);
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(Item::Value(self.values.len()));
        self.values.push(value);
    }

    fn top(&self) -> Result<Id, String> {
        match self.stack.last() {
            Some(Item::Value(id)) => Ok(*id),
            _ => Err("a pickle that takes more values than it has".into()),
        }
    }

    fn pop(&mut self) -> Result<Id, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// Takes the values above the last mark, and the mark.
    fn marked(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.stack.iter().rposition(|item| matches!(item, Item::Mark));
        let mark = mark.ok_or("a pickle that ends a list which it never began")?;
        let values = self.stack.drain(mark..).filter_map(|item| match item {
            Item::Value(id) => Some(id),
            Item::Mark => None,
        });
        Ok(values.collect())
    }

    fn take(&mut self, length: usize) -> Result<&[u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("a pickle that is cut short")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or("a pickle that is cut short")?;
        self.rest = rest;
        Ok(*taken)
    }

    /// An unsigned number of `width` bytes, little-endian.
    fn number(&mut self, width: usize) -> Result<usize, String> {
        let bytes = self.take(width)?;
        let number = bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).map_err(|_| "a pickle with a length beyond this machine".into())
    }

    /// The text up to the end of the line.
    fn line(&mut self) -> Result<String, String> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or("a pickle that is cut short")?;
        let line = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.take(1)?;
        Ok(line)
    }
}

const ORDERED: &str = "collections.OrderedDict";
const DEFAULT: &str = "collections.defaultdict";

/// A signed number of any length, little-endian; one beyond 64 bits is nothing that a checkpoint is asked for.
fn whole(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Other;
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut full = [if negative { 0xff } else { 0 }; 8];
    full.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    Value::Integer(i64::from_le_bytes(full))
}
