//! Something wrong in a value of a document, by path instead of by span.

pub use crate::syntax::Segment;

/// Which half of a mapping entry a problem points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum At {
    #[default]
    Value,
    Key,
}

/// A finding about a value. The caller turns `path` into a span; an empty path is the value as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Slug of the rule, kebab case.
    pub code: &'static str,
    pub path: Vec<Segment>,
    pub at: At,
    /// Lower case, no full stop, the user's word in backticks.
    pub message: String,
    pub help: Option<String>,
}

impl Problem {
    pub fn new(code: &'static str, path: Vec<Segment>, message: impl Into<String>) -> Self {
        Self { code, path, at: At::Value, message: message.into(), help: None }
    }

    /// Point at the key instead of its value.
    pub fn at_key(mut self) -> Self {
        self.at = At::Key;
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// `prefix` with one more segment; the building block of nested paths.
pub fn below(prefix: &[Segment], segment: impl Into<Segment>) -> Vec<Segment> {
    let mut path = prefix.to_vec();
    path.push(segment.into());
    path
}
