//! Runs plans.

pub mod dispatcher;
pub mod event;
pub mod host;
pub mod shell;
pub mod status;
pub mod stop;
pub mod target;
mod watchdog;

pub use event::{Event, EventKind};
pub use status::{RunStatus, StepStatus};
pub use watchdog::Watchdog;
