use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-definition-unused
    ///
    /// ## What it does
    /// Reports a definition under `harnesses` that no step, fallback or default names.
    ///
    /// ## Why it matters
    /// It is left over, or the name in a step is another one than was meant. Nothing is said when a `provider` is a
    /// reference, which may stand for any name, or when the file has actions of its own.
    ///
    /// ## Example
    /// ```yaml
    /// harnesses:
    ///   reviewer:
    ///     binary: review
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// harnesses:
    ///   reviewer:
    ///     binary: review
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: reviewer
    ///       prompt: Review the patch
    /// ```
    HarnessDefinitionUnused, "harness-definition-unused", Info, None
}

impl Rule for HarnessDefinitionUnused {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
