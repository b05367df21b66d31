//! Sounds and the texts that describe them, as embeddings.

use crate::{Embeddings, Error, Result};

/// Sounds and texts that belong together. Vectors have unit length; rows without a direction are left out with what belongs to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// One row a sound.
    pub(super) sounds: Embeddings,
    /// One row a text.
    pub(super) texts: Embeddings,
    /// For each text, the row of its sound.
    pub(super) sound_of: Vec<usize>,
    /// Texts that were left out.
    left_out: usize,
}

impl Pairs {
    /// Text i describes the sound `sound_of[i]`. A sound that no text describes is left out.
    ///
    /// # Errors
    /// [`Error::Input`] where there is not one sound a text, or no pair with directions; [`Error::Dimension`] where both sides have other
    /// numbers of components.
    pub fn new(mut sounds: Embeddings, mut texts: Embeddings, sound_of: Vec<usize>) -> Result<Self> {
        if sounds.dim() != texts.dim() {
            let (found, expected) = (sounds.dim(), texts.dim());
            return Err(Error::Dimension { subject: "the embeddings of sounds".into(), found, expected });
        }
        if texts.len() != sound_of.len() || sound_of.iter().any(|sound| *sound >= sounds.len()) {
            let found = format!("{} texts of {} sounds among {}", texts.len(), sound_of.len(), sounds.len());
            return Err(Error::Internal(format!("pairs that do not fit: {found}")));
        }
        let (heard, read) = (sounds.normalize(), texts.normalize());
        let usable: Vec<bool> = read.iter().zip(&sound_of).map(|(read, sound)| *read && heard[*sound]).collect();
        let mut has_text = vec![false; sounds.len()];
        sound_of.iter().zip(&usable).filter(|(_, usable)| **usable).for_each(|(sound, _)| has_text[*sound] = true);
        let places: Vec<usize> =
            has_text.iter().scan(0, |next, kept| Some(std::mem::replace(next, *next + usize::from(*kept)))).collect();
        let kept = sound_of.iter().zip(&usable).filter(|(_, usable)| **usable);
        let sound_of: Vec<usize> = kept.map(|(sound, _)| places[*sound]).collect();
        sounds.retain(|sound| has_text[sound]);
        texts.retain(|text| usable[text]);
        if texts.is_empty() {
            return Err(Error::input("the pairs", "none whose embeddings have a direction", "one at least"));
        }
        Ok(Self { left_out: usable.len() - texts.len(), sounds, texts, sound_of })
    }

    /// Row i of the texts describes row i of the sounds.
    ///
    /// # Errors
    /// [`Error::Input`] where there are more of the ones than of the others; as [`Pairs::new`].
    pub fn one_to_one(sounds: Embeddings, texts: Embeddings) -> Result<Self> {
        if sounds.len() != texts.len() {
            let found = format!("{} rows of sounds and {} of texts", sounds.len(), texts.len());
            return Err(Error::input("the pairs", found, "as many rows: row i of both is a pair"));
        }
        let sound_of = (0..texts.len()).collect();
        Self::new(sounds, texts, sound_of)
    }

    /// Pairs: one for each text.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// True when there is no pair, which none that was made is.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Texts that were left out, because they or their sounds have no direction: zeros, or numbers that are not finite.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Components of each vector.
    pub(super) fn dim(&self) -> usize {
        self.texts.dim()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rows(numbers: &[f32]) -> Embeddings {
        Embeddings::from_vec(2, numbers.to_vec()).unwrap()
    }

    #[test]
    fn what_has_no_direction_goes_with_what_belongs_to_it() {
        let sounds = rows(&[2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 1.0, 1.0]);
        let texts = rows(&[0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 5.0, 1.0, 0.0]);
        let pairs = Pairs::new(sounds, texts, vec![2, 1, 3, 0, 2]).unwrap();
        assert_eq!(pairs.sounds.as_slice(), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(pairs.texts.as_slice(), [0.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
        assert_eq!((&pairs.sound_of[..], pairs.left_out()), (&[1, 0, 1][..], 2));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (two, three) = (rows(&[1.0; 4]), rows(&[1.0; 6]));
        let error = Pairs::one_to_one(two.clone(), three).unwrap_err().to_string();
        assert!(error.contains("2 rows of sounds and 3 of texts"), "{error}");
        let other = Embeddings::from_vec(1, vec![1.0; 2]).unwrap();
        assert!(matches!(Pairs::one_to_one(other, two.clone()), Err(Error::Dimension { .. })));
        let error = Pairs::one_to_one(rows(&[0.0; 4]), two).unwrap_err().to_string();
        assert!(error.contains("direction"), "{error}");
    }
}
