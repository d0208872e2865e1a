//! Creating, starting and getting rid of a container of ours, with the engines' differences ironed out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::caller::{Caller, Notice, StopPolicy};
use super::failure::{Attempt, ContainerError};
use crate::engine::{ContainerSpec, Engine, EngineError, Fault};

/// A container of ours that exists. Dropped without [`Made::dispose`], it is removed in the background as long as
/// tokio runs: a caller that gives up must not leave a container behind.
pub(super) struct Made {
    pub engine: Arc<dyn Engine>,
    pub id: String,
    /// What messages call it: its name, or the short form of its id.
    pub name: String,
    keep: bool,
    disposed: AtomicBool,
}

/// Creates a container; once more without an init when the engine has none.
///
/// Not interrupted by a stop: a create call that is given up half-way may still create.
pub(super) async fn create(caller: &Caller<'_>, mut spec: ContainerSpec, keep: bool) -> Result<Made, ContainerError> {
    let id = match caller.engine.create(&spec).await {
        Err(EngineError::Create { fault, .. }) if spec.init && lacks_init(&fault) => {
            (caller.notice)(Notice::WithoutInit);
            spec.init = false;
            caller.engine.create(&spec).await
        }
        other => other,
    }
    .map_err(|error| refused(error, &spec))?;
    let name = spec.name.clone().unwrap_or_else(|| id.chars().take(12).collect());
    Ok(Made { engine: caller.engine.clone(), id, name, keep, disposed: AtomicBool::new(false) })
}

/// Podman's words, without `catatonit`.
fn lacks_init(fault: &Fault) -> bool {
    let message = fault.message.to_lowercase();
    message.contains("init binary") || (message.contains("init") && message.contains("not found in $path"))
}

/// Names what can be named of a refused create or start.
fn refused(error: EngineError, spec: &ContainerSpec) -> ContainerError {
    let Some(fault) = error.fault() else { return error.into() };
    let message = fault.message.to_lowercase();
    if let Some(name) = &spec.name
        && (fault.status == Some(409) || message.contains("already in use"))
    {
        return ContainerError::NameInUse { name: name.clone() };
    }
    if let Some(network) = &spec.network
        && message.contains("network")
        && message.contains("not found")
    {
        return ContainerError::NetworkMissing { network: network.clone() };
    }
    error.into()
}

impl Made {
    /// Starts it; `attempt` words a program that cannot be started.
    pub(super) async fn start(&self, spec: &ContainerSpec, attempt: &Attempt<'_>) -> Result<(), ContainerError> {
        self.engine.start(&self.id).await.map_err(|error| match refused(error, spec) {
            ContainerError::Engine(error) => attempt.failed(error),
            named => named,
        })
    }

    /// Ends it and removes it, unless it is to be kept. Trouble is a notice: what the command did stands.
    /// Only the first call does something.
    pub(super) async fn dispose(&self, caller: &Caller<'_>, policy: Option<&StopPolicy>) {
        if self.disposed.load(Ordering::Acquire) {
            return;
        }
        let result = dispose(&*self.engine, &self.id, self.keep, policy).await;
        // Only now: a caller that gives up in the middle leaves the rest to the drop.
        self.disposed.store(true, Ordering::Release);
        if let Err(error) = result {
            let reason = error.to_string();
            (caller.notice)(Notice::LeftBehind { container: self.name.clone(), reason });
        }
    }
}

async fn dispose(engine: &dyn Engine, id: &str, keep: bool, policy: Option<&StopPolicy>) -> Result<(), EngineError> {
    let stopped = match policy {
        Some(policy) => engine.stop(id, policy.signal.as_deref(), policy.grace).await,
        // Also for a container that has ended: a restart policy would bring it back.
        None if keep => engine.stop(id, None, StopPolicy::default().grace).await,
        None => Ok(()),
    };
    if keep { stopped } else { engine.remove(id).await }
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.disposed.load(Ordering::Acquire) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (engine, id, keep) = (self.engine.clone(), self.id.clone(), self.keep);
            // Nobody is left to tell; the labels are.
            runtime.spawn(async move { dispose(&*engine, &id, keep, None).await });
        }
    }
}
