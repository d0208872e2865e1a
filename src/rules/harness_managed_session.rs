use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-managed-session
    ///
    /// ## What it does
    /// Reports `managed` of the provider `opencode` when it is true, or neither true nor false.
    ///
    /// ## Why it matters
    /// A managed session is kept by a long-running Dagu server. Saddler has none, nor has a container, so such an
    /// attempt fails before anything starts; with an option a session does not take, the step fails even when it stands
    /// in a fallback.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: opencode
    ///       prompt: Review the patch
    ///       managed: true
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: opencode
    ///       prompt: Review the patch
    ///       managed: false
    /// ```
    HarnessManagedSession, "harness-managed-session", Error, None
}

impl Rule for HarnessManagedSession {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
