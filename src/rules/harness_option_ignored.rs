use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-option-ignored
    ///
    /// ## What it does
    /// Reports an option whose value is a mapping or empty.
    ///
    /// ## Why it matters
    /// No flag comes of it, without a word. An empty value is fine where it hides an option of the root `harness`.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch
    ///       verbose:
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch
    ///       verbose: true
    /// ```
    HarnessOptionIgnored, "harness-option-ignored", Warning, None
}

impl Rule for HarnessOptionIgnored {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
