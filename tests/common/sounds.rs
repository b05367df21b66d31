//! The sounds that `tests/fixtures/make_audio_fixtures.py` synthesises, made again, and its references.

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

use echoic::audio::Clip;
use echoic::internals::framing::Framing;
use echoic::internals::htsat::Htsat;
use safetensors::SafeTensors;

use super::fixture;

/// The lengths that there are references for, by the name they go by there.
pub const SECONDS: [(&str, f64); 5] = [("0.3", 0.3), ("1", 1.0), ("7.3", 7.3), ("10", 10.0), ("25", 25.0)];

/// All samples of a clip.
pub fn samples(clip: &Clip<'_>) -> Vec<f32> {
    let mut all = Vec::new();
    clip.samples(|block| {
        all.extend_from_slice(block);
        Ok(())
    })
    .unwrap();
    all
}

/// Noise under a slow envelope, a rising tone and clicks, as 16-bit integers: `sound` of the script.
pub fn sound(seconds: f64, rate: u32) -> Vec<i16> {
    let mut state = 12_345u32;
    let count = (seconds * f64::from(rate)).round() as usize;
    (0..count)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(state >> 8) / 8_388_608.0 - 1.0;
            let t = i as f64 / f64::from(rate);
            let tone = (TAU * (180.0 * t + 140.0 * t * t)).sin();
            let click = i >= rate as usize / 5 && (i - rate as usize / 5).is_multiple_of(rate as usize / 3);
            let envelope = 0.55 + 0.45 * (TAU * 0.37 * t).sin();
            let sample = if click { 0.95 } else { 0.3 * noise * envelope + 0.25 * tone };
            (sample * 32_767.0).round_ties_even() as i16
        })
        .collect()
}

/// Writes samples as a mono wav file into `folder`.
pub fn wav(folder: &Path, samples: &[i16], rate: u32) -> PathBuf {
    let path = folder.join(format!("{}-{rate}.wav", samples.len()));
    wav_at(&path, samples, rate);
    path
}

/// Writes samples as the mono wav file `path`.
pub fn wav_at(path: &Path, samples: &[i16], rate: u32) {
    let format =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, format).unwrap();
    samples.iter().for_each(|x| writer.write_sample(*x).unwrap());
    writer.finalize().unwrap();
}

/// The log-mel windows of a sound of `seconds` that is stored at `rate` Hz.
pub fn windows(framing: &Framing, seconds: f64, rate: u32) -> Vec<Vec<f32>> {
    let folder = tempfile::tempdir().unwrap();
    let path = wav(folder.path(), &sound(seconds, rate), rate);
    let clip = Clip::open(&path, framing.mel.sample_rate).unwrap();
    let mut out = Vec::new();
    framing
        .for_each(
            &clip,
            |_| true,
            |_, window| {
                out.push(window);
                Ok(())
            },
        )
        .unwrap();
    out
}

/// A file of references.
pub struct References(Vec<u8>);

impl References {
    pub fn open(name: &str) -> Self {
        Self(std::fs::read(fixture("audio").join(name)).unwrap())
    }

    pub fn get(&self, name: &str) -> Vec<f32> {
        let table = SafeTensors::deserialize(&self.0).unwrap();
        let view = table.tensor(name).unwrap();
        match view.dtype() {
            safetensors::Dtype::I32 => {
                view.data().as_chunks().0.iter().map(|b| i32::from_le_bytes(*b) as f32).collect()
            }
            _ => view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        }
    }

    /// Compares log-mel frames with the rows that the reference holds; the largest difference in dB where it is above the floor.
    pub fn mel_error(&self, name: &str, mel: &[f32], bands: usize) -> f32 {
        assert_eq!(mel.len() / bands, self.get(&format!("mel.{name}.frames"))[0] as usize, "{name}: frames");
        let rows = self.get(&format!("mel.{name}.rows"));
        let values = self.get(&format!("mel.{name}.values"));
        let mut worst = 0f32;
        for (row, wanted) in rows.iter().zip(values.chunks(bands)) {
            let got = &mel[*row as usize * bands..][..bands];
            for (got, wanted) in got.iter().zip(wanted) {
                // At the floor of -100 dB both must be; just above it rounding decides.
                assert!((*wanted > -99.0) || *got < -98.0, "{name}, frame {row}: {got} for {wanted}");
                worst = if *wanted > -99.0 { worst.max((got - wanted).abs()) } else { worst };
            }
        }
        worst
    }
}

/// 1 − cos.
pub fn cosine_distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Holds every window of every sound to what the reference's tower makes of it.
pub fn assert_windows_agree(references: &References, tower: &Htsat, framing: &Framing, rate: u32) {
    for (name, seconds) in SECONDS {
        let windows = windows(framing, seconds, rate);
        let wanted = references.get(&format!("htsat.{name}"));
        assert_eq!(windows.len(), wanted.len() / tower.dim(), "{name} s");
        for (window, wanted) in windows.iter().zip(wanted.chunks(tower.dim())) {
            let distance = cosine_distance(&tower.forward(window).unwrap(), wanted);
            println!("{name} s: cosine distance {distance:.1e}");
            assert!(distance < 1e-5, "{name} s: cosine distance {distance}");
        }
    }
}
