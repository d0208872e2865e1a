use std::collections::HashSet;

use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # number-not-finite
    ///
    /// ## What it does
    /// Reports `.inf`, `-.inf` and `.nan`.
    ///
    /// ## Why it matters
    /// Dagu accepts the workflow and then cannot store a run of it: `start` ends before any step. In quotes they are
    /// text, which is fine.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch
    ///       max-budget: .inf
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch
    ///       max-budget: 1000000
    /// ```
    NumberNotFinite, "number-not-finite", Error, Start
}

impl Rule for NumberNotFinite {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        // Not recursive, and each node once: aliases may make a small text a very large value.
        let mut seen = HashSet::new();
        let mut rest = vec![subject.dag.root_value()];
        while let Some(value) = rest.pop() {
            if !seen.insert(value.id()) {
                continue;
            }
            if value.as_number().is_some_and(|number| !number.as_f64().is_finite()) {
                let text = value.span().text(&subject.document.text);
                found.push(
                    self.diagnostic(value.span(), format!("`{text}` is a number that no run can be stored with"))
                        .help("write a finite number, or quote it to have the text"),
                );
            }
            rest.extend(value.items());
            rest.extend(value.entries().map(|(_, value)| value));
        }
    }
}
