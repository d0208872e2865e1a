use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-provider-default
    ///
    /// ## What it does
    /// Reports a `provider` made of constants and parameters that, with their defaults, is no provider the step can
    /// use.
    ///
    /// ## Why it matters
    /// A provider with a reference is looked up when the step runs. Unless another parameter is passed, the step fails
    /// before its agent starts, fallbacks included.
    ///
    /// ## Example
    /// ```yaml
    /// params:
    ///   - agent: cluade
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: ${params.agent}
    ///       prompt: Review the patch
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// params:
    ///   - agent: claude
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: ${params.agent}
    ///       prompt: Review the patch
    /// ```
    HarnessProviderDefault, "harness-provider-default", Warning, None
}

impl Rule for HarnessProviderDefault {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
