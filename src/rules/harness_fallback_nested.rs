use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-fallback-nested
    ///
    /// ## What it does
    /// Reports a fallback that has fallbacks of its own, in a handler.
    ///
    /// ## Why it matters
    /// Fallbacks are one flat list. In a step Dagu refuses to load the workflow; a handler it loads, and the handler
    /// fails when it is needed.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - run: make
    /// handler_on:
    ///   failure:
    ///     action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Explain the failure
    ///       fallback:
    ///         - provider: codex
    ///           fallback:
    ///             - provider: pi
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - run: make
    /// handler_on:
    ///   failure:
    ///     action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Explain the failure
    ///       fallback:
    ///         - provider: codex
    ///         - provider: pi
    /// ```
    HarnessFallbackNested, "harness-fallback-nested", Error, None
}

impl Rule for HarnessFallbackNested {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
