//! From an audio file to the log-mel frames that a tower takes.
