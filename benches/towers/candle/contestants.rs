//! The contestants: our towers, and candle-transformers' BERT and RoBERTa with what stands behind them in the model.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{Activation, Linear, Module, VarBuilder, linear};
use candle_transformers::models::bert::{BertModel, Config};
use candle_transformers::models::xlm_roberta::{Config as RobertaConfig, XLMRobertaModel};
use echoic::Clap;
use rayon::prelude::*;

use super::peak::peak_memory;
use super::processor::processor_seconds;

/// Ours first: the others are compared with it.
pub const CONTESTANTS: [&str; 4] = ["ours", "candle, padded", "candle, one by one", "candle, a text a thread"];

pub const MODELS: [&str; 3] = ["minilm", "bert", "roberta"];

/// The sizes of bert-base-uncased; roberta-base differs from it in the vocabulary alone.
pub const WIDTH: usize = 768;
pub const INNER: usize = 3072;
pub const LAYERS: usize = 12;
pub const VOCABULARY: usize = 30_522;
const HEADS: usize = 12;

/// Answers the questions of standard input until it ends.
pub fn serve(contestant: &str, model: &str, folder: &Path, texts: &Path) {
    let texts = std::fs::read_to_string(texts).unwrap();
    let texts: Vec<&str> = texts.lines().collect();
    let clap = Clap::load(if model == "minilm" { "starter" } else { folder.to_str().unwrap() }).unwrap();
    let tower = (contestant != "ours").then(|| Tower::load(model, folder).unwrap());
    let embed = |texts: &[&str]| -> Vec<f32> {
        let Some(tower) = &tower else { return clap.embed_texts(texts).unwrap().into_vec() };
        let tokens: Vec<Vec<u32>> = texts.iter().map(|text| clap.tokens(text).unwrap()).collect();
        match contestant {
            "candle, padded" => tower.embed(&tokens).unwrap(),
            "candle, one by one" => tokens.chunks(1).flat_map(|one| tower.embed(one).unwrap()).collect(),
            _ => tokens.par_chunks(1).flat_map(|one| tower.embed(one).unwrap()).collect(),
        }
    };
    for question in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
        match question.split_once(' ').unwrap_or((&question, "")) {
            ("turn", _) => {
                let (wall, processor) = (Instant::now(), processor_seconds());
                std::hint::black_box(embed(&texts));
                println!("{} {}", wall.elapsed().as_secs_f64(), processor_seconds() - processor);
            }
            ("write", path) => {
                let bytes: Vec<u8> = embed(&texts).into_iter().flat_map(f32::to_le_bytes).collect();
                std::fs::write(path, bytes).unwrap();
                println!("written");
            }
            ("alone", _) => {
                let all = embed(&texts);
                let rows = all.chunks(all.len() / texts.len());
                println!("{}", texts.iter().zip(rows).filter(|(text, row)| embed(&[text]) != *row).count());
            }
            _ => println!("{:.0}", peak_memory()),
        }
        std::io::stdout().flush().unwrap();
    }
}

/// A text tower out of candle-transformers, as a family of models uses it.
enum Tower {
    /// The mean of the tokens' states.
    MiniLm(BertModel),
    /// The first token's state, and two layers.
    Bert(BertModel, [Linear; 2]),
    /// The first token's state, a layer with tanh, and two more.
    Roberta(XLMRobertaModel, Linear, [Linear; 2]),
}

impl Tower {
    fn load(model: &str, folder: &Path) -> Result<Self> {
        let file = folder.join(if model == "minilm" { "minilm/model.safetensors" } else { "model.safetensors" });
        let tensors = candle_core::safetensors::load(file, &Device::Cpu)?;
        let weights = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let rows = |name: &str| weights.get_unchecked(name).map(|table| table.dims()[0]);
        Ok(match model {
            "minilm" => Self::MiniLm(BertModel::load(
                weights,
                &Config { hidden_size: 384, num_hidden_layers: 6, intermediate_size: 1536, ..Config::default() },
            )?),
            "bert" => {
                let dim = rows("text_proj.0.weight")?;
                let projection =
                    [linear(WIDTH, dim, weights.pp("text_proj.0"))?, linear(dim, dim, weights.pp("text_proj.2"))?];
                Self::Bert(BertModel::load(weights.pp("text_encoder.text_encoder"), &Config::default())?, projection)
            }
            _ => {
                let dim = rows("text_projection.0.weight")?;
                let projection = [
                    linear(WIDTH, dim, weights.pp("text_projection.0"))?,
                    linear(dim, dim, weights.pp("text_projection.2"))?,
                ];
                let config = RobertaConfig {
                    hidden_size: WIDTH,
                    layer_norm_eps: 1e-5,
                    attention_probs_dropout_prob: 0.0,
                    hidden_dropout_prob: 0.0,
                    num_attention_heads: HEADS,
                    position_embedding_type: "absolute".into(),
                    intermediate_size: INNER,
                    hidden_act: Activation::Gelu,
                    num_hidden_layers: LAYERS,
                    vocab_size: VOCABULARY,
                    max_position_embeddings: 514,
                    type_vocab_size: 1,
                    pad_token_id: 1,
                };
                let part = weights.pp("text_branch");
                let pooler = linear(WIDTH, WIDTH, part.pp("pooler.dense"))?;
                Self::Roberta(XLMRobertaModel::new(&config, part)?, pooler, projection)
            }
        })
    }

    /// Unit vectors of texts that are padded to the longest.
    fn embed(&self, texts: &[Vec<u32>]) -> Result<Vec<f32>> {
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        let shape = (texts.len(), longest);
        let padding = if matches!(self, Self::Roberta(..)) { 1 } else { 0 };
        let (mut ids, mut mask) = (Vec::new(), Vec::new());
        for text in texts {
            ids.extend_from_slice(text);
            ids.resize(ids.len() + longest - text.len(), padding);
            mask.extend((0..longest).map(|place| f32::from(place < text.len())));
        }
        let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
        let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
        let types = ids.zeros_like()?;
        let first = |states: Tensor| states.narrow(1, 0, 1)?.squeeze(1)?.contiguous();
        let project = |vectors: Tensor, [one, two]: &[Linear; 2]| two.forward(&one.forward(&vectors)?.relu()?);
        let vectors = match self {
            Self::MiniLm(bert) => {
                let states = bert.forward(&ids, &types, Some(&mask))?;
                let mask = mask.unsqueeze(2)?;
                states.broadcast_mul(&mask)?.sum(1)?.broadcast_div(&mask.sum(1)?)?
            }
            Self::Bert(bert, projection) => project(first(bert.forward(&ids, &types, Some(&mask))?)?, projection)?,
            Self::Roberta(roberta, pooler, projection) => {
                let states = roberta.forward(&ids, &mask, &types, None, None, None)?;
                project(pooler.forward(&first(states)?)?.tanh()?, projection)?
            }
        };
        let lengths = vectors.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
        vectors.broadcast_div(&lengths)?.flatten_all()?.to_vec1()
    }
}
