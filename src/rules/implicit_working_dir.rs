use super::{Meta, Rule, Subject};
use crate::container::volume;
use crate::dag::{Dag, Place, Step, StepRef};
use crate::diagnostic::{Applicability, Diagnostic};
use crate::text::{Edit, Span};

declare_rule! {
    /// # implicit-working-dir
    ///
    /// ## What it does
    /// Reports a workflow without `working_dir` that uses a relative path: the source of a volume, or `./…` and `../…`
    /// in a command.
    ///
    /// ## Why it matters
    /// Saddler takes such paths from the directory of the file. Dagu makes an empty directory for each run, and the
    /// path leads nowhere.
    ///
    /// ## Example
    /// ```yaml
    /// container:
    ///   image: alpine:3.20
    ///   volumes:
    ///     - .:/workspace
    /// steps:
    ///   - run: ls /workspace
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// working_dir: .
    /// container:
    ///   image: alpine:3.20
    ///   volumes:
    ///     - .:/workspace
    /// steps:
    ///   - run: ls /workspace
    /// ```
    ImplicitWorkingDir, "implicit-working-dir", Info, None
}

impl Rule for ImplicitWorkingDir {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        // Only the entry document has the file's directory as its base; a child behaves as in Dagu.
        if dag.index > 0 || !dag.working_dir.is_absent() {
            return;
        }
        let volumes = dag.containers().filter(|(_, step)| step.is_none_or(|step| step.working_dir.is_absent()));
        let volumes = volumes.flat_map(|(container, _)| container.value.volumes.get().into_iter().flatten());
        let volume = volumes.filter(|spec| volume::parse(&spec.value).is_ok_and(|volume| is_relative(&volume.source)));
        let command = dag.all_steps().filter_map(|StepRef { step, .. }| relative_command(dag, step));
        let Some(span) = volume.map(|spec| spec.span).chain(command).min() else { return };
        let message = "this relative path starts from the directory of the file; in Dagu from an empty one";
        let diagnostic = self.diagnostic(span, message).help("add `working_dir: .` to the workflow");
        let first = dag.root_value().entries().next();
        found.push(match first.filter(|_| !dag.root_value().node().flow) {
            Some((key, _)) => {
                let edit = Edit::insert(key.span().start, "working_dir: .\n");
                diagnostic.fix("add `working_dir: .`", Applicability::Safe, vec![edit])
            }
            None => diagnostic,
        });
    }
}

fn is_relative(source: &str) -> bool {
    source.starts_with('.') || (source.contains('/') && !source.starts_with(['/', '~', '$']))
}

/// Where a step on the host names a path by its place beside the file.
fn relative_command(dag: &Dag, step: &Step) -> Option<Span> {
    if !matches!(dag.place(step), Place::Host) || !step.working_dir.is_absent() || !step.action.is_absent() {
        return None;
    }
    let run = dag.value(*step.run.get().or(step.command.get())?);
    let texts: Vec<_> = if run.is_sequence() { run.items().collect() } else { vec![run] };
    let text = texts.into_iter().find(|text| {
        let text = text.as_str().unwrap_or_default();
        text.split([' ', '\n', '=', '"', '\'']).any(|word| word.starts_with("./") || word.starts_with("../"))
    })?;
    Some(text.span())
}
