//! Where a program runs: on the host, in the container of the run, in a container of its own, in somebody else's.
//!
//! A [`Target`] takes one finished command line and answers with how it ended. Command steps and harness attempts both
//! go through here, so process groups, signals, grace and the tidying up are the same for everything a run starts.
//! What the command line and its environment are is not decided here.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::event::{Place, Stream};
use super::host::{self, Host};
use super::stop::{StopCause, StopToken};
use crate::container::{self, Caller, Command, ContainerError, Ended, Notice, Program, Shared, Stop, StopPolicy};
use crate::engine::{self, Engine};

/// One program to start.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// Program and arguments; empty only for a container that does what its image does by itself. Nothing here is read by a shell unless the first word is one. On the host a
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
    /// Asks a container for a file for outputs; what was written to it is appended here.
    pub outputs: Option<OutputsSlot>,
}

/// Takes the content of an outputs file.
pub type OutputsSlot = Arc<Mutex<Option<Vec<u8>>>>;

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
    Container(ContainerTarget),
}

impl Target {
    pub fn place(&self) -> Place {
        match self {
            Self::Host(_) => Place::Host,
            Self::Container(container) => container.place,
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
        match self {
            Self::Host(host) => host::run(host, launch, sink, stop).await,
            Self::Container(container) => container.run(launch, sink, stop).await,
        }
    }

    /// The same place, made to last for several programs: a container that would be made for one is made now.
    ///
    /// # Errors
    /// When there is no such container.
    pub(super) async fn kept(self, stop: &StopToken) -> Result<Self, TargetError> {
        match self {
            Self::Container(container) => container.kept(stop).await.map(Self::Container),
            host => Ok(host),
        }
    }

    /// Ends what [`Target::kept`] made.
    pub(super) async fn close(self, stop: &StopToken, grace: Duration) {
        if let Self::Container(container) = self {
            container.close(stop, grace).await;
        }
    }
}

/// A container, ours or somebody else's, as a place for programs.
#[derive(Clone)]
pub struct ContainerTarget {
    kind: Kind,
    place: Place,
    engine: Arc<dyn Engine>,
    notice: Arc<dyn Fn(Notice) + Send + Sync>,
}

#[derive(Clone)]
enum Kind {
    /// There already; ended by whoever made it.
    Shared(Arc<Shared>),
    /// Made by [`Target::kept`].
    Kept(Arc<Shared>),
    /// Made, or waited for, when a program is started.
    Own(Box<container::Place>),
}

impl std::fmt::Debug for ContainerTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ContainerTarget({:?})", self.place)
    }
}

impl ContainerTarget {
    /// Somebody else's container is somebody else's also when the run shares it: `place` is what events say.
    pub(super) fn shared(
        shared: Arc<Shared>,
        place: Place,
        engine: Arc<dyn Engine>,
        notice: Arc<dyn Fn(Notice) + Send + Sync>,
    ) -> Self {
        Self { kind: Kind::Shared(shared), place, engine, notice }
    }

    pub(super) fn own(
        own: container::Place,
        engine: Arc<dyn Engine>,
        notice: Arc<dyn Fn(Notice) + Send + Sync>,
    ) -> Self {
        let place = match &own {
            container::Place::New(_) => Place::StepContainer,
            container::Place::Existing(_) => Place::ExistingContainer,
        };
        Self { kind: Kind::Own(Box::new(own)), place, engine, notice }
    }

    async fn run(&self, launch: Launch, sink: &mut dyn Sink, stop: &StopToken) -> Result<Exit, TargetError> {
        if launch.stdin.is_some() {
            return Err(TargetError::StdinInContainer);
        }
        let caller = Caller { engine: &self.engine, stop, notice: &*self.notice };
        let mut sink = |stream, bytes: &[u8]| {
            let stream = match stream {
                engine::Stream::Stdout => Stream::Stdout,
                engine::Stream::Stderr => Stream::Stderr,
            };
            if bytes.is_empty() { Ok(()) } else { sink.write(stream, bytes) }
        };
        let outputs = launch.outputs.is_some();
        let env: Vec<(String, String)> = launch.env.clone().into_iter().collect();
        let command = Command { argv: launch.argv.clone(), env, outputs };
        let ended = match &self.kind {
            Kind::Shared(shared) | Kind::Kept(shared) => shared.run(&caller, &command, &mut sink).await,
            Kind::Own(place) => match &**place {
                container::Place::New(new) => {
                    let program = program(&launch);
                    container::run_single(&caller, new, &program, &command.env, outputs, &mut sink).await
                }
                container::Place::Existing(existing) => match Shared::join(&caller, existing).await {
                    Ok(shared) => shared.run(&caller, &command, &mut sink).await,
                    Err(error) => Err(error),
                },
            },
        };
        let Ended { code, stopped, outputs } = ended.map_err(|error| in_our_words(error, stop))?;
        if let (Some(slot), Some(content)) = (&launch.outputs, outputs) {
            slot.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().extend(content);
        }
        let stopped = stopped.then(|| stop.cause().unwrap_or(StopCause::Requested(Signal::SIGTERM)));
        Ok(Exit { code: i32::try_from(code).unwrap_or(255), signal: None, stopped })
    }

    async fn kept(self, stop: &StopToken) -> Result<Self, TargetError> {
        let Kind::Own(own) = &self.kind else { return Ok(self) };
        let caller = Caller { engine: &self.engine, stop, notice: &*self.notice };
        let shared = match &**own {
            container::Place::New(new) => Shared::create(&caller, new).await,
            container::Place::Existing(existing) => Shared::join(&caller, existing).await,
        };
        let shared = shared.map_err(|error| in_our_words(error, stop))?;
        Ok(Self { kind: Kind::Kept(Arc::new(shared)), ..self })
    }

    async fn close(self, stop: &StopToken, grace: Duration) {
        let Kind::Kept(shared) = self.kind else { return };
        let caller = Caller { engine: &self.engine, stop, notice: &*self.notice };
        // The only other holders are clones of this target, and no program of the step runs any more.
        if let Ok(shared) = Arc::try_unwrap(shared) {
            shared.close(&caller, &StopPolicy { signal: None, grace }).await;
        }
    }
}

/// What is started for a launch in a container of its own.
fn program(launch: &Launch) -> Program {
    match (launch.argv.is_empty(), launch.replace_entrypoint) {
        (true, _) => Program::OfImage,
        (false, true) => Program::Direct(launch.argv.clone()),
        (false, false) => Program::Arguments(launch.argv.clone()),
    }
}

fn in_our_words(error: ContainerError, stop: &StopToken) -> TargetError {
    match (error, stop.cause()) {
        (ContainerError::Stopped, Some(cause)) => TargetError::StoppedBefore(cause),
        (ContainerError::Output(source), _) => TargetError::Output { source },
        (error, _) => TargetError::Engine(error.to_string()),
    }
}

#[async_trait::async_trait]
impl Stop for StopToken {
    async fn requested(&self) -> StopPolicy {
        let cause = self.stopped().await;
        let signal = match cause {
            StopCause::Requested(_) => Some(self.signal(cause).as_str().to_owned()),
            // A timeout is nobody's signal: the container's own stop signal it is.
            StopCause::RunTimedOut | StopCause::StepTimedOut => None,
        };
        StopPolicy { signal, grace: self.grace() }
    }

    async fn killed(&self) {
        StopToken::killed(self).await;
    }
}
