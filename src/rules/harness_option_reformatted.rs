use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # harness-option-reformatted
    ///
    /// ## What it does
    /// Reports an option that the CLI gets in another form than it is written: quoted numbers, and nulls, mappings,
    /// lists and large numbers inside a list.
    ///
    /// ## Why it matters
    /// The configuration of an agent is read as YAML once more when the step runs, quotes or not: `"007"` reaches the
    /// CLI as `7`, `"1.0"` as `1`. Inside a list, null becomes `<nil>` and a mapping `map[a:1]`. Only `prefix_args` of
    /// a definition keeps text as it is.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch
    ///       schema-version: "1.0"
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - action: harness.run
    ///     with:
    ///       provider: claude
    ///       prompt: Review the patch
    ///       schema-version: v1.0
    /// ```
    HarnessOptionReformatted, "harness-option-reformatted", Warning, None
}

impl Rule for HarnessOptionReformatted {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        subject.harness.report(Self::META.code, found);
    }
}
