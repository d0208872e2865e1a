use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-provider-missing
    ///
    /// ## What it does
    /// Reports an agent step, a fallback or a root `harness` without a `provider`.
    ///
    /// ## Why it matters
    /// Dagu refuses to load the workflow: without a provider there is nothing to run. A step may leave it out only when
    /// the root `harness` has one; an empty `provider:` hides that one too.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       prompt: Review the patch
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
    HarnessProviderMissing, "harness-provider-missing", Error, Load
}

impl Rule for HarnessProviderMissing {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
