use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-definition-name
    ///
    /// ## What it does
    /// Reports a definition under `harnesses` that is called `builtin` or whose name is blank.
    ///
    /// ## Why it matters
    /// `builtin` is the name of the agent inside the process of Dagu 2.8, which refuses the workflow, as every Dagu
    /// refuses a blank name.
    ///
    /// ## Example
    /// ```yaml
    /// harnesses:
    ///   builtin:
    ///     binary: review
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: builtin
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
    HarnessDefinitionName, "harness-definition-name", Error, None
}

impl Rule for HarnessDefinitionName {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
