//! The command line: what was typed, and how the process ends.

mod check;
mod lsp;
mod run;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use run::{RunArgs, RunFormat, StartArgs, StartOptions};

/// How a command ended. [`ExitCode`] is its only other form; nothing but `main` ends the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: done, and nothing is wrong.
    Success,
    /// 1: findings, or a failed run.
    Failure,
    /// 2: the command could not do its work.
    Error,
    /// 128 + the number of the signal that stopped a run.
    Signalled(u8),
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        match status {
            ExitStatus::Success => ExitCode::SUCCESS,
            ExitStatus::Failure => ExitCode::from(1),
            ExitStatus::Error => ExitCode::from(2),
            ExitStatus::Signalled(signal) => ExitCode::from(128 + signal),
        }
    }
}

/// Language server, validator and runner for Dagu workflows.
#[derive(Debug, Parser)]
#[command(name = "saddler", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Report what is wrong with workflow files
    Check(CheckArgs),
    /// Accept or refuse one file as `dagu validate` does
    Validate(ValidateArgs),
    /// Serve an editor over standard input and output
    Lsp,
    /// Run a workflow
    Run(RunArgs),
    /// Run one file as `dagu start` does
    Start(StartArgs),
    /// Show what a file would run, as `dagu dry` does
    Dry(StartArgs),
    /// Explain a rule
    Explain(ExplainArgs),
    /// Print the JSON Schema of workflow files, for other editors
    Schema,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Files, directories, or `-` for standard input
    #[arg(default_value = ".")]
    pub paths: Vec<PathBuf>,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    pub format: CheckFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// Source excerpts for people
    Text,
    /// One JSON document on standard output
    Json,
}

#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// The workflow file
    pub file: PathBuf,
    /// Also list references that only a run can resolve
    #[arg(long)]
    pub show_unresolved: bool,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A code such as `undefined-dependency`
    pub code: String,
}

/// Runs the command line; `arguments` begin with the name of the program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitStatus {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not errors.
            let status = if error.use_stderr() { ExitStatus::Error } else { ExitStatus::Success };
            let _ = error.print();
            return status;
        }
    };
    match cli.command {
        Command::Check(arguments) => check::check(&arguments),
        Command::Validate(arguments) => check::validate(&arguments),
        Command::Lsp => lsp::lsp(),
        Command::Run(arguments) => run::run(&arguments),
        Command::Start(arguments) => run::start(&arguments),
        Command::Dry(arguments) => run::dry(&arguments),
        Command::Explain(arguments) => check::explain(&arguments),
        Command::Schema => check::schema(),
    }
}
