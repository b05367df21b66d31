//! Story: captions and embeddings come in the tables and arrays that other programs wrote (`tests/fixtures/make_tables.py`).

use std::path::Path;

use crate::common::bench::Bench;
use crate::common::npy;

const DIM: usize = 3;

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tables");
    folder.join(name).display().to_string()
}

/// Five captions for the five rows of each fixture.
fn five(bench: &Bench) -> String {
    bench.write("five.txt", "Rain falls.\nWind\nHail\nSnow\nThunder\n")
}

#[test]
fn a_table_brings_captions_and_embeddings_at_once() {
    for name in ["polars.parquet", "duckdb.parquet", "half.parquet", "double.parquet", "deltas.parquet", "polars.arrow"]
    {
        let bench = Bench::external(DIM);
        let report = bench.run_json(&["ingest", &fixture(name), "--domain", "d"]).succeeds().json();
        assert_eq!((&report["read"], &report["new"], &report["rejected"]), (&5.into(), &3.into(), &1.into()), "{name}");
        let query = bench.write("q.npy", npy(&[4.0, 0.5, -1.0], 1, DIM));
        let found = bench.run_json(&["search", "-k", "1", "--embedding", &query]).succeeds().json();
        assert_eq!(found["neighbours"][0]["caption"], "Ein B\u{e4}r brummt.", "{name}");
    }
}

#[test]
fn embeddings_of_any_kind_are_the_same_embeddings() {
    let answers = |place: &str| {
        let bench = Bench::external(DIM);
        let place = fixture(place);
        bench.run(&["ingest", &five(&bench), "--domain", "d", "--embeddings", &place]).succeeds();
        let found = bench.run_json(&["search", "-k", "5", "--exact", "--embedding", &place]).succeeds().lines();
        found.iter().map(|answer| answer["neighbours"].to_string()).collect::<Vec<_>>()
    };
    let expected = answers("little-f4-C.npy");
    assert_eq!(expected.len(), 5);
    for place in
        ["big-f8-F.npy", "two.npz:text", "several.safetensors:half", "several.parquet:clap_audio", "zstd.arrow"]
    {
        assert_eq!(answers(place), expected, "{place}");
    }
}

#[test]
fn a_row_without_its_embedding_is_rejected_by_its_number() {
    let bench = Bench::external(DIM);
    let report = bench.run_json(&["ingest", &fixture("holes.parquet"), "--domain", "d"]).succeeds().json();
    let lines: Vec<_> = report["rejections"].as_array().unwrap().iter().map(|row| row["line"].as_u64()).collect();
    assert_eq!((&report["new"], lines), (&3.into(), vec![Some(2), Some(4)]));
}

#[test]
fn what_does_not_fit_is_named_with_its_file_and_column() {
    let bench = Bench::external(7);
    let five = five(&bench);
    let with = |place: &str| bench.run(&["ingest", &five, "--domain", "d", "--embeddings", &fixture(place)]);
    with("little-f4-C.npy").fails(1, &["little-f4-C.npy: found 3 components, expected 7"]);
    with("two.npz:text").fails(1, &["two.npz:text: found 3 components"]);
    with("several.parquet:clap_text").fails(1, &["several.parquet, column clap_text: found 3 components"]);
    with("none.npy").fails(1, &["none.npy", "0 rows", "5 rows"]);
    with("several.parquet")
        .fails(1, &["clap_text (list of float64), clap_audio (list of float32)", "several.parquet:clap_text"]);
    with("two.npz").fails(1, &["audio ([5, 3])", "two.npz:audio"]);
    with("uneven.parquet").fails(1, &["uneven.parquet"]);
    // A corpus whose vectors have names of their own: which of them are meant is for its owner to say.
    let several = fixture("several.parquet");
    bench.run(&["ingest", &several, "--domain", "d"]).fails(1, &["clap_text (list of float64)", "--embeddings"]);
    bench.run(&["search", "--embedding", &fixture("none.npy")]).fails(1, &["none.npy"]);
}

/// Sizes of a petabyte in files of some bytes: refused, in no time and without memory.
#[test]
fn forged_sizes_are_refused() {
    let bench = Bench::external(DIM);
    let five = five(&bench);
    let header = "{'descr': '<f4', 'fortran_order': True, 'shape': (1152921504606846976, 3), }";
    let array = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    let tensors = br#"{"a":{"dtype":"F32","shape":[288230376151711744,3],"data_offsets":[0,12]}}"#;
    let tensors = [&(tensors.len() as u64).to_le_bytes()[..], tensors, &[0; 12]].concat();
    let arrow = std::fs::read(fixture("polars.arrows")).unwrap();
    let mut message = arrow.clone();
    message[4..8].copy_from_slice(&i32::MAX.to_le_bytes());
    let files = [
        ("shape.npy", array),
        ("shape.safetensors", tensors),
        ("header.safetensors", [&(1u64 << 39).to_le_bytes()[..], b"{}"].concat()),
        ("message.arrows", message),
        ("cut.arrows", arrow[..arrow.len() / 2].to_vec()),
        ("footer.parquet", b"PAR1\xff\xff\xff\x7fPAR1".to_vec()),
        ("central.npz", b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0".to_vec()),
    ];
    for (name, bytes) in files {
        let file = bench.write(name, bytes);
        bench.run(&["ingest", &five, "--domain", "d", "--embeddings", &file]).fails(1, &[name]);
    }
}
