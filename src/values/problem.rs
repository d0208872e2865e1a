//! Something wrong in a value of a document, by path instead of by span.

/// One step into a JSON value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    Key(String),
    /// Zero-based.
    Index(usize),
}

impl From<&str> for Segment {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

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

/// Writes a path the way documents are spoken of: `steps[0].env[1].NAME`.
pub fn path_text(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// `prefix` with one more segment; the building block of nested paths.
pub fn below(prefix: &[Segment], segment: impl Into<Segment>) -> Vec<Segment> {
    let mut path = prefix.to_vec();
    path.push(segment.into());
    path
}
