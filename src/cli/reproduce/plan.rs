//! The commands behind a table, in their order.

use std::path::{Path, PathBuf};

use echoic::{Error, Result, Store, decoders, file, gap};

use super::Wsac;
use super::sets::{Set, first};

/// The decoders of the table: how each is prepared for sounds while it trains.
const DECODERS: [(&str, &str); 4] = [("baseline", "none"), ("NI", "noise"), ("ES", "shift"), ("NI-ES", "both")];

/// What a step makes, by which it is known to be done.
enum Makes {
    Store,
    /// What was cut short is read once more, and only what is new is stored.
    Domain,
    Gap,
    Decoder(&'static str),
    /// A table is printed each time; what lies behind it is kept by `eval`.
    Table,
}

/// A command of this program.
pub struct Step {
    pub title: String,
    pub store: PathBuf,
    words: Vec<String>,
    makes: Makes,
}

/// All that is done for one data set.
pub struct Plan {
    pub steps: Vec<Step>,
    /// The table of pairs that the shift is measured with, and where it comes from.
    pairs: PathBuf,
    train: PathBuf,
    folder: PathBuf,
}

impl Plan {
    /// The commands for a set.
    pub fn of(set: &Set, wsac: &Wsac) -> Self {
        let folder = wsac.work.join(set.name);
        let (store, pairs) = (folder.join("store"), folder.join("pairs.csv"));
        let mut steps = Vec::new();
        let mut step = |title: &str, makes: Makes, words: &[&str], options: Vec<String>| {
            let words = words.iter().map(|word| (*word).to_owned()).chain(options).collect();
            steps.push(Step { title: title.to_owned(), store: store.clone(), words, makes });
        };
        let shown = |path: &Path| path.display().to_string();
        step("store", Makes::Store, &["init", "--model", &wsac.model], Vec::new());
        let train = shown(&set.train.captions);
        step("captions", Makes::Domain, &["ingest", &train, "--domain", set.name], Vec::new());
        let sounds = shown(&set.train.sounds);
        step("gap", Makes::Gap, &["gap", "--pairs", &shown(&pairs), "--audio", &sounds], Vec::new());
        for (name, bridge) in DECODERS {
            let preset = wsac.preset.to_string();
            let mut options: Vec<String> =
                wsac.epochs.iter().flat_map(|epochs| ["--epochs".to_owned(), epochs.to_string()]).collect();
            if bridge == "noise" || bridge == "both" {
                options.extend(["--noise".to_owned(), noise(wsac)]);
            }
            let words = ["train", "--name", name, "--bridge", bridge, "--preset", &preset];
            step(name, Makes::Decoder(name), &words, options);
        }
        let names = DECODERS.map(|(name, _)| name).join(",");
        let (test, sounds) = (shown(&set.test.captions), shown(&set.test.sounds));
        let words = ["eval", &test, "--audio", &sounds, "--decoder", &names, "--strategy", "direct,nearest,projection"];
        // As in the paper: greedy, nothing ranked or ruled out, over the whole memory, at its temperature.
        let plain =
            ["--beam", "1", "--no-repeat", "0", "--unique-words", "false", "--rerank", "0", "--exact", "--resume"];
        let mut options = plain.map(str::to_owned).to_vec();
        options.push(shown(&folder.join("experiment")));
        options.extend(wsac.limit.iter().flat_map(|limit| ["--limit".to_owned(), limit.to_string()]));
        step(set.name, Makes::Table, &words, options);
        let (train, pairs) = (set.train.captions.clone(), pairs);
        Self { steps, pairs, train, folder }
    }

    /// Makes the folder, and the table of pairs.
    ///
    /// # Errors
    /// Those of reading captions and writing files.
    pub fn prepare(&self, clips: usize) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(Error::io("create", &self.folder))?;
        let table = first(&self.train, clips)?;
        file::replace(&self.pairs, table.as_bytes())
    }
}

fn noise(wsac: &Wsac) -> String {
    let paper = if wsac.model.contains("wavcaps") { "0.013" } else { "estimate" };
    wsac.noise.clone().unwrap_or_else(|| paper.to_owned())
}

impl Step {
    /// Whether it prints the table.
    pub fn is_table(&self) -> bool {
        matches!(self.makes, Makes::Table)
    }

    /// The command as it would be typed.
    pub fn shown(&self) -> String {
        let quoted = |word: &String| if word.contains(' ') { format!("'{word}'") } else { word.clone() };
        let words = self.words.iter().map(quoted).collect::<Vec<_>>().join(" ");
        format!("echoic --store {} {words}", quoted(&self.store.display().to_string()))
    }

    /// Whether what it makes is there.
    ///
    /// # Errors
    /// Those of opening the store.
    pub fn is_done(&self) -> Result<bool> {
        let store = match Store::open(&self.store) {
            Ok(store) => store,
            Err(Error::NoStore { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let snapshot = store.snapshot()?;
        Ok(match self.makes {
            Makes::Store => true,
            Makes::Gap => gap::kept(&store)?.is_some_and(|(_, shift)| shift.is_some()),
            Makes::Decoder(name) => {
                snapshot.decoders().iter().any(|decoder| decoder.name == name && decoders::is_finished(decoder))
            }
            Makes::Domain | Makes::Table => false,
        })
    }

    /// The words of the command; a training that was stopped goes on.
    pub fn words(&self) -> Vec<String> {
        let mut words = self.words.clone();
        if let Makes::Decoder(name) = self.makes
            && decoders::work_folder(&self.store, name).join("state.safetensors").exists()
        {
            words.push("--resume".to_owned());
        }
        words
    }
}
