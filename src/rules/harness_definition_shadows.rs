use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-definition-shadows
    ///
    /// ## What it does
    /// Reports a definition under `harnesses` with the name of a built-in agent CLI.
    ///
    /// ## Why it matters
    /// The definition stands in for the built-in provider completely: its arguments, its own options and the spelling
    /// of its flags (`max_turns` is `--max_turns`, not `--max-turns`). Dagu 2.8 refuses such a name.
    ///
    /// ## Example
    /// ```yaml
    /// harnesses:
    ///   claude:
    ///     binary: claude-wrapper
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
    ///   claude-wrapper:
    ///     binary: claude-wrapper
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude-wrapper
    ///       prompt: Review the patch
    /// ```
    HarnessDefinitionShadows, "harness-definition-shadows", Info, None
}

impl Rule for HarnessDefinitionShadows {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
