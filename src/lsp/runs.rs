//! Runs that were started from the editor: which are alive, and how they come to their end.
//!
//! A run has two threads of its own: one carries it out, the other tells the client. Between them is a short queue that
//! waits when it is full: output that the editor does not take holds the steps back instead of filling our memory.

mod launch;
mod marks;
mod progress;
mod reporter;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use nix::sys::signal::Signal;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

pub(super) use launch::{Launch, step_names};
pub(super) use marks::Mark;
pub(super) use progress::run_of;

use super::server::Shared;
use super::state::Snapshot;
use crate::runner::stop::{StopCause, StopSource};
use reporter::Reporter;

/// Events that wait for the client before the run has to.
const QUEUE: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Runs {
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Live {
    closed: bool,
    runs: HashMap<String, Run>,
}

#[derive(Debug)]
struct Run {
    stop: StopSource,
    asked: bool,
    told: JoinHandle<()>,
}

impl Runs {
    /// Starts a run and answers its id. `None` when the session is ending.
    pub fn start(&self, shared: &Arc<Shared>, snapshot: &Snapshot, launch: Launch) -> Option<String> {
        let mut live = self.live();
        if live.closed {
            return None;
        }
        let run_id = launch.run_id().to_owned();
        let stop = StopSource::new();
        let (sender, events) = mpsc::sync_channel(QUEUE);
        let mut reporter = Reporter::new(Arc::clone(shared), snapshot.uri.clone(), &launch);
        let work = tokio::task::spawn_blocking({
            let stop = stop.clone();
            // Nobody listens any more when telling has failed; the run goes on to its own end.
            move || launch.run(stop, &mut |event| drop(sender.send(event)))
        });
        let handle = Handle::current();
        let shared = Arc::clone(shared);
        let told = tokio::task::spawn_blocking({
            let run_id = run_id.clone();
            move || {
                let _forget = Forget { shared, run_id };
                handle.block_on(reporter.begin());
                while let Ok(event) = events.recv() {
                    handle.block_on(reporter.report(event));
                }
                let ended = handle.block_on(work);
                handle.block_on(reporter.end(ended));
            }
        });
        live.runs.insert(run_id.clone(), Run { stop, asked: false, told });
        Some(run_id)
    }

    /// Asks a run to end; asked a second time, kills it.
    pub fn cancel(&self, run_id: &str) {
        if let Some(run) = self.live().runs.get_mut(run_id) {
            run.cancel();
        }
    }

    /// Ends every run, lets no other begin, and waits until all have tidied up.
    pub async fn end(&self) {
        let runs: Vec<Run> = {
            let mut live = self.live();
            live.closed = true;
            live.runs.drain().map(|(_, run)| run).collect()
        };
        for run in &runs {
            run.stop.stop(StopCause::Requested(Signal::SIGTERM));
        }
        for run in runs {
            // A panic in there was logged where it happened.
            let _ = run.told.await;
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    fn cancel(&mut self) {
        if std::mem::replace(&mut self.asked, true) {
            self.stop.kill();
        } else {
            self.stop.stop(StopCause::Requested(Signal::SIGTERM));
        }
    }
}

/// Takes a run off the list however its telling ends.
struct Forget {
    shared: Arc<Shared>,
    run_id: String,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.shared.runs.live().runs.remove(&self.run_id);
    }
}
