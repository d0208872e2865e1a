//! Anything wrong with a document, as plain data. Syntax, schema and rules all report in this shape, and every front
//! end (terminal, JSON, editor) renders it.

use serde::Serialize;

use crate::text::{Edit, Span};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Portability, deprecation, style of use.
    Info,
    /// Very likely wrong, or unsafe.
    Warning,
    /// Dagu refuses it at load, or it can never work when run.
    Error,
}

/// Which of Dagu's own gates turns the document away because of this finding.
///
/// `saddler check` goes by [`Severity`]; the commands in Dagu's spelling go by this, so that `validate` and `start`
/// refuse exactly what `dagu validate` and `dagu start` refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The loader: `validate`, `start` and `dry` all refuse.
    Load,
    /// Only `validate` refuses; the loader runs such a file.
    Validate,
    /// `validate` accepts; `start` and `dry` refuse before any step.
    Start,
    /// Dagu accepts the file; the finding is ours.
    None,
}

/// A second place that explains the finding, such as the other half of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Label {
    pub span: Span,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Applicability {
    /// Keeps the meaning, or is certainly what was meant: may be applied unasked.
    Safe,
    /// May change what the workflow does: applied only when asked for.
    Unsafe,
}

/// A titled set of edits that do not overlap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    pub title: String,
    pub edits: Vec<Edit>,
    pub applicability: Applicability,
}

/// One finding. The message is lower case, without a full stop, with the user's own word in backticks; `help` says what
/// to type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Kebab case; the name of a rule for findings that rules make.
    pub code: &'static str,
    pub severity: Severity,
    pub gate: Gate,
    pub span: Span,
    pub message: String,
    pub help: Option<String>,
    pub labels: Vec<Label>,
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// An error that Dagu's loader has too.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            gate: Gate::Load,
            span,
            message: message.into(),
            help: None,
            labels: Vec::new(),
            fix: None,
        }
    }

    /// A warning of ours: Dagu accepts the file.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, gate: Gate::None, ..Self::error(code, span, message) }
    }

    /// An informational finding of ours.
    pub fn info(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Info, gate: Gate::None, ..Self::error(code, span, message) }
    }

    pub fn gate(mut self, gate: Gate) -> Self {
        self.gate = gate;
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn label(mut self, span: Span, message: impl Into<String>) -> Self {
        self.labels.push(Label { span, message: message.into() });
        self
    }

    pub fn fix(mut self, title: impl Into<String>, applicability: Applicability, edits: Vec<Edit>) -> Self {
        self.fix = Some(Fix { title: title.into(), edits, applicability });
        self
    }
}

/// The closest of `candidates` to `word`, if one is close enough to be a slip of the fingers.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_takes_slips_and_leaves_strangers() {
        assert_eq!(nearest("depend", ["depends", "id"]), Some("depends"));
        assert_eq!(nearest("promt", ["prompt", "provider"]), Some("prompt"));
        assert_eq!(nearest("xyz", ["depends", "id"]), None);
    }
}
