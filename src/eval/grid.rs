//! Ways to caption, from lists of what may vary.

use crate::bridge::Strategy;
use crate::captioner::CaptionOptions;

/// What varies between the ways to caption; an empty list leaves what the options say.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Grid {
    /// Ways to bridge the gap.
    pub strategies: Vec<Strategy>,
    /// Decoders by their names in the store.
    pub decoders: Vec<String>,
    /// Neighbours that a projection is made of.
    pub k: Vec<usize>,
    /// Temperatures of the projection's softmax.
    pub temperatures: Vec<f32>,
}

/// A way to caption.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    /// What tells it from the others of its grid.
    pub name: String,
    /// The decoder that writes, by its name; `None` for the one in use, and where none takes part.
    pub decoder: Option<String>,
    /// How.
    pub options: CaptionOptions,
}

impl Grid {
    /// Bridges the gap in these ways.
    #[must_use]
    pub fn strategies(self, strategies: impl Into<Vec<Strategy>>) -> Self {
        Self { strategies: strategies.into(), ..self }
    }

    /// Writes with these decoders.
    #[must_use]
    pub fn decoders(self, decoders: impl Into<Vec<String>>) -> Self {
        Self { decoders: decoders.into(), ..self }
    }

    /// Projects onto so many neighbours.
    #[must_use]
    pub fn k(self, k: impl Into<Vec<usize>>) -> Self {
        Self { k: k.into(), ..self }
    }

    /// Projects at these temperatures.
    #[must_use]
    pub fn temperatures(self, temperatures: impl Into<Vec<f32>>) -> Self {
        Self { temperatures: temperatures.into(), ..self }
    }

    /// Every way that differs from the others, decoder by decoder. `k` and temperature are nothing to strategies without a projection, nor is a
    /// decoder to [`Strategy::Text`], which comes last.
    pub fn ways(&self, base: &CaptionOptions) -> Vec<Way> {
        let strategies = match &self.strategies[..] {
            [] => vec![base.strategy],
            strategies => strategies.to_vec(),
        };
        let mut ways: Vec<Way> = Vec::new();
        for decoder in choices(&self.decoders) {
            for strategy in strategies.iter().filter(|strategy| **strategy != Strategy::Text) {
                self.of_strategy(base, *strategy, decoder.as_ref(), &mut ways);
            }
        }
        if strategies.contains(&Strategy::Text) {
            self.of_strategy(base, Strategy::Text, None, &mut ways);
        }
        ways
    }

    fn of_strategy(&self, base: &CaptionOptions, strategy: Strategy, decoder: Option<&String>, ways: &mut Vec<Way>) {
        let (ks, temperatures) = match strategy {
            Strategy::Projection => (choices(&self.k), choices(&self.temperatures)),
            _ => (vec![None], vec![None]),
        };
        for (k, temperature) in ks.iter().flat_map(|k| temperatures.iter().map(move |t| (*k, *t))) {
            let mut options = base.clone().strategy(strategy);
            options.retrieval.k = k.or(options.retrieval.k);
            options.retrieval.temperature = temperature.unwrap_or(options.retrieval.temperature);
            let varied = [
                decoder.filter(|_| self.decoders.len() > 1).cloned(),
                k.map(|k| format!("k={k}")),
                temperature.filter(|_| self.temperatures.len() > 1).map(|t| format!("temperature={t}")),
            ];
            let name = std::iter::once(strategy.to_string()).chain(varied.into_iter().flatten()).collect::<Vec<_>>();
            let way = Way { name: name.join(" "), decoder: decoder.cloned(), options };
            // What was listed twice is one way.
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
    }
}

/// Each of a list, or what there is without it.
fn choices<T: Clone>(list: &[T]) -> Vec<Option<T>> {
    if list.is_empty() { vec![None] } else { list.iter().cloned().map(Some).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(grid: &Grid) -> Vec<String> {
        grid.ways(&CaptionOptions::default()).into_iter().map(|way| way.name).collect()
    }

    #[test]
    fn only_what_makes_a_difference_is_varied() {
        let grid = Grid::default()
            .strategies([Strategy::Text, Strategy::Direct, Strategy::Projection])
            .decoders(["a".to_owned(), "b".to_owned()])
            .k([5])
            .temperatures([0.01, 0.05]);
        assert_eq!(
            names(&grid),
            [
                "direct a",
                "projection a k=5 temperature=0.01",
                "projection a k=5 temperature=0.05",
                "direct b",
                "projection b k=5 temperature=0.01",
                "projection b k=5 temperature=0.05",
                "text"
            ]
        );
    }

    #[test]
    fn an_empty_grid_is_one_way_and_repeats_are_none() {
        assert_eq!(names(&Grid::default()), ["projection"]);
        assert_eq!(names(&Grid::default().k([3, 3])), ["projection k=3"]);
    }
}
