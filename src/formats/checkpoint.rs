//! Reading weights: PyTorch checkpoints (parsed, never executed) and safetensors files, both mapped.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::SafeTensors;
use zip::{CompressionMethod, ZipArchive};

use super::pickle::{Id, Pickle, Value};
use crate::error::{Hint, Topic};
use crate::nn::tensors::Tensors;
use crate::{Error, Result};

/// Bytes that the description of a checkpoint may have; real ones have some hundred thousand.
const PICKLE_LIMIT: u64 = 8 << 20;

/// Bytes of a name, and dimensions of a tensor, beyond which a description is not meant for tensors: a name that is described once may be used
/// a million times.
const NAME_LIMIT: usize = 512;
const DIMENSIONS: usize = 8;

/// What wrappers for training on several processors put before every name.
const WRAPPER: &str = "module.";

/// Opens a checkpoint of either format, which its first bytes tell.
///
/// # Errors
/// [`Error::Io`] when it cannot be read, [`Error::Input`] when it is no checkpoint or a damaged one.
pub fn open(path: &Path) -> Result<Box<dyn Tensors>> {
    Ok(Box::new(Checkpoint::open(path)?))
}

const CHECKPOINT: &str = "a checkpoint in the format of safetensors or of PyTorch";

/// What to do about a damaged file of the cache.
const AGAIN: &str = "verify the model; if it is damaged, remove it and pull it again";

/// A file of weights, mapped: a tensor is read from the page cache when it is asked for.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    path: PathBuf,
    map: Mmap,
    tensors: BTreeMap<String, Described>,
}

/// Where a tensor lies in the file.
#[derive(Debug)]
struct Described {
    shape: Vec<usize>,
    /// The type of its numbers and the bytes that hold them, or why they cannot be read.
    numbers: Result<(Number, Range<usize>), String>,
    /// The bytes whose checksum the file gives, where it does.
    checked: Option<Member>,
}

/// A member of a PyTorch checkpoint.
#[derive(Debug, Clone)]
struct Member {
    bytes: Range<usize>,
    crc32: u32,
}

/// The types of numbers that weights are stored in.
#[derive(Debug, Clone, Copy)]
enum Number {
    F64,
    F32,
    F16,
    Bf16,
}

impl Checkpoint {
    /// Opens `path` and reads its table of contents.
    ///
    /// Of the dictionaries in a PyTorch checkpoint, the one that holds the most tensors is the state dictionary, however deep it lies
    /// (`{"model": …}`, `{"state_dict": …}`); a prefix `module.` of all names is left out.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        // SAFETY: weights lie in the model cache, which `models` only ever replaces by renaming a finished file over the old one, or in a
        // folder of the user's; nothing here writes into a file that is mapped. Someone who truncates the file by hand while it is in use
        // gets SIGBUS, not wrong memory: the bytes are only ever read as plain numbers.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?;
        let damaged = |found: String| {
            Error::input(path.display(), found, CHECKPOINT).with_hint(Hint::about(Topic::VerifyModel, AGAIN))
        };
        let tensors = match &map[..] {
            [b'P', b'K', ..] => from_pytorch(&map).map_err(damaged)?,
            [_, _, _, _, _, _, _, _, b'{', ..] => from_safetensors(&map).map_err(damaged)?,
            other => return Err(other_kind(path, other)),
        };
        Ok(Self { path: path.to_path_buf(), map, tensors: unwrapped(tensors) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors whose names begin with `prefix`, without it.
    pub fn part(&self, prefix: &'static str) -> Part<'_> {
        Part { whole: self, prefix }
    }
}

fn other_kind(path: &Path, bytes: &[u8]) -> Error {
    if bytes.starts_with(&[0x80, 2]) {
        Error::input(path.display(), "the format of PyTorch before 1.6", CHECKPOINT)
            .with_hint("save it again with a newer PyTorch: torch.save(torch.load(OLD, weights_only=True), NEW)")
    } else if bytes.starts_with(b"version https://") {
        Error::input(path.display(), "a Git LFS pointer, not the file itself", CHECKPOINT)
            .with_hint("run `git lfs pull` in its folder, or pull the model from its hub")
    } else {
        Error::input(path.display(), "another kind of file", CHECKPOINT)
    }
}

impl Tensors for Checkpoint {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let wrong = |found: String| {
            let expected = match shape.contains(&usize::MAX) {
                true => format!("one of {} dimensions", shape.len()),
                false => format!("shape {shape:?}"),
            };
            Error::input(format!("{}, tensor {name}", self.path.display()), found, expected)
        };
        let tensor = self.tensors.get(name).ok_or_else(|| wrong("nothing".into()))?;
        if tensor.shape != shape {
            return Err(wrong(format!("shape {:?}", tensor.shape)));
        }
        let (number, place) = tensor.numbers.clone().map_err(wrong)?;
        let length = shape.iter().try_fold(number.bytes(), |length, of| length.checked_mul(*of));
        let bytes = self.map.get(place).filter(|bytes| Some(bytes.len()) == length);
        let bytes = bytes.ok_or_else(|| wrong("too few bytes".into()))?;
        // A member's bytes were found inside the map when it was opened.
        if tensor.checked.as_ref().is_some_and(|all| crc32fast::hash(&self.map[all.bytes.clone()]) != all.crc32) {
            return Err(wrong("damaged numbers: their checksum differs".into()));
        }
        let numbers = number.decode(bytes);
        match numbers.iter().all(|x| x.is_finite()) {
            true => Ok(numbers),
            false => Err(wrong("numbers that are not finite".into())),
        }
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| tensor.shape.as_slice())
    }

    fn names(&self) -> BTreeMap<String, Vec<usize>> {
        self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect()
    }
}

/// Some tensors of a checkpoint: those below a prefix.
#[derive(Debug, Clone)]
pub(crate) struct Part<'a> {
    whole: &'a Checkpoint,
    prefix: &'static str,
}

impl Tensors for Part<'_> {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.whole.get(&format!("{}{name}", self.prefix), shape)
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.whole.shape(&format!("{}{name}", self.prefix))
    }

    fn names(&self) -> BTreeMap<String, Vec<usize>> {
        let all = self.whole.names().into_iter();
        all.filter_map(|(name, shape)| Some((name.strip_prefix(self.prefix)?.to_owned(), shape))).collect()
    }
}

impl Number {
    fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Little-endian numbers of this type as `f32`.
    fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
            Self::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Self::F16 => bytes.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
            Self::Bf16 => bytes.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
        }
    }
}

/// The table of contents of a safetensors file.
fn from_safetensors(map: &[u8]) -> Result<BTreeMap<String, Described>, String> {
    let (header, table) = SafeTensors::read_metadata(map).map_err(|cause| format!("a damaged file ({cause})"))?;
    let start = header + size_of::<u64>();
    let described = table.tensors().into_iter().map(|(name, info)| {
        let bytes = start.saturating_add(info.data_offsets.0)..start.saturating_add(info.data_offsets.1);
        let numbers = number_of(info.dtype).map(|number| (number, bytes));
        (name, Described { shape: info.shape.clone(), numbers, checked: None })
    });
    Ok(described.collect())
}

/// The table of contents of a PyTorch checkpoint: a zip of a pickle that describes tensors and of their bytes.
fn from_pytorch(map: &[u8]) -> Result<BTreeMap<String, Described>, String> {
    let mut archive = ZipArchive::new(Cursor::new(map)).map_err(|cause| cause.to_string())?;
    let mut members = BTreeMap::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|cause| cause.to_string())?;
        let name = entry.name().map_err(|cause| cause.to_string())?.into_owned();
        let start = entry.data_start().and_then(|start| usize::try_from(start).ok());
        let bytes = start.and_then(|start| Some(start..start.checked_add(usize::try_from(entry.size()).ok()?)?));
        let bytes =
            bytes.filter(|bytes| bytes.end <= map.len()).ok_or_else(|| format!("a zip whose {name} is cut off"))?;
        // PyTorch stores without compressing. That also bounds the memory that a small file can ask for.
        if entry.compression() != CompressionMethod::Stored {
            return Err(format!("a zip whose {name} is compressed"));
        }
        members.insert(name, Member { bytes, crc32: entry.crc32() });
    }
    let description = members.iter().find_map(|(name, member)| Some((name.strip_suffix("/data.pkl")?, member)));
    let (folder, member) = description.ok_or("a zip without data.pkl")?;
    let pickle = &map[member.bytes.clone()];
    if pickle.len() as u64 > PICKLE_LIMIT {
        return Err(format!("a description of more than {PICKLE_LIMIT} bytes"));
    }
    let pickle = Pickle::parse(pickle)?;
    let tensors = state(&pickle).ok_or("a pickle without tensors")?;
    let described = tensors.into_iter().map(|(name, stored)| {
        let member = members.get(&format!("{folder}/data/{}", stored.key)).cloned();
        let numbers = stored.place().and_then(|(number, place)| {
            let all = &member.as_ref().ok_or("no bytes")?.bytes;
            let inside = usize::try_from(place.end).is_ok_and(|end| end <= all.len());
            // Both ends are no larger than the length of the member.
            let place = || all.start + place.start as usize..all.start + place.end as usize;
            inside.then(|| (number, place())).ok_or_else(|| format!("{} bytes", all.len()))
        });
        (name.to_owned(), Described { shape: stored.shape, numbers, checked: member })
    });
    Ok(described.collect())
}

/// What a PyTorch checkpoint says of a tensor.
#[derive(Debug)]
struct Stored<'a> {
    /// The class of its storage, such as `torch.FloatStorage`.
    class: &'a str,
    /// The member of the archive that holds its storage.
    key: &'a str,
    /// Elements of the storage before its first.
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// The tensors of the dictionary that holds the most; the first of several.
fn state(pickle: &Pickle) -> Option<BTreeMap<&str, Stored<'_>>> {
    let held = |entries: &[(Id, Id)]| -> BTreeMap<&str, Stored<'_>> {
        let named = entries.iter().filter_map(|(key, value)| Some((name(pickle.text(*key)?)?, *value)));
        named.filter_map(|(name, value)| Some((name, stored(pickle, value)?))).collect()
    };
    let mut best: Option<BTreeMap<&str, Stored<'_>>> = None;
    for tensors in pickle.dictionaries().map(held).filter(|tensors| !tensors.is_empty()) {
        if best.as_ref().is_none_or(|best| tensors.len() > best.len()) {
            best = Some(tensors);
        }
    }
    best
}

/// The tensor that the value `id` describes, through the wrappers of parameters and subclasses.
fn stored(pickle: &Pickle, id: Id) -> Option<Stored<'_>> {
    let Value::Call { function, arguments } = pickle.get(id) else { return None };
    let (mut function, mut arguments) = (*function, *arguments);
    for _ in 0..3 {
        match (pickle.global(function)?, pickle.sequence(arguments)?) {
            ("torch._utils._rebuild_tensor_v2", [storage, offset, shape, strides, ..]) => {
                let Value::Persistent(storage) = pickle.get(*storage) else { return None };
                let [_, class, key, ..] = pickle.sequence(*storage)? else { return None };
                let counts = |id: Id| {
                    let counts = pickle.sequence(id).filter(|counts| counts.len() <= DIMENSIONS)?;
                    counts.iter().map(|id| pickle.count(*id)).collect::<Option<Vec<_>>>()
                };
                return Some(Stored {
                    class: name(pickle.global(*class)?)?,
                    key: name(pickle.text(*key)?)?,
                    offset: pickle.count(*offset)?,
                    shape: counts(*shape)?,
                    strides: counts(*strides)?,
                });
            }
            ("torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state", [inner, ..]) => {
                let Value::Call { function: f, arguments: a } = pickle.get(*inner) else { return None };
                (function, arguments) = (*f, *a);
            }
            ("torch._tensor._rebuild_from_type_v2", [inner, _, of, ..]) => (function, arguments) = (*inner, *of),
            _ => return None,
        }
    }
    None
}

fn name(text: &str) -> Option<&str> {
    (text.len() <= NAME_LIMIT).then_some(text)
}

/// Names without the wrapper's prefix, where all have it.
fn unwrapped<T>(tensors: BTreeMap<String, T>) -> BTreeMap<String, T> {
    if !tensors.keys().all(|name| name.starts_with(WRAPPER)) {
        return tensors;
    }
    tensors.into_iter().map(|(name, tensor)| (name[WRAPPER.len()..].to_owned(), tensor)).collect()
}

impl Stored<'_> {
    /// The type of the numbers, and where their bytes lie in the member.
    fn place(&self) -> Result<(Number, Range<u64>), String> {
        let number = match self.class {
            "torch.DoubleStorage" => Number::F64,
            "torch.FloatStorage" => Number::F32,
            "torch.HalfStorage" => Number::F16,
            "torch.BFloat16Storage" => Number::Bf16,
            other => return Err(format!("numbers of type {other}")),
        };
        let mut step = 1;
        for (length, stride) in self.shape.iter().zip(&self.strides).rev() {
            if *length != 1 && *stride != step {
                return Err("a strided layout".into());
            }
            step = step.checked_mul(*length).ok_or("more numbers than a file can hold")?;
        }
        let end = self.offset.checked_add(step).and_then(|end| end.checked_mul(number.bytes()));
        let end = end.ok_or("more numbers than a file can hold")?;
        // The product is no larger than `end`, which has passed.
        Ok((number, (self.offset * number.bytes()) as u64..end as u64))
    }
}

fn number_of(dtype: safetensors::Dtype) -> Result<Number, String> {
    match dtype {
        safetensors::Dtype::F64 => Ok(Number::F64),
        safetensors::Dtype::F32 => Ok(Number::F32),
        safetensors::Dtype::F16 => Ok(Number::F16),
        safetensors::Dtype::BF16 => Ok(Number::Bf16),
        other => Err(format!("numbers of type {other:?}")),
    }
}

/// The tensor `name` of an open safetensors table as `f32`; `subject` names the file in errors.
pub(crate) fn tensor_of(table: &SafeTensors<'_>, name: &str, shape: &[usize], subject: &str) -> Result<Vec<f32>> {
    let wrong = |found: String| Error::input(format!("{subject}, tensor {name}"), found, format!("shape {shape:?}"));
    let view = table.tensor(name).map_err(|_| wrong("nothing".into()))?;
    if view.shape() != shape {
        return Err(wrong(format!("shape {:?}", view.shape())));
    }
    Ok(number_of(view.dtype()).map_err(wrong)?.decode(view.data()))
}

#[cfg(test)]
mod tests;
