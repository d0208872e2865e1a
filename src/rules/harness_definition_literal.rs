use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-definition-literal
    ///
    /// ## What it does
    /// Reports a reference in a definition under `harnesses`.
    ///
    /// ## Why it matters
    /// Nothing is filled in there: the text `${…}` itself is taken for the program or the argument. Options in `with`
    /// do resolve references, and so does `provider`, which can choose between definitions.
    ///
    /// ## Example
    /// ```yaml
    /// harnesses:
    ///   reviewer:
    ///     binary: ${env.REVIEWER}
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: reviewer
    ///       prompt: Review the patch
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// harnesses:
    ///   reviewer:
    ///     binary: review
    ///   reviewer-next:
    ///     binary: review-next
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: ${params.reviewer}
    ///       prompt: Review the patch
    /// ```
    HarnessDefinitionLiteral, "harness-definition-literal", Warning, None
}

impl Rule for HarnessDefinitionLiteral {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
