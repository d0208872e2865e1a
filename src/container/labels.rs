//! Labels of the containers we make. A container that carries [`RUN`] was made by saddler and may be removed by it.

/// The id of the run a container belongs to.
pub const RUN: &str = "saddler.run";
/// The name of its workflow.
pub const DAG: &str = "saddler.dag";
