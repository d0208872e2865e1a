//! What a caller passes: on the command line, or as `with.params` of a child.

use serde_json::{Map, Value};

use super::split::{self, Word};
use crate::values::json_text;

/// One passed value.
#[derive(Debug, Clone, PartialEq)]
pub struct PassedValue {
    /// `None` for a positional one.
    pub name: Option<String>,
    pub text: String,
    /// The value itself, where it came as JSON.
    pub json: Option<Value>,
}

/// The values of one call, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Passed {
    pub values: Vec<PassedValue>,
    /// The text of a JSON payload, which then is the text of `${params}` too.
    pub raw: Option<String>,
}

impl From<Word> for PassedValue {
    fn from(word: Word) -> Self {
        Self { name: word.name, text: word.text, json: None }
    }
}

impl Passed {
    /// The words of `--params`, or of a `with.params` text: split at blanks, or a JSON payload.
    pub fn from_text(text: &str) -> Self {
        match split::json(text) {
            Some(value) => Self {
                values: split::json_words(&value)
                    .into_iter()
                    .map(|(word, json)| PassedValue { name: word.name, text: word.text, json: Some(json) })
                    .collect(),
                raw: Some(text.trim().to_owned()),
            },
            None => Self { values: split::words(text).into_iter().map(PassedValue::from).collect(), raw: None },
        }
    }

    /// The arguments behind `--`: each is one value and is not split. A single one that is JSON is a payload.
    pub fn from_args<S: AsRef<str>>(args: &[S]) -> Self {
        if let [only] = args
            && split::json(only.as_ref()).is_some()
        {
            return Self::from_text(only.as_ref());
        }
        let value = |arg: &S| {
            let arg = arg.as_ref();
            match arg.split_once('=') {
                Some((name, text)) if !name.is_empty() && !name.contains(char::is_whitespace) => {
                    Word::named(name, text).into()
                }
                _ => Word::positional(arg).into(),
            }
        };
        Self { values: args.iter().map(value).collect(), raw: None }
    }

    /// Named values, each passed whole: a `with.params` map whose strings are resolved already.
    pub fn from_map(map: &Map<String, Value>) -> Self {
        let value = |(name, value): (&String, &Value)| PassedValue {
            name: Some(name.clone()),
            text: json_text::plain(value),
            json: None,
        };
        Self { values: map.iter().map(value).collect(), raw: None }
    }

    /// Adds the values of another call behind these.
    pub fn extend(&mut self, other: Passed) {
        self.values.extend(other.values);
    }
}
