//! The private channel from everything that runs to the one who decides.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::event::{Event, EventKind};

/// Stamps events and sends them on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Emitter {
    sender: mpsc::UnboundedSender<Event>,
    run_id: Arc<str>,
    started: Instant,
}

impl Emitter {
    pub(super) fn new(run_id: Arc<str>) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender, run_id, started: Instant::now() }, receiver)
    }

    /// Says that something has happened. Nobody listening is no error: the run is then being torn down.
    pub fn emit(&self, kind: EventKind) {
        let event = Event { run_id: Arc::clone(&self.run_id), elapsed: self.started.elapsed(), kind };
        let _ = self.sender.send(event);
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
