//! One run as the client sees it: progress, events, lines of output, and marks on the steps.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::task::JoinError;
use tower_lsp::ls_types::{MessageType, Uri};

use super::super::ext::{RunEvent, RunEventParams};
use super::super::server::Shared;
use super::launch::{Launch, Refusal};
use super::marks::Mark;
use super::progress::Progress;
use crate::diagnostic::Severity;
use crate::report::run_json::JsonLines;
use crate::runner::event::{Event, EventKind, RunSummary, StepRef, StepResult, StepRole, Stream};
use crate::runner::{RunStatus, StepStatus};

/// Lines of standard error that a mark repeats.
const TAIL: usize = 12;
/// A line of the log is not longer than this, in bytes; output without line breaks is cut.
const LINE: usize = 8 * 1024;

pub(super) struct Reporter {
    shared: Arc<Shared>,
    uri: Uri,
    run_id: String,
    title: String,
    /// The whole workflow was asked for, not one step of it.
    whole: bool,
    /// Names of all steps of the workflow, in the order of the text.
    names: Vec<String>,
    progress: Option<Progress>,
    json: JsonLines<Vec<u8>>,
    n_steps: usize,
    n_done: usize,
    /// Names of steps that run now, in the order of their start.
    running: Vec<Arc<str>>,
    /// Per step and stream what came after the last line break.
    partial: HashMap<(Arc<str>, Stream), Vec<u8>>,
    /// Per step the last lines of its standard error.
    tails: HashMap<Arc<str>, VecDeque<String>>,
    end: Option<String>,
}

impl Reporter {
    pub fn new(shared: Arc<Shared>, uri: Uri, launch: &Launch) -> Self {
        Reporter {
            shared,
            uri,
            run_id: launch.run_id().to_owned(),
            title: launch.title(),
            whole: launch.is_whole(),
            names: launch.step_names(),
            progress: None,
            json: JsonLines::new(Vec::new()),
            n_steps: 0,
            n_done: 0,
            running: Vec::new(),
            partial: HashMap::new(),
            tails: HashMap::new(),
            end: None,
        }
    }

    pub async fn begin(&mut self) {
        if self.shared.session().progress {
            let begun = Progress::begin(&self.shared.client, &self.run_id, self.title.clone());
            self.progress = tokio::select! {
                progress = begun => progress,
                () = self.shared.gone.cancelled() => None,
            };
        }
    }

    pub async fn report(&mut self, event: Event) {
        self.send(&event).await;
        match event.kind {
            EventKind::RunStarted { steps, .. } => {
                self.n_steps = steps.len();
                self.show_progress().await;
            }
            EventKind::StepStarted { step } => {
                self.running.push(step.name);
                self.show_progress().await;
            }
            EventKind::ImagePulling { image, .. } => {
                if let Some(progress) = &self.progress {
                    progress.report(format!("pulling `{image}`"), self.percentage()).await;
                }
            }
            EventKind::Output { step, stream, bytes } => self.output(&step, stream, &bytes).await,
            EventKind::Noticed { step, message } => self.log(step.as_ref(), &message).await,
            EventKind::StepFinished { result } => {
                self.flush(&result.step).await;
                self.running.retain(|name| *name != result.step.name);
                self.n_done += usize::from(result.step.role == StepRole::Step);
                self.show_progress().await;
            }
            EventKind::RunFinished { summary } => self.finish(&summary).await,
            _ => {}
        }
    }

    /// After the last event, or in place of all.
    pub async fn end(&mut self, ended: Result<Result<(), Refusal>, JoinError>) {
        let refusal = match ended {
            Ok(Ok(())) => None,
            Ok(Err(refusal)) => Some(refusal.to_string()),
            Err(panic) => {
                tracing::error!("a run failed: {panic}");
                Some("the run broke off; this is a mistake in saddler".to_owned())
            }
        };
        if let Some(refusal) = refusal {
            self.shared.client.show_message(MessageType::ERROR, format!("{}: {refusal}", self.title)).await;
            self.end = Some("not started".to_owned());
        }
        if let Some(progress) = self.progress.take() {
            progress.end(self.end.take().unwrap_or_default()).await;
        }
    }

    /// The notification: what a line of `saddler run --format json` says.
    async fn send(&mut self, event: &Event) {
        // Writing to memory cannot fail.
        let _ = self.json.report(event);
        let lines = std::mem::take(self.json.out_mut());
        for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(event) => {
                    let params = RunEventParams { run_id: self.run_id.clone(), event };
                    self.shared.client.send_notification::<RunEvent>(params).await;
                }
                Err(error) => tracing::error!("an event is no JSON: {error}"),
            }
        }
    }

    async fn show_progress(&self) {
        if let Some(progress) = &self.progress {
            let done = format!("{}/{} {}", self.n_done, self.n_steps, if self.n_steps == 1 { "step" } else { "steps" });
            let message = match &self.running[..] {
                [] => done,
                running => format!("{done} · {}", running.join(", ")),
            };
            progress.report(message, self.percentage()).await;
        }
    }

    fn percentage(&self) -> u32 {
        (100 * self.n_done.min(self.n_steps)).checked_div(self.n_steps).unwrap_or(0) as u32
    }

    /// Whole lines go to the log; what comes after the last line break waits.
    async fn output(&mut self, step: &StepRef, stream: Stream, bytes: &[u8]) {
        let partial = self.partial.entry((Arc::clone(&step.name), stream)).or_default();
        partial.extend_from_slice(bytes);
        let whole = match partial.iter().rposition(|&byte| byte == b'\n') {
            Some(at) => at + 1,
            None if partial.len() > LINE => partial.len(),
            None => return,
        };
        let text: Vec<u8> = partial.drain(..whole).collect();
        self.lines(step, stream, &text).await;
    }

    async fn flush(&mut self, step: &StepRef) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if let Some(rest) = self.partial.remove(&(Arc::clone(&step.name), stream)).filter(|rest| !rest.is_empty()) {
                self.lines(step, stream, &rest).await;
            }
        }
    }

    async fn lines(&mut self, step: &StepRef, stream: Stream, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        if stream == Stream::Stderr {
            let tail = self.tails.entry(Arc::clone(&step.name)).or_default();
            tail.extend(text.lines().map(str::to_owned));
            tail.drain(..tail.len().saturating_sub(TAIL));
        }
        self.log(Some(step), &text).await;
    }

    async fn log(&self, step: Option<&StepRef>, text: &str) {
        let lines = text.lines().map(|line| match step {
            Some(step) => format!("{} │ {line}", step.id.as_ref().unwrap_or(&step.name)),
            None => line.to_owned(),
        });
        self.shared.client.log_message(MessageType::LOG, lines.collect::<Vec<_>>().join("\n")).await;
    }

    async fn finish(&mut self, summary: &RunSummary) {
        let seconds = summary.duration.as_secs_f64();
        self.end = Some(format!("{} after {seconds:.1} s", summary.status));
        let failure = summary.error.as_deref().filter(|_| summary.status != RunStatus::Aborted);
        let message = match failure {
            Some(error) => format!("{}: {} after {seconds:.1} s: {error}", self.title, summary.status),
            None => format!("{}: {} after {seconds:.1} s", self.title, summary.status),
        };
        let kind = if failure.is_some() { MessageType::ERROR } else { MessageType::INFO };
        self.shared.client.log_message(kind, message).await;
        let marks: Vec<Mark> = summary.steps.iter().filter_map(|result| self.mark(result)).collect();
        if !marks.is_empty() && self.shared.state.mark(&self.uri, marks) {
            super::super::checks::publish(&self.shared, &self.uri).await;
        }
    }

    /// A failure is always marked. That all went well only where one step was asked for: otherwise it is no news.
    fn mark(&self, result: &StepResult) -> Option<Mark> {
        let StepResult { step, exit_code, .. } = result;
        let name = step.role.handler_name().unwrap_or(step.id.as_ref().unwrap_or(&step.name));
        let (severity, message) = match result.status {
            StepStatus::Failed | StepStatus::Rejected => {
                let mut message = format!("`{name}` failed with exit code {exit_code}");
                let tail = self.tails.get(&step.name).filter(|tail| !tail.is_empty());
                if let Some(error) = &result.error {
                    // Below its first line an error repeats the end of the output, which is shown anyway.
                    let error =
                        if tail.is_some() { error.lines().next().unwrap_or_default() } else { error.trim_end() };
                    message.push_str(&format!(": {error}"));
                }
                if let Some(tail) = tail {
                    message.push_str("\n\nlast lines of stderr:");
                    tail.iter().for_each(|line| message.push_str(&format!("\n{line}")));
                }
                (Severity::Error, message)
            }
            status if status.is_success() && !self.whole => {
                let seconds = result.duration.as_secs_f64();
                (Severity::Info, format!("`{name}` {status} with exit code {exit_code} after {seconds:.1} s"))
            }
            _ => return None,
        };
        let index = match step.role {
            StepRole::Step => self.names.iter().position(|name| **name == *step.name),
            _ => None,
        };
        Some(Mark { step: step.clone(), index, severity, message })
    }
}
