//! A workflow as the runner needs it: plain data, defaults applied, references still in the text.
//!
//! Nothing here has a span and nothing here is checked again; `from_dag` fills it from the typed model of a document
//! that was found good enough to run. Texts are as written: they are resolved when their step starts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Map, Value};

/// One document.
#[derive(Debug, Clone, PartialEq)]
pub struct DagSpec {
    pub name: String,
    /// Absolute path of the file the document was written in; `None` for text that has no file.
    pub file: Option<PathBuf>,
    pub order: Order,
    /// `type: build`: files decide what is run again.
    pub is_build: bool,
    pub working_dir: Option<String>,
    pub shell: Option<ShellSpec>,
    pub preconditions: Vec<Precondition>,
    pub container: Option<Value>,
    pub timeout: Option<Duration>,
    /// 0 = unlimited.
    pub max_active_steps: usize,
    /// Time between one start and the next look at the queue.
    pub delay: Duration,
    /// Grace between the stop signal and the kill.
    pub clean_up_time: Option<Duration>,
    /// Bytes of output a step may publish.
    pub max_output_size: usize,
    pub log_output: LogOutput,
    /// Base of the log files instead of the state directory's.
    pub log_dir: Option<String>,
    pub steps: Vec<StepSpec>,
    pub handlers: Handlers,
    /// The document itself, as data: what `params`, `env`, `secrets`, `consts`, `dotenv`, `registry_auths` and the
    /// harness registry are read from.
    pub source: Map<String, Value>,
    /// All documents of its file, where children are looked up by name.
    pub documents: Arc<Vec<Value>>,
}

/// How steps without `depends` are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    #[default]
    Graph,
    Chain,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Handlers {
    pub init: Option<StepSpec>,
    pub success: Option<StepSpec>,
    pub failure: Option<StepSpec>,
    pub abort: Option<StepSpec>,
    pub exit: Option<StepSpec>,
    pub wait: Option<StepSpec>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StepSpec {
    pub id: Option<String>,
    /// Unique in its document; made up (`cmd_1`) when neither name nor id is written.
    pub name: String,
    /// `None` when the key is absent; `Some(empty)` for an explicit `depends: []`. Entries are names or ids.
    pub depends: Option<Vec<String>>,
    /// Position of its entry in `steps`, counted from 0; the members of a nested list share one.
    pub group: usize,
    pub work: Work,
    /// In order of writing; a later entry may use an earlier one.
    pub env: Vec<(String, String)>,
    pub working_dir: Option<String>,
    /// The step's own shell (`with.shell`); its presence turns errexit off.
    pub shell: Option<ShellSpec>,
    /// `shell_args` without `shell`: replaces the arguments of the root's shell.
    pub shell_args: Option<Vec<String>>,
    /// Packages for `nix-shell`.
    pub shell_packages: Vec<String>,
    pub preconditions: Vec<Precondition>,
    pub continue_on: ContinueOn,
    pub retry: Option<RetryPolicy>,
    pub repeat: Option<RepeatPolicy>,
    pub timeout: Option<Duration>,
    pub signal_on_stop: Option<Signal>,
    pub log_output: Option<LogOutput>,
    pub stdout: Option<Redirect>,
    pub stderr: Option<Redirect>,
    pub output: Option<OutputSpec>,
    pub outputs: Vec<DeclaredOutput>,
    pub inputs: Vec<DeclaredInput>,
    pub stdout_outputs: Option<Value>,
    pub output_schema: Option<Value>,
    pub container: Option<Value>,
    /// It runs in the container of the run if there is one: agents, and commands without a `type` or `action`.
    pub follows_root: bool,
    /// Name of the file's own action that it came from.
    pub custom_action: Option<String>,
    /// Somebody has to approve after the step succeeded.
    pub approval: bool,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// `run` without a line break, or a list of such.
    Commands(Vec<String>),
    /// `run` with a line break, kept untrimmed. `interpreter` is the legacy `command` beside a legacy `script`.
    Script {
        text: String,
        interpreter: Option<String>,
    },
    /// `action: exec`: no shell.
    Exec {
        command: String,
        args: Vec<String>,
    },
    /// A harness step: its mapping as written, in either spelling.
    Harness {
        written: Map<String, Value>,
    },
    /// `docker.run` and `container.run`.
    DockerRun {
        with: Map<String, Value>,
    },
    /// `container:` and nothing else.
    ContainerDefault,
    /// `dag.run`, with `parallel` when given.
    DagRun {
        with: Map<String, Value>,
        parallel: Option<Value>,
    },
    Foreach {
        foreach: Map<String, Value>,
    },
    /// Any other built-in action, by its full name.
    Action {
        name: String,
        with: Map<String, Value>,
    },
}

/// A shell as configured: a program, or a text still to be split into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShellSpec {
    /// Split like a shell would, then each word is resolved.
    Text {
        text: String,
        args: Vec<String>,
    },
    Words(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precondition {
    pub kind: PreconditionKind,
    pub negate: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreconditionKind {
    /// Met when the command exits 0.
    Command(String),
    /// Met when a line of the resolved text equals `expected`, or matches it after `re:`.
    Value { condition: String, expected: String },
    /// As `Value`, after running the substitutions in the text.
    Eval { eval: String, expected: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContinueOn {
    pub failure: bool,
    pub skipped: bool,
    pub exit_codes: Vec<i32>,
    /// Patterns over the lines of the stdout log; `re:` starts an expression.
    pub output: Vec<String>,
    pub mark_success: bool,
}

/// A number, or a text that becomes one when the step starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Count {
    Number(u64),
    Text(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    pub limit: Count,
    pub interval_sec: Count,
    /// `None` retries every failure.
    pub exit_codes: Option<Vec<i32>>,
    /// 1 = none.
    pub backoff: f64,
    pub max_interval_sec: Option<Count>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatMode {
    While,
    Until,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RepeatPolicy {
    pub mode: RepeatMode,
    pub condition: Option<PreconditionKind>,
    pub exit_codes: Vec<i32>,
    pub interval_sec: Count,
    /// 1 = none.
    pub backoff: f64,
    pub max_interval_sec: Option<Count>,
    /// Executions in all; `None` = no limit.
    pub limit: Option<Count>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogOutput {
    #[default]
    Separate,
    Merged,
}

/// Where a stream goes besides its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redirect {
    File(String),
    /// Below the artifact directory of the run.
    Artifact(String),
}

#[derive(Debug, Clone, PartialEq)]
pub enum OutputSpec {
    /// Trimmed stdout under this name, without a leading `$`.
    Variable(String),
    Object(Map<String, Value>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredOutput {
    pub name: String,
    pub json: bool,
    /// A file the step makes (`type: build`).
    pub path: Option<String>,
}

/// A file a step reads (`type: build`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredInput {
    pub name: String,
    pub path: String,
}

impl Work {
    /// First part of the made-up name of a step of this kind, before its number.
    pub fn name_prefix(&self) -> &str {
        match self {
            Self::Commands(_) | Self::Exec { .. } => "cmd",
            Self::Script { .. } => "script",
            Self::Harness { .. } => "harness",
            Self::DockerRun { .. } | Self::ContainerDefault => "docker",
            Self::DagRun { parallel: Some(_), .. } => "parallel",
            Self::DagRun { .. } => "dag",
            Self::Foreach { .. } => "foreach",
            Self::Action { name, .. } => name.split('.').next().unwrap_or(name),
        }
    }
}

impl StepSpec {
    /// A step that does `work` and has no other key; its name is its id.
    pub fn new(id: &str, work: Work) -> Self {
        Self {
            id: Some(id.to_owned()),
            name: id.to_owned(),
            depends: None,
            group: 0,
            work,
            env: Vec::new(),
            working_dir: None,
            shell: None,
            shell_args: None,
            shell_packages: Vec::new(),
            preconditions: Vec::new(),
            continue_on: ContinueOn::default(),
            retry: None,
            repeat: None,
            timeout: None,
            signal_on_stop: None,
            log_output: None,
            stdout: None,
            stderr: None,
            output: None,
            outputs: Vec::new(),
            inputs: Vec::new(),
            stdout_outputs: None,
            output_schema: None,
            container: None,
            follows_root: true,
            custom_action: None,
            approval: false,
        }
    }

    /// True for an agent step.
    pub fn is_agent(&self) -> bool {
        matches!(self.work, Work::Harness { .. })
    }

    /// True when the step runs in the container of the run, if the run has one.
    pub fn uses_root_container(&self) -> bool {
        self.container.is_none()
            && self.follows_root
            && matches!(self.work, Work::Commands(_) | Work::Script { .. } | Work::Harness { .. })
    }
}

/// Default of `max_output_size`, in bytes.
pub const DEFAULT_MAX_OUTPUT: usize = 1 << 20;

impl Default for DagSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            file: None,
            order: Order::Graph,
            is_build: false,
            working_dir: None,
            shell: None,
            preconditions: Vec::new(),
            container: None,
            timeout: None,
            max_active_steps: 0,
            delay: Duration::ZERO,
            clean_up_time: None,
            max_output_size: DEFAULT_MAX_OUTPUT,
            log_output: LogOutput::Separate,
            log_dir: None,
            steps: Vec::new(),
            handlers: Handlers::default(),
            source: Map::new(),
            documents: Arc::default(),
        }
    }
}
