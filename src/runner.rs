//! Runs plans.
//!
//! The dispatcher decides and holds all state; nodes are tasks that do the work of one step each and share nothing that
//! changes; the driver stands between them and the listener. What a step *is* comes from [`crate::plan`], what its
//! texts *mean* from [`crate::values`], and where programs run is a [`target::Target`].

pub mod action;
mod agent_scope;
pub mod attempt;
mod child;
mod command;
mod condition;
mod container;
mod context;
pub mod dispatcher;
mod drive;
pub mod event;
pub mod failure;
mod foreach;
mod harness;
pub mod host;
mod messages;
mod node;
pub mod paths;
mod policy;
pub mod preview;
mod prepare;
mod publish;
pub mod shell;
pub mod status;
pub mod stop;
pub mod streams;
pub mod target;
mod watchdog;

pub use container::EngineHandle;
pub use drive::Listener;
pub use event::{Event, EventKind, RunSummary};
pub use prepare::{Lineage, RefuseError, RunOptions};
pub use preview::preview;
pub use status::{RunStatus, StepStatus};
pub use watchdog::Watchdog;

use std::sync::Arc;

use stop::StopSource;

use crate::plan::Plan;

/// Runs a plan to its end and tells the listener everything on the way.
///
/// Asking `stop` ends the run gracefully, killing it ends it at once; either way handlers run, what was started is
/// ended and tidied up, and the summary says so.
///
/// # Errors
/// When nothing was started: bad parameters, steps that cannot be run here, no place for the logs.
pub async fn run(
    plan: Plan,
    options: &RunOptions,
    stop: StopSource,
    listener: &mut Listener<'_>,
) -> Result<RunSummary, RefuseError> {
    let (cx, events) = prepare::prepare(Arc::new(plan), options, &stop.token(), false).await?;
    Ok(drive::Driver::new(Arc::new(cx), events, stop, listener).run().await)
}
