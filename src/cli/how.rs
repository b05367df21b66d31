//! How captions are made: the options that every command with captions of its own takes.

use clap::Args;
use echoic::bridge::Strategy;
use echoic::captioner::{CaptionOptions, Captioner};
use echoic::decoder::GenerateOptions;
use echoic::decoders;
use echoic::retrieval::RetrievalOptions;
use echoic::{Error, Result, Snapshot};

use super::context::Context;
use super::search::{Effort, at_least_one, scope};

/// How captions are made.
#[derive(Debug, Clone, Args)]
pub struct How {
    /// How the gap between audio and text is bridged: direct, nearest or projection (the default); or text, the nearest stored text itself, which
    /// needs no decoder and is the default where there is none
    #[arg(long, value_name = "STRATEGY")]
    pub strategy: Option<Strategy>,
    /// Neighbours to retrieve; by default as many as cover `--mass` of the projection's weight
    #[arg(short, value_name = "K", conflicts_with = "exact")]
    pub k: Option<usize>,
    /// The share of the projection's weight to cover, below 1: the search widens until what it left out can hold no more than the rest
    #[arg(long, value_name = "M", allow_negative_numbers = true, default_value_t = 0.99, conflicts_with_all = ["exact", "k"])]
    pub mass: f32,
    #[command(flatten)]
    pub effort: Effort,
    /// Temperature of the projection's softmax
    #[arg(long, value_name = "T", allow_negative_numbers = true, default_value_t = echoic::bridge::PAPER_TEMPERATURE)]
    pub temperature: f32,
    /// Retrieve from this domain only (may be given several times)
    #[arg(long = "domain", value_name = "NAME")]
    pub domains: Vec<String>,
    /// The decoder to write with; by default the one that `decoders` lists as in use
    #[arg(long, value_name = "NAME")]
    pub decoder: Option<String>,
    #[command(flatten)]
    pub writing: Writing,
    /// How much it counts that a caption says what the decoder was given, as the text tower understands it, when the beams are ranked: the cosine
    /// between the two times W is added to each beam's score; 0 ranks them by likelihood alone, as in the paper
    #[arg(long, value_name = "W", allow_negative_numbers = true, default_value_t = CaptionOptions::RERANK)]
    pub rerank: f32,
}

impl How {
    /// A captioner of the store, and how it is to caption.
    ///
    /// # Errors
    /// As [`Captioner::of`], and [`Error::Input`] for what cannot be meant.
    pub fn captioner(&self, context: &Context) -> Result<(Captioner, CaptionOptions)> {
        self.captioner_of(context.snapshot()?)
    }

    /// The same for a snapshot that is there already.
    ///
    /// # Errors
    /// As [`How::captioner`].
    pub fn captioner_of(&self, memory: Snapshot) -> Result<(Captioner, CaptionOptions)> {
        let retrieval = RetrievalOptions::default()
            .k(self.k)
            .mass(self.mass)
            .temperature(self.temperature)
            .scope(scope(&self.domains))
            .effort(self.effort.chosen());
        let generate = self.writing.options()?;
        let captioner = Captioner::of(memory.clone(), self.decoder.as_deref())?;
        let strategy = self.strategy.unwrap_or_else(|| usual_strategy(&captioner));
        if strategy != Strategy::Text {
            remark_on_domains(&memory, &captioner, &self.domains);
        }
        let options = CaptionOptions::default().strategy(strategy).retrieval(retrieval).generate(generate);
        Ok((captioner, options.rerank(self.rerank)))
    }
}

/// How the decoder chooses words.
#[derive(Debug, Clone, Args)]
pub struct Writing {
    /// Captions that the decoder keeps in parallel; 1 is greedy, as in the paper
    #[arg(long, value_name = "N", default_value_t = GenerateOptions::default().beam, conflicts_with = "sample")]
    pub beam: usize,
    /// Draw words at this temperature instead of taking the likeliest: near 0 they stay the likeliest, above 1 they grow bold
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    sample: Option<f32>,
    /// Draw from the likeliest words only, those that together hold this probability
    #[arg(long, value_name = "P", allow_negative_numbers = true, default_value_t = 1.0, requires = "sample")]
    top_p: f32,
    /// Where drawing begins: another number draws other words
    #[arg(long, value_name = "N", default_value_t = 0, requires = "sample")]
    seed: u64,
    /// No sequence of N tokens may occur twice in a caption, and no token twice in a row; 0 minds neither, as in the paper
    #[arg(long, value_name = "N", default_value_t = GenerateOptions::default().no_repeat)]
    no_repeat: usize,
    /// Whether a content word must not stand twice in a caption, in whatever form; `false` as in the paper. Words of other languages than
    /// English are not minded
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = GenerateOptions::default().unique_words)]
    pub unique_words: bool,
    /// Tokens of a caption at most; by default as many as the decoder learned
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    max_tokens: Option<usize>,
}

impl Writing {
    /// As the decoder takes it.
    ///
    /// # Errors
    /// [`Error::Input`] for what cannot be meant.
    pub fn options(&self) -> Result<GenerateOptions> {
        let Self { beam, sample, top_p, seed, no_repeat, unique_words, max_tokens } = *self;
        if let Some(temperature) = sample.filter(|temperature| *temperature <= 0.0) {
            return Err(Error::input(
                "--sample",
                temperature,
                "a temperature above 0; without it the likeliest words are taken",
            ));
        }
        let temperature = sample.unwrap_or(0.0);
        let options = GenerateOptions::default().beam(beam).temperature(temperature).top_p(top_p).seed(seed);
        Ok(options.no_repeat(no_repeat).unique_words(unique_words).max_tokens(max_tokens))
    }
}

pub fn usual_strategy(captioner: &Captioner) -> Strategy {
    if !captioner.has_decoder() {
        tracing::warn!("there is no decoder: each caption is the nearest stored text itself; `echoic train` makes one");
    }
    captioner.usual_strategy()
}

/// A decoder writes in the words that it learned: texts of other domains guide it badly.
pub fn remark_on_domains(memory: &Snapshot, captioner: &Captioner, asked: &[String]) {
    let summaries = decoders::summaries(memory);
    let used = summaries.iter().find(|summary| Some(summary.name.as_str()) == captioner.decoder_name());
    let Some((name, learned)) = used.and_then(|used| Some((&used.name, used.domains.as_ref()?))) else {
        return;
    };
    let stored = memory.domains().into_iter().map(|domain| domain.name);
    let answering = stored.filter(|domain| asked.is_empty() || asked.contains(domain));
    let strange: Vec<String> = answering.filter(|domain| !learned.contains(domain)).collect();
    if !strange.is_empty() {
        let (learned, strange) = (learned.join(", "), strange.join(", "));
        tracing::warn!("the decoder {name} learned from {learned} alone, and texts of {strange} guide it, too");
    }
}
