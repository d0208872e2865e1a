use super::{Meta, Rule, Subject, add_container_field};
use crate::container::shell;
use crate::dag::StepRef;
use crate::diagnostic::{Applicability, Diagnostic};

declare_rule! {
    /// # container-run-needs-shell
    ///
    /// ## What it does
    /// Reports a command in a container that uses shell syntax (a redirect, a pipe, `&&`, `$(…)`) where the container
    /// sets no `shell`.
    ///
    /// ## Why it matters
    /// Saddler runs such a text through `/bin/sh -c` in the container. Dagu starts its first word with all the others as
    /// arguments: `echo hi > file` prints `hi > file` and writes nothing.
    ///
    /// ## Example
    /// ```yaml
    /// container:
    ///   image: alpine:3.20
    /// steps:
    ///   - run: date > stamp.txt
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// container:
    ///   image: alpine:3.20
    ///   shell: ["/bin/sh", "-c"]
    /// steps:
    ///   - run: date > stamp.txt
    /// ```
    ContainerRunNeedsShell, "container-run-needs-shell", Info, None
}

impl Rule for ContainerRunNeedsShell {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        for StepRef { step, .. } in dag.all_steps().filter(|it| !it.step.is_harness() && it.step.action.is_absent()) {
            let Some(container) = dag.place(step).container() else { continue };
            if !container.value.shell.is_absent() {
                continue;
            }
            let Some(&run) = step.run.get().or(step.command.get()) else { continue };
            let run = dag.value(run);
            let texts: Vec<_> = if run.is_sequence() { run.items().collect() } else { vec![run] };
            for text in texts {
                if !text.as_str().is_some_and(shell::needs_shell) {
                    continue;
                }
                let diagnostic = self
                    .diagnostic(text.span(), "Dagu runs this without a shell, since the container sets none")
                    .label(container.value.key_span(container.span), "the container")
                    .help("add `shell: [\"/bin/sh\", \"-c\"]` to the container");
                found.push(match add_container_field(subject, &container.value, "shell: [\"/bin/sh\", \"-c\"]") {
                    Some(edit) => diagnostic.fix("give the container a shell", Applicability::Safe, vec![edit]),
                    None => diagnostic,
                });
            }
        }
    }
}
