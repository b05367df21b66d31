//! What a training does otherwise than its preset, as options.

use clap::{Args, ValueEnum};
use echoic::decoder::{RecipeChanges, ScheduleKind, ShapeChanges};

/// The shape.
#[derive(Debug, Args)]
#[command(next_help_heading = "Shape (by default the preset's)")]
pub struct Shape {
    /// Transformer blocks
    #[arg(long, value_name = "N")]
    layers: Option<usize>,
    /// Width of the Transformer; the heads must divide it
    #[arg(long, value_name = "N")]
    width: Option<usize>,
    /// Attention heads
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
    /// Positions that the mapping network fills from one embedding
    #[arg(long, value_name = "N")]
    prefix_tokens: Option<usize>,
    /// Most tokens of a caption, with the markers of its start and end; longer texts are cut
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Whether tokens are read and written with the same weights
    #[arg(long, value_name = "on|off")]
    tying: Option<Switch>,
}

/// The recipe.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recipe (by default the preset's)")]
pub struct Recipe {
    /// How the learning rate falls
    #[arg(long, value_name = "KIND")]
    schedule: Option<Schedule>,
    /// How long it rises: epochs with steps, a share of the training with cosine
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    warm_up: Option<f64>,
    /// With steps: epochs between the decreases
    #[arg(long, value_name = "EPOCHS", allow_negative_numbers = true)]
    decay_every: Option<f64>,
    /// With steps: what the rate is multiplied by
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true)]
    decay_factor: Option<f64>,
    /// With cosine: the share of the rate that is left at the end
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    floor: Option<f64>,
    /// AdamW's decay of matrices; 0 is Adam
    #[arg(long, value_name = "DECAY", allow_negative_numbers = true)]
    weight_decay: Option<f64>,
    /// Decay of Adam's second moment
    #[arg(long, value_name = "BETA", allow_negative_numbers = true)]
    beta2: Option<f64>,
    /// Probability of dropping a number
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    dropout: Option<f32>,
    /// Probability that is taken from the right token and given to all
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    label_smoothing: Option<f32>,
    /// Largest norm of a step's gradient; 0 for any
    #[arg(long, value_name = "NORM", allow_negative_numbers = true)]
    clip: Option<f64>,
    /// A word that occurs less often is unknown to the decoder
    #[arg(long, value_name = "N")]
    least_count: Option<u32>,
    /// Whether token embeddings and mapping network begin in the geometry of the texts, rather than at random
    #[arg(long, value_name = "on|off")]
    informed_start: Option<Switch>,
}

/// Names of the options that `--from` leaves no room for: what it begins with has them.
pub const NOT_WITH_FROM: [&str; 7] =
    ["layers", "width", "heads", "prefix_tokens", "max_tokens", "tying", "informed_start"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Schedule {
    /// A rise, then a factor every so many epochs: the paper's
    Steps,
    /// A rise, then half a cosine
    Cosine,
}

fn is_on(switch: Switch) -> bool {
    switch == Switch::On
}

impl Shape {
    pub fn changes(&self) -> ShapeChanges {
        ShapeChanges {
            layers: self.layers,
            width: self.width,
            heads: self.heads,
            prefix_tokens: self.prefix_tokens,
            max_tokens: self.max_tokens,
            tied: self.tying.map(is_on),
        }
    }
}

impl Recipe {
    pub fn changes(&self) -> RecipeChanges {
        let schedule = self.schedule.map(|schedule| match schedule {
            Schedule::Steps => ScheduleKind::Steps,
            Schedule::Cosine => ScheduleKind::Cosine,
        });
        RecipeChanges {
            schedule,
            warm_up: self.warm_up,
            every: self.decay_every,
            factor: self.decay_factor,
            floor: self.floor,
            weight_decay: self.weight_decay,
            beta2: self.beta2,
            dropout: self.dropout,
            smoothing: self.label_smoothing,
            clip: self.clip,
            least_count: self.least_count,
            informed_start: self.informed_start.map(is_on),
        }
    }
}
