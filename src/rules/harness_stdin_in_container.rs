use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-stdin-in-container
    ///
    /// ## What it does
    /// Reports extra stdin (`with.stdin`, or `script` in the older form) of an agent step that runs in a container, its
    /// own or the root one.
    ///
    /// ## Why it matters
    /// Nothing is piped into a container, so the step can never succeed. Dagu refuses it when it loads a step with its
    /// own container, and fails the step when the container is the root one or the step is a handler.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     container:
    ///       image: agents:1
    ///     with:
    ///       provider: claude
    ///       prompt: Explain this log
    ///       stdin: ${env.LOG}
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     container:
    ///       image: agents:1
    ///     with:
    ///       provider: claude
    ///       prompt: |
    ///         Explain this log:
    ///         ${env.LOG}
    /// ```
    HarnessStdinInContainer, "harness-stdin-in-container", Error, Load
}

impl Rule for HarnessStdinInContainer {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
