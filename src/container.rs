//! What `container:` means: from the words of a workflow to containers that run, and that are gone afterwards.
//!
//! Two parts. The *pure* one reads settings ([`settings`], [`volume`], [`port`], [`mod@env`], [`shell`], [`words`],
//! [`limits`], [`registry`], [`options`]) and turns them, with references resolved, into what an engine is asked for
//! ([`resolve`]). The *lifecycles* drive a [`crate::engine::Engine`]: [`pull`] makes an image present, [`shared`] keeps
//! a container (ours or somebody else's) for many commands, [`single`] gives one command a container of its own.
//!
//! Every lifecycle hears a [`Stop`], hands output to a sink as it comes, and removes what it created on every path,
//! as an awaited step of its own. What a kill of our own process leaves behind ends by itself where that is possible
//! (see [`shared`]) and carries labels by which it is found again ([`labels`]).

pub mod caller;
pub mod command;
pub mod env;
pub mod failure;
mod flow;
mod make;
pub mod keepalive;
pub mod labels;
pub mod limits;
pub mod options;
mod outputs;
pub mod port;
pub mod pull;
mod readiness;
pub mod registry;
pub mod resolve;
pub mod settings;
pub mod shared;
pub mod shell;
pub mod single;
pub mod volume;
pub mod words;

use thiserror::Error;

pub use caller::{Caller, CancelStop, Notice, Sink, Stop, StopPolicy};
pub use command::{Command, Ended};
pub use failure::ContainerError;
pub use resolve::{ExistingContainer, NewContainer, Place, References, Shape};
pub use settings::ContainerSettings;
pub use shared::Shared;
pub use single::{Program, run_single};

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path}: {message}")]
pub struct SettingError {
    /// Slug of the rule, such as `container-volume-format`.
    pub code: &'static str,
    /// Where it stands, such as `container.volumes[0]`.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl SettingError {
    pub fn new(code: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, path: path.into(), message: message.into() }
    }
}

/// A setting error without its place yet.
pub type Flaw = (&'static str, String);
