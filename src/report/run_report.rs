//! The report of a finished run as one JSON document: what `run --report FILE` writes, and what is kept as the record
//! of a run.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::runner::event::{RunSummary, StepResult};
use crate::runner::paths::write_atomically;
use crate::runner::{RunStatus, StepStatus};

/// The document. Handlers stand behind the steps under the names `onInit`, `onExit` and so on; a handler that did not
/// run is `not_started`.
#[derive(Debug, Serialize)]
pub struct RunReport<'a> {
    /// Version of this shape; it grows when a key changes its meaning or goes away.
    pub schema: u32,
    pub dag: &'a str,
    pub run_id: &'a str,
    pub status: RunStatus,
    /// Of the process, in Dagu's terms: 1 when a failure stands, else 0.
    pub exit_code: i32,
    pub error: Option<&'a str>,
    pub duration_ms: u64,
    pub outputs: &'a Map<String, Value>,
    pub steps: Vec<StepReport<'a>>,
}

#[derive(Debug, Serialize)]
pub struct StepReport<'a> {
    pub id: Option<&'a str>,
    pub name: &'a str,
    pub status: StepStatus,
    pub exit_code: i32,
    pub attempts: u32,
    /// The complete logs of all attempts. With merged logs each has both.
    pub stdout: String,
    pub stderr: String,
    pub error: Option<&'a str>,
    pub outputs: &'a Map<String, Value>,
    pub duration_ms: u64,
}

impl<'a> RunReport<'a> {
    /// Reads the logs of the steps; one that cannot be read counts as empty.
    pub fn new(summary: &'a RunSummary) -> Self {
        Self {
            schema: 1,
            dag: &summary.dag,
            run_id: &summary.run_id,
            status: summary.status,
            exit_code: summary.exit_code(),
            error: summary.error.as_deref(),
            duration_ms: summary.duration.as_millis() as u64,
            outputs: &summary.outputs,
            steps: summary.steps.iter().map(StepReport::new).collect(),
        }
    }

    /// Writes the document in one piece: readers never see a part.
    ///
    /// # Errors
    /// When the directory of the file does not exist or cannot be written to.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        write_atomically(file, &text)
    }
}

impl<'a> StepReport<'a> {
    fn new(result: &'a StepResult) -> Self {
        let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
        Self {
            id: result.step.id.as_deref(),
            name: &result.step.name,
            status: result.status,
            exit_code: result.exit_code,
            attempts: result.attempts,
            stdout: result.stdout_log.as_deref().map(read).unwrap_or_default(),
            stderr: result.stderr_log.as_deref().map(read).unwrap_or_default(),
            error: result.error.as_deref(),
            outputs: &result.outputs,
            duration_ms: result.duration.as_millis() as u64,
        }
    }
}
