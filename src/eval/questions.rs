//! What is to be captioned, and what people wrote of it.

/// A sound to caption, or a caption to write anew from its embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The clip; with the number of its caption, from 1, where it is asked for by a caption.
    pub name: String,
    /// Which clip, by its number.
    pub clip: usize,
    /// The caption whose embedding asks, where no sound does.
    pub text: Option<String>,
    /// What it is measured by.
    pub references: Vec<String>,
}

/// Questions of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Questions {
    all: Vec<Question>,
    /// Clips that nothing can be asked of.
    bare: Vec<String>,
}

impl Questions {
    /// A question a clip, to be answered from its sound. Clips without a reference are told by [`Questions::bare`].
    pub fn of_sounds<N, C, S>(clips: impl IntoIterator<Item = (N, C)>) -> Self
    where
        N: Into<String>,
        C: IntoIterator<Item = S>,
        S: Into<String>,
    {
        let mut questions = Self::default();
        for (name, captions) in clips {
            let (name, references) = (name.into(), filled(captions));
            match references.is_empty() {
                true => questions.bare.push(name),
                false => {
                    let clip = questions.all.len();
                    questions.all.push(Question { name, clip, text: None, references });
                }
            }
        }
        questions
    }

    /// A question a caption, to be answered from that caption's own embedding and measured by the others of its clip. Clips of one caption are told
    /// by [`Questions::bare`].
    pub fn of_captions<N, C, S>(clips: impl IntoIterator<Item = (N, C)>) -> Self
    where
        N: Into<String>,
        C: IntoIterator<Item = S>,
        S: Into<String>,
    {
        let mut questions = Self::default();
        for (clip, (name, captions)) in clips.into_iter().enumerate() {
            let (name, captions): (String, _) = (name.into(), filled(captions));
            if captions.len() < 2 {
                questions.bare.push(name);
                continue;
            }
            for (index, text) in captions.iter().enumerate() {
                let others = captions.iter().enumerate().filter(|(other, _)| *other != index);
                let references = others.map(|(_, caption)| caption.clone()).collect();
                let name = format!("{name}#{}", index + 1);
                questions.all.push(Question { name, clip, text: Some(text.clone()), references });
            }
        }
        questions
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// They, in the order of the clips.
    pub fn iter(&self) -> std::slice::Iter<'_, Question> {
        self.all.iter()
    }

    /// The clips that nothing can be asked of.
    pub fn bare(&self) -> &[String] {
        &self.bare
    }

    /// The first `count` clips alone.
    #[must_use]
    pub fn of_first(mut self, count: usize) -> Self {
        let mut clips: Vec<usize> = self.all.iter().map(|question| question.clip).collect();
        clips.dedup();
        if let Some(beyond) = clips.get(count) {
            self.all.retain(|question| question.clip < *beyond);
        }
        self
    }

    /// Those that are kept, by their place.
    #[must_use]
    pub fn retained(mut self, keep: impl Fn(usize) -> bool) -> Self {
        let mut place = 0;
        self.all.retain(|_| {
            place += 1;
            keep(place - 1)
        });
        self
    }

    /// The number of each question's clip.
    pub(super) fn clips(&self) -> Vec<usize> {
        self.all.iter().map(|question| question.clip).collect()
    }
}

/// The captions that say something.
fn filled<S: Into<String>>(captions: impl IntoIterator<Item = S>) -> Vec<String> {
    captions.into_iter().map(Into::into).filter(|caption: &String| !caption.trim().is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_is_measured_by_the_others_of_its_clip() {
        let clips = [("a", vec!["one", "two", " "]), ("b", vec!["alone"]), ("c", vec!["x", "y"])];
        let questions = Questions::of_captions(clips);
        let told: Vec<_> = questions.iter().map(|q| (q.name.as_str(), q.clip, q.references.join(","))).collect();
        let expected = [("a#1", 0, "two"), ("a#2", 0, "one"), ("c#1", 2, "y"), ("c#2", 2, "x")];
        assert_eq!(told, expected.map(|(name, clip, text)| (name, clip, text.to_owned())));
        assert_eq!(questions.bare(), ["b"]);
        assert_eq!(questions.clone().of_first(1).len(), 2);
        assert_eq!(questions.of_first(7).len(), 4);
    }
}
