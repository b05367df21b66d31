//! Which texts are learned from and which are held out to choose the best checkpoint.

use std::collections::{HashMap, HashSet};

use rand::seq::SliceRandom;

use super::packing::{Example, rng};

/// The most texts that are held out; more would cost time and sharpen the validation loss no further.
const MOST_HELD_OUT: usize = 2000;

/// Training and held-out examples.
#[derive(Debug)]
pub(super) struct Split {
    pub training: Vec<Example>,
    pub validation: Vec<Example>,
}

/// Holds out about the share `validation` of the different texts (by their tokens). Texts that share a clip, directly or by others between
/// them, stay together: no text and no clip is on both sides. `clips` tells those of a row.
///
/// The groups are drawn by the seed alone, in whatever order the examples come. One that is larger than what is still to be held out is
/// learned from; where all are, the smallest is held out. Where all texts hang together, none is.
pub(super) fn split<'a>(
    mut examples: Vec<Example>,
    clips: impl Fn(usize) -> &'a [u32],
    validation: f32,
    seed: u64,
) -> Split {
    examples.sort_by(|a, b| a.tokens.cmp(&b.tokens));
    let texts: Vec<&[Example]> = examples.chunk_by(|a, b| a.tokens == b.tokens).collect();
    let share = (texts.len() as f64 * f64::from(validation)).round() as usize;
    // Something is left to learn from, whatever share was asked for.
    let share = share.clamp(usize::from(validation > 0.0), MOST_HELD_OUT).min(texts.len().saturating_sub(1));
    let (members, first) = together(&texts, clips);
    let mut groups: Vec<&[u32]> = members.chunk_by(|a, b| first[*a as usize] == first[*b as usize]).collect();
    groups.shuffle(&mut rng(seed, 0, 0, 0));
    let drawn = draw(&groups, share).into_iter().flatten();
    let held_out: HashSet<usize> = drawn.flat_map(|text| texts[*text as usize].iter().map(|e| e.row)).collect();
    // By row, so that the order of an epoch depends on the seed and not on the spelling.
    examples.sort_by_key(|e| e.row);
    let (validation, training) = examples.into_iter().partition(|e| held_out.contains(&e.row));
    Split { training, validation }
}

/// The texts in the order of their groups, and the first text of each one's group. Numbers alone: there may be millions.
fn together<'a>(texts: &[&[Example]], clips: impl Fn(usize) -> &'a [u32]) -> (Vec<u32>, Vec<u32>) {
    let mut above: Vec<u32> = (0..texts.len() as u32).collect();
    let mut first_with = HashMap::new();
    for (text, same) in (0..).zip(texts) {
        for clip in same.iter().flat_map(|example| clips(example.row)) {
            let (a, b) = (root(&mut above, text), root(&mut above, *first_with.entry(*clip).or_insert(text)));
            // The first text of a group stands for it.
            above[a.max(b) as usize] = a.min(b);
        }
    }
    let mut members: Vec<u32> = (0..texts.len() as u32).collect();
    for text in &members {
        above[*text as usize] = root(&mut above, *text);
    }
    members.sort_unstable_by_key(|text| (above[*text as usize], *text));
    (members, above)
}

/// The text that stands for the group of `text`. The way there is halved, for those who come after.
fn root(above: &mut [u32], mut text: u32) -> u32 {
    while above[text as usize] != text {
        above[text as usize] = above[above[text as usize] as usize];
        text = above[text as usize];
    }
    text
}

/// Groups of `share` texts together, or a few less.
fn draw<'a>(groups: &[&'a [u32]], share: usize) -> Vec<&'a [u32]> {
    let mut left = share;
    let fits = |group: &&&[u32]| {
        let fits = group.len() <= left;
        left -= if fits { group.len() } else { 0 };
        fits
    };
    let drawn: Vec<_> = groups.iter().filter(fits).copied().collect();
    if drawn.is_empty() && share > 0 && groups.len() > 1 {
        return groups.iter().min_by_key(|group| group.len()).into_iter().copied().collect();
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example(row: usize, token: u32) -> Example {
        Example { row, tokens: vec![token], ended: true, repeats: 1 }
    }

    /// The token and the clips of each row.
    type Rows = Vec<(u32, Vec<u32>)>;

    fn split_rows(rows: &Rows, order: &[usize], validation: f32, seed: u64) -> Split {
        let examples = order.iter().map(|row| example(*row, rows[*row].0)).collect();
        split(examples, |row| &rows[row].1, validation, seed)
    }

    /// Rows that hang together, found by looking at all pairs until nothing changes.
    fn plainly_together(rows: &Rows) -> Vec<usize> {
        let mut label: Vec<usize> = (0..rows.len()).collect();
        loop {
            let before = label.clone();
            for (a, one) in rows.iter().enumerate() {
                for (b, other) in rows.iter().enumerate() {
                    if one.0 == other.0 || one.1.iter().any(|clip| other.1.contains(clip)) {
                        let lower = label[a].min(label[b]);
                        (label[a], label[b]) = (lower, lower);
                    }
                }
            }
            if label == before {
                return label;
            }
        }
    }

    fn sides(split: &Split) -> (Vec<usize>, Vec<usize>) {
        let rows = |side: &[Example]| side.iter().map(|e| e.row).collect();
        (rows(&split.training), rows(&split.validation))
    }

    proptest! {
        #[test]
        fn what_hangs_together_is_on_one_side(
            rows in prop::collection::vec((0u32..30, prop::collection::vec(0u32..40, 0..3)), 1..60),
            validation in 0.0f32..0.6,
            seed in 0u64..5,
        ) {
            let forwards: Vec<usize> = (0..rows.len()).collect();
            let split = split_rows(&rows, &forwards, validation, seed);
            let (training, held_out) = sides(&split);
            let mut all = [training.clone(), held_out.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(&all, &forwards);
            let label = plainly_together(&rows);
            let groups = |side: &[usize]| side.iter().map(|row| label[*row]).collect::<HashSet<_>>();
            prop_assert!(groups(&training).is_disjoint(&groups(&held_out)));
            prop_assert!(!training.is_empty());
            // As much as was asked for at most, but for the one group that there must be.
            let texts = |side: &[usize]| side.iter().map(|row| rows[*row].0).collect::<HashSet<_>>().len();
            let share = (texts(&forwards) as f64 * f64::from(validation)).round().max(1.0) as usize;
            prop_assert!(texts(&held_out) <= share || groups(&held_out).len() == 1);
            let several = label.iter().collect::<HashSet<_>>().len() > 1;
            prop_assert_eq!(held_out.is_empty(), validation == 0.0 || !several);
            // The order of the rows is nothing to it.
            let backwards: Vec<usize> = forwards.iter().rev().copied().collect();
            prop_assert_eq!(sides(&split_rows(&rows, &backwards, validation, seed)), (training, held_out));
        }
    }

    #[test]
    fn captions_of_five_to_a_clip_are_held_out_by_clip() {
        let rows: Rows = (0..500).map(|row| (row, vec![row / 5])).collect();
        let order: Vec<usize> = (0..500).collect();
        let (_, held_out) = sides(&split_rows(&rows, &order, 0.05, 1));
        assert_eq!(held_out.len(), 25);
        let clips: HashSet<_> = held_out.iter().map(|row| row / 5).collect();
        assert_eq!(clips.len(), 5);
        let (_, others) = sides(&split_rows(&rows, &order, 0.05, 2));
        assert_ne!(held_out, others, "another seed draws others");
    }
}
