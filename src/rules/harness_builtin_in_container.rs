use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-builtin-in-container
    ///
    /// ## What it does
    /// Reports `provider: builtin` in a step that runs in a container, its own or the root one.
    ///
    /// ## Why it matters
    /// `builtin` is the agent inside the process of Dagu 2.8. It is no program, so it cannot be started in a container,
    /// and the step fails instead of running outside of it. Later releases of Dagu do not know the name.
    ///
    /// ## Example
    /// ```yaml
    /// container:
    ///   image: agents:1
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: builtin
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
    ///       prompt: Review the patch
    /// ```
    HarnessBuiltinInContainer, "harness-builtin-in-container", Error, Load
}

impl Rule for HarnessBuiltinInContainer {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
