//! A few texts with embeddings and a tokenizer, for tests of the decoder.

use echoic::decoder::{TrainingSet, TrainingText};
use echoic::embedding::normalize;
use echoic::{EmbeddingSpace, Embeddings, Tokenizer};

const WHO: [&str; 6] = ["A dog", "Heavy rain", "A small engine", "Someone's phone", "An old clock", "The wind"];
const DOES: [&str; 6] = ["hums", "rattles loudly", "is heard, then stops", "barks twice", "ticks", "fades away"];

/// 36 captions; embeddings `[36, 24]` with a direction for each half of a caption.
pub fn set() -> TrainingSet {
    let (mut texts, mut embeddings) = (Vec::new(), Embeddings::new(24));
    for (i, who) in WHO.iter().enumerate() {
        for (j, does) in DOES.iter().enumerate() {
            texts.push(TrainingText { text: format!("{who} {does}."), multiplicity: 1, clips: Vec::new() });
            let mut row: Vec<f32> = (0..24).map(|k| ((i * 31 + j * 17 + k * 7) % 11) as f32 / 60.0).collect();
            row[i] += 1.0;
            row[6 + j] += 1.0;
            normalize(&mut row);
            embeddings.push(&row).unwrap();
        }
    }
    TrainingSet { texts, embeddings, space: EmbeddingSpace { model: "test".into(), sha256: String::new(), dim: 24 } }
}

/// BERT's tokenizer with the words of [`set`]; `rattles` is two pieces.
pub fn tokenizer() -> Tokenizer {
    let words = "[UNK] a dog heavy rain small engine someone ' s phone an old clock the wind hums rattle ##s loudly is \
                 heard , then stops barks twice ticks fades away .";
    let vocabulary: serde_json::Map<_, _> =
        words.split_whitespace().enumerate().map(|(id, word)| (word.to_owned(), id.into())).collect();
    let json = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "post_processor": null,
        "decoder": null,
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
            "lowercase": true
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary
        }
    });
    Tokenizer::from_json("a tokenizer", json.to_string()).unwrap()
}
