//! HTS-AT, the audio tower of LAION's CLAP, of WavCaps' HTSAT-BERT and of Microsoft's CLAP of 2023 (Chen et al., 2022): a Swin transformer.
//!
//! Batch norm over the mel bands; the frames, stretched to 1,024, are laid out as a square image (four quarters of the time below each other,
//! frequency upwards in each); patches of 4 × 4; stages of Swin blocks with patch merging between them; layer norm and the mean over all tokens.

use serde_json::Value;

use super::cnn14::norm as batch_norm;
use super::swin::{Block, Geometry, project, spread_positions};
use crate::nn::layers::{Linear, Norm};
use crate::nn::tensors::{Tensors, count, lengths};
use crate::{Error, Result};

/// The epsilon of PyTorch's layer norm.
const EPSILON: f32 = 1e-5;

/// The feed-forward layers' width over the tokens'.
const MLP_RATIO: usize = 4;

/// Sizes of the tower.
#[derive(Debug, Clone, PartialEq)]
pub struct HtsatConfig {
    /// Mel bands of a frame.
    pub bands: usize,
    /// Rows and columns of the image.
    pub image: usize,
    /// Rows and columns of a patch.
    pub patch: usize,
    /// Components of a token in the first stage; they double from stage to stage.
    pub width: usize,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// Attention heads of each stage.
    pub heads: Vec<usize>,
    /// Tokens along each side of an attention window.
    pub window: usize,
    /// The epsilon of the norms inside the blocks.
    pub epsilon: f32,
}

impl HtsatConfig {
    /// `HTSAT-tiny`: WavCaps, `clap-htsat-unfused`, `630k-audioset-best.pt`, Microsoft's CLAP of 2023.
    pub fn tiny() -> Self {
        Self {
            bands: 64,
            image: 256,
            patch: 4,
            width: 96,
            depths: vec![2, 2, 6, 2],
            heads: vec![4, 8, 16, 32],
            window: 8,
            epsilon: EPSILON,
        }
    }

    /// `HTSAT-base`: `larger_clap_music`, `larger_clap_general`, `music_audioset_epoch_15_esc_90.14.pt`.
    pub fn base() -> Self {
        Self { width: 128, depths: vec![2, 2, 12, 2], ..Self::tiny() }
    }

    /// Reads the sizes from the `audio_config` of a Hugging Face `config.json`; what is not stated there has transformers' default.
    ///
    /// # Errors
    /// [`Error::Input`] that names the first entry that is damaged, or asks for what this tower does not do; or sizes that do not fit together.
    pub fn from_hugging_face(audio_config: &Value, subject: &str) -> Result<Self> {
        let wrong = |name: &str, expected: &str| {
            Error::input(format!("{subject}, audio_config.{name}"), audio_config[name].to_string(), expected)
        };
        // Fused or not, the tower is the same for a window: see `Framing::LAION_FUSED`. But these change its entrance.
        if matches!(audio_config["fusion_type"].as_str(), Some("channel_map" | "daf_1d" | "aff_1d" | "iaff_1d")) {
            return Err(wrong("fusion_type", "none, or one in two dimensions such as aff_2d"));
        }
        let number = |name: &str, default: usize| match &audio_config[name] {
            Value::Null => Ok(default),
            value => value.as_u64().and_then(|n| n.try_into().ok()).ok_or_else(|| wrong(name, "a whole number")),
        };
        let list = |name: &str, default: Vec<usize>| match &audio_config[name] {
            Value::Null => Ok(default),
            value => serde_json::from_value(value.clone()).map_err(|_| wrong(name, "a list of whole numbers")),
        };
        let tiny = Self::tiny();
        let fixed = [
            ("patch_stride", Value::from(vec![4, 4])),
            ("patch_embed_input_channels", Value::from(1)),
            ("mlp_ratio", Value::from(4.0)),
            ("hidden_act", Value::from("gelu")),
            ("qkv_bias", Value::from(true)),
            ("enable_patch_layer_norm", Value::from(true)),
            ("flatten_patch_embeds", Value::from(true)),
        ];
        for (name, only) in &fixed {
            let given = &audio_config[*name];
            let same = given == only || (given.is_number() && given.as_f64() == only.as_f64());
            if !given.is_null() && !same {
                return Err(wrong(name, &only.to_string()));
            }
        }
        let epsilon = match &audio_config["layer_norm_eps"] {
            Value::Null => f64::from(EPSILON),
            value => value.as_f64().ok_or_else(|| wrong("layer_norm_eps", "a number"))?,
        };
        let config = Self {
            bands: number("num_mel_bins", tiny.bands)?,
            image: number("spec_size", tiny.image)?,
            patch: number("patch_size", tiny.patch)?,
            width: number("patch_embeds_hidden_size", tiny.width)?,
            depths: list("depths", tiny.depths)?,
            heads: list("num_attention_heads", tiny.heads)?,
            window: number("window_size", tiny.window)?,
            epsilon: epsilon as f32,
        };
        config.check()?;
        Ok(config)
    }

    /// Reads the sizes of a checkpoint in the original's layout, which carries no configuration, from its tensors below `prefix`.
    ///
    /// # Errors
    /// [`Error::Input`] that names the first tensor that is missing or has no sense as what it should be.
    pub fn of(tensors: &dyn Tensors, prefix: &str) -> Result<Self> {
        let tiny = Self::tiny();
        let [width, _, patch, _] = lengths(tensors, &format!("{prefix}patch_embed.proj.weight"))?;
        let [bands] = lengths(tensors, &format!("{prefix}bn0.weight"))?;
        let (mut depths, mut heads, mut window) = (Vec::new(), Vec::new(), tiny.window);
        for stage in 0..count(tensors, &format!("{prefix}layers.")) {
            let blocks = format!("{prefix}layers.{stage}.blocks.");
            let [places, among] = lengths(tensors, &format!("{blocks}0.attn.relative_position_bias_table"))?;
            // One row for each way that two places of a window can lie to each other; the last stage may be a single, smaller window.
            if stage == 0 {
                window = places.isqrt().div_ceil(2);
            }
            heads.push(among);
            depths.push(count(tensors, &blocks));
        }
        // One mask for each window of the first stage, where there is more than one.
        let windows = tensors.shape(&format!("{prefix}layers.0.blocks.1.attn_mask")).and_then(|shape| shape.first());
        let image = windows.map_or(tiny.image, |windows| windows.isqrt() * window * patch);
        Ok(Self { bands, image, patch, width, depths, heads, window, epsilon: EPSILON })
    }

    /// Number of features.
    pub fn dim(&self) -> usize {
        self.width << self.depths.len().saturating_sub(1)
    }

    /// The most log-mel frames that the image holds.
    pub fn frames(&self) -> usize {
        self.image * self.image / self.bands
    }

    fn check(&self) -> Result<()> {
        let stages = self.depths.len();
        let divides = |part: usize, whole: usize| part > 0 && whole > 0 && whole.is_multiple_of(part);
        // The last stage must still be made of whole windows; sizes above these are damage.
        let fits = (1..=8).contains(&stages)
            && self.heads.len() == stages
            && [self.image, self.width, self.window, self.patch].iter().all(|n| *n <= 4096)
            && self.depths.iter().all(|n| (1..=256).contains(n))
            && divides(self.bands, self.image)
            && self.patch > 0
            && divides((self.patch * self.window) << (stages - 1), self.image)
            && self.heads.iter().enumerate().all(|(stage, heads)| divides(*heads, self.width << stage));
        if fits {
            return Ok(());
        }
        let expected = "an image of whole windows in every stage, and heads that divide the width";
        Err(Error::input("HTS-AT", format!("{self:?}"), expected))
    }
}

/// How a checkpoint names the tensors of the tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Hugging Face's `ClapAudioModel`: `layers.0.blocks.0.attention.self.query.weight`.
    HuggingFace,
    /// The original's, as in LAION's, WavCaps' and Microsoft's checkpoints: `layers.0.blocks.0.attn.qkv.weight`.
    Original,
}

/// The tower, its weights in memory.
#[derive(Debug)]
pub struct Htsat {
    config: HtsatConfig,
    /// The batch norm over mel bands: factor and summand of each.
    scales: Vec<f32>,
    shifts: Vec<f32>,
    patches: Linear,
    patch_norm: Norm,
    stages: Vec<Stage>,
    norm: Norm,
}

#[derive(Debug)]
struct Stage {
    blocks: Vec<Block>,
    /// Norm and reduction of four tokens to one; none behind the last stage.
    merge: Option<(Norm, Linear)>,
}

impl Htsat {
    /// Reads the weights, whose names begin with `prefix`: `audio_model.audio_encoder.` in Hugging Face's checkpoints,
    /// `audio_encoder.audio_enc.` in WavCaps', `audio_branch.` in LAION's, `audio_encoder.base.htsat.` in Microsoft's.
    ///
    /// # Errors
    /// [`Error::Input`] that names the first missing or misshapen tensor, or sizes that do not fit together; [`Error::Io`].
    pub fn load(tensors: &dyn Tensors, prefix: &str, layout: Layout, config: &HtsatConfig) -> Result<Self> {
        config.check()?;
        let entrance = if layout == Layout::Original { "bn0" } else { "batch_norm" };
        let (scales, shifts) = batch_norm(tensors, &format!("{prefix}{entrance}"), config.bands)?;
        let (width, patch) = (config.width, config.patch);
        let weight = tensors.get(&format!("{prefix}patch_embed.proj.weight"), &[width, 1, patch, patch])?;
        let bias = tensors.get(&format!("{prefix}patch_embed.proj.bias"), &[width])?;
        let stage = |index: usize| {
            let name = format!("{prefix}layers.{index}");
            let geometry = Geometry {
                side: (config.image / patch) >> index,
                window: config.window,
                shift: 0,
                width: width << index,
                heads: config.heads[index],
            };
            let blocks = (0..config.depths[index]).map(|number| {
                // A square of one window has nothing to shift.
                let shifted = number % 2 == 1 && geometry.side > geometry.window;
                let geometry = Geometry { shift: if shifted { config.window / 2 } else { 0 }, ..geometry };
                layout.block(tensors, &format!("{name}.blocks.{number}"), geometry, config.epsilon)
            });
            let blocks = blocks.collect::<Result<_>>()?;
            let four = 4 * geometry.width;
            let merge = if index + 1 == config.depths.len() {
                None
            } else {
                let norm = Norm::load(tensors, &format!("{name}.downsample.norm"), four, EPSILON)?;
                Some((norm, Linear::unbiased(tensors, &format!("{name}.downsample.reduction"), four, four / 2)?))
            };
            Ok(Stage { blocks, merge })
        };
        Ok(Self {
            scales,
            shifts,
            patches: Linear::new(&weight, bias, patch * patch),
            patch_norm: Norm::load(tensors, &format!("{prefix}patch_embed.norm"), width, EPSILON)?,
            stages: (0..config.depths.len()).map(stage).collect::<Result<_>>()?,
            norm: Norm::load(tensors, &format!("{prefix}norm"), config.dim(), EPSILON)?,
            config: config.clone(),
        })
    }

    /// Number of features.
    pub fn dim(&self) -> usize {
        self.config.dim()
    }

    /// The features `[dim]` of log-mel frames `[frames, bands]`, at most [`HtsatConfig::frames`] of them.
    ///
    /// Work is spread over the threads of the pool; the bits do not depend on their number.
    ///
    /// # Errors
    /// [`Error::Input`] when there are no or too many frames.
    pub fn forward(&self, log_mel: &[f32]) -> Result<Vec<f32>> {
        let HtsatConfig { bands, image, patch, .. } = self.config;
        let frames = log_mel.len() / bands;
        if !(1..=self.config.frames()).contains(&frames) || !log_mel.len().is_multiple_of(bands) {
            let expected = format!("1 to {} frames of {bands} bands", self.config.frames());
            return Err(Error::input("HTS-AT", format!("{} numbers of log-mel", log_mel.len()), expected));
        }
        let picture = self.picture(log_mel, frames);
        let mut side = image / patch;
        let gather = |token: usize, out: &mut [f32]| {
            for (row, out) in out.chunks_exact_mut(patch).enumerate() {
                let at = (token / side * patch + row) * image + token % side * patch;
                out.copy_from_slice(&picture[at..at + patch]);
            }
        };
        let mut state = project(None, &self.patches, Some(&self.patch_norm), side * side, gather);
        for stage in &self.stages {
            stage.blocks.iter().for_each(|block| block.forward(&mut state));
            if let Some((norm, linear)) = &stage.merge {
                let width = state.len() / (side * side);
                let half = side / 2;
                // The four tokens of a square, column by column.
                let gather = |token: usize, out: &mut [f32]| {
                    for (index, out) in out.chunks_exact_mut(width).enumerate() {
                        let (row, column) = (token / half * 2 + index % 2, token % half * 2 + index / 2);
                        out.copy_from_slice(&state[(row * side + column) * width..][..width]);
                    }
                };
                state = project(Some(norm), linear, None, half * half, gather);
                side = half;
            }
        }
        let mut sums = vec![0f64; self.dim()];
        self.norm.apply(&mut state);
        for row in state.chunks_exact(self.dim()) {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        Ok(sums.iter().map(|sum| (sum / (side * side) as f64) as f32).collect())
    }

    /// The normalised frames as a square image, time to the right in quarters (of a width of `image` frames) below each other.
    fn picture(&self, log_mel: &[f32], frames: usize) -> Vec<f32> {
        let HtsatConfig { bands, image, .. } = self.config;
        let mut picture = vec![0.0; image * image];
        let at =
            |frame: usize, band: usize| log_mel[frame * bands + band].mul_add(self.scales[band], self.shifts[band]);
        for time in 0..self.config.frames() {
            let (frames, weights) = stretch(time, frames, self.config.frames());
            for band in 0..bands {
                let value = frames.iter().zip(&weights).map(|(frame, weight)| at(*frame, band) * weight).sum();
                picture[(time / image * bands + band) * image + time % image] = value;
            }
        }
        picture
    }
}

/// Where frame `time` of `wanted` lies among `frames`: four of them with weights, as PyTorch's bicubic interpolation with aligned corners.
fn stretch(time: usize, frames: usize, wanted: usize) -> ([usize; 4], [f32; 4]) {
    /// The parameter of the cubic (`A` in PyTorch).
    const A: f32 = -0.75;
    let place = if wanted > 1 { (frames - 1) as f32 / (wanted - 1) as f32 * time as f32 } else { 0.0 };
    let floor = place.floor();
    let t = place - floor;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let first = floor as usize;
    let at = |offset: usize| (first + offset).saturating_sub(1).min(frames - 1);
    (std::array::from_fn(at), [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)])
}

impl Layout {
    /// Reads the block `name`.
    fn block(self, tensors: &dyn Tensors, name: &str, geometry: Geometry, epsilon: f32) -> Result<Block> {
        let Geometry { width, heads, window, .. } = geometry;
        let [before, table, join, after, expand, contract] = match self {
            Self::HuggingFace => [
                "layernorm_before",
                "attention.self.relative_position_bias_table",
                "attention.output.dense",
                "layernorm_after",
                "intermediate.dense",
                "output.dense",
            ],
            Self::Original => {
                ["norm1", "attn.relative_position_bias_table", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"]
            }
        }
        .map(|part| format!("{name}.{part}"));
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        match self {
            Self::HuggingFace => {
                for part in ["query", "key", "value"] {
                    weight.extend(tensors.get(&format!("{name}.attention.self.{part}.weight"), &[width, width])?);
                    bias.extend(tensors.get(&format!("{name}.attention.self.{part}.bias"), &[width])?);
                }
            }
            Self::Original => {
                weight = tensors.get(&format!("{name}.attn.qkv.weight"), &[3 * width, width])?;
                bias = tensors.get(&format!("{name}.attn.qkv.bias"), &[3 * width])?;
            }
        }
        // Queries are scaled once and for all.
        let scale = 1.0 / ((width / heads) as f32).sqrt();
        weight[..width * width].iter_mut().chain(&mut bias[..width]).for_each(|x| *x *= scale);
        let table = tensors.get(&table, &[(2 * window - 1) * (2 * window - 1), heads])?;
        Ok(Block {
            geometry,
            norm_before: Norm::load(tensors, &before, width, epsilon)?,
            mix: Linear::new(&weight, bias, width),
            positions: spread_positions(&table, window, heads),
            join: Linear::load(tensors, &join, width, width)?,
            norm_after: Norm::load(tensors, &after, width, epsilon)?,
            expand: Linear::load(tensors, &expand, width, MLP_RATIO * width)?,
            contract: Linear::load(tensors, &contract, MLP_RATIO * width, width)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretching_to_the_same_length_changes_nothing() {
        for time in [0, 1, 500, 1023] {
            let (frames, weights) = stretch(time, 1024, 1024);
            assert_eq!((frames[1], weights), (time, [0.0, 1.0, 0.0, 0.0]));
        }
        let (frames, weights) = stretch(1023, 3, 1024);
        assert_eq!((frames[1], weights[1]), (2, 1.0));
        assert_eq!(stretch(1023, 1, 1024).0, [0; 4]);
    }

    #[test]
    fn sizes_come_from_hugging_faces_configuration() {
        let config = |text: &str| HtsatConfig::from_hugging_face(&serde_json::from_str(text).unwrap(), "config.json");
        assert_eq!(config("{}").unwrap(), HtsatConfig::tiny());
        let larger = r#"{"patch_embeds_hidden_size": 128, "depths": [2, 2, 12, 2], "patch_stride": [4, 4], "mlp_ratio": 4,
            "enable_fusion": false, "layer_norm_eps": 1e-5, "projection_dim": 512}"#;
        assert_eq!((config(larger).unwrap(), HtsatConfig::base().dim()), (HtsatConfig::base(), 1024));
        let refused = |text: &str| config(text).unwrap_err().to_string();
        assert_eq!(config(r#"{"enable_fusion": true, "fusion_type": null}"#).unwrap(), HtsatConfig::tiny());
        assert!(refused(r#"{"enable_fusion": true, "fusion_type": "channel_map"}"#).contains("fusion_type"));
        assert!(refused(r#"{"patch_embeds_hidden_size": 90}"#).contains("heads that divide the width"));
        assert!(refused(r#"{"depths": "two"}"#).contains("audio_config.depths"));
        assert!(refused(r#"{"hidden_act": "relu"}"#).contains("hidden_act"));
    }

    #[test]
    fn sizes_that_do_not_fit_together_are_refused() {
        for config in [
            HtsatConfig { heads: vec![4, 8, 16], ..HtsatConfig::tiny() },
            HtsatConfig { heads: vec![5, 8, 16, 32], ..HtsatConfig::tiny() },
            HtsatConfig { depths: vec![], heads: vec![], ..HtsatConfig::tiny() },
            HtsatConfig { window: 16, ..HtsatConfig::tiny() },
            HtsatConfig { window: 0, ..HtsatConfig::tiny() },
            HtsatConfig { bands: 0, ..HtsatConfig::tiny() },
            HtsatConfig { bands: 60, ..HtsatConfig::tiny() },
        ] {
            assert!(config.check().is_err(), "{config:?}");
        }
        assert!(HtsatConfig::tiny().check().is_ok() && HtsatConfig::base().check().is_ok());
    }
}
