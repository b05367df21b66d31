//! The language model that turns an embedding into a caption.
