use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-container-name
    ///
    /// ## What it does
    /// Reports `container.name` beside `container.image` on an agent step.
    ///
    /// ## Why it matters
    /// Every attempt gets a container of its own, so a fixed name cannot be kept. Dagu loads the workflow and fails the
    /// attempt.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     container:
    ///       image: agents:1
    ///       name: sandbox
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
    /// `exec` attaches to a running container; without a name a new one is made and removed.
    HarnessContainerName, "harness-container-name", Error, None
}

impl Rule for HarnessContainerName {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
