//! `echoic init`: an empty store bound to an embedding space.

use std::path::PathBuf;

use clap::Args;
use echoic::memory::Memory;
use echoic::towers::Clap;
use echoic::{EmbeddingSpace, Error, Result, models};

use super::context::Context;

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The model whose embeddings the store will hold: a name of `echoic models list`, a folder or file with a checkpoint, or `external`
    #[arg(long, value_name = "NAME|DIR", default_value = "starter")]
    model: String,
    /// Dimension of the embeddings that you will bring, with `--model external`
    #[arg(long, value_name = "D")]
    dim: Option<usize>,
    /// An adapter from audio to text embeddings that you trained with `echoic align`
    #[arg(long, value_name = "FILE", conflicts_with = "dim")]
    adapter: Option<PathBuf>,
}

/// Creates the store.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let store = &context.global.store;
    let space = space(arguments)?;
    Memory::create(store, space.clone())?;
    let result = serde_json::json!({ "store": store, "space": space });
    context.out.item(&result, |_| format!("created an empty store at {} for {space}", store.display()))
}

fn space(arguments: &Arguments) -> Result<EmbeddingSpace> {
    match (arguments.model.as_str(), arguments.dim) {
        (EmbeddingSpace::EXTERNAL, Some(dim)) => Ok(EmbeddingSpace::external(dim)),
        (EmbeddingSpace::EXTERNAL, None) => Err(Error::input("--model external", "no --dim", "--dim D")
            .with_hint("give the dimension of your embeddings, such as --dim 512")),
        (_, Some(_)) => {
            Err(Error::input("--dim", "a model with a dimension of its own", "--dim with --model external"))
        }
        (model, None) => {
            let clap = match &arguments.adapter {
                None => Clap::load(model)?,
                Some(file) => {
                    let clap = Clap::load_with_adapter(model, file)?;
                    models::keep_adapter(file)?;
                    clap
                }
            };
            Ok(clap.space().clone())
        }
    }
}
