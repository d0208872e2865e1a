//! The outline: documents, steps and handlers.

use crate::dag::{Dag, Step};
use crate::document::Document;
use crate::text::Span;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolKind {
    Document,
    Step,
    Handler,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Never empty.
    pub name: String,
    pub detail: Option<String>,
    pub kind: SymbolKind,
    pub span: Span,
    /// What is shown when the symbol is chosen; lies in `span`.
    pub selection: Span,
    pub children: Vec<Symbol>,
}

/// In the order of the text. A file with one document has its steps and handlers on top; of several documents each
/// holds its own.
pub fn symbols(document: &Document) -> Vec<Symbol> {
    let [dag] = &document.dags[..] else {
        let dags = document.dags.iter().filter(|dag| !dag.empty);
        return dags.map(|dag| of_document(document, dag)).collect();
    };
    members(document, dag)
}

fn of_document(document: &Document, dag: &Dag) -> Symbol {
    let stem = document.stem().filter(|_| dag.index == 0).map(str::to_owned);
    let name = dag.name.as_str().filter(|name| !name.trim().is_empty()).map(str::to_owned);
    let root = dag.root_value().span();
    Symbol {
        name: name.or(stem).unwrap_or_else(|| format!("document {}", dag.index + 1)),
        detail: None,
        kind: SymbolKind::Document,
        span: dag.span,
        selection: dag.name.span().filter(|span| dag.span.contains(*span)).unwrap_or(Span::at(root.start as usize)),
        children: members(document, dag),
    }
}

fn members(document: &Document, dag: &Dag) -> Vec<Symbol> {
    let steps = dag.steps.iter().map(|step| of_step(document, step));
    let handlers = dag.handlers.iter().map(|handler| {
        let symbol = of_step(document, &handler.step);
        Symbol {
            name: handler.event.value.clone(),
            kind: SymbolKind::Handler,
            span: handler.event.span.to(symbol.span),
            selection: handler.event.span,
            ..symbol
        }
    });
    let mut members: Vec<Symbol> = steps.chain(handlers).filter(|symbol| !symbol.name.is_empty()).collect();
    members.sort_by_key(|symbol| symbol.span);
    members
}

fn of_step(document: &Document, step: &Step) -> Symbol {
    let label = [step.id.spanned(), step.name.spanned()].into_iter().flatten().next();
    // The key of a step in a map, and the id behind an alias, stand outside the step itself.
    let selection = label.map(|label| label.span).filter(|span| step.span.contains(*span));
    let body = step.foreach.get().map_or(&[][..], |foreach| &foreach.steps);
    Symbol {
        name: label.map_or_else(|| format!("step {}", step.entry + 1), |label| label.value.clone()),
        detail: work(document, step),
        kind: SymbolKind::Step,
        span: step.span,
        selection: selection.unwrap_or_else(|| first_line(document, step.span)),
        children: body.iter().map(|step| of_step(document, step)).collect(),
    }
}

/// What a step does, in a word or the first line of its command.
fn work(document: &Document, step: &Step) -> Option<String> {
    if let Some(action) = step.action.as_str().or(step.step_type.as_str()) {
        return Some(action.to_owned());
    }
    if let Some(call) = step.call.as_str() {
        return Some(format!("call {call}"));
    }
    if !step.foreach.is_absent() {
        return Some("foreach".to_owned());
    }
    let node = step.run.get().or(step.command.get())?;
    let command = document.tree.value(*node).as_str()?.trim().lines().next()?;
    (!command.is_empty()).then(|| command.to_owned())
}

fn first_line(document: &Document, span: Span) -> Span {
    let line = document.lines.line_span(document.lines.line(span.start), &document.text);
    Span { start: span.start, end: span.end.min(line.end).max(span.start) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str) -> String {
        fn write(out: &mut String, text: &str, depth: usize, symbols: &[Symbol]) {
            for symbol in symbols {
                assert!(symbol.span.contains(symbol.selection), "{symbol:?}");
                let detail = symbol.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
                let selection = symbol.selection.text(text);
                out.push_str(&format!(
                    "{}{:?} {}{detail} @{selection}\n",
                    "  ".repeat(depth),
                    symbol.kind,
                    symbol.name
                ));
                write(out, text, depth + 1, &symbol.children);
            }
        }
        let mut out = String::new();
        write(&mut out, text, 0, &symbols(&Document::parse(text, None, 0)));
        out
    }

    #[test]
    fn one_document_has_its_steps_and_handlers_on_top() {
        let text = "\
steps:
  - id: a
    run: make all
  - action: harness.run
  - id: l
    foreach:
      items: [1]
      steps:
        - id: inner
          run: x
handler_on:
  exit: {run: bye}
";
        insta::assert_snapshot!(outline(text), @r"
        Step a (make all) @a
        Step step 2 (harness.run) @action: harness.run
        Step l (foreach) @l
          Step inner (x) @inner
        Handler exit (bye) @exit
        ");
    }

    #[test]
    fn several_documents_hold_their_own() {
        insta::assert_snapshot!(outline("steps:\n  - run: x\n---\nname: child\nsteps:\n  - id: c\n    run: y\n"), @r"
        Document document 1 @
          Step step 1 (x) @run: x
        Document child @child
          Step c (y) @c
        ");
    }

    #[test]
    fn half_a_document_has_half_an_outline() {
        insta::assert_snapshot!(outline("steps:\n  - id: a\n    run: [x\n  - id: b\n    r"), @r"
        Step a @a
        Step b @b
        ");
    }
}
