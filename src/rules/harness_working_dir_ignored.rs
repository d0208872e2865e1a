use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-working-dir-ignored
    ///
    /// ## What it does
    /// Reports `working_dir` on an agent step that runs in the root container.
    ///
    /// ## Why it matters
    /// In the shared container the agent starts in the `working_dir` of the container; the one of the step changes
    /// nothing.
    ///
    /// ## Example
    /// ```yaml
    /// container:
    ///   image: agents:1
    /// steps:
    ///   - action: harness.run
    ///     working_dir: docs
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// container:
    ///   image: agents:1
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch under docs
    /// ```
    HarnessWorkingDirIgnored, "harness-working-dir-ignored", Warning, None
}

impl Rule for HarnessWorkingDirIgnored {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
