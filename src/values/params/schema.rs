//! Parameters given as a JSON Schema, in the document or in a file of its own.

use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Number, Value};

use crate::values::json_text;
use crate::values::problem::{Problem, Segment, below};

/// A schema and the values the document gives along with it.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaForm {
    pub schema: Value,
    /// Values of the document, over the defaults of the schema. As written.
    pub values: Map<String, Value>,
    /// True for `{type: object, properties: …}` written as `params` itself.
    pub inline: bool,
}

impl SchemaForm {
    /// The names of the schema's properties, in its order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.properties().into_iter().flatten().map(|(name, _)| name.as_str())
    }

    fn properties(&self) -> Option<&Map<String, Value>> {
        self.schema.get("properties")?.as_object()
    }

    /// Defaults of the schema, then the document's values, in order.
    pub fn defaults(&self) -> Map<String, Value> {
        let mut defaults = Map::new();
        for (name, property) in self.properties().into_iter().flatten() {
            if let Some(default) = property.get("default") {
                defaults.insert(name.clone(), default.clone());
            }
        }
        defaults.extend(self.values.iter().map(|(name, value)| (name.clone(), value.clone())));
        defaults
    }

    /// A value in the type its property asks for; text that is none of it stays text, and then fails the schema.
    pub fn coerce(&self, name: &str, value: &Value) -> Value {
        let Value::String(text) = value else { return value.clone() };
        let property = self.properties().and_then(|properties| properties.get(name));
        let types: Vec<&str> = match property.and_then(|property| property.get("type")) {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if types.contains(&"string") {
            return value.clone();
        }
        let typed = types.iter().find_map(|ty| match *ty {
            "integer" => text.trim().parse::<i64>().ok().map(Value::from),
            "number" => text.trim().parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number),
            "boolean" => text.trim().to_lowercase().parse::<bool>().ok().map(Value::from),
            "array" => serde_json::from_str(text).ok().filter(Value::is_array),
            "object" => serde_json::from_str(text).ok().filter(Value::is_object),
            "null" => (text == "null").then_some(Value::Null),
            _ => None,
        });
        typed.unwrap_or_else(|| value.clone())
    }

    /// What is wrong with values, as the property (if it is one) and a message. With `complete`, required values are
    /// demanded too.
    pub fn faults(&self, values: &Map<String, Value>, complete: bool) -> Vec<(Option<String>, String)> {
        let validator = match jsonschema::options().offline().build(&self.schema) {
            Ok(validator) => validator,
            Err(error) => return vec![(None, format!("the schema is not valid: {error}"))],
        };
        let coerced: Map<String, Value> =
            values.iter().map(|(name, value)| (name.clone(), self.coerce(name, value))).collect();
        let mut faults: Vec<(Option<String>, String)> = Vec::new();
        for error in validator.iter_errors(&Value::Object(coerced)) {
            let pointer = error.instance_path().as_str().to_owned();
            if !complete && pointer.is_empty() && matches!(error.kind(), ValidationErrorKind::Required { .. }) {
                continue;
            }
            let name = pointer.trim_start_matches('/').split('/').next().filter(|name| !name.is_empty());
            faults.push((name.map(|name| name.replace("~1", "/").replace("~0", "~")), error.to_string()));
        }
        faults
    }

    /// The text of a value once it is validated.
    pub(super) fn text(&self, name: &str, value: &Value) -> String {
        match self.coerce(name, value) {
            Value::Null => json_text::plain(&Value::Null),
            coerced => json_text::bare(&coerced),
        }
    }

    /// What a checker says about the schema and the values of the document.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(properties) = self.properties() {
            for name in properties.keys().filter(|name| !super::is_param_name(name)) {
                let path = match self.inline {
                    true => vec![Segment::from("properties"), Segment::from(name.as_str())],
                    false => below(&[Segment::from("schema"), Segment::from("properties")], name.as_str()),
                };
                problems.push(super::declare::bad_name(name, path).at_key());
            }
        }
        for (name, message) in self.faults(&self.defaults(), false) {
            let path = match &name {
                None => vec![Segment::from("schema")],
                Some(name) if self.values.contains_key(name) => vec!["values".into(), name.as_str().into()],
                Some(name) if self.inline => vec!["properties".into(), name.as_str().into(), "default".into()],
                Some(_) => vec![Segment::from("schema")],
            };
            let path = if self.inline && name.is_none() { Vec::new() } else { path };
            let message = match name {
                Some(name) => format!("parameter `{name}`: {message}"),
                None => message,
            };
            problems.push(Problem::new("param-schema-violation", path, message));
        }
        problems
    }
}
