//! What stands under a caret: the way to it through the document, and the field of the schema it is.

use crate::dag::Dag;
use crate::schema::fields::{Field, Fields, NodeId, ROOT};
use crate::schema::{action, fault};
use crate::syntax::{NodeKind, Segment, Value};
use crate::text::Span;

/// The innermost thing under a caret.
#[derive(Debug, Clone)]
pub struct Spot<'t> {
    /// The way from the root of the document.
    pub path: Vec<Segment>,
    /// The value; for a caret on a key, the value of that key.
    pub value: Value<'t>,
    /// What the caret is on: the key, or the value.
    pub span: Span,
    pub on_key: bool,
}

/// The spot that `is_it` recognises in what is under the caret, from the root inwards. Stops at aliases: what they
/// stand for is elsewhere.
pub fn spot(dag: &Dag, offset: u32) -> Option<Spot<'_>> {
    let touches = |span: Span| span.touches(offset as usize);
    let mut value = dag.root_value();
    if !touches(value.site_span()) {
        return None;
    }
    let mut path = Vec::new();
    loop {
        if value.site() != value.id() {
            return Some(Spot { span: value.site_span(), path, value, on_key: false });
        }
        // Of two neighbours that both touch the caret the later one begins there, and is meant.
        let next = match &value.node().kind {
            NodeKind::Mapping(map) => {
                let entries = map.written.iter().rev();
                let mut entries = entries.map(|entry| (dag.value(entry.key), dag.value(entry.value)));
                match entries.find(|(key, inner)| touches(key.site_span()) || touches(inner.site_span())) {
                    Some((key, inner)) => {
                        path.push(Segment::Key(key.as_key()?.into_owned()));
                        if touches(key.site_span()) {
                            return Some(Spot { span: key.site_span(), path, value: inner, on_key: true });
                        }
                        Some(inner)
                    }
                    None => None,
                }
            }
            NodeKind::Sequence(items) => {
                let found = items.iter().rposition(|&item| touches(dag.value(item).site_span()));
                found.map(|index| {
                    path.push(Segment::Index(index));
                    dag.value(items[index])
                })
            }
            _ => None,
        };
        match next {
            Some(inner) => value = inner,
            None => return Some(Spot { span: value.site_span(), path, value, on_key: false }),
        }
    }
}

/// The field a path leads to. Below `with` it is the action of the step that says what there is.
pub fn field_at(dag: &Dag, path: &[Segment]) -> Option<NodeId> {
    let fields = Fields::get();
    let step = fields.find("steps[]")?;
    let mut value = Some(dag.root_value());
    let mut node = ROOT;
    for segment in path {
        let action = value.and_then(|value| value.get("action")).and_then(Value::as_str);
        node = match (segment, action) {
            (Segment::Key(key), Some(action)) if key == "with" && fields.shape(node) == step => {
                fields.find(action::builtin(action.trim())?.shape().table)?
            }
            _ => fields.down(node, &to_fault(segment))?,
        };
        value = value.and_then(|value| match segment {
            Segment::Key(key) => value.get(key),
            Segment::Index(index) => value.items().nth(*index),
        });
    }
    Some(node)
}

fn to_fault(segment: &Segment) -> fault::Segment {
    match segment {
        Segment::Key(key) => fault::Segment::Key(key.clone()),
        Segment::Index(index) => fault::Segment::Index(*index),
    }
}

/// What a field takes, for people: `text or a list, default: 5`.
pub fn summary(field: &Field) -> String {
    let mut parts = vec![crate::schema::words::types(field, false)];
    if !field.choices.is_empty() {
        let choices: Vec<_> = field.choices.iter().map(|choice| format!("`{}`", plain(choice))).collect();
        parts = vec![choices.join(", ")];
    }
    if field.required {
        parts.push("required".to_owned());
    }
    if let Some(default) = &field.default {
        parts.push(format!("default: `{}`", plain(default)));
    }
    parts.join("; ")
}

/// A JSON scalar as it would be typed in YAML.
pub fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::caret;
    use super::*;

    fn found(text: &str) -> (String, Option<String>) {
        let (document, offset) = caret(text);
        let dag = super::super::dag_at(&document, offset).expect("there is a document");
        let spot = spot(dag, offset).expect("something is there");
        let field = field_at(dag, &spot.path).and_then(|node| Fields::get().field(node));
        let path = crate::syntax::Path(spot.path.clone());
        (format!("{path}{}", if spot.on_key { " (key)" } else { "" }), field.map(|field| field.path.clone()))
    }

    fn both(path: &str, field: &str) -> (String, Option<String>) {
        (path.to_owned(), Some(field.to_owned()))
    }

    #[test]
    fn a_caret_leads_to_its_field() {
        let text = "steps:\n  - id: a\n    ru|>n: x\n";
        assert_eq!(found(text), both("steps[0].run (key)", "steps[].run"));
        let text = "steps:\n  - id: a\n    run: |>x\n";
        assert_eq!(found(text), both("steps[0].run", "steps[].run"));
        let text = "handler_on:\n  exit:\n    retry_policy: {lim|>it: 1}\n";
        assert_eq!(found(text), both("handler_on.exit.retry_policy.limit (key)", "steps[].retry_policy.limit"));
    }

    #[test]
    fn below_with_the_action_decides() {
        let text = "steps:\n  - action: harness.run\n    with:\n      prov|>ider: claude\n";
        assert_eq!(found(text), both("steps[0].with.provider (key)", "action:harness.run.with.provider"));
        let text = "steps:\n  - run: x\n    with:\n      shel|>l: bash\n";
        assert_eq!(found(text), both("steps[0].with.shell (key)", "steps[].with.shell"));
        let text = "steps:\n  - action: redis.get\n    with:\n      ke|>y: a\n";
        assert_eq!(found(text).1.as_deref(), Some("action:redis.<op>.with.key"));
        let text = "steps:\n  - action: who/knows@v1\n    with:\n      ke|>y: a\n";
        assert_eq!(found(text).1, None);
    }
}
