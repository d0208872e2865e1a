use std::process::ExitCode;

fn main() -> ExitCode {
    saddler::cli::main(std::env::args_os()).into()
}
