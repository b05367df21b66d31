//! Captions of many sounds: in their order, however many are worked on at once; to every place that was asked for; with a summary at the end.

mod answer;
mod in_order;
mod kept;
mod sidecars;
mod subtitles;
mod table;

use std::time::Instant;

use echoic::audio::Audio;
use echoic::captioner::Captioned;
use echoic::file::Fingerprint;
use echoic::{Error, Result};

pub use self::answer::{Answer, written_by};
use self::in_order::in_order;
pub use self::kept::{Kept, Making, Pieces};
pub use self::sidecars::Sidecars;
pub use self::subtitles::Format;
pub use self::table::Table;
use super::context::Context;
use super::log::Log;
use super::output::{counted, number};
use super::sounds::Sound;

/// Sounds to caption, and where the captions go.
#[derive(Default)]
pub struct Batch {
    pub sounds: Vec<Sound>,
    /// Sounds that are worked on at once.
    pub jobs: usize,
    /// The lines that the run goes on from.
    pub kept: Option<Kept>,
    pub sidecars: Option<Sidecars>,
    pub table: Option<Table>,
    /// Where captions are logged.
    pub log: Option<Log>,
    /// Captions in which there is less confidence are withheld.
    pub min_confidence: Option<f32>,
    /// Whether windows that follow each other and say the same are one.
    pub merge: bool,
    /// Whether captions are not printed: the table is on stdout.
    pub unprinted: bool,
}

/// What a run came to.
struct Tally {
    begun: Instant,
    captioned: u64,
    seconds: f64,
    skipped: u64,
}

impl Batch {
    /// Captions what is not captioned yet; `caption` gives what is to be said of a sound. One that fails does not stop the others.
    ///
    /// # Errors
    /// [`Error::Interrupted`], and those of the places that captions go to.
    pub fn run(
        mut self,
        context: &Context,
        caption: impl Fn(Audio<'_>) -> Result<Vec<Captioned>> + Sync,
    ) -> Result<()> {
        let control = context.control();
        let sounds = std::mem::take(&mut self.sounds);
        let total = sounds.len() as u64;
        let is_batch = total != 1 || sounds.iter().any(|sound| sound.root.is_some());
        let left = self.left(context, sounds)?;
        let skipped = total - left.len() as u64;
        let mut tally = Tally { begun: Instant::now(), captioned: 0, seconds: 0.0, skipped };
        if let (Some(table), Some(kept)) = (&mut self.table, &self.kept) {
            table.put(kept.rows())?;
        }
        let (is_logged, jobs) = (self.log.is_some(), self.jobs);
        let phase = control.begin("captioning", Some(total));
        control.skip(skipped);
        let work = |audio: Audio<'_>| {
            // Before the caption: a file that changes meanwhile shall not be taken for the one that was heard.
            let heard = is_logged.then(|| audio.fingerprint()).transpose()?;
            Ok((heard, caption(audio)?))
        };
        let give = |sound: &Sound, (heard, all)| self.give(context, sound, heard, all, &mut tally);
        let ended = each_sound(context, &left, jobs, work, give);
        phase.end();
        if is_batch || skipped > 0 {
            self.summarise(context, &tally, left.len() as u64);
        }
        ended
    }

    /// The sounds that have no captions yet. Those that have are given the sidecars that they may lack.
    fn left(&self, context: &Context, sounds: Vec<Sound>) -> Result<Vec<Sound>> {
        let Some(kept) = &self.kept else { return Ok(sounds) };
        let held = sounds.iter().map(|sound| kept.holds(sound)).collect::<Result<Vec<bool>>>()?;
        let (held, left): (Vec<_>, Vec<_>) = sounds.into_iter().zip(held).partition(|(_, is_held)| *is_held);
        if let Some(sidecars) = &self.sidecars {
            for (sound, _) in &held {
                context.control().check()?;
                if let Err(error) = sidecars.put(sound, kept.of(sound)) {
                    context.out.failure_of(sound, &error)?;
                }
            }
        }
        Ok(left.into_iter().map(|(sound, _)| sound).collect())
    }

    /// Brings the captions of a sound to every place.
    fn give(
        &mut self,
        context: &Context,
        sound: &Sound,
        heard: Option<Fingerprint>,
        all: Vec<Captioned>,
        tally: &mut Tally,
    ) -> Result<()> {
        tally.captioned += 1;
        tally.seconds += all.last().and_then(|last| last.seconds.or(last.end)).unwrap_or(0.0);
        let (numbers, unlogged) = match (&self.log, heard) {
            (Some(log), Some(heard)) => log.put(sound, &heard, &all, None),
            _ => (Vec::new(), None),
        };
        let mut answers: Vec<Answer> = all.into_iter().map(|captioned| Answer::of(sound, captioned)).collect();
        answers.iter_mut().zip(numbers).for_each(|(answer, number)| answer.logged = Some(number));
        if self.merge {
            answers = Answer::merged(answers);
        }
        // What windows say together is believed or not; they would not be one after some are withheld.
        let answers: Vec<Answer> =
            answers.into_iter().map(|answer| answer.withheld_below(self.min_confidence)).collect();
        // The sidecar comes before the line: what is kept has its sidecar, or is seen to it by the next run.
        let beside =
            self.sidecars.as_ref().map_or(Ok(()), |sidecars| sidecars.put(sound, answers.iter().map(Answer::row)));
        if let Some(kept) = &mut self.kept {
            kept.put(&answers)?;
        }
        if let Some(table) = &mut self.table {
            table.put(answers.iter().map(Answer::row))?;
        }
        if !self.unprinted {
            answers.iter().try_for_each(|answer| answer.print(context))?;
        }
        beside.or_else(|error| context.out.failure_of(sound, &error))?;
        unlogged.map_or(Ok(()), |error| context.out.failure_of(sound, &error))
    }

    /// Says on stderr what the run came to.
    fn summarise(&self, context: &Context, tally: &Tally, left: u64) {
        if context.global.quiet {
            return;
        }
        let Tally { begun, captioned, seconds, skipped } = tally;
        let took = begun.elapsed().as_secs_f64();
        let sounds = counted(*captioned, "sound");
        let mut lines = vec![format!("captioned {sounds} of {} in {}", length(*seconds), length(took))];
        if *captioned > 0 && took > 0.0 {
            let pace = *captioned as f64 / took;
            lines[0] += &format!(" ({pace:.1}/s, {:.0} times as fast as they last)", seconds / took);
        }
        if let (Some(kept), 1..) = (&self.kept, *skipped) {
            lines[0] += &format!("; {} stood in {}", counted(*skipped, "sound"), kept.path().display());
        }
        if context.control().is_stopped() {
            lines[0] += &format!("; stopped with {} to go", number(left.saturating_sub(*captioned)));
        }
        let failures = context.out.failures();
        if failures.count > 0 {
            lines.push(format!("{} failed:", number(failures.count)));
            lines.extend(failures.first.iter().map(|(name, reason)| format!("  {name}: {reason}")));
            let unnamed = failures.count - failures.first.len() as u64;
            lines.extend((unnamed > 0).then(|| format!("  and {} more", number(unnamed))));
        }
        eprintln_all(&lines);
    }
}

/// Gives `take` what `work` makes of each sound, in their order, while `jobs` are worked on; one that fails does not stop the others.
///
/// # Errors
/// [`Error::Interrupted`], and those of `take`.
pub fn each_sound<R: Send>(
    context: &Context,
    sounds: &[Sound],
    jobs: usize,
    work: impl Fn(Audio<'_>) -> Result<R> + Sync,
    mut take: impl FnMut(&Sound, R) -> Result<()>,
) -> Result<()> {
    let (control, global) = (context.control(), &context.global);
    let labour = |sound: &Sound| {
        control.check()?;
        control.note(&sound.path.file_name().unwrap_or_default().to_string_lossy());
        work(sound.audio(global)?)
    };
    in_order(sounds, jobs, labour, |sound, result| {
        match result {
            Ok(result) => context.bars.aside(|| take(sound, result))?,
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(error) => context.bars.aside(|| context.out.failure_of(sound, &error))?,
        }
        control.advance(1);
        Ok(())
    })
}

/// A span of time for people.
fn length(seconds: f64) -> String {
    match seconds {
        s if s < 600.0 => format!("{s:.1} s"),
        s if s < 36_000.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

fn eprintln_all(lines: &[String]) {
    use std::io::Write;
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(std::io::stderr(), "{}", lines.join("\n"));
}
