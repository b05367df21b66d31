//! Reading weights: PyTorch checkpoints (parsed, never executed) and safetensors files, both mapped.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::SafeTensors;
use zip::{CompressionMethod, ZipArchive};

use crate::clap::pickle::{Id, Pickle, Value};
use crate::{Error, Result};

/// Bytes that the description of a PyTorch checkpoint may have; real ones have some ten thousand, with an optimiser a million.
const PICKLE_LIMIT: u64 = 64 << 20;

/// Keys under which training code puts the state dictionary, where the checkpoint holds more than that.
const STATE_KEYS: [&str; 4] = ["state_dict", "model", "model_state_dict", "module"];

/// Prefixes that wrappers around a model leave on every name of the state dictionary.
const WRAPPERS: [&str; 3] = ["module.", "model.", "_orig_mod."];

/// Named tensors of a checkpoint, in whatever format: what a tower is loaded from.
pub trait Tensors: Send + Sync {
    /// The tensor `name`, whose shape must be `shape`, as `f32` in row-major order.
    ///
    /// # Errors
    /// [`Error::Input`] that names a missing or misshapen tensor, [`Error::Io`] when it cannot be read.
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>>;

    /// The shape of the tensor `name`, where there is one.
    fn shape(&self, name: &str) -> Option<&[usize]>;

    /// Every tensor with its shape, by name.
    fn names(&self) -> BTreeMap<String, Vec<usize>>;
}

/// The lengths of the tensor `name`, which must have `N` dimensions: for models whose sizes only their tensors tell.
///
/// # Errors
/// [`Error::Input`] that names a missing or misshapen tensor.
pub(crate) fn lengths<const N: usize>(file: &dyn Tensors, name: &str) -> Result<[usize; N]> {
    match file.shape(name).map(<[usize; N]>::try_from) {
        Some(Ok(lengths)) if !lengths.contains(&0) => Ok(lengths),
        // Asked for with a shape that none has, so that the error is that of every other tensor.
        _ => file.get(name, &[usize::MAX; N]).map(|_| [0; N]),
    }
}

/// Opens a checkpoint, PyTorch's or safetensors, whichever it is.
///
/// # Errors
/// [`Error::Io`], or [`Error::Input`] when it is neither.
pub fn open(path: &Path) -> Result<Box<dyn Tensors>> {
    Ok(Box::new(Checkpoint::open(path)?))
}

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    F16,
    Bf16,
    F32,
    F64,
    /// Whole numbers and others that no weight is made of.
    Other,
}

impl Number {
    fn bytes(self) -> Option<usize> {
        match self {
            Self::F16 | Self::Bf16 => Some(2),
            Self::F32 => Some(4),
            Self::F64 => Some(8),
            Self::Other => None,
        }
    }

    fn to_f32(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F16 => bytes.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
            Self::Bf16 => bytes.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
            Self::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Self::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
            Self::Other => Vec::new(),
        }
    }
}

/// Where a tensor lies in the file.
#[derive(Debug, Clone)]
struct Place {
    number: Number,
    shape: Vec<usize>,
    /// Bytes of the file, checked to lie inside it; `None` for a layout other than row after row.
    bytes: Option<Range<usize>>,
    /// What the file says of the numbers, if it does.
    checksum: Option<Storage>,
}

/// A storage of a PyTorch checkpoint: an entry of the zip.
#[derive(Debug, Clone)]
struct Storage {
    bytes: Range<usize>,
    crc32: u32,
}

/// A file of weights, mapped: a tensor is read from the page cache when it is asked for.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    path: PathBuf,
    map: Mmap,
    tensors: BTreeMap<String, Place>,
}

impl Checkpoint {
    /// Opens `path` and reads its table of contents: safetensors, or what `torch.save` writes since PyTorch 1.6.
    ///
    /// Of a PyTorch checkpoint the state dictionary may be the whole, an entry such as `model` or `state_dict`, or the first dictionary of
    /// a tuple. Prefixes such as `module.` that all names share are taken off.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] that says what the file is instead.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        // SAFETY: weights lie in the model cache, which `models` only ever replaces by renaming a finished file over the old one, or in a
        // folder of the user's; nothing here writes into a file that is mapped. Someone who truncates the file by hand while it is in use
        // gets SIGBUS, not wrong memory: the bytes are only ever read as plain numbers.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?;
        let mut tensors = if map.starts_with(b"PK\x03\x04") {
            from_pytorch(&map).map_err(|found| refused(path, found))?
        } else if map.starts_with(&[0x80]) && map.get(2) == Some(&0x8a) {
            return Err(Error::input(
                path.display(),
                "a checkpoint of PyTorch before 1.6",
                "a zip as torch.save writes it since",
            )
            .with_hint("rewrite it with a newer PyTorch: torch.save(torch.load(FILE, weights_only=True), NEW_FILE)"));
        } else {
            from_safetensors(&map).map_err(|found| refused(path, found))?
        };
        while let Some(wrapper) =
            WRAPPERS.iter().find(|w| !tensors.is_empty() && tensors.keys().all(|n| n.starts_with(**w)))
        {
            tensors = tensors.into_iter().map(|(name, place)| (name[wrapper.len()..].to_owned(), place)).collect();
        }
        Ok(Self { path: path.to_path_buf(), map, tensors })
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

impl Tensors for Checkpoint {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let wrong = |found: String| {
            let expected = match shape.contains(&usize::MAX) {
                true => format!("{} dimensions", shape.len()),
                false => format!("shape {shape:?}"),
            };
            Error::input(format!("{}, tensor {name}", self.path.display()), found, expected)
        };
        let place = self.tensors.get(name).ok_or_else(|| wrong("nothing".into()))?;
        if place.shape != shape {
            return Err(wrong(format!("shape {:?}", place.shape)));
        }
        if place.number == Number::Other {
            return Err(wrong("numbers that are no floats".into()));
        }
        let bytes = place.bytes.clone().ok_or_else(|| wrong("numbers that do not lie row after row".into()))?;
        // Both ranges were checked against the length of the file, which a map keeps.
        if place.checksum.as_ref().is_some_and(|all| crc32fast::hash(&self.map[all.bytes.clone()]) != all.crc32) {
            return Err(wrong("damaged numbers: their checksum differs".into()));
        }
        let numbers = place.number.to_f32(&self.map[bytes]);
        match numbers.iter().all(|x| x.is_finite()) {
            true => Ok(numbers),
            false => Err(wrong("numbers that are not finite".into())),
        }
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|place| place.shape.as_slice())
    }

    fn names(&self) -> BTreeMap<String, Vec<usize>> {
        self.tensors.iter().map(|(name, place)| (name.clone(), place.shape.clone())).collect()
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

fn refused(path: &Path, found: String) -> Error {
    Error::input(path.display(), found, "a PyTorch checkpoint or a safetensors file")
        .with_hint("fetch it again; `echoic models verify` checks the models in the cache")
}

fn from_safetensors(map: &[u8]) -> Result<BTreeMap<String, Place>, String> {
    if map.starts_with(b"version https://git-lfs") {
        return Err("a pointer of Git LFS in place of the weights".into());
    }
    // Checks that the tensors fill the file.
    SafeTensors::deserialize(map).map_err(|cause| format!("a damaged file, or one of another kind ({cause})"))?;
    let (header, metadata) = SafeTensors::read_metadata(map).map_err(|cause| cause.to_string())?;
    let first = header + size_of::<u64>();
    let place = |info: &safetensors::tensor::TensorInfo| Place {
        number: match info.dtype {
            safetensors::Dtype::F16 => Number::F16,
            safetensors::Dtype::BF16 => Number::Bf16,
            safetensors::Dtype::F32 => Number::F32,
            safetensors::Dtype::F64 => Number::F64,
            _ => Number::Other,
        },
        shape: info.shape.clone(),
        bytes: Some(first + info.data_offsets.0..first + info.data_offsets.1),
        checksum: None,
    };
    Ok(metadata.tensors().into_iter().map(|(name, info)| (name, place(info))).collect())
}

fn from_pytorch(map: &[u8]) -> Result<BTreeMap<String, Place>, String> {
    let mut archive = ZipArchive::new(Cursor::new(map)).map_err(|cause| format!("a damaged zip ({cause})"))?;
    let mut storages = BTreeMap::new();
    let mut description = None;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|cause| format!("a damaged zip ({cause})"))?;
        let name = entry.name().map_err(|cause| format!("a damaged zip ({cause})"))?.into_owned();
        let start = entry.data_start().and_then(|start| usize::try_from(start).ok());
        let bytes = start.and_then(|start| Some(start..start.checked_add(usize::try_from(entry.size()).ok()?)?));
        let bytes =
            bytes.filter(|bytes| bytes.end <= map.len()).ok_or_else(|| format!("a zip whose {name} is cut off"))?;
        if entry.compression() != CompressionMethod::Stored {
            return Err(format!("a zip whose {name} is compressed, as torch.save never does"));
        }
        if let Some((folder, "data.pkl")) = name.rsplit_once('/') {
            if entry.size() > PICKLE_LIMIT {
                return Err(format!("a description of {} bytes", entry.size()));
            }
            description = Some((folder.to_owned(), bytes.clone()));
        }
        storages.insert(name, Storage { bytes, crc32: entry.crc32() });
    }
    let (folder, bytes) = description.ok_or("a zip without data.pkl")?;
    let pickle = Pickle::read(&map[bytes])?;
    let dictionary = state_dictionary(&pickle).ok_or("no dictionary of tensors")?;
    let mut tensors = BTreeMap::new();
    for (key, value) in dictionary {
        if let (Some(name), Some(tensor)) = (pickle.text(*key), described(&pickle, *value)) {
            let storage = storages.get(&format!("{folder}/data/{}", tensor.storage));
            let storage = storage.ok_or_else(|| format!("nothing where the numbers of {name} should be"))?;
            tensors.insert(name.to_owned(), (tensor, storage));
        }
    }
    tensors.into_iter().map(|(name, (tensor, storage))| Ok((name.clone(), tensor.place(&name, storage)?))).collect()
}

/// The entries of the dictionary of tensors, wherever in the checkpoint it is.
fn state_dictionary(pickle: &Pickle) -> Option<&[(Id, Id)]> {
    let tensors =
        |id: Id| pickle.entries(id).filter(|all| all.iter().any(|(_, value)| described(pickle, *value).is_some()));
    let root = pickle.root();
    let inner = |id: Id| {
        let entries = pickle.entries(id)?;
        STATE_KEYS.iter().find_map(|wanted| {
            entries.iter().filter(|(key, _)| pickle.text(*key) == Some(*wanted)).find_map(|(_, value)| tensors(*value))
        })
    };
    inner(root).or_else(|| tensors(root)).or_else(|| pickle.items(root)?.iter().find_map(|item| tensors(*item)))
}

/// What the pickle says of a tensor.
struct Described {
    number: Number,
    storage: String,
    /// In numbers, as are the strides.
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// The tensor or parameter that `id` describes, if it is one.
fn described(pickle: &Pickle, id: Id) -> Option<Described> {
    match pickle.call(id)? {
        ("torch._utils _rebuild_parameter", [inner, ..]) => tensor(pickle, *inner),
        _ => tensor(pickle, id),
    }
}

fn tensor(pickle: &Pickle, id: Id) -> Option<Described> {
    let ("torch._utils _rebuild_tensor_v2", [storage, offset, shape, strides, ..]) = pickle.call(id)? else {
        return None;
    };
    let Value::Outside(key) = pickle.value(*storage) else { return None };
    let [_, kind, key, ..] = pickle.items(*key)? else { return None };
    let Value::Global(kind) = pickle.value(*kind) else { return None };
    let sizes = |id: Id| pickle.items(id)?.iter().map(|item| pickle.size(*item)).collect::<Option<Vec<_>>>();
    Some(Described {
        number: match kind.as_str() {
            "torch HalfStorage" => Number::F16,
            "torch BFloat16Storage" => Number::Bf16,
            "torch FloatStorage" => Number::F32,
            "torch DoubleStorage" => Number::F64,
            _ => Number::Other,
        },
        storage: pickle.text(*key)?.to_owned(),
        offset: pickle.size(*offset)?,
        shape: sizes(*shape)?,
        strides: sizes(*strides)?,
    })
}

impl Described {
    /// Finds the tensor in the file.
    fn place(self, name: &str, storage: &Storage) -> Result<Place, String> {
        let Some(size) = self.number.bytes() else {
            return Ok(Place { number: self.number, shape: self.shape, bytes: None, checksum: None });
        };
        let outside = || format!("a tensor {name} that reaches beyond its storage");
        let count = self.shape.iter().try_fold(1usize, |product, n| product.checked_mul(*n));
        let length = count.and_then(|count| count.checked_mul(size)).ok_or_else(outside)?;
        let start =
            self.offset.checked_mul(size).and_then(|skip| storage.bytes.start.checked_add(skip)).ok_or_else(outside)?;
        let end = start.checked_add(length).filter(|end| *end <= storage.bytes.end).ok_or_else(outside)?;
        let bytes = self.is_row_major().then_some(start..end);
        Ok(Place { number: self.number, shape: self.shape, bytes, checksum: Some(storage.clone()) })
    }

    fn is_row_major(&self) -> bool {
        let mut step = 1;
        self.shape.len() == self.strides.len()
            && self.shape.iter().zip(&self.strides).rev().all(|(length, stride)| {
                let fits = *length <= 1 || *stride == step;
                step = step.saturating_mul(*length);
                fits
            })
    }
}

/// The tensor `name` of an open safetensors table as `f32`; `subject` names the file in errors.
pub(crate) fn tensor_of(table: &SafeTensors<'_>, name: &str, shape: &[usize], subject: &str) -> Result<Vec<f32>> {
    let wrong = |found: String| Error::input(format!("{subject}, tensor {name}"), found, format!("shape {shape:?}"));
    let view = table.tensor(name).map_err(|_| wrong("nothing".into()))?;
    if view.shape() != shape {
        return Err(wrong(format!("shape {:?}", view.shape())));
    }
    match view.dtype() {
        safetensors::Dtype::F32 => Ok(Number::F32.to_f32(view.data())),
        safetensors::Dtype::F16 => Ok(Number::F16.to_f32(view.data())),
        other => Err(wrong(format!("numbers of type {other:?}"))),
    }
}
