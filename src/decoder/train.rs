//! Training: prefix language modelling on texts alone (WSAC, section 2.1 and 3.2).

use std::{collections::BTreeMap, path::Path, time::Instant};

use sha2::{Digest, Sha256};

use super::{
    config::{DecoderConfig, Recipe},
    decoder_file::{Block, Header, json, write_decoder},
    foundation::Foundation,
    lesson::{Learned, Lesson},
    model::{Parameters, informed_start},
    network::{Dropout, Network},
    options::{Material, Rows, TrainOptions, TrainReport, TrainingFacts, TrainingSet, TrainingText},
    origin::Origin,
    packing::{Example, MULTIPLICITY_CAP, Packed, epoch_order, rng},
    split::{Split, split},
    state::{self, LogEntry, Progressed, told},
    vocabulary::{UNKNOWN, Vocabulary},
    work::WorkFolder,
};
use crate::{
    Error, Result,
    bridge::{self, inject_noise_from},
    nn::ops::{AdamW, Moments, squared_norm},
    progress::Control,
    tensor::Fault,
    tokenizer::Tokenizer,
};

/// Trains a decoder on texts and their embeddings.
///
/// `tokenizer` is the text tower's; `dir` is the work folder, which receives `best.safetensors` (the decoder, see
/// [`super::Decoder::load`]), `state.safetensors` (for resuming) and `log.jsonl` (one [`LogEntry`] an epoch); a file `lock`
/// keeps another training out of it. `stop` is looked at before every step; when it was requested, the state is saved and
/// the report says `interrupted`.
///
/// # Errors
/// When the texts are too few or do not fit the embeddings, an option is out of range, the state to resume belongs to
/// another training, the folder holds a stopped training that is neither to be resumed nor to be discarded, the loss stops
/// being finite, or the folder cannot be written; [`Error::Training`] while another training works in the folder.
pub fn train<E: Rows>(
    set: &TrainingSet<E>,
    tokenizer: &Tokenizer,
    options: &TrainOptions,
    dir: &Path,
    control: &Control<'_>,
) -> Result<TrainReport> {
    train_in(&WorkFolder::take(dir)?, set, tokenizer, options, control)
}

/// [`train`] in a folder that is taken already.
pub(crate) fn train_in<E: Rows>(
    folder: &WorkFolder,
    set: &TrainingSet<E>,
    tokenizer: &Tokenizer,
    options: &TrainOptions,
    control: &Control<'_>,
) -> Result<TrainReport> {
    keep_freed_memory();
    let mut trainer = Trainer::new(set.material(), tokenizer, options, folder)?;
    let phase = control.begin("training", Some((trainer.recipe.epochs * trainer.steps_per_epoch()) as u64));
    control.skip(trainer.state.updates);
    trainer.run(control)?;
    phase.end();
    trainer.report()
}

/// Makes glibc keep what it is given back: freeing one block of 31 MiB raises its thresholds for returning memory to the
/// system. Otherwise every step gets its buffers afresh, page by page, which takes a sixth of the time. Without glibc it
/// does nothing.
fn keep_freed_memory() {
    drop(std::hint::black_box(vec![0u8; 31 << 20]));
}

struct Trainer<'a> {
    set: Material<'a>,
    options: &'a TrainOptions,
    folder: &'a WorkFolder,
    config: DecoderConfig,
    recipe: Recipe,
    vocabulary: Vocabulary,
    origin: Option<Origin>,
    added_tokens: Option<usize>,
    unknown: f64,
    split: Split,
    parameters: Parameters,
    moments: BTreeMap<String, Moments>,
    state: Progressed,
    /// When this process began, less the seconds before it.
    begun: Instant,
    seconds_before: f64,
    interrupted: bool,
}

impl<'a> Trainer<'a> {
    fn new(
        set: Material<'a>,
        tokenizer: &Tokenizer,
        options: &'a TrainOptions,
        folder: &'a WorkFolder,
    ) -> Result<Self> {
        let begun = Instant::now();
        check(&set, options)?;
        if !options.resume && !options.restart {
            folder.refuse_stopped()?;
        }
        let recipe = recipe(options, set.texts.len())?;
        let foundation = Foundation::of(options, set.space)?;
        let texts = set.texts.iter().map(|t| t.text.as_str());
        let (vocabulary, encoded) = match &foundation {
            Some(foundation) => foundation.vocabulary().extended(tokenizer, texts, recipe.least_count)?,
            None => Vocabulary::build(tokenizer, texts, recipe.least_count)?,
        };
        let config = match &foundation {
            Some(foundation) => foundation.config(vocabulary.len()),
            None => {
                let shape = options.preset.config(set.space.dim, vocabulary.len());
                let lengths = encoded.iter().map(Vec::len).collect();
                options.shape.applied(options.preset.with_room(shape, lengths))
            }
        };
        config.check()?;
        let recipe = match options.epochs {
            Some(_) => recipe,
            None => {
                let tokens = encoded.iter().map(|text| text.len().min(config.max_tokens)).sum();
                options.preset.with_passes(recipe, tokens)
            }
        };
        let added_tokens = foundation.as_ref().map(|foundation| vocabulary.len() - foundation.vocabulary().len());
        let unknown = share_of_unknown(&encoded);
        let clips = |row: usize| set.texts.get(row).map_or(&[][..], |text| &text.clips);
        let split = split(examples(set.texts, encoded, config.max_tokens), clips, options.validation, options.seed);
        if split.training.is_empty() {
            return Err(Error::input(
                "training texts",
                "none left to train on",
                "at least one caption with words in it",
            )
            .with_hint("ingest more captions"));
        }
        if split.validation.is_empty() && options.validation > 0.0 {
            tracing::warn!(
                "no text can be held out, because all hang together by clips: the last epoch counts as the best"
            );
        }
        let parameters = Parameters::new(&config, options.seed)?;
        if recipe.informed_start {
            informed_start(&config, &parameters, &split.training, set.embeddings, options.seed)?;
        }
        let origin = foundation.as_ref().map(|foundation| foundation.origin.clone());
        if let Some(foundation) = foundation {
            foundation.begin(&parameters, config.width)?;
        }
        let fingerprint = fingerprint(&set, options, &config, &recipe, origin.as_ref())?;
        let resumed = match options.resume {
            true => state::load(&folder.state(), &fingerprint, &parameters)?,
            false => None,
        };
        let (state, moments) = resumed.unwrap_or_else(|| {
            let fresh = parameters.iter().map(|(name, var)| (name.clone(), Moments::new(var.elem_count())));
            (Progressed { fingerprint, ..Progressed::default() }, fresh.collect())
        });
        let seconds_before = state.seconds;
        Ok(Self {
            set,
            options,
            folder,
            config,
            recipe,
            vocabulary,
            origin,
            added_tokens,
            unknown,
            split,
            parameters,
            moments,
            state,
            begun,
            seconds_before,
            interrupted: false,
        })
    }

    fn steps_per_epoch(&self) -> usize {
        let captions: usize = self.split.training.iter().map(|e| e.repeats as usize).sum();
        captions.div_ceil(self.recipe.batch)
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.begun.elapsed().as_secs_f64()
    }

    fn run(&mut self, control: &Control<'_>) -> Result<()> {
        while self.state.epoch < self.recipe.epochs {
            if !self.epoch(control)? {
                self.interrupted = true;
                if self.state.best.is_none() {
                    self.keep_as_best(None)?;
                }
                return self.save();
            }
        }
        Ok(())
    }

    /// Trains to the end of the epoch; false when stopped before.
    fn epoch(&mut self, control: &Control<'_>) -> Result<bool> {
        let (number, total) = (self.state.epoch + 1, self.recipe.epochs);
        let order = epoch_order(&self.split.training, self.recipe.batch, self.options.seed, self.state.epoch);
        let mut rate = 0.0;
        for batch in order.iter().skip(self.state.step) {
            if control.is_stopped() {
                return Ok(false);
            }
            let begun = Instant::now();
            rate = self.recipe.rate_at(self.state.epoch as f64 + (self.state.step + 1) as f64 / order.len() as f64);
            let (loss, tokens) = self.step(batch, rate)?;
            let state = &mut self.state;
            state.loss_sum += loss * tokens as f64;
            state.tokens += tokens as u64;
            state.step += 1;
            state.updates += 1;
            state.epoch_seconds += begun.elapsed().as_secs_f64();
            control.advance(1);
            if state.step.is_multiple_of(10) {
                let mean = state.loss_sum / state.tokens.max(1) as f64;
                control.note(&format!("epoch {number} of {total}, loss {mean:.2}{}", self.best_note()));
            }
        }
        self.finish_epoch(rate)?;
        Ok(true)
    }

    fn best_note(&self) -> String {
        match self.state.best {
            Some((_, Some(loss))) => format!(", best validation loss {loss:.2}"),
            _ => String::new(),
        }
    }

    /// One optimizer step; returns the loss and the tokens learned from.
    fn step(&mut self, batch: &[usize], rate: f64) -> Result<(f64, usize)> {
        let examples: Vec<&Example> = batch.iter().filter_map(|i| self.split.training.get(*i)).collect();
        let (seed, epoch, step) = (self.options.seed, self.state.epoch, self.state.step);
        let rows: Vec<usize> = examples.iter().map(|example| example.row).collect();
        let embeddings = self.bridged(&rows, &mut rng(seed, 3, epoch, step))?;
        let lesson = Lesson {
            parameters: &self.parameters,
            config: &self.config,
            smoothing: self.recipe.smoothing,
            dropout: self.recipe.dropout,
        };
        let Learned { tokens, loss: value, gradients } =
            lesson.learn(&examples, embeddings, &mut rng(seed, 4, epoch, step))?;
        let squares = gradients.values().map(squared_norm).sum::<Result<f64, _>>().map_err(Fault::from)?;
        let norm = squares.sqrt();
        if !value.is_finite() || !norm.is_finite() {
            return Err(Error::input("training", "a loss that is not finite", "a finite loss")
                .with_hint("lower the learning rate; the checkpoints written so far are kept"));
        }
        let scale = self.recipe.clip.filter(|most| norm > *most).map_or(1.0, |most| most / norm);
        for (name, var) in self.parameters.iter() {
            let (Some(gradient), Some(moments)) = (gradients.get(name), self.moments.get_mut(name)) else { continue };
            let decay = if name.ends_with(".weight") { self.recipe.weight_decay } else { 0.0 };
            let (beta2, step) = (self.recipe.beta2, self.state.updates + 1);
            let adam = AdamW { rate, beta1: 0.9, beta2, epsilon: 1e-8, decay, scale, step };
            adam.apply(var.as_tensor(), gradient, moments).map_err(Fault::from)?;
        }
        Ok((value, tokens))
    }

    /// The embeddings of `rows`, shifted and noised as the options say, of unit length.
    fn bridged(&self, rows: &[usize], rng: &mut impl rand::Rng) -> Result<Vec<f32>> {
        let mut all = Vec::with_capacity(rows.len() * self.config.dim);
        for row in rows {
            let begin = all.len();
            let embedding = self.set.embeddings.row(*row);
            all.extend_from_slice(embedding.ok_or_else(|| Error::Internal(format!("no embedding {row}")))?);
            let embedding = &mut all[begin..];
            if let Some(delta) = &self.options.bridge.shift {
                bridge::shift(embedding, delta);
            }
            inject_noise_from(embedding, self.options.bridge.noise_variance.unwrap_or(0.0), rng);
        }
        Ok(all)
    }

    /// The loss on the held-out texts in nats a token, bridged with the same noise every time; `None` where none is held out.
    fn validation_loss(&self) -> Result<Option<f64>> {
        let (mut sum, mut tokens) = (0.0, 0usize);
        for (index, batch) in self.split.validation.chunks(64).enumerate() {
            let packed = Packed::new(batch, &self.config);
            let embeddings = self.bridged(&packed.embeddings, &mut rng(self.options.seed, 5, 0, index))?;
            let network =
                Network { parameters: &self.parameters, config: &self.config, batch: &packed, dropout: Dropout::NONE };
            let loss = network.loss(embeddings)?;
            sum += loss * packed.targets.len() as f64;
            tokens += packed.targets.len();
        }
        Ok((tokens > 0).then(|| sum / tokens as f64))
    }

    fn finish_epoch(&mut self, rate: f64) -> Result<()> {
        let validation_loss = self.validation_loss()?.map(told);
        let seconds = self.seconds();
        let state = &mut self.state;
        state.epoch += 1;
        state.log.push(LogEntry {
            epoch: state.epoch,
            step: state.updates,
            train_loss: told(state.loss_sum / state.tokens.max(1) as f64),
            validation_loss,
            learning_rate: told(rate),
            tokens_per_second: told(state.tokens as f64 / state.epoch_seconds.max(1e-9)),
            seconds,
        });
        state.all_tokens += state.tokens;
        state.training_seconds += state.epoch_seconds;
        (state.step, state.loss_sum, state.tokens, state.epoch_seconds) = (0, 0.0, 0, 0.0);
        let better = match (state.best, validation_loss) {
            (Some((_, Some(best))), Some(loss)) => loss < best,
            _ => true,
        };
        if better {
            self.keep_as_best(validation_loss)?;
        }
        self.save()
    }

    fn keep_as_best(&mut self, validation_loss: Option<f64>) -> Result<()> {
        let bridge = &self.options.bridge;
        let facts = TrainingFacts {
            preset: self.options.preset,
            texts: self.split.training.len(),
            held_out: self.split.validation.len(),
            validation: Some(self.options.validation),
            noise_variance: bridge.noise_variance,
            shift_length: bridge.shift_length(),
            shift_sha256: bridge.shift_sha256(),
            shift_from: bridge.shift_from.clone(),
            epoch: self.state.epoch,
            epochs: self.recipe.epochs,
            validation_loss,
            seed: self.options.seed,
            recipe: Some(self.recipe.clone()),
            from: self.origin.clone(),
            echoic: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let header = Header {
            config: self.config.clone(),
            vocabulary: self.vocabulary.clone(),
            space: self.set.space.clone(),
            facts,
        };
        let held = self.parameters.held()?;
        let weights =
            held.iter().map(|one| (one.name.to_owned(), Block { shape: one.shape, data: &one.data })).collect();
        write_decoder(&self.folder.best(), &header, weights)?;
        self.state.best = Some((self.state.epoch, validation_loss));
        Ok(())
    }

    /// Writes log and state; the log is written whole, so that a resumed training repeats no line.
    fn save(&mut self) -> Result<()> {
        let mut lines = String::new();
        for entry in &self.state.log {
            lines.push_str(&json(entry)?);
            lines.push('\n');
        }
        crate::file::replace(&self.folder.log(), lines.as_bytes())?;
        self.state.seconds = self.seconds();
        state::save(&self.folder.state(), &self.state, &self.parameters, &self.moments)
    }

    fn report(&self) -> Result<TrainReport> {
        let state = &self.state;
        let (best_epoch, validation_loss) = state.best.ok_or_else(|| Error::input("epochs", 0, "at least 1"))?;
        let tokens = state.all_tokens + state.tokens;
        Ok(TrainReport {
            best: self.folder.best(),
            texts: self.split.training.len(),
            held_out: self.split.validation.len(),
            best_epoch,
            validation_loss,
            train_loss: state.log.last().map(|entry| entry.train_loss),
            epochs: state.epoch,
            tokens_per_second: tokens as f64 / (state.training_seconds + state.epoch_seconds).max(1e-9),
            parameters: self.parameters.count(),
            vocabulary: self.vocabulary.len(),
            added_tokens: self.added_tokens,
            unknown: self.unknown,
            shape: self.config.clone(),
            recipe: self.recipe.clone(),
            from: self.origin.clone(),
            seconds: self.seconds(),
            interrupted: self.interrupted,
        })
    }
}

fn check(set: &Material<'_>, options: &TrainOptions) -> Result<()> {
    let dim = set.space.dim;
    let odd = set.rows().find(|row| row.len() != dim).map_or(dim, <[f32]>::len);
    if set.texts.len() != set.embeddings.count() || odd != dim {
        return Err(Error::Internal(format!(
            "{} texts with {} embeddings of {odd} dimensions in a space of {dim}",
            set.texts.len(),
            set.embeddings.count(),
        )));
    }
    if set.rows().flatten().any(|x| !x.is_finite()) {
        return Err(Error::input("embeddings", "a number that is not finite", "finite numbers"));
    }
    if !(0.0..1.0).contains(&options.validation) {
        return Err(Error::input("validation share", options.validation, "at least 0 and below 1"));
    }
    for (name, value) in [("epochs", options.epochs), ("batch", options.batch)] {
        if value.is_some_and(|v| v == 0 || v > 1_000_000) {
            return Err(Error::input(name, value.unwrap_or(0), "1 to 1000000"));
        }
    }
    if options.learning_rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
        return Err(Error::input("learning rate", options.learning_rate.unwrap_or(0.0), "a number above 0"));
    }
    bridge::check_bridge(options.bridge.noise_variance, options.bridge.shift.as_deref(), dim)
}

/// The preset's recipe as the options change it.
fn recipe(options: &TrainOptions, texts: usize) -> Result<Recipe> {
    let preset = options.preset.recipe(texts);
    let own = match options.from {
        // Its weights are where the start is.
        Some(_) => Recipe { informed_start: false, ..preset },
        None => preset,
    };
    let recipe = options.recipe.applied(own)?;
    Ok(Recipe {
        epochs: options.epochs.unwrap_or(recipe.epochs),
        batch: options.batch.unwrap_or(recipe.batch),
        learning_rate: options.learning_rate.unwrap_or(recipe.learning_rate),
        ..recipe
    })
}

fn share_of_unknown(encoded: &[Vec<u32>]) -> f64 {
    let unknown = encoded.iter().flatten().filter(|token| **token == UNKNOWN).count();
    unknown as f64 / encoded.iter().map(Vec::len).sum::<usize>().max(1) as f64
}

/// The texts as examples; empty ones are left out, long ones are cut.
fn examples(texts: &[TrainingText], encoded: Vec<Vec<u32>>, max_tokens: usize) -> Vec<Example> {
    let rows = texts.iter().zip(encoded).enumerate();
    let kept = rows.filter(|(_, (text, tokens))| text.multiplicity > 0 && !tokens.is_empty());
    let example = |(row, (text, mut tokens)): (usize, (&TrainingText, Vec<u32>))| {
        // The start marker takes one place and the end marker another; a cut text has no end marker.
        let ended = tokens.len() + 2 <= max_tokens;
        tokens.truncate(if ended { max_tokens - 2 } else { max_tokens - 1 });
        Example { row, tokens, ended, repeats: text.multiplicity.min(MULTIPLICITY_CAP) }
    };
    kept.map(example).collect()
}

/// Tells apart trainings whose states must not be mixed.
fn fingerprint(
    set: &Material<'_>,
    options: &TrainOptions,
    config: &DecoderConfig,
    recipe: &Recipe,
    origin: Option<&Origin>,
) -> Result<String> {
    let mut hash = Sha256::new();
    if let Some(origin) = origin {
        hash.update(&origin.sha256);
    }
    hash.update(json(config)?);
    hash.update(json(recipe)?);
    hash.update(json(&options.bridge)?);
    hash.update(json(&set.space)?);
    hash.update(options.seed.to_le_bytes());
    hash.update(options.validation.to_le_bytes());
    for text in set.texts {
        hash.update((text.text.len() as u64).to_le_bytes());
        hash.update(text.text.as_bytes());
        hash.update(text.multiplicity.to_le_bytes());
        // They decide who is held out.
        text.clips.iter().for_each(|clip| hash.update(clip.to_le_bytes()));
    }
    let mut bytes = Vec::new();
    for row in set.rows() {
        bytes.clear();
        bytes.extend(row.iter().flat_map(|x| x.to_le_bytes()));
        hash.update(&bytes);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
