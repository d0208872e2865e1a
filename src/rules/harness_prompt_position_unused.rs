use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-prompt-position-unused
    ///
    /// ## What it does
    /// Reports `prompt_position` in a definition whose prompt goes to stdin.
    ///
    /// ## Why it matters
    /// The prompt is no argument there, so its position changes nothing.
    ///
    /// ## Example
    /// ```yaml
    /// harnesses:
    ///   reader:
    ///     binary: read-agent
    ///     prompt_mode: stdin
    ///     prompt_position: after_flags
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: reader
    ///       prompt: Review the patch
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// harnesses:
    ///   reader:
    ///     binary: read-agent
    ///     prompt_mode: stdin
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: reader
    ///       prompt: Review the patch
    /// ```
    HarnessPromptPositionUnused, "harness-prompt-position-unused", Info, None
}

impl Rule for HarnessPromptPositionUnused {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
