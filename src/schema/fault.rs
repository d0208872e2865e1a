//! A finding about the shape of a document, as plain data: a path of keys instead of a span.
//!
//! The schema judges values, not text, so it cannot know where a key stands. [`Fault`] says which key, value or
//! absence it means; whoever holds the syntax tree turns that into a span and the fault into a diagnostic.

use serde_json::Value;

use crate::diagnostic::{Applicability, Gate, Severity};
pub use crate::syntax::Segment;

/// Which token at the end of the path is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The key that ends the path: an unknown or superfluous key, or a list or map whose content is wrong.
    Key,
    /// The value at the path: a scalar as it is written.
    Value,
    /// Something that should be inside the mapping at the path and is not.
    Missing,
}

/// A change that mends a fault, in terms of the path of the fault.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainFix {
    pub change: Change,
    pub applicability: Applicability,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Write this key in place of the key that ends the path.
    RenameKey(String),
    /// Write this scalar in place of the value at the path.
    SetValue(Value),
    /// Remove the key that ends the path, with its value.
    Remove,
    /// Add a key with a value to the mapping at the path.
    Insert(String, Value),
}

/// One thing wrong with the shape of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Keys and indices from the root of the document.
    pub path: Vec<Segment>,
    pub on: On,
    /// One of the constants of [`code`].
    pub code: &'static str,
    pub severity: Severity,
    pub gate: Gate,
    pub message: String,
    pub help: Option<String>,
    pub fix: Option<PlainFix>,
    /// Other places that explain the fault, each a path to a key.
    pub related: Vec<(Vec<Segment>, String)>,
}

/// The codes of shape faults.
pub mod code {
    /// A key that nothing reads.
    pub const UNKNOWN_FIELD: &str = "unknown-field";
    /// A value of another YAML type than the field takes.
    pub const WRONG_TYPE: &str = "wrong-type";
    /// A value of the right type outside what the field takes.
    pub const INVALID_VALUE: &str = "invalid-value";
    /// A key that has to be there.
    pub const MISSING_FIELD: &str = "missing-field";
    /// Two keys that exclude each other.
    pub const CONFLICTING_FIELDS: &str = "conflicting-fields";
    /// A key that has no meaning for this kind of step, handler or workflow.
    pub const UNSUPPORTED_FIELD: &str = "unsupported-field";
    /// A key that is only understood by accident, in another letter case.
    pub const FIELD_CASE: &str = "field-case";
    /// An action or step type that nothing defines.
    pub const UNKNOWN_ACTION: &str = "unknown-action";
    /// Input that the schema of a custom action turns away, or a template that cannot be filled in.
    pub const CUSTOM_ACTION_INPUT: &str = "custom-action-input";
    /// An older way to write something.
    pub const DEPRECATED: &str = "deprecated-field";
    /// `steps` in a form that only the loader takes.
    pub const STEPS_FORM: &str = "steps-form";
    /// A schedule whose step does not divide its hour or day.
    pub const UNEVEN_SCHEDULE: &str = "uneven-schedule";
    /// A value that is not checked when the workflow is loaded and fails in the run.
    pub const FAILS_IN_RUN: &str = "fails-in-run";
}

/// A path under construction: a chain of borrowed segments, so that walking a document allocates nothing.
#[derive(Debug, Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    pub const ROOT: Path<'static> = Path { parent: None, step: Step::Root };

    pub fn key<'b>(&'b self, key: &'b str) -> Path<'b>
    where
        'a: 'b,
    {
        Path { parent: Some(self), step: Step::Key(key) }
    }

    pub fn index<'b>(&'b self, index: usize) -> Path<'b>
    where
        'a: 'b,
    {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    /// The segments from the root.
    pub fn segments(&self) -> Vec<Segment> {
        let mut segments = self.parent.map(Path::segments).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Key(key) => segments.push(Segment::Key(key.to_owned())),
            Step::Index(index) => segments.push(Segment::Index(index)),
        }
        segments
    }
}

/// Where faults are collected.
#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
}

impl Faults {
    /// Adds an error that the loader has too; the returned fault takes help, fix or another gate.
    pub fn error(&mut self, path: &Path, on: On, code: &'static str, message: impl Into<String>) -> &mut Fault {
        self.push(Fault::error(path.segments(), on, code, message))
    }

    /// Adds an error about a value: on the value when it is a scalar, on its key when it is a collection or absent.
    pub fn bad_value(&mut self, path: &Path, value: &Value, message: impl Into<String>) -> &mut Fault {
        self.error(path, On::of(value), code::INVALID_VALUE, message)
    }

    /// Adds a fault, unless one of its kind is known at its place: the first one told is the more precise.
    pub fn push(&mut self, fault: Fault) -> &mut Fault {
        let same = |other: &Fault| {
            let alike = other.on == fault.on && other.code == fault.code && other.path == fault.path;
            alike && (fault.on != On::Missing || other.message == fault.message)
        };
        match self.list.iter().position(same) {
            Some(known) => &mut self.list[known],
            None => {
                self.list.push(fault);
                self.list.last_mut().expect("just pushed")
            }
        }
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.list.iter()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Keeps the faults added since `start` for which `keep` holds.
    pub fn retain_from(&mut self, start: usize, mut keep: impl FnMut(&Fault) -> bool) {
        let tail = self.list.split_off(start);
        self.list.extend(tail.into_iter().filter(|fault| keep(fault)));
    }

    pub fn since(&mut self, start: usize) -> &mut [Fault] {
        &mut self.list[start..]
    }

    /// The faults as they were found.
    pub fn into_vec(self) -> Vec<Fault> {
        self.list
    }

    /// The faults without echoes: where a key is unknown, that another is missing most likely means the same slip.
    pub fn without_echoes(mut self) -> Vec<Fault> {
        let owners: Vec<Vec<Segment>> = self
            .list
            .iter()
            .filter(|fault| fault.code == code::UNKNOWN_FIELD)
            .filter_map(|fault| fault.path.split_last().map(|(_, owner)| owner.to_vec()))
            .collect();
        if !owners.is_empty() {
            self.list.retain(|fault| fault.on != On::Missing || !owners.contains(&fault.path));
        }
        self.list
    }
}

impl On {
    /// The token that shows a wrong value best.
    pub fn of(value: &Value) -> On {
        match value {
            Value::Array(_) | Value::Object(_) | Value::Null => On::Key,
            _ => On::Value,
        }
    }
}

impl Fault {
    pub fn error(path: Vec<Segment>, on: On, code: &'static str, message: impl Into<String>) -> Self {
        let on = if on == On::Key && !matches!(path.last(), Some(Segment::Key(_))) { On::Value } else { on };
        Fault {
            path,
            on,
            code,
            severity: Severity::Error,
            gate: Gate::Load,
            message: message.into(),
            help: None,
            fix: None,
            related: Vec::new(),
        }
    }

    /// Makes it a warning of ours.
    pub fn warning(&mut self) -> &mut Self {
        self.severity = Severity::Warning;
        self.gate = Gate::None;
        self
    }

    /// Makes it a remark of ours.
    pub fn info(&mut self) -> &mut Self {
        self.severity = Severity::Info;
        self.gate = Gate::None;
        self
    }

    pub fn gate(&mut self, gate: Gate) -> &mut Self {
        self.gate = gate;
        self
    }

    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    pub fn fix(&mut self, change: Change, applicability: Applicability) -> &mut Self {
        self.fix = Some(PlainFix { change, applicability });
        self
    }

    pub fn related(&mut self, path: &Path, message: impl Into<String>) -> &mut Self {
        self.related.push((path.segments(), message.into()));
        self
    }
}
