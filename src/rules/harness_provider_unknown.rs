use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-provider-unknown
    ///
    /// ## What it does
    /// Reports a `provider` that is neither a built-in agent CLI nor defined under `harnesses`, in a step, in a
    /// fallback or in the root `harness`.
    ///
    /// ## Why it matters
    /// Dagu refuses to load the workflow. Names are compared exactly, and only a reference in braces
    /// (`${params.agent}`) is filled in when the step runs.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: cluade
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
    HarnessProviderUnknown, "harness-provider-unknown", Error, Load
}

impl Rule for HarnessProviderUnknown {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
