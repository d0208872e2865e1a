//! From a text in the editor to a run: the one file here that calls the runner.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use super::super::Settings;
use super::super::state::Snapshot;
use crate::diagnostic::{Diagnostic, Gate, Severity};
use crate::document::Document;
use crate::plan::{DagSpec, LowerError, Plan, PlanError, Selection, lower};
use crate::report::{check_text, run_preview};
use crate::runner::paths::state_dir;
use crate::runner::stop::StopSource;
use crate::runner::{self, Event, RefuseError, RunOptions, Watchdog};

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub(in crate::lsp) enum Refusal {
    #[error("{}", list_findings(.0))]
    Findings(Vec<String>),
    #[error("{}", list(.0))]
    Lower(Vec<LowerError>),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Run(#[from] RefuseError),
    #[error("cannot start the runner: {0}")]
    Runtime(#[source] std::io::Error),
}

fn list_findings(lines: &[String]) -> String {
    let (first, others) = lines.split_first().map_or(("", 0), |(first, rest)| (first.as_str(), rest.len()));
    match others {
        0 => format!("the file has an error: {first}"),
        others => format!("the file has {} errors, the first: {first}", others + 1),
    }
}

fn list(errors: &[LowerError]) -> String {
    errors.iter().map(LowerError::to_string).collect::<Vec<_>>().join("; ")
}

/// A run that is ready to start. Nothing has been executed, no secret read and no engine called to make it.
pub(in crate::lsp) struct Launch {
    plan: Plan,
    run_id: String,
    settings: Arc<Settings>,
}

impl Launch {
    /// # Errors
    /// Findings that keep `saddler run` from starting too, and plans that cannot be made.
    pub fn plan(snapshot: &Snapshot, selection: Selection, settings: Arc<Settings>) -> Result<Self, Refusal> {
        let document = snapshot.document();
        let findings: Vec<String> = snapshot
            .diagnostics()
            .iter()
            .filter(|finding| stops(finding))
            .map(|finding| check_text::line(document, finding))
            .collect();
        if !findings.is_empty() {
            return Err(Refusal::Findings(findings));
        }
        let plan = Plan::new(Arc::new(lower_entry(document, snapshot.path.as_deref())?), selection)?;
        Ok(Launch { plan, run_id: new_id(), settings })
    }

    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    pub fn is_whole(&self) -> bool {
        self.plan.is_whole()
    }

    /// Of all steps of the workflow, in the order of the text.
    pub fn step_names(&self) -> Vec<String> {
        self.plan.dag.steps.iter().map(|step| step.name.clone()).collect()
    }

    /// What runs, for people.
    pub fn title(&self) -> String {
        let dag = &self.plan.dag.name;
        match &self.plan.selection {
            Selection::All => format!("Run DAG `{dag}`"),
            Selection::Step(step) | Selection::StepWithDeps(step) => format!("Run step `{step}` of `{dag}`"),
        }
    }

    /// Carries the run out on the calling thread and returns when everything has been tidied up. A listener that takes
    /// its time holds the steps back.
    ///
    /// # Errors
    /// When nothing was started.
    pub fn run(self, stop: StopSource, listener: &mut (dyn FnMut(Event) + Send)) -> Result<(), Refusal> {
        let options = RunOptions {
            watchdog: Watchdog::start().map_err(|error| tracing::warn!("no watchdog: {error}")).ok(),
            ..self.options()
        };
        runtime()?.block_on(runner::run(self.plan, &options, stop, listener))?;
        Ok(())
    }

    /// What a run would start, as `saddler run --dry-run` shows it. Starts nothing.
    ///
    /// # Errors
    /// When a run would be refused.
    pub fn preview(self) -> Result<String, Refusal> {
        let options = self.options();
        let preview = runtime()?.block_on(runner::preview(self.plan, &options))?;
        let mut text = Vec::new();
        // Writing to memory cannot fail.
        let _ = run_preview::write_text(&mut text, &preview);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn options(&self) -> RunOptions {
        let environment = &self.settings.environment;
        RunOptions {
            run_id: Some(self.run_id.clone()),
            process_env: environment.clone(),
            state_dir: state_dir(|name| environment.get(name).map(OsString::from)),
            ..RunOptions::default()
        }
    }
}

/// A runtime of the calling thread's own: a listener that waits holds back this run alone.
fn runtime() -> Result<tokio::runtime::Runtime, Refusal> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Refusal::Runtime)
}

/// As for `saddler run`: every error, except what only `dagu validate` has.
fn stops(finding: &Diagnostic) -> bool {
    finding.severity == Severity::Error && finding.gate != Gate::Validate
}

fn lower_entry(document: &Document, path: Option<&Path>) -> Result<DagSpec, Refusal> {
    lower(&document.entry().root_value().to_json(), path).map_err(Refusal::Lower)
}

/// What a run calls the steps of the entry document, in the order of the text; nothing for one that cannot be run.
pub(in crate::lsp) fn step_names(snapshot: &Snapshot) -> Vec<String> {
    let dag = lower_entry(snapshot.document(), snapshot.path.as_deref());
    dag.map(|dag| dag.steps.into_iter().map(|step| step.name).collect()).unwrap_or_default()
}

/// 32 random hexadecimal digits with dashes, the usual form of an id.
fn new_id() -> String {
    let text = hex::encode(rand::random::<[u8; 16]>());
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}
