//! Nouns and phrases for messages: what a field takes, and what was found.

use serde_json::Value;

use super::fault::Segment;
use super::fields::Field;
use super::generate::{action_of, takes_null};

/// The kind of a value as a phrase.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number with a point",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// What a field takes, as a phrase: `text or a list`. With `of_list`, what an item of it takes.
pub fn types(field: &Field, of_list: bool) -> String {
    let mut phrases: Vec<&str> = Vec::new();
    for name in &field.types {
        let item = name.strip_prefix("array<").map(|rest| rest.trim_end_matches('>'));
        let phrase = match (of_list, name.as_str()) {
            (true, _) if item.is_some() => phrase(item.unwrap_or_default()),
            (true, "array") => "text, a number or a boolean",
            (true, _) => continue,
            (false, "array<string>") => "a list of text",
            (false, "array<integer>") => "a list of whole numbers",
            (false, "array<object>") => "a list of maps",
            (false, "map<string>") => "a map of text values",
            (false, name) => phrase(name),
        };
        if !phrases.contains(&phrase) {
            phrases.push(phrase);
        }
    }
    if phrases.is_empty() { "a single value".to_owned() } else { join(&phrases, "or") }
}

fn phrase(name: &str) -> &str {
    match name {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "a boolean (`true` or `false`)",
        "object" => "a map",
        "array" => "a list",
        "null" => "nothing",
        other => other,
    }
}

/// Whether the YAML type of a value is one the field takes.
pub fn type_fits(value: &Value, field: &Field, of_list: bool) -> bool {
    if of_list {
        let items: Vec<&str> = field
            .types
            .iter()
            .filter_map(|name| name.strip_prefix("array<"))
            .map(|t| t.trim_end_matches('>'))
            .collect();
        return items.is_empty() || items.iter().any(|name| has_type(value, name));
    }
    if value.is_null() {
        return takes_null(field);
    }
    field.types.iter().chain(&field.also_accepts).any(|name| match name.as_str() {
        "integer" if !field.is_input() && field.float.is_none() => value.is_number(),
        name if name.starts_with("array") => value.is_array(),
        name if name.starts_with("map") => value.is_object(),
        name => has_type(value, name),
    })
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" | "float" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        _ => true,
    }
}

/// The thing at a path: its key in backticks, or the list it is an entry of.
pub fn subject(path: &[Segment]) -> String {
    match path {
        [.., Segment::Key(key)] => format!("`{key}`"),
        [.., Segment::Key(key), Segment::Index(_)] => format!("an entry of `{key}`"),
        [.., Segment::Index(_)] => "an entry".to_owned(),
        [] => "the workflow".to_owned(),
    }
}

/// What an object is called, with an article: "a step", "`retry_policy`", "the input of `http.request`".
pub fn noun(field: Option<&Field>) -> String {
    let Some(field) = field else { return "the workflow".to_owned() };
    if let Some(action) = action_of(&field.path) {
        return match action {
            "redis.<op>" => "the input of a redis action".to_owned(),
            _ => format!("the input of `{action}`"),
        };
    }
    match field.path.as_str() {
        "steps[]" => "a step",
        "harnesses.<name>" => "a harness definition",
        "actions.<name>" => "the definition of an action",
        "step_types.<name>" => "the definition of a step type",
        "secrets" | "secrets[]" => "a secret",
        "tasks" | "tasks[]" => "a task",
        "preconditions[]" => "a condition",
        "params[]" => "the definition of a parameter",
        "schedule[]" | "schedule.start" | "schedule.start[]" | "schedule.stop" | "schedule.stop[]"
        | "schedule.restart" | "schedule.restart[]" => "an entry of the schedule",
        "tools.packages[]" | "tools[]" => "a package",
        "llm.model[]" => "a model",
        "steps[].outputs" | "steps[].outputs[]" => "an output",
        "steps[].inputs" | "steps[].inputs[]" => "an input",
        "steps[].messages" | "steps[].messages[]" => "a message",
        _ => return format!("`{}`", field.name()),
    }
    .to_owned()
}

/// A wrong value for a message. Values of fields that hold secrets are not shown, long ones are shortened.
pub fn shown(value: &Value, field: &Field) -> String {
    const SECRET: [&str; 8] = ["password", "token", "secret", "passphrase", "credential", "api_key", "auth", "env"];
    if SECRET.iter().any(|word| field.path.to_lowercase().contains(word)) {
        return "this".to_owned();
    }
    plain(value)
}

/// A value for a message.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.trim().is_empty() => "blank text".to_owned(),
        Value::String(text) => {
            let line = text.lines().next().unwrap_or_default();
            let cut: String = line.chars().take(60).collect();
            if cut.len() < text.len() { format!("`{cut}…`") } else { format!("`{cut}`") }
        }
        Value::Number(number) => number.to_string(),
        Value::Bool(word) => format!("`{word}`"),
        other => kind(other).to_owned(),
    }
}

/// `a`, `b` or `c`, each in backticks.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    join(&names.iter().map(String::as_str).collect::<Vec<_>>(), last)
}

fn join(names: &[&str], last: &str) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// The sentence with a small first letter, unless it starts with a name in capitals.
pub fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

/// What a format asks for.
pub fn format(field: &Field) -> Option<&'static str> {
    Some(match field.format.as_deref()? {
        "go-duration" if field.positive => "a duration above zero such as `30s` or `1h30m`",
        "go-duration" => "a duration such as `30s` or `1h30m`",
        "go-duration+d" => "a duration above zero such as `6h` or `1d`",
        "rfc3339" => "a time with an offset, such as `2031-01-02T03:04:00Z`",
        "int-text" => "a whole number",
        "int-text-or-ref" => "a whole number or a reference",
        "regex" => "a regular expression that compiles",
        "url" => "an `http` or `https` address with a literal host",
        "quantity" => "a Kubernetes quantity such as `500m` or `1Gi`",
        _ => return None,
    })
}

/// What a pattern of the table asks for: "starts with a letter …".
pub fn pattern(pattern: &str) -> Option<&'static str> {
    Some(match pattern {
        "^[A-Za-z][A-Za-z0-9_]*$" => "starts with a letter and holds only letters, digits and `_`",
        "^[A-Za-z_][A-Za-z0-9_]*$" => "starts with a letter or `_` and holds only letters, digits and `_`",
        "^([A-Za-z][A-Za-z0-9_]*|[0-9]+)$" => {
            "starts with a letter and holds only letters, digits and `_`, or is a position such as `1`"
        }
        "^[a-zA-Z0-9_.-]+$" => "holds only letters, digits, `-`, `_` and `.`",
        "^[A-Za-z][A-Za-z0-9_-]*(\\.[A-Za-z][A-Za-z0-9_-]*)*$" => {
            "is made of words joined by `.`, each starting with a letter and holding letters, digits, `_` and `-`"
        }
        "^[A-Za-z][A-Za-z0-9_-]*$" => "starts with a letter and holds only letters, digits, `_` and `-`",
        "^(0o|0O)?[0-7]{3,4}$" => "is an octal mode in quotes such as \"0644\"",
        "^[a-z0-9][a-z0-9._-]*$" => "starts with a small letter or digit and holds only those, `.`, `_` and `-`",
        "^[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)*$" => {
            "is made of small letters, digits and `-`, with `/` between parts"
        }
        "^(-?[0-9]+|\\$\\{[^{}]+\\})$" => {
            "is a whole number, or one reference such as `${params.version}` and nothing else"
        }
        "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:00(Z|[+-]\\d{2}:\\d{2})$" => {
            "is a full minute with an offset, such as `2031-01-02T03:04:00Z`"
        }
        "^[^@]+@[^@#]+(#sha256:[0-9a-f]{64})?$" => "reads `owner/name@version`",
        "^sha256:[0-9a-fA-F]{64}$" => "reads `sha256:` and 64 hexadecimal digits",
        "^([0-9]+m|[0-9]+(\\.[0-9]{1,3})?)$" => "is a number of cores such as `\"2\"`, `\"0.5\"` or `500m`",
        "^([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][0-9]+)?\\s*([KkMmGgTtPpEe][Ii]?[Bb]?|[Bb])?$" => {
            "is a size such as `512Mi` or `2G`"
        }
        "^\\$\\{(consts|params|env|steps|foreach|context)\\.[^{}]+\\}$" => {
            "is one reference such as `${params.template}` and nothing else"
        }
        "^[a-zA-Z0-9][a-zA-Z0-9_./-]*$" => {
            "starts with a letter or digit and holds only those, `-`, `_`, `.` and `/`, without references"
        }
        _ => return None,
    })
}
