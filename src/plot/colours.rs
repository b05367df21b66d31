//! Colours that stay apart for eyes of every kind, on light and on dark paper.

/// For which paper a plot is coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Look {
    /// White paper, which is drawn with it.
    #[default]
    Light,
    /// Dark paper, which is drawn with it.
    Dark,
    /// The paper of the page that the plot stands in: colours are its custom properties `--plot-ink`, `--plot-faint`, `--plot-rule`,
    /// `--plot-paper` and `--plot-1` to `--plot-8`.
    Page,
}

/// Colours of a look, as SVG takes them.
pub(super) struct Colours {
    pub ink: String,
    pub faint: String,
    pub rule: String,
    pub paper: String,
    /// Whether the paper is part of the drawing.
    pub draws_paper: bool,
    series: [String; SERIES],
}

const SERIES: usize = 8;

/// Ink, faint ink, rules, paper.
const LIGHT: [&str; 4] = ["#22262a", "#646b73", "#dfe2e5", "#ffffff"];
const DARK: [&str; 4] = ["#e8eaec", "#9aa2aa", "#343a40", "#15181b"];
const LIGHT_SERIES: [&str; SERIES] =
    ["#0f6f6a", "#c8681a", "#5a55b0", "#b83263", "#4c7f1f", "#2f78bf", "#8a6a12", "#6b6f75"];
const DARK_SERIES: [&str; SERIES] =
    ["#4fc1b8", "#f0a05a", "#a6a1f2", "#f07fa5", "#9acb63", "#77b7f2", "#d8b654", "#a9afb6"];

impl Colours {
    pub fn of(look: Look) -> Self {
        let concrete = |colours: [&str; 4], series: [&str; SERIES]| {
            let [ink, faint, rule, paper] = colours.map(str::to_owned);
            Self { ink, faint, rule, paper, draws_paper: true, series: series.map(str::to_owned) }
        };
        match look {
            Look::Light => concrete(LIGHT, LIGHT_SERIES),
            Look::Dark => concrete(DARK, DARK_SERIES),
            Look::Page => {
                let named = |name: &str, fallback: &str| format!("var(--plot-{name}, {fallback})");
                let names = ["ink", "faint", "rule", "paper"];
                let [ink, faint, rule, paper] = std::array::from_fn(|i| named(names[i], LIGHT[i]));
                let series = std::array::from_fn(|i| named(&(i + 1).to_string(), LIGHT_SERIES[i]));
                Self { ink, faint, rule, paper, draws_paper: false, series }
            }
        }
    }

    /// The colour of the series of that index; they come again after the last.
    pub fn series(&self, index: usize) -> &str {
        &self.series[index % SERIES]
    }
}

/// From quiet to loud, in equal steps for the eye: matplotlib's inferno at eight places.
const INFERNO: [[u8; 3]; 8] = [
    [0, 0, 4],
    [40, 11, 84],
    [101, 21, 110],
    [159, 42, 99],
    [212, 72, 66],
    [245, 125, 21],
    [250, 193, 39],
    [252, 255, 164],
];

/// The colour of a loudness in 0..=255.
pub(super) fn loudness(value: u8) -> [u8; 3] {
    let place = f32::from(value) / 255.0 * (INFERNO.len() - 1) as f32;
    let below = (place as usize).min(INFERNO.len() - 2);
    let share = place - below as f32;
    let (from, to) = (INFERNO[below], INFERNO[below + 1]);
    std::array::from_fn(|i| (f32::from(from[i]) * (1.0 - share) + f32::from(to[i]) * share).round() as u8)
}
