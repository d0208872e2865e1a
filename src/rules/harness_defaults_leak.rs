use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-defaults-leak
    ///
    /// ## What it does
    /// Reports a step that picks another provider than the root `harness` and inherits options written for that one.
    ///
    /// ## Why it matters
    /// Defaults are merged key by key and do not look at the provider, so one CLI gets the flags of another and often
    /// refuses to start.
    ///
    /// ## Example
    /// ```yaml
    /// harness:
    ///   provider: claude
    ///   model: sonnet
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: codex
    ///       prompt: Review the patch
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// harness:
    ///   provider: claude
    ///   model: sonnet
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: codex
    ///       model: ~
    ///       prompt: Review the patch
    /// ```
    HarnessDefaultsLeak, "harness-defaults-leak", Warning, None
}

impl Rule for HarnessDefaultsLeak {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
