//! Why an attempt failed, with everything that policies ask about a failure.

use super::shell::ShellError;
use super::stop::StopCause;
use super::target::{Exit, TIMEOUT_CODE, TargetError};

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One or more lines, not yet masked.
    pub text: String,
    /// What reports show as exit code; 0 when nothing came as far as having one.
    pub code: i32,
    /// Set when a stop or timeout was the reason; such attempts are never retried.
    pub stopped: Option<StopCause>,
}

impl Failure {
    /// A failure before anything was started, or after the program did its part: the exit code stays 0.
    pub fn setup(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 0, stopped: None }
    }

    /// A failure of something that is no program of its own, or of a program that could not be started.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1, stopped: None }
    }

    /// A program that ended badly; `None` when it ended well.
    pub fn of_exit(exit: Exit) -> Option<Self> {
        if exit.success() {
            return None;
        }
        let text = match (exit.stopped, exit.signal) {
            (Some(cause), _) => stop_text(cause).to_owned(),
            (None, Some(signal)) => format!("ended by signal {signal}"),
            (None, None) => format!("exit status {}", exit.code),
        };
        Some(Self { text, code: exit.reported_code(), stopped: exit.stopped })
    }

    /// The code that `retry_policy.exit_code` looks at: failures without a process count as 1.
    pub fn retry_code(&self) -> i32 {
        if self.code == 0 { 1 } else { self.code }
    }

    /// Appends the end of stderr, if there is any.
    #[must_use]
    pub fn with_tail(mut self, tail: &str) -> Self {
        if !tail.is_empty() {
            self.text.push_str("\nrecent stderr (tail):\n");
            self.text.push_str(tail);
        }
        self
    }

    #[must_use]
    pub fn prefixed(mut self, prefix: &str) -> Self {
        self.text.insert_str(0, prefix);
        self
    }
}

fn stop_text(cause: StopCause) -> &'static str {
    match cause {
        StopCause::Requested(_) => "stopped",
        StopCause::RunTimedOut => "the run timed out",
        StopCause::StepTimedOut => "step timed out",
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::StoppedBefore(cause) => {
                let code = if cause.is_timeout() { TIMEOUT_CODE } else { 1 };
                Self { text: stop_text(cause).to_owned(), code, stopped: Some(cause) }
            }
            error => Self::plain(error.to_string()),
        }
    }
}

impl From<ShellError> for Failure {
    fn from(error: ShellError) -> Self {
        Self::setup(format!("failed to set up step: {error}"))
    }
}

impl From<StopCause> for Failure {
    fn from(cause: StopCause) -> Self {
        Self::from(TargetError::StoppedBefore(cause))
    }
}
