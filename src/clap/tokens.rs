//! Tokenizers of the text towers: `tokenizer.json`, or the vocabularies that older models carry.

use std::path::Path;

use tokenizers::models::bpe::BPE;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::{bert::BertPreTokenizer, byte_level::ByteLevel};
use tokenizers::processors::{bert::BertProcessing, roberta::RobertaProcessing};
use tokenizers::{AddedToken, Tokenizer, TruncationParams, decoders};

use crate::models::{self, STARTER};
use crate::{Error, Result};

/// What cuts texts into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Lower-cased word pieces: bert-base-uncased.
    WordPiece,
    /// Pairs of bytes: RoBERTa.
    Bytes,
}

impl Kind {
    /// The files that make a tokenizer, for errors.
    fn files(self) -> &'static str {
        match self {
            Self::WordPiece => "tokenizer.json or vocab.txt",
            Self::Bytes => "tokenizer.json, or vocab.json and merges.txt",
        }
    }
}

/// The tokenizer in `folder`, set to cut at `limit` tokens and not to pad.
///
/// WavCaps' checkpoints carry none: their text tower is bert-base-uncased, whose vocabulary the starter's text tower has, token by token
/// (SHA-256 of its `vocab.txt`: 07eced37…92038a3). So it is taken from there.
///
/// # Errors
/// [`Error::Input`] when a file is damaged or there is none; [`Error::ModelMissing`] when the starter would be needed.
pub(crate) fn load(folder: &Path, kind: Kind, limit: usize) -> Result<Tokenizer> {
    let at = |name: &str| folder.join(name);
    if at("tokenizer.json").is_file() {
        return from_json(&at("tokenizer.json"), limit);
    }
    let made = match kind {
        Kind::Bytes if at("vocab.json").is_file() && at("merges.txt").is_file() => {
            bytes(&at("vocab.json"), &at("merges.txt"))?
        }
        Kind::WordPiece if at("vocab.txt").is_file() => word_piece(&at("vocab.txt"))?,
        Kind::WordPiece => return from_json(&models::path(STARTER)?.join(super::starter::TOKENIZER), limit),
        Kind::Bytes => {
            return Err(Error::input(folder.display(), "no tokenizer", kind.files()).with_hint(
                "put the files of RoBERTa's tokenizer beside the checkpoint, as laion/clap-htsat-unfused has them",
            ));
        }
    };
    cut(made, limit, &folder.display().to_string())
}

/// Reads `tokenizer.json` of Hugging Face's tokenizers, set to cut at `limit` tokens and not to pad.
///
/// # Errors
/// [`Error::Input`] when the file is damaged.
pub(crate) fn from_json(path: &Path, limit: usize) -> Result<Tokenizer> {
    let tokenizer = Tokenizer::from_file(path).map_err(|cause| damaged(path, &cause))?;
    cut(tokenizer, limit, &path.display().to_string())
}

fn damaged(path: &Path, cause: &tokenizers::Error) -> Error {
    Error::input(path.display(), format!("a damaged file ({cause})"), "a tokenizer in Hugging Face's format")
        .with_hint("run `echoic models verify`, then remove the model and pull it again")
}

fn cut(mut tokenizer: Tokenizer, limit: usize, subject: &str) -> Result<Tokenizer> {
    let truncation = TruncationParams { max_length: limit, ..TruncationParams::default() };
    let unfit =
        |cause: tokenizers::Error| Error::input(subject, cause, format!("a tokenizer that cuts at {limit} tokens"));
    tokenizer.with_truncation(Some(truncation)).map_err(unfit)?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

/// RoBERTa's, of `vocab.json` and `merges.txt`.
fn bytes(vocabulary: &Path, merges: &Path) -> Result<Tokenizer> {
    let names = (vocabulary.to_string_lossy(), merges.to_string_lossy());
    let model = BPE::from_file(&names.0, &names.1).build().map_err(|cause| damaged(vocabulary, &cause))?;
    let mut tokenizer = Tokenizer::new(model);
    let ends = ends(&tokenizer, vocabulary, "<s>", "</s>")?;
    tokenizer.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(false)));
    tokenizer.with_decoder(Some(decoders::byte_level::ByteLevel::default()));
    tokenizer.with_post_processor(Some(RobertaProcessing::new(ends.1, ends.0).add_prefix_space(false)));
    let special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"].map(|token| AddedToken::from(token, true));
    tokenizer.add_special_tokens(special).map_err(|cause| damaged(vocabulary, &cause))?;
    Ok(tokenizer)
}

/// bert-base-uncased's, of `vocab.txt`.
fn word_piece(vocabulary: &Path) -> Result<Tokenizer> {
    let model = WordPiece::from_file(&vocabulary.to_string_lossy()).unk_token("[UNK]".into()).build();
    let mut tokenizer = Tokenizer::new(model.map_err(|cause| damaged(vocabulary, &cause))?);
    let ends = ends(&tokenizer, vocabulary, "[CLS]", "[SEP]")?;
    let normalizer = BertNormalizer::new(true, true, None, true);
    tokenizer.with_normalizer(Some(normalizer)).map_err(|cause| damaged(vocabulary, &cause))?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_decoder(Some(decoders::wordpiece::WordPiece::default()));
    tokenizer.with_post_processor(Some(BertProcessing::new(ends.1, ends.0)));
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(|token| AddedToken::from(token, true));
    tokenizer.add_special_tokens(special).map_err(|cause| damaged(vocabulary, &cause))?;
    Ok(tokenizer)
}

type Token = (String, u32);

/// The tokens that every text begins and ends with.
fn ends(tokenizer: &Tokenizer, vocabulary: &Path, first: &str, last: &str) -> Result<(Token, Token)> {
    let find = |token: &str| {
        let id = tokenizer.token_to_id(token).map(|id| (token.to_owned(), id));
        id.ok_or_else(|| {
            Error::input(vocabulary.display(), format!("no token {token}"), "the vocabulary of the text tower")
        })
    };
    Ok((find(first)?, find(last)?))
}
