//! Readers of caption corpora.
