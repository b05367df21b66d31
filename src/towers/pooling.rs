//! From the tower's maps over a window of sound to one vector of features, of a kind that the adapter names.

use super::encoders::sfx::{BANDS, BlockMaps};

/// Mel places of the maps after three poolings.
const PLACES: usize = 12;

/// Bands of equal width that [`Pooling::BandsMeanMax`] divides the places into.
const THIRDS: usize = 3;

/// Channels of the fourth block.
const FOURTH: usize = 512;

/// A window of sound as the tower sees it: its log-mel frames `[frames, 96]` and the maps of its blocks, in order.
#[derive(Debug, Clone)]
pub struct WindowMaps {
    /// Log-mel frames, `[frames, 96]`.
    pub mel: Vec<f32>,
    /// One entry for each block of up to 100 frames.
    pub blocks: Vec<BlockMaps>,
}

impl WindowMaps {
    /// Number of log-mel frames.
    pub fn frames(&self) -> usize {
        self.mel.len() / BANDS
    }

    /// Number of output steps over all blocks.
    pub fn steps(&self) -> usize {
        self.blocks.iter().map(|block| block.steps).sum()
    }
}

/// A way to pool the maps of a window into one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pooling {
    /// `max, mean, std`: the 512 channels of the last block, averaged over frequency; then their maximum, mean and standard deviation over
    /// time. 1,536 numbers.
    MaxMeanStd,
    /// `mean, max` in bands: the 512 channels of the last block, averaged over the low, middle and high third of the frequencies; then their
    /// mean and maximum over time, as `log(1 + x)`. Band-major in each half; 3,072 numbers.
    BandsMeanMax,
}

impl Pooling {
    /// The kind that `echoic align` takes where none is asked for.
    pub const DEFAULT: Self = Self::BandsMeanMax;

    /// Every kind.
    pub const ALL: [Self; 2] = [Self::MaxMeanStd, Self::BandsMeanMax];

    /// The name that adapter files use.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxMeanStd => "max-mean-std",
            Self::BandsMeanMax => "bands-mean-max",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Length of the feature vector.
    pub fn dim(self) -> usize {
        match self {
            Self::MaxMeanStd => 3 * FOURTH,
            Self::BandsMeanMax => 2 * THIRDS * FOURTH,
        }
    }

    /// Pools a window, which has at least one step, into `[dim]` features.
    pub fn pool(self, window: &WindowMaps) -> Vec<f32> {
        match self {
            Self::MaxMeanStd => {
                let series = mean_over_places(window.blocks.iter().map(|b| b.fourth.as_slice()), PLACES, FOURTH);
                let mut out = maximum(&series, FOURTH);
                let (mean, std) = moments(&series, FOURTH);
                out.extend(mean);
                out.extend(std);
                out
            }
            Self::BandsMeanMax => {
                let maps = window.blocks.iter().map(|b| b.fourth.as_slice());
                let series = mean_over_places(maps, PLACES / THIRDS, FOURTH);
                let (mut out, _) = moments(&series, THIRDS * FOURTH);
                out.extend(maximum(&series, THIRDS * FOURTH));
                out.iter_mut().for_each(|x| *x = x.max(0.0).ln_1p());
                out
            }
        }
    }
}

/// The embedding that the reference gives a block: mean over frequency, maximum over time. `[512]`.
pub fn block_embedding(block: &BlockMaps) -> Vec<f32> {
    maximum(&mean_over_places(std::iter::once(block.fourth.as_slice()), PLACES, FOURTH), FOURTH)
}

/// `[steps, 12, channels]` maps, one after the other, to their means over each `width` neighbouring places: `[steps, 12 / width, channels]`.
fn mean_over_places<'a>(maps: impl Iterator<Item = &'a [f32]>, width: usize, channels: usize) -> Vec<f32> {
    let mut out = Vec::new();
    for places in maps.flat_map(|map| map.chunks_exact(width * channels)) {
        let start = out.len();
        out.resize(start + channels, 0.0);
        for place in places.chunks_exact(channels) {
            out[start..].iter_mut().zip(place).for_each(|(sum, x)| *sum += x);
        }
        out[start..].iter_mut().for_each(|sum| *sum /= width as f32);
    }
    out
}

/// The maximum of each channel of `[steps, channels]`.
fn maximum(series: &[f32], channels: usize) -> Vec<f32> {
    let mut out = vec![f32::NEG_INFINITY; channels];
    for step in series.chunks_exact(channels) {
        out.iter_mut().zip(step).for_each(|(max, x)| *max = max.max(*x));
    }
    out
}

/// Mean and (population) standard deviation of each channel of `[steps, channels]`.
fn moments(series: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
    let count = (series.len() / channels).max(1) as f64;
    let mut sums = vec![0f64; channels];
    for step in series.chunks_exact(channels) {
        sums.iter_mut().zip(step).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    let means: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
    let mut squares = vec![0f64; channels];
    for step in series.chunks_exact(channels) {
        for ((square, x), mean) in squares.iter_mut().zip(step).zip(&means) {
            *square += (f64::from(*x) - mean).powi(2);
        }
    }
    let stds = squares.iter().map(|square| (square / count).sqrt() as f32).collect();
    (means.iter().map(|mean| *mean as f32).collect(), stds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_kind() {
        for kind in Pooling::ALL {
            assert_eq!(Pooling::from_name(kind.name()), Some(kind));
        }
        assert_eq!(Pooling::from_name("median"), None);
    }

    #[test]
    fn pools_over_all_blocks() {
        let block = |values: &[f32]| BlockMaps {
            steps: values.len(),
            third: vec![0.0; values.len() * PLACES * 256],
            fourth: values.iter().flat_map(|v| vec![*v; PLACES * FOURTH]).collect(),
        };
        let window = WindowMaps { mel: vec![0.0; 24 * BANDS], blocks: vec![block(&[1.0, 2.0]), block(&[6.0])] };
        let features = Pooling::MaxMeanStd.pool(&window);
        assert_eq!(features.len(), Pooling::MaxMeanStd.dim());
        assert_eq!((features[0], features[512]), (6.0, 3.0));
        assert!((features[1024] - (14f32 / 3.0).sqrt()).abs() < 1e-6);
    }
    #[test]
    fn bands_keep_low_and_high_apart() {
        // At step t, place p, every channel holds 100 t + p.
        let fourth = (0..2).flat_map(|t| (0..PLACES).flat_map(move |p| vec![(100 * t + p) as f32; FOURTH])).collect();
        let block = BlockMaps { steps: 2, third: vec![], fourth };
        let features = Pooling::BandsMeanMax.pool(&WindowMaps { mel: vec![0.0; 16 * BANDS], blocks: vec![block] });
        assert_eq!(features.len(), Pooling::BandsMeanMax.dim());
        let wanted = [51.5, 55.5, 59.5, 101.5, 105.5, 109.5].map(f32::ln_1p);
        for (part, wanted) in features.chunks(FOURTH).zip(wanted) {
            assert!(part.iter().all(|x| (x - wanted).abs() < 1e-6), "{} for {wanted}", part[0]);
        }
    }
}
