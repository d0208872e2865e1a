use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-prompt-flag
    ///
    /// ## What it does
    /// Reports a definition whose `prompt_mode` is `flag` and that has no `prompt_flag`, and a `prompt_flag` in any
    /// other mode.
    ///
    /// ## Why it matters
    /// Dagu refuses to load the workflow, whether or not a step uses the definition. The mode is `arg` when it is not
    /// written.
    ///
    /// ## Example
    /// ```yaml
    /// harnesses:
    ///   reviewer:
    ///     binary: review
    ///     prompt_flag: -p
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: reviewer
    ///       prompt: Review the patch
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// harnesses:
    ///   reviewer:
    ///     binary: review
    ///     prompt_mode: flag
    ///     prompt_flag: -p
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: reviewer
    ///       prompt: Review the patch
    /// ```
    HarnessPromptFlag, "harness-prompt-flag", Error, Load
}

impl Rule for HarnessPromptFlag {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
