//! How a step, a handler or a whole run stands, in Dagu's own words.

use serde::Serialize;

/// Where one step is. The words are those of Dagu's status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    NotStarted,
    Running,
    /// Waits for its next attempt; it still occupies its slot.
    Retrying,
    Succeeded,
    /// Ended well although a part of it failed and was allowed to: a child run that did so.
    PartiallySucceeded,
    Failed,
    /// Ended by a stop, or never started because of what happened before it.
    Aborted,
    /// Its precondition, or that of a step it depends on, was not met.
    Skipped,
    /// Waits for a human.
    Waiting,
    Rejected,
}

impl StepStatus {
    /// The word as reports and terminals spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::PartiallySucceeded => "partially_succeeded",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Skipped => "skipped",
            Self::Waiting => "waiting",
            Self::Rejected => "rejected",
        }
    }

    pub fn is_success(self) -> bool {
        matches!(self, Self::Succeeded | Self::PartiallySucceeded)
    }

    /// True when nothing more will happen to the step in this run.
    pub fn is_settled(self) -> bool {
        !matches!(self, Self::NotStarted | Self::Running | Self::Retrying | Self::Waiting)
    }
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Running,
    Succeeded,
    /// Some step failed and was allowed to, and some other succeeded.
    PartiallySucceeded,
    Failed,
    Aborted,
    /// Nothing left to do before a human acts.
    Waiting,
    Rejected,
}

impl RunStatus {
    /// The word as reports, terminals and `DAG_RUN_STATUS` spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::PartiallySucceeded => "partially_succeeded",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Waiting => "waiting",
            Self::Rejected => "rejected",
        }
    }
}

impl std::fmt::Display for StepStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl std::fmt::Display for RunStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
