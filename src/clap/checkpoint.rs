//! Reading weights: PyTorch checkpoints (parsed, never executed) and mapped safetensors files.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use candle_core::pickle::{Object, Stack, TensorInfo};
use candle_core::{DType, Device, Tensor};
use memmap2::Mmap;
use safetensors::SafeTensors;
use zip::ZipArchive;

use crate::{Error, Result};

/// Bytes that the description of a checkpoint may have; real ones have some ten thousand.
const PICKLE_LIMIT: u64 = 64 << 20;

/// Named tensors of a checkpoint, in whatever format: what a tower is loaded from.
pub trait Tensors: Send + Sync {
    /// The tensor `name`, whose shape must be `shape`, as `f32` in row-major order.
    ///
    /// # Errors
    /// [`Error::Input`] that names a missing or misshapen tensor, [`Error::Io`] when it cannot be read.
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>>;
}

/// Opens a checkpoint, PyTorch's (a zip) or safetensors, whichever it is.
///
/// # Errors
/// [`Error::Io`], or [`Error::Input`] when it is neither.
pub fn open(path: &Path) -> Result<Box<dyn Tensors>> {
    let mut magic = [0; 4];
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let zip = file.read_exact(&mut magic).is_ok() && magic == *b"PK\x03\x04";
    if zip { Ok(Box::new(PyTorch::open(path)?)) } else { Ok(Box::new(Mapped::open(path)?)) }
}

/// A PyTorch checkpoint: a zip of a pickle that describes tensors and of their bytes.
///
/// The pickle is parsed by candle's reader, which builds plain values and calls nothing.
pub(crate) struct PyTorch {
    path: PathBuf,
    archive: Mutex<ZipArchive<BufReader<File>>>,
    tensors: HashMap<String, TensorInfo>,
}

impl PyTorch {
    /// Opens `path`; the state dictionary may be the whole pickle or the first dictionary of a tuple.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let damaged = |found: String| {
            Error::input(path.display(), found, "a PyTorch checkpoint")
                .with_hint("run `echoic models verify`, then remove the model and pull it again")
        };
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(e.to_string()))?;
        let pickle = archive
            .file_names()
            .filter_map(|name| name.ok())
            .map(|name| name.into_owned())
            .find(|name| name.ends_with("/data.pkl"))
            .ok_or_else(|| damaged("a zip without data.pkl".into()))?;
        let folder = PathBuf::from(pickle.trim_end_matches(".pkl"));
        let mut stack = Stack::empty();
        let entry = archive.by_name(&pickle).map_err(|e| damaged(e.to_string()))?;
        stack.read_loop(&mut BufReader::new(entry.take(PICKLE_LIMIT))).map_err(|e| damaged(e.to_string()))?;
        let dictionary = match stack.finalize().map_err(|e| damaged(e.to_string()))? {
            Object::Dict(entries) => Some(entries),
            Object::Tuple(items) => items.into_iter().find_map(|item| item.dict().ok()),
            _ => None,
        };
        let mut tensors = HashMap::new();
        for (name, value) in dictionary.ok_or_else(|| damaged("a pickle without a state dictionary".into()))? {
            if let Some(info) = value.into_tensor_info(name, &folder).map_err(|e| damaged(e.to_string()))? {
                tensors.insert(info.name.clone(), info);
            }
        }
        Ok(Self { path: path.to_path_buf(), archive: Mutex::new(archive), tensors })
    }
}

impl Tensors for PyTorch {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let wrong = |found: String| {
            Error::input(format!("{}, tensor {name}", self.path.display()), found, format!("shape {shape:?}"))
        };
        let info = self.tensors.get(name).ok_or_else(|| wrong("nothing".into()))?;
        if info.layout.dims() != shape {
            return Err(wrong(format!("shape {:?}", info.layout.dims())));
        }
        if !info.layout.is_contiguous() {
            return Err(wrong("a strided layout".into()));
        }
        // A reader that panicked left nothing behind: each entry is found anew.
        let mut archive = self.archive.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entry = archive.by_name(&info.path).map_err(|e| wrong(e.to_string()))?;
        // candle's reader gives the offset into the storage in bytes, though other layouts count elements.
        let skip = info.layout.start_offset() as u64;
        std::io::copy(&mut entry.by_ref().take(skip), &mut std::io::sink()).map_err(Error::io("read", &self.path))?;
        let mut bytes = vec![0; shape.iter().product::<usize>() * info.dtype.size_in_bytes()];
        entry.read_exact(&mut bytes).map_err(Error::io("read", &self.path))?;
        let tensor = Tensor::from_raw_buffer(&bytes, info.dtype, shape, &Device::Cpu)?;
        Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    }
}

/// A safetensors file, mapped: tensors are read from the page cache on demand.
pub(crate) struct Mapped {
    path: PathBuf,
    map: Mmap,
}

impl Mapped {
    /// Maps `path` and checks its table of contents.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        // SAFETY: the weights lie in the model cache, which `models` only ever replaces by renaming a finished file over the old one;
        // nothing writes into a file that is mapped. Someone who truncates the file by hand while it is in use gets SIGBUS, not wrong
        // memory: the bytes are only ever read as plain numbers.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?;
        let mapped = Self { path: path.to_path_buf(), map };
        mapped.contents()?;
        Ok(mapped)
    }

    fn contents(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.map).map_err(|cause| {
            Error::input(self.path.display(), format!("a damaged file ({cause})"), "a safetensors file")
                .with_hint("run `echoic models verify`, then remove the model and pull it again")
        })
    }
}

impl Tensors for Mapped {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        tensor(&self.contents()?, name, shape, &self.path.display().to_string())
    }
}

/// The tensor `name` of an open safetensors table as `f32`; `subject` names the file in errors.
pub(crate) fn tensor(table: &SafeTensors<'_>, name: &str, shape: &[usize], subject: &str) -> Result<Vec<f32>> {
    let wrong = |found: String| Error::input(format!("{subject}, tensor {name}"), found, format!("shape {shape:?}"));
    let view = table.tensor(name).map_err(|_| wrong("nothing".into()))?;
    if view.shape() != shape {
        return Err(wrong(format!("shape {:?}", view.shape())));
    }
    match view.dtype() {
        safetensors::Dtype::F32 => Ok(view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        safetensors::Dtype::F16 => {
            Ok(view.data().as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect())
        }
        other => Err(wrong(format!("numbers of type {other:?}"))),
    }
}
