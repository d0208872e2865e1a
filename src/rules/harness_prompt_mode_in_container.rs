use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-prompt-mode-in-container
    ///
    /// ## What it does
    /// Reports a provider with `prompt_mode: stdin` in a step that runs in a container, its own or the root one.
    ///
    /// ## Why it matters
    /// Nothing is piped into a container, so the agent would never get its prompt. Dagu loads such a workflow and fails
    /// the attempt.
    ///
    /// ## Example
    /// ```yaml
    /// harnesses:
    ///   reader:
    ///     binary: read-agent
    ///     prompt_mode: stdin
    /// steps:
    ///   - action: harness.run
    ///     container:
    ///       image: agents:1
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
    ///     prompt_mode: arg
    /// steps:
    ///   - action: harness.run
    ///     container:
    ///       image: agents:1
    ///     with:
    ///       provider: reader
    ///       prompt: Review the patch
    /// ```
    HarnessPromptModeInContainer, "harness-prompt-mode-in-container", Error, None
}

impl Rule for HarnessPromptModeInContainer {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
