//! Where a program runs: on the host, in the container of the run, in a container of its own, in somebody else's.
//!
//! A [`Target`] takes one finished command line and answers with how it ended. Command steps and harness attempts both
//! go through here, so process groups, signals, grace and the tidying up are the same for everything a run starts.
//! What the command line and its environment are is not decided here.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use super::event::{Place, Stream};
use super::host::{self, Host};
use super::stop::{StopCause, StopToken};

/// One program to start.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// Program and arguments; never empty. Nothing here is read by a shell unless the first word is one. On the host a
    /// name without `/` is looked up on `lookup_path`.
    pub argv: Vec<String>,
    /// The whole environment on the host; in containers what is added to the container's own.
    pub env: BTreeMap<String, String>,
    /// On the host the directory to start in, which exists. In containers `None` means the container's own choice.
    pub cwd: Option<PathBuf>,
    /// What the program reads. `None` is the null device. Refused by every place but the host.
    pub stdin: Option<Vec<u8>>,
    /// For a container of the step's own: true when `argv[0]` takes the place of the image's entrypoint (agents),
    /// false when the entrypoint stays and `argv` are its arguments (command steps).
    pub replace_entrypoint: bool,
}

impl Launch {
    pub fn new(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

/// Takes what a program prints. Called from one task, in order; each call has at least one byte.
pub trait Sink: Send {
    /// # Errors
    /// When the bytes cannot be kept. The program is then ended: a run does not go on without its log.
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()>;
}

impl<F: FnMut(Stream, &[u8]) -> io::Result<()> + Send> Sink for F {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        self(stream, bytes)
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// The program's own code; 128 + n when signal n ended it.
    pub code: i32,
    /// The signal that ended it, where that is known.
    pub signal: Option<Signal>,
    /// Set when a stop or a timeout came while it ran, whatever it then made of it.
    pub stopped: Option<StopCause>,
}

impl Exit {
    /// True when the program ended by itself with code 0.
    pub fn success(self) -> bool {
        self.code == 0 && self.stopped.is_none()
    }

    /// The code that reports show: 124 after a timeout.
    pub fn reported_code(self) -> i32 {
        match self.stopped {
            Some(cause) if cause.is_timeout() => TIMEOUT_CODE,
            _ => self.code,
        }
    }
}

/// Exit code of everything that a timeout ended.
pub const TIMEOUT_CODE: i32 = 124;

/// Why a program could not be started, or was lost. A step that fails so has exit code 1.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("`{program}` was not found on the PATH ({path})")]
    ProgramNotFound { program: String, path: String },
    #[error("cannot start `{program}`: {source}")]
    Start { program: String, source: io::Error },
    #[error("standard input cannot be given to a program in a container")]
    StdinInContainer,
    #[error("the output of the step cannot be kept: {source}")]
    Output { source: io::Error },
    #[error("lost sight of the process: {source}")]
    Wait { source: io::Error },
    /// The stop came before the program was started.
    #[error("stopped before it was started")]
    StoppedBefore(StopCause),
    /// Whatever the container engine says, in one line.
    #[error("{0}")]
    Engine(String),
}

/// A place where programs can be started, ready to use.
#[derive(Debug, Clone)]
pub enum Target {
    Host(Host),
}

impl Target {
    pub fn place(&self) -> Place {
        match self {
            Self::Host(_) => Place::Host,
        }
    }

    /// Starts the program, hands over what it prints, and waits for its end.
    ///
    /// When `stop` fires the program gets its signal, the grace of the token, and is then killed with all that it
    /// started; the call still returns `Ok`, with [`Exit::stopped`] set. Nothing the call started is left when it returns,
    /// except processes that the program itself put out of reach, and containers that the workflow asks to keep.
    ///
    /// # Errors
    /// When the program could not be started or followed; see [`TargetError`].
    pub async fn run(&self, launch: Launch, sink: &mut dyn Sink, stop: &StopToken) -> Result<Exit, TargetError> {
        debug_assert!(!launch.argv.is_empty(), "a command line has a program");
        match self {
            Self::Host(host) => host::run(host, launch, sink, stop).await,
        }
    }
}
