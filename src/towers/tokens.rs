//! Tokenizers of the text towers: `tokenizer.json`, or the vocabularies that older models carry.

use std::path::{Path, PathBuf};

use tokenizers::models::bpe::BPE;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::{bert::BertPreTokenizer, byte_level::ByteLevel};
use tokenizers::processors::bert::BertProcessing;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Tokenizer, TruncationParams, decoders};

use crate::error::{Hint, Topic};
use crate::{Error, Result};

/// What cuts texts into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Lower-cased word pieces: bert-base-uncased.
    WordPiece,
    /// Pairs of bytes, between `<s>` and `</s>`: RoBERTa.
    Roberta,
    /// Pairs of bytes, with `<|endoftext|>` behind them: GPT-2, as Microsoft's CLAP uses it.
    Gpt2,
}

impl Kind {
    /// There is no tokenizer in `folder`, and none that would do in its place.
    fn missing(self, folder: &Path) -> Error {
        let (whose, model) = match self {
            Self::WordPiece => ("BERT's", "google-bert/bert-base-uncased"),
            Self::Roberta => ("RoBERTa's", "laion/clap-htsat-unfused"),
            Self::Gpt2 => ("GPT-2's", "openai-community/gpt2"),
        };
        Error::input(folder.display(), "no tokenizer", "tokenizer.json, or vocab.json and merges.txt")
            .with_hint(format!("put the files of {whose} tokenizer beside the checkpoint, as {model} has them"))
    }
}

/// The tokenizer in `folder`, set to cut at `limit` tokens and not to pad.
///
/// WavCaps' checkpoints carry none: their text tower is bert-base-uncased, whose vocabulary the starter's text tower has, token by token
/// (SHA-256 of its `vocab.txt`: 07eced37…92038a3). So `word_pieces` finds that.
///
/// # Errors
/// [`Error::Input`] when a file is damaged or there is none; whatever `word_pieces` returns.
pub(crate) fn load(
    folder: &Path,
    kind: Kind,
    limit: usize,
    word_pieces: &dyn Fn() -> Result<PathBuf>,
) -> Result<crate::Tokenizer> {
    let at = |name: &str| folder.join(name);
    let (json, words) = (at("tokenizer.json"), at("vocab.txt"));
    let pairs = (at("vocab.json"), at("merges.txt"));
    let has_pairs = pairs.0.is_file() && pairs.1.is_file();
    let (made, source) = match kind {
        _ if json.is_file() => (read(&json)?, json),
        Kind::WordPiece if words.is_file() => (word_piece(&words)?, words),
        Kind::WordPiece => return from_json(&word_pieces()?, limit),
        Kind::Roberta if has_pairs => (roberta(bytes(&pairs.0, &pairs.1)?, &pairs.0)?, pairs.0),
        Kind::Gpt2 if has_pairs => (bytes(&pairs.0, &pairs.1)?, pairs.0),
        Kind::Roberta | Kind::Gpt2 => return Err(kind.missing(folder)),
    };
    let made = if kind == Kind::Gpt2 { gpt2(made, &source)? } else { made };
    cut(made, limit, &source.display().to_string())
}

/// Reads `tokenizer.json` of Hugging Face's tokenizers, set to cut at `limit` tokens and not to pad.
///
/// # Errors
/// [`Error::Input`] when the file is damaged.
pub(crate) fn from_json(path: &Path, limit: usize) -> Result<crate::Tokenizer> {
    cut(read(path)?, limit, &path.display().to_string())
}

/// The tokenizer, if it knows no more tokens than the tower with these `weights` does.
///
/// # Errors
/// [`Error::Input`] when it belongs to another model.
pub(crate) fn fitting(tokenizer: crate::Tokenizer, known: usize, weights: &Path) -> Result<crate::Tokenizer> {
    match tokenizer.inner().get_vocab_size(true) {
        tokens if tokens <= known => Ok(tokenizer),
        tokens => Err(Error::input(
            format!("the tokenizer for {}", weights.display()),
            format!("{tokens} tokens"),
            format!("at most {known}, as the text tower has"),
        )
        .with_hint("put the tokenizer of this model into its folder")),
    }
}

fn read(path: &Path) -> Result<Tokenizer> {
    // Not `Tokenizer::from_file`: that is generic, and so would be compiled again here, with all that reads its JSON.
    let text = std::fs::read_to_string(path).map_err(|cause| damaged(path, &cause.into()))?;
    text.parse().map_err(|cause| damaged(path, &cause))
}

fn damaged(path: &Path, cause: &tokenizers::Error) -> Error {
    Error::input(path.display(), format!("a damaged file ({cause})"), "a tokenizer in Hugging Face's format")
        .with_hint(Hint::about(Topic::VerifyModel, "verify the model; if it is damaged, remove it and pull it again"))
}

fn cut(mut tokenizer: Tokenizer, limit: usize, subject: &str) -> Result<crate::Tokenizer> {
    let truncation = TruncationParams { max_length: limit, ..TruncationParams::default() };
    let unfit =
        |cause: tokenizers::Error| Error::input(subject, cause, format!("a tokenizer that cuts at {limit} tokens"));
    tokenizer.with_truncation(Some(truncation)).map_err(unfit)?;
    tokenizer.with_padding(None);
    Ok(crate::Tokenizer::new(tokenizer))
}

/// One of pairs of bytes, of `vocab.json` and `merges.txt`, without special tokens.
fn bytes(vocabulary: &Path, merges: &Path) -> Result<Tokenizer> {
    let names = (vocabulary.to_string_lossy(), merges.to_string_lossy());
    let model = BPE::from_file(&names.0, &names.1).build().map_err(|cause| damaged(vocabulary, &cause))?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(false)));
    tokenizer.with_decoder(Some(decoders::byte_level::ByteLevel::default()));
    Ok(tokenizer)
}

/// RoBERTa's, of its pairs of bytes.
fn roberta(mut tokenizer: Tokenizer, vocabulary: &Path) -> Result<Tokenizer> {
    let ends = ends(&tokenizer, vocabulary, "<s>", "</s>")?;
    tokenizer.with_post_processor(Some(RobertaProcessing::new(ends.1, ends.0).add_prefix_space(false)));
    let special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"].map(|token| AddedToken::from(token, true));
    tokenizer.add_special_tokens(special).map_err(|cause| damaged(vocabulary, &cause))?;
    Ok(tokenizer)
}

/// What Microsoft's CLAP makes of GPT-2's tokenizer: `!`, which is token 0, is the padding, and so a token by itself wherever a text has it; and
/// every text ends with `<|endoftext|>`.
fn gpt2(mut tokenizer: Tokenizer, source: &Path) -> Result<Tokenizer> {
    const PADDING: &str = "!";
    const END: &str = "<|endoftext|>";
    let other = |found: String| {
        Error::input(source.display(), found, "the tokenizer of GPT-2").with_hint("take that of openai-community/gpt2")
    };
    if tokenizer.token_to_id(PADDING) != Some(0) {
        return Err(other(format!("a first token that is not {PADDING}")));
    }
    let end = tokenizer.token_to_id(END).ok_or_else(|| other(format!("no token {END}")))?;
    let special = [PADDING, END].map(|token| AddedToken::from(token, true));
    tokenizer.add_special_tokens(special).map_err(|cause| damaged(source, &cause))?;
    let template = TemplateProcessing::builder().try_single(format!("$A {END}")).map(|template| {
        template.special_tokens(vec![(END, end)]).build().map_err(|cause| Error::Internal(cause.to_string()))
    });
    tokenizer.with_post_processor(Some(template.map_err(Error::Internal)??));
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
