//! What is wrong with a harness step, before spans: places are paths of keys and indices, so that the same checks serve
//! a parsed document, an expanded template and a test with plain JSON.

use std::fmt;

use crate::diagnostic::{Gate, Severity};
use crate::syntax::{Path, Segment};

/// Where a [`Location`]'s path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Base {
    /// The mapping of the step (or handler) that is checked.
    Step,
    /// The root mapping of the document.
    Document,
}

/// Which part of the addressed entry to mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The key of the entry; for a list item the whole item.
    Key,
    Value,
    /// The entry is a mapping that lacks this key; its own key is marked.
    Lacks(&'static str),
}

/// A place in the document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    pub base: Base,
    pub path: Path,
    pub part: Part,
}

impl Location {
    /// The value under `keys` of the step.
    pub fn step<const N: usize>(keys: [&str; N]) -> Self {
        Self::of(Base::Step, keys)
    }

    /// The value under `keys` of the document.
    pub fn document<const N: usize>(keys: [&str; N]) -> Self {
        Self::of(Base::Document, keys)
    }

    fn of<const N: usize>(base: Base, keys: [&str; N]) -> Self {
        Self { base, path: Path(keys.map(Segment::from).into()), part: Part::Value }
    }

    /// The value of `key` inside this place.
    pub fn key(&self, key: &str) -> Self {
        self.down(key.into())
    }

    /// The item `index` (from 0) inside this place.
    pub fn index(&self, index: usize) -> Self {
        self.down(index.into())
    }

    fn down(&self, segment: Segment) -> Self {
        let mut path = self.path.clone();
        path.0.push(segment);
        Self { base: self.base, path, part: Part::Value }
    }

    /// The same entry, its key marked.
    pub fn on_key(&self) -> Self {
        Self { part: Part::Key, ..self.clone() }
    }

    /// The same entry, for want of `key` in it.
    pub fn lacks(&self, key: &'static str) -> Self {
        Self { part: Part::Lacks(key), ..self.clone() }
    }
}

/// As a path a reader can follow: `with.fallback[0].model`.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

/// One finding; the fields are those of [`crate::diagnostic::Diagnostic`] with places for spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub code: &'static str,
    pub severity: Severity,
    pub gate: Gate,
    pub at: Location,
    pub message: String,
    pub help: Option<String>,
    /// The other half of a conflict.
    pub related: Option<(Location, String)>,
    /// What was probably meant by the text at `at`.
    pub meant: Option<String>,
}

impl Finding {
    /// Dagu's loader refuses it.
    pub fn error(code: &'static str, at: Location, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            gate: Gate::Load,
            at,
            message: message.into(),
            help: None,
            related: None,
            meant: None,
        }
    }

    /// Dagu loads it; running is another matter.
    pub fn ours(severity: Severity, code: &'static str, at: Location, message: impl Into<String>) -> Self {
        Self { severity, gate: Gate::None, ..Self::error(code, at, message) }
    }

    pub fn warning(code: &'static str, at: Location, message: impl Into<String>) -> Self {
        Self::ours(Severity::Warning, code, at, message)
    }

    pub fn info(code: &'static str, at: Location, message: impl Into<String>) -> Self {
        Self::ours(Severity::Info, code, at, message)
    }

    pub fn gate(mut self, gate: Gate) -> Self {
        self.gate = gate;
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Offers `word` in place of the text at the finding.
    pub fn meant(mut self, word: impl Into<String>) -> Self {
        let word = word.into();
        self.help = Some(format!("did you mean `{word}`?"));
        self.meant = Some(word);
        self
    }

    pub fn related(mut self, at: Location, message: impl Into<String>) -> Self {
        self.related = Some((at, message.into()));
        self
    }
}
