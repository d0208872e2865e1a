//! Where the output of a step goes and what it publishes: `stdout`, `stderr`, `output`, `outputs`, `inputs`,
//! `dependencies`.

use serde_json::{Map, Value};

use super::fault::{Faults, On, Path, code};
use super::kind::Kind;
use super::step::{Place, Step};
use super::surroundings::WorkflowType;
use super::{custom, words};

/// Checks the streams and published values of a step.
pub fn check(step: &Step, out: &mut Faults) {
    for stream in ["stdout", "stderr"] {
        if let Some(Value::Object(map)) = step.get(stream) {
            target(map, stream, &step.path.key(stream), out);
        }
    }
    same_target(step, out);
    if let Some(Value::Object(entries)) = step.get("output") {
        let path = step.path.key("output");
        for (name, entry) in entries {
            if let Value::Object(entry) = entry {
                published(entry, &path.key(name), out);
            }
        }
    }
    if let Some(schema) = step.get("output_schema") {
        custom::object_schema(schema, &step.path.key("output_schema"), "`output_schema`", out);
    }
    declared(step, "outputs", out);
    declared(step, "inputs", out);
    if let Some(dependencies) = step.get("dependencies") {
        literal_paths(dependencies, &step.path.key("dependencies"), out);
    }
    build_paths(step, out);
}

fn target(map: &Map<String, Value>, stream: &str, path: &Path, out: &mut Faults) {
    if map.is_empty() {
        let message = format!("`{stream}` must not be an empty map");
        let fault = out.error(path, On::Key, code::INVALID_VALUE, message);
        fault.help(if stream == "stdout" { "set `artifact` or `outputs`" } else { "set `artifact`" });
        return;
    }
    match map.get("artifact") {
        Some(Value::String(text)) => {
            if let Some(reason) = bad_artifact_path(text) {
                let message = format!("`artifact` must be a path below the artifact directory: {reason}");
                out.error(&path.key("artifact"), On::Value, code::INVALID_VALUE, message);
            }
        }
        Some(Value::Null) => {
            out.error(&path.key("artifact"), On::Key, code::MISSING_FIELD, "`artifact` needs a path");
        }
        _ => {}
    }
    if let Some(Value::Object(outputs)) = map.get("outputs") {
        captured(outputs, &path.key("outputs"), out);
    }
}

fn bad_artifact_path(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let bytes = text.as_bytes();
    if text.is_empty() {
        None // Said by the schema.
    } else if text.starts_with(['/', '\\']) {
        Some("it starts at the root")
    } else if text.starts_with('~') {
        Some("it starts at the home directory")
    } else if bytes.len() > 1 && bytes[1] == b':' && bytes[0].is_ascii_alphabetic() {
        Some("it names a drive")
    } else if text.split(['/', '\\']).any(|part| part == "..") {
        Some("it climbs with `..`")
    } else if text.split(['/', '\\']).all(|part| part.is_empty() || part == ".") || text.ends_with('/') {
        Some("it names no file")
    } else {
        None
    }
}

/// `stdout.outputs` in its map form.
fn captured(map: &Map<String, Value>, path: &Path, out: &mut Faults) {
    if map.values().all(Value::is_null) {
        let message = "`outputs` must hold `field`, `fields`, `decode` or `select`";
        out.error(path, On::Key, code::INVALID_VALUE, message);
        return;
    }
    let Some(fields) = map.get("fields").filter(|fields| !fields.is_null()) else { return };
    if let Some(other) = ["field", "decode", "select"].into_iter().find(|key| map.contains_key(*key)) {
        let message = format!("`fields` cannot stand beside `{other}`");
        let fault = out.error(&path.key("fields"), On::Key, code::CONFLICTING_FIELDS, message);
        fault.related(&path.key(other), "the whole output is one field here");
    }
    let Value::Object(fields) = fields else { return };
    let path = path.key("fields");
    if fields.is_empty() {
        out.error(&path, On::Key, code::INVALID_VALUE, "`fields` must not be empty");
    }
    for (name, field) in fields {
        let Value::Object(field) = field else { continue };
        let path = path.key(name);
        let others = field.keys().any(|key| key != "value");
        if field.contains_key("value") && others {
            out.error(&path.key("value"), On::Key, code::CONFLICTING_FIELDS, "`value` stands alone");
        }
        if field.is_empty() {
            out.error(&path, On::Key, code::INVALID_VALUE, "a field must say where its value comes from");
        }
    }
}

/// One entry of `output`: structured as soon as it holds one of the five words, else a literal.
fn published(entry: &Map<String, Value>, path: &Path, out: &mut Faults) {
    const WORDS: [&str; 5] = ["value", "from", "path", "decode", "select"];
    if !WORDS.iter().any(|word| entry.contains_key(*word)) {
        return;
    }
    let first = entry.keys().find(|key| WORDS.contains(&key.as_str())).map_or("value", String::as_str);
    match (entry.get("value"), entry.get("from")) {
        (Some(_), Some(_)) => {
            let message = "`from` cannot stand beside `value`";
            out.error(&path.key("from"), On::Key, code::CONFLICTING_FIELDS, message);
        }
        (None, None) => {
            let message = format!("`{first}` needs `from`, which says where the value comes from");
            out.error(&path.key(first), On::Key, code::MISSING_FIELD, message).help("add `from: stdout`");
        }
        (Some(_), None) => {
            for word in ["path", "decode", "select"] {
                if entry.contains_key(word) {
                    let message = format!("`{word}` cannot stand beside `value`");
                    out.error(&path.key(word), On::Key, code::CONFLICTING_FIELDS, message);
                }
            }
            return;
        }
        (None, Some(_)) => {}
    }
    let from = entry.get("from").and_then(Value::as_str).map(str::trim);
    let filled_path = entry.get("path").and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
    if from == Some("file") && !filled_path {
        let message = "`from: file` needs `path`";
        out.error(&path.key("from"), On::Value, code::MISSING_FIELD, message);
    } else if from.is_some_and(|from| from != "file") && entry.contains_key("path") {
        let message = "`path` goes with `from: file` only";
        out.error(&path.key("path"), On::Key, code::CONFLICTING_FIELDS, message);
    }
    let decoded = matches!(entry.get("decode").and_then(Value::as_str).map(str::trim), Some("json" | "yaml"));
    if entry.get("select").and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty()) && !decoded {
        let message = "`select` needs `decode: json` or `decode: yaml`";
        out.error(&path.key("select"), On::Key, code::MISSING_FIELD, message).help("add `decode: json`");
    }
}

fn same_target(step: &Step, out: &mut Faults) {
    let place = |stream: &str| match step.get(stream) {
        Some(Value::String(file)) => Some(("file", file.trim())),
        Some(Value::Object(map)) => Some(("artifact", map.get("artifact")?.as_str()?.trim())),
        _ => None,
    };
    if let (Some(one), Some(other)) = (place("stdout"), place("stderr"))
        && one == other
        && !one.1.is_empty()
    {
        let message = format!("`stdout` and `stderr` both go to `{}`", one.1);
        let fault = out.error(&step.path.key("stderr"), On::Key, code::CONFLICTING_FIELDS, message);
        fault.help("set `log_output: merged` to have both in one place").related(&step.path.key("stdout"), "also here");
    }
}

/// `outputs` and `inputs`: lists of names, which need a step id to be told by.
fn declared(step: &Step, key: &str, out: &mut Faults) {
    let Some(Value::Array(entries)) = step.get(key) else { return };
    let path = step.path.key(key);
    if step.text("id").is_none_or(|id| id.trim().is_empty()) {
        let message = format!("`{key}` needs the step to have an `id`");
        out.error(&path, On::Key, code::MISSING_FIELD, message).help("add `id`");
    }
    let mut seen: Vec<(&str, usize)> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let entry_path = path.index(index);
        if let Some(name) = entry.get("name").and_then(Value::as_str).map(str::trim) {
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == name) {
                let message = format!("`{name}` is declared twice");
                let fault = out.error(&entry_path.key("name"), On::Value, code::INVALID_VALUE, message);
                fault.related(&path.index(*first).key("name"), "it is declared here already");
            }
            seen.push((name, index));
        }
        if entry.get("type").is_some() && entry.get("path").is_some() {
            let message = "`type` cannot stand beside `path`: a path output is a file";
            out.error(&entry_path.key("type"), On::Key, code::CONFLICTING_FIELDS, message);
        }
    }
}

fn literal_paths(value: &Value, path: &Path, out: &mut Faults) {
    let check = |value: &Value, path: &Path, out: &mut Faults| {
        let Some(text) = value.as_str() else { return };
        if text.trim().is_empty() {
            // The text form is said by the schema.
            if path.segments().last().is_some_and(|last| matches!(last, super::fault::Segment::Index(_))) {
                out.error(path, On::Value, code::INVALID_VALUE, "a dependency must not be blank");
            }
        } else if let Some(reference) = scoped_reference(text, None) {
            let message = format!("a dependency must be a literal path, and `{reference}` is a reference");
            out.error(path, On::Value, code::INVALID_VALUE, message);
        }
    };
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check(item, &path.index(index), out);
            }
        }
        single => check(single, path, out),
    }
}

/// The first `${name.…}` in a text, of any scope or of the given ones.
pub fn scoped_reference<'t>(text: &'t str, scopes: Option<&[&str]>) -> Option<&'t str> {
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let body = &rest[start + 2..];
        let end = body.find('}')?;
        let (scope, dotted) = body[..end].split_once('.').map_or(("", false), |(scope, _)| (scope.trim(), true));
        let known = scopes.is_none_or(|scopes| scopes.contains(&scope));
        if dotted && known && super::foreach::is_name(scope) {
            return Some(&rest[start..start + 2 + end + 1]);
        }
        rest = &body[end..];
    }
    None
}

/// Path inputs and outputs: only in a workflow of `type: build`, on steps that run on the host.
fn build_paths(step: &Step, out: &mut Faults) {
    let with_path = |key: &str| -> Vec<usize> {
        let entries = step.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let has_path =
            |(index, entry): (usize, &Value)| (key == "inputs" || entry.get("path").is_some()).then_some(index);
        entries.iter().enumerate().filter_map(has_path).collect()
    };
    let (inputs, outputs) = (with_path("inputs"), with_path("outputs"));
    let build = step.around.workflow_type == WorkflowType::Build;
    if inputs.is_empty() && outputs.is_empty() {
        if build {
            build_references(step, out);
        }
        return;
    }
    let at = |key: &str, index: usize, field: &str, message: String, out: &mut Faults| {
        let list = step.path.key(key);
        let entry = list.index(index);
        out.error(&entry.key(field), On::Key, code::UNSUPPORTED_FIELD, message);
    };
    let why = match step.place {
        Place::Handler => Some("in a handler"),
        Place::Body => Some("in a loop"),
        _ if !build => Some("outside a workflow of `type: build`"),
        _ => None,
    };
    if let Some(why) = why {
        if !inputs.is_empty() {
            let message = format!("`inputs` cannot be used {why}");
            out.error(&step.path.key("inputs"), On::Key, code::UNSUPPORTED_FIELD, message);
        }
        if let Some(&index) = outputs.first() {
            at("outputs", index, "path", format!("a path output cannot be used {why}"), out);
        }
        return;
    }
    if let Some(&second) = outputs.get(1) {
        at("outputs", second, "path", "a step can have one path output only".into(), out);
    }
    let kind =
        if step.map.contains_key("run") || step.get("action").is_none() { Some(step.default_kind()) } else { None };
    if kind != Some(Kind::Command) {
        let key = ["container", "action", "type"].into_iter().find(|key| step.get(key).is_some()).unwrap_or("run");
        let on = if key == "container" { On::Key } else { On::Value };
        let message = "paths can be declared only on a command that runs on the host";
        out.error(&step.path.key(key), on, code::CONFLICTING_FIELDS, message);
    }
    for (key, indices) in [("inputs", &inputs), ("outputs", &outputs)] {
        let list = step.path.key(key);
        for &index in indices {
            let Some(text) = step.map[key].get(index).and_then(|entry| entry.get("path")).and_then(Value::as_str)
            else {
                continue;
            };
            let reference = scoped_reference(text, Some(&["steps", "inputs", "outputs"]));
            if reference.is_some() || text.contains("$(") || text.contains('`') {
                let message = format!("a path must be known before the run, not {}", words::plain(&Value::from(text)));
                let entry = list.index(index);
                out.error(&entry.key("path"), On::Value, code::INVALID_VALUE, message);
            }
        }
    }
    if !outputs.is_empty()
        && let Some(Value::Object(map)) = step.get("continue_on")
        && map.get("mark_success").is_some_and(|value| !value.is_null())
    {
        let path = step.path.key("continue_on");
        let message = "`mark_success` cannot be set on a step with a path output";
        out.error(&path.key("mark_success"), On::Key, code::CONFLICTING_FIELDS, message);
    }
    build_references(step, out);
}

/// `${inputs.…}` and `${outputs.…}` have no value yet where these fields are read.
fn build_references(step: &Step, out: &mut Faults) {
    let both: &[&str] = &["inputs", "outputs"];
    for key in ["working_dir", "stdout", "stderr", "shell", "signal_on_stop", "retry_policy", "repeat_policy", "with"] {
        let Some(value) = step.get(key) else { continue };
        let path = step.path.key(key);
        match (key, value) {
            ("with", Value::Object(map)) if step.map.contains_key("run") => {
                if let Some(shell) = map.get("shell") {
                    no_reference(shell, both, &path.key("shell"), out);
                }
            }
            ("with", _) => {}
            _ => no_reference(value, both, &path, out),
        }
    }
    if let Some(conditions) = step.get("preconditions") {
        no_reference(conditions, &["outputs"], &step.path.key("preconditions"), out);
    }
}

/// Refuses references of some scopes anywhere in a value.
pub fn no_reference(value: &Value, scopes: &[&str], path: &Path, out: &mut Faults) {
    match value {
        Value::String(text) => {
            if let Some(reference) = scoped_reference(text, Some(scopes)) {
                let message = format!("`{reference}` has no value yet where this is read");
                out.error(path, On::Value, code::INVALID_VALUE, message);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                no_reference(item, scopes, &path.index(index), out);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                no_reference(item, scopes, &path.key(key), out);
            }
        }
        _ => {}
    }
}
