use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-builtin-not-runnable
    ///
    /// ## What it does
    /// Reports `provider: builtin`.
    ///
    /// ## Why it matters
    /// `builtin` is the agent inside the process of Dagu 2.8. Saddler recognises it and checks its options, but an
    /// attempt with it fails, and a fallback takes over if there is one. Dagu 2.15 refuses to load the workflow.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: builtin
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
    HarnessBuiltinNotRunnable, "harness-builtin-not-runnable", Warning, Load
}

impl Rule for HarnessBuiltinNotRunnable {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
