//! `echoic export`: captions and vectors for other programs, and for `ingest`.

use std::io::{BufWriter, stdout};
use std::path::PathBuf;

use clap::Args;
use echoic::Result;
use echoic::export::{Export, Format};

use super::context::Context;
use super::output::counted;
use super::pipes::is_pipe;
use super::search::scope;

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file to write; with npy, lines go beside it under the ending .jsonl. `-` is standard output, for jsonl
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// jsonl: captions and clips. npy: vectors, too; ingest them again with --embeddings. parquet: all in one file. model: no captions but the adapter that the store keeps
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    format: Format,
    /// Export this domain only (may be given several times)
    #[arg(long, value_name = "NAME")]
    domain: Vec<String>,
}

/// Writes the export.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let memory = context.snapshot()?;
    let export = Export::new(&memory).scope(scope(&arguments.domain)).format(arguments.format);
    let export = export.control(context.control());
    if is_pipe(&arguments.file) {
        // The captions are the result: nothing else goes where they go.
        return export.write_lines_to("stdout", BufWriter::new(stdout().lock())).map(drop);
    }
    let exported = export.write(&arguments.file)?;
    let is_model = arguments.format == Format::Model;
    if is_model && !arguments.domain.is_empty() {
        tracing::warn!("the model is that of the whole store: --domain counts for nothing");
    }
    context.out.item(&exported, |e| {
        let files: Vec<String> = e.files.iter().map(|file| file.display().to_string()).collect();
        if is_model {
            return format!("the store's model: {}", files.join(", "));
        }
        format!("{} in {}: {}", counted(e.captions, "caption"), counted(e.rows, "row"), files.join(", "))
    })
}
