//! The public contract of a run: everything that has happened, as typed events in the order it happened.
//!
//! Terminal, JSON lines, the `--report` file and the editor are all made from these events and from nothing else.
//! Events are not serialisable on purpose: the wire has its own structs in `report::run_json`, so that this enum may
//! change without breaking readers. Texts in events have passed the masking of secrets.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Map, Value};

use super::status::{RunStatus, StepStatus};

/// Something that has happened in a run.
#[derive(Debug, Clone)]
pub struct Event {
    pub run_id: Arc<str>,
    /// Since the run started; never goes backwards.
    pub elapsed: Duration,
    pub kind: EventKind,
}

/// Which part of the run a step belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepRole {
    Step,
    OnInit,
    OnSuccess,
    OnFailure,
    OnAbort,
    OnExit,
    OnWait,
}

impl StepRole {
    /// The node name of a handler (`onExit`); `None` for an ordinary step.
    pub fn handler_name(self) -> Option<&'static str> {
        match self {
            Self::Step => None,
            Self::OnInit => Some("onInit"),
            Self::OnSuccess => Some("onSuccess"),
            Self::OnFailure => Some("onFailure"),
            Self::OnAbort => Some("onAbort"),
            Self::OnExit => Some("onExit"),
            Self::OnWait => Some("onWait"),
        }
    }
}

/// Names a step in events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRef {
    /// The step's own `id`, when it has one. Handlers report under their role instead.
    pub id: Option<Arc<str>>,
    /// Unique within the run: the step's name, its id, a made-up name, or `onExit` and the like for handlers.
    pub name: Arc<str>,
    pub role: StepRole,
}

/// Where the program of a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    Host,
    /// An exec in the container that the whole run shares, whoever made that container.
    RootContainer,
    /// A container made for this attempt.
    StepContainer,
    /// An exec in a container that somebody else runs.
    ExistingContainer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Why a run stops before its steps are through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// Somebody asked for it: a signal to the runner, or the editor's cancel button.
    Requested,
    /// `timeout_sec` of the DAG.
    TimedOut,
    /// A second request: everything is killed without grace.
    Killed,
}

/// How one step ended.
#[derive(Debug, Clone, PartialEq)]
pub struct StepResult {
    pub step: StepRef,
    pub status: StepStatus,
    /// Of the last attempt: the program's own, 124 after a timeout, 128 + n after signal n, 1 for failures without a
    /// process. 0 when nothing ran.
    pub exit_code: i32,
    /// How often its work was started; 0 for a step that never ran.
    pub attempts: u32,
    /// Why it failed, one or more lines, masked; `None` when it did not fail.
    pub error: Option<String>,
    /// What it published: declared outputs, structured outputs, and `output: NAME` under its name.
    pub outputs: Map<String, Value>,
    /// Log files, if the step came as far as having any. Both name one file when `log_output` is `merged`.
    pub stdout_log: Option<PathBuf>,
    pub stderr_log: Option<PathBuf>,
    /// Time between its start and its end.
    pub duration: Duration,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    pub run_id: Arc<str>,
    pub dag: Arc<str>,
    pub status: RunStatus,
    /// The first failure nobody allowed for, masked. The process exit code is 1 exactly when there is one.
    pub error: Option<String>,
    pub stop: Option<StopReason>,
    /// The signal that was passed on to the steps, for a stop that was requested.
    pub stop_signal: Option<Signal>,
    /// Steps in the order of the file, then handlers in the order of their running.
    pub steps: Vec<StepResult>,
    /// What the run as a whole collected (`outputs.json` in Dagu).
    pub outputs: Map<String, Value>,
    /// The same apart, names as written: `output: NAME` of steps and handlers, and everything published as data.
    pub variables: Map<String, Value>,
    pub values: Map<String, Value>,
    /// Where the record of the run belongs; see `report::run_report`.
    pub record: PathBuf,
    pub duration: Duration,
}

impl RunSummary {
    /// Exit code in Dagu's terms: 1 when some failure stands, else 0.
    pub fn exit_code(&self) -> i32 {
        i32::from(self.error.is_some())
    }
}

#[derive(Debug, Clone)]
pub enum EventKind {
    /// Always the first event.
    RunStarted {
        dag: Arc<str>,
        /// What will be looked at, in the order of the file, without handlers.
        steps: Vec<StepRef>,
        /// Directory that holds the logs of this run.
        log_dir: PathBuf,
    },
    /// Bytes of an image are being fetched; `step` is `None` for the shared container.
    ImagePulling {
        step: Option<StepRef>,
        image: String,
    },
    /// One line of progress of a pull, as the engine words it.
    ImagePullProgressed {
        step: Option<StepRef>,
        image: String,
        progress: String,
    },
    /// The shared container is up and ready.
    ContainerReady {
        container: String,
    },
    /// The shared container is gone, or kept because the workflow says so.
    ContainerReleased {
        container: String,
        kept: bool,
    },
    /// A step was taken from the queue. Its preconditions are evaluated after this.
    StepStarted {
        step: StepRef,
    },
    /// One try of a step began. `attempt` counts from 1 and includes retries and repeats.
    AttemptStarted {
        step: StepRef,
        attempt: u32,
        place: Place,
    },
    /// A harness attempt gave way to the next provider. `index` counts providers from 0.
    FallbackStarted {
        step: StepRef,
        index: usize,
        provider: String,
    },
    /// Bytes of a stream, masked, as they came: a chunk may end inside a line or a character.
    Output {
        step: StepRef,
        stream: Stream,
        bytes: Vec<u8>,
    },
    AttemptFailedWillRetry {
        step: StepRef,
        attempt: u32,
        exit_code: i32,
        error: String,
        delay: Duration,
    },
    /// `repeat_policy` starts the step again after `delay`.
    AttemptFinishedWillRepeat {
        step: StepRef,
        attempt: u32,
        exit_code: i32,
        delay: Duration,
    },
    /// Something the user should know that fails nothing.
    Noticed {
        step: Option<StepRef>,
        message: String,
    },
    /// The step will not change any more.
    StepFinished {
        result: StepResult,
    },
    /// Running steps are being asked to end and nothing new is started.
    StopStarted {
        reason: StopReason,
    },
    /// Always the last event.
    RunFinished {
        summary: RunSummary,
    },
}
