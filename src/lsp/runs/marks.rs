//! What the last run says about a step, until it runs again or the text is edited.

use crate::dag::{Dag, Step};
use crate::diagnostic::Severity;
use crate::document::Document;
use crate::runner::event::{StepRef, StepRole};
use crate::text::Span;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lsp) struct Mark {
    pub step: StepRef,
    /// Position among the steps of the workflow; `None` for handlers.
    pub index: Option<usize>,
    pub severity: Severity,
    pub message: String,
}

impl Mark {
    /// Where the step stands in a text that may have been edited since it was run; `None` when it is gone.
    pub fn span(&self, document: &Document) -> Option<Span> {
        let dag = document.entry();
        if let Some(event) = event(self.step.role) {
            return dag.handlers.iter().find(|handler| handler.event.value == event).map(|handler| handler.event.span);
        }
        let step = named(dag, &self.step).or_else(|| {
            let unnamed = dag.steps.get(self.index?)?;
            (unnamed.id.is_absent() && unnamed.name.is_absent()).then_some(unnamed)
        })?;
        Some(place(document, step))
    }
}

fn named<'a>(dag: &'a Dag, step: &StepRef) -> Option<&'a Step> {
    let id = step.id.as_deref();
    let by_id = id.and_then(|id| dag.steps.iter().find(|step| step.id.as_str() == Some(id)));
    by_id.or_else(|| dag.steps.iter().find(|found| found.name.as_str() == Some(&step.name)))
}

/// The word that names the step, else the first line of it.
fn place(document: &Document, step: &Step) -> Span {
    let word = step.id.span().or(step.name.span()).filter(|word| step.span.contains(*word));
    word.unwrap_or_else(|| {
        let line = document.lines.line_span(document.lines.line(step.span.start), &document.text);
        Span { start: step.span.start, end: step.span.end.min(line.end).max(step.span.start) }
    })
}

fn event(role: StepRole) -> Option<&'static str> {
    match role {
        StepRole::Step => None,
        StepRole::OnInit => Some("init"),
        StepRole::OnSuccess => Some("success"),
        StepRole::OnFailure => Some("failure"),
        StepRole::OnAbort => Some("abort"),
        StepRole::OnExit => Some("exit"),
        StepRole::OnWait => Some("wait"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, id: Option<&str>, name: &str, role: StepRole, index: Option<usize>) -> Option<String> {
        let step = StepRef { id: id.map(Into::into), name: name.into(), role };
        let mark = Mark { step, index, severity: Severity::Error, message: String::new() };
        mark.span(&Document::parse(text, None, 0)).map(|span| span.text(text).to_owned())
    }

    #[test]
    fn a_step_is_found_by_what_it_is_called() {
        let text = "steps:\n  - id: a\n    name: first\n    run: x\n  - run: y\nhandler_on:\n  exit: {run: z}\n";
        assert_eq!(found(text, Some("a"), "first", StepRole::Step, Some(7)).as_deref(), Some("a"));
        assert_eq!(found(text, None, "first", StepRole::Step, None).as_deref(), Some("a"));
        assert_eq!(found(text, None, "cmd_2", StepRole::Step, Some(1)).as_deref(), Some("run: y"));
        assert_eq!(found(text, None, "onExit", StepRole::OnExit, None).as_deref(), Some("exit"));
    }

    #[test]
    fn a_step_that_is_gone_is_not_looked_for_elsewhere() {
        let text = "steps:\n  - id: b\n    run: x\n";
        assert_eq!(found(text, Some("a"), "a", StepRole::Step, Some(0)), None);
        assert_eq!(found(text, None, "onExit", StepRole::OnExit, None), None);
    }
}
