//! What can be typed at a caret: keys, choices, actions, providers, names of steps.
//!
//! The text before the caret is rarely a document that parses. So the word at the caret is replaced by one of our own,
//! as a key where a key can stand, and the place where that word turns up in the tree is the answer.

use super::route::{self, field_at, plain};
use super::{dag_at, step_at};
use crate::dag::{Dag, Role};
use crate::document::Document;
use crate::harness::Root;
use crate::harness::provider::BUILT_INS;
use crate::schema::action::builtin_names;
use crate::schema::fields::{Field, Fields};
use crate::syntax::{NodeKind, Segment, Value};
use crate::text::Span;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionKind {
    Key,
    Choice,
    Action,
    Provider,
    Step,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    pub label: String,
    /// What takes the place of the word at the caret.
    pub insert: String,
    pub kind: CompletionKind,
    /// In a few words.
    pub detail: Option<String>,
    pub doc: Option<String>,
    pub deprecated: bool,
}

/// Completions, and the word that they replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completions {
    pub span: Span,
    /// In the order to show them.
    pub items: Vec<Completion>,
}

/// No document holds this word by accident.
const CARET: &str = "saddlerCaret0";

pub fn completions(document: &Document, offset: u32) -> Option<Completions> {
    if !document.is_dag() {
        return None;
    }
    let text = &*document.text;
    let span = word_at(text, offset as usize);
    let line = document.lines.line(offset);
    let before = &text[document.lines.line_start(line, text) as usize..span.start as usize];
    if inside_text(before) {
        return None;
    }
    let starts_entry = before.trim_start_matches([' ', '-']).is_empty() || before.trim_end().ends_with(['{', ',']);
    let has_colon = text[span.end as usize..].starts_with(':');
    let as_key = if starts_entry && !has_colon { format!("{CARET}: ") } else { CARET.to_owned() };
    // An entry of a list in brackets looks like one of a map in braces until it is tried.
    [as_key.as_str(), CARET].into_iter().find_map(|word| {
        let patched = format!("{}{word}{}", &text[..span.start as usize], &text[span.end as usize..]);
        let patched = Document::parse(&patched, document.path.as_deref(), document.version);
        let dag = dag_at(&patched, span.start)?;
        let place = find(dag)?;
        let items = offers(&patched, dag, &place, span.start, has_colon);
        (!items.is_empty()).then_some(Completions { span, items })
    })
}

/// The word around an offset: what a key, an id or an action is made of.
fn word_at(text: &str, offset: usize) -> Span {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let start = text[..offset].char_indices().rev().take_while(|&(_, c)| part(c)).last().map_or(offset, |(at, _)| at);
    // The dash of a list entry is no part of the word behind it.
    let start = start + (text[start..offset].len() - text[start..offset].trim_start_matches('-').len());
    let end = offset + text[offset..].chars().take_while(|&c| part(c)).map(char::len_utf8).sum::<usize>();
    Span::new(start, end)
}

/// True behind an open quote or a `#`, where there is nothing of ours to offer.
fn inside_text(before: &str) -> bool {
    let mut quote = None;
    let mut last = ' ';
    for c in before.chars() {
        match (quote, c) {
            (None, '#') if last.is_whitespace() => return true,
            (None, '"' | '\'') if !last.is_alphanumeric() => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        last = c;
    }
    quote.is_some()
}

/// Where our word turned up.
struct Found<'t> {
    /// The way to the map for a key, to the value itself for a value.
    path: Vec<Segment>,
    /// The keys beside ours; `None` where the word is a value.
    siblings: Option<Value<'t>>,
}

fn find(dag: &Dag) -> Option<Found<'_>> {
    let mut open = vec![(Vec::new(), dag.root_value())];
    while let Some((path, value)) = open.pop() {
        if value.site() != value.id() {
            continue;
        }
        match &value.node().kind {
            NodeKind::Mapping(map) => {
                for entry in &map.written {
                    let key = dag.value(entry.key).as_key().unwrap_or_default();
                    if key == CARET {
                        return Some(Found { path, siblings: Some(value) });
                    }
                    let mut path = path.clone();
                    path.push(Segment::Key(key.into_owned()));
                    open.push((path, dag.value(entry.value)));
                }
            }
            NodeKind::Sequence(items) => {
                for (index, &item) in items.iter().enumerate() {
                    let mut path = path.clone();
                    path.push(Segment::Index(index));
                    open.push((path, dag.value(item)));
                }
            }
            _ if value.as_str() == Some(CARET) => return Some(Found { path, siblings: None }),
            _ => {}
        }
    }
    None
}

fn offers(document: &Document, dag: &Dag, found: &Found<'_>, offset: u32, has_colon: bool) -> Vec<Completion> {
    let mut items = Vec::new();
    let alone = found.siblings.is_none_or(|map| map.entries().len() == 1);
    if alone {
        items.extend(values(document, dag, &found.path, offset));
    }
    if items.is_empty()
        && let Some(node) = field_at(dag, &found.path)
    {
        let taken = |key: &str| found.siblings.is_some_and(|map| map.get(key).is_some());
        let fields = Fields::get().keys(node).filter(|(key, _)| !taken(key));
        items.extend(fields.map(|(key, field)| of_key(key, field, has_colon)));
        // What is on its way out comes last.
        items.sort_by_key(|item| item.deprecated);
    }
    items
}

fn of_key(key: &str, field: &Field, has_colon: bool) -> Completion {
    let holds_more = field.types.iter().all(|name| matches!(name.as_str(), "object" | "array<object>"));
    let insert = match (has_colon, holds_more) {
        (true, _) => key.to_owned(),
        (false, true) => format!("{key}:"),
        (false, false) => format!("{key}: "),
    };
    Completion {
        label: key.to_owned(),
        insert,
        kind: CompletionKind::Key,
        detail: Some(route::summary(field)),
        doc: Some(field.doc.clone()),
        deprecated: field.deprecated.is_some(),
    }
}

fn word(label: &str, kind: CompletionKind, detail: Option<String>) -> Completion {
    Completion { label: label.to_owned(), insert: label.to_owned(), kind, detail, doc: None, deprecated: false }
}

/// What can stand as the value at a path.
fn values(document: &Document, dag: &Dag, path: &[Segment], offset: u32) -> Vec<Completion> {
    let Some(end) = path.iter().rposition(|segment| matches!(segment, Segment::Key(_))) else { return Vec::new() };
    let Some(node) = field_at(dag, &path[..=end]) else { return Vec::new() };
    let Some(field) = Fields::get().field(node) else { return Vec::new() };
    match field.path.as_str() {
        "steps[].depends" => return steps(document, offset),
        "steps[].action" => return actions(dag),
        "action:harness.run.with.provider" | "harness.provider" => return providers(dag),
        _ => {}
    }
    let choices = field.choices.iter().map(|choice| word(&plain(choice), CompletionKind::Choice, None));
    let mut items: Vec<Completion> = choices.collect();
    if items.is_empty() && field.types.iter().any(|name| name == "boolean") {
        items.extend(["true", "false"].map(|choice| word(choice, CompletionKind::Choice, None)));
    }
    items
}

/// The steps that the one under the caret can wait for.
fn steps(document: &Document, offset: u32) -> Vec<Completion> {
    let Some((dag, own)) = step_at(document, offset) else { return Vec::new() };
    let same_list = |role: Role<'_>| match (role, own.role) {
        (Role::Step(_), Role::Step(_)) => true,
        (Role::Body(other), Role::Body(own)) => other == own,
        _ => false,
    };
    let others = dag.all_steps().filter(|other| same_list(other.role) && other.step.span != own.step.span);
    let words = others.filter_map(|other| {
        let id = other.step.id.as_str().filter(|id| *id != CARET);
        let name = other.step.name.as_str();
        Some(word(id.or(name)?, CompletionKind::Step, name.filter(|_| id.is_some()).map(str::to_owned)))
    });
    words.collect()
}

fn actions(dag: &Dag) -> Vec<Completion> {
    let own = dag.actions.get().into_iter().flatten();
    let own = own.map(|action| word(&action.name.value, CompletionKind::Action, Some("of this file".to_owned())));
    let mut built_in: Vec<&str> = builtin_names().collect();
    // Agent steps are what people come for.
    built_in.sort_unstable_by_key(|name| (*name != "harness.run", *name));
    own.chain(built_in.into_iter().map(|name| {
        let field = Fields::get().find(&format!("action:{name}.with")).and_then(|node| Fields::get().field(node));
        Completion { doc: field.map(|field| field.doc.clone()), ..word(name, CompletionKind::Action, None) }
    }))
    .collect()
}

fn providers(dag: &Dag) -> Vec<Completion> {
    let harnesses = dag.root_value().get("harnesses").map(Value::to_json);
    let entries = harnesses.map(|value| serde_json::Map::from_iter([("harnesses".to_owned(), value)]));
    let (root, _) = Root::read(&entries.unwrap_or_default());
    let own = root.providers.definitions.keys();
    let own = own.map(|name| word(name, CompletionKind::Provider, Some("of this file".to_owned())));
    let built_in = BUILT_INS.iter().filter(|cli| root.providers.built_in(cli.name).is_some());
    own.chain(built_in.map(|cli| word(cli.name, CompletionKind::Provider, Some(format!("runs `{}`", cli.binary)))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::caret;
    use super::*;

    /// The text with the item of this label taken, or the labels if there is none.
    fn taken(text: &str, label: &str) -> String {
        let (document, offset) = caret(text);
        let Some(found) = completions(&document, offset) else { return "nothing".to_owned() };
        let Some(item) = found.items.iter().find(|item| item.label == label) else {
            return found.items.iter().map(|item| item.label.as_str()).collect::<Vec<_>>().join(" ");
        };
        let mut text = document.text.to_string();
        text.replace_range(found.span.range(), &item.insert);
        text
    }

    fn labels(text: &str) -> String {
        taken(text, "")
    }

    #[test]
    fn keys_are_offered_wherever_one_can_stand() {
        assert_eq!(taken("steps:\n  - id: a\n    ti|>\n", "timeout_sec"), "steps:\n  - id: a\n    timeout_sec: \n");
        assert_eq!(taken("steps:\n  - i|>\n", "id"), "steps:\n  - id: \n");
        assert_eq!(taken("steps:\n  - |>\n", "run"), "steps:\n  - run: \n");
        assert_eq!(
            taken("steps:\n  - id: a\n    |>\n    run: x\n", "depends"),
            "steps:\n  - id: a\n    depends: \n    run: x\n"
        );
        assert_eq!(taken("steps:\n  - run: x\n|>\n", "handler_on"), "steps:\n  - run: x\nhandler_on:\n");
        assert_eq!(
            taken("steps:\n  - id: a\n    retry_policy:\n      |>\n", "limit"),
            "steps:\n  - id: a\n    retry_policy:\n      limit: \n"
        );
        assert_eq!(taken("steps:\n  - {id: a, ru|>}\n", "run"), "steps:\n  - {id: a, run: }\n");
        assert_eq!(taken("steps:\n  - ru|>x: 1\n", "run"), "steps:\n  - run: 1\n");
    }

    #[test]
    fn keys_that_are_there_are_not_offered_again() {
        assert_eq!(
            labels("container:\n  image: x\nsteps:\n  - retry_policy: {limit: 1, interval_sec: 1, backoff: 2, |>}\n"),
            "max_interval_sec exit_code"
        );
    }

    #[test]
    fn below_with_the_action_decides() {
        let text = "steps:\n  - action: harness.run\n    with:\n      pr|>\n";
        assert_eq!(labels(text), "prompt stdin provider model fallback");
    }

    #[test]
    fn values_are_offered_where_there_are_some() {
        assert_eq!(labels("type: |>\nsteps: []\n"), "graph chain agent build");
        assert_eq!(taken("steps:\n  - action: harn|>\n", "harness.run"), "steps:\n  - action: harness.run\n");
        let text =
            "harnesses:\n  mine: {binary: x}\nsteps:\n  - action: harness.run\n    with:\n      provider: cl|>\n";
        assert!(labels(text).starts_with("mine aider amp claude "), "{}", labels(text));
        assert_eq!(labels("steps:\n  - continue_on: {failed: |>}\n"), "true false");
    }

    #[test]
    fn depends_offers_the_other_steps() {
        let text =
            |depends: &str| format!("steps:\n  - id: a\n    run: x\n  - name: b\n    run: y\n  - id: c\n{depends}\n");
        for depends in
            ["    depends: |>", "    depends: [|>]", "    depends: [a, |>]", "    depends:\n      - a\n      - |>"]
        {
            assert_eq!(labels(&text(depends)), "a b", "{depends}");
        }
        assert_eq!(taken(&text("    depends:\n      - |>"), "a"), text("    depends:\n      - a"));
    }

    #[test]
    fn in_text_nothing_is_offered() {
        assert_eq!(labels("steps:\n  - run: 'ec|>'\n"), "nothing");
        assert_eq!(labels("steps:\n  - run: x # ec|>\n"), "nothing");
        assert_eq!(labels("steps:\n  - run: |\n      ec|>\n"), "nothing");
        assert_eq!(labels("steps:\n  - run: ec|>\n"), "nothing");
        assert_eq!(labels("jobs: 1\n|>\n"), "nothing");
    }
}
