//! What a corpus holds, found out by reading it once without storing anything.

use serde::Serialize;

use super::open::Corpus;
use super::row::{Rejected, Row};

/// What reading a corpus came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Survey {
    /// Rows, with those that cannot be used.
    pub rows: u64,
    /// Rows that cannot be used.
    pub rejected: u64,
    /// Rows that name a clip.
    pub with_clip: u64,
    /// The clip that all rows name which name any, where there are more of them than a clip has captions: its column may be another one.
    pub only_clip: Option<String>,
    /// The first rows, [`Survey::LISTED`] at most.
    pub first: Vec<Row>,
    /// The first that cannot be used, and why, [`Survey::LISTED`] at most.
    pub rejections: Vec<Rejected>,
}

/// How many rows must share a clip for that to be strange: data sets have up to five captions a clip.
const STRANGE: u64 = 6;

impl Survey {
    /// How many rows and rejections are kept.
    pub const LISTED: usize = 5;

    /// Reads a corpus to its end.
    pub fn of(corpus: Corpus) -> Self {
        let mut survey = Self::default();
        let mut is_shared = true;
        for item in corpus {
            survey.rows += 1;
            match item {
                Ok(row) => {
                    if let Some(clip) = &row.clip {
                        survey.with_clip += 1;
                        let only = survey.only_clip.get_or_insert_with(|| clip.clone());
                        is_shared &= only == clip;
                    }
                    if survey.first.len() < Self::LISTED {
                        survey.first.push(row);
                    }
                }
                Err(rejected) => {
                    survey.rejected += 1;
                    if survey.rejections.len() < Self::LISTED {
                        survey.rejections.push(rejected);
                    }
                }
            }
        }
        if !is_shared || survey.with_clip < STRANGE {
            survey.only_clip = None;
        }
        survey
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Options, parse};

    fn survey(csv: String) -> Survey {
        Survey::of(parse("x.csv", std::io::Cursor::new(csv), &Options::default()).unwrap())
    }

    #[test]
    fn rows_clips_and_rejections_are_counted() {
        let found = survey("fname,caption\na,Rain.\n,Wind.\nb,\n".into());
        assert_eq!((found.rows, found.rejected, found.with_clip, found.only_clip), (3, 1, 1, None));
        assert_eq!((found.first[0].clip.as_deref(), found.rejections[0].line), (Some("a"), 4));
    }

    #[test]
    fn a_clip_that_every_row_shares_is_told() {
        let rows = |count: usize| (0..count).map(|i| format!("same,Caption {i}.\n")).collect::<String>();
        assert_eq!(survey(format!("file,caption\n{}", rows(6))).only_clip.as_deref(), Some("same"));
        assert_eq!(survey(format!("file,caption\n{}", rows(5))).only_clip, None);
        assert_eq!(survey(format!("file,caption\n{}other,Wind.\n", rows(6))).only_clip, None);
    }
}
