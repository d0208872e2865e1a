use super::{Meta, Rule, Subject};
use crate::dag::StepRef;
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # container-signal-ignored
    ///
    /// ## What it does
    /// Reports `signal_on_stop` on a step that runs in a container.
    ///
    /// ## Why it matters
    /// Saddler sends that signal. Dagu always sends TERM there.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - container: {image: "alpine:3.20"}
    ///     run: sleep 60
    ///     signal_on_stop: SIGINT
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - container: {image: "alpine:3.20"}
    ///     run: sleep 60
    /// ```
    ContainerSignalIgnored, "container-signal-ignored", Info, None
}

impl Rule for ContainerSignalIgnored {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        for StepRef { step, .. } in dag.all_steps() {
            if let (Some(key), Some(_)) = (step.signal_on_stop.key(), dag.place(step).container()) {
                let message = "Dagu ignores `signal_on_stop` in a container and sends TERM";
                found.push(self.diagnostic(key, message).help("let the program end on TERM too"));
            }
        }
    }
}
