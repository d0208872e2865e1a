//! A definition of a parameter with `name:`, its type and its bounds.

use regex::Regex;
use serde_json::{Map, Value};

use crate::diagnostic::nearest;
use crate::values::json_text;
use crate::values::problem::{Problem, Segment, below};

/// The keys a definition may have.
pub const FIELDS: &[&str] = &[
    "name",
    "type",
    "default",
    "eval",
    "description",
    "required",
    "enum",
    "minimum",
    "maximum",
    "min_length",
    "max_length",
    "pattern",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ParamType {
    #[default]
    String,
    Integer,
    Number,
    Boolean,
}

impl ParamType {
    pub const ALL: &'static [Self] = &[Self::String, Self::Integer, Self::Number, Self::Boolean];

    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }

    /// The text in the spelling of the type: `" 3 "` as integer is `3`, `TRUE` as boolean is `true`. `None` when it is
    /// no text of the type.
    pub fn coerce(self, text: &str) -> Option<String> {
        match self {
            Self::String => Some(text.to_owned()),
            Self::Integer => text.trim().parse::<i64>().ok().map(|number| number.to_string()),
            Self::Number => {
                text.trim().parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number.to_string())
            }
            Self::Boolean => Some(text.trim().to_lowercase()).filter(|text| matches!(text.as_str(), "true" | "false")),
        }
    }
}

/// A definition, checked when it was read.
#[derive(Debug, Clone, Default)]
pub struct Definition {
    pub ty: ParamType,
    pub description: Option<String>,
    pub required: bool,
    /// Evaluated for a value when none is passed.
    pub eval: Option<String>,
    /// In the spelling of the type.
    pub choices: Option<Vec<String>>,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    /// In characters.
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub pattern: Option<Regex>,
}

/// Why a text is no value of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    Type(String),
    /// Of the right type, but not allowed.
    Bound(String),
}

impl Definition {
    /// The text in the spelling of the type, if the definition allows it.
    ///
    /// # Errors
    /// Says what was expected instead.
    pub fn accept(&self, text: &str) -> Result<String, Fault> {
        let value =
            self.ty.coerce(text).ok_or_else(|| Fault::Type(format!("cannot coerce `{text}` to {}", self.ty.name())))?;
        let bound = |message: String| Err(Fault::Bound(message));
        if let Some(choices) = &self.choices
            && !choices.contains(&value)
        {
            return bound(format!("`{value}` is not one of {}", list(choices)));
        }
        if matches!(self.ty, ParamType::Integer | ParamType::Number) {
            let number: f64 = value.parse().unwrap_or_default();
            if let Some(minimum) = self.minimum.filter(|&minimum| number < minimum) {
                return bound(format!("`{value}` is below the minimum of {minimum}"));
            }
            if let Some(maximum) = self.maximum.filter(|&maximum| number > maximum) {
                return bound(format!("`{value}` is above the maximum of {maximum}"));
            }
        }
        let length = value.chars().count() as u64;
        if let Some(least) = self.min_length.filter(|&least| length < least) {
            return bound(format!("`{value}` is shorter than {least} characters"));
        }
        if let Some(most) = self.max_length.filter(|&most| length > most) {
            return bound(format!("`{value}` is longer than {most} characters"));
        }
        if let Some(pattern) = self.pattern.as_ref().filter(|pattern| !pattern.is_match(&value)) {
            return bound(format!("`{value}` does not match the pattern `{pattern}`"));
        }
        Ok(value)
    }

    /// Reads a definition and the text of its default, reporting what is wrong below `path`.
    pub(super) fn read(
        map: &Map<String, Value>,
        path: &[Segment],
        problems: &mut Vec<Problem>,
    ) -> (Self, Option<String>) {
        let mut reader = Reader { map, path, problems };
        reader.fields();
        let ty = reader.ty();
        let mut definition = Self {
            ty,
            description: reader.string("description"),
            required: reader.required(),
            eval: reader.string("eval"),
            choices: reader.choices(ty),
            minimum: reader.bound("minimum", ty),
            maximum: reader.bound("maximum", ty),
            min_length: reader.length("min_length", ty),
            max_length: reader.length("max_length", ty),
            pattern: reader.pattern(ty),
        };
        if definition.eval.as_ref().is_some_and(|eval| eval.trim().is_empty()) {
            reader.report(
                "param-definition-invalid",
                "eval",
                "`eval` is blank; write the text to evaluate, or drop it",
            );
            definition.eval = None;
        }
        let crossed = |least: Option<f64>, most: Option<f64>| matches!((least, most), (Some(l), Some(m)) if l > m);
        if crossed(definition.minimum, definition.maximum) {
            reader.report("param-constraint-invalid", "maximum", "`maximum` is below `minimum`");
        }
        let length = |length: Option<u64>| length.map(|length| length as f64);
        if crossed(length(definition.min_length), length(definition.max_length)) {
            reader.report("param-constraint-invalid", "max_length", "`max_length` is below `min_length`");
        }
        if map.get("default").is_some_and(Value::is_object) {
            reader.report("param-default-invalid", "default", "a default cannot be a map");
            return (definition, None);
        }
        let default = map.get("default").map(json_text::plain).map(|text| match definition.accept(&text) {
            Ok(value) => value,
            Err(Fault::Type(message) | Fault::Bound(message)) => {
                let problem =
                    Problem::new("param-default-invalid", below(path, "default"), format!("default: {message}"));
                // A default without a value has nothing to point at.
                problems.push(if map["default"].is_null() { problem.at_key() } else { problem });
                text
            }
        });
        (definition, default)
    }
}

/// Reads the fields of one definition, reporting as it goes.
struct Reader<'a> {
    map: &'a Map<String, Value>,
    path: &'a [Segment],
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn report(&mut self, code: &'static str, field: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(code, below(self.path, field), message));
    }

    fn fields(&mut self) {
        for key in self.map.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
            let message = format!("`{key}` is no field of a parameter definition");
            let problem = Problem::new("param-definition-invalid", below(self.path, key.as_str()), message).at_key();
            let snake = match key.as_str() {
                "minLength" => Some("min_length"),
                "maxLength" => Some("max_length"),
                other => nearest(other, FIELDS.iter().copied()),
            };
            self.problems.push(match snake {
                Some(field) => problem.help(format!("did you mean `{field}`?")),
                None => problem.help(format!("known fields are {}", list(FIELDS))),
            });
        }
    }

    fn ty(&mut self) -> ParamType {
        match self.map.get("type") {
            None => ParamType::String,
            Some(Value::String(text)) if text.is_empty() => ParamType::String,
            Some(value) => {
                let text = json_text::plain(value);
                match ParamType::ALL.iter().find(|ty| ty.name() == text) {
                    Some(&ty) if value.is_string() => ty,
                    _ => {
                        let message = format!("unknown type `{text}`; expected string, integer, number or boolean");
                        self.report("param-constraint-invalid", "type", message);
                        ParamType::String
                    }
                }
            }
        }
    }

    fn string(&mut self, field: &str) -> Option<String> {
        match self.map.get(field)? {
            Value::String(text) => Some(text.clone()),
            other => {
                let message = format!("`{field}` must be text, not `{}`", json_text::plain(other));
                self.report("param-definition-invalid", field, message);
                None
            }
        }
    }

    fn required(&mut self) -> bool {
        match self.map.get("required") {
            None => false,
            Some(Value::Bool(required)) => *required,
            Some(other) => {
                let message = format!("`required` must be true or false, not `{}`", json_text::plain(other));
                self.report("param-definition-invalid", "required", message);
                false
            }
        }
    }

    fn choices(&mut self, ty: ParamType) -> Option<Vec<String>> {
        let Value::Array(items) = self.map.get("enum")? else {
            self.report("param-constraint-invalid", "enum", "`enum` must be a list of values");
            return None;
        };
        let mut choices = Vec::new();
        for (i, item) in items.iter().enumerate() {
            let text = json_text::plain(item);
            match ty.coerce(&text) {
                Some(choice) => choices.push(choice),
                None => {
                    let message = format!("cannot coerce `{text}` to {}", ty.name());
                    let path = below(&below(self.path, "enum"), i);
                    self.problems.push(Problem::new("param-constraint-invalid", path, message));
                }
            }
        }
        Some(choices)
    }

    fn bound(&mut self, field: &str, ty: ParamType) -> Option<f64> {
        let value = self.map.get(field)?;
        if !matches!(ty, ParamType::Integer | ParamType::Number) {
            self.wrong_type(field, "integer or number", ty);
            return None;
        }
        let bound = value.as_f64();
        if bound.is_none() {
            let message = format!("`{field}` must be a number, not `{}`", json_text::plain(value));
            self.report("param-constraint-invalid", field, message);
        }
        bound
    }

    fn length(&mut self, field: &str, ty: ParamType) -> Option<u64> {
        let value = self.map.get(field)?;
        if ty != ParamType::String {
            self.wrong_type(field, "string", ty);
            return None;
        }
        let whole = |number: f64| (number >= 0.0 && number.fract() == 0.0).then_some(number as u64);
        let length = value.as_u64().or_else(|| value.as_f64().and_then(whole));
        if length.is_none() {
            let message = format!("`{field}` must be a whole number from 0, not `{}`", json_text::plain(value));
            self.report("param-constraint-invalid", field, message);
        }
        length
    }

    fn pattern(&mut self, ty: ParamType) -> Option<Regex> {
        let text = self.string("pattern")?;
        if ty != ParamType::String {
            self.wrong_type("pattern", "string", ty);
            return None;
        }
        match Regex::new(&text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                self.report(
                    "param-pattern-invalid",
                    "pattern",
                    format!("the pattern `{text}` does not compile: {reason}"),
                );
                None
            }
        }
    }

    fn wrong_type(&mut self, field: &str, wanted: &str, ty: ParamType) {
        let message = format!("`{field}` is for parameters of type {wanted}, not {}", ty.name());
        self.problems.push(Problem::new("param-constraint-invalid", below(self.path, field), message).at_key());
    }
}

fn list(words: &[impl AsRef<str>]) -> String {
    words.iter().map(|word| format!("`{}`", word.as_ref())).collect::<Vec<_>>().join(", ")
}
