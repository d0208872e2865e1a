use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # entry-document-name
    ///
    /// ## What it does
    /// Reports a `name` in the first document of a file.
    ///
    /// ## Why it matters
    /// `dagu validate` refuses it, while Dagu's server and `dagu start` accept it. Without `name` the workflow is
    /// called like its file.
    ///
    /// ## Example
    /// ```yaml
    /// name: nightly
    /// steps:
    ///   - run: echo hello
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - run: echo hello
    /// ```
    EntryDocumentName, "entry-document-name", Warning, Validate
}

impl Rule for EntryDocumentName {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let Some((key, _)) = subject.dag.root_value().entry("name").filter(|_| subject.dag.index == 0) else { return };
        let message = "`dagu validate` refuses a `name` in the first document";
        found.push(self.diagnostic(key.span(), message).help("name the file instead"));
    }
}
