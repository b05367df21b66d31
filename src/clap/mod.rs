//! The frozen towers that embed texts and audio.
