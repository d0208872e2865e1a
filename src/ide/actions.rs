//! What can be done at a place: run things, and mend what was found.

use super::entry_step_at;
use crate::dag::Step;
use crate::diagnostic::{Applicability, Diagnostic, Fix};
use crate::document::Document;
use crate::text::Span;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Fix {
        diagnostic: Diagnostic,
        fix: Fix,
        /// The one fix of the finding, and it keeps the meaning.
        preferred: bool,
    },
    /// By id, or by name for a step without one.
    RunStep {
        step: String,
    },
    RunDag,
    /// Show what [`Action::RunDag`] would start, and start nothing.
    DryRun,
}

impl Action {
    /// As shown in a menu. Editors' plugins look for these words: they are part of the interface.
    pub fn title(&self) -> String {
        match self {
            Action::Fix { fix, .. } => sentence(&fix.title),
            Action::RunStep { step } => format!("Run step `{step}`"),
            Action::RunDag => "Run DAG".to_owned(),
            Action::DryRun => "Show what DAG would run".to_owned(),
        }
    }
}

/// Fixes for the findings that touch `span` or begin on its first line, then what can be run.
///
/// `names` are those that a run gives the steps of the entry document, in the order of the text; nothing for one that
/// cannot be run as it stands. They stand in for what the text does not say.
pub fn actions(document: &Document, diagnostics: &[Diagnostic], names: &[String], span: Span) -> Vec<Action> {
    let mut actions = Vec::new();
    if !document.is_dag() {
        return actions;
    }
    let line = document.lines.line(span.start);
    for diagnostic in diagnostics {
        let place = diagnostic.span;
        let near = place.start <= span.end && span.start <= place.end || document.lines.line(place.start) == line;
        if let Some(fix) = diagnostic.fix.as_ref().filter(|_| near) {
            let preferred = fix.applicability == Applicability::Safe;
            actions.push(Action::Fix { diagnostic: diagnostic.clone(), fix: fix.clone(), preferred });
        }
    }
    if let Some((dag, index)) = entry_step_at(document, span.start)
        // The documents behind the first are run by the steps that call them.
        && dag.index == 0
        && let Some(step) = handle(&dag.steps[index]).or(names.get(index).map(String::as_str))
    {
        actions.push(Action::RunStep { step: step.to_owned() });
    }
    if !document.entry().steps.is_empty() {
        actions.extend([Action::RunDag, Action::DryRun]);
    }
    actions
}

/// The word by which a single step is chosen.
fn handle(step: &Step) -> Option<&str> {
    step.id.as_str().or(step.name.as_str())
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::caret;
    use super::*;
    use crate::rules;

    fn titles(text: &str) -> Vec<String> {
        let (document, offset) = caret(text);
        let diagnostics = rules::check(&document);
        actions(&document, &diagnostics, &[], Span::at(offset as usize)).iter().map(Action::title).collect()
    }

    #[test]
    fn a_step_can_be_run_from_any_of_its_lines() {
        assert_eq!(titles("steps:\n  - id: a\n    r|>un: x\n"), ["Run step `a`", "Run DAG", "Show what DAG would run"]);
        assert_eq!(titles("|>steps:\n  - id: a\n    run: x\n"), ["Run DAG", "Show what DAG would run"]);
        assert_eq!(
            titles("steps:\n  - name: n\n    run: |>x\n"),
            ["Run step `n`", "Run DAG", "Show what DAG would run"]
        );
    }

    #[test]
    fn handlers_and_called_documents_are_not_run_alone() {
        assert_eq!(
            titles("steps:\n  - {id: a, run: x}\nhandler_on:\n  exit:\n    id: h\n    run: |>x\n"),
            ["Run DAG", "Show what DAG would run"]
        );
        assert_eq!(
            titles("steps: [{id: a, run: x}]\n---\nname: c\nsteps:\n  - id: b\n    run: |>x\n"),
            ["Run DAG", "Show what DAG would run"]
        );
    }

    #[test]
    fn a_fix_comes_first_and_from_anywhere_on_its_line() {
        let text = "steps:\n  - id: build\n    run: x\n  - id: b\n    run: y\n   |> depends: [biuld]\n";
        assert_eq!(titles(text), ["Depend on `build`", "Run step `b`", "Run DAG", "Show what DAG would run"]);
    }

    #[test]
    fn other_files_offer_nothing() {
        assert_eq!(titles("jobs:|>\n  a: 1\nsteps: []\n"), Vec::<String>::new());
    }
}
