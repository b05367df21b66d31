//! `echoic completions`: completion of command lines in shells, with the names that a store and the cache hold.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Arg, Args, Command};
use clap_complete::env::Shells;
use clap_complete::{ArgValueCompleter, CompletionCandidate, Shell};
use echoic::{Error, Result, Snapshot, Store};

use super::context::Context;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints what makes the shell ask this program: the script holds no names, so that it stays right when the program changes.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let shell = arguments.shell.to_string();
    let unknown = || Error::Internal(format!("no completions for {shell}"));
    let (builtin, mut script) = (Shells::builtins(), Vec::new());
    let completer = builtin.completer(&shell).ok_or_else(unknown)?;
    completer
        .write_registration("COMPLETE", "echoic", "echoic", "echoic", &mut script)
        .map_err(Error::io("write", "the script"))?;
    let script = String::from_utf8(script).map_err(|e| Error::Internal(format!("a script that is no text: {e}")))?;
    context.out.item(&serde_json::json!({ "shell": shell, "script": script }), |_| script.trim_end().to_owned())
}

/// The command line with what it takes to complete names of domains, decoders and models wherever they may stand.
pub fn knowing(command: Command) -> Command {
    command.mut_subcommands(|command| {
        let about = match command.get_name() {
            "domains" => Some(Names::Domains),
            "decoders" => Some(Names::Decoders),
            "models" => Some(Names::Models),
            _ => None,
        };
        knowing_of(command, about)
    })
}

/// The same for a command whose actions take a name of what it is about.
fn knowing_of(command: Command, about: Option<Names>) -> Command {
    let of_argument = |argument: &Arg| match argument.get_id().as_str() {
        "domain" | "domains" => Some(Names::Domains),
        "decoder" => Some(Names::Decoders),
        "model" => Some(Names::Models),
        // Options of that name give a new one.
        "name" if argument.is_positional() => about,
        _ => None,
    };
    command.mut_subcommands(|action| knowing_of(action, about)).mut_args(|argument| match of_argument(&argument) {
        Some(names) => argument.add(ArgValueCompleter::new(move |typed: &OsStr| names.beginning_with(typed))),
        None => argument,
    })
}

/// Names that can be completed.
#[derive(Debug, Clone, Copy)]
enum Names {
    Domains,
    Decoders,
    Models,
}

impl Names {
    /// Those that begin with what was typed. Whatever goes wrong, a shell that completes says nothing of it.
    fn beginning_with(self, typed: &OsStr) -> Vec<CompletionCandidate> {
        let typed = typed.to_string_lossy();
        let all = self.all().unwrap_or_default();
        all.into_iter().filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
    }

    fn all(self) -> Result<Vec<String>> {
        Ok(match self {
            Self::Domains => store()?.domains().into_iter().map(|domain| domain.name).collect(),
            Self::Decoders => store()?.decoders().iter().map(|decoder| decoder.name.clone()).collect(),
            Self::Models => echoic::models::list()?.into_iter().map(|model| model.name).collect(),
        })
    }
}

/// The store of the line that is being typed.
fn store() -> Result<Snapshot> {
    let words: Vec<_> = std::env::args_os().collect();
    let named = words.iter().position(|word| word == "--store").and_then(|at| words.get(at + 1));
    let folder = named.cloned().or_else(|| std::env::var_os("ECHOIC_STORE")).unwrap_or_else(|| "./echoic-store".into());
    Store::open(PathBuf::from(folder))?.snapshot()
}
