//! Options of `provider: builtin`, the agent inside Dagu 2.8. It cannot run here, but its files can be checked.

use serde_json::{Map, Value};

use crate::diagnostic::nearest;
use crate::harness::coerce::{Setting, coerce};
use crate::harness::config::{Config, RESERVED};
use crate::harness::definition::list;
use crate::harness::finding::{Finding, Location};
use crate::schema::words::kind;

const KEYS: [&str; 8] = ["max_iterations", "memory", "model", "safe_mode", "skills", "soul", "tools", "web_search"];
const ALIASES: [(&str, &str); 3] =
    [("max-iterations", "max_iterations"), ("safe-mode", "safe_mode"), ("web-search", "web_search")];

/// What a value has to be.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Bool,
    /// An integer of at least this.
    Integer(i64),
    Texts,
    Fields(&'static [(&'static str, Shape)]),
    /// A list of mappings with these fields, of which the named ones are needed.
    Rules(&'static [(&'static str, Shape)], &'static [&'static str]),
}

const TOOLS: &[(&str, Shape)] = &[("enabled", Shape::Texts), ("bash_policy", Shape::Fields(BASH_POLICY))];
const BASH_POLICY: &[(&str, Shape)] = &[
    ("default_behavior", Shape::Text),
    ("deny_behavior", Shape::Text),
    (
        "rules",
        Shape::Rules(
            &[("name", Shape::Text), ("pattern", Shape::Text), ("action", Shape::Text)],
            &["pattern", "action"],
        ),
    ),
];
const MEMORY: &[(&str, Shape)] = &[("enabled", Shape::Bool)];
const WEB_SEARCH: &[(&str, Shape)] = &[
    ("enabled", Shape::Bool),
    ("max_uses", Shape::Integer(i64::MIN)),
    ("allowed_domains", Shape::Texts),
    ("blocked_domains", Shape::Texts),
    ("user_location", Shape::Fields(LOCATION)),
];
const LOCATION: &[(&str, Shape)] =
    &[("city", Shape::Text), ("region", Shape::Text), ("country", Shape::Text), ("timezone", Shape::Text)];

fn shape(key: &str) -> Option<Shape> {
    Some(match key {
        "model" | "soul" => Shape::Text,
        "max_iterations" => Shape::Integer(1),
        "safe_mode" => Shape::Bool,
        "skills" => Shape::Texts,
        "tools" => Shape::Fields(TOOLS),
        "memory" => Shape::Fields(MEMORY),
        "web_search" => Shape::Fields(WEB_SEARCH),
        _ => return None,
    })
}

/// Findings about the options beside `provider: builtin`.
pub(super) fn options(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, entry) in &config.entries {
        if RESERVED.contains(&key.as_str()) && key != "managed" {
            continue;
        }
        let name = ALIASES.iter().find(|(alias, _)| alias == key).map_or(key.as_str(), |&(_, name)| name);
        match shape(name) {
            Some(shape) => check(&entry.value, shape, &entry.at, &mut findings),
            None => {
                let message = format!("provider `builtin` has no option `{key}`; it takes {}", list(&KEYS));
                let finding = Finding::error("harness-builtin-option", entry.at.on_key(), message);
                findings.push(match nearest(key, KEYS) {
                    Some(near) => finding.meant(near),
                    None => finding,
                });
            }
        }
    }
    findings
}

fn check(value: &Value, shape: Shape, at: &Location, findings: &mut Vec<Finding>) {
    if value.is_null() || value.as_str().is_some_and(|text| text.contains('$')) {
        return; // Absent, or known only when it runs.
    }
    let setting = value.as_str().map(coerce);
    let fits = match shape {
        Shape::Text => matches!(setting, Some(Setting::Text(_))),
        Shape::Bool => value.is_boolean() || matches!(setting, Some(Setting::Bool(_))),
        Shape::Integer(least) => integer(value, setting.as_ref()).is_some_and(|int| int >= least),
        Shape::Texts => match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    check(item, Shape::Text, &at.index(index), findings);
                }
                true
            }
            _ => false,
        },
        Shape::Fields(fields) => match value {
            Value::Object(entries) => {
                check_fields(entries, fields, at, findings);
                true
            }
            _ => false,
        },
        Shape::Rules(fields, needed) => match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    rule(item, fields, needed, &at.index(index), findings);
                }
                true
            }
            _ => false,
        },
    };
    if !fits {
        let wanted = match shape {
            Shape::Text => "text",
            Shape::Bool => "true or false",
            Shape::Integer(1) => "an integer of at least 1",
            Shape::Integer(_) => "an integer",
            Shape::Texts => "a list of text",
            Shape::Fields(_) => "a mapping",
            Shape::Rules(..) => "a list of mappings",
        };
        let got = match &setting {
            Some(Setting::Text(text)) => format!("`{text}`"),
            Some(read) => format!("`{}`, which is read as a number or boolean", read.item()),
            None if value.is_number() => format!("`{value}`"),
            None => kind(value).to_owned(),
        };
        findings.push(Finding::error(
            "harness-builtin-option",
            at.clone(),
            format!("this must be {wanted}, not {got}"),
        ));
    }
}

fn check_fields(
    entries: &Map<String, Value>,
    fields: &'static [(&'static str, Shape)],
    at: &Location,
    findings: &mut Vec<Finding>,
) {
    for (key, value) in entries {
        match fields.iter().find(|(field, _)| field == key) {
            Some(&(_, shape)) => check(value, shape, &at.key(key), findings),
            None => {
                let names: Vec<&str> = fields.iter().map(|&(field, _)| field).collect();
                let message = format!("there is no field `{key}` here, only {}", list(&names));
                findings.push(Finding::error("harness-builtin-option", at.key(key).on_key(), message));
            }
        }
    }
}

fn rule(
    item: &Value,
    fields: &'static [(&'static str, Shape)],
    needed: &'static [&'static str],
    at: &Location,
    findings: &mut Vec<Finding>,
) {
    let Value::Object(entries) = item else {
        findings.push(Finding::error(
            "harness-builtin-option",
            at.clone(),
            format!("a rule must be a mapping, not {}", kind(item)),
        ));
        return;
    };
    check_fields(entries, fields, at, findings);
    for &key in needed.iter().filter(|&&key| entries.get(key).is_none_or(Value::is_null)) {
        findings.push(Finding::error("harness-builtin-option", at.lacks(key), format!("a rule needs `{key}`")));
    }
}

/// Integers, floats without a fraction, and text that holds either.
fn integer(value: &Value, setting: Option<&Setting>) -> Option<i64> {
    let float = match (value, setting) {
        (_, Some(Setting::Number(number))) => number.as_f64(),
        (Value::Number(number), _) => number.as_f64()?,
        _ => return None,
    };
    // Far beyond what any count can be, and exact in a float.
    (float.fract() == 0.0 && float.abs() < 9.0e15).then_some(float as i64)
}
