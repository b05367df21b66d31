//! Checkpoints that are cut, incomplete or of another shape: the file and the first tensor that does not fit are named, and nothing panics.

use std::collections::BTreeMap;
use std::path::Path;

use echoic::internals::checkpoint;
use echoic::{Clap, Error, towers};
use safetensors::serialize;
use safetensors::tensor::{Dtype, TensorView};

use crate::common::clap_models::folder;
use crate::common::{hint, sounds};

/// A model with some of its tensors changed: `change` gives a shape and numbers, or leaves the tensor out.
fn altered(
    model: &str,
    place: &Path,
    change: impl Fn(&str, Vec<usize>, Vec<f32>) -> Option<(Vec<usize>, Vec<f32>)>,
) -> String {
    for file in std::fs::read_dir(folder(model)).unwrap().map(|entry| entry.unwrap().path()) {
        if matches!(file.extension().and_then(|e| e.to_str()), Some("json" | "txt")) {
            std::fs::copy(&file, place.join(file.file_name().unwrap())).unwrap();
        }
    }
    let whole = checkpoint::open(&towers::weights(folder(model)).unwrap()).unwrap();
    // Masks, which are no numbers, are left out: nothing reads them.
    let numbers = |(name, shape): (String, Vec<usize>)| {
        let numbers = whole.get(&name, &shape).ok()?;
        let (shape, numbers) = change(&name, shape, numbers)?;
        Some((name, (shape, numbers.iter().flat_map(|x| x.to_le_bytes()).collect())))
    };
    let kept: BTreeMap<String, (Vec<usize>, Vec<u8>)> = whole.names().into_iter().filter_map(numbers).collect();
    let views = kept.iter().map(|(n, (s, b))| (n.as_str(), TensorView::new(Dtype::F32, s.clone(), b).unwrap()));
    std::fs::write(place.join("model.safetensors"), serialize(views, None).unwrap()).unwrap();
    place.to_str().unwrap().to_owned()
}

/// What loading and using a model fails with.
fn failure(model: &str) -> Error {
    let sound: Vec<i16> = (0..800).map(|i| (i * 7919 % 2000) as i16).collect();
    let place = tempfile::tempdir().unwrap();
    let path = sounds::wav(place.path(), &sound, 8_000);
    let used = Clap::load(model).and_then(|clap| {
        clap.embed_texts(&["Rain falls."])?;
        clap.embed_audio(&path)
    });
    used.expect_err("a damaged model worked")
}

#[test]
fn the_first_tensor_that_does_not_fit_is_named_with_what_was_expected() {
    for (model, name) in [
        ("laion", "text_model.encoder.layer.1.output.dense.weight"),
        ("laion", "text_model.encoder.layer.0.attention.self.key.bias"),
        ("laion", "text_model.pooler.dense.weight"),
        ("laion", "text_projection.linear1.bias"),
        ("laion", "audio_model.audio_encoder.layers.3.blocks.0.output.dense.weight"),
        ("laion", "audio_projection.linear2.bias"),
        ("msclap", "caption_encoder.base.h.1.attn.c_attn.weight"),
        ("msclap", "caption_encoder.base.h.0.mlp.c_proj.bias"),
        ("msclap", "caption_encoder.base.ln_f.weight"),
        ("msclap", "caption_encoder.projection.layer_norm.bias"),
        ("msclap", "audio_encoder.base.htsat.layers.1.blocks.0.attn.qkv.weight"),
        ("msclap", "audio_encoder.projection.linear2.weight"),
    ] {
        let place = tempfile::tempdir().unwrap();
        let keep = |found: &str, shape, numbers| (found != name).then_some((shape, numbers));
        let error = failure(&altered(model, place.path(), keep)).to_string();
        assert!(error.contains("model.safetensors, tensor") && error.contains(name), "{error}");
        assert!(error.contains("found nothing, expected shape ["), "{error}");
        let narrow = |found: &str, shape, numbers: Vec<f32>| {
            let shape = if found == name { vec![numbers.len(), 1, 1] } else { shape };
            Some((shape, numbers))
        };
        let error = failure(&altered(model, place.path(), narrow)).to_string();
        assert!(
            error.contains(name) && error.contains("found shape [") && error.contains("expected shape ["),
            "{error}"
        );
    }
    let place = tempfile::tempdir().unwrap();
    let infinite = |name: &str, shape, mut numbers: Vec<f32>| {
        if name == "text_model.pooler.dense.bias" {
            numbers[0] = f32::INFINITY;
        }
        Some((shape, numbers))
    };
    let error = failure(&altered("laion", place.path(), infinite)).to_string();
    assert!(error.contains("text_model.pooler.dense.bias") && error.contains("not finite"), "{error}");
}

#[test]
fn a_gpt2_of_other_sizes_or_with_another_tokenizer_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let same = |_: &str, shape, numbers| Some((shape, numbers));
    let without = |name: &'static str| move |found: &str, shape, numbers| (found != name).then_some((shape, numbers));
    let error = failure(&altered("msclap", place.path(), without("caption_encoder.base.wpe.weight"))).to_string();
    assert!(error.contains("caption_encoder.base.wpe.weight: found nothing"), "{error}");
    let halved = |name: &str, shape: Vec<usize>, numbers: Vec<f32>| {
        let half = name.starts_with("caption_encoder.base.w");
        let shape = if half { vec![shape[0] * 2, shape[1] / 2] } else { shape };
        Some((shape, numbers))
    };
    let error = failure(&altered("msclap", place.path(), halved)).to_string();
    assert!(error.contains("width 32") && error.contains("a multiple of 64"), "{error}");
    let model = altered("msclap", place.path(), same);
    for file in ["vocab.json", "merges.txt"] {
        std::fs::copy(folder("laion-original").join(file), place.path().join(file)).unwrap();
    }
    let error = failure(&model);
    assert!(error.to_string().contains("a first token that is not !"), "{error}");
    assert!(hint(&error).contains("openai-community/gpt2"), "{error:?}");
    std::fs::remove_file(place.path().join("merges.txt")).unwrap();
    let error = failure(&model);
    assert!(error.to_string().contains("no tokenizer") && hint(&error).contains("GPT-2's"), "{error:?}");
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
    let model = altered("laion", place.path(), |_, shape, numbers| Some((shape, numbers)));
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
