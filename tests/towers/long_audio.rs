//! Story: a recording is long. It goes through the whole audio tower in the memory that two minutes take.
//!
//! `ECHOIC_LONG_MINUTES=20 cargo test --release --test towers long_audio -- --nocapture` measures longer ones than the six minutes of every day.

use std::path::{Path, PathBuf};

use echoic::Clap;
use hound::{SampleFormat, WavSpec, WavWriter};

use crate::common::needs::starter_is_installed;
use crate::common::process::{alone, peak_memory};

const RATE: u32 = 16_000;

/// Peak memory may differ by this much from one length to another: what the allocator keeps, not what the samples would take.
const SLACK: u64 = 16 << 20;

/// Noise that swells and fades, mono, 16 bits.
fn recording(folder: &Path, minutes: u32) -> PathBuf {
    let path = folder.join(format!("{minutes}.wav"));
    let spec = WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(&path, spec).unwrap();
    let mut state = 1u32;
    for index in 0..minutes * 60 * RATE {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let swell = 0.5 + 0.5 * (f64::from(index) / 30_000.0).sin();
        writer.write_sample((f64::from((state >> 16) as i16) * 0.5 * swell) as i16).unwrap();
    }
    writer.finalize().unwrap();
    path
}

#[test]
fn memory_does_not_grow_with_the_length_of_a_recording() {
    if starter_is_installed() {
        alone(module_path!(), "memory_does_not_grow_with_the_length_of_a_recording", measure);
    }
}

fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let long = std::env::var("ECHOIC_LONG_MINUTES").map_or(6, |minutes| minutes.parse().expect("minutes"));
    let clap = Clap::load("starter").unwrap();
    let peaks = [2, long].map(|minutes| {
        let heard = clap.embed_audio(&recording(folder.path(), minutes)).unwrap();
        assert_eq!((heard.seconds, heard.sample_rate), (f64::from(minutes * 60), RATE));
        // Windows of about 10 s.
        assert!(heard.windows.abs_diff(minutes as usize * 6) <= 1, "{} windows", heard.windows);
        let peak = peak_memory();
        println!("{minutes} minutes: peak memory {:.1} MB", peak.unwrap_or(0) as f64 / f64::from(1 << 20));
        peak
    });
    if let [Some(short), Some(long)] = peaks {
        assert!(long - short <= SLACK, "peak memory grew from {short} to {long} bytes");
    }
}
