use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-prompt-list
    ///
    /// ## What it does
    /// Reports a prompt that is written as a list of one item.
    ///
    /// ## Why it matters
    /// Dagu takes the item, but its documentation and its editor schema want text, and a second item makes it refuse
    /// the workflow.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: [Review the patch]
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch
    /// ```
    HarnessPromptList, "harness-prompt-list", Warning, None
}

impl Rule for HarnessPromptList {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
