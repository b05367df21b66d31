//! Reading weights: PyTorch checkpoints (parsed, never executed) and mapped safetensors files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use memmap2::Mmap;
use safetensors::SafeTensors;
use zip::{CompressionMethod, ZipArchive};

use crate::clap::pickle::{Id, Pickle, Value};
use crate::{Error, Result};

/// Bytes that the description of a checkpoint may have; real ones have some hundred thousand.
const PICKLE_LIMIT: u64 = 8 << 20;

/// Bytes of a name, and dimensions of a tensor, beyond which a description is not meant for tensors: a name that is described once may be used
/// a million times.
const NAME_LIMIT: usize = 512;
const DIMENSIONS: usize = 8;

/// What wrappers for training on several processors put before every name.
const WRAPPER: &str = "module.";

/// Named tensors of a checkpoint, in whatever format: what a tower is loaded from.
pub trait Tensors: Send + Sync {
    /// The tensor `name`, whose shape must be `shape`, as `f32` in row-major order.
    ///
    /// # Errors
    /// [`Error::Input`] that names a missing or misshapen tensor, [`Error::Io`] when it cannot be read.
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>>;

    /// Every tensor with its shape, by name.
    fn names(&self) -> BTreeMap<String, Vec<usize>>;
}

/// Opens a checkpoint of either format, which its first bytes tell.
///
/// # Errors
/// [`Error::Io`] when it cannot be read, [`Error::Input`] when it is no checkpoint or a damaged one.
pub fn open(path: &Path) -> Result<Box<dyn Tensors>> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(Error::io("open", path))?;
    file.take(16).read_to_end(&mut head).map_err(Error::io("read", path))?;
    match head.as_slice() {
        [b'P', b'K', ..] => Ok(Box::new(PyTorch::open(path)?)),
        [_, _, _, _, _, _, _, _, b'{', ..] => Ok(Box::new(Mapped::open(path)?)),
        [0x80, 2, ..] => Err(Error::input(path.display(), "the format of PyTorch before 1.6", CHECKPOINT)
            .with_hint("save it again with a newer PyTorch: torch.save(torch.load(OLD, weights_only=True), NEW)")),
        _ if head.starts_with(b"version https://") => {
            Err(Error::input(path.display(), "a Git LFS pointer, not the file itself", CHECKPOINT)
                .with_hint("run `git lfs pull` in its folder, or fetch it with `echoic models pull`"))
        }
        _ => Err(Error::input(path.display(), "another kind of file", CHECKPOINT)),
    }
}

const CHECKPOINT: &str = "a checkpoint in the format of safetensors or of PyTorch";

/// What to do about a damaged file of the cache.
const AGAIN: &str = "run `echoic models verify`, then remove the model and pull it again";

/// The types of numbers that weights are stored in.
#[derive(Debug, Clone, Copy)]
enum Number {
    F64,
    F32,
    F16,
    Bf16,
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

/// A PyTorch checkpoint: a zip of a pickle that describes tensors and of their bytes.
///
/// Of the dictionaries in it, the one that holds the most tensors is the state dictionary, however deep it lies (`{"model": …}`,
/// `{"state_dict": …}`); a prefix `module.` of all names is left out.
pub(crate) struct PyTorch {
    path: PathBuf,
    archive: Mutex<ZipArchive<BufReader<File>>>,
    tensors: BTreeMap<String, Stored>,
}

/// Where a tensor lies in a PyTorch checkpoint.
#[derive(Debug)]
struct Stored {
    /// The class of its storage, such as `torch.FloatStorage`.
    class: String,
    /// The member of the archive.
    member: String,
    /// Elements of the storage before its first.
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl PyTorch {
    /// Opens `path` and reads its description.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let damaged = |found: String| Error::input(path.display(), found, "a PyTorch checkpoint").with_hint(AGAIN);
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(e.to_string()))?;
        let member = archive
            .file_names()
            .filter_map(|name| name.ok())
            .map(|name| name.into_owned())
            .find(|name| name.ends_with("/data.pkl"))
            .ok_or_else(|| damaged("a zip without data.pkl".into()))?;
        let entry = archive.by_name(&member).map_err(|e| damaged(e.to_string()))?;
        let mut bytes = Vec::new();
        entry.take(PICKLE_LIMIT + 1).read_to_end(&mut bytes).map_err(|e| damaged(e.to_string()))?;
        if bytes.len() as u64 > PICKLE_LIMIT {
            return Err(damaged(format!("a description of more than {PICKLE_LIMIT} bytes")));
        }
        let pickle = Pickle::parse(&bytes).map_err(damaged)?;
        let folder = format!("{}/data", member.trim_end_matches("/data.pkl"));
        let tensors = state(&pickle, &folder).ok_or_else(|| damaged("a pickle without tensors".into()))?;
        Ok(Self { path: path.to_path_buf(), archive: Mutex::new(archive), tensors: unwrapped(tensors) })
    }
}

/// The tensors of the dictionary that holds the most; the first of several.
fn state(pickle: &Pickle, folder: &str) -> Option<BTreeMap<String, Stored>> {
    let held = |entries: &[(Id, Id)]| -> BTreeMap<String, Stored> {
        let named = entries.iter().filter_map(|(key, value)| Some((name(pickle.text(*key)?)?, *value)));
        named.filter_map(|(name, value)| Some((name.to_owned(), stored(pickle, value, folder)?))).collect()
    };
    let mut best: Option<BTreeMap<String, Stored>> = None;
    for tensors in pickle.dictionaries().map(held).filter(|tensors| !tensors.is_empty()) {
        if best.as_ref().is_none_or(|best| tensors.len() > best.len()) {
            best = Some(tensors);
        }
    }
    best
}

/// The tensor that the value `id` describes, through the wrappers of parameters and subclasses.
fn stored(pickle: &Pickle, id: Id, folder: &str) -> Option<Stored> {
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
                    class: name(pickle.global(*class)?)?.to_owned(),
                    member: format!("{folder}/{}", name(pickle.text(*key)?)?),
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

impl Stored {
    /// The type of the numbers, and where their bytes lie in the member.
    fn place(&self) -> Result<(Number, Range<u64>), String> {
        let number = match self.class.as_str() {
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

impl Tensors for PyTorch {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let wrong = |found: String| {
            Error::input(format!("{}, tensor {name}", self.path.display()), found, format!("shape {shape:?}"))
        };
        let stored = self.tensors.get(name).ok_or_else(|| wrong("nothing".into()))?;
        if stored.shape != shape {
            return Err(wrong(format!("shape {:?}", stored.shape)));
        }
        let (number, place) = stored.place().map_err(wrong)?;
        // A reader that panicked left nothing behind: each entry is found anew.
        let mut archive = self.archive.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entry = archive.by_name(&stored.member).map_err(|e| wrong(e.to_string()))?;
        // PyTorch stores without compressing. That also bounds the memory that a small file can ask for.
        if entry.compression() != CompressionMethod::Stored || entry.size() < place.end {
            return Err(wrong(format!("{} bytes ({})", entry.size(), entry.compression())));
        }
        std::io::copy(&mut entry.by_ref().take(place.start), &mut std::io::sink())
            .map_err(Error::io("read", &self.path))?;
        let mut bytes = Vec::new();
        entry.take(place.end - place.start).read_to_end(&mut bytes).map_err(Error::io("read", &self.path))?;
        if bytes.len() as u64 != place.end - place.start {
            return Err(wrong(format!("{} bytes", bytes.len())));
        }
        Ok(number.decode(&bytes))
    }

    fn names(&self) -> BTreeMap<String, Vec<usize>> {
        self.tensors.iter().map(|(name, stored)| (name.clone(), stored.shape.clone())).collect()
    }
}

/// A safetensors file, mapped: tensors are read from the page cache on demand.
pub(crate) struct Mapped {
    path: PathBuf,
    map: Mmap,
    tensors: BTreeMap<String, Described>,
}

/// Where a tensor lies in a safetensors file.
struct Described {
    number: Result<Number, String>,
    shape: Vec<usize>,
    bytes: Range<usize>,
}

impl Mapped {
    /// Maps `path` and reads its table of contents.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        // SAFETY: the weights lie in the model cache, which `models` only ever replaces by renaming a finished file over the old one;
        // nothing writes into a file that is mapped. Someone who truncates the file by hand while it is in use gets SIGBUS, not wrong
        // memory: the bytes are only ever read as plain numbers.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?;
        let (header, table) = SafeTensors::read_metadata(&map).map_err(|cause| {
            Error::input(path.display(), format!("a damaged file ({cause})"), "a safetensors file").with_hint(AGAIN)
        })?;
        let start = header + size_of::<u64>();
        let described = table.tensors().into_iter().map(|(name, info)| {
            let bytes = start + info.data_offsets.0..start + info.data_offsets.1;
            (name, Described { number: number_of(info.dtype), shape: info.shape.clone(), bytes })
        });
        let tensors = unwrapped(described.collect());
        Ok(Self { path: path.to_path_buf(), map, tensors })
    }
}

impl Tensors for Mapped {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let wrong = |found: String| {
            Error::input(format!("{}, tensor {name}", self.path.display()), found, format!("shape {shape:?}"))
        };
        let described = self.tensors.get(name).ok_or_else(|| wrong("nothing".into()))?;
        if described.shape != shape {
            return Err(wrong(format!("shape {:?}", described.shape)));
        }
        let bytes = self.map.get(described.bytes.clone()).ok_or_else(|| wrong("too few bytes".into()))?;
        Ok(described.number.clone().map_err(wrong)?.decode(bytes))
    }

    fn names(&self) -> BTreeMap<String, Vec<usize>> {
        self.tensors.iter().map(|(name, described)| (name.clone(), described.shape.clone())).collect()
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
pub(crate) fn tensor(table: &SafeTensors<'_>, name: &str, shape: &[usize], subject: &str) -> Result<Vec<f32>> {
    let wrong = |found: String| Error::input(format!("{subject}, tensor {name}"), found, format!("shape {shape:?}"));
    let view = table.tensor(name).map_err(|_| wrong("nothing".into()))?;
    if view.shape() != shape {
        return Err(wrong(format!("shape {:?}", view.shape())));
    }
    Ok(number_of(view.dtype()).map_err(wrong)?.decode(view.data()))
}

#[cfg(test)]
mod tests;
