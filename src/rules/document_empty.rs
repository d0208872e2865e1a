use super::document_none::is_nothing;
use super::{Meta, Rule, Subject};
use crate::diagnostic::{Applicability, Diagnostic};
use crate::text::{Edit, Span};

declare_rule! {
    /// # document-empty
    ///
    /// ## What it does
    /// Reports an empty document in a file of several, such as the one behind a separator at the end.
    ///
    /// ## Why it matters
    /// `dagu validate` refuses the file. Its loader passes over the empty document.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - run: echo hello
    /// ---
    /// # nothing more
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - run: echo hello
    /// ```
    DocumentEmpty, "document-empty", Error, Validate
}

impl Rule for DocumentEmpty {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        if !is_nothing(dag) || subject.document.dags.iter().all(is_nothing) {
            return;
        }
        let value = dag.root_value().span();
        let start = dag.span.start as usize;
        let separator = Span::new(start, (start + 3).min(dag.span.end as usize));
        // An empty first document is noticed where the second begins.
        let end = dag.span.end as usize;
        let place = if dag.index == 0 { Span::new(end, (end + 3).min(subject.document.text.len())) } else { separator };
        let span = if value.is_empty() { place } else { value };
        let diagnostic = self.diagnostic(span, "this document is empty").help("delete its `---`");
        let edit = Edit::delete(separator);
        let fixable = separator.text(&subject.document.text) == "---" && value.is_empty();
        found.push(if fixable {
            diagnostic.fix("delete the separator", Applicability::Safe, vec![edit])
        } else {
            diagnostic
        });
    }
}
