use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # document-name-duplicate
    ///
    /// ## What it does
    /// Reports two documents of a file with one name. The first document has the name of its file.
    ///
    /// ## Why it matters
    /// Steps call documents by name, so Dagu refuses to load the file.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - run: echo hello
    /// ---
    /// name: child
    /// steps:
    ///   - run: echo one
    /// ---
    /// name: child
    /// steps:
    ///   - run: echo two
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - run: echo hello
    /// ---
    /// name: child
    /// steps:
    ///   - run: echo one
    /// ---
    /// name: sibling
    /// steps:
    ///   - run: echo two
    /// ```
    DocumentNameDuplicate, "document-name-duplicate", Error, Load
}

impl Rule for DocumentNameDuplicate {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        let Some(name) = dag.name.spanned().filter(|_| dag.index > 0) else { return };
        let document = subject.document;
        let earlier = document.dags[..dag.index].iter().find(|other| match other.name.as_str() {
            Some(other) => other == name.value,
            None => other.index == 0 && document.stem() == Some(&name.value),
        });
        let Some(earlier) = earlier else { return };
        let diagnostic = self.diagnostic(name.span, format!("two documents are called `{}`", name.value));
        let diagnostic = match earlier.name.span() {
            Some(first) => diagnostic.label(first, "first here"),
            None => diagnostic.label(earlier.root_value().span(), "this one has the name of the file"),
        };
        found.push(diagnostic.help("give one of them another name"));
    }
}
