//! From a document to a [`DagSpec`].
//!
//! The checker has looked at the document before and says everything there is to say about it, with places. What is
//! found here has slipped past it or was let through on purpose (`--no-check`), so a short text with a path is enough.
//! Reads plain data: the runner has no use for spans.

mod custom;
mod policy;
mod step;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::spec::*;
use crate::values::env::{EnvOwner, entries};

/// A part of a document that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct LowerError {
    /// As `steps[2].retry_policy.limit`.
    pub path: String,
    pub message: String,
}

/// A document as the runner needs it. `file` is the absolute path of the file it stands in.
///
/// # Errors
/// Everything that cannot be run, in the order of the text.
pub fn lower(document: &Value, file: Option<&Path>) -> Result<DagSpec, Vec<LowerError>> {
    let mut reading = Reading::default();
    let Some(root) = document.as_object() else {
        reading.wrong("", "a workflow is a map");
        return Err(reading.errors);
    };
    let dag = reading.dag(root, file);
    if reading.errors.is_empty() { Ok(dag) } else { Err(reading.errors) }
}

/// Collects what is wrong while going on.
#[derive(Default)]
struct Reading {
    errors: Vec<LowerError>,
    /// The file's own actions, by name.
    actions: Map<String, Value>,
    /// The older form of those.
    step_types: Map<String, Value>,
}

impl Reading {
    fn wrong(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.errors.push(LowerError { path: path.into(), message: message.into() });
    }

    fn dag(&mut self, root: &Map<String, Value>, file: Option<&Path>) -> DagSpec {
        let order = match text(root.get("type")).as_deref().map(str::trim) {
            None | Some("" | "graph" | "build") => Order::Graph,
            Some("chain") => Order::Chain,
            Some(other @ ("agent" | "controller")) => {
                self.wrong("type", format!("`{other}` needs a language model that only Dagu itself drives"));
                Order::Graph
            }
            Some(other) => {
                self.wrong("type", format!("`{other}` is not a type; expected `graph` or `chain`"));
                Order::Graph
            }
        };
        let registry = |key: &str| root.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
        self.actions = registry("actions");
        self.step_types = registry("step_types");
        let defaults = root.get("defaults").and_then(Value::as_object).cloned().unwrap_or_default();
        let steps = self.steps(root.get("steps"), "steps", &defaults);
        let handlers = self.handlers(root.get("handler_on"), &defaults);
        DagSpec {
            name: text(root.get("name")).unwrap_or_else(|| file_stem(file)),
            file: file.map(Path::to_owned),
            order,
            is_build: text(root.get("type")).as_deref().map(str::trim) == Some("build"),
            working_dir: text(root.get("working_dir")).filter(|dir| !dir.is_empty()),
            shell: shell(root.get("shell"), root.get("shell_args")),
            preconditions: self.preconditions(root.get("preconditions"), "preconditions"),
            container: present(root.get("container")).cloned(),
            timeout: seconds(root.get("timeout_sec")).filter(|timeout| !timeout.is_zero()),
            max_active_steps: root.get("max_active_steps").and_then(Value::as_u64).unwrap_or(0) as usize,
            delay: seconds(root.get("delay_sec")).unwrap_or_default(),
            clean_up_time: seconds(root.get("max_clean_up_time_sec")).filter(|time| !time.is_zero()),
            max_output_size: root
                .get("max_output_size")
                .and_then(Value::as_u64)
                .filter(|&size| size > 0)
                .map_or(DEFAULT_MAX_OUTPUT, |size| size as usize),
            log_output: log_output(root.get("log_output")).unwrap_or_default(),
            log_dir: text(root.get("log_dir")).filter(|dir| !dir.is_empty()),
            steps,
            handlers,
            source: root.clone(),
            documents: Arc::default(),
        }
    }

    fn steps(&mut self, steps: Option<&Value>, path: &str, defaults: &Map<String, Value>) -> Vec<StepSpec> {
        let mut entries: Vec<(Value, usize, String)> = Vec::new();
        match steps {
            Some(Value::Array(list)) => {
                for (group, entry) in list.iter().enumerate() {
                    match entry {
                        Value::Array(members) => {
                            for (i, member) in members.iter().enumerate() {
                                entries.push((member.clone(), group, format!("{path}[{group}][{i}]")));
                            }
                        }
                        entry => entries.push((entry.clone(), group, format!("{path}[{group}]"))),
                    }
                }
            }
            Some(Value::Object(map)) => {
                let mut names: Vec<&String> = map.keys().collect();
                names.sort();
                for (group, name) in names.into_iter().enumerate() {
                    let mut entry = map[name].as_object().cloned().unwrap_or_default();
                    entry.entry("name").or_insert_with(|| Value::from(name.as_str()));
                    entries.push((Value::Object(entry), group, format!("{path}.{name}")));
                }
            }
            None | Some(Value::Null) => {}
            Some(_) => self.wrong(path, "expected a list of steps"),
        }
        let mut steps: Vec<StepSpec> = entries
            .into_iter()
            .filter_map(|(entry, group, path)| match entry {
                Value::Object(map) => Some(self.step(map, group, &path, defaults)),
                Value::String(command) => {
                    let map = Map::from_iter([("command".to_owned(), Value::from(command))]);
                    Some(self.step(map, group, &path, defaults))
                }
                _ => {
                    self.wrong(path, "expected a step");
                    None
                }
            })
            .collect();
        name_steps(&mut steps);
        route(&mut steps);
        steps
    }

    fn handlers(&mut self, handlers: Option<&Value>, defaults: &Map<String, Value>) -> Handlers {
        let mut found = Handlers::default();
        let Some(map) = present(handlers).and_then(Value::as_object) else { return found };
        for (event, value) in map {
            let path = format!("handler_on.{event}");
            let (slot, name) = match event.as_str() {
                "init" => (&mut found.init, "onInit"),
                "success" => (&mut found.success, "onSuccess"),
                "failure" => (&mut found.failure, "onFailure"),
                "abort" => (&mut found.abort, "onAbort"),
                "exit" => (&mut found.exit, "onExit"),
                "wait" => (&mut found.wait, "onWait"),
                _ => {
                    self.wrong(path, "expected `init`, `success`, `failure`, `abort`, `exit` or `wait`");
                    continue;
                }
            };
            match value {
                Value::Object(map) => {
                    let mut step = self.step(map.clone(), 0, &path, defaults);
                    step.name = name.to_owned();
                    *slot = Some(step);
                }
                Value::Null => {}
                _ => self.wrong(path, "expected a step"),
            }
        }
        found
    }
}

/// Gives every step a name: its own, its id, or `cmd_1` by its position, counted on until it is free.
fn name_steps(steps: &mut [StepSpec]) {
    for i in 0..steps.len() {
        if !steps[i].name.is_empty() {
            continue;
        }
        let prefix = steps[i].custom_action.as_deref().unwrap_or(steps[i].work.name_prefix()).to_owned();
        let mut number = i + 1;
        while steps.iter().any(|step| step.name == format!("{prefix}_{number}")) {
            number += 1;
        }
        steps[i].name = format!("{prefix}_{number}");
    }
}

/// Makes the targets of every router wait for it and run only when their route is taken.
fn route(steps: &mut [StepSpec]) {
    let routers: Vec<(String, Map<String, Value>)> = steps
        .iter()
        .filter_map(|step| match &step.work {
            Work::Action { name, with } if name == "router.route" => Some((step.name.clone(), with.clone())),
            _ => None,
        })
        .collect();
    for (router, with) in routers {
        let value = text(with.get("value")).unwrap_or_default();
        for (pattern, targets) in with.get("routes").and_then(Value::as_object).into_iter().flatten() {
            for target in texts(Some(targets)) {
                let Some(step) = steps.iter_mut().find(|step| step.name == target) else { continue };
                let kind = PreconditionKind::Value { condition: value.clone(), expected: pattern.clone() };
                step.preconditions.push(Precondition { kind, negate: false });
                step.depends.get_or_insert_default().push(router.clone());
                step.continue_on.skipped = true;
            }
        }
    }
}

fn file_stem(file: Option<&Path>) -> String {
    file.and_then(Path::file_stem).map_or_else(|| "dag".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// The value unless it is absent or null.
fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

/// A scalar as text.
fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A scalar or a list of scalars as texts.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(|item| text(Some(item))).collect(),
        value => text(value).into_iter().collect(),
    }
}

fn seconds(value: Option<&Value>) -> Option<Duration> {
    let number = value?.as_i64()?;
    Some(Duration::from_secs(number.max(0) as u64))
}

fn shell(shell: Option<&Value>, args: Option<&Value>) -> Option<ShellSpec> {
    let args = texts(args);
    match present(shell)? {
        Value::Array(words) => {
            let mut words: Vec<String> = words.iter().filter_map(|word| text(Some(word))).collect();
            words.extend(args);
            (!words.is_empty()).then_some(ShellSpec::Words(words))
        }
        shell => text(Some(shell)).filter(|text| !text.trim().is_empty()).map(|text| ShellSpec::Text { text, args }),
    }
}

fn log_output(value: Option<&Value>) -> Option<LogOutput> {
    match text(value)?.trim().to_ascii_lowercase().as_str() {
        "merged" => Some(LogOutput::Merged),
        "separate" => Some(LogOutput::Separate),
        _ => None,
    }
}

/// The entries of an `env` in any of its forms, in order of writing.
fn env(value: Option<&Value>) -> Vec<(String, String)> {
    let (entries, _) = entries(value.unwrap_or(&Value::Null), EnvOwner::Workflow);
    entries.into_iter().map(|entry| (entry.name, entry.text)).collect()
}
