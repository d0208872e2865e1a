//! Agent CLIs as workflow steps: which program a harness step runs, with which arguments, and what is wrong with the way
//! it is written.
//!
//! Owns the table of known CLIs, the file's own definitions, the merging of root defaults with a step, and the command
//! line that comes out. Starts nothing, reads no file and resolves no reference itself: a closure does that, so that the
//! runner, `--dry-run` and the editor's hover share one [`plan`](HarnessStep::plan) and can never disagree.
//!
//! The surprising part is [`coerce`]: every text in the configuration is read once more as a YAML scalar, quoted or not,
//! so `model: "007"` becomes `--model 7`. Dagu does so, and arguments here are Dagu's to the byte.

pub mod check;
pub mod coerce;
pub mod command;
pub mod config;
pub mod definition;
pub mod finding;
pub mod plan;
pub mod provider;
pub mod step;

pub use command::Command;
pub use config::{Config, Root};
pub use definition::Definition;
pub use finding::{Base, Finding, Location, Part};
pub use plan::{Attempt, HarnessPlan, Place, PlanError, Refusal};
pub use provider::{BuiltIn, Provider, Providers};
pub use step::{HarnessStep, Position};
