//! The `echoic` command: parses, calls the library, prints. See `echoic --help`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
