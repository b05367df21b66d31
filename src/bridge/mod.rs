//! Bridging the modality gap between audio and text embeddings.
