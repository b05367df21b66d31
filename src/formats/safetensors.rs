//! Tensors of a safetensors file as rows of embeddings: a description in JSON, then the numbers of each.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;

use super::array::{ArrayRows, Number, Shape, Source};
use super::choice::{Found, choose};
use crate::{Error, Result};

const EXPECTED: &str = "a safetensors file with a tensor of shape [rows, dim] of type F16, BF16, F32 or F64";

/// The longest description that is read, which is also the longest that the format allows.
const DESCRIPTION_BYTES: u64 = 100_000_000;

/// What a file says of a tensor.
#[derive(Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// True for the beginning of a safetensors file: the length of a description, and the description.
pub(super) fn is_one(head: &[u8]) -> bool {
    matches!(head, [_, _, _, _, _, 0, 0, 0, b'{', ..])
}

/// Opens the tensor of that name, or the only one.
pub(super) fn open(path: &Path, wanted: Option<&str>) -> Result<ArrayRows> {
    let bad = |found: String| Error::input(path.display(), found, EXPECTED);
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    let mut described = [0; 8];
    file.read_exact(&mut described).map_err(|error| bad(error.to_string()))?;
    let described = u64::from_le_bytes(described);
    let behind = described.checked_add(8).filter(|behind| *behind <= length && described <= DESCRIPTION_BYTES);
    let start = behind.ok_or_else(|| bad(format!("a description of {described} bytes in a file of {length}")))?;
    let mut text = vec![0; described as usize]; // no longer than the file
    file.read_exact(&mut text).map_err(|error| bad(error.to_string()))?;
    let mut entries: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&text).map_err(|error| bad(format!("no readable description ({error})")))?;
    entries.remove("__metadata__");
    let tensors = entries.into_iter().map(|(name, entry)| {
        let tensor: Tensor = serde_json::from_value(entry).map_err(|error| bad(format!("'{name}': {error}")))?;
        Ok((name, tensor))
    });
    let mut tensors: BTreeMap<String, Tensor> = tensors.collect::<Result<_>>()?;
    let found = tensors.iter().map(|(name, tensor)| Found {
        name: name.clone(),
        what: format!("{:?} {}", tensor.shape, tensor.dtype),
        fits: matches!(tensor.shape.len(), 1 | 2) && Number::named(&tensor.dtype).is_some(),
    });
    let name = choose(path, found.collect(), wanted, "tensor")?;
    let Tensor { dtype, shape, data_offsets: (from, to) } =
        tensors.remove(&name).ok_or_else(|| bad(format!("no tensor '{name}'")))?;
    let number = Number::named(&dtype).ok_or_else(|| bad(format!("'{name}' of type {dtype}")))?;
    let shape = Shape::of(&shape, false).map_err(|found| bad(format!("'{name}': {found}")))?;
    let place = start.checked_add(from).zip(start.checked_add(to)).filter(|(from, to)| from <= to && *to <= length);
    match place.filter(|(from, to)| to - from == shape.bytes(number)) {
        Some((from, _)) => {
            file.seek(SeekFrom::Start(from)).map_err(Error::io("read", path))?;
            let source = Source::Stream(Box::new(BufReader::new(file)));
            Ok(ArrayRows::new(format!("{}:{name}", path.display()), source, number, shape))
        }
        None => Err(bad(format!("'{name}' at bytes {from} to {to} of a file of {length}"))),
    }
}
