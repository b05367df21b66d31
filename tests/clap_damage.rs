//! Checkpoints that are cut, incomplete or of another shape: the file and the first tensor that does not fit are named, and nothing panics.
#![allow(clippy::unwrap_used)]

mod clap_models;

use std::collections::BTreeMap;
use std::path::Path;

use clap_models::folder;
use echoic::Error;
use echoic::clap::Clap;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};

/// The LAION model with some of its tensors changed: `change` gives a shape and the bytes, or leaves the tensor out.
fn altered(place: &Path, change: impl Fn(&str, &[usize], &[u8]) -> Option<(Vec<usize>, Vec<u8>)>) -> String {
    for file in ["config.json", "tokenizer.json"] {
        std::fs::copy(folder("laion").join(file), place.join(file)).unwrap();
    }
    let bytes = std::fs::read(folder("laion/model.safetensors")).unwrap();
    let table = SafeTensors::deserialize(&bytes).unwrap();
    let kept: BTreeMap<String, (Vec<usize>, Vec<u8>)> =
        table.iter().filter_map(|(name, t)| Some((name.to_owned(), change(name, t.shape(), t.data())?))).collect();
    let views = kept.iter().map(|(n, (s, b))| (n.as_str(), TensorView::new(Dtype::F16, s.clone(), b).unwrap()));
    std::fs::write(place.join("model.safetensors"), serialize(views, None).unwrap()).unwrap();
    place.to_str().unwrap().to_owned()
}

/// What loading and using a model fails with.
fn failure(model: &str) -> Error {
    let sound = tempfile::tempdir().unwrap();
    let path = sound.path().join("s.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(&path, spec).unwrap();
    (0..800).for_each(|i| wav.write_sample((i * 7919 % 2000) as i16).unwrap());
    wav.finalize().unwrap();
    let used = Clap::load(model).and_then(|clap| {
        clap.embed_texts(&["Rain falls."])?;
        clap.embed_audio(&path)
    });
    used.expect_err("a damaged model worked")
}

#[test]
fn the_first_tensor_that_does_not_fit_is_named_with_what_was_expected() {
    let place = tempfile::tempdir().unwrap();
    for name in [
        "text_model.encoder.layer.1.output.dense.weight",
        "text_model.encoder.layer.0.attention.self.key.bias",
        "text_model.pooler.dense.weight",
        "text_projection.linear1.bias",
        "audio_model.audio_encoder.layers.3.blocks.0.output.dense.weight",
        "audio_projection.linear2.bias",
    ] {
        let keep =
            |wanted: &str, shape: &[usize], bytes: &[u8]| (wanted != name).then(|| (shape.to_vec(), bytes.to_vec()));
        let error = failure(&altered(place.path(), keep)).to_string();
        assert!(error.contains("model.safetensors, tensor") && error.contains(name), "{error}");
        assert!(error.contains("found nothing, expected shape ["), "{error}");
        let narrow = |wanted: &str, shape: &[usize], bytes: &[u8]| {
            let shape = if wanted == name { vec![bytes.len() / 2, 1] } else { shape.to_vec() };
            Some((shape, bytes.to_vec()))
        };
        let error = failure(&altered(place.path(), narrow)).to_string();
        assert!(
            error.contains(name) && error.contains("found shape [") && error.contains("expected shape ["),
            "{error}"
        );
    }
    let infinite = |wanted: &str, shape: &[usize], bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if wanted == "text_model.pooler.dense.bias" {
            bytes[..2].copy_from_slice(&[0x00, 0x7c]);
        }
        Some((shape.to_vec(), bytes))
    };
    let error = failure(&altered(place.path(), infinite)).to_string();
    assert!(error.contains("text_model.pooler.dense.bias") && error.contains("not finite"), "{error}");
}

#[test]
fn files_that_are_cut_or_have_other_bytes_are_refused() {
    let place = tempfile::tempdir().unwrap();
    std::fs::copy(folder("wavcaps-cnn14/vocab.txt"), place.path().join("vocab.txt")).unwrap();
    let model = place.path().join("model.pt");
    let whole = std::fs::read(folder("wavcaps-cnn14/cnn14-bert.pt")).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(&model, bytes).unwrap();
        let error = failure(model.to_str().unwrap());
        assert!(matches!(error, Error::Input { .. }) && error.to_string().contains("model.pt"), "{error}");
        error.to_string()
    };
    for end in [0, 1, 4, 100, whole.len() / 2, whole.len() - 1] {
        refused(&whole[..end]);
    }
    refused(b"<html>404</html>");
    refused(&[0u8; 4096]);
    // One bit of the numbers themselves: the zip's checksum tells.
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    assert!(refused(&flipped).contains("checksum"));
}

#[test]
fn a_config_that_asks_for_what_the_towers_do_not_do_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let model = altered(place.path(), |_, shape, bytes| Some((shape.to_vec(), bytes.to_vec())));
    let whole = std::fs::read_to_string(place.path().join("config.json")).unwrap();
    assert!(Clap::load(&model).and_then(|clap| clap.embed_texts(&["Rain."])).is_ok());
    for (from, to, words) in [
        ("\"projection_hidden_act\": \"relu\"", "\"projection_hidden_act\": \"gelu\"", "projection_hidden_act"),
        ("\"num_attention_heads\": 2", "\"num_attention_heads\": 0", "num_attention_heads"),
        ("\"num_attention_heads\": 2", "\"num_attention_heads\": 7", "7 heads"),
        ("\"layer_norm_eps\": 1e-05,\n    \"max_p", "\"layer_norm_eps\": \"x\",\n    \"max_p", "layer_norm_eps"),
        ("\"enable_fusion\": false", "\"enable_fusion\": true", "laion-fused"),
        ("{", "", "config"),
    ] {
        assert!(whole.contains(from), "{from}");
        std::fs::write(place.path().join("config.json"), whole.replacen(from, to, 1)).unwrap();
        let error = failure(&model).to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    std::fs::remove_file(place.path().join("config.json")).unwrap();
    assert!(failure(&model).to_string().contains("config.json"));
}
