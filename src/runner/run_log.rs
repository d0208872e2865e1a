//! The log of a run: one line for each thing that happened, without the output of steps, which has logs of its own.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use jiff::Timestamp;

use super::event::{Event, EventKind};

/// Appends lines; a log that cannot be written is reported once and then left alone.
pub(super) struct RunLog {
    file: Option<File>,
}

impl RunLog {
    pub(super) fn open(path: &Path) -> Self {
        let opened = OpenOptions::new().append(true).create(true).open(path);
        Self { file: opened.map_err(|error| tracing::warn!("no log of the run: {error}")).ok() }
    }

    /// For a body of a `foreach`, which is a part of a run and no run.
    pub(super) fn off() -> Self {
        Self { file: None }
    }

    pub(super) fn note(&mut self, event: &Event) {
        let (Some(file), Some(text)) = (&mut self.file, text(&event.kind)) else { return };
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
        if let Err(error) = writeln!(file, "{now} {}", text.replace('\n', " / ")) {
            tracing::warn!("the log of the run cannot be written: {error}");
            self.file = None;
        }
    }
}

fn text(kind: &EventKind) -> Option<String> {
    Some(match kind {
        EventKind::RunStarted { dag, .. } => format!("run of {dag} started"),
        EventKind::ImagePulling { image, .. } => format!("pulling image {image}"),
        EventKind::ImagePullProgressed { image, progress, .. } => format!("pulling image {image}: {progress}"),
        EventKind::ContainerReady { container } => format!("container {container} is ready"),
        EventKind::ContainerReleased { container, kept: true } => format!("container {container} stopped and kept"),
        EventKind::ContainerReleased { container, kept: false } => format!("container {container} removed"),
        EventKind::StepStarted { step } => format!("step {} started", step.name),
        EventKind::AttemptStarted { step, attempt, .. } => format!("step {}: attempt {attempt}", step.name),
        EventKind::FallbackStarted { step, provider, .. } => format!("step {}: falls back to {provider}", step.name),
        EventKind::Output { .. } => return None,
        EventKind::AttemptFailedWillRetry { step, attempt, error, delay, .. } => {
            format!("step {}: attempt {attempt} failed, next in {} s: {error}", step.name, delay.as_secs())
        }
        EventKind::AttemptFinishedWillRepeat { step, delay, .. } => {
            format!("step {}: repeats in {} s", step.name, delay.as_secs())
        }
        EventKind::Noticed { step: Some(step), message } => format!("step {}: {message}", step.name),
        EventKind::Noticed { step: None, message } => message.clone(),
        EventKind::StepFinished { result } => match &result.error {
            Some(error) => format!("step {} {}: {error}", result.step.name, result.status),
            None => format!("step {} {}", result.step.name, result.status),
        },
        EventKind::StopStarted { reason } => format!("stopping: {reason:?}").to_lowercase(),
        EventKind::RunFinished { summary } => match &summary.error {
            Some(error) => format!("run {}: {error}", summary.status),
            None => format!("run {}", summary.status),
        },
    })
}
