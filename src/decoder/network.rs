//! The decoder's forward and backward pass for training (WSAC, section 2.1), over packed sequences.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::{config::DecoderConfig, model::Parameters, packing::Packed};
use crate::nn::ops;
use crate::tensor::Result;

/// The gradient of every parameter by name.
pub(super) type Gradients = BTreeMap<String, Tensor>;

/// Which numbers a step drops.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dropout {
    pub rate: f32,
    pub seed: u64,
}

impl Dropout {
    /// No dropout: validation.
    pub(super) const NONE: Self = Self { rate: 0.0, seed: 0 };

    /// Each place where numbers are dropped has a mask of its own.
    const fn seed(self, site: usize) -> u64 {
        self.seed.wrapping_add((site as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn add(self, x: Option<&Tensor>, y: Tensor, site: usize) -> Result<Tensor> {
        Ok(ops::dropout_add(x, y, self.rate, self.seed(site))?)
    }

    fn backward(self, grad: &Tensor, site: usize) -> Result<Tensor> {
        Ok(ops::dropout_backward(grad, self.rate, self.seed(site))?)
    }
}

/// One batch on its way through the decoder.
pub(super) struct Network<'a> {
    pub parameters: &'a Parameters,
    pub config: &'a DecoderConfig,
    pub batch: &'a Packed,
    pub dropout: Dropout,
}

/// What a block's backward pass needs of its forward pass; all `[rows, …]`.
struct BlockTrace {
    x1: Tensor,
    normal1: Tensor,
    qkv: Tensor,
    mixed: Tensor,
    x2: Tensor,
    normal2: Tensor,
    up: Tensor,
    gated: Tensor,
}

/// What the backward pass needs of the forward pass.
struct Trace {
    embeddings: Tensor,
    hidden: Tensor,
    blocks: Vec<BlockTrace>,
    selected: Tensor,
    normal: Tensor,
}

impl Network<'_> {
    /// The mean cross-entropy in nats a token; `embeddings` `[sequences, dim]`.
    pub(super) fn loss(&self, embeddings: Vec<f32>) -> Result<f64> {
        let (_, logits) = self.forward(embeddings)?;
        Ok(ops::cross_entropy(&logits, &self.batch.targets, 0.0)?.0)
    }

    /// The logits `[scored rows, vocabulary]`.
    #[cfg(test)]
    pub(super) fn logits(&self, embeddings: Vec<f32>) -> Result<Tensor> {
        Ok(self.forward(embeddings)?.1)
    }

    /// The mean cross-entropy with label smoothing, and its gradients.
    pub(super) fn loss_and_gradients(&self, embeddings: Vec<f32>, smoothing: f32) -> Result<(f64, Gradients)> {
        let (trace, logits) = self.forward(embeddings)?;
        let (loss, log_sums) = ops::cross_entropy(&logits, &self.batch.targets, smoothing)?;
        let grad = ops::cross_entropy_backward(logits, &self.batch.targets, smoothing, &log_sums)?;
        Ok((loss, self.backward(&trace, grad)?))
    }

    /// The trace, and the logits `[scored rows, vocabulary]`.
    fn forward(&self, embeddings: Vec<f32>) -> Result<(Trace, Tensor)> {
        let (config, batch) = (self.config, self.batch);
        let sequences = batch.embeddings.len();
        let embeddings = Tensor::from_vec(embeddings, (sequences, config.dim), &Device::Cpu)?;
        // The paper's mapping network has two layers (the authors' code has one); tanh between them, as in ClipCap.
        let hidden = ops::tanh(&self.linear("mapper.0", &embeddings)?)?;
        let prefixes = self.linear("mapper.1", &hidden)?.reshape((sequences * config.prefix_tokens, config.width))?;
        let (tokens, positions) = (self.parameters.get("tokens")?, self.parameters.get("positions")?);
        let x = ops::embed(&tokens, &positions, &prefixes, &batch.tokens, &batch.positions)?;
        let mut x = self.dropout.add(None, x, 0)?;
        let mut blocks = Vec::with_capacity(config.layers);
        for layer in 0..config.layers {
            let (block, out) = self.block(layer, x)?;
            blocks.push(block);
            x = out;
        }
        let selected = ops::select_rows(&x, &batch.scored)?;
        let normal = self.norm("norm", &selected)?;
        let logits = normal.matmul(&self.parameters.get(self.output())?.t()?)?;
        Ok((Trace { embeddings, hidden, blocks, selected, normal }, logits))
    }

    /// The name of the output embedding: where it is tied it is the input embedding, as in GPT-2.
    fn output(&self) -> &'static str {
        if self.config.tied { "tokens" } else { "output" }
    }

    fn block(&self, layer: usize, x1: Tensor) -> Result<(BlockTrace, Tensor)> {
        let name = |part: &str| format!("layers.{layer}.{part}");
        let normal1 = self.norm(&name("norm1"), &x1)?;
        let qkv = self.linear(&name("attention.in"), &normal1)?;
        let mixed = ops::attention(&qkv, &self.batch.offsets, self.config.heads)?;
        let x2 = self.dropout.add(Some(&x1), self.linear(&name("attention.out"), &mixed)?, 2 * layer + 1)?;
        let normal2 = self.norm(&name("norm2"), &x2)?;
        let up = self.linear(&name("mlp.up"), &normal2)?;
        let gated = ops::gelu(&up)?;
        let out = self.dropout.add(Some(&x2), self.linear(&name("mlp.down"), &gated)?, 2 * layer + 2)?;
        Ok((BlockTrace { x1, normal1, qkv, mixed, x2, normal2, up, gated }, out))
    }

    fn backward(&self, trace: &Trace, grad: Tensor) -> Result<Gradients> {
        let mut all = Gradients::new();
        let batch = self.batch;
        let output = self.parameters.get(self.output())?;
        let doutput = grad.t()?.matmul(&trace.normal)?;
        let grad = self.norm_backward("norm", &trace.selected, &grad.matmul(&output)?, None, &mut all)?;
        let mut grad = ops::select_rows_backward(&grad, &batch.scored, batch.tokens.len())?;
        for (layer, block) in trace.blocks.iter().enumerate().rev() {
            grad = self.block_backward(layer, block, &grad, &mut all)?;
        }
        let grad = self.dropout.backward(&grad, 0)?;
        let dpositions = self.parameters.get("positions")?.zeros_like()?;
        let dtokens = match self.config.tied {
            true => doutput,
            false => {
                let fresh = doutput.zeros_like()?;
                all.insert(self.output().into(), doutput);
                fresh
            }
        };
        let dprefixes = ops::embed_backward(&grad, &batch.tokens, &batch.positions, &dtokens, &dpositions)?;
        all.insert("tokens".into(), dtokens);
        all.insert("positions".into(), dpositions);
        let sequences = batch.embeddings.len();
        let dprefixes = dprefixes.reshape((sequences, self.config.prefix_tokens * self.config.width))?;
        let grad = self.linear_backward("mapper.1", &trace.hidden, &dprefixes, &mut all)?;
        self.linear_backward("mapper.0", &trace.embeddings, &ops::tanh_backward(&trace.hidden, &grad)?, &mut all)?;
        Ok(all)
    }

    fn block_backward(&self, layer: usize, block: &BlockTrace, grad: &Tensor, all: &mut Gradients) -> Result<Tensor> {
        let name = |part: &str| format!("layers.{layer}.{part}");
        let branch = self.dropout.backward(grad, 2 * layer + 2)?;
        let branch = self.linear_backward(&name("mlp.down"), &block.gated, &branch, all)?;
        let branch = ops::gelu_backward(&block.up, &branch)?;
        let branch = self.linear_backward(&name("mlp.up"), &block.normal2, &branch, all)?;
        let grad = self.norm_backward(&name("norm2"), &block.x2, &branch, Some(grad), all)?;
        let branch = self.dropout.backward(&grad, 2 * layer + 1)?;
        let branch = self.linear_backward(&name("attention.out"), &block.mixed, &branch, all)?;
        let branch = ops::attention_backward(&block.qkv, &self.batch.offsets, self.config.heads, &branch)?;
        let branch = self.linear_backward(&name("attention.in"), &block.normal1, &branch, all)?;
        self.norm_backward(&name("norm1"), &block.x1, &branch, Some(&grad), all)
    }

    fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let get = |part: &str| self.parameters.get(&format!("{name}.{part}"));
        Ok(ops::linear(x, &get("weight")?, &get("bias")?)?)
    }

    fn linear_backward(&self, name: &str, x: &Tensor, grad: &Tensor, all: &mut Gradients) -> Result<Tensor> {
        let weight = format!("{name}.weight");
        let (dx, dweight, dbias) = ops::linear_backward(x, &self.parameters.get(&weight)?, grad)?;
        all.insert(weight, dweight);
        all.insert(format!("{name}.bias"), dbias);
        Ok(dx)
    }

    fn norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let get = |part: &str| self.parameters.get(&format!("{name}.{part}"));
        Ok(ops::layer_norm(x, &get("gain")?, &get("bias")?)?)
    }

    fn norm_backward(
        &self,
        name: &str,
        x: &Tensor,
        grad: &Tensor,
        residual: Option<&Tensor>,
        all: &mut Gradients,
    ) -> Result<Tensor> {
        let gain = format!("{name}.gain");
        let (dx, dgain, dbias) = ops::layer_norm_backward(x, &self.parameters.get(&gain)?, grad, residual)?;
        all.insert(gain, dgain);
        all.insert(format!("{name}.bias"), dbias);
        Ok(dx)
    }
}
