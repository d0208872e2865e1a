//! Older ways to write a step or a workflow that still work. Remarks only: nothing turns the file away.

use serde_json::{Map, Value};

use super::fault::{Change, Faults, On, Path, code};
use crate::diagnostic::Applicability;

/// Remarks about one step.
pub fn step(map: &Map<String, Value>, path: &Path, out: &mut Faults) {
    let modern = map.contains_key("run") || map.contains_key("action");
    for key in map.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key.as_str()) {
        // Beside `run` or `action` these are errors already.
        let help = match key {
            _ if modern => continue,
            "command" | "script" => "write `run`",
            "shell" | "shell_args" | "shell_packages" => "write `run`, with the shell under `with`",
            "exec" => "write `action: exec` with `command` and `args` under `with`",
            "call" => "write `action: dag.run` with `dag` under `with`",
            "params" => "write `action: dag.run` with `params` under `with`",
            "type" => "write `action`",
            "config" => "write `with`",
            "with" => "write `action` beside `with`",
            "llm" | "messages" => "write `action: chat.completion`",
            "value" | "routes" => "write `action: router.route`",
            _ => continue,
        };
        let place = path.key(key);
        let fault = out.error(&place, On::Key, code::DEPRECATED, format!("`{key}` on a step is an older form"));
        fault.info().help(help);
        let alone = ["script", "exec", "call", "type", "config", "with", "shell", "shell_args", "shell_packages"];
        if key == "command" && !alone.iter().any(|other| map.contains_key(*other)) {
            fault.fix(Change::RenameKey("run".to_owned()), Applicability::Safe);
        }
    }
}

/// Remarks about the root.
pub fn root(map: &Map<String, Value>, out: &mut Faults) {
    let root = Path::ROOT;
    if map.get("step_types").is_some_and(|value| !value.is_null()) {
        let fault = out.error(&root.key("step_types"), On::Key, code::DEPRECATED, "`step_types` is an older form");
        fault.info().help("define actions under `actions`");
    }
    if map.get("tags").is_some_and(|value| !value.is_null()) && !map.contains_key("labels") {
        let fault = out.error(&root.key("tags"), On::Key, code::DEPRECATED, "`tags` is the older name of `labels`");
        fault.info().help("write `labels`").fix(Change::RenameKey("labels".to_owned()), Applicability::Safe);
    }
    if map.get("type").and_then(Value::as_str).map(str::trim) == Some("controller") {
        let fault =
            out.error(&root.key("type"), On::Value, code::DEPRECATED, "`controller` is the older name of `agent`");
        fault.info().help("write `agent`").fix(Change::SetValue("agent".into()), Applicability::Safe);
    }
    let runs = map.get("max_active_runs").and_then(Value::as_f64).map(f64::trunc);
    let queue = map.get("queue").and_then(Value::as_str).is_some_and(|queue| !queue.trim().is_empty());
    if runs.is_some_and(|runs| runs != 1.0 && runs != 0.0) && !queue {
        let message = "`max_active_runs` without `queue` has no effect: a workflow's own queue runs one at a time";
        let fault = out.error(&root.key("max_active_runs"), On::Key, code::DEPRECATED, message);
        fault.info().help("name a global `queue` with the number you want");
    }
}
