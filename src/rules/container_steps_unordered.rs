use super::{Meta, Rule, Subject};
use crate::dag::Graph;
use crate::diagnostic::{Applicability, Diagnostic};
use crate::text::Edit;

declare_rule! {
    /// # container-steps-unordered
    ///
    /// ## What it does
    /// Reports an agent step in a shared container that has no `depends` and stands below command steps, in a
    /// workflow where no step says what it depends on.
    ///
    /// ## Why it matters
    /// Saddler starts such an agent after the commands written above it, because they prepare the files it works on.
    /// Dagu starts all of them at once, and what the agent finds is left to chance.
    ///
    /// ## Example
    /// ```yaml
    /// working_dir: .
    /// container: alpine-box
    /// steps:
    ///   - id: prepare
    ///     run: touch notes.txt
    ///   - id: review
    ///     action: harness.run
    ///     with: {provider: claude, prompt: Review the notes}
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// working_dir: .
    /// container: alpine-box
    /// steps:
    ///   - id: prepare
    ///     run: touch notes.txt
    ///   - id: review
    ///     action: harness.run
    ///     with: {provider: claude, prompt: Review the notes}
    ///     depends: prepare
    /// ```
    /// `depends: []` says that the steps may run at the same time.
    ContainerStepsUnordered, "container-steps-unordered", Info, None
}

impl Rule for ContainerStepsUnordered {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        let edges = Graph::implied(dag);
        let mut rest = &edges[..];
        while let [(agent, _), ..] = *rest {
            let n = rest.iter().take_while(|edge| edge.0 == agent).count();
            let commands: Vec<_> = rest[..n].iter().map(|&(_, command)| &dag.steps[command]).collect();
            rest = &rest[n..];
            let step = &dag.steps[agent];
            let Some(action) = step.action.span().or(step.step_type.span()) else { continue };
            let message = format!("in Dagu {} starts together with the commands above it", dag.label(step));
            let diagnostic = self.diagnostic(action, message);
            let diagnostic = commands.iter().fold(diagnostic, |diagnostic, command| {
                diagnostic.label(command.run.key().unwrap_or(command.span), "may still be running then")
            });
            let names: Option<Vec<_>> = commands.iter().map(|command| command.own_name()).collect();
            found.push(match names {
                Some(names) => {
                    let depends = format!("depends: [{}]", names.join(", "));
                    let diagnostic = diagnostic.help(format!("add `{depends}`"));
                    match insertion(subject, step.action.key().or(step.step_type.key()), &depends) {
                        Some(edit) => diagnostic.fix(format!("add `{depends}`"), Applicability::Safe, vec![edit]),
                        None => diagnostic,
                    }
                }
                None => diagnostic.help("give the commands an `id` and name it in `depends`"),
            });
        }
    }
}

/// A line in front of the one with `key`, with the same indentation; `None` in braces, or behind the dash of an item
/// whose further keys stand elsewhere.
fn insertion(subject: &Subject<'_>, key: Option<crate::text::Span>, line: &str) -> Option<Edit> {
    let text = &subject.document.text;
    let start = key?.start;
    let begin = subject.document.lines.line_start(subject.document.lines.line(start), text);
    let before = &text[begin as usize..start as usize];
    let indent: String = before.chars().map(|_| ' ').collect();
    before.trim_matches([' ', '-']).is_empty().then(|| Edit::insert(start, format!("{line}\n{indent}")))
}
