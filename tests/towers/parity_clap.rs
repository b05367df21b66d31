//! Whole models of each family of CLAP against their references, from texts and files to embeddings.
//! `tests/fixtures/make_clap_fixtures.py` made the models and the references.

use std::collections::BTreeMap;

use echoic::Clap;
use echoic::embedding::dot;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::common::clap_models::{MODELS, PAIRS, folder, golden, strings, texts, variation, worst};
use crate::common::needs::{real_data, starter_is_installed};
use crate::common::sounds;
use crate::common::sounds::SECONDS;

fn load(model: &str) -> Clap {
    Clap::load(folder(model).to_str().unwrap()).unwrap()
}

#[test]
fn texts_agree_with_the_references_token_by_token_and_as_embeddings() {
    let all = texts();
    let odd = strings(&all["odd"]);
    for (model, _) in MODELS {
        let clap = load(model);
        let kind = match model {
            "laion" | "laion-original" => "bytes",
            "msclap" => "closed",
            _ => "pieces",
        };
        let ids: Vec<Vec<u32>> = serde_json::from_value(all["ids"][kind].clone()).unwrap();
        for (text, ids) in odd.iter().zip(&ids) {
            assert_eq!(&clap.tokens(text).unwrap(), ids, "{model}: {text:?}");
        }
        for (name, texts) in [("odd", &odd), ("captions", &strings(&all["captions"]))] {
            let (got, wanted) = (clap.embed_texts(texts).unwrap(), golden(model, name));
            assert_eq!(got.len(), wanted.len());
            let distance = worst(got.rows(), &wanted);
            println!("{model}: {} {name} texts within {distance:.1e}", texts.len());
            assert!(distance <= 1e-5, "{model}, {name}: {distance}");
        }
    }
}

#[test]
fn sounds_of_all_lengths_agree_and_a_long_one_is_the_mean_of_its_windows() {
    let bench = tempfile::tempdir().unwrap();
    for (model, rate) in MODELS {
        let clap = load(model);
        let paths = SECONDS.map(|(_, seconds)| sounds::wav(bench.path(), &sounds::sound(seconds, rate), rate));
        let embedded = paths.each_ref().map(|path| clap.embed_audio(path).unwrap());
        let lengths = worst(embedded.iter().map(|whole| whole.embedding.as_slice()), &golden(model, "lengths"));
        let [.., path] = &paths;
        let [.., whole] = &embedded;
        let windows = clap.embed_windows(path).unwrap();
        let wanted = golden(model, "long.windows");
        assert_eq!(windows.len(), wanted.len(), "{model}");
        let apart = worst(windows.iter().map(|w| w.embedding.as_slice()), &wanted);
        println!("{model}: all lengths within {lengths:.1e}, {} windows within {apart:.1e}", windows.len());
        assert!(apart <= 1e-5 && lengths <= 1e-5, "{model}: {apart}, {lengths}");
        assert_eq!((windows[0].start, windows[windows.len() - 1].end, whole.windows), (0.0, 25.0, wanted.len()));
        assert!(windows.windows(2).all(|pair| pair[1].start <= pair[0].end && pair[0].start < pair[1].start));
    }
}

#[test]
fn two_hundred_sounds_find_two_hundred_captions_in_the_order_of_the_references() {
    let bench = tempfile::tempdir().unwrap();
    let captions = strings(&texts()["captions"]);
    for (model, rate) in MODELS {
        let clap = load(model);
        clap.load_audio().unwrap();
        let place = bench.path().join(model);
        std::fs::create_dir(&place).unwrap();
        let sounds: Vec<Vec<f32>> = (0..PAIRS)
            .into_par_iter()
            .map(|index| {
                let folder = place.join(index.to_string());
                std::fs::create_dir(&folder).unwrap();
                let path = sounds::wav(&folder, &variation(index, rate as usize), rate);
                clap.embed_audio(&path).unwrap().embedding
            })
            .collect();
        let reference = (golden(model, "sounds"), golden(model, "captions"));
        let distance = worst(sounds.iter().map(Vec::as_slice), &reference.0);
        assert!(distance <= 1e-5, "{model}: {distance}");
        let texts = clap.embed_texts(&captions).unwrap();
        let mut near = 0;
        for (sound, wanted) in sounds.iter().zip(&reference.0) {
            let ours: Vec<f32> = texts.rows().map(|text| dot(sound, text)).collect();
            let theirs: Vec<f32> = reference.1.iter().map(|text| dot(wanted, text)).collect();
            for (ours, theirs) in order(&ours).into_iter().zip(order(&theirs)) {
                // Captions that the reference tells apart by no more than the rounding of its own numbers have no order.
                near += usize::from(ours != theirs);
            }
            for (a, b) in order(&ours).into_iter().zip(order(&ours).into_iter().skip(1)) {
                assert!(theirs[a] - theirs[b] > -1e-5, "{model}: {a} before {b}: {} and {}", theirs[a], theirs[b]);
            }
        }
        println!(
            "{model}: {PAIRS} sounds within {distance:.1e}; {near} of {} places differ, all among ties",
            PAIRS * PAIRS
        );
        let distinct: f32 = reference.1.iter().map(|text| dot(text, &reference.1[0])).fold(1.0, f32::min);
        assert!(distinct < 0.99, "{model}: captions that are all alike prove nothing ({distinct})");
        assert!(near < PAIRS * PAIRS / 100, "{model}: {near} places differ");
    }
}

fn order(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    order
}

#[test]
fn embeddings_have_the_same_bits_in_every_batch_and_with_any_number_of_threads() {
    let captions = strings(&texts()["captions"]);
    let bench = tempfile::tempdir().unwrap();
    for (model, rate) in MODELS {
        let clap = load(model);
        let path = sounds::wav(bench.path(), &variation(3, rate as usize), rate);
        let (whole, sound) = (clap.embed_texts(&captions).unwrap(), clap.embed_audio(&path).unwrap());
        assert!(clap.embed_texts(&captions[7..9]).unwrap().as_slice() == &whole.as_slice()[7 * 32..9 * 32]);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert!(pool.install(|| clap.embed_texts(&captions).unwrap()) == whole, "{model}, {threads} threads");
            assert!(pool.install(|| clap.embed_audio(&path).unwrap()) == sound, "{model}, {threads} threads");
        }
    }
}

/// The records of a CSV file, as they are: the library's own reader folds white space, which some tokenizers tell apart.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut all, mut record, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                all.push(std::mem::take(&mut record));
            }
            letter => field.push(letter),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        all.push(record);
    }
    all
}

#[test]
fn real_captions_are_cut_into_the_tokens_of_the_references() {
    let Some(data) = real_data("captions") else { return };
    if !starter_is_installed() {
        return;
    }
    let json = std::fs::read(folder("token_hashes.json")).unwrap();
    let wanted: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&json).unwrap();
    // WavCaps' checkpoints carry no tokenizer: bert-base-uncased's vocabulary is taken from the starter.
    let bare = tempfile::tempdir().unwrap();
    std::fs::copy(folder("wavcaps-cnn14/cnn14-bert.pt"), bare.path().join("model.pt")).unwrap();
    let refused = Clap::load(bare.path().to_str().unwrap()).unwrap_err().to_string();
    assert!(refused.contains("30522 tokens") && refused.contains("at most 400"), "{refused}");
    let starter = echoic::models::path("starter").unwrap().join("minilm/tokenizer.json");
    let mut pieces = std::fs::read_to_string(starter).unwrap().parse::<tokenizers::Tokenizer>().unwrap();
    let cut = tokenizers::TruncationParams { max_length: 30, ..Default::default() };
    pieces.with_truncation(Some(cut)).unwrap();
    pieces.with_padding(None);
    let (bytes, closed) = (load("laion-original"), load("msclap"));
    type Cut<'a> = &'a dyn Fn(&str) -> Vec<u32>;
    let cuts: [(&str, Cut); 3] = [
        ("bert-base-uncased", &|text| pieces.encode_fast(text, true).unwrap().get_ids().to_vec()),
        ("bytes", &|text| bytes.tokens(text).unwrap()),
        ("closed", &|text| closed.tokens(text).unwrap()),
    ];
    for (name, cut) in cuts {
        let (mut hasher, mut count) = (Sha256::new(), 0);
        for file in ["clotho-train", "clotho-val", "audiocaps-train", "audiocaps-val"] {
            let path = data.join("captions").join(format!("{file}.csv"));
            let rows = records(&std::fs::read_to_string(path).unwrap());
            for (head, text) in rows[1..].iter().flat_map(|row| rows[0].iter().zip(row)) {
                if head.starts_with("caption") {
                    let ids: Vec<String> = cut(text).iter().map(u32::to_string).collect();
                    hasher.update(ids.join(" ") + "\n");
                    count += 1;
                }
            }
        }
        let hash: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{name}: {count} texts, {hash}");
        assert_eq!((&wanted[name]["texts"], &wanted[name]["sha256"]), (&count.into(), &hash.into()), "{name}");
    }
}
