//! LAION's model with the fusion branch, from texts and files to embeddings, against transformers' ClapModel. It is put together here from the
//! weights of the one without and those of the branch: `tests/fixtures/make_clap_fixtures.py` made both, and the references.

use echoic::{Clap, towers};
use safetensors::{SafeTensors, serialize};

use crate::common::clap_models::{PAIRS, folder, golden, strings, texts, variation, worst};
use crate::common::sounds;
use crate::common::sounds::SECONDS;

#[test]
fn the_fused_model_embeds_windows_and_texts_as_its_reference() {
    let place = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read(folder(name)).unwrap();
    let (plain, branch) = (read("laion/model.safetensors"), read("laion-fused-branch.safetensors"));
    let tables = [SafeTensors::deserialize(&plain).unwrap(), SafeTensors::deserialize(&branch).unwrap()];
    let all = serialize(tables.iter().flat_map(|table| table.iter()), None).unwrap();
    std::fs::write(place.path().join("model.safetensors"), all).unwrap();
    std::fs::copy(folder("laion/tokenizer.json"), place.path().join("tokenizer.json")).unwrap();
    let config = String::from_utf8(read("laion/config.json")).unwrap();
    let config = config.replace("\"enable_fusion\": false", "\"enable_fusion\": true");
    std::fs::write(place.path().join("config.json"), config).unwrap();
    assert_eq!(towers::detect(place.path()).unwrap().family, towers::Family::LaionFused);

    let clap = Clap::load(place.path().to_str().unwrap()).unwrap();
    let embedded = |samples: &[i16]| {
        let path = sounds::wav(place.path(), samples, 48_000);
        (clap.embed_audio(&path).unwrap().embedding, clap.embed_windows(&path).unwrap())
    };
    let lengths = SECONDS.map(|(_, seconds)| embedded(&sounds::sound(seconds, 48_000)));
    let sounds: Vec<_> = (0..PAIRS).step_by(5).map(|index| embedded(&variation(index, 48_000)).0).collect();
    let [.., (_, long)] = &lengths;
    let captions = clap.embed_texts(&strings(&texts()["captions"])).unwrap();
    let reference = |name: &str| golden("laion-fused", name);
    let fifth: Vec<_> = reference("sounds").into_iter().step_by(5).collect();
    let checks = [
        ("captions", worst(captions.rows(), &reference("captions"))),
        ("sounds", worst(sounds.iter().map(Vec::as_slice), &fifth)),
        ("lengths", worst(lengths.iter().map(|(whole, _)| whole.as_slice()), &reference("lengths"))),
        ("windows", worst(long.iter().map(|window| window.embedding.as_slice()), &reference("long.windows"))),
    ];
    for (name, distance) in checks {
        println!("{name} within {distance:.1e}");
        assert!(distance <= 1e-5, "{name}: {distance}");
    }
    // Its own log-mel makes a difference: the model without fusion would not do.
    let plain =
        worst(sounds.iter().map(Vec::as_slice), &golden("laion", "sounds").into_iter().step_by(5).collect::<Vec<_>>());
    assert!(plain > 1e-4, "{plain}");
}
