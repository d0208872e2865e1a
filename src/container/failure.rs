//! Why a container could not be had, or a command in it not be run.

use std::io;
use std::time::Duration;

use thiserror::Error;

use super::SettingError;
use crate::engine::{EngineError, Fault, Refusal};

/// A lifecycle that could not do its work. A program that ran and failed is not an error but an exit code.
#[derive(Debug, Error)]
pub enum ContainerError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Everything the engine refuses that has no better name below.
    #[error(transparent)]
    Engine(EngineError),
    #[error("image `{image}` is not there, and `pull_policy: never` forbids to fetch it; build or pull it first")]
    ImageMissing { image: String },
    #[error("image `{image}` is there for {found}, not for `{wanted}`, and `pull_policy: never` forbids to fetch it")]
    ImagePlatform { image: String, found: String, wanted: String },
    #[error("image pull failed and no local image `{image}` is available: {reason}")]
    PullNoLocal { image: String, reason: Fault },
    #[error("the container name `{name}` is in use; remove that container (`docker rm {name}`) or choose another name")]
    NameInUse { name: String },
    #[error("network `{network}` does not exist; create it first (`docker network create {network}`)")]
    NetworkMissing { network: String },
    #[error(
        "image `{image}` has no `sh`, which keeps the container alive between commands; use `startup: entrypoint` or \
         `startup: command` with a program of the image"
    )]
    NeedsShell { image: String },
    #[error("program `{program}` was not found in {place}")]
    ProgramMissing { program: String, place: String },
    #[error("program `{program}` in {place} cannot be executed: {reason}")]
    NotExecutable { program: String, place: String, reason: String },
    #[error("{place} has no user `{user}`")]
    UserMissing { user: String, place: String },
    #[error("the working directory `{directory}` does not exist in {place}")]
    DirectoryMissing { directory: String, place: String },
    #[error("there is no command to run in container `{container}`")]
    NoCommand { container: String },
    #[error("container `{container}` is not running{detail}")]
    NotRunning { container: String, detail: String },
    #[error("timed out waiting for container to be running: `{container}` is {last}")]
    ExecTimeout { container: String, last: String },
    #[error("container `{container}` ended before it was ready, with exit code {code}{said}")]
    ExitedEarly { container: String, code: i64, said: String },
    #[error("container `{container}` is unhealthy{said}")]
    Unhealthy { container: String, said: String },
    #[error("readiness timeout: container `{container}` was not {wanted} within {} s; last state: {last}", .limit.as_secs())]
    ReadinessTimeout { container: String, wanted: &'static str, limit: Duration, last: String },
    #[error("no output of container `{container}` matched `{pattern}`{said}")]
    PatternNotSeen { container: String, pattern: String, said: String },
    /// An end was asked for before the program was started.
    #[error("stopped before it was started")]
    Stopped,
    #[error("the command in container `{container}` could not be ended: {reason}")]
    NotEnded { container: String, reason: String },
    #[error("the output cannot be kept: {0}")]
    Output(#[from] io::Error),
}

impl From<EngineError> for ContainerError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl ContainerError {
    /// Slug of the condition, as rules and reports name it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setting(error) => error.code,
            Self::Engine(error) => match error {
                EngineError::Unreachable { .. } => "daemon-unreachable",
                EngineError::PermissionDenied { .. } => "daemon-permission",
                EngineError::Setup { .. } => "daemon-tls",
                EngineError::Pull { .. } => "image-pull-failed",
                EngineError::Create { .. } => "container-create-failed",
                EngineError::Start { .. } => "container-start-failed",
                _ => "container-exec-failed",
            },
            Self::ImageMissing { .. } => "image-missing",
            Self::ImagePlatform { .. } => "image-platform-mismatch",
            Self::PullNoLocal { .. } => "image-pull-no-local",
            Self::NameInUse { .. } => "container-name-in-use",
            Self::NetworkMissing { .. } => "container-network-missing",
            Self::NeedsShell { .. } => "container-keepalive-needs-sh",
            Self::ProgramMissing { .. } | Self::NotExecutable { .. } => "image-binary-missing",
            Self::UserMissing { .. } | Self::DirectoryMissing { .. } | Self::NotEnded { .. } => "container-exec-failed",
            Self::NoCommand { .. } => "container-exec-no-command",
            Self::NotRunning { .. } => "container-not-running",
            Self::ExecTimeout { .. } => "container-exec-timeout",
            Self::ExitedEarly { .. } => "container-exited-early",
            Self::Unhealthy { .. } | Self::ReadinessTimeout { .. } => "container-readiness-timeout",
            Self::PatternNotSeen { .. } => "container-log-pattern-not-seen",
            Self::Stopped => "stopped",
            Self::Output(_) => "output",
        }
    }

    /// Whether the engine could not be used at all.
    pub fn is_no_engine(&self) -> bool {
        matches!(self, Self::Engine(error) if error.is_no_engine())
    }
}

/// Words a refusal in terms of what was to be started.
pub(super) struct Attempt<'a> {
    pub program: &'a str,
    pub user: Option<&'a str>,
    pub directory: Option<&'a str>,
    /// ``container `x` `` or ``image `x` ``.
    pub place: String,
}

impl Attempt<'_> {
    /// The error for an engine that would not start the program.
    pub(super) fn failed(&self, error: EngineError) -> ContainerError {
        let Some(fault) = error.fault() else { return error.into() };
        let (program, place) = (self.program.to_owned(), self.place.clone());
        match fault.refusal() {
            Some(Refusal::Program) => ContainerError::ProgramMissing { program, place },
            Some(Refusal::NotExecutable) => {
                ContainerError::NotExecutable { program, place, reason: fault.message.clone() }
            }
            Some(Refusal::User) => {
                ContainerError::UserMissing { user: self.user.unwrap_or("(its default)").to_owned(), place }
            }
            Some(Refusal::Directory) => {
                let directory = self.directory.unwrap_or("(its default)").to_owned();
                ContainerError::DirectoryMissing { directory, place }
            }
            None => error.into(),
        }
    }
}
