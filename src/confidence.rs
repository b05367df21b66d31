//! How likely a caption is to fit its sound.
//!
//! What tells most is the cosine of the caption's own embedding and the sound's. What it means differs between models and strategies,
//! so it is calibrated on sounds that people have described: Platt scaling, a logistic curve fitted by maximum likelihood (Platt: Probabilistic
//! outputs for support vector machines, 1999). A caption counts as right when it is nearer to what people wrote of its sound than to what they wrote
//! of [`AMONG`] - 1 other sounds.
//!
//! ```
//! use echoic::confidence::{Curve, Judged};
//!
//! let judged: Vec<Judged> = (0..200)
//!     .map(|i| Judged { similarity: i as f32 / 200.0, right: i % 7 != 0 && i > 60, clip: i })
//!     .collect();
//! let curve = Curve::fit(&judged).unwrap();
//! assert!(curve.confidence(0.9) > 0.7 && curve.confidence(0.1) < 0.3);
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::bridge::Strategy;
use crate::error::{Hint, Topic};
use crate::memory::confidence_file;
use crate::{EmbeddingSpace, Error, Result, file};

/// What a caption is judged among: its own sound's descriptions and those of so many less one others.
pub const AMONG: usize = 50;

/// The fewest captions that a curve is fitted to.
pub const FEWEST: usize = 50;

/// The parts that a curve is tested on, one after the other, while it is fitted to the rest.
const FOLDS: usize = 5;

/// The calibration of the starter: `models/starter/confidence.json`.
const STARTER: &str = include_str!("../models/starter/confidence.json");

/// A caption that was judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Cosine of its own embedding and the sound's.
    pub similarity: f32,
    /// Whether it is right.
    pub right: bool,
    /// Which clip, by its number: captions of one clip are fitted to, or tested on, together.
    pub clip: usize,
}

/// Captions whose confidence lies in one tenth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// How many there are.
    pub captions: usize,
    /// The mean of what was expected.
    pub expected: f64,
    /// The share that is right.
    pub right: f64,
}

/// From similarity to confidence, and how far that can be trusted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Curve {
    /// Confidence is 1 / (1 + exp(-(slope · similarity + intercept))).
    pub slope: f64,
    /// See `slope`.
    pub intercept: f64,
    /// Captions that it was fitted to.
    pub captions: usize,
    /// The share of them that is right.
    pub right: f64,
    /// The expected calibration error over tenths, of captions that took no part in the fit (five parts by turns).
    pub calibration_error: f64,
    /// The mean squared error, likewise.
    pub brier: f64,
    /// The chance that a right caption has more confidence than a wrong one, likewise.
    pub auc: f64,
    /// The reliability curve, likewise: tenths of confidence, empty ones left out.
    pub reliability: Vec<Bin>,
}

/// The curves of a model by strategy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Calibration {
    /// Whose similarities they read.
    pub space: EmbeddingSpace,
    /// How many descriptions a caption was judged among.
    pub among: usize,
    /// By the strategy that made the captions.
    pub curves: BTreeMap<Strategy, Curve>,
}

impl Calibration {
    /// What a store of this space has been given, or what is known of the model; `None` where nothing is.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] for a file that is no calibration, or that of another space.
    pub fn for_store(dir: &Path, space: &EmbeddingSpace) -> Result<Option<Self>> {
        let path = confidence_file(dir);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Self::of_model(space),
            Err(cause) => return Err(Error::io("read", &path)(cause)),
        };
        let strange = |found: String| {
            Error::input(path.display(), found, format!("a calibration for {space}"))
                .with_hint(Hint::about(Topic::Calibrate, "remove the file, or make it anew"))
        };
        let read: Self = serde_json::from_str(&text).map_err(|cause| strange(cause.to_string()))?;
        if read.space != *space {
            return Err(strange(format!("one for {}", read.space)));
        }
        Ok(Some(read))
    }

    /// What is known of a model that ships with its calibration.
    fn of_model(space: &EmbeddingSpace) -> Result<Option<Self>> {
        let starter: Self = serde_json::from_str(STARTER)
            .map_err(|cause| Error::Internal(format!("the starter's calibration: {cause}")))?;
        Ok((starter.space == *space).then_some(starter))
    }

    /// Keeps it in a store, in place of the one before. It is no commit.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn keep(&self, dir: &Path) -> Result<()> {
        self.write(&confidence_file(dir))
    }

    /// Writes it to a file, as stores keep it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|cause| Error::Internal(format!("a calibration that is no JSON: {cause}")))?;
        file::replace(path, (text + "\n").as_bytes())
    }

    /// The confidence in a caption of this similarity; `None` for a strategy that was not calibrated.
    pub fn confidence(&self, strategy: Strategy, similarity: f32) -> Option<f32> {
        self.curves.get(&strategy).map(|curve| curve.confidence(similarity))
    }
}

impl Curve {
    /// Fits a curve; `None` for fewer than [`FEWEST`] captions, or where all are right, or all wrong.
    pub fn fit(judged: &[Judged]) -> Option<Self> {
        let right = judged.iter().filter(|one| one.right).count();
        if judged.len() < FEWEST || right == 0 || right == judged.len() {
            return None;
        }
        let tested = tested(judged);
        let (slope, intercept) = logistic(judged.iter());
        let count = judged.len() as f64;
        let squares = tested.iter().map(|(expected, right)| (expected - f64::from(*right)).powi(2));
        let reliability = bins(&tested);
        let error = |bin: &Bin| (bin.expected - bin.right).abs() * bin.captions as f64 / count;
        Some(Self {
            slope: rounded(slope),
            intercept: rounded(intercept),
            captions: judged.len(),
            right: rounded(right as f64 / count),
            calibration_error: rounded(reliability.iter().map(error).sum()),
            brier: rounded(squares.sum::<f64>() / count),
            auc: rounded(auc(&tested)),
            reliability,
        })
    }

    /// The confidence in a caption of this similarity, in 0..1.
    pub fn confidence(&self, similarity: f32) -> f32 {
        sigmoid(self.slope * f64::from(similarity) + self.intercept) as f32
    }
}

/// Nine digits behind the point: more say nothing, and these are read back to the bit.
fn rounded(figure: f64) -> f64 {
    (figure * 1e9).round() / 1e9
}

/// What each caption was expected to be by a curve that was fitted without it, and what it is.
fn tested(judged: &[Judged]) -> Vec<(f64, bool)> {
    let mut all = Vec::with_capacity(judged.len());
    for fold in 0..FOLDS {
        let (held_out, rest): (Vec<&Judged>, Vec<&Judged>) = judged.iter().partition(|one| one.clip % FOLDS == fold);
        let (slope, intercept) = logistic(rest.into_iter());
        let expected = |one: &Judged| sigmoid(slope * f64::from(one.similarity) + intercept);
        all.extend(held_out.into_iter().map(|one| (expected(one), one.right)));
    }
    all
}

/// Slope and intercept of the likeliest logistic curve, by Newton's method. Platt's targets keep it finite where the captions can be told apart.
fn logistic<'a>(judged: impl Iterator<Item = &'a Judged>) -> (f64, f64) {
    let points: Vec<(f64, bool)> = judged.map(|one| (f64::from(one.similarity), one.right)).collect();
    let right = points.iter().filter(|(_, right)| *right).count() as f64;
    let wrong = points.len() as f64 - right;
    let target = |is_right: bool| if is_right { (right + 1.0) / (right + 2.0) } else { 1.0 / (wrong + 2.0) };
    let (mut slope, mut intercept) = (0.0, ((right + 1.0) / (wrong + 1.0)).ln());
    for _ in 0..100 {
        let (mut g, mut h) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
        for (x, is_right) in &points {
            let p = sigmoid(slope * x + intercept);
            let (error, weight) = (p - target(*is_right), p * (1.0 - p));
            g = [g[0] + error * x, g[1] + error];
            h = [h[0] + weight * x * x, h[1] + weight * x, h[2] + weight];
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        if determinant.abs() < 1e-12 {
            break;
        }
        let step = [(h[2] * g[0] - h[1] * g[1]) / determinant, (h[0] * g[1] - h[1] * g[0]) / determinant];
        // Far from the end a whole step may overshoot.
        let scale = (10.0 / step[0].abs().max(step[1].abs()).max(1e-300)).min(1.0);
        (slope, intercept) = (slope - scale * step[0], intercept - scale * step[1]);
        if step[0].abs() + step[1].abs() < 1e-10 {
            break;
        }
    }
    (slope, intercept)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Tenths of confidence.
fn bins(tested: &[(f64, bool)]) -> Vec<Bin> {
    let tenth = |tenth: usize| {
        let within = |(expected, _): &&(f64, bool)| ((expected * 10.0) as usize).min(9) == tenth;
        let members: Vec<&(f64, bool)> = tested.iter().filter(within).collect();
        let count = members.len();
        let mean = |sum: f64| rounded(sum / count.max(1) as f64);
        Bin {
            captions: count,
            expected: mean(members.iter().map(|(expected, _)| expected).sum()),
            right: mean(members.iter().filter(|(_, right)| *right).count() as f64),
        }
    };
    (0..10).map(tenth).filter(|bin| bin.captions > 0).collect()
}

/// The area under the receiver operating characteristic: the mean rank of right captions (equal ones share theirs).
fn auc(tested: &[(f64, bool)]) -> f64 {
    let mut sorted = tested.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let right = sorted.iter().filter(|(_, right)| *right).count() as f64;
    let wrong = sorted.len() as f64 - right;
    let (mut ranks, mut before) = (0.0, 0usize);
    for equal in sorted.chunk_by(|a, b| a.0 == b.0) {
        let rank = before as f64 + (equal.len() as f64 + 1.0) / 2.0;
        ranks += rank * equal.iter().filter(|(_, right)| *right).count() as f64;
        before += equal.len();
    }
    (ranks - right * (right + 1.0) / 2.0) / (right * wrong).max(1.0)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Captions that are right as often as a curve says.
    fn drawn(slope: f64, intercept: f64, count: usize) -> Vec<Judged> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let draw = |clip| {
            let similarity = rng.random::<f32>();
            let right = rng.random::<f64>() < sigmoid(slope * f64::from(similarity) + intercept);
            Judged { similarity, right, clip }
        };
        (0..count).map(draw).collect()
    }

    #[test]
    fn the_curve_that_captions_were_drawn_from_is_found_again() {
        let curve = Curve::fit(&drawn(6.0, -3.0, 20_000)).unwrap();
        assert!((curve.slope - 6.0).abs() < 0.3 && (curve.intercept + 3.0).abs() < 0.2, "{curve:?}");
        assert!(curve.calibration_error < 0.01, "{curve:?}");
        assert!(curve.reliability.iter().all(|bin| (bin.expected - bin.right).abs() < 0.05), "{curve:?}");
    }

    #[test]
    fn what_says_nothing_gives_everyone_the_same_confidence() {
        let curve = Curve::fit(&drawn(0.0, 1.0, 5_000)).unwrap();
        assert!((curve.confidence(0.0) - curve.confidence(1.0)).abs() < 0.05 && (curve.auc - 0.5).abs() < 0.05);
    }

    #[test]
    fn captions_that_can_be_told_apart_wholly_give_a_finite_curve() {
        let judged: Vec<Judged> =
            (0..100).map(|clip| Judged { similarity: clip as f32 / 100.0, right: clip >= 50, clip }).collect();
        let curve = Curve::fit(&judged).unwrap();
        assert!(curve.slope.is_finite() && curve.confidence(0.9) > 0.9 && curve.confidence(0.1) < 0.1, "{curve:?}");
        assert!(curve.auc > 0.99);
    }

    #[test]
    fn what_cannot_be_fitted_is_none() {
        assert_eq!(Curve::fit(&drawn(6.0, -3.0, FEWEST - 1)), None);
        let all_right = vec![Judged { similarity: 0.5, right: true, clip: 0 }; 100];
        assert_eq!(Curve::fit(&all_right), None);
    }

    #[test]
    fn a_calibration_is_read_back_and_that_of_another_space_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let curve = Curve::fit(&drawn(6.0, -3.0, 500)).unwrap();
        let space = EmbeddingSpace { model: "mine".into(), sha256: "ab".into(), dim: 3 };
        let curves = BTreeMap::from([(Strategy::Text, curve)]);
        let calibration = Calibration { space: space.clone(), among: AMONG, curves };
        assert_eq!(Calibration::for_store(folder.path(), &space).unwrap(), None);
        calibration.keep(folder.path()).unwrap();
        let read = Calibration::for_store(folder.path(), &space).unwrap().unwrap();
        assert_eq!(read, calibration);
        assert!(read.confidence(Strategy::Text, 0.9) > read.confidence(Strategy::Text, 0.1));
        assert_eq!(read.confidence(Strategy::Direct, 0.9), None);
        let other = EmbeddingSpace { dim: 4, ..space };
        let error = Calibration::for_store(folder.path(), &other).unwrap_err().to_string();
        assert!(error.contains("confidence.json") && error.contains("mine"), "{error}");
        std::fs::write(confidence_file(folder.path()), "{}").unwrap();
        assert!(Calibration::for_store(folder.path(), &other).is_err());
    }
}
