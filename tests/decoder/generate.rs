//! Writing captions: batches, beams, drawing, English, and damaged files.

use std::sync::OnceLock;

use echoic::decoder::{GenerateOptions, Generated, TrainOptions, Vocabulary, train};
use echoic::metrics::{Clip, Metric, Scorer};
use echoic::progress::Control;
use echoic::{Decoder, Error};
use safetensors::SafeTensors;

use crate::common::is_for_the_user;
use crate::common::texts::{set, tokenizer};

/// A decoder that has half learned its texts, so that its choices are not clear-cut, and its file.
fn trained() -> &'static (Vec<u8>, Decoder) {
    static TRAINED: OnceLock<(Vec<u8>, Decoder)> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let options = TrainOptions::default().epochs(15).batch(12).validation(0.0);
        let report = train(&set(), &tokenizer(), &options, dir.path(), &Control::default()).unwrap();
        (std::fs::read(&report.best).unwrap(), Decoder::load(&report.best).unwrap())
    })
}

fn with(change: impl FnOnce(&mut GenerateOptions)) -> GenerateOptions {
    let mut options = GenerateOptions::default();
    change(&mut options);
    options
}

#[test]
fn a_batch_says_what_each_alone_says() {
    let (_, decoder) = trained();
    let embeddings = set().embeddings;
    for options in [with(|o| o.beam = 1), GenerateOptions::default()] {
        let batch = decoder.generate_batch(&embeddings, &options).unwrap();
        let alone: Vec<Generated> = embeddings.rows().map(|row| decoder.generate(row, &options).unwrap()).collect();
        assert_eq!(batch, alone);
    }
}

#[test]
fn the_length_of_the_prefix_does_not_matter_but_its_direction_must_exist() {
    let (_, decoder) = trained();
    let row = set().embeddings.row(3).unwrap().to_vec();
    let options = GenerateOptions::default();
    let longer: Vec<f32> = row.iter().map(|x| x * 4.0).collect();
    assert_eq!(decoder.generate(&longer, &options).unwrap().text, decoder.generate(&row, &options).unwrap().text);
    for bad in [vec![0.0; 24], vec![f32::NAN; 24]] {
        assert!(matches!(decoder.generate(&bad, &options), Err(Error::Input { .. })));
    }
    for bad in [vec![1.0; 23], vec![]] {
        let error = decoder.generate(&bad, &options).unwrap_err();
        assert!(matches!(error, Error::Dimension { found, expected: 24, .. } if found == bad.len()), "{error:?}");
    }
}

#[test]
fn beams_find_captions_at_least_as_likely_for_their_length() {
    let (_, decoder) = trained();
    let score = |g: &Generated| f64::from(g.log_prob) / ((g.tokens + 1) as f64).powf(0.7);
    let total = |beam| {
        let captions = decoder.generate_batch(&set().embeddings, &with(|o| o.beam = beam)).unwrap();
        captions.iter().map(score).sum::<f64>()
    };
    assert!(total(4) >= total(1) - 1e-6);
}

#[test]
fn drawing_repeats_with_its_seed_and_limits_hold() {
    let (_, decoder) = trained();
    let embeddings = set().embeddings;
    let draw = |seed, top_p| {
        let options = with(|o| (o.temperature, o.top_p, o.seed) = (1.5, top_p, seed));
        decoder.generate_batch(&embeddings, &options).unwrap()
    };
    assert_eq!(draw(1, 0.9), draw(1, 0.9));
    assert_ne!(draw(1, 1.0), draw(2, 1.0));
    // A nucleus of nothing but the likeliest token is greedy.
    let greedy = decoder.generate_batch(&embeddings, &with(|o| o.beam = 1)).unwrap();
    assert_eq!(draw(1, 1e-9), greedy);
    let short = decoder.generate_batch(&embeddings, &with(|o| o.max_tokens = Some(2))).unwrap();
    assert!(short.iter().all(|c| (1..=2).contains(&c.tokens)));
    for bad in [
        with(|o| o.beam = 0),
        with(|o| o.beam = 65),
        with(|o| o.temperature = -1.0),
        with(|o| o.temperature = f32::NAN),
        with(|o| o.top_p = 0.0),
        with(|o| o.top_p = 1.1),
    ] {
        assert!(matches!(decoder.generate(embeddings.row(0).unwrap(), &bad), Err(Error::Input { .. })));
    }
}

#[test]
fn the_guard_lets_no_pair_of_words_occur_twice() {
    let (_, decoder) = trained();
    let options = with(|o| (o.no_repeat, o.temperature, o.seed) = (2, 3.0, 4));
    for caption in decoder.generate_batch(&set().embeddings, &options).unwrap() {
        let words: Vec<&str> = caption.text.trim_end_matches('.').split(' ').collect();
        let mut pairs: Vec<&[&str]> = words.windows(2).collect();
        pairs.sort_unstable();
        let count = pairs.len();
        pairs.dedup();
        assert_eq!(pairs.len(), count, "{}", caption.text);
    }
}

/// The share of captions in which a content word stands twice, as scoring counts it.
fn repetition(captions: &[Generated]) -> f64 {
    let clip = |caption: &Generated| Clip::new("a clip", caption.text.as_str(), ["A sound."]);
    let clips: Vec<Clip> = captions.iter().map(clip).collect();
    let scorer = Scorer::default().only(vec![Metric::Repetition]);
    scorer.score(&clips, &Control::default()).unwrap().score(Metric::Repetition).unwrap().corpus
}

#[test]
fn the_guard_on_words_and_scoring_agree_on_what_a_repeated_word_is() {
    let (_, decoder) = trained();
    let embeddings = set().embeddings;
    // Bold draws write every word after every other, and single pieces.
    let bold = |seed| with(|o| (o.no_repeat, o.temperature, o.seed) = (0, 8.0, seed));
    for seed in 0..20 {
        let captions = decoder.generate_batch(&embeddings, &bold(seed)).unwrap();
        assert_eq!(repetition(&captions), 0.0, "{captions:?}");
        let unminded = decoder.generate_batch(&embeddings, &bold(seed).unique_words(false)).unwrap();
        assert!(repetition(&unminded) > 0.5);
    }
    for options in [GenerateOptions::default(), with(|o| o.beam = 1), with(|o| (o.beam, o.no_repeat) = (16, 0))] {
        assert_eq!(repetition(&decoder.generate_batch(&embeddings, &options).unwrap()), 0.0);
    }
}

#[test]
fn candidates_are_what_the_search_kept_and_each_can_be_explained() {
    let (_, decoder) = trained();
    let embeddings = set().embeddings;
    let (row, neutral, options) = (embeddings.row(5).unwrap(), embeddings.row(35).unwrap(), GenerateOptions::default());
    let candidates = decoder.candidates(row, &options).unwrap();
    assert_eq!(candidates[0], decoder.generate(row, &options).unwrap());
    assert_eq!(candidates.len(), options.beam);
    assert!(candidates.is_sorted_by(|a, b| a.score() >= b.score()));
    let mut texts: Vec<&str> = candidates.iter().map(|candidate| candidate.text.as_str()).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), options.beam, "each says something else");
    for (place, candidate) in candidates.iter().enumerate() {
        let explained = decoder.explain(row, neutral, &options, place).unwrap();
        let total: f32 = explained.iter().map(|token| token.log_prob).sum();
        assert!((total - candidate.log_prob).abs() < 1e-4, "{total} and {}", candidate.log_prob);
    }
    assert!(matches!(decoder.explain(row, neutral, &options, options.beam), Err(Error::Input { .. })));
    assert_eq!(decoder.candidates(row, &with(|o| o.temperature = 1.0)).unwrap().len(), 1);
}

#[test]
fn what_each_token_was_worth_comes_to_what_the_caption_was_worth() {
    let (_, decoder) = trained();
    let embeddings = set().embeddings;
    let (neutral, mut called_for) = (embeddings.row(35).unwrap(), 0);
    for options in [with(|o| o.beam = 1), GenerateOptions::default(), with(|o| o.max_tokens = Some(2))] {
        for row in embeddings.rows() {
            let caption = decoder.generate(row, &options).unwrap();
            let explained = decoder.explain(row, neutral, &options, 0).unwrap();
            let total: f32 = explained.iter().map(|token| token.log_prob).sum();
            assert!((total - caption.log_prob).abs() < 1e-4, "{total} and {}", caption.log_prob);
            let text: String = explained.iter().map(|token| token.text.as_str()).collect();
            assert_eq!(text.trim_end_matches([',', ' ']), caption.text.trim_end_matches('.'));
            assert_eq!(explained.iter().filter(|token| !token.is_end).count(), caption.tokens);
            called_for += usize::from(explained.iter().any(|token| token.log_prob - token.habit > 1.0));
            assert!(explained.iter().all(|token| token.log_prob <= 0.0 && token.habit <= 0.0));
        }
    }
    assert!(called_for > 50, "{called_for} captions with a word that only their embedding calls for");
    // Where both embeddings are the same, nothing was called for, and a greedy caption is what habit writes.
    let greedy = with(|o| o.beam = 1);
    for token in decoder.explain(neutral, neutral, &greedy, 0).unwrap() {
        assert_eq!((token.log_prob, token.instead), (token.habit, None));
    }
}

#[test]
fn tokens_come_back_as_the_texts_were_written() {
    let texts: Vec<String> = set().texts.into_iter().map(|t| t.text).collect();
    let (vocabulary, tokens) = Vocabulary::build(&tokenizer(), texts.iter().map(String::as_str), 1).unwrap();
    for (text, tokens) in texts.iter().zip(&tokens) {
        assert_eq!(&vocabulary.text(tokens), text);
    }
    assert_eq!(vocabulary.text(&[]), "");
    assert_eq!(vocabulary.text(&[0, 1, 2, 9999]), "");
    // Lower-case texts without stops stay so.
    let (plain, tokens) = Vocabulary::build(&tokenizer(), ["rain ticks", "the wind hums", "a dog"], 1).unwrap();
    assert_eq!(plain.text(&tokens[1]), "the wind hums");
    // A rare word is unknown as a whole, and never half a word.
    let texts = ["rain rattles", "rain ticks", "rain ticks"];
    let (common, tokens) = Vocabulary::build(&tokenizer(), texts, 2).unwrap();
    assert_eq!(tokens[0].len(), 2);
    assert_eq!((common.text(&tokens[0]).as_str(), common.text(&tokens[1]).as_str()), ("rain", "rain ticks"));
}

#[test]
fn a_damaged_file_is_an_error_and_never_a_panic() {
    let (bytes, _) = trained();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("decoder.safetensors");
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Decoder::load(&path)
    };
    assert!(load(bytes).is_ok());
    for length in [0, 4, 8, 100, 2000, bytes.len() / 2, bytes.len() - 1] {
        assert!(load(&bytes[..length]).is_err(), "cut to {length}");
    }
    assert!(load(b"no decoder at all, but long enough to be one").is_err());
    let mut unlike = bytes.clone();
    let at = unlike.windows(16).position(|w| w == b"echoic-decoder-1").unwrap();
    unlike[at + 15] = b'9';
    let error = load(&unlike).unwrap_err();
    assert!(is_for_the_user(&error) && error.hint().is_some(), "{error}");
    for (from, to) in [("width\\\":192", "width\\\":196"), ("layers\\\":2", "leyers\\\":2")] {
        let mut changed = bytes.clone();
        let at = changed.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        assert!(load(&changed).is_err(), "{from}");
    }
    let mut infinite = bytes.clone();
    let end = infinite.len();
    infinite[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(load(&infinite).is_err());
    assert!(matches!(Decoder::load(dir.path().join("absent")), Err(Error::Io { .. })));
}

#[test]
fn weights_that_overflow_on_the_way_are_survived() {
    let mut bytes = trained().0.clone();
    let table = SafeTensors::deserialize(&bytes).unwrap();
    let positions = table.tensor("positions").unwrap();
    let row = 4 * positions.shape()[1];
    // Captions that ended before the sixth position keep their probability, the others have none from there on: among the
    // candidates of a beam are numbers and no numbers, which have no order of their own.
    let at = positions.data().as_ptr() as usize - bytes.as_ptr() as usize + 6 * row;
    for (index, x) in bytes[at..at + row].chunks_exact_mut(4).enumerate() {
        x.copy_from_slice(&if index % 2 == 0 { 3e38f32 } else { -2e38 }.to_le_bytes());
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("decoder.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let decoder = Decoder::load(&path).unwrap();
    for options in [with(|o| o.beam = 64), with(|o| o.temperature = 2.0)] {
        for caption in decoder.generate_batch(&set().embeddings, &options).unwrap() {
            assert!(!caption.text.is_empty());
        }
    }
}
