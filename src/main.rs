//! The `echoic` command.

fn main() {}
