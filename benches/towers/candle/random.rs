//! Models of full size with random weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, TensorView};

use super::contestants::{INNER, LAYERS, VOCABULARY, WIDTH};

/// Components of the space that both towers share.
const DIM: usize = 1024;

/// Where the model `name` lies, which is made in `scratch` unless it is the starter.
pub fn folder(name: &str, scratch: &Path) -> PathBuf {
    let starter = echoic::models::path("starter").unwrap();
    if name == "minilm" {
        return starter;
    }
    let folder = scratch.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(starter.join("minilm/tokenizer.json"), folder.join("tokenizer.json")).unwrap();
    let mut tensors = Random { rng: ChaCha8Rng::seed_from_u64(1), all: BTreeMap::new() };
    // Of the audio tower only what the model is known by.
    if name == "bert" {
        tensors.bert("text_encoder.text_encoder.", 512, 2);
        tensors.linear("text_proj.0", WIDTH, DIM);
        tensors.linear("text_proj.2", DIM, DIM);
        tensors.linear("audio_proj.0", 1, 1);
        tensors.uniform("audio_encoder.audio_enc.conv_block1.conv1.weight".into(), &[1], 0.0, 1.0);
    } else {
        tensors.bert("text_branch.", 514, 1);
        tensors.linear("text_branch.pooler.dense", WIDTH, WIDTH);
        tensors.linear("text_projection.0", WIDTH, DIM);
        tensors.linear("text_projection.2", DIM, DIM);
        tensors.linear("audio_projection.0", 1, 1);
        tensors.uniform("audio_branch.patch_embed.proj.weight".into(), &[1], 0.0, 1.0);
    }
    let views = tensors
        .all
        .iter()
        .map(|(name, (shape, bytes))| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, &folder.join("model.safetensors")).unwrap();
    folder
}

struct Random {
    rng: ChaCha8Rng,
    all: BTreeMap<String, (Vec<usize>, Vec<u8>)>,
}

impl Random {
    fn uniform(&mut self, name: String, shape: &[usize], middle: f32, reach: f32) {
        let numbers = (0..shape.iter().product()).map(|_| middle + reach * self.rng.random_range(-1.0f32..1.0));
        let bytes = numbers.flat_map(f32::to_le_bytes).collect();
        self.all.insert(name, (shape.to_vec(), bytes));
    }

    fn linear(&mut self, name: &str, inputs: usize, outputs: usize) {
        self.uniform(format!("{name}.weight"), &[outputs, inputs], 0.0, 1.7 / (inputs as f32).sqrt());
        self.uniform(format!("{name}.bias"), &[outputs], 0.0, 0.1);
    }

    fn norm(&mut self, name: &str) {
        self.uniform(format!("{name}.weight"), &[WIDTH], 1.0, 0.2);
        self.uniform(format!("{name}.bias"), &[WIDTH], 0.0, 0.1);
    }

    fn bert(&mut self, prefix: &str, positions: usize, types: usize) {
        for (table, rows) in [("word", VOCABULARY), ("position", positions), ("token_type", types)] {
            self.uniform(format!("{prefix}embeddings.{table}_embeddings.weight"), &[rows, WIDTH], 0.0, 0.05);
        }
        self.norm(&format!("{prefix}embeddings.LayerNorm"));
        for layer in 0..LAYERS {
            let at = |part: &str| format!("{prefix}encoder.layer.{layer}.{part}");
            for part in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
            {
                self.linear(&at(part), WIDTH, WIDTH);
            }
            self.norm(&at("attention.output.LayerNorm"));
            self.linear(&at("intermediate.dense"), WIDTH, INNER);
            self.linear(&at("output.dense"), INNER, WIDTH);
            self.norm(&at("output.LayerNorm"));
        }
    }
}
