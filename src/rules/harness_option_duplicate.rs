use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-option-duplicate
    ///
    /// ## What it does
    /// Reports two spellings of one option of a built-in agent CLI, with `-` and with `_`.
    ///
    /// ## Why it matters
    /// Built-in CLIs get `--max-turns` for either. Which of the two counts, or whether the CLI gets both, depends on
    /// the CLI and on whether the root has `harness` defaults.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch
    ///       max_turns: 3
    ///       max-turns: 5
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch
    ///       max-turns: 5
    /// ```
    HarnessOptionDuplicate, "harness-option-duplicate", Warning, None
}

impl Rule for HarnessOptionDuplicate {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
