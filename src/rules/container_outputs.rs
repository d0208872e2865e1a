use super::{Meta, Rule, Subject};
use crate::dag::StepRef;
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # container-outputs
    ///
    /// ## What it does
    /// Reports declared `outputs` on a step that runs in a container.
    ///
    /// ## Why it matters
    /// Saddler gives such a step a file inside its container and reads it back. In Dagu the file behind
    /// `DAGU_OUTPUT_FILE` is never there, and the step always fails.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - id: version
    ///     container: {image: "alpine:3.20"}
    ///     run: sh -c 'echo v=1 >> $DAGU_OUTPUT_FILE'
    ///     outputs:
    ///       - name: v
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - id: version
    ///     container: {image: "alpine:3.20"}
    ///     run: echo 1
    ///     output: VERSION
    /// ```
    ContainerOutputs, "container-outputs", Info, None
}

impl Rule for ContainerOutputs {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        for StepRef { step, .. } in dag.all_steps() {
            let (Some(key), Some(container)) = (step.outputs.key(), dag.place(step).container()) else { continue };
            let diagnostic = self.diagnostic(key, "in Dagu a step in a container cannot publish `outputs`");
            let diagnostic =
                diagnostic.label(container.value.key_span(container.span), "the step runs in this container");
            found.push(
                diagnostic.help("where Dagu must run it too, print the value and capture it with `output: NAME`"),
            );
        }
    }
}
