use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-prompt-dash
    ///
    /// ## What it does
    /// Reports a prompt that starts with `-`.
    ///
    /// ## Why it matters
    /// The prompt is an argument of the CLI and nothing is put before it, so the CLI may take it for a flag. Nothing is
    /// said when the prompt goes to stdin.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: "- review the patch"
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: "To do: review the patch"
    /// ```
    HarnessPromptDash, "harness-prompt-dash", Warning, None
}

impl Rule for HarnessPromptDash {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
