//! The seeds in `fuzz/seeds/TARGET`: how they are made, and that each is survived. Names that begin with `sound` must be accepted.
//!
//! `cargo test --release -p echoic-fuzz --lib -- --ignored write_the_seeds`, in this folder, writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use echoic::export::{Export, Format};
use echoic::internals::index_above;
use echoic::memory::RowKey;
use echoic::progress::Control;
use echoic::{Embeddings, Store};
use serde_json::json;

use crate::TARGETS;
use crate::store::{GRAPH_ROWS, REMOVABLE, caption, captions_file, repeat, vectors_file};

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target)
}

#[test]
fn every_seed_is_survived_and_every_sound_one_accepted() {
    let mut findings = Vec::new();
    for (name, target) in TARGETS {
        let mut sound = 0;
        for entry in fs::read_dir(folder(name)).expect("every target has seeds") {
            let path = entry.expect("an entry").path();
            let seed = fs::read(&path).expect("a seed");
            let is_sound = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sound"));
            sound += usize::from(is_sound);
            match std::panic::catch_unwind(|| target(&seed)) {
                Ok(accepted) if accepted || !is_sound => {}
                Ok(_) => findings.push(format!("{} is not accepted any more", path.display())),
                Err(_) => findings.push(format!("{} is not survived", path.display())),
            }
        }
        assert!(sound > 0, "{name} has no sound seed");
    }
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn every_target_has_a_program() {
    let programs = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets")).expect("a folder");
    let mut names: Vec<String> = programs
        .map(|entry| entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, TARGETS.map(|target| target.0));
}

#[test]
#[ignore = "writes the seeds anew"]
fn write_the_seeds() {
    corpora();
    store();
    graph();
    npy();
    parquet();
    tables();
    adapter();
    decoder();
    checkpoint();
    audio();
}

fn put(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(folder(target)).expect("a folder");
    fs::write(folder(target).join(name), bytes).expect("a seed");
}

fn corpora() {
    let clotho = "file_name,caption_1,caption_2,caption_3\n\
        rain.wav,Rain falls on a roof.,\"Heavy rain, outside.\",Drops\n\"two\nlines.wav\",A,\"say \"\"B\"\"\"\nshort.wav,One\n";
    let audiocaps = "audiocap_id,youtube_id,start_time,caption\n91139,r1nicOVtvkQ,130,A woman talks as an animal barks\n\
        58146,-JTq29Fj1KM,30,\"An engine, then a horn\"\n1,,0,\n";
    let wavcaps = json!({"num_captions_per_audio": 1, "data": [
        {"id": "12", "caption": "Rain.", "duration": 2.5}, {"id": 7, "caption": "Wind\u{e9} \"howls\"."}, {"id": "x"}, 3]});
    let lines =
        "{\"caption\": \"Rain.\", \"clip\": \"a.wav\"}\n\n{\"text\": \"Wind \\u00e9\", \"id\": 7}\n[1]\n{oops\n";
    put("clotho", "sound.csv", clotho);
    put("clotho", "sound-semicolons.csv", "\u{feff}file_name;caption_1\r\na.wav;Rain\r\n");
    put("clotho", "odd-quote.csv", "file_name,caption_1\na.wav,\"Rain\nb.wav,Wind\n\nc.wav,\"Hail\"x\n");
    put("audiocaps", "sound.csv", audiocaps);
    put("audiocaps", "sound-tabs.csv", audiocaps.replace(',', "\t"));
    put("audiocaps", "odd-columns.csv", "audiocap_id,caption\n1\n2,Rain,too,many\n");
    put("csv", "sound.csv", "id,caption\n1,Rain\n2,\"Wind\nand hail\"\n");
    put("csv", "sound-words.csv", "words;label;path\nRain;Wind;a.wav\n");
    put("csv", "odd-bytes.csv", b"caption,id\n\xff\xfe,1\n\"\"\"\",2\n\0,3\n");
    put("wavcaps", "sound.json", serde_json::to_string_pretty(&wavcaps).expect("JSON"));
    put("wavcaps", "odd-deep.json", "[".repeat(200));
    put(
        "wavcaps",
        "odd-numbers.json",
        r#"{"data": [1e999, -0, {"caption": null}, {"caption": {"a": []}}], "data": []}"#,
    );
    put("jsonl", "sound.jsonl", lines);
    put("jsonl", "odd-escapes.jsonl", "{\"caption\": \"\\ud800\"}\n{\"caption\": \"\\u0000 \\t\"}\n\u{feff}{}\n");
    put("text", "sound.txt", "\u{feff}Rain falls.\r\n\n  A dog\tbarks  twice. \nlast line without an end");
    put("text", "odd-bytes.txt", b"\xff\n\xc3\n\0\n\r\r\n");
    for (name, text) in [("clotho", clotho), ("audiocaps", audiocaps), ("jsonl", lines), ("text", "Rain.\nWind.\n")] {
        put("auto", &format!("sound-{name}"), text);
    }
    put("auto", "sound-wavcaps", wavcaps.to_string());
    put("auto", "sound-csv", "caption;file\nRain;a.wav\n");
    documents();
    // A block that is stored as it is.
    put("auto", "sound-gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01\x16\x00\xe9\xff[{\x22caption\x22: \x22Rain.\x22}]\xaa\xd3\xc9B\x16\x00\x00\x00");
    put("auto", "odd-brace", "  {\n\"data\": [");
}

/// Arrangements of entries in one document.
fn documents() {
    let array = r#"[{"audio": "a.wav", "caption": "Rain."}, "Wind."]"#;
    let coco = r#"{"images": [{"id": 3, "file_name": "c.wav"}], "annotations": [{"image_id": 3, "caption": "Hail."}]}"#;
    let by_clip = r#"{"version": "1", "a.wav": ["Rain.", "Wind."]}"#;
    let yaml = "files:\n- filename: a.wav\n  annotations:\n  - sentence: Rain.\n";
    for (name, document) in [("array", array), ("coco", coco), ("by-clip", by_clip)] {
        put("auto", &format!("sound-{name}"), document);
        put("json", &format!("sound-{name}.json"), document);
    }
    put(
        "json",
        "sound-lists.json",
        r#"{"data": [{"audio": {"path": "a.wav"}, "captions": ["Rain.", "\u00e9"]}, {"x": NaN}]}"#,
    );
    put("json", "sound-one-after-another.json", "{\n\"caption\": \"Rain.\"\n}\n{\n\"caption\": \"Wind.\"\n}\n");
    put("json", "odd-cut.json", r#"[{"caption": "Rain."}, {"caption": "Wi"#);
    put("auto", "sound-yaml", yaml);
    put("yaml", "sound.yaml", yaml);
    put("yaml", "sound-by-clip.yaml", "a.wav: Rain.\nb.wav:\n  - Wind.\n  - 'Hail: hard'\n");
    put("yaml", "odd-reference.yaml", "a: &x [Rain.]\nb: *x\n");
}

fn store() {
    let two = [caption(1, "A dog barks."), caption(2, "Regen f\u{e4}llt.")];
    put("captions", "sound", captions_file(&two, &[]));
    put(
        "captions",
        "sound-repeats",
        captions_file(&two, &[repeat(1, "1.wav"), repeat(2, "2.wav"), repeat(1, "3.wav")]),
    );
    put("captions", "sound-empty", captions_file(&[], &[]));
    put("captions", "odd-foreign", captions_file(&two, &[repeat(9, "9.wav")]));
    put("vectors", "sound", vectors_file(3));
    put("vectors", "sound-empty", vectors_file(0));
    put("vectors", "odd-zeros", [&vectors_file(2)[..64], &[0; 16]].concat());
    let framed = |bodies: &[Vec<u8>]| -> Vec<u8> {
        let frames = bodies.iter().map(|body| [&(body.len() as u16).to_le_bytes()[..], body].concat());
        frames.collect::<Vec<_>>().concat()
    };
    put("records", "sound", framed(&[caption(2, "Rain."), caption(5, "\u{96e8}"), repeat(1, "a.wav"), repeat(5, "b")]));
    put("records", "odd-order", framed(&[caption(2, ""), caption(2, "twice"), repeat(7, ""), vec![2; 30]]));
    put("manifest", "sound", crate::store::sound_manifest());
    put("manifest", "sound-model", crate::store::sound_manifest_with_model());
    let tombstones = |rows: u32, removed: u32, bitmap: &[u8]| {
        let numbers = [1, 1, 1, 0, rows, removed].map(u32::to_le_bytes).concat();
        [&b"ECHOICTO"[..], &numbers, &[0; 32], bitmap].concat()
    };
    let rows = REMOVABLE as u32;
    put("tombstones", "sound", tombstones(rows, 3, &[0b1000_0001, 0, 0, 0, 0, 0, 0, 0, 0b0010_0000]));
    put("tombstones", "sound-all", tombstones(rows, rows, &[255, 255, 255, 255, 255, 255, 255, 255, 0b0011_1111]));
    put("tombstones", "odd-past-the-end", tombstones(rows, 1, &[0, 0, 0, 0, 0, 0, 0, 0, 0b1000_0000]));
    let golden =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/golden/v1/manifest")).expect("the golden store");
    put("manifest", "odd-golden", &golden[32..]);
}

/// The graph that the library builds on the vectors that the target serves.
fn graph() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("store");
    let vectors = vectors_file(GRAPH_ROWS as u64);
    let numbers = vectors[64..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let store = Store::create(&dir, echoic::EmbeddingSpace::external(2)).expect("a store");
    let mut writer = store.writer().expect("a writer");
    let rows: Vec<RowKey> = (0..GRAPH_ROWS).map(|row| RowKey::new(format!("caption {row}"))).collect();
    let plan = writer.plan("d", &rows).expect("a plan");
    writer.append("d", plan, &Embeddings::from_vec(2, numbers).expect("rows")).expect("a commit");
    assert_eq!(index_above(&mut writer, 1, &Control::default()).expect("a graph"), 1);
    let graph = fs::read(dir.join("segments/00000001.graph")).expect("the graph");
    put("graph", "sound", &graph);
    put("graph", "odd-header", &graph[..64]);
}

fn npy() {
    let array = |descr: &str, shape: &str, numbers: &[u8]| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        [header.as_bytes(), &[0], numbers].concat()
    };
    put("npy", "sound-single", array("<f4", "(2, 3)", &[0; 24]));
    put("npy", "sound-double", array(">f8", "(2,)", &[64; 16]));
    let whole =
        b"\x93NUMPY\x02\x00\x3c\x00\x00\x00{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2)}    \n12345678";
    put("npy", "sound-version-2", whole);
    put("npy", "odd-rows-of-nothing", array("<f4", "(18446744073709551615, 0)", &[]));
    put("npy", "odd-overflow", array("<f4", "(4294967296, 4294967296)", &[0; 4]));
    put("npy", "odd-structure", array("[('a', '<f4'), ('b', '<i2', (2,))]", "(1, 1)", &[0; 12]));
    put("npy", "odd-deep", "(".repeat(3000));
    put("npy", "odd-header-length", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{'descr'");
}

/// What the library exports: whole; without its end, as the target takes it; and damaged.
fn parquet() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, path) = (folder.path().join("store"), folder.path().join("all.parquet"));
    let store = Store::create(&dir, echoic::EmbeddingSpace::external(3)).expect("a store");
    let mut writer = store.writer().expect("a writer");
    let clip = |text: &str, clip: &str| RowKey { clip: Some(clip.to_owned()), ..RowKey::new(text) };
    let rows = [RowKey::new("Rain falls."), clip("Wind", "a.wav"), clip("Wind", "b.wav"), RowKey::new("Ein B\u{e4}r")];
    let plan = writer.plan("d", &rows).expect("a plan");
    let numbers = [1.0, 0.0, 0.0, 0.6, 0.0, 0.8, 0.0, 1.0, 0.0];
    writer.append("d", plan, &Embeddings::from_vec(3, numbers.to_vec()).expect("rows")).expect("a commit");
    let memory = store.snapshot().expect("a snapshot");
    Export::new(&memory).format(Format::Parquet).write(&path).expect("an export");
    let file = fs::read(&path).expect("the export");
    put("parquet", "sound.parquet", &file);
    put("parquet", "sound-without-end", without_end(&file));
    put("parquet", "odd-cut", &file[..file.len() / 2]);
    put("parquet", "odd-end", b"PAR1\xff\xff\xff\xffPAR1");
    let pyarrow = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/parquet");
    for name in ["default", "second", "split", "small-pages"] {
        let file = fs::read(pyarrow.join(name).with_extension("parquet")).expect("a fixture");
        put("parquet", &format!("sound-{name}"), without_end(&file));
    }
}

/// What other programs wrote.
fn tables() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tables");
    let fixture = |name: &str| fs::read(fixtures.join(name)).expect("a fixture");
    for name in ["gzip", "brotli", "lz4", "zstd", "deltas", "half", "polars-array", "holes", "numbered"] {
        put("parquet", &format!("sound-{name}"), without_end(&fixture(&format!("{name}.parquet"))));
    }
    for name in [
        "feather.arrow",
        "zstd.arrow",
        "views.arrow",
        "holes.arrow",
        "polars.arrow",
        "polars.arrows",
        "dictionary.arrows",
        "sounds.arrow",
    ] {
        put("arrow", &format!("sound-{name}"), fixture(name));
    }
    put("arrow", "odd-cut", &fixture("polars.arrows")[..700]);
    put("npz", "sound-stored", fixture("one.npz"));
    put("npz", "odd-several", fixture("two.npz"));
    put("npz", "odd-end", b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
    let behind_length = |file: Vec<u8>| {
        let header = u64::from_le_bytes(*file.first_chunk().expect("a length")) as usize;
        [&file[8..8 + header], &[0], &file[8 + header..]].concat()
    };
    put("safetensors_rows", "sound-one", behind_length(fixture("one.safetensors")));
    put("safetensors_rows", "odd-several", behind_length(fixture("several.safetensors")));
    put(
        "safetensors_rows",
        "odd-offsets",
        br#"{"a":{"dtype":"F16","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#,
    );
}

fn without_end(file: &[u8]) -> Vec<u8> {
    let (content, end) = file.split_at(file.len() - 8);
    [&end[..2], content].concat()
}

/// The table of tensors with these shapes, each of 4-byte numbers, one behind the other.
fn table(shapes: &[(String, Vec<usize>)]) -> String {
    let mut end = 0;
    let entries = shapes.iter().map(|(name, shape)| {
        let begin = end;
        end += 4 * shape.iter().product::<usize>();
        (name.clone(), json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}))
    });
    serde_json::Value::Object(entries.collect()).to_string()
}

fn parts(description: &serde_json::Value, table: &str, numbers: &[f32]) -> Vec<u8> {
    let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    [description.to_string().as_bytes(), &[0], table.as_bytes(), &[0], &numbers].concat()
}

fn adapter() {
    let facts = |layers: usize, inputs: usize, features: &str| {
        json!({"version": 1, "features": features, "inputs": inputs, "outputs": 2, "activation": "gelu", "layers": layers,
            "training": {"epochs": 3}})
    };
    let shapes = |layers: &[[usize; 2]]| {
        let mut shapes = vec![];
        for (index, [outputs, inputs]) in layers.iter().enumerate() {
            shapes.push((format!("layers.{index}.weight"), vec![*outputs, *inputs]));
            shapes.push((format!("layers.{index}.bias"), vec![*outputs]));
        }
        shapes.extend(["mean", "scale"].map(|name| (name.to_owned(), vec![layers[0][1]])));
        shapes
    };
    let numbers = [0.5, -0.25, 1.0, 0.125, -1.5];
    let one = table(&shapes(&[[2, 1536]]));
    put("adapter", "sound", parts(&facts(1, 1536, "max-mean-std"), &one, &numbers));
    let three = table(&shapes(&[[3, 3072], [2, 3]]));
    put("adapter", "sound-two-layers", parts(&facts(2, 3072, "bands-mean-max"), &three, &numbers));
    put("adapter", "odd-zeros", parts(&facts(1, 1536, "max-mean-std"), &one, &[0.0]));
    put("adapter", "odd-not-finite", parts(&facts(1, 1536, "max-mean-std"), &one, &[f32::NAN, f32::INFINITY]));
    put("adapter", "odd-header", b"\x02\0\0\0\0\0\0\0{}");
}

fn decoder() {
    let (dim, vocabulary, width, tokens) = (2, 9, 4, 6);
    let piece = |text: &str| json!({"piece": text, "surface": text.trim_start_matches('#')});
    let pieces = ["[CLS]", "[SEP]", "[UNK]", "rain", "##s", "a", ",", "dog", "wind"].map(piece);
    let description = |joining: &str| {
        json!({"format": "echoic-decoder-1",
            "config": {"dim": dim, "vocabulary": vocabulary, "prefix_tokens": 1, "width": width, "layers": 1, "heads": 2,
                "max_tokens": tokens},
            "vocabulary": {"joining": joining, "full_stop": true, "capital": true, "tokens": pieces},
            "space": {"model": "external", "sha256": "", "dim": dim},
            "training": {"preset": "small", "texts": 3, "held_out": 0, "noise_variance": null, "shift_length": null, "epoch": 1,
                "epochs": 1, "validation_loss": null, "seed": 0, "echoic": "0"}})
    };
    let mut shapes = vec![];
    let affine = [("mapper.0", width, dim), ("mapper.1", width, width), ("layers.0.attention.in", 3 * width, width)];
    let block = [
        ("layers.0.attention.out", width, width),
        ("layers.0.mlp.up", 4 * width, width),
        ("layers.0.mlp.down", width, 4 * width),
    ];
    for (name, outputs, inputs) in affine.into_iter().chain(block) {
        shapes.push((format!("{name}.weight"), vec![outputs, inputs]));
        shapes.push((format!("{name}.bias"), vec![outputs]));
    }
    for name in ["layers.0.norm1", "layers.0.norm2", "norm"] {
        shapes.push((format!("{name}.gain"), vec![width]));
        shapes.push((format!("{name}.bias"), vec![width]));
    }
    shapes.push(("tokens".into(), vec![vocabulary, width]));
    shapes.push(("positions".into(), vec![1 + tokens, width]));
    // Sorted by name, as the table's object is: offsets must not overlap, and numbers are the same everywhere.
    shapes.sort();
    let table = table(&shapes);
    put("decoder", "sound", parts(&description("wordpiece"), &table, &[0.3, -0.7, 0.9, 0.1, -0.2, 0.6, 0.05]));
    put("decoder", "sound-bytes", parts(&description("bytes"), &table, &[0.3, -0.7, 0.9]));
    put("decoder", "sound-overflow", parts(&description("wordpiece"), &table, &[3e38, -1e38, 2e38, 7.0, 1.0]));
    put("decoder", "odd-not-finite", parts(&description("wordpiece"), &table, &[f32::NAN]));
}

fn checkpoint() {
    let layout = [
        ("audio_encoder.audio_enc.conv_block1.conv1.weight", vec![2, 1, 3, 3]),
        ("text_encoder.text_encoder.embeddings.word_embeddings.weight", vec![2, 2]),
        ("audio_proj.0.weight", vec![2, 2]),
        ("text_proj.2.weight", vec![2, 2]),
    ]
    .map(|(name, shape)| (name.to_owned(), shape));
    let [plain, wrapped, nested] = [("", false), ("module.", false), ("module.", true)].map(|(prefix, nested)| {
        let state: Vec<u8> =
            layout.iter().flat_map(|(name, shape)| tensor(&format!("{prefix}{name}"), shape)).collect();
        let state = [b"}(".as_slice(), &state, b"u"].concat();
        match nested {
            false => [b"\x80\x02", state.as_slice(), b"."].concat(),
            true => [b"\x80\x02}X\x05\0\0\0model", state.as_slice(), b"sX\x05\0\0\0epochK\x03s."].concat(),
        }
    });
    put("checkpoint", "sound-state", plain);
    put("checkpoint", "sound-wrapped", wrapped);
    put("checkpoint", "sound-nested", &nested);
    put("checkpoint", "odd-cut", &nested[..nested.len() / 2]);
    put("checkpoint", "odd-deep", [b"\x80\x02N".as_slice(), &b"\x85".repeat(3000), b"."].concat());
    put("checkpoint", "odd-doubling", [b"\x80\x02N".as_slice(), &b"2\x86".repeat(3000), b"."].concat());
    put("checkpoint", "sound-safetensors", parts(&json!({}), &table(&layout), &[0.5, 1.0]));
    put("checkpoint", "odd-table", b"{}\0{\"a\": {\"dtype\": \"F32\", \"shape\": [9], \"data_offsets\": [0, 4]}}\0");
    let torch = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/checkpoints");
    for name in ["nested.pt", "old.pt"] {
        put("checkpoint", &format!("odd-{name}"), fs::read(torch.join(name)).expect("a fixture"));
    }
}

/// A name and a tensor of single precision, as PyTorch describes them.
fn tensor(name: &str, shape: &[usize]) -> Vec<u8> {
    let text = |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let counts = |counts: &[usize]| {
        let numbers: Vec<u8> = counts.iter().flat_map(|count| [b'K', *count as u8]).collect();
        [b"(", numbers.as_slice(), b"t"].concat()
    };
    let strides: Vec<usize> = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect();
    let length = shape.iter().product::<usize>() as u8;
    let storage = [
        b"(".as_slice(),
        &text("storage"),
        b"ctorch\nFloatStorage\n",
        &text("0"),
        &text("cpu"),
        &[b'K', length],
        b"tQ",
    ]
    .concat();
    [
        &text(name),
        b"ctorch._utils\n_rebuild_tensor_v2\n(".as_slice(),
        &storage,
        b"K\0",
        &counts(shape),
        &counts(&strides),
        b"\x89}tR",
    ]
    .concat()
}

/// The fixtures that are seeds, and the extension that each is given.
const FORMATS: [(u8, &str); 11] = [
    (0, "rf64.wav"),
    (2, "opus.ogg"),
    (4, "opus.mp4"),
    (10, "speech.opus"),
    (10, "surround.opus"),
    (11, "opus.webm"),
    (12, "hybrid.wv"),
    (12, "float.wv"),
    (12, "eight.wv"),
    (13, "mulaw.au"),
    (14, "wave64.w64"),
];

fn audio() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/starter");
    for (kind, name) in [(1u8, "tone.flac"), (2, "tone.ogg"), (3, "tone.mp3"), (4, "tone.m4a")] {
        let file = fs::read(fixtures.join(name)).expect("a fixture");
        // The beginning is where the structure is; the fuzzer works best on small inputs.
        put("audio", &format!("sound-{name}"), [&[kind][..], &file].concat());
        put("audio", &format!("odd-cut-{name}"), [&[kind][..], &file[..file.len().min(1500)]].concat());
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/formats");
    for (kind, name) in FORMATS {
        let file = fs::read(fixtures.join(name)).expect("a fixture");
        put("audio", &format!("sound-{name}"), [&[kind][..], &file].concat());
    }
    let samples: Vec<u8> = (0..400u32).map(|i| (i * 37 % 251) as u8).collect();
    for (name, code, channels, rate, bits) in [
        ("sound-8.wav", 1u16, 1u16, 8_000u32, 8u16),
        ("sound-16.wav", 1, 2, 44_100, 16),
        ("sound-float.wav", 3, 1, 48_000, 32),
        ("sound-adpcm.wav", 0x11, 1, 22_050, 4),
    ] {
        let block = channels * bits.div_ceil(8);
        let mut format = [code.to_le_bytes(), channels.to_le_bytes()].concat();
        format.extend_from_slice(&rate.to_le_bytes());
        format.extend_from_slice(&(rate * u32::from(block)).to_le_bytes());
        let adpcm = code == 0x11;
        format.extend_from_slice(&if adpcm { 64u16 } else { block }.to_le_bytes());
        format.extend_from_slice(&bits.to_le_bytes());
        if adpcm {
            format.extend_from_slice(&[2, 0, 121, 0]); // bytes to come, samples a block
        }
        let quiet: Vec<u8> = samples.chunks_exact(4).flat_map(|_| 0.25f32.to_le_bytes()).collect();
        let data = match code {
            3 => quiet,
            0x11 => samples[..128].chunks(64).flat_map(|block| [&[0; 4], &block[4..]].concat()).collect(),
            _ => samples.clone(),
        };
        put("audio", name, [&[0][..], &riff(&[(b"fmt ", &format), (b"data", &data)])].concat());
    }
    // As it is written to a pipe: the sound has no size.
    let mut caf = b"caff\0\x01\0\0desc\0\0\0\0\0\0\0\x20\x40\xe5\x88\x80\0\0\0\0lpcm".to_vec();
    caf.extend([2u32, 2, 1, 1, 16].iter().flat_map(|field| field.to_be_bytes()));
    caf.extend_from_slice(b"data\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0");
    put("audio", "sound-piped.caf", [&[7][..], &caf, &samples].concat());
    let mut aiff = b"FORM\0\0\0\0AIFFCOMM\0\0\0\x12\0\x01\0\0\0\xc8\0\x10\x40\x0e\xac\x44\0\0\0\0\0\0SSND".to_vec();
    aiff.extend_from_slice(&(samples.len() as u32 + 8).to_be_bytes());
    aiff.extend_from_slice(&[0; 8]);
    aiff.extend_from_slice(&samples);
    let len = aiff.len() as u32 - 8;
    aiff[4..8].copy_from_slice(&len.to_be_bytes());
    put("audio", "sound.aiff", [&[6][..], &aiff].concat());
    put("audio", "odd-nothing", [9]);
}

fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let parts = chunks.iter().map(|(name, data)| [&name[..], &(data.len() as u32).to_le_bytes(), data].concat());
    let body = [&b"WAVE"[..], &parts.collect::<Vec<_>>().concat()].concat();
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}
