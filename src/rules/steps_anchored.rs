use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # steps-anchored
    ///
    /// ## What it does
    /// Reports an anchor or a tag on the list of steps, and an alias in its place.
    ///
    /// ## Why it matters
    /// `dagu validate` refuses the file, while its loader runs it.
    ///
    /// ## Example
    /// ```yaml
    /// steps: &all
    ///   - run: echo hello
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - run: echo hello
    /// ```
    StepsAnchored, "steps-anchored", Warning, Validate
}

impl Rule for StepsAnchored {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let Some((key, steps)) = subject.dag.root_value().entry("steps") else { return };
        let node = steps.node();
        let what = match (node.tagged, steps.site() != steps.id(), node.anchored) {
            (true, ..) => "a tag on",
            (_, true, _) => "an alias for",
            (_, _, true) => "an anchor on",
            _ => return,
        };
        let message = format!("`dagu validate` refuses {what} the list of steps");
        found.push(self.diagnostic(key.span(), message).help("write the list itself below `steps`"));
    }
}
