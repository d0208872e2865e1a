//! `schedule` in its forms: text, a list, or a map of `start`, `stop` and `restart`.

use serde_json::{Map, Value};

use super::fault::{Faults, On, Path, code};
use super::formats;

/// What an entry may hold: a point in time makes sense for a start only.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    Start,
    Other,
}

/// Checks what the schema leaves over, and remarks on uneven steps.
pub fn check(value: &Value, path: &Path, out: &mut Faults) {
    match value {
        Value::Object(map) => {
            for key in ["start", "stop", "restart"] {
                if let Some(part) = map.get(key) {
                    entries(part, if key == "start" { Use::Start } else { Use::Other }, &path.key(key), out);
                }
            }
        }
        other => entries(other, Use::Start, path, out),
    }
}

fn entries(value: &Value, used: Use, path: &Path, out: &mut Faults) {
    match value {
        Value::String(text) => uneven(text, path, out),
        Value::Object(map) => entry(map, used, path, out),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if !item.is_array() {
                    entries(item, used, &path.index(index), out);
                }
            }
        }
        _ => {}
    }
}

fn entry(map: &Map<String, Value>, used: Use, path: &Path, out: &mut Faults) {
    let filled = |key: &str| map.get(key).is_some_and(|value| value.as_str() != Some("") && !value.is_null());
    let kind = map.get("kind").and_then(Value::as_str).map(str::trim).filter(|kind| !kind.is_empty());
    match (filled("expression"), filled("at")) {
        (true, true) => {
            let message = "`at` cannot stand beside `expression`";
            out.error(&path.key("at"), On::Key, code::CONFLICTING_FIELDS, message).help("make two entries of them");
        }
        (false, false) if used == Use::Start || map.contains_key("expression") => {
            let message = "an entry of the schedule needs `expression` or `at`";
            out.error(path, On::Missing, code::MISSING_FIELD, message);
        }
        (true, false) if kind == Some("at") => {
            let message = "`kind: at` does not fit an entry with `expression`";
            out.error(&path.key("kind"), On::Value, code::CONFLICTING_FIELDS, message);
        }
        (false, true) if kind == Some("cron") => {
            let message = "`kind: cron` does not fit an entry with `at`";
            out.error(&path.key("kind"), On::Value, code::CONFLICTING_FIELDS, message);
        }
        _ => {}
    }
    if let Some(text) = map.get("expression").and_then(Value::as_str) {
        uneven(text, &path.key("expression"), out);
    }
}

fn uneven(text: &str, path: &Path, out: &mut Faults) {
    if formats::cron(text).is_ok()
        && let Some(remark) = formats::uneven_step(text)
    {
        out.error(path, On::Value, code::UNEVEN_SCHEDULE, remark).warning();
    }
}
