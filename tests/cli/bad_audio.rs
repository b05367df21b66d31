//! Story: a folder of sounds of every kind, good and bad, given to the binary. Good ones are answered, bad ones are
//! named with the reason, and none stops the others.

use crate::common::bench::Bench;
use crate::common::fixture;
use crate::common::needs::starter_is_installed;

/// A store of a few captions with a decoder of one epoch.
fn listening() -> Option<Bench> {
    if !starter_is_installed() {
        return None;
    }
    let bench = Bench::new();
    bench.run(&["init"]).succeeds();
    let captions: String =
        include_str!("../../corpora/machines.txt").lines().take(80).map(|l| format!("{l}\n")).collect();
    let file = bench.write("c.txt", captions);
    bench.run(&["ingest", &file, "--domain", "machines"]).succeeds();
    bench.run(&["train", "--epochs", "1"]).succeeds();
    std::fs::create_dir(bench.path("sounds")).unwrap();
    Some(bench)
}

fn wav(bench: &Bench, name: &str, rate: u32, channels: u16, bits: u16, float: bool, seconds: f32) {
    let sample_format = if float { hound::SampleFormat::Float } else { hound::SampleFormat::Int };
    let spec = hound::WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format };
    let mut writer = hound::WavWriter::create(bench.path(name), spec).unwrap();
    for i in 0..(rate as f32 * seconds) as usize * usize::from(channels) {
        let x = (i as f32 * 0.05).sin() * 0.4;
        if float {
            writer.write_sample(x).unwrap();
        } else {
            writer.write_sample((x * (1i64 << (bits - 1)) as f32) as i32).unwrap();
        }
    }
    writer.finalize().unwrap();
}

#[test]
fn one_folder_of_everything() {
    let Some(bench) = listening() else { return };
    let good = ["8bit", "24bit", "float", "6channels", "8khz", "192khz", "short", "ünï cödé"];
    wav(&bench, "sounds/8bit.wav", 22_050, 1, 8, false, 1.0);
    wav(&bench, "sounds/24bit.wav", 44_100, 2, 24, false, 1.0);
    wav(&bench, "sounds/float.wav", 48_000, 1, 32, true, 1.0);
    wav(&bench, "sounds/6channels.wav", 48_000, 6, 16, false, 1.0);
    wav(&bench, "sounds/8khz.wav", 8_000, 1, 16, false, 1.0);
    wav(&bench, "sounds/192khz.wav", 192_000, 1, 16, false, 1.0);
    wav(&bench, "sounds/short.wav", 44_100, 1, 16, false, 0.01);
    wav(&bench, "sounds/ünï cödé.wav", 44_100, 1, 16, false, 0.5);
    wav(&bench, "sounds/bad nothing.wav", 44_100, 1, 16, false, 0.0);
    bench.write("sounds/bad empty.wav", "");
    bench.write("sounds/bad text.wav", "These are words, and no sound at all.\n".repeat(50));
    bench.write("sounds/notes.txt", "not audio by its name: passed over");

    let run = bench.run_json(&["caption", "sounds", "absent.wav"]);
    run.fails(1, &["bad empty.wav", "bad text.wav", "bad nothing.wav", "absent.wav"]);
    let answers = run.lines();
    assert_eq!(answers.len(), good.len() + 4, "{run:?}");
    for answer in &answers {
        let path = answer["path"].as_str().unwrap();
        let bad = path.contains("bad ") || path == "absent.wav";
        assert_eq!(answer["error"].is_string(), bad, "{answer}");
        assert_eq!(answer["caption"].is_string(), !bad, "{answer}");
    }
    for name in good {
        assert!(
            answers
                .iter()
                .any(|a| a["path"] == format!("{name}.wav") && a["root"] == "sounds" && a["caption"].is_string()),
            "{name}"
        );
    }
}

#[test]
fn the_same_file_has_the_same_neighbours_on_every_run() {
    let Some(bench) = listening() else { return };
    wav(&bench, "a.wav", 32_000, 2, 16, false, 12.0);
    let ask = || {
        let mut answer = bench.run_json(&["search", "--audio", "a.wav"]).succeeds().json();
        answer.as_object_mut().unwrap().remove("timings");
        answer
    };
    let first = ask();
    assert_eq!(first, ask());
    assert_eq!(first["path"], "a.wav");
}

#[test]
fn a_truncated_mp3_is_captioned_by_what_is_left_of_it() {
    let Some(bench) = listening() else { return };
    let bytes = std::fs::read(fixture("starter/tone.mp3")).unwrap();
    bench.write("cut.mp3", &bytes[..bytes.len() / 2]);
    bench.run_json(&["caption", "cut.mp3"]).succeeds();
    bench.write("stump.mp3", &bytes[..20]);
    bench.run_json(&["caption", "stump.mp3"]).fails(1, &["stump.mp3"]);
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_in_a_folder_is_named_and_the_rest_goes_on() {
    let Some(bench) = listening() else { return };
    wav(&bench, "sounds/a.wav", 16_000, 1, 16, false, 0.5);
    wav(&bench, "sounds/z.wav", 16_000, 1, 16, false, 0.5);
    std::os::unix::fs::symlink("gone.wav", bench.path("sounds/link.wav")).unwrap();
    std::os::unix::fs::symlink(".", bench.path("sounds/again")).unwrap();
    let run = bench.run_json(&["caption", "sounds"]);
    run.fails(1, &["cannot read sounds/link.wav"]);
    let lines = run.lines();
    let captioned: Vec<_> =
        lines.iter().filter(|line| line["caption"].is_string()).map(|l| l["path"].as_str().unwrap()).collect();
    assert_eq!((lines.len(), captioned), (3, vec!["a.wav", "z.wav"]), "{run:?}");
}

#[cfg(unix)]
#[test]
fn a_file_that_links_lead_to_in_several_ways_is_captioned_once() {
    let Some(bench) = listening() else { return };
    wav(&bench, "sounds/a.wav", 16_000, 1, 16, false, 0.5);
    std::os::unix::fs::symlink("..", bench.path("sounds/above")).unwrap();
    let paths = |named: &[&str]| -> Vec<String> {
        let run = bench.run_json(&[&["caption"], named].concat());
        run.succeeds().lines().iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(paths(&["sounds"]), ["a.wav"]);
    assert_eq!(paths(&["sounds/above", "sounds", "."]), ["sounds/a.wav"]);
    assert_eq!(
        paths(&["sounds", "sounds/a.wav"]),
        ["a.wav", "sounds/a.wav"],
        "what is named by itself is captioned as asked"
    );
}

#[test]
fn a_folder_without_audio_is_named_and_the_rest_goes_on() {
    let Some(bench) = listening() else { return };
    wav(&bench, "a.wav", 16_000, 1, 16, false, 0.5);
    let run = bench.run_json(&["caption", "sounds", "a.wav"]);
    run.fails(1, &["sounds", "a folder without audio"]);
    assert_eq!(run.lines().len(), 2);
}

/// Sounds of which nothing can be told are answered, and say so; where channels cancel each other out, the sound is heard none the less.
#[test]
fn silence_too_little_and_channels_that_cancel_out_are_told() {
    let Some(bench) = listening() else { return };
    wav(&bench, "sounds/sound.wav", 16_000, 1, 16, false, 3.0);
    let samples: Vec<i16> =
        hound::WavReader::open(bench.path("sounds/sound.wav")).unwrap().samples().map(Result::unwrap).collect();
    let write = |name: &str, channels: u16, samples: &[i16]| {
        let spec = hound::WavSpec {
            channels,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(bench.path(name), spec).unwrap();
        samples.iter().for_each(|x| writer.write_sample(*x).unwrap());
        writer.finalize().unwrap();
    };
    write("sounds/opposite.wav", 2, &samples.iter().flat_map(|x| [*x, -x]).collect::<Vec<_>>());
    write("sounds/silence.wav", 1, &[0; 96_000]);
    write("sounds/click.wav", 1, &samples[..320]);
    write("sounds/led.wav", 1, &[vec![0; 320_000], samples.clone()].concat());

    let run = bench.run_json(&["caption", "sounds"]);
    let answers = run.succeeds().lines();
    let answer = |name: &str| answers.iter().find(|a| a["path"] == format!("{name}.wav")).unwrap();
    for (name, heard) in
        [("sound", "sound"), ("opposite", "sound"), ("led", "sound"), ("silence", "silence"), ("click", "too_short")]
    {
        assert_eq!(answer(name)["heard"], heard, "{}", answer(name));
    }
    assert!(answer("silence")["level_dbfs"].is_null() && answer("sound")["level_dbfs"].is_f64());
    for name in ["opposite", "led"] {
        assert_eq!(answer(name)["neighbours"][0]["caption"], answer("sound")["neighbours"][0]["caption"], "{name}");
    }
    for words in ["silence.wav: holds only silence", "click.wav: too short", "opposite.wav: its channels cancel"] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    let windows = bench.run_json(&["search", "--windows", "--audio", "sounds/led.wav", "-k", "1"]).succeeds().lines();
    assert_eq!(
        (windows[0]["heard"].as_str(), windows[windows.len() - 1]["heard"].as_str()),
        (Some("silence"), Some("sound"))
    );
}

#[test]
fn what_a_folder_holds_besides_audio_is_counted() {
    let Some(bench) = listening() else { return };
    wav(&bench, "sounds/a.wav", 16_000, 1, 16, false, 1.0);
    std::fs::copy(fixture("lengths/alac.caf"), bench.path("sounds/b.CAF")).unwrap();
    std::fs::copy(fixture("lengths/vorbis.mka"), bench.path("sounds/c.mka")).unwrap();
    bench.write("sounds/._a.wav", "Mac OS X        ");
    bench.write("sounds/notes.txt", "no sound");
    let run = bench.run_json(&["caption", "sounds"]);
    assert_eq!(run.succeeds().lines().len(), 3);
    assert!(
        run.stderr.contains("passed over 1 file whose names are not those of audio (1 .txt) and 1 hidden"),
        "{}",
        run.stderr
    );
}
