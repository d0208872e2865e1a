use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-container-shell
    ///
    /// ## What it does
    /// Reports `container.shell` on an agent step.
    ///
    /// ## Why it matters
    /// Agents are always started directly, so the shell has no effect here. In a running container (`exec`) Dagu joins
    /// the arguments with blanks and gives them to the shell, which tears a prompt of several words apart and runs
    /// parts of it as code.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     container:
    ///       exec: sandbox
    ///       shell: ["/bin/sh", "-c"]
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     container:
    ///       exec: sandbox
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch
    /// ```
    HarnessContainerShell, "harness-container-shell", Warning, None
}

impl Rule for HarnessContainerShell {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
