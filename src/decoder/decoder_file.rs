//! The decoder's file: one safetensors file with the weights, whose header carries shape, vocabulary, embedding space and
//! how it was trained.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs::File,
    io::Read,
    path::Path,
};

use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::View};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{config::DecoderConfig, model, options::TrainingFacts, vocabulary::Vocabulary};
use crate::error::{Hint, Topic};
use crate::file::Replacement;
use crate::{EmbeddingSpace, Error, Result};

/// Named blocks of numbers with their shapes.
pub(super) type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// A block of numbers to be written. It becomes bytes when its turn comes: a checkpoint lies in memory once.
pub(super) struct Block<'a> {
    pub shape: &'a [usize],
    pub data: &'a [f32],
}

impl View for Block<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.data.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.data)
    }
}

/// The kind and version of the file, as its header names it.
const FORMAT: &str = "echoic-decoder-1";

/// The header's one entry. One, because safetensors writes several in random order: the same training, the same file.
const ENTRY: &str = "echoic";

/// Everything that a decoder's file says beside its weights; JSON in the header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    pub config: DecoderConfig,
    pub vocabulary: Vocabulary,
    pub space: EmbeddingSpace,
    #[serde(rename = "training")]
    pub facts: TrainingFacts,
}

/// The part of the header that every version has.
#[derive(Deserialize)]
struct Format {
    format: String,
}

/// How the decoder in a file was trained, without reading its weights.
pub(super) fn read_facts(path: &Path) -> Result<TrainingFacts> {
    #[derive(Deserialize)]
    struct Noted {
        training: TrainingFacts,
    }
    entry::<Noted>(path, &read_metadata(path)?, ENTRY).map(|noted| noted.training)
}

/// Writes a decoder's file; whoever reads `path` sees the old file or the new one, never a part.
pub(super) fn write_decoder(path: &Path, header: &Header, tensors: Vec<(String, Block<'_>)>) -> Result<()> {
    #[derive(Serialize)]
    struct Whole<'a> {
        format: &'static str,
        #[serde(flatten)]
        header: &'a Header,
    }
    let text = json(&Whole { format: FORMAT, header })?;
    write_tensors(path, HashMap::from([(ENTRY.to_owned(), text)]), tensors)
}

/// Reads a decoder's file and checks that every weight is there in its shape, finite.
pub(super) fn read_decoder(path: &Path) -> Result<(Header, Tensors)> {
    let (metadata, mut tensors) = read_tensors(path)?;
    let wrong = |what: &str| {
        Error::input(path.display(), what, "a decoder file")
            .with_hint(Hint::about(Topic::Train, "train one, or restore the file from a backup"))
    };
    if !metadata.contains_key(ENTRY) {
        return Err(wrong("a safetensors file of another kind"));
    }
    let Format { format } = entry(path, &metadata, ENTRY)?;
    if format != FORMAT {
        return Err(wrong(&format!("the format '{format}'")));
    }
    let header: Header = entry(path, &metadata, ENTRY)?;
    header.config.check()?;
    if header.vocabulary.len() != header.config.vocabulary || header.space.dim != header.config.dim {
        return Err(wrong("a vocabulary or embedding space that does not fit the weights"));
    }
    for (name, shape) in model::shapes(&header.config) {
        match tensors.get(&name) {
            Some((found, data)) if *found == shape && data.iter().all(|x| x.is_finite()) => {}
            Some((found, _)) => {
                return Err(wrong(&format!("the weight {name} with shape {found:?} or numbers that are not finite")));
            }
            None => return Err(wrong(&format!("no weight {name}"))),
        }
    }
    tensors.retain(|_, (shape, _)| !shape.is_empty());
    Ok((header, tensors))
}

/// A value as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::Internal(format!("cannot write JSON: {e}")))
}

/// A value from the header.
pub(super) fn entry<T: DeserializeOwned>(path: &Path, metadata: &HashMap<String, String>, key: &str) -> Result<T> {
    let text = metadata.get(key).map_or("", String::as_str);
    serde_json::from_str(text).map_err(|e| {
        Error::input(format!("{}: header entry '{key}'", path.display()), e, "JSON as this version writes it")
    })
}

/// Writes a safetensors file under another name, syncs it, and renames it to `path`.
pub(super) fn write_tensors(
    path: &Path,
    metadata: HashMap<String, String>,
    tensors: Vec<(String, Block<'_>)>,
) -> Result<()> {
    let new = Replacement::beside(path)?;
    safetensors::serialize_to_file(tensors, Some(metadata), new.place()).map_err(|error| match error {
        SafeTensorError::IoError(cause) => Error::io("write", path)(cause),
        error => Error::Internal(format!("cannot write tensors: {error}")),
    })?;
    new.keep()
}

/// Reads what the header of a safetensors file says beside its tensors, and no more of the file.
pub(super) fn read_metadata(path: &Path) -> Result<HashMap<String, String>> {
    #[derive(Deserialize)]
    struct Said {
        #[serde(rename = "__metadata__", default)]
        metadata: HashMap<String, String>,
    }
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut len = [0; 8];
    file.read_exact(&mut len).map_err(Error::io("read", path))?;
    // What a forged length announces is not reserved: only what is there is read.
    let mut header = Vec::new();
    file.take(u64::from_le_bytes(len)).read_to_end(&mut header).map_err(Error::io("read", path))?;
    let said: Said = serde_json::from_slice(&header).map_err(|e| Error::damaged(path, 8, e, "a safetensors header"))?;
    Ok(said.metadata)
}

/// Reads all f32 tensors of a safetensors file, and its header.
pub(super) fn read_tensors(path: &Path) -> Result<(HashMap<String, String>, Tensors)> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let damaged = |e: SafeTensorError| Error::damaged(path, 0, e, "a safetensors file");
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let mut all = Tensors::new();
    for (name, view) in tensors.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(Error::damaged(path, 0, format!("{name} of type {:?}", view.dtype()), "f32"));
        }
        let data = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        all.insert(name.to_owned(), (view.shape().to_vec(), data));
    }
    Ok((header.metadata().clone().unwrap_or_default(), all))
}
