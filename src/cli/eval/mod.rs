//! `echoic eval`: ways to caption beside each other, measured, with controls that hear nothing.

mod asked;
mod journal;
mod kept;
mod results;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use echoic::audio::Audio;
use echoic::bridge::Strategy;
use echoic::captioner::{CaptionOptions, Captioner};
use echoic::eval::{Experiment, Grid, Way};
use echoic::metrics::{Bootstrap, Metric};
use echoic::retrieval::RetrievalOptions;
use echoic::towers::Clap;
use echoic::{Error, Result, Snapshot, decoders};

pub use self::asked::{Asked, Side, Source};
use self::kept::{Kept, Predicted};
use self::results::{Row, Told};
use super::context::Context;
use super::how::{Writing, remark_on_domains, usual_strategy};
use super::measures::Measures;
use super::output::{no_row, written};
use super::pipes;
use super::search::{Effort, at_least_one, scope};

/// The silence that controls hear: seconds, and samples a second.
const SILENCE: (usize, u32) = (10, 32_000);

/// Arguments of `eval`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Ask with captions in place of sounds: each is written anew from its embedding and measured by the others of its clip
    #[arg(long, conflicts_with = "audio")]
    text_side: bool,
    /// Ways to bridge the gap, with commas between: direct, nearest, projection, text. By default all of them; without a decoder, text
    #[arg(long = "strategy", value_name = "STRATEGY", value_delimiter = ',', help_heading = "Grid")]
    strategies: Vec<Strategy>,
    /// Decoders by their names in the store; by default the one in use
    #[arg(long = "decoder", value_name = "NAME", value_delimiter = ',', help_heading = "Grid")]
    decoders: Vec<String>,
    /// Neighbours of the projection; by default as many as cover `--mass` of its weight
    #[arg(short, value_name = "K", value_delimiter = ',', value_parser = at_least_one, help_heading = "Grid")]
    k: Vec<usize>,
    /// Temperatures of the projection's softmax
    #[arg(
        long = "temperature",
        value_name = "T",
        value_delimiter = ',',
        allow_negative_numbers = true,
        help_heading = "Grid"
    )]
    temperatures: Vec<f32>,
    /// The share of the projection's weight to cover where no K is given
    #[arg(long, value_name = "M", allow_negative_numbers = true, default_value_t = 0.99)]
    mass: f32,
    #[command(flatten)]
    effort: Effort,
    /// Retrieve from this domain only (may be given several times)
    #[arg(long = "domain", value_name = "NAME")]
    domains: Vec<String>,
    /// What nearness to what the decoder was given counts when its candidates are ranked; 0 takes the likeliest, as in the paper
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true, default_value_t = CaptionOptions::RERANK)]
    rerank: f32,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    measures: Measures,
    /// Leave out the controls, which take two thirds of the scoring
    #[arg(long)]
    no_controls: bool,
    /// Seed of the draws behind the intervals, and of whose caption is given to whom
    #[arg(long = "draws-from", value_name = "SEED", default_value_t = 1)]
    draws: u64,
    /// Keep what is done in this folder: the same command goes on where it was stopped, and a larger grid finds what it has in common
    #[arg(long, value_name = "DIR", value_parser = pipes::file)]
    resume: Option<PathBuf>,
    /// Write each row's captions to a file of this folder, in DCASE's layout (`file_name,caption_predicted`)
    #[arg(long, value_name = "DIR", value_parser = pipes::file)]
    save_predictions: Option<PathBuf>,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t = Format::Table, conflicts_with = "json")]
    format: Format,
}

impl Arguments {
    fn side(&self) -> Side {
        if self.text_side { Side::Captions } else { Side::Sounds }
    }
}

/// How the table is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For a paper or a page
    Markdown,
    /// Every metric with its interval
    Csv,
}

/// Runs the experiment.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let memory = context.snapshot()?;
    let scorer = arguments.measures.scorer(context)?;
    let clap = match memory.space().is_external() {
        true => None,
        false => Some(Arc::new(Clap::for_store(&memory)?)),
    };
    let ways = ways(arguments, &memory)?;
    let mut kept = arguments.resume.as_deref().map(Kept::open).transpose()?;
    let asked = Asked::gather(context, &arguments.source, arguments.side(), &memory, clap.as_deref(), &mut kept)?;
    let experiment = Experiment::new(&asked.questions, &asked.embeddings, scorer, arguments.draws)?;
    let silence = match &clap {
        Some(clap) if !arguments.no_controls && arguments.side() == Side::Sounds => Some(silence(clap)?),
        _ => None,
    };
    let work = Work { context, arguments, memory: &memory, clap, asked: &asked, experiment: &experiment, silence };
    let rows = work.rows(&ways, &mut kept)?;
    if let Some(folder) = &arguments.save_predictions {
        rows.iter().try_for_each(|row| save_predictions(folder, row, &asked))?;
    }
    print(context, arguments, experiment.bootstrap(), &rows)
}

/// The rows of the table.
fn ways(arguments: &Arguments, memory: &Snapshot) -> Result<Vec<Way>> {
    let retrieval = RetrievalOptions::default()
        .mass(arguments.mass)
        .scope(scope(&arguments.domains))
        .effort(arguments.effort.chosen());
    let writing = arguments.writing.options()?;
    let base = CaptionOptions::default().retrieval(retrieval).generate(writing).rerank(arguments.rerank);
    let has_decoder = !arguments.decoders.is_empty() || decoders::default_decoder(memory).is_some();
    let strategies = match (&arguments.strategies[..], has_decoder) {
        ([], true) => Strategy::ALL.to_vec(),
        ([], false) => vec![usual_strategy(&Captioner::of_loaded(memory.clone(), None, None)?)],
        (named, _) => named.to_vec(),
    };
    let grid = Grid::default()
        .strategies(strategies)
        .decoders(arguments.decoders.clone())
        .k(arguments.k.clone())
        .temperatures(arguments.temperatures.clone());
    Ok(grid.ways(&base))
}

/// What silence sounds like to the store's model.
fn silence(clap: &Clap) -> Result<Vec<f32>> {
    let (seconds, rate) = SILENCE;
    let samples = vec![0.0; seconds * rate as usize];
    Ok(clap.embed_audio(Audio::samples(&samples, rate))?.embedding)
}

/// An experiment under way.
struct Work<'a> {
    context: &'a Context,
    arguments: &'a Arguments,
    memory: &'a Snapshot,
    clap: Option<Arc<Clap>>,
    asked: &'a Asked,
    experiment: &'a Experiment<'a>,
    /// The embedding of silence, where it is a control.
    silence: Option<Vec<f32>>,
}

impl Work<'_> {
    /// Captions and measures each way in turn.
    fn rows(&self, ways: &[Way], kept: &mut Option<Kept>) -> Result<Vec<Row>> {
        let mut rows: Vec<Row> = Vec::with_capacity(ways.len());
        let mut captioner: Option<(Option<String>, Captioner)> = None;
        for (index, way) in ways.iter().enumerate() {
            self.context.control().note(&way.name);
            if captioner.as_ref().is_none_or(|(decoder, _)| *decoder != way.decoder) {
                captioner = Some((way.decoder.clone(), self.captioner(way)?));
            }
            let Some((_, captioner)) = &captioner else { continue };
            if way.options.strategy != Strategy::Text && index == 0 {
                remark_on_domains(self.memory, captioner, &self.arguments.domains);
            }
            let row = self.row(captioner, way, kept)?;
            if index == 0 {
                self.arguments.measures.check(&row.measured.report)?;
            }
            remark_on_hearing(self.experiment, &row);
            rows.push(row);
        }
        Ok(rows)
    }

    /// With the decoder of a way, or the one in use.
    fn captioner(&self, way: &Way) -> Result<Captioner> {
        let used = decoders::default_decoder(self.memory).map(|decoder| decoder.name.as_str());
        let name = way.decoder.as_deref().or(used);
        let decoder = name.map(|name| decoders::load(self.memory, Some(name))).transpose()?;
        Captioner::of_loaded(self.memory.clone(), name.zip(decoder.map(Arc::new)), self.clap.clone())
    }

    fn row(&self, captioner: &Captioner, way: &Way, kept: &mut Option<Kept>) -> Result<Row> {
        let control = self.context.control();
        let parameters = captioner.parameters(&way.options);
        let key = kept::key(way.options.strategy, &parameters, self.asked)?;
        let stood = kept.as_ref().and_then(|kept| kept.captions(&key));
        let predicted = match stood {
            Some(predicted) => predicted,
            None => {
                let phase =
                    control.begin(&format!("captioning, {}", way.name), Some(self.asked.questions.len() as u64));
                let captions = self.experiment.predict(captioner, &way.options, &control)?;
                phase.end();
                let predicted = Predicted { key, row: way.name.clone(), captions };
                if let Some(kept) = kept {
                    kept.put_captions(&predicted)?;
                }
                predicted
            }
        };
        let silence = self.silence.as_ref().map(|heard| captioner.caption_embedding("", heard, &way.options));
        let silence = silence.transpose()?.map(|captioned| captioned.caption);
        let mut measured = self.experiment.measure(captioner, &predicted.captions, silence.as_deref(), &control)?;
        if self.arguments.no_controls {
            measured.shuffled = None;
        }
        let (strategy, name) = (way.options.strategy, way.name.clone());
        Ok(Row { name, strategy, parameters, captions: predicted.captions, measured, silence })
    }
}

/// Says so where captions are no better than those of a control: a captioner that does not hear.
fn remark_on_hearing(experiment: &Experiment<'_>, row: &Row) {
    let controls = [("silence", &row.measured.silence), ("other sounds", &row.measured.shuffled)];
    for (what, control) in controls.into_iter().filter_map(|(what, control)| Some((what, control.as_ref()?))) {
        let scores = row.measured.report.score(Metric::CiderD).zip(control.score(Metric::CiderD));
        let told = scores.and_then(|(own, other)| experiment.bootstrap().difference(own, other));
        if told.is_some_and(|told| told.interval.low <= 0.0) {
            tracing::warn!("{}: by CIDEr-D its captions cannot be told from those given for {what}", row.name);
        }
    }
}

fn print(context: &Context, arguments: &Arguments, bootstrap: &Bootstrap, rows: &[Row]) -> Result<()> {
    let told: Vec<Told<'_>> = rows.iter().map(|row| Told::of(row, rows.first(), bootstrap)).collect();
    if context.global.json {
        return told.iter().try_for_each(|row| context.out.item(row, |_| String::new()));
    }
    let text = match arguments.format {
        Format::Table => table::plain(&told),
        Format::Markdown => table::markdown(&told),
        Format::Csv => table::csv(&told)?,
    };
    context.out.item(&(), |()| text.trim_end().to_owned())
}

/// The captions of a row, as challenges take them.
fn save_predictions(folder: &Path, row: &Row, asked: &Asked) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let path = folder.join(row.name.replace([' ', '/', '\\'], "_") + ".csv");
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["file_name", "caption_predicted"]).map_err(|cause| no_row(&path, cause))?;
    for (question, caption) in asked.questions.iter().zip(&row.captions) {
        out.write_record([&question.name, caption]).map_err(|cause| no_row(&path, cause))?;
    }
    echoic::file::replace(&path, &written(out)?)
}
