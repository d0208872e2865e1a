//! Parameters: what a document declares, what a caller passes, and the values that come of both.
//!
//! A consumer always sees text, whatever type a definition gives: the type only says which texts are accepted.

mod choose;
mod declare;
mod definition;
mod passed;
mod schema;
pub mod split;

pub use choose::{ParamsError, choose};
pub use declare::{Declared, Param, declare};
pub use definition::{Definition, ParamType};
pub use passed::{Passed, PassedValue};
pub use schema::SchemaForm;

/// Names that may be passed to any document.
pub const ALWAYS_ACCEPTED: &[&str] = &["WEBHOOK_PAYLOAD", "WEBHOOK_HEADERS"];

/// The parameters that have a value, in order. A parameter without one is simply not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParamValues {
    /// Name and value. A positional parameter has its number as name.
    pub entries: Vec<(String, String)>,
    /// The text of `${params}`: compact JSON, or the JSON a caller passed. `None` when there is no value at all.
    pub payload: Option<String>,
}

impl ParamValues {
    /// The value of a named parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries.iter().rev().find(|(entry, _)| entry == name).map(|(_, value)| value.as_str())
    }

    /// The value of `$number`.
    pub fn positional(&self, number: usize) -> Option<&str> {
        self.get(&number.to_string())
    }

    /// The entries of the environment: every parameter by its name or number.
    pub fn env(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.entries.iter().cloned()
    }

    fn set(&mut self, name: &str, value: String) {
        match self.entries.iter_mut().find(|(entry, _)| entry == name) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((name.to_owned(), value)),
        }
    }
}

/// A parameter's name: a word, or the number of a position.
pub fn is_param_name(name: &str) -> bool {
    super::reference::is_name(name) || (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
