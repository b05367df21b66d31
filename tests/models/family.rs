//! Which family a checkpoint is of, told by its tensors; and a clear refusal of everything else.

use std::fs;
use std::path::Path;

use echoic::error::Topic;
use echoic::towers::{Detected, Family, detect};

use crate::common::checkpoints::{LAYOUTS, layout, safetensors, write};
use crate::common::needs::starter_is_installed;
use crate::common::{hint, is_for_the_user};

fn refusal(path: &Path) -> (String, String) {
    let error = detect(path).unwrap_err();
    assert!(is_for_the_user(&error), "{error:?}");
    (error.to_string(), hint(&error))
}

#[test]
fn every_family_is_told_by_its_tensors() {
    let folder = tempfile::tempdir().unwrap();
    for (name, dim, _) in LAYOUTS {
        let file = folder.path().join("model.safetensors");
        write(&file, name);
        for path in [folder.path(), &file] {
            let found = detect(path).unwrap();
            assert_eq!((found.family.name(), found.dim, &found.weights), (name, dim, &file));
        }
    }
    let names = Family::all().map(Family::name).collect::<Vec<_>>();
    for (name, ..) in LAYOUTS {
        assert!(names.contains(&name));
    }
    for family in Family::all() {
        assert_eq!(serde_json::to_value(family).unwrap(), family.name(), "one name everywhere");
    }
}

#[test]
fn in_a_folder_the_usual_names_come_first_and_one_unusual_name_will_do() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("CLAP_weights_2023.safetensors"), "msclap-2023");
    assert_eq!(detect(folder.path()).unwrap().family, Family::Msclap2023);
    write(&folder.path().join("another.safetensors"), "laion");
    let (error, hint) = refusal(folder.path());
    assert!(error.contains("2 checkpoints (CLAP_weights_2023.safetensors, another.safetensors)"), "{error}");
    assert!(hint.contains("name the file"), "{hint}");
    write(&folder.path().join("pytorch_model.bin"), "wavcaps-htsat");
    let Detected { family, weights, .. } = detect(folder.path()).unwrap();
    assert_eq!((family, weights), (Family::WavcapsHtsat, folder.path().join("pytorch_model.bin")));
}

#[test]
fn an_unknown_model_is_refused_with_what_was_found_and_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    fs::write(&file, safetensors(&[("encoder.layer.0.weight", &[2, 2]), ("lm_head.weight", &[2])])).unwrap();
    let (error, hint) = refusal(&file);
    for word in ["model.safetensors", "2 tensors named encoder.layer, lm_head.weight", "wavcaps-cnn14", "msclap-2023"] {
        assert!(error.contains(word), "'{word}' is not in {error}");
    }
    assert!(hint.contains("external embeddings"), "{hint}");
    assert_eq!(detect(&file).unwrap_err().hint().unwrap().topic(), Some(&Topic::Embeddings));
}

#[test]
fn relatives_and_halves_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    let with = |family: &str, name: &'static str| [layout(family).2, &[(name, &[2, 2])]].concat();
    for (tensors, found) in [
        (with("laion-original", "module.audio_branch.patch_embed.mel_conv2d.weight"), "fusion branch"),
        (with("msclap-2023", "caption_encoder.base.embeddings.word_embeddings.weight"), "Microsoft CLAP 2022"),
        (vec![("clap.base.htsat.patch_embed.proj.weight", &[4, 1, 4, 4])], "clapcap, which has no text tower"),
        (layout("laion").2[..1].to_vec(), "tensors named audio_model.audio_encoder"),
        (layout("laion").2[1..].to_vec(), "laion without audio_model.audio_encoder.patch_embed.proj.weight"),
        (layout("wavcaps-cnn14").2[..3].to_vec(), "wavcaps-cnn14 without text_proj.2.weight"),
    ] {
        fs::write(&file, safetensors(&tensors)).unwrap();
        let (error, hint) = refusal(&file);
        assert!(error.contains(found) && !hint.is_empty(), "{error}\n{hint}");
    }
}

#[test]
fn a_configuration_beside_the_wrong_weights_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    write(&folder.path().join("model.safetensors"), "laion");
    for (json, found) in [
        (r#"{"model_type": "clap", "audio_config": {"enable_fusion": true}}"#, "laion-fused"),
        (r#"{"model_type": "bert"}"#, "'bert'"),
        ("[", "no configuration"),
    ] {
        fs::write(&config, json).unwrap();
        let (error, _) = refusal(folder.path());
        assert!(error.contains("config.json") && error.contains(found), "{error}");
    }
    fs::write(&config, r#"{"model_type": "clap", "audio_config": {"depths": [2, 2, 6, 2]}}"#).unwrap();
    assert_eq!(detect(folder.path()).unwrap().family, Family::Laion);
}

#[test]
fn the_starter_is_a_family_too_where_it_is_installed() {
    if starter_is_installed() {
        let folder = echoic::models::path("starter").unwrap();
        let found = detect(&folder).unwrap();
        assert_eq!((found.family, found.dim), (Family::Starter, 384));
    }
}
