//! A container, at the root or of one step. It is decoded loosely: nearly every scalar becomes text.

use serde_json::{Map, Value};

use super::fault::{Faults, On, Path, code};
use super::node::{self, Shape};
use super::{env, words};
use crate::diagnostic::nearest;

const CONTAINER: Shape = Shape::new("container", "container");

/// Keys of a container that is made from an image; they mean nothing for one that runs already.
const IMAGE_ONLY: &[&str] = &[
    "name",
    "pull_policy",
    "volumes",
    "ports",
    "platform",
    "network",
    "keep_container",
    "startup",
    "command",
    "wait_for",
    "log_pattern",
    "restart_policy",
    "healthcheck",
];

/// Checks a container in text or map form.
pub fn check(value: &Value, path: &Path, out: &mut Faults) {
    let start = out.len();
    let read = node::check(CONTAINER, value, path, out);
    let Some(map) = read.map() else { return };
    target(map, path, out);
    for (key, value) in map {
        let path = path.key(key);
        match key.as_str() {
            "env" => env::check(value, &path, out),
            "shell" | "volumes" | "ports" | "command" => list_form(key, value, &path, out),
            "pull_policy" => pull_policy(value, &path, out),
            "keep_container" => keep_container(value, &path, out),
            "healthcheck" => healthcheck(value, &path, out),
            "startup" => unchecked_word(key, value, &["keepalive", "entrypoint", "command"], &path, out),
            "wait_for" => unchecked_word(key, value, &["running", "healthy"], &path, out),
            _ => {}
        }
    }
    read.relocate(path, out.since(start));
}

fn target(map: &Map<String, Value>, path: &Path, out: &mut Faults) {
    let filled = |key: &str| map.get(key).is_some_and(|value| !value.is_null() && value.as_str() != Some(""));
    match (filled("exec"), filled("image")) {
        (true, true) => {
            let fault = out.error(
                &path.key("image"),
                On::Key,
                code::CONFLICTING_FIELDS,
                "`image` cannot stand beside `exec`: a running container has its image already",
            );
            fault.related(&path.key("exec"), "the running container is named here");
        }
        (false, false) => {
            let message = "a container needs `image` to start one, or `exec` to use a running one";
            let (path, on) = match (map.get("exec"), map.get("image")) {
                (Some(_), _) => (path.key("exec"), On::Value),
                (_, Some(_)) => (path.key("image"), On::Value),
                _ => (*path, On::Missing),
            };
            out.error(&path, on, code::MISSING_FIELD, message);
        }
        (true, false) => {
            for key in IMAGE_ONLY {
                let Some(value) = map.get(*key) else { continue };
                let holds = match value {
                    Value::Null => false,
                    Value::Bool(word) => *word,
                    Value::String(text) => !text.is_empty(),
                    Value::Array(items) => !items.is_empty(),
                    Value::Object(members) => !members.is_empty() || *key == "healthcheck",
                    Value::Number(number) => *key != "keep_container" || number.as_f64() != Some(0.0),
                };
                if holds || (*key == "pull_policy" && !value.is_null()) {
                    let message = format!("`{key}` has no meaning for a container that runs already");
                    let fault = out.error(&path.key(key), On::Key, code::CONFLICTING_FIELDS, message);
                    fault.help("remove it, or name an `image` in place of `exec`");
                    fault.related(&path.key("exec"), "the running container is named here");
                }
            }
        }
        (false, true) => {}
    }
}

fn list_form(key: &str, value: &Value, path: &Path, out: &mut Faults) {
    if value.as_object().is_some_and(|map| !map.is_empty()) {
        let message = format!("`{key}` must be a list of text, not a map");
        let fault = out.error(path, On::Key, code::WRONG_TYPE, message);
        if key != "shell" {
            fault.help("in braces an entry such as `8080:80` reads as a map; put it in quotes");
        }
    }
}

fn pull_policy(value: &Value, path: &Path, out: &mut Faults) {
    const WORDS: [&str; 4] = ["always", "missing", "never", "fallback"];
    let Some(text) = value.as_str() else { return };
    if text.is_empty() || WORDS.contains(&text) || go_boolean(text) {
        return;
    }
    let message = format!("`pull_policy` must be one of {}, not {}", words::list(WORDS, "or"), words::plain(value));
    let fault = out.error(path, On::Value, code::INVALID_VALUE, message);
    if let Some(near) = nearest(text, WORDS) {
        fault.help(format!("did you mean `{near}`?"));
    }
}

fn keep_container(value: &Value, path: &Path, out: &mut Faults) {
    if value.as_str().is_some_and(|text| !text.is_empty() && !go_boolean(text)) {
        let message = format!("`keep_container` must be a boolean, not {}", words::plain(value));
        out.error(path, On::Value, code::INVALID_VALUE, message).help("write `true` or `false`");
    }
}

/// The texts that Go's parser takes for a boolean.
fn go_boolean(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True" | "0" | "f" | "F" | "false" | "FALSE" | "False")
}

fn healthcheck(value: &Value, path: &Path, out: &mut Faults) {
    let Value::Object(map) = value else { return };
    let test_path = path.key("test");
    let test: Vec<&Value> = match map.get("test") {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(single) => vec![single],
        None => return,
    };
    let form = "it starts with `CMD` or `CMD-SHELL` and what to run, or is `NONE` alone";
    match (test.first().and_then(|first| first.as_str()), test.len()) {
        (Some("NONE"), 1) | (Some("CMD" | "CMD-SHELL"), 2..) => {}
        (Some("NONE"), _) => {
            out.error(&test_path, On::Key, code::INVALID_VALUE, "`NONE` stands alone in a health check").help(form);
        }
        (Some(word @ ("CMD" | "CMD-SHELL")), _) => {
            let message = format!("`{word}` needs a command after it");
            out.error(&test_path, On::Key, code::INVALID_VALUE, message).help(form);
        }
        (_, 0) => {} // Said by the schema.
        _ => {
            out.error(&test_path, On::Key, code::INVALID_VALUE, "`test` does not say how to run it").help(form);
        }
    }
    for key in ["interval", "timeout", "start_period"] {
        let zero = match map.get(key) {
            Some(Value::Number(number)) => number.as_f64() == Some(0.0),
            Some(Value::Bool(word)) => !word,
            _ => true,
        };
        if !zero {
            let message = format!("`{key}` must be a duration such as `30s`, not {}", words::plain(&map[key]));
            out.error(&path.key(key), On::Value, code::WRONG_TYPE, message);
        }
    }
    if let Some(text) = map.get("retries").and_then(Value::as_str)
        && !text.is_empty()
        && !text.bytes().all(|byte| byte.is_ascii_digit())
    {
        let message = format!("`retries` must be a whole number, not {}", words::plain(&map["retries"]));
        out.error(&path.key("retries"), On::Value, code::INVALID_VALUE, message);
    }
}

/// Words that nothing checks before the run, and that then fail.
fn unchecked_word(key: &str, value: &Value, known: &[&str], path: &Path, out: &mut Faults) {
    let Some(text) = value.as_str().filter(|text| !text.trim().is_empty() && !text.contains('$')) else { return };
    if known.contains(&text) {
        return;
    }
    let message = format!("`{key}` must be one of {}, not `{text}`", words::list(known.iter().copied(), "or"));
    let fault = out.error(path, On::Value, code::FAILS_IN_RUN, message);
    fault.warning();
    if let Some(near) = nearest(text, known.iter().copied()) {
        fault.help(format!("did you mean `{near}`?"));
    }
}
