//! Maps of features, as the convolutions hand them on.

/// A map of features: `[height, width, channels]`, channels innermost.
#[derive(Debug, Clone, Default)]
pub(crate) struct Map {
    /// Rows: time.
    pub height: usize,
    /// Columns: frequency.
    pub width: usize,
    /// Features at each place.
    pub channels: usize,
    /// `height · width · channels` numbers.
    pub data: Vec<f32>,
}

impl Map {
    /// The map of a convolution of `outputs` channels over this one.
    pub fn after(&self, outputs: usize, then: Then) -> Self {
        match then {
            Then::Keep => Self::zeros(self.height, self.width, outputs),
            Then::MaxPool | Then::MeanPool => Self::zeros(self.height / 2, self.width / 2, outputs),
        }
    }

    /// This map, pooled.
    pub fn pooled(self, then: Then) -> Self {
        if then == Then::Keep {
            return self;
        }
        let mut out = self.after(self.channels, then);
        let (width, channels) = (out.width, out.channels);
        for (place, out) in out.data.chunks_exact_mut(channels).enumerate() {
            let (y, x) = (2 * (place / width), 2 * (place % width));
            let at = |row: usize, column: usize| &self.data[(row * self.width + column) * channels..][..channels];
            let above = at(y, x).iter().zip(at(y, x + 1));
            let below = at(y + 1, x).iter().zip(at(y + 1, x + 1));
            for (out, ((a, b), (c, d))) in out.iter_mut().zip(above.zip(below)) {
                *out = match then {
                    Then::MaxPool => a.max(*b).max(c.max(*d)),
                    _ => (a + b + (c + d)) * 0.25,
                };
            }
        }
        out
    }

    /// A map of zeros.
    pub fn zeros(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels, data: vec![0.0; height * width * channels] }
    }
}

/// What follows the convolution and its ReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing.
    Keep,
    /// The maximum over 2 × 2 places; an odd last row or column is dropped, as PyTorch does.
    MaxPool,
    /// The mean over 2 × 2 places, likewise.
    MeanPool,
}
