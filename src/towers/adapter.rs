//! The adapter from pooled audio features to the text embeddings' space, and its file.
//!
//! The file is safetensors: `mean` and `scale` `[features]`, then `layers.N.weight` `[outputs, inputs]` and `layers.N.bias` `[outputs]` for
//! N = 0, 1, …, each `f16` or `f32`. Features are standardised by `mean` and `scale`, then cut at ±[`CLIP`]; layers follow, and unit length.
//! Its metadata holds one key, `echoic`, with the JSON of [`AdapterFacts`].

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::features::Features;
use crate::digest::hex;
use crate::error::{Hint, Topic};
use crate::file;
use crate::formats::checkpoint::tensor_of;
use crate::nn::gemm::{Packed, multiply};
use crate::{Error, Result, embedding};

/// The version of the file format.
pub const VERSION: u32 = 1;

/// Standardised features are cut to this many deviations: a rare channel that fires must not drown all others.
pub const CLIP: f32 = 6.0;

/// `(x − mean) · scale`, cut at ±[`CLIP`].
pub(crate) fn standardise(features: &[f32], mean: &[f32], scale: &[f32]) -> Vec<f32> {
    let rows = features.iter().zip(mean).zip(scale);
    rows.map(|((x, mean), scale)| ((x - mean) * scale).clamp(-CLIP, CLIP)).collect()
}

/// What the file says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterFacts {
    /// Version of the file format: [`VERSION`].
    pub version: u32,
    /// The kind of features it takes: a name of [`Features`].
    pub features: String,
    /// Components of the features.
    pub inputs: usize,
    /// Components of the embeddings.
    pub outputs: usize,
    /// What stands between the layers.
    pub activation: Activation,
    /// Number of linear layers.
    pub layers: usize,
    /// How it was trained: sources, settings, results. Free form; not interpreted.
    #[serde(default)]
    pub training: BTreeMap<String, serde_json::Value>,
}

/// The function between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x · Φ(x)`.
    Gelu,
}

/// A linear layer as training leaves it.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterLayer {
    /// `[outputs, inputs]`, row-major.
    pub weight: Vec<f32>,
    /// `[outputs]`.
    pub bias: Vec<f32>,
}

/// The trained parameters of an adapter, for writing its file.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterParameters {
    /// What the file says about itself.
    pub facts: AdapterFacts,
    /// Subtracted from the features: `[inputs]`.
    pub mean: Vec<f32>,
    /// The difference is multiplied by this: `[inputs]`, 1 / standard deviation.
    pub scale: Vec<f32>,
    /// The linear layers in order.
    pub layers: Vec<AdapterLayer>,
}

/// How numbers are stored in an adapter file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Two bytes each, 11 significant bits.
    F16,
    /// Four bytes each.
    F32,
}

/// An adapter, ready to apply.
#[derive(Debug)]
pub struct Adapter {
    facts: AdapterFacts,
    features: Features,
    mean: Vec<f32>,
    scale: Vec<f32>,
    layers: Vec<(Packed, Vec<f32>)>,
    sha256: String,
    /// The file as it was read, so that a store can keep it.
    file: Vec<u8>,
}

impl Adapter {
    /// Reads an adapter file.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] that says what does not fit.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        Self::from_bytes(&bytes, &path.display().to_string())
    }

    /// Reads an adapter from memory; `subject` names it in errors.
    ///
    /// # Errors
    /// [`Error::Input`] that says what does not fit.
    pub fn from_bytes(bytes: &[u8], subject: &str) -> Result<Self> {
        let wrong = |found: String| {
            Error::input(subject, found, "an adapter file").with_hint(Hint::about(Topic::Align, "learn it anew"))
        };
        let table = SafeTensors::deserialize(bytes).map_err(|e| wrong(format!("no safetensors file ({e})")))?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| wrong(e.to_string()))?;
        let json = header.metadata().as_ref().and_then(|m| m.get("echoic"));
        let json = json.ok_or_else(|| wrong("no description of the adapter in the metadata".into()))?;
        let facts: AdapterFacts = serde_json::from_str(json).map_err(|e| wrong(format!("its description: {e}")))?;
        if facts.version != VERSION {
            return Err(wrong(format!("version {} of the format; this build reads {VERSION}", facts.version)));
        }
        let unknown =
            || format!("{} features of kind '{}', which this build does not know", facts.inputs, facts.features);
        let features = Features::from_name(&facts.features, facts.inputs).ok_or_else(|| wrong(unknown()))?;
        if facts.inputs == 0 || facts.layers == 0 || facts.layers > 64 {
            return Err(wrong(format!("{} inputs and {} layers", facts.inputs, facts.layers)));
        }
        let finite = |numbers: &[f32]| match numbers.iter().all(|x| x.is_finite()) {
            true => Ok(()),
            false => Err(wrong("weights that are not finite numbers".into())),
        };
        let mut layers = Vec::new();
        let mut inputs = facts.inputs;
        for index in 0..facts.layers {
            let name = format!("layers.{index}.weight");
            let shape = table.tensor(&name).map_err(|_| wrong(format!("no tensor {name}")))?.shape().to_vec();
            let outputs = shape.first().copied().filter(|n| *n > 0).ok_or_else(|| wrong(format!("an empty {name}")))?;
            let weight = tensor_of(&table, &name, &[outputs, inputs], subject)?;
            let bias = tensor_of(&table, &format!("layers.{index}.bias"), &[outputs], subject)?;
            finite(&weight)?;
            finite(&bias)?;
            layers.push((Packed::from_linear(&weight, outputs, inputs), bias));
            inputs = outputs;
        }
        if inputs != facts.outputs {
            return Err(wrong(format!("a last layer of {inputs} outputs, announced {}", facts.outputs)));
        }
        let mean = tensor_of(&table, "mean", &[facts.inputs], subject)?;
        let scale = tensor_of(&table, "scale", &[facts.inputs], subject)?;
        finite(&mean)?;
        finite(&scale)?;
        Ok(Self { facts, features, mean, scale, layers, sha256: hex(&Sha256::digest(bytes)), file: bytes.to_vec() })
    }

    /// What the file says about itself.
    pub fn facts(&self) -> &AdapterFacts {
        &self.facts
    }

    /// The features it takes.
    pub fn features(&self) -> Features {
        self.features
    }

    /// The bytes of the file.
    pub fn file(&self) -> &[u8] {
        &self.file
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// A unit vector `[outputs]` for `features` `[inputs]`.
    ///
    /// # Errors
    /// [`Error::Internal`] when the features have another length, or the result has no direction.
    pub fn apply(&self, features: &[f32]) -> Result<Vec<f32>> {
        if features.len() != self.mean.len() {
            return Err(Error::Internal(format!("{} features for an adapter of {}", features.len(), self.mean.len())));
        }
        let mut state = standardise(features, &self.mean, &self.scale);
        for (index, (weight, bias)) in self.layers.iter().enumerate() {
            let mut out = vec![0.0; bias.len()];
            multiply(&state, weight, &mut out);
            out.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
            if index + 1 < self.layers.len() {
                out.iter_mut().for_each(|x| *x = self.facts.activation.apply(*x));
            }
            state = out;
        }
        if embedding::normalize(&mut state) == 0.0 {
            return Err(Error::Internal("the adapter gave a vector without direction".into()));
        }
        Ok(state)
    }
}

impl Activation {
    fn apply(self, x: f32) -> f32 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Gelu => crate::nn::functions::gelu(x),
        }
    }
}

impl AdapterParameters {
    /// Writes the file, in the place of one that is there.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Internal`] when the shapes contradict each other.
    pub fn write(&self, path: &Path, storage: Storage) -> Result<()> {
        let bytes = self.to_bytes(storage)?;
        // Reading it back checks shapes and facts before anything is replaced.
        Adapter::from_bytes(&bytes, &path.display().to_string()).map_err(|e| Error::Internal(e.to_string()))?;
        file::replace(path, &bytes)
    }

    pub(crate) fn to_bytes(&self, storage: Storage) -> Result<Vec<u8>> {
        let mut tensors = vec![
            ("mean".to_owned(), vec![self.mean.len()], encode(&self.mean, Storage::F32), Dtype::F32),
            ("scale".to_owned(), vec![self.scale.len()], encode(&self.scale, Storage::F32), Dtype::F32),
        ];
        let dtype = if storage == Storage::F16 { Dtype::F16 } else { Dtype::F32 };
        for (index, layer) in self.layers.iter().enumerate() {
            let outputs = layer.bias.len();
            let inputs = layer.weight.len() / outputs.max(1);
            tensors.push((
                format!("layers.{index}.weight"),
                vec![outputs, inputs],
                encode(&layer.weight, storage),
                dtype,
            ));
            tensors.push((format!("layers.{index}.bias"), vec![outputs], encode(&layer.bias, storage), dtype));
        }
        let internal = |cause: String| Error::Internal(format!("cannot write the adapter: {cause}"));
        let json = serde_json::to_string(&self.facts).map_err(|e| internal(e.to_string()))?;
        let metadata = HashMap::from([("echoic".to_owned(), json)]);
        let views = tensors
            .iter()
            .map(|(name, shape, bytes, dtype)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|e| internal(e.to_string()))?;
        safetensors::serialize(views, Some(metadata)).map_err(|e| internal(e.to_string()))
    }
}

fn encode(values: &[f32], storage: Storage) -> Vec<u8> {
    match storage {
        Storage::F16 => values.iter().flat_map(|x| half::f16::from_f32(*x).to_le_bytes()).collect(),
        Storage::F32 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::pooling::Pooling;
    use super::*;

    /// Takes the mean of the features times ±1: easy to follow by hand.
    fn parameters() -> AdapterParameters {
        let inputs = Pooling::MaxMeanStd.dim();
        AdapterParameters {
            facts: AdapterFacts {
                version: VERSION,
                features: Pooling::MaxMeanStd.name().into(),
                inputs,
                outputs: 2,
                activation: Activation::Relu,
                layers: 2,
                training: BTreeMap::from([("epochs".into(), 30.into())]),
            },
            mean: vec![1.0; inputs],
            scale: vec![2.0; inputs],
            layers: vec![
                AdapterLayer {
                    weight: [1.0, -1.0].iter().flat_map(|w| vec![w / inputs as f32; inputs]).collect(),
                    bias: vec![0.0, 0.0],
                },
                AdapterLayer { weight: vec![1.0, 0.0, 0.0, 1.0], bias: vec![0.0, 3.0] },
            ],
        }
    }

    #[test]
    fn a_written_file_reads_back_and_applies() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        for (storage, tolerance) in [(Storage::F32, 1e-5), (Storage::F16, 2e-3)] {
            let parameters = parameters();
            parameters.write(&path, storage).unwrap();
            let adapter = Adapter::load(&path).unwrap();
            assert_eq!(adapter.facts(), &parameters.facts);
            // Standardised to 4, so the layers give (4, 0) and then (4, 3).
            let got = adapter.apply(&vec![3.0; parameters.facts.inputs]).unwrap();
            assert!((got[0] - 0.8).abs() < tolerance && (got[1] - 0.6).abs() < tolerance, "{got:?}");
        }
        // Standardised to 8, which is cut at 6.
        let got = Adapter::load(&path).unwrap().apply(&vec![5.0; Pooling::MaxMeanStd.dim()]).unwrap();
        assert!((got[0] / got[1] - 2.0).abs() < 1e-2, "{got:?}");
    }

    #[test]
    fn a_file_that_does_not_fit_says_why() {
        let mut bytes = parameters().to_bytes(Storage::F32).unwrap();
        let message = |bytes: &[u8]| Adapter::from_bytes(bytes, "x").unwrap_err().to_string();
        assert!(message(b"no").contains("no safetensors file"));
        let mut unknown = parameters();
        unknown.facts.features = "median".into();
        assert!(message(&unknown.to_bytes(Storage::F32).unwrap()).contains("'median'"));
        let mut newer = parameters();
        newer.facts.version = 9;
        assert!(message(&newer.to_bytes(Storage::F32).unwrap()).contains("version 9"));
        let mut narrow = parameters();
        narrow.layers[1] = AdapterLayer { weight: vec![1.0; 3], bias: vec![0.0; 1] };
        assert!(message(&narrow.to_bytes(Storage::F32).unwrap()).contains("layers.1.weight"));
        let mut infinite = parameters();
        infinite.layers[0].bias[1] = f32::INFINITY;
        assert!(message(&infinite.to_bytes(Storage::F32).unwrap()).contains("not finite"));
        bytes.truncate(bytes.len() - 100);
        assert!(message(&bytes).contains("no safetensors file"));
    }
}
