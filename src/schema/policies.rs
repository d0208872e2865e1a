//! `retry_policy`, `repeat_policy` and `continue_on`: the parts no schema says.

use serde_json::Value;

use super::fault::{Faults, On, Path, code};
use super::formats;
use super::words;

/// The retry policy of the workflow: numbers may be text, and have lower bounds either way.
pub fn workflow_retry(policy: &Value, path: &Path, out: &mut Faults) {
    for (key, min) in [("limit", 0), ("interval_sec", 1), ("max_interval_sec", 1)] {
        if let Some(text) = policy.get(key).and_then(Value::as_str)
            && formats::int_text(text).is_some_and(|number| number < min)
        {
            let message = format!("`{key}` must be {min} or more, not `{text}`");
            out.error(&path.key(key), On::Value, code::INVALID_VALUE, message);
        }
    }
    backoff(policy, false, path, out);
}

/// The retry policy of a step.
pub fn retry(policy: &Value, path: &Path, out: &mut Faults) {
    backoff(policy, false, path, out);
    too_large(policy, &["limit", "interval_sec"], path, out);
}

/// The repeat policy of a step.
pub fn repeat(policy: &Value, path: &Path, out: &mut Faults) {
    backoff(policy, true, path, out);
    too_large(policy, &["limit", "interval_sec", "max_interval_sec"], path, out);
    let text = |key: &str| policy.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let codes = policy.get("exit_code").and_then(Value::as_array).is_some_and(|codes| !codes.is_empty());
    if let Some(mode) = text("repeat").filter(|mode| matches!(*mode, "while" | "until"))
        && text("condition").is_none()
        && !codes
    {
        let message = format!("`repeat: {mode}` needs a `condition` or an `exit_code` to look at");
        out.error(&path.key("repeat"), On::Value, code::MISSING_FIELD, message);
    }
}

fn too_large(policy: &Value, keys: &[&str], path: &Path, out: &mut Faults) {
    for key in keys {
        if policy.get(*key).is_some_and(|value| value.as_i64().is_none() && value.is_u64()) {
            out.error(&path.key(key), On::Value, code::INVALID_VALUE, format!("`{key}` is too large"));
        }
    }
}

/// The factor has to make pauses longer. Whole numbers are not read as numbers in a retry policy.
fn backoff(policy: &Value, whole: bool, path: &Path, out: &mut Faults) {
    let Some(value @ Value::Number(number)) = policy.get("backoff") else { return };
    let factor = number.as_f64().unwrap_or_default();
    let path = path.key("backoff");
    if !number.is_f64() && !whole {
        if factor < 0.0 {
            return;
        }
        let message = format!("`backoff` must be a boolean or a number with a point, not {number}");
        let fault = out.error(&path, On::Value, code::WRONG_TYPE, message);
        if factor > 1.0 {
            fault.help(format!("write {number}.0"));
        } else {
            fault.help("write `false` for equal pauses");
        }
        return;
    }
    if factor > 0.0 && factor <= 1.0 {
        let message = format!("`backoff` must be above 1, not {}", words::plain(value));
        out.error(&path, On::Value, code::INVALID_VALUE, message).help("write `true` to double each pause");
    }
}

/// `continue_on`: text, or a map whose `exit_code` and `output` take several forms.
pub fn continue_on(value: &Value, path: &Path, out: &mut Faults) {
    let Value::Object(map) = value else { return };
    if let Some(Value::Array(codes)) = map.get("exit_code") {
        let path = path.key("exit_code");
        for (index, item) in codes.iter().enumerate() {
            if item.as_str().is_some_and(|text| formats::int_text(text).is_none()) {
                let message = format!("an exit code must be a whole number, not {}", words::plain(item));
                out.error(&path.index(index), On::Value, code::INVALID_VALUE, message);
            } else if !item.is_number() && !item.is_string() {
                let message = format!("an exit code must be a whole number, not {}", words::kind(item));
                out.error(&path.index(index), On::Value, code::WRONG_TYPE, message);
            }
        }
    }
}
