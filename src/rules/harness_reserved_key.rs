use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-reserved-key
    ///
    /// ## What it does
    /// Reports `prompt` and `stdin` in a fallback or in the root `harness`, and `managed` for another provider than
    /// `opencode`.
    ///
    /// ## Why it matters
    /// Outside of the step itself `prompt` and `stdin` are ordinary options: the CLI gets a flag `--prompt`. `managed`
    /// never reaches a CLI.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch
    ///       fallback:
    ///         - provider: codex
    ///           prompt: Review the patch briefly
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch
    ///       fallback:
    ///         - provider: codex
    /// ```
    HarnessReservedKey, "harness-reserved-key", Warning, None
}

impl Rule for HarnessReservedKey {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
