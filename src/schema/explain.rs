//! Says in our words what the schema turned away.
//!
//! The validator finds where a value is wrong; what is allowed there is said from the table of fields, so that a
//! message never speaks of schemas and never repeats a document.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::{Map, Value};

use super::fault::{Change, Fault, Faults, On, Path, Segment, code};
use super::fields::{Field, Fields, NodeId};
use super::formats;
use super::words;
use crate::diagnostic::{Applicability, Gate, nearest};

/// Turns everything a validator has against `value` into faults. `node` is the field of `value`, `path` its place.
pub fn explain<'e>(
    errors: impl Iterator<Item = ValidationError<'e>>,
    value: &Value,
    node: NodeId,
    path: &Path,
    out: &mut Faults,
) {
    let mut told: Vec<String> = Vec::new();
    for error in errors {
        let (inner, at) = resolve(value, &error);
        let mut whole = path.segments();
        whole.extend(inner.iter().cloned());
        let place = Fields::get().follow(node, &inner);
        match error.kind() {
            Kind::AdditionalProperties { unexpected } => {
                for key in unexpected {
                    unknown_key(key, at, place, whole.clone(), out);
                }
            }
            Kind::Required { property } => {
                missing_key(property.as_str().unwrap_or_default(), place, whole, out);
            }
            Kind::PropertyNames { error } => {
                let key = error.instance().as_str().unwrap_or_default().to_owned();
                bad_key(&key, place, whole, out);
            }
            _ => {
                // Several keywords may object to one value; the first reason in the order below is the one told.
                let pointer = error.instance_path().as_str().to_owned();
                if !told.contains(&pointer) {
                    told.push(pointer);
                    bad_value(at, node, place, &inner, whole, out);
                }
            }
        }
    }
}

/// The place of an error as segments, and the value there.
fn resolve<'v>(value: &'v Value, error: &ValidationError<'_>) -> (Vec<Segment>, &'v Value) {
    let mut at = value;
    let mut segments = Vec::new();
    for part in error.instance_path().as_str().split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let next = match at {
            Value::Array(items) => part.parse().ok().and_then(|index: usize| {
                segments.push(Segment::Index(index));
                items.get(index)
            }),
            _ => {
                let next = at.get(&part);
                segments.push(Segment::Key(part));
                next
            }
        };
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    (segments, at)
}

fn unknown_key(key: &str, owner: &Value, place: Option<NodeId>, mut path: Vec<Segment>, out: &mut Faults) {
    let fields = Fields::get();
    let known: Vec<&str> = place.map(|place| fields.keys(place).map(|(key, _)| key).collect()).unwrap_or_default();
    let noun = words::noun(place.and_then(|place| fields.field(fields.shape(place))));
    path.push(Segment::Key(key.to_owned()));
    let in_step =
        place.and_then(|place| fields.field(fields.shape(place))).is_some_and(|field| field.path == "steps[]");
    let taken = owner.as_object();
    let fault = out.push(Fault::error(path, On::Key, code::UNKNOWN_FIELD, format!("unknown field `{key}` in {noun}")));
    if place == Some(super::fields::ROOT) && key.eq_ignore_ascii_case("steps") {
        // The loader does not mind; validation looks for the exact word.
        fault.gate(Gate::Validate);
    }
    let suggestion = successor(key, &known);
    match suggestion {
        Some(Successor::Rename(new)) => {
            fault.help(format!("it is spelt `{new}`"));
            if !taken.is_some_and(|taken| taken.contains_key(new)) {
                fault.fix(Change::RenameKey(new.to_owned()), Applicability::Safe);
            }
        }
        Some(Successor::Explain(text)) => {
            fault.help(text);
        }
        Some(Successor::Near(new)) => {
            fault.help(format!("did you mean `{new}`?"));
            if !taken.is_some_and(|taken| taken.contains_key(new)) {
                fault.fix(Change::RenameKey(new.to_owned()), Applicability::Unsafe);
            }
        }
        None if in_step && fields.keys(super::fields::ROOT).any(|(name, _)| name == key) => {
            fault.help(format!("`{key}` belongs at the top of the workflow, not in a step"));
        }
        None if place == Some(super::fields::ROOT)
            && fields.find("steps[]").is_some_and(|step| fields.keys(step).any(|(name, _)| name == key)) =>
        {
            fault.help(format!("`{key}` belongs in a step"));
        }
        None if known.is_empty() => {
            fault.help("it takes no fields");
        }
        None if known.len() <= 12 => {
            fault.help(format!("it takes {}", words::list(known.iter().copied(), "and")));
        }
        None => {}
    }
}

enum Successor<'a> {
    /// Certainly what was meant.
    Rename(&'a str),
    Near(&'a str),
    Explain(&'static str),
}

/// What to write for an unknown key.
fn successor<'a>(key: &str, known: &[&'a str]) -> Option<Successor<'a>> {
    let find = |name: &str| known.iter().copied().find(|known| *known == name);
    let snake = snake_case(key);
    if let Some(name) = find(&snake).filter(|_| snake != key) {
        return Some(Successor::Rename(name));
    }
    let renamed = match snake.as_str() {
        "precondition" => find("preconditions"),
        "dir" => find("working_dir"),
        "depend" => find("depends"),
        "cancel" => find("abort"),
        "working_directory" | "workdir" | "cwd" => find("working_dir"),
        "timeout" => find("timeout_sec"),
        "environment" => find("env"),
        _ => None,
    };
    if let Some(name) = renamed {
        let spelt_before = matches!(snake.as_str(), "precondition" | "dir" | "depend" | "cancel");
        return Some(if spelt_before { Successor::Rename(name) } else { Successor::Near(name) });
    }
    if known.contains(&"action") && snake == "executor" {
        return Some(Successor::Explain("write `action` with the name of the action, and its options under `with`"));
    }
    if known.contains(&"run") && matches!(snake.as_str(), "uses" | "image") {
        return Some(Successor::Explain(match snake.as_str() {
            "uses" => "write `action: NAME`, and its input under `with`",
            _ => "write `container: {image: …}`",
        }));
    }
    if known.contains(&"agent_run") || snake == "agent" {
        return Some(Successor::Explain(
            "agent steps are gone; use `action: harness.run` or a workflow of `type: agent`",
        ));
    }
    let moved = match key {
        "artifactDir" | "artifact_dir" if known.contains(&"artifacts") => Some("write `artifacts: {dir: …}`"),
        "enableArtifact" | "enable_artifact" if known.contains(&"artifacts") => Some("write `artifacts: {enabled: …}`"),
        "forwardHeaders" | "forward_headers" if known.contains(&"webhook") => {
            Some("write `webhook: {forward_headers: …}`")
        }
        "command" if known.contains(&"eval") => Some("write `condition`"),
        _ => None,
    };
    if let Some(text) = moved {
        return Some(Successor::Explain(text));
    }
    nearest(key, known.iter().copied()).map(Successor::Near)
}

/// `maxActiveRuns` as `max_active_runs`.
pub fn snake_case(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 4);
    let mut before_lower = false;
    for c in key.chars() {
        if c.is_ascii_uppercase() && before_lower {
            out.push('_');
        }
        before_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        out.push(c.to_ascii_lowercase());
    }
    out.replace('-', "_")
}

fn missing_key(key: &str, place: Option<NodeId>, path: Vec<Segment>, out: &mut Faults) {
    let fields = Fields::get();
    let noun = words::noun(place.and_then(|place| fields.field(fields.shape(place))));
    let field = place.and_then(|place| fields.down(place, &Segment::Key(key.to_owned()))).and_then(|n| fields.field(n));
    let fault = out.push(Fault::error(path, On::Missing, code::MISSING_FIELD, format!("{noun} needs `{key}`")));
    if let Some(field) = field {
        fault.help(format!("`{key}`: {}", words::lower_first(field.doc.trim_end_matches('.'))));
    }
}

fn bad_key(key: &str, place: Option<NodeId>, mut path: Vec<Segment>, out: &mut Faults) {
    let fields = Fields::get();
    let free = place.and_then(|place| fields.node(fields.shape(place)).free).and_then(|free| fields.field(free));
    let rule = free.and_then(|field| field.pattern.as_deref()).and_then(words::pattern);
    path.push(Segment::Key(key.to_owned()));
    let message = format!("`{key}` cannot be a name here");
    let fault = out.push(Fault::error(path, On::Key, code::INVALID_VALUE, message));
    if let Some(rule) = rule {
        fault.help(format!("a name {rule}"));
    }
}

/// Explains one wrong value: its type first, then what the field allows.
fn bad_value(
    value: &Value,
    node: NodeId,
    place: Option<NodeId>,
    inner: &[Segment],
    path: Vec<Segment>,
    out: &mut Faults,
) {
    let fields = Fields::get();
    let field = place.and_then(|place| fields.field(place));
    let subject = words::subject(&path);
    let on = On::of(value);
    let Some(field) = field else {
        // Members of a map of texts, and list items, have no field of their own.
        let owner = inner.split_last().and_then(|(_, above)| fields.follow(node, above));
        let texts = owner
            .and_then(|owner| fields.field(owner))
            .is_some_and(|owner| owner.types.iter().any(|t| t == "map<string>"));
        let wanted = if texts { "text" } else { "a map" };
        let message = format!("{subject} must be {wanted}, not {}", words::kind(value));
        let fault = out.push(Fault::error(path, on, code::WRONG_TYPE, message));
        if texts && (value.is_number() || value.is_boolean()) {
            let text = value.to_string();
            fault.help(format!("put it in quotes: \"{text}\""));
            fault.fix(Change::SetValue(Value::from(text)), Applicability::Unsafe);
        }
        return;
    };
    // An item of a list whose entry describes the list.
    let of_list = matches!(inner.last(), Some(Segment::Index(_))) && !field.path.ends_with("[]");
    let allowed = words::types(field, of_list);
    if !words::type_fits(value, field, of_list) {
        if value.is_null() && field.required {
            let message = format!("{subject} needs a value");
            out.push(Fault::error(path, on, code::MISSING_FIELD, message));
            return;
        }
        let message = format!("{subject} must be {allowed}, not {}", words::kind(value));
        let fault = out.push(Fault::error(path, on, code::WRONG_TYPE, message));
        mend_type(value, field, fault);
        return;
    }
    let rules = place.and_then(|place| fields.rules(place)).unwrap_or(field);
    let reason = reason(value, rules, &allowed, of_list);
    let fault = out.push(Fault::error(path, on, code::INVALID_VALUE, format!("{subject} {}", reason.text)));
    if let Some(help) = reason.help {
        fault.help(help);
    }
    if let Some(fix) = reason.fix {
        fault.fix(Change::SetValue(fix), Applicability::Unsafe);
    }
}

/// Offers the value in the type that is wanted, where it can be read that way.
fn mend_type(value: &Value, field: &Field, fault: &mut Fault) {
    let wants = |name: &str| field.types.iter().any(|t| t == name);
    let new = match value {
        Value::String(text) if wants("boolean") => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some(Value::Bool(true)),
            "false" | "no" | "off" | "n" => Some(Value::Bool(false)),
            _ => None,
        },
        Value::String(text) if wants("integer") => formats::int_text(text).map(Value::from),
        Value::Number(number) if wants("string") && !wants("number") => Some(Value::from(number.to_string())),
        Value::Bool(word) if wants("string") && !wants("boolean") => Some(Value::from(word.to_string())),
        _ => None,
    };
    if let Some(new) = new {
        match &new {
            Value::String(text) => fault.help(format!("put it in quotes: \"{text}\"")),
            other => fault.help(format!("write {other} without quotes")),
        };
        fault.fix(Change::SetValue(new), Applicability::Unsafe);
    } else if let Value::String(text) = value
        && wants("integer")
        && text.contains("${")
    {
        fault.help("references are not possible here; write a number");
    }
}

struct Reason {
    text: String,
    help: Option<String>,
    fix: Option<Value>,
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Reason { text, help: None, fix: None }
    }
}

fn reason(value: &Value, field: &Field, allowed: &str, of_list: bool) -> Reason {
    let shown = words::shown(value, field);
    if let Value::Number(_) = value {
        let number = value.as_f64().unwrap_or_default();
        if let Some(min) = field.min.filter(|min| number < *min) {
            return format!("must be {min} or more, not {shown}").into();
        }
        if let Some(max) = field.max.filter(|max| number > *max) {
            return format!("must be {max} or less, not {shown}").into();
        }
        if value.is_f64() {
            return format!("must be a whole number without a point, not {shown}").into();
        }
        return format!("{shown} is too large").into();
    }
    if let Value::Array(items) = value {
        return match field.min_items {
            Some(_) if items.is_empty() => "must not be an empty list".to_owned().into(),
            _ => format!("must be {allowed}").into(),
        };
    }
    let Value::String(text) = value else { return format!("must be {allowed}").into() };
    let choices: Vec<&str> = field.choices.iter().filter_map(Value::as_str).collect();
    if !choices.is_empty() && !of_list {
        let what = if choices.len() == 1 {
            format!("must be `{}`", choices[0])
        } else {
            format!("must be one of {}", words::list(choices.iter().copied().take(40), "or"))
        };
        let near = nearest(text.trim(), choices.iter().copied());
        return Reason {
            text: format!("{what}, not {shown}"),
            help: near
                .map(|near| format!("did you mean `{near}`?"))
                .or_else(|| text.contains("${").then(|| "references are not possible here".to_owned())),
            fix: near.map(Value::from),
        };
    }
    if text.trim().is_empty() && (field.min_len.is_some() || field.pattern.is_some() || field.required) {
        return "must not be blank".to_owned().into();
    }
    if let Some(max) = field.max_len.filter(|max| text.trim().len() as u64 > *max) {
        let unit = if max == 1 { "character" } else { "characters" };
        return format!("must be at most {max} {unit} long, not {}", text.trim().len()).into();
    }
    if field.format.as_deref() == Some("cron")
        && let Err(fault) = formats::cron(text)
    {
        return format!("is not a schedule: {fault}").into();
    }
    if let Some(rule) = words::format(field) {
        return format!("must be {rule}, not {shown}").into();
    }
    match field.pattern.as_deref().and_then(words::pattern) {
        Some(rule) => Reason { text: format!("cannot be {shown}"), help: Some(format!("it {rule}")), fix: None },
        None => format!("cannot be {shown}").into(),
    }
}

/// Renames keys that differ from known ones in letter case only, in a copy, as decoding does by accident.
/// Returns the copy and the places of renamed keys; `None` when there is nothing to rename.
pub fn fold_case(value: &Value, node: NodeId) -> Option<(Value, Vec<Renamed>)> {
    let mut renamed = Vec::new();
    let mut path = Vec::new();
    let folded = fold(value, node, &mut path, &mut renamed);
    (!renamed.is_empty()).then_some((folded, renamed))
}

/// A key that was read as another.
#[derive(Debug)]
pub struct Renamed {
    /// The path with the key as it is read.
    pub path: Vec<Segment>,
    /// The key as it is written.
    pub written: String,
    /// The owner holds the right key as well.
    pub twice: bool,
}

/// Keys that are looked for before decoding and so need their exact case.
const EXACT: &[&str] = &[
    "steps",
    "run",
    "action",
    "with",
    "foreach",
    "start",
    "stop",
    "restart",
    "kind",
    "expression",
    "at",
    "profile",
    "parallel",
    "stdout",
    "stderr",
    "output",
    "outputs",
    "inputs",
    "container",
    "labels",
    "tags",
];

fn fold(value: &Value, node: NodeId, path: &mut Vec<Segment>, renamed: &mut Vec<Renamed>) -> Value {
    let fields = Fields::get();
    match value {
        Value::Object(object) => {
            let known = fields.node(fields.shape(node));
            let mut out = Map::new();
            for (key, item) in object {
                let lower = key.to_ascii_lowercase();
                let mut name = key.clone();
                if *key != lower
                    && known.free.is_none()
                    && !known.children.contains_key(key)
                    && known.children.contains_key(&lower)
                    && !EXACT.contains(&lower.as_str())
                {
                    let mut place = path.clone();
                    place.push(Segment::Key(lower.clone()));
                    renamed.push(Renamed { path: place, written: key.clone(), twice: object.contains_key(&lower) });
                    name = lower;
                }
                let segment = Segment::Key(name.clone());
                let inner = fields.down(node, &segment).filter(|_| !matches!(name.as_str(), "with" | "config"));
                path.push(segment);
                let item = inner.map_or_else(|| item.clone(), |inner| fold(item, inner, path, renamed));
                path.pop();
                if !(name != *key && object.contains_key(&name)) {
                    out.insert(name, item);
                }
            }
            Value::Object(out)
        }
        Value::Array(items) => {
            let fold_item = |(index, item): (usize, &Value)| {
                let segment = Segment::Index(index);
                let inner = fields.down(node, &segment).unwrap_or(node);
                path.push(segment);
                let item = fold(item, inner, path, renamed);
                path.pop();
                item
            };
            Value::Array(items.iter().enumerate().map(fold_item).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn camel_case_becomes_snake_case() {
        for (camel, snake) in [("maxActiveRuns", "max_active_runs"), ("handlerOn", "handler_on"), ("dir", "dir")] {
            assert_eq!(snake_case(camel), snake);
        }
    }
}
