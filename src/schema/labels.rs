//! `labels` (older: `tags`): text, a map, or a list of both.

use serde_json::Value;

use super::fault::{Faults, On, Path, code};
use super::words;

/// Checks every label of a value in any of its forms.
pub fn check(value: &Value, path: &Path, out: &mut Faults) {
    match value {
        Value::String(text) => self::text(text, path, out),
        Value::Object(map) => self::map(map, path, out),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = path.index(index);
                match item {
                    Value::String(text) => pair(text, &path, out),
                    Value::Object(map) => self::map(map, &path, out),
                    other => {
                        let message = format!("a label must be text or a map, not {}", words::kind(other));
                        out.error(&path, On::Value, code::WRONG_TYPE, message);
                    }
                }
            }
        }
        _ => {} // Said by the schema.
    }
}

/// Commas separate labels; without a comma, spaces separate `key=value` pairs.
fn text(text: &str, path: &Path, out: &mut Faults) {
    let parts: Vec<&str> = if text.contains('=') && !text.contains(',') {
        text.split_whitespace().collect()
    } else {
        text.split(',').collect()
    };
    for part in parts {
        pair(part, path, out);
    }
}

fn pair(text: &str, path: &Path, out: &mut Faults) {
    let text = text.trim();
    if text.is_empty() {
        return;
    }
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if !label(key.trim(), value.trim(), path, On::Value, On::Value, out) {
        label_help(out);
    }
}

fn map(map: &serde_json::Map<String, Value>, path: &Path, out: &mut Faults) {
    for (key, value) in map {
        let place = path.key(key);
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Bool(word) => word.to_string(),
            other => {
                if !other.is_null() || !path.segments().is_empty() {
                    let message = format!("a label must be text, a number or a boolean, not {}", words::kind(other));
                    out.error(&place, On::Key, code::WRONG_TYPE, message);
                }
                continue;
            }
        };
        if !label(key.trim(), &text, &place, On::Key, On::Value, out) {
            label_help(out);
        }
    }
}

fn label_help(out: &mut Faults) {
    let start = out.len() - 1;
    if let [fault] = out.since(start) {
        fault.help("labels hold letters, digits, `-`, `_` and `.`, values also `/`; references are not possible");
    }
}

fn label(key: &str, value: &str, path: &Path, key_on: On, value_on: On, out: &mut Faults) -> bool {
    let starts = |text: &str| text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let holds = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    if !starts(key) || !holds(key, "_.-") {
        out.error(path, key_on, code::INVALID_VALUE, format!("`{key}` cannot be a label"));
        return false;
    }
    if key.len() > 63 {
        out.error(path, key_on, code::INVALID_VALUE, "the key of a label is at most 63 characters long");
        return false;
    }
    if !value.is_empty() && (!starts(value) || !holds(value, "_./-")) {
        out.error(path, value_on, code::INVALID_VALUE, format!("`{value}` cannot be the value of a label"));
        return false;
    }
    if value.len() > 255 {
        out.error(path, value_on, code::INVALID_VALUE, "the value of a label is at most 255 characters long");
        return false;
    }
    true
}
