//! `preconditions`, of the workflow and of steps.

use serde_json::Value;

use super::fault::{Faults, On, Path, code};
use super::formats;

/// Text, or a list of texts and objects that each test one thing.
pub fn check(value: &Value, path: &Path, out: &mut Faults) {
    let Value::Array(items) = value else { return };
    for (index, item) in items.iter().enumerate() {
        if let Value::Object(map) = item {
            condition(map, &path.index(index), out);
        }
    }
}

fn condition(map: &serde_json::Map<String, Value>, path: &Path, out: &mut Faults) {
    // Decoding ignores letter case here.
    let get = |name: &str| map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    let filled = |name: &str| get(name).filter(|(_, value)| !value.is_null());
    match (filled("condition"), filled("eval")) {
        (Some(_), Some((key, _))) => {
            let message = "`eval` cannot stand beside `condition`";
            out.error(&path.key(key), On::Key, code::CONFLICTING_FIELDS, message).help("keep one of the two");
        }
        (None, None) if !map.is_empty() || get("condition").is_none() => {
            let message = "a condition needs `condition` or `eval`";
            out.error(path, On::Missing, code::MISSING_FIELD, message);
        }
        (None, Some((key, _))) if filled("expected").is_none() => {
            let message = "`eval` needs `expected`, the text to compare with";
            out.error(&path.key(key), On::Key, code::MISSING_FIELD, message);
        }
        _ => {}
    }
    if let Some((key, Value::String(text))) = get("expected")
        && let Some(pattern) = text.strip_prefix("re:")
        && !formats::re2(pattern)
    {
        let message = "`expected` holds a regular expression that does not compile";
        out.error(&path.key(key), On::Value, code::INVALID_VALUE, message);
    }
}
