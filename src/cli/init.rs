//! `echoic init`: an empty store bound to an embedding space.

use std::path::{Path, PathBuf};

use clap::Args;
use echoic::towers::Clap;
use echoic::{EmbeddingSpace, Error, Result, Store};

use super::context::Context;
use super::pipes;

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
    #[arg(long, value_name = "FILE", conflicts_with = "dim", value_parser = pipes::file)]
    adapter: Option<PathBuf>,
}

/// Creates the store.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let store = &context.global.store;
    let space = create(store, arguments)?;
    let result = serde_json::json!({ "store": store, "space": space });
    context.out.item(&result, |_| format!("created an empty store at {} for {space}", store.display()))
}

/// Creates the store; returns the space that it is bound to.
fn create(store: &Path, arguments: &Arguments) -> Result<EmbeddingSpace> {
    match (arguments.model.as_str(), arguments.dim) {
        (EmbeddingSpace::EXTERNAL, Some(dim)) => {
            let space = EmbeddingSpace::external(dim);
            Store::create(store, space.clone())?;
            Ok(space)
        }
        (EmbeddingSpace::EXTERNAL, None) => Err(Error::input("--model external", "no --dim", "--dim D")
            .with_hint("give the dimension of your embeddings, such as --dim 512")),
        (_, Some(_)) => {
            Err(Error::input("--dim", "a model with a dimension of its own", "--dim with --model external"))
        }
        (model, None) => {
            let clap = match &arguments.adapter {
                None => Clap::load(model)?,
                Some(file) => Clap::load_with_adapter(model, file)?,
            };
            Store::create_for(store, &clap)?;
            Ok(clap.space().clone())
        }
    }
}
