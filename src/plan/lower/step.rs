//! One entry of `steps`, or one handler.

use std::str::FromStr;

use nix::sys::signal::Signal;
use serde_json::{Map, Value};

use super::policy::{continue_on, repeat, retry};
use super::{Reading, env, log_output, present, seconds, shell, text, texts};
use crate::plan::spec::*;

impl Reading {
    pub(super) fn step(
        &mut self,
        mut map: Map<String, Value>,
        group: usize,
        path: &str,
        defaults: &Map<String, Value>,
    ) -> StepSpec {
        let (expanded, custom_action) = self.expand(map, path);
        map = expanded;
        apply_defaults(&mut map, defaults);
        let get = |name: &str| present(map.get(name));
        let id = text(get("id")).map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
        let name = text(get("name")).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let with = get("with").or(get("config")).and_then(Value::as_object).cloned().unwrap_or_default();
        let work = self.work(&map, &with, path);
        // Beside `run` the shell stands in `with`; the legacy keys stand on the step.
        let shell_key = |name: &str| get(name).or_else(|| get("run").and_then(|_| present(with.get(name))));
        let own_shell = shell(shell_key("shell"), shell_key("shell_args"));
        StepSpec {
            name: name.or_else(|| id.clone()).unwrap_or_default(),
            id,
            depends: get("depends").map(|depends| texts(Some(depends))),
            group,
            env: env(get("env")),
            working_dir: text(get("working_dir")).filter(|dir| !dir.is_empty()),
            shell_args: own_shell.is_none().then(|| shell_key("shell_args")).flatten().map(|args| texts(Some(args))),
            shell: own_shell,
            shell_packages: texts(shell_key("shell_packages")),
            preconditions: self.preconditions(get("preconditions"), &format!("{path}.preconditions")),
            continue_on: continue_on(get("continue_on")),
            retry: get("retry_policy").and_then(Value::as_object).and_then(retry),
            repeat: get("repeat_policy").and_then(Value::as_object).and_then(repeat),
            timeout: seconds(get("timeout_sec")).filter(|timeout| !timeout.is_zero()),
            signal_on_stop: text(get("signal_on_stop")).and_then(|name| {
                let signal = Signal::from_str(name.trim()).ok();
                if signal.is_none() {
                    self.wrong(
                        format!("{path}.signal_on_stop"),
                        format!("`{name}` is not a signal; expected `SIGTERM` or the like"),
                    );
                }
                signal
            }),
            log_output: log_output(get("log_output")),
            stdout: redirect(get("stdout")),
            stderr: redirect(get("stderr")),
            output: match get("output") {
                Some(Value::String(name)) => {
                    let name = name.strip_prefix('$').unwrap_or(name).trim();
                    (!name.is_empty()).then(|| OutputSpec::Variable(name.to_owned()))
                }
                Some(Value::Object(entries)) => Some(OutputSpec::Object(entries.clone())),
                _ => None,
            },
            outputs: declared(get("outputs")),
            inputs: declared_inputs(get("inputs")),
            stdout_outputs: get("stdout").and_then(|stdout| stdout.get("outputs")).cloned(),
            output_schema: get("output_schema").cloned(),
            container: get("container").cloned(),
            follows_root: matches!(work, Work::Harness { .. }) || (get("action").is_none() && get("type").is_none()),
            approval: get("approval").is_some(),
            custom_action,
            work,
        }
    }

    fn work(&mut self, map: &Map<String, Value>, with: &Map<String, Value>, path: &str) -> Work {
        let get = |name: &str| present(map.get(name));
        if let Some(run) = get("run") {
            return self.run_text(run, &format!("{path}.run"));
        }
        if let Some(foreach) = get("foreach").and_then(Value::as_object) {
            return Work::Foreach { foreach: foreach.clone() };
        }
        if let Some(action) = text(get("action")) {
            return self.action(action.trim(), map, with, path);
        }
        if let Some(kind) = text(get("type")).map(|kind| kind.trim().to_owned()).filter(|kind| !kind.is_empty()) {
            match kind.as_str() {
                "command" | "shell" => {}
                "docker" | "container" => {
                    let mut with = with.clone();
                    if let Some(command) = get("command") {
                        with.insert("command".to_owned(), command.clone());
                    }
                    return Work::DockerRun { with };
                }
                "harness" => return Work::Harness { written: map.clone() },
                _ if get("call").is_none() => return Work::Action { name: kind, with: with.clone() },
                _ => {}
            }
        }
        if let Some(child) = text(get("call")) {
            let mut with = Map::from_iter([("dag".to_owned(), Value::from(child))]);
            if let Some(params) = get("params") {
                with.insert("params".to_owned(), params.clone());
            }
            return Work::DagRun { with, parallel: get("parallel").cloned() };
        }
        if let Some(exec) = get("exec").and_then(Value::as_object) {
            return self.exec(exec, &format!("{path}.exec"));
        }
        match (text(get("script")), get("command")) {
            (Some(script), command) => Work::Script { text: script.trim().to_owned(), interpreter: text(command) },
            (None, Some(command)) => self.run_text(command, &format!("{path}.command")),
            (None, None) if get("container").is_some() => Work::ContainerDefault,
            (None, None) => {
                if !matches!(get("output"), Some(Value::Object(_))) && !path.starts_with("handler_on") {
                    self.wrong(path, "nothing to run; expected `run` or `action`");
                }
                Work::Action { name: "noop".to_owned(), with: Map::new() }
            }
        }
    }

    /// `run`, or the legacy `command` that means the same.
    fn run_text(&mut self, run: &Value, path: &str) -> Work {
        match run {
            Value::String(text) if text.trim().is_empty() => {
                self.wrong(path, "step command is empty");
                Work::Commands(Vec::new())
            }
            Value::String(text) if text.contains('\n') => Work::Script { text: text.clone(), interpreter: None },
            Value::String(text) => Work::Commands(vec![text.trim().to_owned()]),
            Value::Array(list) => {
                let entries: Vec<String> = list
                    .iter()
                    .filter_map(|entry| match entry {
                        Value::Object(map) if map.len() == 1 => {
                            map.iter().next().and_then(|(key, value)| Some(format!("{key}: {}", text(Some(value))?)))
                        }
                        entry => text(Some(entry)),
                    })
                    .map(|entry| entry.trim().to_owned())
                    .filter(|entry| !entry.is_empty())
                    .collect();
                if entries.is_empty() {
                    self.wrong(path, "step command is empty");
                }
                Work::Commands(entries)
            }
            _ => {
                self.wrong(path, "run must be a string or an array");
                Work::Commands(Vec::new())
            }
        }
    }

    fn action(&mut self, action: &str, map: &Map<String, Value>, with: &Map<String, Value>, path: &str) -> Work {
        match action {
            "exec" => self.exec(with, &format!("{path}.with")),
            "harness.run" => Work::Harness { written: map.clone() },
            "docker.run" | "container.run" => Work::DockerRun { with: with.clone() },
            "dag.run" => Work::DagRun { with: with.clone(), parallel: present(map.get("parallel")).cloned() },
            _ => Work::Action { name: action.to_owned(), with: with.clone() },
        }
    }

    fn exec(&mut self, exec: &Map<String, Value>, path: &str) -> Work {
        let Some(command) = text(exec.get("command")) else {
            self.wrong(path, "exec needs a `command`");
            return Work::Commands(Vec::new());
        };
        Work::Exec { command, args: texts(exec.get("args")) }
    }
}

/// `env` and `preconditions` go in front of the step's own; every other key counts only where the step has none.
fn apply_defaults(step: &mut Map<String, Value>, defaults: &Map<String, Value>) {
    for (key, value) in defaults {
        match key.as_str() {
            "env" => {
                let pairs = env(Some(value)).into_iter().chain(env(step.get("env")));
                let pairs = pairs.map(|(name, value)| Value::from(format!("{name}={value}"))).collect();
                step.insert(key.clone(), Value::Array(pairs));
            }
            "preconditions" => {
                let as_list = |value: Option<&Value>| match value {
                    None | Some(Value::Null) => Vec::new(),
                    Some(Value::Array(list)) => list.clone(),
                    Some(single) => vec![single.clone()],
                };
                let mut list = as_list(Some(value));
                list.extend(as_list(step.get("preconditions")));
                step.insert(key.clone(), Value::Array(list));
            }
            _ => {
                step.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
    }
}

fn redirect(value: Option<&Value>) -> Option<Redirect> {
    match value? {
        Value::String(path) if !path.is_empty() => Some(Redirect::File(path.clone())),
        Value::Object(map) => text(map.get("artifact")).map(Redirect::Artifact),
        _ => None,
    }
}

fn declared(value: Option<&Value>) -> Vec<DeclaredOutput> {
    let entries = value.and_then(Value::as_array).into_iter().flatten();
    entries
        .filter_map(|entry| {
            Some(DeclaredOutput {
                name: text(entry.get("name"))?,
                json: text(entry.get("type")).as_deref() == Some("json"),
                path: text(entry.get("path")),
            })
        })
        .collect()
}

fn declared_inputs(value: Option<&Value>) -> Vec<DeclaredInput> {
    let entries = value.and_then(Value::as_array).into_iter().flatten();
    entries
        .filter_map(|entry| Some(DeclaredInput { name: text(entry.get("name"))?, path: text(entry.get("path"))? }))
        .collect()
}
