use super::document_none::is_nothing;
use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;
use crate::text::Span;

declare_rule! {
    /// # document-name-required
    ///
    /// ## What it does
    /// Reports a document behind the first that has no `name`.
    ///
    /// ## Why it matters
    /// Further documents of a file are child workflows, which steps call by name.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: dag.run
    ///     with: {dag: child}
    /// ---
    /// steps:
    ///   - run: echo child
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - action: dag.run
    ///     with: {dag: child}
    /// ---
    /// name: child
    /// steps:
    ///   - run: echo child
    /// ```
    DocumentNameRequired, "document-name-required", Error, Load
}

impl Rule for DocumentNameRequired {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        let root = dag.root_value();
        if dag.index == 0 || is_nothing(dag) || !root.is_map() {
            return;
        }
        let span = match root.entry("name") {
            // Blank text and other kinds are faults of the field's shape.
            Some((_, name)) if !name.is_null() => return,
            Some((key, name)) if name.site_span().is_empty() => key.span(),
            Some((_, name)) => name.site_span(),
            None => {
                let marker =
                    Span::new(dag.span.start as usize, (dag.span.start as usize + 3).min(dag.span.end as usize));
                let ended = marker.text(&subject.document.text) == "...";
                let first = root.entries().next().map_or(root.span(), |(key, _)| key.span());
                if ended { marker } else { first }
            }
        };
        let diagnostic = self.diagnostic(span, "a document behind the first needs a `name`");
        found.push(diagnostic.help("add `name:` with a word of its own, by which steps call it"));
    }
}
