use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-builtin-option
    ///
    /// ## What it does
    /// Reports options that `provider: builtin` does not have, and values they cannot take.
    ///
    /// ## Why it matters
    /// The in-process agent of Dagu 2.8 checks its options strictly, unlike a CLI, whose flags only the CLI itself
    /// knows. Defaults in the root `harness` that are meant for a CLI reach it too.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: builtin
    ///       prompt: Review the patch
    ///       max_turns: 3
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: builtin
    ///       prompt: Review the patch
    ///       max_iterations: 3
    /// ```
    HarnessBuiltinOption, "harness-builtin-option", Error, Load
}

impl Rule for HarnessBuiltinOption {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
