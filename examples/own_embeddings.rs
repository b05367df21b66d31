//! A memory of embeddings that you made with your own model: no tower, no download.
//!
//!     cargo run --release --example own_embeddings

use echoic::memory::{Effort, RowKey};
use echoic::retrieval::{RetrievalOptions, retrieve};
use echoic::{EmbeddingSpace, Embeddings, Result, Store};

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("echoic-own-embeddings-{}", std::process::id()));
    let store = Store::create(&folder, EmbeddingSpace::external(3))?;

    // Three captions and their embeddings; the first is said of two clips, so it counts twice.
    let captions = [("Rain falls on a roof.", "a.wav"), ("A dog barks.", "b.wav"), ("Rain falls on a roof.", "c.wav")];
    let rows = captions.map(|(text, clip)| RowKey { clip: Some(clip.to_owned()), ..RowKey::new(text) });
    let mut writer = store.writer()?;
    let plan = writer.plan("home", &rows)?;
    println!("to embed: {:?}", plan.texts());
    let embeddings = Embeddings::from_vec(3, vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0])?;
    let appended = writer.append("home", plan, &embeddings)?;
    println!("{} new, {} further occurrences", appended.new, appended.repeats);

    // An "audio" embedding between the two, projected onto the texts at a high temperature.
    let memory = store.snapshot()?;
    let options = RetrievalOptions::default().temperature(0.5).effort(Effort::EXACT);
    let retrieved = retrieve(&memory, &[0.8, 0.6, 0.1], &options)?;
    for text in &retrieved.neighbours {
        println!("{:.3}  weight {:.2}  x{}  {}", text.similarity, text.weight, text.multiplicity, text.caption);
    }
    println!("projected: {:.3?}", retrieved.projection);
    std::fs::remove_dir_all(&folder).map_err(echoic::Error::io("remove", &folder))
}
