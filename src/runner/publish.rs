//! What a step leaves for others once its work went well: captured output, declared outputs, structured outputs.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::attempt::Done;
use super::failure::Failure;
use super::streams::StepStreams;
use crate::plan::{OutputSpec, StepSpec};
use crate::values::masker::Masker;
use crate::values::{RunScope, outputs};

/// The outputs of a step, unmasked.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Published {
    /// `output: NAME` and its text.
    pub variable: Option<(String, String)>,
    /// Declared outputs, as written to the output file.
    pub declared: Option<BTreeMap<String, String>>,
    /// `output: {…}`, `stdout.outputs`, and what actions publish.
    pub values: Map<String, Value>,
    /// The text of `${id.output}` where it is not that of `variable`.
    pub output: Option<String>,
}

impl Published {
    pub(super) fn output_text(&self) -> Option<String> {
        self.output.clone().or_else(|| self.variable.as_ref().map(|(_, text)| text.clone()))
    }

    /// As reports show them: all under their names, values that were published as data as text.
    pub(super) fn shown(&self) -> Map<String, Value> {
        let values = self.values.clone().into_iter();
        let declared = self.declared.iter().flatten().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        let variable = self.variable.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        values.chain(declared).chain(variable).collect()
    }

    /// What the run as a whole collects, masked.
    pub(super) fn collected(&self, masker: &Masker) -> Collected {
        let text = |text: &str| Value::from(masker.mask(text));
        let mut collected = Collected::default();
        for (name, value) in &self.values {
            collected.outputs.insert(name.clone(), text(&outputs::collected_value(value)));
            collected.values.insert(name.clone(), masker.mask_json(value));
        }
        if let Some((name, value)) = &self.variable {
            collected.outputs.insert(outputs::collected_name(name), text(value));
            collected.variables.insert(name.clone(), text(value));
        }
        collected
    }

    /// Takes back what only a success publishes.
    pub(super) fn after_failure(&mut self) {
        self.declared = None;
        self.values = Map::new();
        self.output = None;
    }
}

/// A step's part of the outputs of its run.
#[derive(Debug, Clone, Default)]
pub(super) struct Collected {
    /// Variables under their names in camel case, and all values as text.
    pub outputs: Map<String, Value>,
    /// Variables under their own names.
    pub variables: Map<String, Value>,
    /// What was published as data.
    pub values: Map<String, Value>,
}

/// A fresh, empty output file, removed when dropped.
pub(super) fn output_file(dir: &Path) -> std::io::Result<tempfile::TempPath> {
    Ok(tempfile::Builder::new().prefix(".output-").tempfile_in(dir)?.into_temp_path())
}

/// The text of `output: NAME`, which a failed step has too.
pub(super) fn captured_variable(step: &StepSpec, streams: &StepStreams, limit: usize) -> Published {
    let variable = match &step.output {
        Some(OutputSpec::Variable(name)) if streams.captured().len() <= limit => {
            Some((name.clone(), outputs::captured_value(streams.captured())))
        }
        _ => None,
    };
    Published { variable, ..Published::default() }
}

/// What a successful attempt left behind.
pub(super) struct Leavings<'a> {
    pub step: &'a StepSpec,
    /// The scope of the attempt.
    pub scope: &'a RunScope,
    pub cwd: &'a Path,
    pub streams: &'a StepStreams,
    /// Content of the output file, or why it cannot be read.
    pub records: std::io::Result<Vec<u8>>,
    pub done: &'a Done,
    /// Bytes of output a step may publish.
    pub limit: usize,
}

impl Leavings<'_> {
    /// Reads it all. `variable` is not set here, see [`captured_variable`].
    ///
    /// # Errors
    /// A failure of the attempt: output too large, records missing or unknown, text that is not what was promised.
    pub(super) fn publish(self) -> Result<Published, Failure> {
        let step = self.step;
        let failed = |error: &dyn std::fmt::Display| Failure::setup(error.to_string());
        let reads_stdout = step.output.is_some() || step.stdout_outputs.is_some() || step.output_schema.is_some();
        if reads_stdout && self.streams.captured().len() > self.limit {
            return Err(Failure::setup(format!("output exceeded maximum size limit of {} bytes", self.limit)));
        }
        let mut published = Published { declared: self.declared()?, ..Published::default() };
        if let Some(schema) = &step.output_schema {
            published.output =
                Some(outputs::check_schema(self.streams.captured(), schema).map_err(|error| failed(&error))?);
        }
        if let Some(written) = &step.stdout_outputs {
            let (read, problems) = outputs::stdout_outputs(written);
            if let Some(problem) = problems.first() {
                return Err(Failure::setup(format!("stdout.outputs: {}", problem.message)));
            }
            if let Some(read) = read {
                let values = outputs::publish_stdout(&read, self.streams.captured(), self.scope);
                published.values.extend(values.map_err(|error| failed(&error))?);
            }
        }
        if let Some(OutputSpec::Object(map)) = &step.output {
            let (entries, problems) = outputs::structured(map);
            if let Some(problem) = problems.first() {
                return Err(Failure::setup(format!("output: {}", problem.message)));
            }
            let streams = outputs::Streams { stdout: self.streams.captured(), stderr: self.streams.captured_stderr() };
            let mut read_file =
                |path: &str| std::fs::read(self.cwd.join(path)).map_err(|error| format!("`{path}`: {error}"));
            let values = outputs::publish(&entries, streams, self.scope, &mut read_file);
            let values = values.map_err(|error| failed(&error))?;
            published.output = Some(Value::Object(values.clone()).to_string());
            published.values.extend(values);
        }
        published.values.extend(self.done.published.clone().unwrap_or_default());
        Ok(published)
    }

    /// The records of the output file. Without declarations there must be none.
    fn declared(&self) -> Result<Option<BTreeMap<String, String>>, Failure> {
        let expected: Vec<outputs::DeclaredOutput> = self
            .step
            .outputs
            .iter()
            .filter(|output| output.path.is_none())
            .map(|output| outputs::DeclaredOutput {
                name: output.name.clone(),
                kind: if output.json { outputs::OutputKind::Json } else { outputs::OutputKind::String },
                path: None,
            })
            .collect();
        let records = match &self.records {
            Ok(records) => records,
            Err(error) => return Err(Failure::setup(format!("the output file cannot be read: {error}"))),
        };
        if expected.is_empty() && records.is_empty() {
            return Ok(None);
        }
        let read = outputs::read_records(records, &expected, self.limit as u64);
        read.map(|records| (!expected.is_empty()).then_some(records)).map_err(|error| Failure::setup(error.to_string()))
    }
}
