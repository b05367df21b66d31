//! Tests that need the inside of the decoder: whole-network gradients, and generation against training.

use rand::Rng;

use super::{
    config::DecoderConfig,
    inference::Weights,
    lesson::Lesson,
    model::Parameters,
    network::{Dropout, Network},
    packing::{Example, Packed, epoch_order, rng},
    split::split,
    state,
    vocabulary::START,
};

fn tiny() -> DecoderConfig {
    DecoderConfig {
        dim: 6,
        vocabulary: 23,
        prefix_tokens: 2,
        width: 16,
        layers: 2,
        heads: 2,
        max_tokens: 9,
        tied: true,
    }
}

fn examples() -> Vec<Example> {
    let example = |row: usize, tokens: &[u32], ended: bool| Example { row, tokens: tokens.into(), ended, repeats: 1 };
    vec![example(0, &[5, 6, 7], true), example(1, &[9], true), example(2, &[4, 4, 22, 8, 3, 10, 11, 12], false)]
}

/// Parameters with every number moved, so that no gradient is zero by symmetry.
fn parameters(config: &DecoderConfig) -> Parameters {
    let parameters = Parameters::new(config, 3).unwrap();
    let mut rng = rng(1, 99, 0, 0);
    let moved = state::weights(&parameters).unwrap();
    let moved = moved
        .into_iter()
        .map(|(name, (_, data))| (name, data.iter().map(|x| x + rng.random_range(-0.2..0.2)).collect()));
    parameters.load(&moved.collect()).unwrap();
    parameters
}

fn embeddings(config: &DecoderConfig, rows: usize) -> Vec<f32> {
    let mut rng = rng(2, 99, 0, 0);
    (0..rows * config.dim).map(|_| rng.random_range(-0.6..0.6)).collect()
}

#[test]
fn gradients_of_the_whole_network_agree_with_finite_differences() {
    let examples = examples();
    for (dropout, tied) in
        [(Dropout::NONE, true), (Dropout { rate: 0.2, seed: 5 }, true), (Dropout { rate: 0.2, seed: 5 }, false)]
    {
        let config = DecoderConfig { tied, ..tiny() };
        let parameters = parameters(&config);
        let batch = Packed::new(&examples, &config);
        let embeddings = embeddings(&config, 3);
        let network = Network { parameters: &parameters, config: &config, batch: &batch, dropout };
        let (_, gradients) = network.loss_and_gradients(embeddings.clone(), 0.1).unwrap();
        let start = state::weights(&parameters).unwrap();
        for (name, (_, data)) in &start {
            let slopes = gradients[name].flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let loss_at = |index: usize, step: f32| {
                let mut all: std::collections::BTreeMap<_, _> =
                    start.iter().map(|(name, (_, data))| (name.clone(), data.clone())).collect();
                all.get_mut(name).unwrap()[index] += step;
                parameters.load(&all).unwrap();
                network.loss_and_gradients(embeddings.clone(), 0.1).unwrap().0
            };
            for index in (0..data.len()).step_by(data.len() / 3 + 1) {
                let slope = (loss_at(index, 5e-3) - loss_at(index, -5e-3)) / 1e-2;
                let found = f64::from(slopes[index]);
                assert!((slope - found).abs() < 2e-3 + 0.03 * slope.abs(), "{name}[{index}]: {slope} and {found}");
            }
        }
        parameters.load(&start.into_iter().map(|(name, (_, data))| (name, data)).collect()).unwrap();
    }
}

#[test]
fn halves_of_a_batch_teach_what_it_teaches_as_one() {
    let (config, mut examples) = (tiny(), examples());
    // The first half of these has a text that predicts nothing.
    let silent = Example { row: 0, tokens: vec![super::vocabulary::UNKNOWN; 2], ended: false, repeats: 1 };
    let parameters = parameters(&config);
    let embeddings = embeddings(&config, 3);
    for silent in [None, Some(silent)] {
        if let Some(silent) = silent {
            examples = vec![silent, examples.remove(1), examples.remove(1)];
        }
        let batch = Packed::new(&examples, &config);
        let network = Network { parameters: &parameters, config: &config, batch: &batch, dropout: Dropout::NONE };
        let (loss, expected) = network.loss_and_gradients(embeddings.clone(), 0.1).unwrap();
        let lesson = Lesson { parameters: &parameters, config: &config, smoothing: 0.1, dropout: 0.0 };
        let examples: Vec<&Example> = examples.iter().collect();
        let learned = lesson.learn(&examples, embeddings.clone(), &mut rng(1, 4, 0, 0)).unwrap();
        assert_eq!(learned.tokens, batch.targets.len());
        assert!((learned.loss - loss).abs() < 1e-6, "{} and {loss}", learned.loss);
        assert_eq!(learned.gradients.len(), expected.len());
        for (name, gradient) in learned.gradients {
            let numbers = |tensor: &candle_core::Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let worst = numbers(&gradient)
                .iter()
                .zip(numbers(&expected[&name]))
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(worst < 1e-6, "{name}: {worst}");
        }
    }
}

#[test]
fn generation_with_cached_keys_gives_the_logits_of_training_token_by_token() {
    [true, false].into_iter().for_each(generation_gives_the_logits_of_training);
}

fn generation_gives_the_logits_of_training(tied: bool) {
    let (config, examples) = (DecoderConfig { tied, ..tiny() }, examples());
    let parameters = parameters(&config);
    let embeddings = embeddings(&config, 3);
    let weights = Weights::new(&config, state::weights(&parameters).unwrap()).unwrap();
    for (example, embedding) in examples.iter().zip(embeddings.chunks_exact(config.dim)) {
        let batch = Packed::new([example], &config);
        let network = Network { parameters: &parameters, config: &config, batch: &batch, dropout: Dropout::NONE };
        let whole = network.logits(embedding.to_vec()).unwrap().to_vec2::<f32>().unwrap();
        let mut sessions = weights.begin(&[embedding.to_vec(), vec![0.3; config.dim]]);
        let [session, other] = sessions.as_mut_slice() else { unreachable!() };
        let inputs = std::iter::once(START).chain(example.tokens.iter().copied());
        for (position, (token, expected)) in inputs.zip(&whole).enumerate() {
            // Whatever another caption reads in the same step.
            let logits = weights.next(&mut [&mut *session, &mut *other], &[token, START]).unwrap();
            for (a, b) in logits[..config.vocabulary].iter().zip(expected) {
                assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "position {position}: {a} and {b}");
            }
        }
    }
}

#[test]
fn a_session_ends_at_the_last_position_and_refuses_unknown_tokens() {
    let config = tiny();
    let weights = Weights::new(&config, state::weights(&parameters(&config)).unwrap()).unwrap();
    let mut session = weights.begin(&[vec![0.5; 6]]).remove(0);
    let mut next = |token| weights.next(&mut [&mut session], &[token]);
    assert!(next(23).is_none());
    assert!((0..config.max_tokens).all(|_| next(3).is_some()));
    assert!(next(3).is_none());
}

#[test]
fn packing_is_independent_of_the_neighbours_in_the_batch() {
    let (config, examples) = (tiny(), examples());
    let parameters = parameters(&config);
    let embeddings = embeddings(&config, 3);
    let logits = |examples: &[Example], embeddings: &[f32]| {
        let batch = Packed::new(examples, &config);
        let network = Network { parameters: &parameters, config: &config, batch: &batch, dropout: Dropout::NONE };
        network.logits(embeddings.to_vec()).unwrap().to_vec2::<f32>().unwrap()
    };
    let together = logits(&examples, &embeddings);
    let alone = logits(&examples[1..2], &embeddings[6..12]);
    for (a, b) in together[4..6].concat().iter().zip(alone.concat()) {
        assert!((a - b).abs() < 1e-5);
    }
}

#[test]
fn a_cut_text_learns_no_end() {
    let packed = Packed::new(&examples()[2..], &tiny());
    assert_eq!(packed.targets, [4, 4, 22, 8, 3, 10, 11, 12]);
    assert_eq!(packed.tokens.len(), 2 + 8);
    let packed = Packed::new(&examples()[..1], &tiny());
    assert_eq!(packed.targets, [5, 6, 7, super::vocabulary::END]);
    assert_eq!(packed.scored, [2, 3, 4, 5]);
}

#[test]
fn no_text_is_both_learned_and_held_out_and_repeats_count() {
    let example = |row: usize| Example { row, tokens: vec![(row % 50) as u32 + 3], ended: true, repeats: 1 };
    let split = split((0..100).map(example).collect(), |_| &[], 0.1, 7);
    assert_eq!((split.training.len(), split.validation.len()), (90, 10));
    assert!(split.validation.iter().all(|v| split.training.iter().all(|t| t.tokens != v.tokens)));
    let repeated = vec![Example { repeats: 3, ..example(0) }, example(1)];
    let mut order = epoch_order(&repeated, 2, 7, 0).concat();
    order.sort_unstable();
    assert_eq!(order, [0, 0, 0, 1]);
}
