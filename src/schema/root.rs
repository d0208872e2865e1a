//! Rules about the top of a workflow that no schema says.

use serde_json::{Map, Value};

use super::fault::{Faults, On, Path, code};
use super::inputs::Harness;
use super::surroundings::WorkflowType;
use super::words;

/// Checks the keys of the root that need more than their own value.
pub fn check(map: &Map<String, Value>, workflow_type: WorkflowType, out: &mut Faults) {
    let root = Path::ROOT;
    exclusive(map, "tags", "labels", "`tags` is the older name of `labels`", out);
    exclusive(
        map,
        "hist_retention_runs",
        "hist_retention_days",
        "history is kept by days or by runs, not by both",
        out,
    );
    for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        let path = root.key(key);
        match key.as_str() {
            "name" => name(value, &path, out),
            "consts" => consts(value, &path, out),
            "secrets" => secrets(value, &path, out),
            "tools" => tools(value, &path, out),
            "smtp" => smtp(value, &path, out),
            "resources" => resources(value, &path, out),
            "webhook" => webhook(value, &path, out),
            "shell" => super::step::check_shell(Some(value), &path, out),
            "harness" => {
                if let Value::Object(defaults) = value {
                    super::inputs::harness_keys(defaults, &path, Harness::Defaults, out);
                }
            }
            _ => {}
        }
    }
    if let Some(shell) = map.get("ssh").and_then(|ssh| ssh.get("shell")) {
        let path = root.key("ssh");
        super::step::check_shell(Some(shell), &path.key("shell"), out);
    }
    agent(map, workflow_type, out);
    if workflow_type == WorkflowType::Build
        && let Some(conditions) = map.get("preconditions")
    {
        super::streams::no_reference(conditions, &["inputs", "outputs"], &root.key("preconditions"), out);
    }
}

fn exclusive(map: &Map<String, Value>, wrong: &str, other: &str, help: &str, out: &mut Faults) {
    let set = |key: &str| map.get(key).is_some_and(|value| !value.is_null());
    if set(wrong) && set(other) {
        let root = Path::ROOT;
        let message = format!("`{wrong}` cannot stand beside `{other}`");
        let fault = out.error(&root.key(wrong), On::Key, code::CONFLICTING_FIELDS, message);
        fault.help(help).related(&root.key(other), "the other one");
    }
}

fn name(value: &Value, path: &Path, out: &mut Faults) {
    if let Some(text @ ("." | "..")) = value.as_str() {
        out.error(path, On::Value, code::INVALID_VALUE, format!("`{text}` cannot be the name of a workflow"));
    }
}

fn consts(value: &Value, path: &Path, out: &mut Faults) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let place = path.index(index);
        let Value::Object(entry) = item else {
            if !item.is_null() {
                continue; // Said by the schema.
            }
            out.error(&place, On::Value, code::WRONG_TYPE, "a constant must be `NAME: value`");
            continue;
        };
        if let Some(second) = entry.keys().nth(1) {
            let message = "an entry of `consts` holds one constant";
            out.error(&place.key(second), On::Key, code::INVALID_VALUE, message).help("make an entry of its own");
        } else if entry.is_empty() {
            out.error(&place, On::Value, code::INVALID_VALUE, "an entry of `consts` holds one constant");
        }
        for (name, value) in entry {
            let place = place.key(name);
            if seen.contains(&name.as_str()) {
                out.error(&place, On::Key, code::INVALID_VALUE, format!("the constant `{name}` is there already"));
            }
            seen.push(name);
            // Infinite and undefined numbers arrive as the largest one.
            if value.as_f64() == Some(f64::MAX) {
                out.error(&place, On::Key, code::INVALID_VALUE, format!("`{name}` must be a finite number"));
            }
        }
    }
}

/// Variables that the runner itself sets.
const MANAGED: &[&str] = &[
    "DAG_NAME",
    "DAG_RUN_ID",
    "DAG_RUN_LOG_FILE",
    "DAG_RUN_STEP_NAME",
    "DAG_RUN_STEP_STDOUT_FILE",
    "DAG_RUN_STEP_STDERR_FILE",
    "DAG_RUN_STATUS",
    "DAG_DOCS_DIR",
    "DAG_WIKI_DIR",
    "DAG_PARAMS_JSON",
    "DAG_RUN_WORK_DIR",
    "DAG_RUN_ARTIFACTS_DIR",
    "DAG_PUSHBACK",
    "DAG_PUSHBACK_ITERATION",
    "DAG_PUSHBACK_PREVIOUS_STDOUT_FILE",
];

fn secrets(value: &Value, path: &Path, out: &mut Faults) {
    let mut seen: Vec<(&str, usize)> = Vec::new();
    for (index, secret) in value.as_array().into_iter().flatten().enumerate() {
        let Value::Object(secret) = secret else { continue };
        let path = path.index(index);
        if let Some(name) = secret.get("name").and_then(Value::as_str) {
            let place = path.key("name");
            if name.starts_with("DAGU_") || MANAGED.contains(&name) {
                let message = format!("`{name}` is set by the runner and cannot name a secret");
                out.error(&place, On::Value, code::INVALID_VALUE, message);
            } else if seen.iter().any(|(other, _)| *other == name) {
                out.error(&place, On::Value, code::INVALID_VALUE, format!("the secret `{name}` is there already"));
            }
            seen.push((name, index));
        }
        let set = |key: &str| {
            secret.get(key).is_some_and(|value| {
                !value.is_null() && value.as_str() != Some("") && value.as_object().is_none_or(|map| !map.is_empty())
            })
        };
        if set("ref") {
            if let Some(other) = ["provider", "key", "options"].into_iter().find(|key| set(key)) {
                let message = format!("`{other}` cannot stand beside `ref`");
                let fault = out.error(&path.key(other), On::Key, code::CONFLICTING_FIELDS, message);
                fault.related(&path.key("ref"), "the secret is named here");
            }
        } else if !set("provider") && !set("key") {
            let message = "a secret needs `ref`, or `provider` and `key`";
            out.error(&path, On::Missing, code::MISSING_FIELD, message);
        } else if let Some(missing) = ["provider", "key"].into_iter().find(|key| !set(key)) {
            let held = if missing == "key" { "provider" } else { "key" };
            let message = format!("`{held}` of a secret needs `{missing}` beside it");
            out.error(&path.key(held), On::Key, code::MISSING_FIELD, message);
        }
    }
}

fn tools(value: &Value, path: &Path, out: &mut Faults) {
    let packages_path = path.key("packages");
    let (packages, path, map) = match value {
        Value::Object(map) => (map.get("packages"), packages_path, Some(map)),
        list => (Some(list), *path, None),
    };
    if map.is_none() && packages.and_then(Value::as_array).is_some_and(Vec::is_empty) {
        out.error(&path, On::Key, code::INVALID_VALUE, "`tools` must not be an empty list");
    }
    if let Some(Value::Object(registry)) = map.and_then(|map| map.get("registry"))
        && registry.get("type").and_then(Value::as_str).map(str::trim) == Some("github_content")
    {
        let blank = |value: Option<&Value>| {
            value.is_none_or(|value| value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty()))
        };
        let missing: Vec<&str> =
            ["repo_owner", "repo_name", "ref", "path"].into_iter().filter(|key| blank(registry.get(*key))).collect();
        if !missing.is_empty() {
            let root = Path::ROOT;
            let tools = root.key("tools");
            let message = format!("a registry of type `github_content` needs {}", words::list(missing, "and"));
            out.error(&tools.key("registry"), On::Missing, code::MISSING_FIELD, message);
        }
    }
    let mut commands: Vec<&str> = Vec::new();
    for (index, package) in packages.and_then(Value::as_array).into_iter().flatten().enumerate() {
        let place = path.index(index);
        match package {
            Value::String(text)
                if text.trim().split_once('@').is_some_and(|(_, rest)| rest.split('#').next() == Some("latest")) =>
            {
                let message = "`latest` is no version: name the one you mean";
                out.error(&place, On::Value, code::INVALID_VALUE, message);
            }
            Value::Object(map) => {
                if map.get("version").and_then(Value::as_str).map(str::trim) == Some("latest") {
                    let message = "`latest` is no version: name the one you mean";
                    out.error(&place.key("version"), On::Value, code::INVALID_VALUE, message);
                }
                let list_path = place.key("commands");
                for (index, command) in map.get("commands").and_then(Value::as_array).into_iter().flatten().enumerate()
                {
                    let Some(text) = command.as_str() else { continue };
                    let text = text.trim();
                    let fits =
                        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c));
                    let problem = if !fits {
                        format!("`{text}` is not the bare name of a command")
                    } else if commands.contains(&text) {
                        format!("the command `{text}` is there already")
                    } else {
                        commands.push(text);
                        continue;
                    };
                    out.error(&list_path.index(index), On::Value, code::INVALID_VALUE, problem);
                }
            }
            _ => {} // Said by the schema.
        }
    }
}

fn smtp(value: &Value, path: &Path, out: &mut Faults) {
    let Some(Value::Object(oauth)) = value.get("oauth") else { return };
    let filled = |map: &Value, key: &str| {
        map.get(key).is_some_and(|value| !value.is_null() && value.as_str().is_none_or(|text| !text.trim().is_empty()))
    };
    let oauth_path = path.key("oauth");
    if filled(value, "password") {
        let message = "`password` cannot stand beside `oauth`";
        let fault = out.error(&path.key("password"), On::Key, code::CONFLICTING_FIELDS, message);
        fault.related(&oauth_path, "the account signs in this way");
    }
    if !filled(value, "username") {
        out.error(&oauth_path, On::Key, code::MISSING_FIELD, "`oauth` needs `username` beside it");
    }
    let wanted: &[&str] = match oauth.get("provider").and_then(Value::as_str).map(str::trim) {
        Some("microsoft") => &["tenant_id", "client_id", "client_secret"],
        Some("google_service_account") => &["service_account_json"],
        Some("google_refresh") => &["client_id", "client_secret", "refresh_token"],
        _ => return,
    };
    let provider = oauth.get("provider").and_then(Value::as_str).unwrap_or_default().trim();
    let whole = Value::Object(oauth.clone());
    for key in ["tenant_id", "client_id", "client_secret", "service_account_json", "refresh_token"] {
        match (wanted.contains(&key), filled(&whole, key)) {
            (true, false) => {
                let message = format!("`provider: {provider}` needs `{key}`");
                out.error(&oauth_path, On::Missing, code::MISSING_FIELD, message);
            }
            (false, true) => {
                let message = format!("`{key}` does not belong to `provider: {provider}`");
                out.error(&oauth_path.key(key), On::Key, code::CONFLICTING_FIELDS, message);
            }
            _ => {}
        }
    }
}

fn resources(value: &Value, path: &Path, out: &mut Faults) {
    let Some(Value::Object(limits)) = value.get("limits") else { return };
    let path = path.key("limits");
    let text = |key: &str| limits.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    if let Some(cpu) = text("cpu") {
        let zero = cpu.trim_end_matches('m').parse::<f64>() == Ok(0.0);
        if zero {
            out.error(&path.key("cpu"), On::Value, code::INVALID_VALUE, "`cpu` must be above zero");
        }
    }
    if let Some(memory) = text("memory")
        && bytes(memory).is_some_and(|bytes| !(1.0..i64::MAX as f64).contains(&bytes))
    {
        let message = "`memory` must be one byte or more, within 64 bits";
        out.error(&path.key("memory"), On::Value, code::INVALID_VALUE, message);
    }
}

/// A size in bytes; `None` when it is malformed, which the schema says.
fn bytes(text: &str) -> Option<f64> {
    let split = text.char_indices().find(|&(at, c)| {
        let exponent = (c == 'e' || c == 'E') && text[at + 1..].starts_with(|next: char| next.is_ascii_digit());
        let in_exponent = c.is_ascii_digit() || c == '.' || exponent;
        !in_exponent
    });
    let (number, unit) = text.split_at(split.map_or(text.len(), |(at, _)| at));
    let number: f64 = number.parse().ok()?;
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.trim_end_matches('b');
    let (letter, binary) = match unit.strip_suffix('i') {
        Some(letter) => (letter, true),
        None => (unit, false),
    };
    let power = match letter {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        "e" => 6,
        _ => return None,
    };
    Some(number * if binary { 1024_f64 } else { 1000_f64 }.powi(power))
}

fn webhook(value: &Value, path: &Path, out: &mut Faults) {
    let path = path.key("forward_headers");
    for (index, header) in value.get("forward_headers").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let Some(name) = header.as_str().map(str::trim) else { continue };
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let problem = if name.is_empty() {
            "a header needs a name".to_owned()
        } else if !name.chars().all(token) {
            format!("`{name}` is not the name of a header")
        } else if matches!(name.to_ascii_lowercase().as_str(), "authorization" | "x-dagu-profile") {
            format!("`{name}` is never forwarded")
        } else {
            continue;
        };
        out.error(&path.index(index), On::Value, code::INVALID_VALUE, problem);
    }
}

/// Agent workflows need a model, tasks and steps; their keys mean nothing elsewhere.
fn agent(map: &Map<String, Value>, workflow_type: WorkflowType, out: &mut Faults) {
    let root = Path::ROOT;
    let tasks = map.get("tasks").and_then(Value::as_array).filter(|tasks| !tasks.is_empty());
    let llm = map.get("llm").and_then(Value::as_object);
    if workflow_type != WorkflowType::Agent {
        if tasks.is_some() {
            let fault = out.error(&root.key("tasks"), On::Key, code::UNSUPPORTED_FIELD, "`tasks` needs `type: agent`");
            fault.help("add `type: agent`, or remove the tasks");
        }
        let llm_path = root.key("llm");
        for key in ["max_context_tokens", "observation_max_bytes", "observation_keep_recent"] {
            if llm.is_some_and(|llm| llm.get(key).is_some_and(|value| !value.is_null())) {
                let message = format!("`{key}` needs `type: agent`");
                out.error(&llm_path.key(key), On::Key, code::UNSUPPORTED_FIELD, message);
            }
        }
        return;
    }
    let type_path = root.key("type");
    match llm {
        None => {
            out.error(&type_path, On::Key, code::MISSING_FIELD, "`type: agent` needs `llm`");
        }
        Some(llm) => {
            for key in ["provider", "model"] {
                let filled = llm.get(key).is_some_and(|value| !value.is_null() && value.as_str() != Some(""));
                let by_list = key == "provider" && llm.get("model").is_some_and(Value::is_array);
                if !filled && !by_list {
                    let message = format!("the `llm` of an agent needs `{key}`");
                    out.error(&root.key("llm"), On::Missing, code::MISSING_FIELD, message);
                }
            }
        }
    }
    let Some(tasks) = tasks else {
        out.error(&type_path, On::Key, code::MISSING_FIELD, "`type: agent` needs at least one task under `tasks`");
        return;
    };
    let path = root.key("tasks");
    let mut seen: Vec<&str> = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        if let Some(name) = task.get("name").and_then(Value::as_str).map(str::trim).filter(|name| !name.is_empty()) {
            if seen.contains(&name) {
                let place = path.index(index);
                let message = format!("the task `{name}` is there already");
                out.error(&place.key("name"), On::Value, code::INVALID_VALUE, message);
            }
            seen.push(name);
        }
    }
}
