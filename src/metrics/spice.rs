//! SPICE (Anderson et al. 2016) by its official Java program, which whoever wants it brings.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::{Score, Tokenized};
use crate::progress::Control;
use crate::{Error, Result};

/// How much memory the program may take.
const MEMORY: &str = "-Xmx8G";

/// The program that computes SPICE.
#[derive(Debug, Clone)]
pub struct Spice {
    jar: PathBuf,
    java: OsString,
}

/// A clip as the program reads it.
#[derive(Serialize)]
struct Question<'a> {
    image_id: usize,
    test: &'a str,
    refs: &'a [String],
}

/// What it says of a clip, as far as it is needed.
#[derive(Deserialize)]
struct Answer {
    image_id: usize,
    scores: Scores,
}

#[derive(Deserialize)]
struct Scores {
    #[serde(rename = "All")]
    all: All,
}

#[derive(Deserialize)]
struct All {
    /// The F-score; no number where a division by zero came up.
    f: Option<f64>,
}

impl Spice {
    /// The program in this jar, run by `java`.
    pub fn new(jar: impl Into<PathBuf>, java: impl Into<OsString>) -> Self {
        Self { jar: jar.into(), java: java.into() }
    }

    /// SPICE of captions that were tokenized.
    ///
    /// # Errors
    /// [`Error::Io`] when files cannot be written or Java cannot be run; [`Error::Input`] with its last line when the program fails, and when it
    /// gives no number for a clip.
    pub fn score(&self, clips: &Tokenized, control: &Control<'_>) -> Result<Score> {
        control.check()?;
        let _phase = control.begin("SPICE", None);
        let jar = std::path::absolute(&self.jar).map_err(Error::io("find", &self.jar))?;
        std::fs::metadata(&jar).map_err(Error::io("read", &jar))?;
        let folder = tempfile::tempdir().map_err(Error::io("create a folder in", std::env::temp_dir()))?;
        let (asked, answered) = (folder.path().join("captions.json"), folder.path().join("scores.json"));
        let questions = clips.clips.iter().enumerate().map(|(image_id, clip)| Question {
            image_id,
            test: &clip.predicted,
            refs: &clip.references,
        });
        let json = serde_json::to_vec(&questions.collect::<Vec<_>>())
            .map_err(|cause| Error::Internal(format!("captions that are no JSON: {cause}")))?;
        std::fs::write(&asked, json).map_err(Error::io("write", &asked))?;
        self.run(&jar, &asked, &answered)?;
        let text = std::fs::read_to_string(&answered).map_err(Error::io("read", &answered))?;
        // Java writes what is no number in a word that JSON does not have.
        let answers: Vec<Answer> = serde_json::from_str(&text.replace("NaN", "null"))
            .map_err(|cause| Error::input(jar.display(), cause, "scores as SPICE writes them"))?;
        scores(&jar, clips.clips.len(), &answers)
    }

    fn run(&self, jar: &Path, asked: &Path, answered: &Path) -> Result<()> {
        let mut command = Command::new(&self.java);
        command.arg(MEMORY).arg("-jar").arg(jar).arg(asked).arg("-out").arg(answered).args(["-subset", "-silent"]);
        command.current_dir(jar.parent().unwrap_or(Path::new("."))).stdin(Stdio::null());
        let output = command.output().map_err(Error::io("run", Path::new(&self.java)))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let reason = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason given").trim().to_owned();
        Err(Error::input(jar.display(), format!("a program that failed: {reason}"), "SPICE's program with its models")
            .with_hint("run it by hand first: it must find the Stanford models in the folder lib beside it"))
    }
}

/// The scores in the order of the clips.
fn scores(jar: &Path, clips: usize, answers: &[Answer]) -> Result<Score> {
    let mut scores = vec![None; clips];
    for answer in answers {
        if let Some(score) = scores.get_mut(answer.image_id) {
            *score = answer.scores.all.f;
        }
    }
    let number = |(clip, score): (usize, Option<f64>)| {
        score.ok_or_else(|| {
            Error::input(jar.display(), format!("no score of clip {}", clip + 1), "a score of each clip")
        })
    };
    Ok(Score::mean(scores.into_iter().enumerate().map(number).collect::<Result<_>>()?))
}
