//! What all steps of a run share. Nothing in here changes while the run goes on.

use std::path::PathBuf;
use std::sync::Arc;

use super::container::RootContainer;
use super::host::Host;
use super::messages::Emitter;
use super::node::FactsById;
use super::paths::RunPaths;
use super::prepare::RunOptions;
use crate::plan::Plan;
use crate::values::RunScope;
use crate::values::masker::Masker;

#[derive(Clone)]
pub(super) struct RunContext {
    pub plan: Arc<Plan>,
    pub run_id: Arc<str>,
    pub paths: RunPaths,
    /// All layers of the run: inherited, params, managed, env, dotenv, secrets.
    pub scope: RunScope,
    /// Where relative `working_dir`s of steps start, and where steps without one run.
    pub base_dir: PathBuf,
    /// Time between the stop signal and the kill.
    pub grace: std::time::Duration,
    /// Facts of steps around a `foreach` body, which its steps may refer to.
    pub outer: FactsById,
    /// What the run was started with; children are started with the same.
    pub options: RunOptions,
    pub masker: Masker,
    pub host: Host,
    pub root: RootContainer,
    pub emitter: Emitter,
    /// Used where neither step nor DAG names a shell; one program name.
    pub default_shell: Vec<String>,
    /// Why no step can run although the run was not refused: a secret that cannot be had. No handler runs either.
    pub broken: Option<String>,
}
