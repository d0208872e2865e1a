//! `human.task`: where it may stand, and the form it may ask for.

use serde_json::{Map, Value};

use super::fault::{Faults, On, Path, code};
use super::step::{Place, Step};
use super::{foreach, words};

/// Step fields that a human task does not take.
const REFUSED: &[&str] = &[
    "approval",
    "container",
    "foreach",
    "log_output",
    "mail_on_error",
    "output",
    "outputs",
    "output_schema",
    "parallel",
    "repeat_policy",
    "retry_policy",
    "signal_on_stop",
    "stderr",
    "stdout",
    "timeout_sec",
    "worker_selector",
];

/// Checks the step around a human task; `named` is the path of its action.
pub fn placement(step: &Step, named: &Path, out: &mut Faults) {
    let why = match step.place {
        Place::Handler => Some("in a handler"),
        Place::Body => Some("in a loop"),
        Place::Rendered => Some("as the template of an action"),
        _ => None,
    };
    if let Some(why) = why {
        out.error(named, On::Value, code::UNSUPPORTED_FIELD, format!("`human.task` cannot be used {why}"));
        return;
    }
    if step.text("id").is_none_or(|id| id.trim().is_empty()) {
        let message = "`human.task` needs the step to have an `id`";
        out.error(named, On::Value, code::MISSING_FIELD, message).help("add `id`");
    }
    for key in REFUSED.iter().filter(|key| step.get(key).is_some()) {
        let message = format!("a human task does not take `{key}`");
        let fault = out.error(&step.path.key(key), On::Key, code::UNSUPPORTED_FIELD, message);
        fault.related(named, "the step waits for a person");
    }
}

/// Checks the form of a task beyond its schema.
pub fn form(with: &Map<String, Value>, path: &Path, out: &mut Faults) {
    let Some(Value::Object(form)) = with.get("form") else { return };
    let path = path.key("form");
    let properties = form.get("properties").and_then(Value::as_object);
    if let Some(Value::Array(required)) = form.get("required") {
        let path = path.key("required");
        let mut seen: Vec<&str> = Vec::new();
        for (index, name) in required.iter().enumerate().filter_map(|(index, name)| Some((index, name.as_str()?))) {
            let place = path.index(index);
            if seen.contains(&name) {
                out.error(&place, On::Value, code::INVALID_VALUE, format!("`{name}` is listed twice"));
            } else if properties.is_none_or(|properties| !properties.contains_key(name)) {
                let message = format!("`{name}` is required but is no field of the form");
                out.error(&place, On::Value, code::INVALID_VALUE, message);
            }
            seen.push(name);
        }
    }
    let path = path.key("properties");
    for (name, field) in properties.into_iter().flatten() {
        if let Value::Object(field) = field {
            self::field(name, field, &path.key(name), out);
        }
    }
}

fn field(name: &str, field: &Map<String, Value>, path: &Path, out: &mut Faults) {
    if !foreach::is_name(name) {
        return; // Said by the schema.
    }
    if name == "env" {
        out.error(path, On::Key, code::INVALID_VALUE, "a form cannot have a field called `env`");
    }
    let choices = field.get("enum").and_then(Value::as_array);
    let one_of = field.get("oneOf").and_then(Value::as_array);
    let kind = field.get("type").and_then(Value::as_str);
    if kind.is_none() && choices.is_none() && one_of.is_none() {
        let message = format!("the field `{name}` needs `type`, `enum` or `oneOf`");
        out.error(path, On::Key, code::MISSING_FIELD, message);
    }
    if let Some(choices) = choices {
        enumerated(choices, kind, &path.key("enum"), out);
    }
    if let Some(one_of) = one_of {
        let path = path.key("oneOf");
        for (index, choice) in one_of.iter().enumerate() {
            let own = choice.get("type").and_then(Value::as_str);
            if let Some(value) = choice.get("const")
                && let Some(kind) = own.or(kind)
                && !is_of(value, kind)
            {
                let message = format!("{} is not of type `{kind}`", words::plain(value));
                let choice = path.index(index);
                out.error(&choice.key("const"), On::Value, code::INVALID_VALUE, message);
            }
        }
    }
    let Some(default) = field.get("default") else { return };
    let offered = choices.is_none_or(|choices| choices.contains(default))
        && one_of.is_none_or(|one_of| one_of.iter().any(|choice| choice.get("const") == Some(default)));
    let bound = |key: &str| field.get(key).and_then(Value::as_f64);
    let number = default.as_f64();
    let length = default.as_str().map(|text| text.chars().count() as f64);
    let within = |value: Option<f64>, low: &str, high: &str| {
        value.is_none_or(|value| {
            bound(low).is_none_or(|low| value >= low) && bound(high).is_none_or(|high| value <= high)
        })
    };
    let matches = field
        .get("pattern")
        .and_then(Value::as_str)
        .zip(default.as_str())
        .is_none_or(|(pattern, text)| regex::Regex::new(pattern).map_or(true, |pattern| pattern.is_match(text)));
    let fits = kind.is_none_or(|kind| is_of(default, kind))
        && offered
        && within(number, "minimum", "maximum")
        && within(length, "minLength", "maxLength")
        && matches;
    if !fits {
        let message = format!("`default` does not fit the rules of the field: {}", words::plain(default));
        out.error(&path.key("default"), On::of(default), code::INVALID_VALUE, message);
    }
}

fn enumerated(choices: &[Value], kind: Option<&str>, path: &Path, out: &mut Faults) {
    for (index, choice) in choices.iter().enumerate() {
        let place = path.index(index);
        let scalar = !choice.is_null() && !choice.is_array() && !choice.is_object();
        if !scalar {
            let message = format!("a choice must be text, a number or a boolean, not {}", words::kind(choice));
            out.error(&place, On::Value, code::WRONG_TYPE, message);
        } else if choices[..index].contains(choice) {
            out.error(&place, On::Value, code::INVALID_VALUE, format!("{} is listed twice", words::plain(choice)));
        } else if kind.is_none() && sort(choice) != sort(&choices[0]) {
            let message = "choices of different types need a `type`";
            out.error(&place, On::Value, code::INVALID_VALUE, message);
        }
    }
}

fn sort(value: &Value) -> u8 {
    match value {
        Value::String(_) => 0,
        Value::Bool(_) => 1,
        _ => 2,
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        _ => true,
    }
}
