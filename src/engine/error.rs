//! What can go wrong between us and an engine, one variant per verb.

use thiserror::Error;

use super::Runtime;

/// The engine's refusal: its words and, when it answered over HTTP, the status.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Fault {
    pub status: Option<u16>,
    pub message: String,
}

impl Fault {
    pub fn new(message: impl Into<String>) -> Self {
        Self { status: None, message: message.into() }
    }

    pub fn http(status: u16, message: impl Into<String>) -> Self {
        Self { status: Some(status), message: message.into() }
    }

    pub fn is_not_found(&self) -> bool {
        self.status == Some(404)
    }

    /// Why a program was not started, when that is what the engine says. Both engines pass on the words of the
    /// runtimes below them, so the words are what there is to go by.
    pub fn refusal(&self) -> Option<Refusal> {
        let message = self.message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        if says(&["unable to find user", "unable to find group", "no matching entries in passwd", "no users found"]) {
            Some(Refusal::User)
        } else if says(&["chdir to cwd", "chdir to `", "cwd set in config"]) {
            Some(Refusal::Directory)
        } else if says(&["executable file not found", "executable file `", "no such file or directory"]) {
            Some(Refusal::Program)
        } else if says(&["permission denied", "exec format error"]) {
            Some(Refusal::NotExecutable)
        } else {
            None
        }
    }
}

/// What an engine found missing when it should have started a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Program,
    NotExecutable,
    User,
    Directory,
}

/// A call to the engine that failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EngineError {
    /// Nobody answers at the address.
    #[error("no {runtime} engine answers at `{address}`: {reason}; {}", runtime.hint())]
    Unreachable { runtime: Runtime, address: String, reason: String },
    /// The socket is there and we may not use it.
    #[error(
        "permission denied on the {runtime} socket `{address}`; run as a user who may use it (for Docker: a member of the group `docker`)"
    )]
    PermissionDenied { runtime: Runtime, address: String },
    /// The connection could not be set up: TLS material, an address the client cannot use.
    #[error("cannot set up the connection to `{address}`: {reason}")]
    Setup { address: String, reason: String },
    #[error("failed to ask the engine for its version: {0}")]
    Version(Fault),
    #[error("failed to inspect image `{image}`: {fault}")]
    InspectImage { image: String, fault: Fault },
    #[error("failed to pull image `{image}`: {fault}")]
    Pull { image: String, fault: Fault },
    #[error("failed to create a container from image `{image}`: {fault}")]
    Create { image: String, fault: Fault },
    #[error("failed to attach to container `{container}`: {fault}")]
    Attach { container: String, fault: Fault },
    #[error("failed to start container `{container}`: {fault}")]
    Start { container: String, fault: Fault },
    #[error("failed to wait for container `{container}`: {fault}")]
    Wait { container: String, fault: Fault },
    #[error("failed to inspect container `{container}`: {fault}")]
    Inspect { container: String, fault: Fault },
    #[error("failed to stop container `{container}`: {fault}")]
    Stop { container: String, fault: Fault },
    #[error("failed to signal container `{container}`: {fault}")]
    Kill { container: String, fault: Fault },
    #[error("failed to remove container `{container}`: {fault}")]
    Remove { container: String, fault: Fault },
    #[error("failed to run a command in container `{container}`: {fault}")]
    Exec { container: String, fault: Fault },
    /// The engine accepted the command and could not start it; its words arrive as the first output.
    #[error("the command in container `{container}` was not started: {fault}")]
    NotStarted { container: String, fault: Fault },
    #[error("failed to inspect a command in a container: {0}")]
    ExecStatus(Fault),
    #[error("lost the output of container `{container}`: {fault}")]
    Output { container: String, fault: Fault },
    #[error("failed to write `{path}` in container `{container}`: {fault}")]
    PutFile { container: String, path: String, fault: Fault },
    #[error("failed to read `{path}` in container `{container}`: {fault}")]
    ReadFile { container: String, path: String, fault: Fault },
    #[error("failed to look at `{path}` in container `{container}`: {fault}")]
    Stat { container: String, path: String, fault: Fault },
    #[error("failed to list containers: {0}")]
    List(Fault),
    #[error("failed to inspect network `{name}`: {fault}")]
    Network { name: String, fault: Fault },
    #[error("failed to inspect volume `{name}`: {fault}")]
    Volume { name: String, fault: Fault },
}

impl EngineError {
    /// The engine's own words, when it answered at all.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Unreachable { .. } | Self::PermissionDenied { .. } | Self::Setup { .. } => None,
            Self::Version(fault) | Self::ExecStatus(fault) | Self::List(fault) => Some(fault),
            Self::InspectImage { fault, .. }
            | Self::Pull { fault, .. }
            | Self::Create { fault, .. }
            | Self::Attach { fault, .. }
            | Self::Start { fault, .. }
            | Self::Wait { fault, .. }
            | Self::Inspect { fault, .. }
            | Self::Stop { fault, .. }
            | Self::Kill { fault, .. }
            | Self::Remove { fault, .. }
            | Self::Exec { fault, .. }
            | Self::NotStarted { fault, .. }
            | Self::Output { fault, .. }
            | Self::PutFile { fault, .. }
            | Self::ReadFile { fault, .. }
            | Self::Stat { fault, .. }
            | Self::Network { fault, .. }
            | Self::Volume { fault, .. } => Some(fault),
        }
    }

    /// Whether the engine could not be used at all, so that every other call would fail the same way.
    pub fn is_no_engine(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::PermissionDenied { .. } | Self::Setup { .. })
    }

    /// Whether the engine said that the thing asked about does not exist.
    pub fn is_not_found(&self) -> bool {
        self.fault().is_some_and(Fault::is_not_found)
    }
}
