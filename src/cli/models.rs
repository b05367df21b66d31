//! `echoic models`: list, fetch, find, verify and remove models.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use echoic::models::{Kind, PullOptions, Reference, is_checkpoint};
use echoic::{Error, Result};

use super::context::Context;
use super::output::{Output, bytes, table};

/// Arguments of `models`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the known models, and the recordings of the demo (the default)
    List,
    /// Fetch a model into the cache: a listed one, one of the Hugging Face hub, or a checkpoint of this machine
    ///
    /// HF_ENDPOINT, HF_TOKEN and HF_HOME are heeded. A pull that was interrupted goes on where it broke off.
    Pull(Pull),
    /// Print the folder of an installed model
    Path {
        /// The model
        name: String,
    },
    /// Compare every file of an installed model with its checksum
    Verify {
        /// The model
        name: String,
    },
    /// Remove an installed model from the cache
    Remove {
        /// The model
        name: String,
    },
}

#[derive(Debug, Args)]
struct Pull {
    /// The model: a name from the list, OWNER/NAME[@REVISION], or, with --as, a file or folder
    #[arg(value_name = "MODEL|FILE|DIR")]
    source: String,
    /// Keep it under this name
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// The branch, tag or commit to fetch [default: main]
    #[arg(long)]
    revision: Option<String>,
    /// Which checkpoint of the repository, where it has several
    #[arg(long, value_name = "PATH")]
    file: Option<String>,
    /// A tokenizer from elsewhere: a file, a folder, or OWNER/NAME
    #[arg(long, value_name = "FILE|DIR|MODEL")]
    tokenizer: Option<String>,
}

/// Runs the action.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let (out, cache) = (&context.out, context.models()?);
    match arguments.action.as_ref().unwrap_or(&Action::List) {
        Action::List => out.item(&cache.list()?, |all| {
            let heading = ["name", "what", "family", "dim", "installed", "size", "licence"].map(str::to_owned).to_vec();
            let rows = all.iter().map(|m| {
                let family = m.family.map(|family| family.to_string()).unwrap_or_default();
                let dim = m.dim.map(|d| d.to_string()).unwrap_or_default();
                let installed = if m.installed { "yes" } else { "no" }.to_owned();
                let what = match m.kind {
                    Kind::Model => "model",
                    Kind::Samples => "recordings",
                    _ => "data",
                }
                .to_owned();
                vec![m.name.clone(), what, family, dim, installed, bytes(m.bytes), m.licence.clone()]
            });
            table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
        }),
        Action::Pull(arguments) => {
            let (name, path) = pull(context, arguments)?;
            located(out, &name, &path)
        }
        Action::Path { name } => located(out, name, &cache.path(name)?),
        Action::Verify { name } => {
            let info = cache.verify(name)?;
            let result = serde_json::json!({ "model": name, "ok": true, "path": info.path });
            out.item(&result, |_| format!("{name}: every file is as it was published"))
        }
        Action::Remove { name } => {
            let removed = cache.remove(name)?;
            let words = if removed { "removed" } else { "was not installed:" };
            out.item(&serde_json::json!({ "model": name, "removed": removed }), |_| format!("{words} {name}"))
        }
    }
}

/// Pulls from wherever the source is; the name that it has then, and its folder.
fn pull(context: &Context, arguments: &Pull) -> Result<(String, PathBuf)> {
    let (cache, source) = (context.models()?, &arguments.source);
    let options = PullOptions::default()
        .name(arguments.name.clone())
        .file(arguments.file.clone())
        .tokenizer(arguments.tokenizer.clone());
    if cache.knows(source) {
        refuse(arguments, &["--as", "--revision", "--file", "--tokenizer"], "a listed model")?;
        return Ok((source.clone(), cache.pull(source, &context.control())?));
    }
    let (path, whole) = (
        Path::new(source),
        match &arguments.revision {
            Some(revision) if !source.contains('@') => format!("{source}@{revision}"),
            _ => source.clone(),
        },
    );
    let reference = Reference::parse(&whole);
    if path.exists() && (arguments.name.is_some() || reference.is_none()) {
        refuse(arguments, &["--revision", "--file"], "a file of this machine")?;
        let folder = cache.pull_local(path, &options, &context.control())?;
        return Ok((options.name.unwrap_or_default(), folder));
    }
    if is_checkpoint(path) {
        return Err(Error::input(path.display(), "no file of this name", "a checkpoint of this machine"));
    }
    let Some(reference) = reference else {
        return Err(Error::input(
            "the model",
            format!("'{whole}'"),
            "a listed name, OWNER/NAME[@REVISION], or a file that exists",
        )
        .with_hint("`echoic models list` lists what is known"));
    };
    let folder = cache.pull_from_hub(&reference, &options, &context.control())?;
    Ok((options.name.unwrap_or(reference.repository), folder))
}

/// Options that mean nothing for this source.
fn refuse(arguments: &Pull, options: &[&str], subject: &str) -> Result<()> {
    let given = [
        ("--as", arguments.name.is_some()),
        ("--revision", arguments.revision.is_some()),
        ("--file", arguments.file.is_some()),
        ("--tokenizer", arguments.tokenizer.is_some()),
    ];
    match given.into_iter().find(|(option, given)| *given && options.contains(option)) {
        Some((option, _)) => Err(Error::input(option, subject, "a model of a hub")),
        None => Ok(()),
    }
}

fn located(out: &Output, name: &str, path: &std::path::Path) -> Result<()> {
    out.item(&serde_json::json!({ "model": name, "path": path }), |_| path.display().to_string())
}
