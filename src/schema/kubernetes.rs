//! Rules of `kubernetes.run` that need more than one key at a time.

use serde_json::{Map, Value};

use super::fault::{Faults, On, Path, code};
use super::node::{self, Shape};
use super::{formats, words};

const DEFAULTS: Shape = Shape::new("with.kubernetes.run", "action:kubernetes.run.with");

/// Checks the input of a step, with the image that root defaults may bring.
pub fn check(map: &Map<String, Value>, root: Option<&Map<String, Value>>, path: &Path, out: &mut Faults) {
    if !map.contains_key("image") && !root.is_some_and(|root| root.contains_key("image")) {
        let fault = out.error(path, On::Missing, code::MISSING_FIELD, "`kubernetes.run` needs `image`");
        fault.help("set it here, or for all steps under root `kubernetes`");
    }
    rules(map, path, out);
    if let Some(root) = root {
        // Texts in root defaults are looked at only once a step inherits them.
        let base = Path::ROOT;
        let base = base.key("kubernetes");
        node::check(DEFAULTS, &Value::Object(root.clone()), &base, out);
        rules(root, &base, out);
    }
}

fn rules(map: &Map<String, Value>, path: &Path, out: &mut Faults) {
    for (key, value) in map {
        let path = path.key(key);
        match key.as_str() {
            "env" => env(value, &path, out),
            "env_from" => each(value, &path, |item, path| {
                exactly_one(item, &["config_map_ref", "secret_ref"], path, out);
            }),
            "resources" => {
                for part in ["requests", "limits"] {
                    quantities(value.get(part), &path.key(part), out);
                }
            }
            "volumes" => each(value, &path, |item, path| {
                let sources = ["empty_dir", "host_path", "config_map", "secret", "persistent_volume_claim"];
                exactly_one(item, &sources, path, out);
            }),
            "security_context" | "pod_security_context" => {
                if let Some(Value::Object(profile)) = value.get("seccomp_profile") {
                    seccomp(profile, &path.key("seccomp_profile"), out);
                }
            }
            "affinity" => affinity(value, &path, out),
            "pod_failure_policy" => {
                if let Some(rules) = value.get("rules") {
                    each(rules, &path.key("rules"), |rule, path| failure_rule(rule, path, out));
                }
            }
            _ => {}
        }
    }
}

fn each(value: &Value, path: &Path, mut then: impl FnMut(&Map<String, Value>, &Path)) {
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        if let Value::Object(item) = item {
            then(item, &path.index(index));
        }
    }
}

fn exactly_one(map: &Map<String, Value>, keys: &[&str], path: &Path, out: &mut Faults) {
    let mut held = keys.iter().filter(|key| map.contains_key(**key));
    match (held.next(), held.next()) {
        (None, _) => {
            let message = format!("one of {} is needed here", words::list(keys.iter().copied(), "and"));
            out.error(path, On::Missing, code::MISSING_FIELD, message);
        }
        (Some(first), Some(second)) => {
            let message = format!("`{second}` cannot stand beside `{first}`");
            let fault = out.error(&path.key(second), On::Key, code::CONFLICTING_FIELDS, message);
            fault.related(&path.key(first), "the other one");
        }
        _ => {}
    }
}

fn env(value: &Value, path: &Path, out: &mut Faults) {
    if value.as_object().is_some_and(|map| !map.is_empty()) {
        let fault = out.error(path, On::Key, code::WRONG_TYPE, "`env` must be a list here, not a map");
        fault.help("write `- name: …` and `value: …` for each variable");
    }
    each(value, path, |item, path| {
        if item.contains_key("value") && item.contains_key("value_from") {
            let message = "`value_from` cannot stand beside `value`";
            let fault = out.error(&path.key("value_from"), On::Key, code::CONFLICTING_FIELDS, message);
            fault.related(&path.key("value"), "the value is given here");
        }
        if let Some(Value::Object(from)) = item.get("value_from") {
            exactly_one(from, &["secret_key_ref", "config_map_key_ref", "field_ref"], &path.key("value_from"), out);
        }
    });
}

fn quantities(value: Option<&Value>, path: &Path, out: &mut Faults) {
    for (name, value) in value.and_then(Value::as_object).into_iter().flatten() {
        if value.as_str().is_some_and(|text| !formats::quantity(text)) {
            let message =
                format!("`{name}` must be a Kubernetes quantity such as `500m` or `1Gi`, not {}", words::plain(value));
            out.error(&path.key(name), On::Value, code::INVALID_VALUE, message);
        }
    }
}

fn seccomp(profile: &Map<String, Value>, path: &Path, out: &mut Faults) {
    let local = profile.get("type").and_then(Value::as_str) == Some("Localhost");
    match (local, profile.contains_key("localhost_profile")) {
        (true, false) => {
            let message = "`type: Localhost` needs `localhost_profile`";
            out.error(&path.key("type"), On::Value, code::MISSING_FIELD, message);
        }
        (false, true) => {
            let message = "`localhost_profile` goes with `type: Localhost` only";
            out.error(&path.key("localhost_profile"), On::Key, code::CONFLICTING_FIELDS, message);
        }
        _ => {}
    }
}

/// Comparisons stand at several depths of an affinity, always under the same key.
fn affinity(value: &Value, path: &Path, out: &mut Faults) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = path.key(key);
                if key == "match_expressions" {
                    each(value, &path, |item, path| expression(item, path, out));
                } else {
                    affinity(value, &path, out);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                affinity(item, &path.index(index), out);
            }
        }
        _ => {}
    }
}

fn expression(map: &Map<String, Value>, path: &Path, out: &mut Faults) {
    let operator = map.get("operator").and_then(Value::as_str).unwrap_or_default();
    let values = map.get("values").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let values_path = path.key("values");
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let message = format!("`operator: {operator}` needs `values`");
            out.error(&path.key("operator"), On::Value, code::MISSING_FIELD, message);
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let message = format!("`values` cannot stand beside `operator: {operator}`");
            out.error(&values_path, On::Key, code::CONFLICTING_FIELDS, message);
        }
        "Gt" | "Lt" => match values {
            [Value::String(text)] if formats::int_text(text).is_some() => {}
            [_] => {
                let message = format!("`operator: {operator}` compares with a whole number in quotes");
                out.error(&values_path.index(0), On::Value, code::INVALID_VALUE, message);
            }
            _ => {
                let message = format!("`operator: {operator}` needs exactly one value");
                out.error(&path.key("operator"), On::Value, code::INVALID_VALUE, message);
            }
        },
        _ => {}
    }
}

fn failure_rule(map: &Map<String, Value>, path: &Path, out: &mut Faults) {
    exactly_one(map, &["on_exit_codes", "on_pod_conditions"], path, out);
    if let Some(Value::Object(codes)) = map.get("on_exit_codes") {
        let path = path.key("on_exit_codes");
        if codes
            .get("container_name")
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty() && text.trim().is_empty())
        {
            let message = "`container_name` must not be blank";
            out.error(&path.key("container_name"), On::Value, code::INVALID_VALUE, message);
        }
        if codes.get("operator").and_then(Value::as_str) == Some("In") {
            let values = path.key("values");
            let zero = codes
                .get("values")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .position(|v| v.as_f64() == Some(0.0));
            if let Some(index) = zero {
                let message = "0 cannot be listed with `operator: In`: it is no failure";
                out.error(&values.index(index), On::Value, code::INVALID_VALUE, message);
            }
        }
    }
}
