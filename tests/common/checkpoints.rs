//! Tiny checkpoints of every family: the right names and a few shapes, numbers that mean nothing.

use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// A layout's name as the library gives it, the dimension of its embeddings here, and its tensors.
pub type Layout = (&'static str, usize, &'static [(&'static str, &'static [usize])]);

pub const LAYOUTS: [Layout; 6] = [
    (
        "wavcaps-cnn14",
        6,
        &[
            ("audio_encoder.audio_enc.conv_block1.conv1.weight", &[4, 1, 3, 3]),
            ("text_encoder.text_encoder.embeddings.word_embeddings.weight", &[8, 4]),
            ("audio_proj.0.weight", &[6, 4]),
            ("text_proj.2.weight", &[6, 6]),
            ("temp", &[]),
        ],
    ),
    (
        "wavcaps-htsat",
        6,
        &[
            ("audio_encoder.audio_enc.patch_embed.proj.weight", &[4, 1, 4, 4]),
            ("text_encoder.text_encoder.embeddings.word_embeddings.weight", &[8, 4]),
            ("audio_proj.0.weight", &[6, 4]),
            ("text_proj.2.weight", &[6, 6]),
        ],
    ),
    (
        "laion",
        5,
        &[
            ("audio_model.audio_encoder.patch_embed.proj.weight", &[4, 1, 4, 4]),
            ("text_model.embeddings.word_embeddings.weight", &[8, 4]),
            ("audio_projection.linear1.weight", &[5, 4]),
            ("text_projection.linear2.weight", &[5, 5]),
        ],
    ),
    (
        "laion-fused",
        5,
        &[
            ("audio_model.audio_encoder.patch_embed.proj.weight", &[4, 1, 4, 4]),
            ("audio_model.audio_encoder.patch_embed.mel_conv2d.weight", &[4, 1, 4, 12]),
            ("text_model.embeddings.word_embeddings.weight", &[8, 4]),
            ("audio_projection.linear1.weight", &[5, 4]),
            ("text_projection.linear2.weight", &[5, 5]),
        ],
    ),
    (
        "laion-original",
        5,
        &[
            ("module.audio_branch.patch_embed.proj.weight", &[4, 1, 4, 4]),
            ("module.text_branch.embeddings.word_embeddings.weight", &[8, 4]),
            ("module.audio_projection.0.weight", &[5, 4]),
            ("module.text_projection.2.weight", &[5, 5]),
        ],
    ),
    (
        "msclap-2023",
        7,
        &[
            ("audio_encoder.base.htsat.patch_embed.proj.weight", &[4, 1, 4, 4]),
            ("audio_encoder.projection.linear1.weight", &[7, 4]),
            ("caption_encoder.base.wte.weight", &[8, 4]),
            ("caption_encoder.projection.linear2.weight", &[7, 7]),
        ],
    ),
];

/// The layout of a family.
pub fn layout(family: &str) -> Layout {
    *LAYOUTS.iter().find(|layout| layout.0 == family).unwrap()
}

/// A safetensors file with these tensors.
pub fn safetensors(tensors: &[(&str, &[usize])]) -> Vec<u8> {
    let numbers: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, shape)| super::scattered(1, shape.iter().product()).iter().flat_map(|x| x.to_le_bytes()).collect())
        .collect();
    let views = tensors
        .iter()
        .zip(&numbers)
        .map(|((name, shape), bytes)| (*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// A checkpoint of a family as a safetensors file.
pub fn write(path: &Path, family: &str) {
    std::fs::write(path, safetensors(layout(family).2)).unwrap();
}
