//! `params` in its forms: text, a list, a map, an inline schema, or an external schema with values.

use serde_json::{Map, Value};

use super::fault::{Faults, On, Path, code};
use super::node::{self, Shape};
use super::{custom, foreach, formats, words};

const DEFINITION: Shape = Shape::new("param-definition", "params[]");

/// Reads the schema file or address that `params.schema` names. The error says why it cannot be read.
pub type ReadSchema<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// Checks parameters in any of their forms.
pub fn check(params: &Value, path: &Path, read: Option<ReadSchema>, out: &mut Faults) {
    let mut names = Names::default();
    match params {
        Value::String(text) => self::text(text, path, &mut names, out),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                entry(item, &path.index(index), &mut names, out);
            }
        }
        Value::Object(map) => match form(map) {
            Form::External { schema, values } => external(schema, values, path, read, out),
            Form::Inline { properties, required } => inline(properties, required, path, out),
            Form::Plain => {
                if let (Some(Value::Object(_)), Some(values @ (Value::Number(_) | Value::Bool(_)))) =
                    (map.get("schema"), map.get("values"))
                {
                    let message = format!("`values` must be a map, not {}", words::kind(values));
                    out.error(&path.key("values"), On::Value, code::WRONG_TYPE, message);
                }
                for name in map.keys().filter(|name| !name.is_empty()) {
                    names.add(name, &path.key(name), On::Key, out);
                }
            }
        },
        _ => {} // Said by the schema.
    }
}

/// What a map under `params` is.
#[derive(Debug)]
pub enum Form<'a> {
    /// `schema` beside `values`: names are in the schema.
    External { schema: &'a Value, values: Option<&'a Map<String, Value>> },
    /// `type: object` with `properties`.
    Inline { properties: &'a Value, required: Option<&'a Value> },
    /// Names and values.
    Plain,
}

/// Tells the three map forms apart.
pub fn form(map: &Map<String, Value>) -> Form<'_> {
    let only_two = map.keys().all(|key| key == "schema" || key == "values");
    let values = map.get("values");
    if only_two
        && let Some(schema) = map.get("schema")
        && values.is_none_or(Value::is_object)
    {
        let counts = match schema {
            Value::String(text) => values.is_some() || ["://", "/", "\\", "."].iter().any(|part| text.contains(part)),
            Value::Object(_) => true,
            Value::Bool(_) => values.is_some(),
            _ => false,
        };
        if counts {
            return Form::External { schema, values: values.and_then(Value::as_object) };
        }
    }
    match (map.get("type").and_then(Value::as_str), map.get("properties")) {
        (Some("object"), Some(properties)) => Form::Inline { properties, required: map.get("required") },
        _ => Form::Plain,
    }
}

#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn add(&mut self, name: &str, path: &Path, on: On, out: &mut Faults) {
        if !is_param_name(name) {
            let fault = out.error(path, on, code::INVALID_VALUE, format!("`{name}` cannot name a parameter"));
            fault.help("a name starts with a letter and holds only letters, digits and `_`");
        } else if self.0.iter().any(|other| other == name) {
            out.error(path, on, code::INVALID_VALUE, format!("the parameter `{name}` is there already"));
        } else {
            self.0.push(name.to_owned());
        }
    }
}

/// A name, or a position such as `1`.
fn is_param_name(text: &str) -> bool {
    foreach::is_name(text) || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn text(text: &str, path: &Path, names: &mut Names, out: &mut Faults) {
    if text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<Value>(text).is_ok() {
        return;
    }
    for word in words_of(text) {
        if let Some((name, _)) = word.split_once('=')
            && foreach::is_name(name)
        {
            names.add(name, path, On::Value, out);
        }
    }
}

/// Splits at spaces outside quotes and backticks.
fn words_of(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'' | '`') => {
                quote = Some(c);
                start.get_or_insert(at);
            }
            None if c.is_whitespace() => {
                if let Some(from) = start.take() {
                    words.push(&text[from..at]);
                }
            }
            None => {
                start.get_or_insert(at);
            }
        }
    }
    if let Some(from) = start {
        words.push(&text[from..]);
    }
    words
}

fn entry(item: &Value, path: &Path, names: &mut Names, out: &mut Faults) {
    match item {
        Value::String(text) => self::text(text, path, names, out),
        Value::Object(map) if map.contains_key("name") => definition(item, map, path, names, out),
        Value::Object(map) => {
            for (name, value) in map {
                let place = path.key(name);
                names.add(name, &place, On::Key, out);
                if value.is_object() {
                    let message = format!("the value of `{name}` must be a single value or a list, not a map");
                    out.error(&place, On::Key, code::WRONG_TYPE, message);
                }
            }
        }
        other => {
            let message = format!("a parameter must be text or a map, not {}", words::kind(other));
            out.error(path, On::Value, code::WRONG_TYPE, message).help("write `NAME: value`");
        }
    }
}

fn definition(item: &Value, map: &Map<String, Value>, path: &Path, names: &mut Names, out: &mut Faults) {
    let start = out.len();
    node::check(DEFINITION, item, path, out);
    if let Some(name) = map.get("name").and_then(Value::as_str)
        && is_param_name(name)
    {
        names.add(name, &path.key("name"), On::Value, out);
    }
    if map.len() == 1 {
        let message = "a definition needs more than a name";
        let fault = out.error(&path.key("name"), On::Key, code::MISSING_FIELD, message);
        fault.help("add `default`, `type`, `required` or another rule, or write `- NAME: value` for a plain parameter");
    }
    if out.len() > start {
        return; // The rules below would only repeat it.
    }
    let kind =
        map.get("type").and_then(Value::as_str).map(str::trim).filter(|kind| !kind.is_empty()).unwrap_or("string");
    let set = |key: &str| map.get(key).filter(|value| !value.is_null());
    let numeric = matches!(kind, "integer" | "number");
    for (key, fits, what) in [
        ("minimum", numeric, "numbers"),
        ("maximum", numeric, "numbers"),
        ("min_length", kind == "string", "text"),
        ("max_length", kind == "string", "text"),
        ("pattern", kind == "string", "text"),
    ] {
        if !fits && set(key).is_some() {
            let message = format!("`{key}` is for {what}, and this parameter is of type `{kind}`");
            out.error(&path.key(key), On::Key, code::CONFLICTING_FIELDS, message);
            return;
        }
    }
    for (low, high) in [("minimum", "maximum"), ("min_length", "max_length")] {
        let number = |key: &str| set(key).and_then(Value::as_f64);
        if let (Some(min), Some(max)) = (number(low), number(high))
            && min > max
        {
            let message = format!("`{high}` must not be below `{low}`, which is {min}");
            let fault = out.error(&path.key(high), On::Value, code::INVALID_VALUE, message);
            fault.related(&path.key(low), "the lower bound");
            return;
        }
    }
    if let Some(Value::Array(members)) = set("enum") {
        let enum_path = path.key("enum");
        for (index, member) in members.iter().enumerate() {
            if coerced(member, kind).is_none() {
                let message = format!("{} is not of type `{kind}`", words::plain(member));
                out.error(&enum_path.index(index), On::Value, code::INVALID_VALUE, message);
            }
        }
    }
    if let Some(default) = map.get("default")
        && let Err(reason) = default_fits(default, kind, map)
    {
        let message = format!("`default` {reason}");
        out.error(&path.key("default"), On::of(default), code::INVALID_VALUE, message);
    }
}

fn default_fits(default: &Value, kind: &str, rules: &Map<String, Value>) -> Result<(), String> {
    if default.is_object() || (kind != "string" && (default.is_null() || default.is_array())) {
        return Err(format!("must be of type `{kind}`, not {}", words::kind(default)));
    }
    let Some(value) = coerced(default, kind) else {
        return Err(format!("must be of type `{kind}`, not {}", words::plain(default)));
    };
    if default.is_array() || default.is_null() {
        return Ok(());
    }
    if let Some(Value::Array(members)) = rules.get("enum")
        && !members.is_empty()
        && !members.iter().any(|member| coerced(member, kind).is_some_and(|member| same(&member, &value)))
    {
        let known: Vec<String> = members.iter().map(words::plain).collect();
        return Err(format!("must be one of {}, not {}", known.join(", "), words::plain(default)));
    }
    let bound = |key: &str| rules.get(key).and_then(Value::as_f64);
    if let Some(number) = value.as_f64().filter(|_| kind != "string") {
        if let Some(min) = bound("minimum").filter(|min| number < *min) {
            return Err(format!("must be {min} or more, not {number}"));
        }
        if let Some(max) = bound("maximum").filter(|max| number > *max) {
            return Err(format!("must be {max} or less, not {number}"));
        }
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as f64;
        if let Some(min) = bound("min_length").filter(|min| length < *min) {
            return Err(format!("must be at least {min} characters long"));
        }
        if let Some(max) = bound("max_length").filter(|max| length > *max) {
            return Err(format!("must be at most {max} characters long"));
        }
        if let Some(pattern) = rules.get("pattern").and_then(Value::as_str)
            && regex::Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
        {
            return Err(format!("must match `{pattern}`, and {} does not", words::plain(default)));
        }
    }
    Ok(())
}

/// A value in the type of its parameter: digits in text count as numbers, `true` and `false` in text as booleans.
pub fn coerced(value: &Value, kind: &str) -> Option<Value> {
    match (kind, value) {
        ("string", Value::Number(number)) => Some(Value::from(number.to_string())),
        ("string", Value::Bool(word)) => Some(Value::from(word.to_string())),
        ("string", other) => Some(other.clone()),
        ("integer", Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Some(Value::from(whole)),
            (None, Some(float)) if float.fract() == 0.0 && float.abs() < 9.2e18 => Some(Value::from(float as i64)),
            _ => None,
        },
        ("integer", Value::String(text)) => formats::int_text(text.trim()).map(Value::from),
        ("number", Value::Number(_)) => Some(value.clone()),
        ("number", Value::String(text)) => text.trim().parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::from),
        ("boolean", Value::Bool(_)) => Some(value.clone()),
        ("boolean", Value::String(text)) => match text.trim() {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        ("integer" | "number" | "boolean", _) => None,
        _ => Some(value.clone()),
    }
}

fn same(one: &Value, other: &Value) -> bool {
    one == other || one.as_f64().zip(other.as_f64()).is_some_and(|(one, other)| one == other)
}

fn inline(properties: &Value, required: Option<&Value>, path: &Path, out: &mut Faults) {
    if let Some(required) = required.filter(|required| !required.is_null()) {
        let names =
            required.as_array().is_some_and(|names| names.iter().all(|name| name.is_string() || name.is_null()));
        if !names {
            let message = "`required` must be a list of parameter names";
            out.error(&path.key("required"), On::of(required), code::WRONG_TYPE, message);
        }
    }
    let path = path.key("properties");
    let Value::Object(properties) = properties else {
        let message = format!("`properties` must be a map of parameters, not {}", words::kind(properties));
        out.error(&path, On::of(properties), code::WRONG_TYPE, message);
        return;
    };
    for (name, property) in properties {
        let place = path.key(name);
        if !foreach::is_name(name) {
            let fault = out.error(&place, On::Key, code::INVALID_VALUE, format!("`{name}` cannot name a parameter"));
            fault.help("a name starts with a letter and holds only letters, digits and `_`");
            continue;
        }
        let Value::Object(rules) = property else {
            let message = format!("`{name}` must be a map of rules, not {}", words::kind(property));
            out.error(&place, On::of(property), code::WRONG_TYPE, message);
            continue;
        };
        let Some(default) = rules.get("default") else { continue };
        let kind = rules.get("type").and_then(Value::as_str).unwrap_or("any");
        let value = coerced(default, kind);
        let fits =
            value.is_some_and(|value| custom::compile(property).is_none_or(|validator| validator.is_valid(&value)));
        if !fits {
            let message = format!("`default` does not fit the rules of `{name}`: {}", words::plain(default));
            out.error(&place.key("default"), On::of(default), code::INVALID_VALUE, message);
        }
    }
}

fn external(
    schema: &Value,
    values: Option<&Map<String, Value>>,
    path: &Path,
    read: Option<ReadSchema>,
    out: &mut Faults,
) {
    let schema_path = path.key("schema");
    let parsed;
    let schema = match schema {
        Value::String(name) => {
            let Some(read) = read else { return };
            let text = match read(name) {
                Ok(text) => text,
                Err(reason) => {
                    let message = format!("the schema `{name}` cannot be read: {reason}");
                    out.error(&schema_path, On::Value, code::INVALID_VALUE, message);
                    return;
                }
            };
            match serde_json::from_str::<Value>(&text) {
                Ok(value @ (Value::Object(_) | Value::Bool(_))) => {
                    parsed = value;
                    &parsed
                }
                _ => {
                    let message = format!("the schema `{name}` is not a JSON Schema");
                    out.error(&schema_path, On::Value, code::INVALID_VALUE, message);
                    return;
                }
            }
        }
        other => other,
    };
    let Some(validator) = custom::compile(schema) else {
        out.error(&schema_path, On::of(schema), code::INVALID_VALUE, "`schema` is not a valid JSON Schema");
        return;
    };
    let Some(values) = values else { return };
    let mut coerced_values = Map::new();
    for (name, value) in values {
        let kind = schema.pointer(&format!("/properties/{name}/type")).and_then(Value::as_str).unwrap_or("any");
        coerced_values.insert(name.clone(), coerced(value, kind).unwrap_or_else(|| value.clone()));
    }
    let values_path = path.key("values");
    let whole = Value::Object(coerced_values);
    for error in validator.iter_errors(&whole) {
        let keyword = error.kind().keyword();
        if keyword == "required" {
            continue; // A start asks for it, or takes it from its own arguments.
        }
        let name = error.instance_path().as_str().split('/').nth(1).unwrap_or_default().to_owned();
        let (place, on) = if name.is_empty() {
            (values_path, On::Key)
        } else {
            (values_path.key(&name), values.get(&name).map_or(On::Key, On::of))
        };
        let reason = custom::reason(&error);
        out.error(&place, on, code::INVALID_VALUE, format!("the values do not fit their schema: {reason}"));
        return;
    }
}
