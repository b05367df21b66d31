//! The database: captions and their embeddings, in segments that never change and a manifest that names them.
