use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;
use crate::text::Span;

declare_rule! {
    /// # file-name
    ///
    /// ## What it does
    /// Reports a file whose name cannot name a workflow: longer than 40 bytes without its extension, or with
    /// characters other than letters, digits, `-`, `_` and `.`.
    ///
    /// ## Why it matters
    /// A workflow without `name` is called like its file, and Dagu refuses to load one with such a name.
    ///
    /// ## Example
    /// ```yaml
    /// # file: my flow.yaml
    /// steps:
    ///   - run: echo hello
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// # file: my-flow.yaml
    /// steps:
    ///   - run: echo hello
    /// ```
    FileName, "file-name", Error, Load
}

impl Rule for FileName {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        let Some(stem) = subject.document.stem().filter(|_| dag.index == 0 && !dag.empty) else { return };
        if dag.root_value().entry("name").is_some_and(|(_, name)| !name.is_null()) {
            return;
        }
        let fits = stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        let message = if stem.len() > 40 {
            format!("the file name `{stem}` is longer than 40 bytes and cannot name a workflow")
        } else if !fits || matches!(stem, "." | "..") {
            format!("the file name `{stem}` cannot name a workflow")
        } else {
            return;
        };
        let first = dag.root_value().entries().next().map_or(Span::at(0), |(key, _)| key.span());
        found.push(self.diagnostic(first, message).help("use up to 40 letters, digits, `-`, `_` and `.`"));
    }
}
