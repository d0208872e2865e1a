use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;
use crate::text::Span;

declare_rule! {
    /// # document-none
    ///
    /// ## What it does
    /// Reports a file that holds no workflow: nothing but blanks and comments, or an empty map.
    ///
    /// ## Why it matters
    /// Dagu refuses to load it.
    ///
    /// ## Example
    /// ```yaml
    /// # to be written
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - run: echo hello
    /// ```
    DocumentNone, "document-none", Error, Load
}

impl Rule for DocumentNone {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let document = subject.document;
        if subject.dag.index > 0 || !document.dags.iter().all(is_nothing) || !document.syntax.is_empty() {
            return;
        }
        let span = subject.dag.root_value().span();
        let span = if span.is_empty() { Span::at(0) } else { span };
        found.push(self.diagnostic(span, "the file holds no workflow").help("add `steps:` with at least one step"));
    }
}

/// An empty document, or one that is an empty map.
pub(super) fn is_nothing(dag: &crate::dag::Dag) -> bool {
    dag.empty || dag.root_value().as_map().is_some_and(|map| map.entries().is_empty())
}
