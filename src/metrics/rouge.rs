//! ROUGE-L (Lin 2004) as the COCO caption tools compute it.
//!
//! Precision and recall of the longest common subsequence are each the best that any reference gives, and are joined with β = 1.2.

/// How much more recall weighs than precision.
const BETA: f64 = 1.2;

/// ROUGE-L of a tokenized caption. To the COCO tools a caption without words is one empty word, and `1 1/2` is one; `aac-metrics` divides at
/// every space, and gives nothing for no words.
pub(super) fn rouge_l(predicted: &str, references: &[String], aac: bool) -> f64 {
    let words = words(predicted, aac);
    let (mut precision, mut recall) = (0f64, 0f64);
    for reference in references.iter().map(|reference| self::words(reference, aac)) {
        if words.is_empty() || reference.is_empty() {
            continue;
        }
        let common = common(&words, &reference) as f64;
        precision = precision.max(common / words.len() as f64);
        recall = recall.max(common / reference.len() as f64);
    }
    if precision == 0.0 || recall == 0.0 {
        return 0.0;
    }
    (1.0 + BETA * BETA) * precision * recall / (recall + BETA * BETA * precision)
}

fn words(caption: &str, aac: bool) -> Vec<&str> {
    if aac { caption.split_whitespace().collect() } else { caption.split(' ').collect() }
}

/// The length of the longest common subsequence.
fn common(one: &[&str], other: &[&str]) -> usize {
    let mut lengths = vec![0; other.len() + 1];
    for word in one {
        let mut diagonal = 0;
        for (i, candidate) in other.iter().enumerate() {
            let above = lengths[i + 1];
            lengths[i + 1] = if word == candidate { diagonal + 1 } else { above.max(lengths[i]) };
            diagonal = above;
        }
    }
    lengths[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_and_recall_may_come_from_different_references() {
        let references = ["a b".to_owned(), "a b c d e f g h".to_owned()];
        // Precision 4/4 from the long reference, recall 2/2 from the short one.
        assert!((rouge_l("a b c d", &references, false) - 1.0).abs() < 1e-12);
        assert_eq!(rouge_l("x", &references, false), 0.0);
    }

    #[test]
    fn the_tools_differ_on_no_words_and_on_spaces_that_do_not_break() {
        assert_eq!([false, true].map(|aac| rouge_l("", &[String::new()], aac)), [1.0, 0.0]);
        let [coco, aac] = [false, true].map(|aac| rouge_l("1\u{A0}1/2 cups", &["1 cups".to_owned()], aac));
        assert!(coco < aac, "{coco} {aac}");
    }
}
