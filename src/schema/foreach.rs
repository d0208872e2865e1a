//! `foreach`: a loop over steps of its own.

use serde_json::Value;

use super::fault::{Faults, On, Path, code};
use super::step::{self, Place, Step};

/// Checks a loop and the steps in it.
pub fn check(owner: &Step, body: &Value, out: &mut Faults) {
    let path = owner.path.key("foreach");
    let others = [
        "run",
        "action",
        "command",
        "exec",
        "script",
        "call",
        "parallel",
        "type",
        "shell",
        "container",
        "worker_selector",
    ];
    for key in others {
        if owner.get(key).is_none() {
            continue;
        }
        // Beside an action the loop is the odd one out.
        let (wrong, other) = if key == "action" { ("foreach", key) } else { (key, "foreach") };
        let place = owner.path.key(wrong);
        let message = format!("`{wrong}` cannot stand beside `{other}`");
        let fault = out.error(&place, On::Key, code::CONFLICTING_FIELDS, message);
        fault
            .help("put what is to be repeated under `foreach.steps`")
            .related(&owner.path.key(other), "the step is this");
        break;
    }
    let Value::Object(map) = body else { return };
    if let Some(name) = map.get("as").and_then(Value::as_str).map(str::trim)
        && matches!(name, "index" | "key")
    {
        let message = format!("`{name}` is always set in a loop and cannot name the item");
        out.error(&path.key("as"), On::Value, code::INVALID_VALUE, message);
    }
    if let Some(collect) = map.get("collect").and_then(Value::as_object) {
        let path = path.key("collect");
        for name in collect.keys().filter(|name| !is_name(name)) {
            let message = format!("`{name}` cannot name a collected value");
            let place = path.key(name);
            let fault = out.error(&place, On::Key, code::INVALID_VALUE, message);
            fault.help("a name starts with a letter and holds only letters, digits and `_`");
        }
    }
    if let Some(Value::Array(steps)) = map.get("steps") {
        let path = path.key("steps");
        for (index, step) in steps.iter().enumerate() {
            step::check(step, &path.index(index), owner.around, Place::Body, out);
        }
    }
}

/// A letter, then letters, digits and `_`.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Refuses path inputs and outputs where no build can use them.
pub fn no_build_paths(step: &Step, path: &Path, key: &str, out: &mut Faults) {
    let message = format!(
        "a path under `{key}` cannot be used {}",
        match step.place {
            Place::Handler => "in a handler",
            Place::Body => "in a loop",
            _ => "here",
        }
    );
    out.error(path, On::Key, code::UNSUPPORTED_FIELD, message);
}
