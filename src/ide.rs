//! What an editor offers for a document, in offsets and strings.
//!
//! Nothing here knows a protocol, touches a disk or can fail: an absent answer is `None` or an empty list. The other
//! side of the seam is `lsp`, which converts, calls, and converts back.

pub mod actions;
pub mod completion;
pub mod hover;
pub mod names;
pub mod route;
pub mod symbols;

use crate::dag::{Dag, Role, StepRef};
use crate::document::Document;
use crate::text::Span;

/// The document of the file that an offset lies in.
pub fn dag_at(document: &Document, offset: u32) -> Option<&Dag> {
    let mut dags = document.dags.iter().rev();
    dags.find(|dag| dag.span.touches(offset as usize))
}

/// The innermost step under a caret, handlers and bodies of loops included. A caret anywhere on the lines of a step
/// counts, so that the dash before it does too; where several share a line, the one that is touched.
pub fn step_at(document: &Document, offset: u32) -> Option<(&Dag, StepRef<'_>)> {
    let dag = dag_at(document, offset)?;
    let innermost = |holds: &dyn Fn(Span) -> bool| {
        dag.all_steps().filter(|found| holds(found.step.span)).min_by_key(|found| found.step.span.len())
    };
    let line = document.lines.line(offset);
    let touched = innermost(&|span| span.touches(offset as usize));
    let step = touched.or_else(|| {
        innermost(&|span| (document.lines.line(span.start)..=document.lines.line(span.end)).contains(&line))
    })?;
    Some((dag, step))
}

/// The entry of `steps` under a caret, by its index: for a step in the body of a loop, the loop.
pub fn entry_step_at(document: &Document, offset: u32) -> Option<(&Dag, usize)> {
    match step_at(document, offset)? {
        (dag, StepRef { role: Role::Step(index) | Role::Body(index), .. }) => Some((dag, index)),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    use crate::document::Document;

    /// A document from a text in which `|>` marks the caret, and where the caret is.
    pub(crate) fn caret(text: &str) -> (Document, u32) {
        let offset = text.find("|>").expect("the fixture has a caret");
        (Document::parse(&text.replacen("|>", "", 1), None, 0), offset as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::caret;
    use super::*;

    fn found(text: &str) -> Option<String> {
        let (document, offset) = caret(text);
        let (_, found) = step_at(&document, offset)?;
        found.step.id.as_str().map(str::to_owned)
    }

    #[test]
    fn the_whole_lines_of_a_step_belong_to_it() {
        assert_eq!(found("steps:\n|>  - id: a\n    run: x\n  - id: b\n    run: y\n").as_deref(), Some("a"));
        assert_eq!(found("steps:\n  - id: a\n    run: x|>\n  - id: b\n    run: y\n").as_deref(), Some("a"));
        assert_eq!(found("steps:\n  - id: a\n    run: x\n  |>- id: b\n    run: y\n").as_deref(), Some("b"));
        assert_eq!(found("na|>me: x\nsteps:\n  - id: a\n    run: x\n"), None);
    }

    #[test]
    fn steps_on_one_line_are_told_apart() {
        assert_eq!(found("steps: [{id: a, run: x}, {id: b, ru|>n: y}]\n").as_deref(), Some("b"));
    }

    #[test]
    fn handlers_bodies_and_later_documents_have_steps_too() {
        assert_eq!(found("steps: []\nhandler_on:\n  exit:\n    id: h\n    r|>un: x\n").as_deref(), Some("h"));
        assert_eq!(
            found("steps:\n  - id: l\n    foreach:\n      items: [1]\n      steps:\n        - id: i|>n\n          run: x\n")
                .as_deref(),
            Some("in")
        );
        assert_eq!(found("steps: []\n---\nname: c\nsteps:\n  - id: z\n    run: |>x\n").as_deref(), Some("z"));
    }

    #[test]
    fn the_caret_behind_a_broken_line_still_finds_its_step() {
        assert_eq!(found("steps:\n  - id: a\n    run: [x|>\n").as_deref(), Some("a"));
    }

    /// Editors ask in the middle of words, and of documents that are half written.
    #[test]
    fn every_feature_answers_at_every_place_of_half_a_document() {
        let text = "\
# ä😀
harnesses: {mine: {binary: x}}
steps:
  - &s {id: a, run: 'ü', depends: [b, 'c']}
  - *s
  - id: b
    action: harness.run
    with: {provider: mine, prompt: \"${steps.a.outputs.v} ä\"}
  - foreach:
      items: [1]
      steps: [{id: c, run: \"${a.x}\"}]
handler_on:
  exit: {run: |
    x}
---
name: ü
steps: [run: x, {
";
        let offsets = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        let mut answers = 0;
        for end in offsets.clone().filter(|end| end % 29 == 0) {
            let document = Document::parse(&text[..end], None, 0);
            let diagnostics = crate::rules::check(&document);
            symbols::symbols(&document);
            for offset in offsets.clone().take_while(|offset| *offset <= end) {
                actions::actions(&document, &diagnostics, &[], Span::at(offset));
                let offset = offset as u32;
                answers += usize::from(hover::hover(&document, &diagnostics, offset).is_some());
                answers += usize::from(completion::completions(&document, offset).is_some());
                answers += names::references(&document, offset, true).len();
                let _ = names::rename(&document, offset, "new");
            }
        }
        assert!(answers > 200, "{answers}");
    }
}
