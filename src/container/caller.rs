//! What a lifecycle is given by whoever drives it: an engine, a way to be stopped, ears for what happens.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, PullProgress, Stream};

/// Takes output as it comes, in order. An error ends the program: nothing runs on without its log.
pub type Sink<'a> = dyn FnMut(Stream, &[u8]) -> io::Result<()> + Send + 'a;

/// How to end a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopPolicy {
    /// `TERM`, `INT`, … `None` is the container's own stop signal; for an exec, `TERM`.
    pub signal: Option<String>,
    /// Time between the signal and the kill.
    pub grace: Duration,
}

impl Default for StopPolicy {
    fn default() -> Self {
        Self { signal: None, grace: Duration::from_secs(5) }
    }
}

/// A request to end that may come at any time. Both futures may be awaited again and again, and dropped.
#[async_trait]
pub trait Stop: Send + Sync {
    /// Completes once an end is asked for.
    async fn requested(&self) -> StopPolicy;

    /// Completes once all grace is over.
    async fn killed(&self);
}

/// A [`Stop`] made of a token, for callers with one way to stop.
#[derive(Debug, Clone, Default)]
pub struct CancelStop {
    pub token: CancellationToken,
    pub policy: StopPolicy,
}

#[async_trait]
impl Stop for CancelStop {
    async fn requested(&self) -> StopPolicy {
        self.token.cancelled().await;
        self.policy.clone()
    }

    async fn killed(&self) {
        std::future::pending().await
    }
}

/// Something worth telling while a lifecycle runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    Pulling {
        image: String,
    },
    PullProgress(PullProgress),
    Pulled {
        image: String,
    },
    /// The pull failed, and the local image is used instead.
    UsingLocal {
        image: String,
        reason: String,
    },
    /// An existing container is not running yet.
    Waiting {
        container: String,
        status: String,
    },
    /// The engine has no init program, so the container runs without one.
    WithoutInit,
    /// `wait_for: healthy` without a health check.
    NoHealthCheck {
        container: String,
    },
    /// Removing or stopping a container of ours failed; it carries our labels.
    LeftBehind {
        container: String,
        reason: String,
    },
}

/// The driver of a lifecycle.
#[derive(Clone)]
pub struct Caller<'a> {
    pub engine: &'a Arc<dyn Engine>,
    pub stop: &'a dyn Stop,
    pub notice: &'a (dyn Fn(Notice) + Send + Sync),
}
