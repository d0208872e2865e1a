//! Asking work to end: one request per run, heard by everything that runs, with each step's own deadline on top.
//!
//! A stop has two levels. The first lets programs clean up: signal, grace, then kill. The second (somebody pressed
//! Ctrl-C twice) kills at once. Nothing ever waits for a program without listening to its [`StopToken`].

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::watch;
use tokio::time::Instant;

/// Why a piece of work has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// Somebody stopped the run. The signal is the one that reached the runner, or TERM.
    Requested(Signal),
    /// `timeout_sec` of the DAG ran out.
    RunTimedOut,
    /// `timeout_sec` of the step ran out.
    StepTimedOut,
}

impl StopCause {
    pub fn is_timeout(self) -> bool {
        matches!(self, Self::RunTimedOut | Self::StepTimedOut)
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    cause: Option<StopCause>,
    kill: bool,
}

/// The asking side. Dropping it leaves its tokens as they are.
#[derive(Debug, Clone)]
pub struct StopSource {
    state: watch::Sender<State>,
}

impl Default for StopSource {
    fn default() -> Self {
        Self::new()
    }
}

impl StopSource {
    pub fn new() -> Self {
        Self { state: watch::Sender::new(State::default()) }
    }

    /// Asks for a graceful end. Only the first cause counts.
    pub fn stop(&self, cause: StopCause) {
        self.state.send_if_modified(|state| {
            let first = state.cause.is_none();
            state.cause.get_or_insert(cause);
            first
        });
    }

    /// Ends all grace.
    pub fn kill(&self) {
        self.state.send_modify(|state| {
            state.cause.get_or_insert(StopCause::Requested(Signal::SIGTERM));
            state.kill = true;
        });
    }

    pub fn token(&self) -> StopToken {
        StopToken { state: self.state.subscribe(), deadline: None, signal: None, grace: DEFAULT_GRACE }
    }
}

/// Time between the stop signal and the kill when the workflow says nothing (`max_clean_up_time_sec`).
pub const DEFAULT_GRACE: Duration = Duration::from_secs(5);

/// The listening side, with the terms on which its owner ends.
#[derive(Debug, Clone)]
pub struct StopToken {
    state: watch::Receiver<State>,
    deadline: Option<Instant>,
    signal: Option<Signal>,
    grace: Duration,
}

impl StopToken {
    /// A token that also fires when `timeout` has passed from now on.
    pub fn with_timeout(&self, timeout: Option<Duration>) -> Self {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let deadline = [self.deadline, deadline].into_iter().flatten().min();
        Self { deadline, ..self.clone() }
    }

    /// A token whose owner is signalled with `signal` instead of the one that came (`signal_on_stop`).
    pub fn with_signal(&self, signal: Option<Signal>) -> Self {
        Self { signal: signal.or(self.signal), ..self.clone() }
    }

    pub fn with_grace(&self, grace: Duration) -> Self {
        Self { grace, ..self.clone() }
    }

    /// Time between the signal and the kill.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// The signal to send first for a stop with this cause.
    pub fn signal(&self, cause: StopCause) -> Signal {
        match (self.signal, cause) {
            (Some(signal), StopCause::Requested(_)) => signal,
            (_, StopCause::Requested(signal)) => signal,
            _ => Signal::SIGTERM,
        }
    }

    /// Why to end, if there is a reason by now.
    pub fn cause(&self) -> Option<StopCause> {
        let asked = self.state.borrow().cause;
        asked.or_else(|| self.deadline.filter(|deadline| *deadline <= Instant::now()).map(|_| StopCause::StepTimedOut))
    }

    /// Waits for a reason to end.
    pub async fn stopped(&self) -> StopCause {
        let mut state = self.state.clone();
        let asked = async {
            // The guard of the channel must not be held across the other wait.
            let cause = state.wait_for(|state| state.cause.is_some()).await.ok().and_then(|state| state.cause);
            match cause {
                Some(cause) => cause,
                // The source is gone, so nobody is left who could ask.
                None => std::future::pending().await,
            }
        };
        let late = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            cause = asked => cause,
            () = late => StopCause::StepTimedOut,
        }
    }

    /// Waits until all grace is over.
    pub async fn killed(&self) {
        let mut state = self.state.clone();
        if state.wait_for(|state| state.kill).await.is_err() {
            std::future::pending().await
        }
    }

    /// Sleeps, or says why not to.
    ///
    /// # Errors
    /// The cause, when a stop came before the time was over.
    pub async fn sleep(&self, duration: Duration) -> Result<(), StopCause> {
        tokio::select! {
            biased;
            cause = self.stopped() => Err(cause),
            () = tokio::time::sleep(duration) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_earlier_of_request_and_deadline_is_the_cause() {
        let source = StopSource::new();
        let token = source.token().with_timeout(Some(Duration::from_secs(1)));
        assert_eq!(token.cause(), None);
        assert_eq!(token.sleep(Duration::from_secs(5)).await, Err(StopCause::StepTimedOut));
        source.stop(StopCause::RunTimedOut);
        assert_eq!(source.token().stopped().await, StopCause::RunTimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_first_request_counts_and_kill_comes_on_top() {
        let source = StopSource::new();
        source.stop(StopCause::Requested(Signal::SIGINT));
        source.stop(StopCause::RunTimedOut);
        source.kill();
        let token = source.token().with_signal(Some(Signal::SIGUSR1));
        assert_eq!(token.stopped().await, StopCause::Requested(Signal::SIGINT));
        token.killed().await;
        assert_eq!(token.signal(StopCause::Requested(Signal::SIGINT)), Signal::SIGUSR1);
        assert_eq!(token.signal(StopCause::StepTimedOut), Signal::SIGTERM);
    }
}
