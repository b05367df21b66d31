//! Arrays of numbers as they lie in a file, read as rows of embeddings without loading them whole.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};

use half::{bf16, f16};

use crate::{Embeddings, Error, Result};

/// Bytes that are read at once; a row at least.
const BLOCK_BYTES: usize = 1 << 20;

/// The most numbers of a row in a stream, whose length nothing tells beforehand.
pub(super) const LONGEST_IN_STREAM: u64 = 1 << 20;

/// How the numbers of an array are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    /// Bytes of each.
    pub width: usize,
    /// Appends the numbers that bytes hold.
    decode: fn(&[u8], &mut Vec<f32>),
}

/// The decoder of numbers of some width.
macro_rules! number {
    ($width:literal, $read:expr) => {
        Number {
            width: $width,
            decode: |bytes, row| row.extend(bytes.as_chunks::<$width>().0.iter().map(|b| $read(*b))),
        }
    };
}

impl Number {
    /// By the name that NumPy gives to a type, and by that of safetensors.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "<f2" | "F16" => number!(2, |b| f16::from_le_bytes(b).to_f32()),
            ">f2" => number!(2, |b| f16::from_be_bytes(b).to_f32()),
            "BF16" => number!(2, |b| bf16::from_le_bytes(b).to_f32()),
            "<f4" | "F32" => number!(4, f32::from_le_bytes),
            ">f4" => number!(4, f32::from_be_bytes),
            "<f8" | "F64" => number!(8, |b| f64::from_le_bytes(b) as f32),
            ">f8" => number!(8, |b| f64::from_be_bytes(b) as f32),
            _ => return None,
        })
    }
}

/// The shape of an array, taken as rows: `[dim]` is one row, and rows come one after another unless the order is Fortran's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub rows: u64,
    pub dim: u64,
    pub by_columns: bool,
}

impl Shape {
    /// Takes a shape of one or two axes, or says what is wrong with it.
    pub(super) fn of(axes: &[u64], by_columns: bool) -> std::result::Result<Self, String> {
        let (rows, dim) = match *axes {
            [dim] => (1, dim),
            [rows, dim] => (rows, dim),
            _ => return Err(format!("an array of shape {axes:?}")),
        };
        match dim {
            0 => Err(format!("{rows} rows without numbers")),
            _ => Ok(Self { rows, dim, by_columns: by_columns && rows > 1 && dim > 1 }),
        }
    }

    /// Bytes of all its numbers; the greatest number for more.
    pub(super) fn bytes(&self, number: Number) -> u64 {
        self.rows.checked_mul(self.dim).and_then(|n| n.checked_mul(number.width as u64)).unwrap_or(u64::MAX)
    }
}

/// Where the numbers come from.
pub(super) enum Source {
    /// Row after row.
    Stream(Box<dyn Read>),
    /// Column after column, from that place of the file on.
    Columns(File, u64),
}

/// An array that is being read from its beginning.
pub(super) struct ArrayRows {
    /// The file, and the array in it where it has a name.
    pub name: String,
    source: Source,
    number: Number,
    pub rows: u64,
    pub dim: usize,
    /// Rows that were given, and those that were read from the source.
    given: u64,
    read: u64,
    /// What was read of rows that are not given yet, and how much of it was.
    ready: Vec<f32>,
    used: usize,
    bytes: Vec<u8>,
}

impl ArrayRows {
    /// An array whose rows its source can hold: `shape` was compared with it.
    pub(super) fn new(name: String, source: Source, number: Number, shape: Shape) -> Self {
        let (rows, dim) = (shape.rows, shape.dim as usize);
        let (ready, bytes) = (Vec::new(), Vec::new());
        Self { name, source, number, rows, dim, given: 0, read: 0, ready, used: 0, bytes }
    }

    pub(super) fn left(&self) -> u64 {
        self.rows - self.given
    }

    /// Appends the next row to `rows`; false behind the last.
    pub(super) fn append_to(&mut self, rows: &mut Vec<f32>) -> Result<bool> {
        if self.given == self.rows {
            return Ok(false);
        }
        if self.used == self.ready.len() {
            self.fill()?;
        }
        rows.extend_from_slice(&self.ready[self.used..self.used + self.dim]);
        self.used += self.dim;
        self.given += 1;
        Ok(true)
    }

    /// Reads the next rows, `count` or as many as are left.
    pub(super) fn next_rows(&mut self, count: usize) -> Result<Embeddings> {
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        let at_once = count.min(left).min(BLOCK_BYTES / 4 / self.dim.max(1));
        let mut rows = Embeddings::with_capacity(self.dim, at_once);
        for _ in 0..count {
            if !self.append_to(rows.data_mut())? {
                break;
            }
        }
        Ok(rows)
    }

    /// Reads a block of rows.
    fn fill(&mut self) -> Result<()> {
        let Self { source, number, dim, bytes, ready, .. } = self;
        let (left, width) = (self.rows - self.read, number.width);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min((BLOCK_BYTES / (*dim * width)).max(1));
        ready.clear();
        self.used = 0;
        let outcome = match source {
            Source::Stream(stream) => {
                bytes.resize(count * *dim * width, 0);
                stream.read_exact(bytes).map(|()| (number.decode)(bytes, ready))
            }
            Source::Columns(file, start) => {
                bytes.resize(count * width, 0);
                ready.resize(count * *dim, 0.0);
                let mut column = Vec::with_capacity(count);
                (0..*dim).try_for_each(|at| {
                    let place = *start + (at as u64 * self.rows + self.read) * width as u64;
                    file.seek(SeekFrom::Start(place)).and_then(|_| file.read_exact(bytes))?;
                    column.clear();
                    (number.decode)(bytes, &mut column);
                    for (row, x) in column.iter().enumerate() {
                        ready[row * *dim + at] = *x;
                    }
                    Ok(())
                })
            }
        };
        match outcome {
            Ok(()) => {
                self.read += count as u64;
                Ok(())
            }
            Err(error) => {
                let expected = format!("{} rows of {}", self.rows, self.dim);
                let found = match error.kind() {
                    ErrorKind::UnexpectedEof => format!("the end of the file behind row {}", self.read),
                    _ => format!("{error} behind row {}", self.read),
                };
                Err(Error::input(&self.name, found, expected))
            }
        }
    }
}
