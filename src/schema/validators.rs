//! The validators: one per kind of node, cut out of the schema and compiled when first used.
//!
//! A workflow is never validated in one go. Where a definition refers to a step or a container, its validator accepts
//! anything, and the walk in [`super`] judges that node by itself: one mistake then gives one message, and a node
//! that has not changed need not be judged again.

use std::collections::HashMap;
use std::sync::OnceLock;

use jsonschema::{Keyword, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

use super::fields::Fields;
use super::formats;
use super::generate::{DEFINITIONS, action_of, input_definition};

/// The text of the published schema.
pub const SCHEMA: &str = include_str!("../../schema/dag.schema.json");

/// Definitions that are judged by themselves wherever they are nested.
const CUT: [&str; 5] = ["step", "step-entry", "step-by-action", "container", "param-definition"];

/// Keywords that only inform.
const NOTES: [&str; 3] = ["description", "default", "deprecated"];

/// The schema as published.
pub fn schema() -> &'static Value {
    static VALUE: OnceLock<Value> = OnceLock::new();
    VALUE.get_or_init(|| serde_json::from_str(SCHEMA).expect("the embedded schema is read by a test"))
}

/// The validator of a definition; `None` when the schema has no such definition.
pub fn validator(definition: &str) -> Option<&'static Validator> {
    static ALL: OnceLock<HashMap<String, OnceLock<Validator>>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let names = DEFINITIONS.iter().map(|(_, name)| (*name).to_owned());
        let inputs = Fields::get().all().iter().filter_map(|field| action_of(&field.path)).map(input_definition);
        let more = ["workflow", "param-definition"].map(str::to_owned);
        names.chain(inputs).chain(more).map(|name| (name, OnceLock::new())).collect()
    });
    let slot = all.get(definition)?;
    if let Some(ready) = slot.get() {
        return Some(ready);
    }
    let definition = schema().get("$defs")?.get(definition)?;
    Some(slot.get_or_init(|| compile(&standalone(definition, 0))))
}

/// A validator for a schema of our own, with our formats and keywords.
fn compile(schema: &Value) -> Validator {
    let mut options = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex())
        .with_keyword("wholeNumber", |_, _, _| Ok(Box::new(WholeNumber)))
        .with_keyword("maxBytes", |_, value, _| Ok(Box::new(MaxBytes(value.as_u64().unwrap_or(u64::MAX)))));
    type Check = fn(&str) -> bool;
    let checks: [(&str, Check); 9] = [
        ("go-duration", |text| formats::go_duration(text, false).is_some()),
        ("positive-go-duration", |text| formats::go_duration(text, false).is_some_and(|nanos| nanos > 0)),
        ("positive-go-duration-with-days", |text| formats::go_duration(text, true).is_some_and(|nanos| nanos > 0)),
        ("cron", |text| formats::cron(text).is_ok()),
        ("int-text", |text| formats::int_text(text).is_some()),
        ("int-text-or-ref", formats::int_text_or_reference),
        ("rfc3339", formats::rfc3339),
        ("re2", formats::re2),
        ("quantity", formats::quantity),
    ];
    for (name, check) in checks {
        options = options.with_format(name, check);
        options = options.with_format(format!("{name}-or-empty"), move |text: &str| text.is_empty() || check(text));
    }
    options = options.with_format("http-url", formats::http_url);
    options.build(schema).expect("every definition is compiled by a test")
}

/// A definition without references: nested definitions are written in place, cut ones accept anything.
fn standalone(value: &Value, depth: usize) -> Value {
    debug_assert!(depth < 100, "definitions refer to each other in a circle");
    match value {
        Value::Array(items) => Value::Array(items.iter().map(|item| standalone(item, depth + 1)).collect()),
        Value::Object(object) => {
            let mut out = Map::new();
            if let Some(name) = object.get("$ref").and_then(Value::as_str) {
                let name = name.trim_start_matches("#/$defs/");
                if !CUT.contains(&name)
                    && let Some(target) = schema().get("$defs").and_then(|defs| defs.get(name))
                    && let Value::Object(target) = standalone(target, depth + 1)
                {
                    out = target;
                }
            }
            for (key, item) in object {
                let only_offers =
                    key == "anyOf" && item.get(1).is_some_and(|second| second == &Value::Object(Map::new()));
                // `properties` holds names of fields, which may be called like a keyword.
                if key == "properties" {
                    let named = item.as_object().into_iter().flatten();
                    let named = named.map(|(name, item)| (name.clone(), standalone(item, depth + 1))).collect();
                    out.insert(key.clone(), Value::Object(named));
                } else if key != "$ref" && !only_offers && !NOTES.contains(&key.as_str()) {
                    out.insert(key.clone(), standalone(item, depth + 1));
                }
            }
            Value::Object(out)
        }
        other => other.clone(),
    }
}

/// `wholeNumber`: numbers must be written without a point.
struct WholeNumber;

impl<'i> Keyword<'i> for WholeNumber {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) { Ok(()) } else { Err(ValidationError::custom("not a whole number")) }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        !instance.is_f64()
    }
}

/// `maxBytes`: the longest text, counted in bytes without the spaces around it.
struct MaxBytes(u64);

impl<'i> Keyword<'i> for MaxBytes {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) { Ok(()) } else { Err(ValidationError::custom("too long")) }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        instance.as_str().is_none_or(|text| text.trim().len() as u64 <= self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_compiles() {
        let defs = schema()["$defs"].as_object().expect("an object");
        for name in defs.keys().filter(|name| !name.starts_with("step-")) {
            assert!(validator(name).is_some(), "{name} has no validator");
        }
    }
}
