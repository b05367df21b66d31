//! What a training does otherwise than its preset: shape and recipe, number by number.

use serde::{Deserialize, Serialize};

use super::config::{DecoderConfig, Recipe, Schedule};
use crate::{Error, Result};

/// Another shape than the preset's; `None` is the preset's choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShapeChanges {
    /// Transformer blocks.
    pub layers: Option<usize>,
    /// Width of the residual stream; the heads must divide it.
    pub width: Option<usize>,
    /// Attention heads.
    pub heads: Option<usize>,
    /// Positions that the mapping network fills from one embedding.
    pub prefix_tokens: Option<usize>,
    /// Tokens of a caption including the start and end markers; longer texts are cut in training.
    pub max_tokens: Option<usize>,
    /// Whether the output embedding is the input embedding.
    pub tied: Option<bool>,
}

impl ShapeChanges {
    /// The shape with these changes.
    pub(super) fn applied(&self, shape: DecoderConfig) -> DecoderConfig {
        DecoderConfig {
            layers: self.layers.unwrap_or(shape.layers),
            width: self.width.unwrap_or(shape.width),
            heads: self.heads.unwrap_or(shape.heads),
            prefix_tokens: self.prefix_tokens.unwrap_or(shape.prefix_tokens),
            max_tokens: self.max_tokens.unwrap_or(shape.max_tokens),
            tied: self.tied.unwrap_or(shape.tied),
            ..shape
        }
    }
}

/// Which way the learning rate takes; see [`Schedule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// [`Schedule::Steps`]; WSAC's numbers where no others are given.
    Steps,
    /// [`Schedule::Cosine`]; the small preset's numbers where no others are given.
    Cosine,
}

/// Another recipe than the preset's; `None` is the preset's choice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecipeChanges {
    /// The kind of schedule.
    pub schedule: Option<ScheduleKind>,
    /// How long the rate rises: epochs of `Steps`, the share of the training of `Cosine`.
    pub warm_up: Option<f64>,
    /// Epochs between the decreases of `Steps`.
    pub every: Option<f64>,
    /// What `Steps` multiplies the rate by, above 0 and at most 1.
    pub factor: Option<f64>,
    /// What `Cosine` leaves of the rate at the end, in 0..=1.
    pub floor: Option<f64>,
    /// AdamW's weight decay on matrices; 0 is Adam.
    pub weight_decay: Option<f64>,
    /// Decay of Adam's second moment, in 0..1.
    pub beta2: Option<f64>,
    /// Probability of dropping a number, in 0..1.
    pub dropout: Option<f32>,
    /// Label smoothing, in 0..1.
    pub smoothing: Option<f32>,
    /// Largest norm of the whole gradient; 0 for any.
    pub clip: Option<f64>,
    /// A word that occurs less often is unknown, at least 1.
    pub least_count: Option<u32>,
    /// Whether token embeddings and mapping network begin in the geometry of the text embeddings.
    pub informed_start: Option<bool>,
}

impl RecipeChanges {
    /// The recipe with these changes.
    ///
    /// # Errors
    /// [`Error::Input`] for a number out of its range, or one that the schedule has no use for.
    pub(super) fn applied(&self, recipe: Recipe) -> Result<Recipe> {
        let none = |name: &str, given: bool, kind: &str| match given {
            true => Err(Error::input(name, "a schedule that does not use it", format!("the schedule {kind}"))),
            false => Ok(()),
        };
        let schedule = match (self.schedule, recipe.schedule) {
            (Some(ScheduleKind::Steps), Schedule::Cosine { .. }) => Schedule::PAPER,
            (Some(ScheduleKind::Cosine), Schedule::Steps { .. }) => Schedule::SMALL,
            (_, own) => own,
        };
        let schedule = match schedule {
            Schedule::Steps { warm_up, every, factor } => {
                none("the floor", self.floor.is_some(), "cosine")?;
                Schedule::Steps {
                    warm_up: within("warm-up", self.warm_up, warm_up, |x| x >= 0.0, "epochs, 0 or more")?,
                    every: within("the epochs between decreases", self.every, every, |x| x > 0.0, "above 0")?,
                    factor: within("the factor", self.factor, factor, |x| x > 0.0 && x <= 1.0, "above 0, at most 1")?,
                }
            }
            Schedule::Cosine { warm_up, floor } => {
                none("the epochs between decreases", self.every.is_some(), "steps")?;
                none("the factor", self.factor.is_some(), "steps")?;
                let share = "a share of the training, at least 0 and below 1";
                Schedule::Cosine {
                    warm_up: within("warm-up", self.warm_up, warm_up, |x| (0.0..1.0).contains(&x), share)?,
                    floor: within("the floor", self.floor, floor, |x| (0.0..=1.0).contains(&x), "0 to 1")?,
                }
            }
        };
        let below_one = |x: f64| (0.0..1.0).contains(&x);
        let share = "at least 0 and below 1";
        let positive = |x: f64| x >= 0.0;
        let narrow = |name: &str, given: Option<f32>, own: f32| {
            within(name, given.map(f64::from), f64::from(own), below_one, share).map(|x| x as f32)
        };
        let clip = within("the largest gradient", self.clip, recipe.clip.unwrap_or(0.0), positive, "0 or more")?;
        let least_count = self.least_count.unwrap_or(recipe.least_count);
        if least_count == 0 {
            return Err(Error::input("the least count of a word", 0, "1 or more"));
        }
        Ok(Recipe {
            schedule,
            weight_decay: within("weight decay", self.weight_decay, recipe.weight_decay, positive, "0 or more")?,
            beta2: within("beta2", self.beta2, recipe.beta2, below_one, share)?,
            dropout: narrow("dropout", self.dropout, recipe.dropout)?,
            smoothing: narrow("label smoothing", self.smoothing, recipe.smoothing)?,
            clip: (clip > 0.0).then_some(clip),
            least_count,
            informed_start: self.informed_start.unwrap_or(recipe.informed_start),
            ..recipe
        })
    }
}

fn within(name: &str, given: Option<f64>, own: f64, is_right: impl Fn(f64) -> bool, expected: &str) -> Result<f64> {
    match given {
        Some(value) if !value.is_finite() || !is_right(value) => Err(Error::input(name, value, expected)),
        given => Ok(given.unwrap_or(own)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::decoder::config::Preset;

    fn changed(preset: Preset, changes: RecipeChanges) -> Result<Recipe> {
        changes.applied(preset.recipe(5000))
    }

    #[test]
    fn nothing_changes_where_nothing_is_asked_for() {
        for preset in [Preset::Small, Preset::Paper] {
            assert_eq!(changed(preset, RecipeChanges::default()).unwrap(), preset.recipe(5000));
            assert_eq!(ShapeChanges::default().applied(preset.config(8, 9)), preset.config(8, 9));
        }
    }

    #[test]
    fn a_schedule_of_the_other_kind_brings_the_numbers_of_its_preset() {
        let steps =
            RecipeChanges { schedule: Some(ScheduleKind::Steps), factor: Some(0.5), ..RecipeChanges::default() };
        let Schedule::Steps { warm_up, every, factor } = changed(Preset::Small, steps).unwrap().schedule else {
            panic!("another kind")
        };
        assert_eq!((warm_up, every, factor), (5.0, 10.0, 0.5));
        let cosine = RecipeChanges { schedule: Some(ScheduleKind::Cosine), ..RecipeChanges::default() };
        assert_eq!(changed(Preset::Paper, cosine).unwrap().schedule, Preset::Small.recipe(5000).schedule);
        let no_clip = RecipeChanges { clip: Some(0.0), ..RecipeChanges::default() };
        assert_eq!(changed(Preset::Small, no_clip).unwrap().clip, None);
    }

    #[test]
    fn numbers_out_of_their_ranges_are_refused() {
        let none = RecipeChanges::default;
        for (preset, changes) in [
            (Preset::Small, RecipeChanges { dropout: Some(1.0), ..none() }),
            (Preset::Small, RecipeChanges { smoothing: Some(-0.1), ..none() }),
            (Preset::Small, RecipeChanges { weight_decay: Some(f64::NAN), ..none() }),
            (Preset::Small, RecipeChanges { beta2: Some(1.0), ..none() }),
            (Preset::Small, RecipeChanges { clip: Some(-1.0), ..none() }),
            (Preset::Small, RecipeChanges { least_count: Some(0), ..none() }),
            (Preset::Small, RecipeChanges { warm_up: Some(1.0), ..none() }),
            (Preset::Small, RecipeChanges { factor: Some(0.5), ..none() }),
            (Preset::Paper, RecipeChanges { floor: Some(0.5), ..none() }),
            (Preset::Paper, RecipeChanges { every: Some(0.0), ..none() }),
            (Preset::Paper, RecipeChanges { factor: Some(1.5), ..none() }),
        ] {
            assert!(matches!(changed(preset, changes.clone()), Err(Error::Input { .. })), "{changes:?}");
        }
    }
}
