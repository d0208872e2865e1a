//! Choosing a value for each parameter: what was passed, else `eval`, else the default, else none.

use serde_json::{Map, Value};

use super::declare::{Declared, Param};
use super::definition::{Fault, ParamType};
use super::passed::{Passed, PassedValue};
use super::schema::SchemaForm;
use super::{ALWAYS_ACCEPTED, ParamValues, is_param_name};
use crate::diagnostic::nearest;
use crate::values::json_text;

/// Why a run cannot have its parameters. Nothing is started then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    #[error("unknown parameter(s): {}; accepted parameters are: {}{}", quoted(.unknown), .accepted.join(", "), meant(.unknown, .accepted))]
    Unknown { unknown: Vec<String>, accepted: Vec<String> },
    #[error("too many positional params: expected at most {expected}, got {got}")]
    TooManyPositional { expected: usize, got: usize },
    #[error("positional params are not accepted here, the parameters are given by a schema; write `NAME={0}`")]
    Positional(String),
    #[error("`{0}` is no name for one of the `params`: a letter comes first, then letters, digits and `_`")]
    Name(String),
    #[error("{name}: {message}")]
    Coerce { name: String, message: String },
    #[error("parameter validation failed: {}", .0.join("; "))]
    Validation(Vec<String>),
    #[error("params: `{name}`: eval failed: {reason}")]
    Eval { name: String, reason: String },
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

fn meant(unknown: &[String], accepted: &[String]) -> String {
    match unknown.iter().find_map(|name| nearest(name, accepted.iter().map(String::as_str))) {
        Some(name) => format!(" (did you mean `{name}`?)"),
        None => String::new(),
    }
}

/// The values of a run. `eval` evaluates the text of an `eval` field with the values chosen so far in scope, and says
/// why if it cannot.
///
/// # Errors
/// Names and positions nobody declared, values that are not of their type or out of bounds, required values that
/// are missing, and an `eval` that failed without a default to fall back to.
pub fn choose(
    declared: &Declared,
    passed: &Passed,
    eval: &mut dyn FnMut(&str, &ParamValues) -> Result<String, String>,
) -> Result<ParamValues, ParamsError> {
    let mut values = match &declared.schema {
        Some(schema) => by_schema(schema, passed)?,
        None => by_declaration(declared, passed, eval)?,
    };
    values.payload = match &passed.raw {
        Some(raw) => Some(raw.clone()),
        None if values.entries.is_empty() => None,
        None => {
            let map: Map<String, Value> =
                values.entries.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
            Some(json_text::compact(&Value::Object(map)))
        }
    };
    Ok(values)
}

fn by_schema(form: &SchemaForm, passed: &Passed) -> Result<ParamValues, ParamsError> {
    let mut values = form.defaults();
    let mut extra = Vec::new();
    for value in &passed.values {
        let Some(name) = &value.name else { return Err(ParamsError::Positional(value.text.clone())) };
        if !is_param_name(name) {
            return Err(ParamsError::Name(name.clone()));
        }
        let json = value.json.clone().unwrap_or_else(|| Value::from(value.text.as_str()));
        if ALWAYS_ACCEPTED.contains(&name.as_str()) && !form.names().any(|known| known == name) {
            extra.push((name.clone(), value.text.clone()));
        } else {
            values.insert(name.clone(), json);
        }
    }
    let faults = form.faults(&values, true);
    if !faults.is_empty() {
        let message = |(name, message): (Option<String>, String)| match name {
            Some(name) => format!("{name}: {message}"),
            None => message,
        };
        return Err(ParamsError::Validation(faults.into_iter().map(message).collect()));
    }
    let mut entries: Vec<(String, String)> =
        values.iter().map(|(name, value)| (name.clone(), form.text(name, value))).collect();
    entries.extend(extra);
    Ok(ParamValues { entries, payload: None })
}

fn by_declaration(
    declared: &Declared,
    passed: &Passed,
    eval: &mut dyn FnMut(&str, &ParamValues) -> Result<String, String>,
) -> Result<ParamValues, ParamsError> {
    let mut overrides = Overrides::new(declared, passed)?;
    let mut values = ParamValues::default();
    for param in &declared.params {
        let number = (values.entries.len() + 1).to_string();
        let name = param.name.as_deref().unwrap_or(&number);
        let override_value = overrides.take(name);
        let value = match override_value {
            Some(text) => Some(accept(param, name, &text)?),
            None => own(param, name, &values, eval)?,
        };
        if let Some(value) = value {
            values.set(name, value);
        }
    }
    for (name, text) in overrides.rest {
        values.set(&name, text);
    }
    let required = |param: &&Param| {
        let definition = param.definition.as_ref();
        definition.is_some_and(|definition| definition.required)
            && param.name.as_deref().is_some_and(|name| values.get(name).is_none())
    };
    let missing: Vec<String> = declared
        .params
        .iter()
        .filter(required)
        .filter_map(|param| Some(format!("`{}` is required and has no value", param.name.as_ref()?)))
        .collect();
    if missing.is_empty() { Ok(values) } else { Err(ParamsError::Validation(missing)) }
}

/// The value a parameter has when none is passed.
fn own(
    param: &Param,
    name: &str,
    values: &ParamValues,
    eval: &mut dyn FnMut(&str, &ParamValues) -> Result<String, String>,
) -> Result<Option<String>, ParamsError> {
    let Some(text) = param.definition.as_ref().and_then(|definition| definition.eval.as_deref()) else {
        return Ok(param.default.clone());
    };
    match eval(text, values) {
        Ok(text) => accept(param, name, &text).map(Some),
        Err(reason) => match &param.default {
            Some(default) => Ok(Some(default.clone())),
            None => Err(ParamsError::Eval { name: name.to_owned(), reason }),
        },
    }
}

fn accept(param: &Param, name: &str, text: &str) -> Result<String, ParamsError> {
    let Some(definition) = &param.definition else { return Ok(text.to_owned()) };
    definition.accept(text).map_err(|fault| match fault {
        Fault::Type(message) => ParamsError::Coerce { name: name.to_owned(), message },
        Fault::Bound(message) => ParamsError::Validation(vec![format!("{name}: {message}")]),
    })
}

/// A number that came as JSON is written in full where a number is asked for; elsewhere it has the exponent that
/// Dagu's own printing gives it.
fn text_for(param: &Param, value: &PassedValue) -> String {
    match (&param.definition, &value.json) {
        (Some(definition), Some(Value::Number(number))) if definition.ty != ParamType::String => {
            json_text::decimal(number)
        }
        _ => value.text.clone(),
    }
}

/// The passed values by the name or number they are for.
struct Overrides {
    rest: Vec<(String, String)>,
}

impl Overrides {
    fn new(declared: &Declared, passed: &Passed) -> Result<Self, ParamsError> {
        let accepted = declared.names();
        let unknown: Vec<String> = passed
            .values
            .iter()
            .filter_map(|value| value.name.as_deref())
            .filter(|name| !accepted.contains(name) && !ALWAYS_ACCEPTED.contains(name))
            .map(str::to_owned)
            .collect();
        if !unknown.is_empty() && !accepted.is_empty() {
            let accepted = accepted.into_iter().map(str::to_owned).collect();
            return Err(ParamsError::Unknown { unknown, accepted });
        }
        if let Some(name) = unknown.into_iter().find(|name| !is_param_name(name)) {
            return Err(ParamsError::Name(name));
        }
        let got = passed.values.iter().filter(|value| value.name.is_none()).count();
        let expected = declared.params.len();
        if got > expected && expected > 0 {
            return Err(ParamsError::TooManyPositional { expected, got });
        }
        let mut overrides = Self { rest: Vec::new() };
        let mut in_order = declared.params.iter().filter_map(|param| param.name.as_deref());
        for (i, value) in passed.values.iter().enumerate() {
            let target = match &value.name {
                Some(name) => name.clone(),
                None if declared.is_rich() => match in_order.next() {
                    Some(name) => name.to_owned(),
                    None => (i + 1).to_string(),
                },
                None => (i + 1).to_string(),
            };
            let text = declared.params.iter().find(|param| param.name.as_ref() == Some(&target));
            let text = text.map_or_else(|| value.text.clone(), |param| text_for(param, value));
            overrides.rest.retain(|(name, _)| *name != target);
            overrides.rest.push((target, text));
        }
        Ok(overrides)
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.rest.iter().position(|(target, _)| target == name)?;
        Some(self.rest.remove(at).1)
    }
}
