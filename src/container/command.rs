//! One command line in a container, and how it ended.

/// A command to start inside a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments; no shell reads them unless the first word is one.
    pub argv: Vec<String>,
    /// Added to the container's own environment; entries of `container.env` win over these.
    pub env: Vec<(String, String)>,
    /// Give it a file for its outputs, named by `DAGU_OUTPUT_FILE`, and read that back.
    pub outputs: bool,
}

impl Command {
    pub fn new(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// The program's exit code; 128 + n when signal n ended it.
    pub code: i64,
    /// Whether an end was asked for while it ran, whatever it then made of it.
    pub stopped: bool,
    /// What it wrote to its outputs file, when it was given one.
    pub outputs: Option<Vec<u8>>,
}
