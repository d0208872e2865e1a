use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-provider-coerced
    ///
    /// ## What it does
    /// Reports a `provider` whose name is read as a number or a boolean.
    ///
    /// ## Why it matters
    /// The configuration of an agent is read as YAML once more when the step runs, quotes or not, so a harness called
    /// `123` can never be chosen: Dagu loads the workflow, and the step fails.
    ///
    /// ## Example
    /// ```yaml
    /// harnesses:
    ///   "123": {binary: agent}
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: "123"
    ///       prompt: Review the patch
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// harnesses:
    ///   agent-123: {binary: agent}
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: agent-123
    ///       prompt: Review the patch
    /// ```
    HarnessProviderCoerced, "harness-provider-coerced", Warning, None
}

impl Rule for HarnessProviderCoerced {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
