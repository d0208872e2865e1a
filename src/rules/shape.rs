//! What the schema finds, put in its place: paths become spans, changes become edits.

use serde_json::Value as Json;

use crate::dag::Dag;
use crate::diagnostic::{Diagnostic, Fix, Label};
use crate::document::Document;
use crate::schema::{self, Change, DocumentContext, Fault, On};
use crate::syntax::{Place, Value};
use crate::text::{Edit, Span};

/// The faults of one document. Nothing is said about an empty one, or one that is no map: rules do.
pub(super) fn check(document: &Document, dag: &Dag, found: &mut Vec<Diagnostic>) {
    let root = dag.root_value();
    if dag.empty || !root.is_map() || root.entries().len() == 0 {
        return;
    }
    let context = DocumentContext::default();
    let faults = schema::check_document(&root.to_json(), &context);
    found.extend(faults.into_iter().map(|fault| place(document, dag, fault)));
}

fn place(document: &Document, dag: &Dag, fault: Fault) -> Diagnostic {
    let place = dag.tree.locate(dag.root, &fault.path);
    let span = match fault.on {
        // A path that leads nowhere (the fault is about something that is computed) falls back to the deepest part.
        _ if !place.complete => token(place),
        On::Key => place.key.map_or_else(|| token(place), |key| key.span()),
        On::Value => token(place),
        On::Missing => owner(place),
    };
    let mut labels: Vec<Label> = fault
        .related
        .iter()
        .map(|(path, message)| {
            let place = dag.tree.locate(dag.root, path);
            Label { span: place.key.map_or_else(|| token(place), |key| key.span()), message: message.clone() }
        })
        .collect();
    if let Some(alias) = place.through {
        labels.push(Label { span: alias, message: "used here".to_owned() });
    }
    let fix = fault.fix.as_ref().and_then(|fix| {
        let edit = edit(document, place, &fix.change)?;
        Some(Fix { title: title(&fix.change), edits: vec![edit], applicability: fix.applicability })
    });
    Diagnostic {
        code: fault.code,
        severity: fault.severity,
        gate: fault.gate,
        span,
        message: fault.message,
        help: fault.help,
        labels,
        fix: fix.filter(|_| place.complete),
    }
}

/// The token that shows a value: a scalar as written, the key of a collection or of nothing, the first key of an item.
fn token(place: Place<'_>) -> Span {
    let value = place.value;
    let scalar = !value.is_map() && !value.is_sequence();
    if scalar && !value.span().is_empty() {
        return value.span();
    }
    match place.key {
        Some(key) => key.span(),
        None => first_key(value),
    }
}

/// The key of the mapping that lacks something; for an item or a document its first key.
fn owner(place: Place<'_>) -> Span {
    place.key.map_or_else(|| first_key(place.value), |key| key.span())
}

fn first_key(value: Value<'_>) -> Span {
    match value.entries().next() {
        Some((key, _)) => key.span(),
        None if value.is_sequence() => {
            // The list's own brackets or first dash, not all of its lines.
            let span = value.span();
            let line = span.text(value.tree().text()).lines().next().unwrap_or("").len();
            Span::new(span.start as usize, span.start as usize + line)
        }
        None => value.span(),
    }
}

fn title(change: &Change) -> String {
    match change {
        Change::RenameKey(name) => format!("rename to `{name}`"),
        Change::SetValue(value) => format!("write `{}`", scalar(value)),
        Change::Remove => "remove it".to_owned(),
        Change::Insert(key, value) => format!("add `{key}: {}`", scalar(value)),
    }
}

fn edit(document: &Document, place: Place<'_>, change: &Change) -> Option<Edit> {
    match change {
        Change::RenameKey(name) => Some(Edit::replace(place.key?.span(), name.as_str())),
        Change::SetValue(value) => {
            let span = place.value.span();
            (!span.is_empty() && place.through.is_none()).then(|| Edit::replace(span, scalar(value)))
        }
        Change::Remove => removal(document, place),
        Change::Insert(key, value) => {
            let map = place.value;
            let (first, _) = map.entries().next()?;
            let start = first.span().start;
            if map.node().flow {
                return Some(Edit::insert(start, format!("{key}: {}, ", scalar(value))));
            }
            let line = document.lines.line_start(document.lines.line(start), &document.text);
            let indent = document.text[line as usize..start as usize].chars().count();
            Some(Edit::insert(start, format!("{key}: {}\n{}", scalar(value), " ".repeat(indent))))
        }
    }
}

/// Deletes an entry that has its lines to itself.
fn removal(document: &Document, place: Place<'_>) -> Option<Edit> {
    let key = place.key?;
    let text = &document.text;
    let start = document.lines.line_start(document.lines.line(key.span().start), text);
    if !text[start as usize..key.span().start as usize].trim().is_empty() || place.through.is_some() {
        return None;
    }
    let last = place.value.site_span().end.max(key.span().end);
    let end = document.lines.line_start(document.lines.line(last.max(1) - 1) + 1, text);
    let behind = &text[last as usize..end as usize];
    // A comment behind the value belongs to it; anything else does not.
    let behind = behind.trim_start_matches([':', ' ']);
    (behind.trim().is_empty() || behind.starts_with('#')).then(|| Edit::delete(Span::new(start as usize, end as usize)))
}

/// A scalar as YAML: plain where it reads back as the same text, quoted elsewhere.
fn scalar(value: &Json) -> String {
    let Json::String(text) = value else { return value.to_string() };
    let plain = !text.is_empty()
        && text.chars().all(|c| c.is_alphanumeric() || "_./-${}".contains(c))
        && text.chars().next().is_some_and(char::is_alphanumeric)
        && matches!(crate::syntax::resolve_plain(text, Span::new(0, text.len())), crate::syntax::NodeKind::Source(_));
    if plain { text.clone() } else { value.to_string() }
}
