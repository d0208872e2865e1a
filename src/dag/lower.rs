//! Tree to model. Nothing is reported here: the schema has said what is wrong with a shape.

use std::sync::Arc;

use super::{Container, Dag, DagType, Field, Foreach, Handler, Named, Spanned, Step};
use crate::syntax::{Tree, TreeDocument, Value};

impl Dag {
    /// The model of every document of a file.
    pub fn lower(tree: &Arc<Tree>) -> Vec<Dag> {
        let documents = tree.documents().iter().enumerate();
        documents.map(|(index, document)| lower_document(tree, index, document)).collect()
    }
}

fn lower_document(tree: &Arc<Tree>, index: usize, document: &TreeDocument) -> Dag {
    let root = tree.value(document.root);
    let steps_entry = root.entry("steps");
    Dag {
        tree: Arc::clone(tree),
        index,
        span: document.span,
        root: document.root,
        empty: document.empty,
        name: text(root, "name"),
        dag_type: field(root, "type", |value| match value.as_str()?.trim() {
            "" | "graph" => Some(DagType::Graph),
            "chain" => Some(DagType::Chain),
            "agent" | "controller" => Some(DagType::Agent),
            "build" => Some(DagType::Build),
            _ => None,
        }),
        container: field(root, "container", container),
        harness: free(root, "harness"),
        harnesses: field(root, "harnesses", named),
        params: free(root, "params"),
        consts: free(root, "consts"),
        env: free(root, "env"),
        secrets: free(root, "secrets"),
        defaults: free(root, "defaults"),
        actions: field(root, "actions", named),
        step_types: field(root, "step_types", named),
        working_dir: text(root, "working_dir"),
        steps_key: steps_entry.map(|(key, _)| key.span()),
        steps: steps_entry.map_or_else(Vec::new, |(_, value)| steps(value)),
        handlers: root.get("handler_on").map_or_else(Vec::new, handlers),
    }
}

/// A field whose value `read` understands. Null counts as absent, as nearly everywhere in Dagu.
fn field<'t, T>(map: Value<'t>, name: &str, read: impl FnOnce(Value<'t>) -> Option<T>) -> Field<T> {
    match map.entry(name) {
        None => Field::Absent,
        Some((_, value)) if value.is_null() => Field::Absent,
        Some((key, value)) => match read(value) {
            Some(read) => Field::Valued { key: key.span(), value: Spanned { value: read, span: value.site_span() } },
            None => Field::Malformed { key: key.span(), span: value.site_span() },
        },
    }
}

fn text(map: Value<'_>, name: &str) -> Field<String> {
    field(map, name, |value| value.as_str().map(str::to_owned))
}

/// Text that is trimmed, and absent when nothing is left.
fn trimmed(map: Value<'_>, name: &str) -> Field<String> {
    match text(map, name) {
        Field::Valued { value, .. } if value.value.trim().is_empty() => Field::Absent,
        Field::Valued { key, value } => {
            Field::Valued { key, value: Spanned { value: value.value.trim().to_owned(), span: value.span } }
        }
        other => other,
    }
}

fn free(map: Value<'_>, name: &str) -> Field<crate::syntax::NodeId> {
    field(map, name, |value| Some(value.id()))
}

fn integer(map: Value<'_>, name: &str) -> Field<i64> {
    field(map, name, |value| value.as_number().map(|number| number.as_f64() as i64))
}

/// Text, or a list of scalars.
fn list(map: Value<'_>, name: &str) -> Field<Vec<Spanned<String>>> {
    field(map, name, |value| {
        if let Some(text) = value.as_str() {
            return Some(vec![Spanned { value: text.to_owned(), span: value.site_span() }]);
        }
        if !value.is_sequence() {
            return None;
        }
        let items =
            value.items().filter_map(|item| Some(Spanned { value: item.scalar_text()?, span: item.site_span() }));
        Some(items.collect())
    })
}

fn named(value: Value<'_>) -> Option<Vec<Named>> {
    value.is_map().then(|| {
        let entries = value.entries().filter_map(|(key, value)| {
            let name = Spanned { value: key.as_key()?.trim().to_owned(), span: key.span() };
            Some(Named { name, node: value.id() })
        });
        entries.collect()
    })
}

fn handlers(value: Value<'_>) -> Vec<Handler> {
    let entries = value.entries().filter_map(|(key, value)| {
        let event = Spanned { value: key.as_key()?.into_owned(), span: key.span() };
        value.is_map().then(|| Handler { event, step: step(value, 0, false) })
    });
    entries.collect()
}

fn steps(value: Value<'_>) -> Vec<Step> {
    if value.is_map() {
        return named_steps(value);
    }
    let mut steps = Vec::with_capacity(value.items().len());
    for (entry, item) in value.items().enumerate() {
        if item.is_sequence() {
            steps.extend(item.items().filter(|item| is_step(*item)).map(|item| step(item, entry, true)));
        } else if is_step(item) {
            steps.push(step(item, entry, false));
        }
    }
    steps
}

/// The map form, which only the loader takes: keys are names, and steps are ordered by them.
fn named_steps(value: Value<'_>) -> Vec<Step> {
    let mut entries: Vec<_> = value.entries().filter(|(_, value)| value.is_map()).collect();
    entries.sort_by_key(|(key, _)| key.as_key());
    let steps = entries.into_iter().enumerate().map(|(entry, (key, value))| {
        let mut step = step(value, entry, false);
        let name = key.as_key().unwrap_or_default().into_owned();
        step.name = Field::Valued { key: key.span(), value: Spanned { value: name, span: key.span() } };
        step
    });
    steps.collect()
}

fn is_step(value: Value<'_>) -> bool {
    value.is_map() || value.as_str().is_some()
}

fn step(value: Value<'_>, entry: usize, grouped: bool) -> Step {
    let command = match value.as_str() {
        Some(_) => {
            Field::Valued { key: value.site_span(), value: Spanned { value: value.id(), span: value.site_span() } }
        }
        None => free(value, "command"),
    };
    Step {
        span: value.site_span(),
        node: value.id(),
        entry,
        grouped,
        id: trimmed(value, "id"),
        name: trimmed(value, "name"),
        depends: list(value, "depends"),
        run: free(value, "run"),
        action: trimmed(value, "action"),
        with: free(value, "with"),
        config: free(value, "config"),
        step_type: trimmed(value, "type"),
        command,
        script: text(value, "script"),
        exec: free(value, "exec"),
        call: text(value, "call"),
        container: field(value, "container", container),
        env: free(value, "env"),
        working_dir: text(value, "working_dir"),
        timeout_sec: integer(value, "timeout_sec"),
        retry_policy: free(value, "retry_policy"),
        signal_on_stop: text(value, "signal_on_stop"),
        output: free(value, "output"),
        outputs: field(value, "outputs", |value| {
            value.is_sequence().then(|| {
                let names = value.items().filter_map(|item| {
                    let name = item.get("name")?;
                    Some(Spanned { value: name.as_str()?.to_owned(), span: name.site_span() })
                });
                names.collect()
            })
        }),
        parallel: free(value, "parallel"),
        foreach: field(value, "foreach", |value| {
            let body = value.get("steps")?;
            let steps = body.items().filter(|item| item.is_map()).enumerate();
            Some(Foreach { node: value.id(), steps: steps.map(|(i, item)| step(item, i, false)).collect() })
        }),
    }
}

fn container(value: Value<'_>) -> Option<Container> {
    let node = value.id();
    if let Some(name) = value.as_str() {
        let span = value.site_span();
        let exec = Field::Valued { key: span, value: Spanned { value: name.trim().to_owned(), span } };
        return Some(Container { exec, ..Container::empty(node) });
    }
    value.is_map().then(|| Container {
        node,
        exec: scalar(value, "exec"),
        image: scalar(value, "image"),
        name: trimmed(value, "name"),
        shell: free(value, "shell"),
        volumes: list(value, "volumes"),
        env: free(value, "env"),
        working_dir: scalar(value, "working_dir"),
        startup: text(value, "startup"),
        network: scalar(value, "network"),
    })
}

/// A field of a container, which Dagu decodes loosely: any scalar counts as text, and empty text as absent.
fn scalar(map: Value<'_>, name: &str) -> Field<String> {
    match field(map, name, |value| value.scalar_text()) {
        Field::Valued { value, .. } if value.value.is_empty() => Field::Absent,
        other => other,
    }
}

impl Container {
    fn empty(node: crate::syntax::NodeId) -> Self {
        Container {
            node,
            exec: Field::Absent,
            image: Field::Absent,
            name: Field::Absent,
            shell: Field::Absent,
            volumes: Field::Absent,
            env: Field::Absent,
            working_dir: Field::Absent,
            startup: Field::Absent,
            network: Field::Absent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::parse;

    fn lower(text: &str) -> Dag {
        Dag::lower(&Arc::new(parse(text).tree)).remove(0)
    }

    #[test]
    fn fields_are_absent_malformed_or_valued() {
        let dag = lower("type: 5\ncontainer: box\nsteps:\n  - id: ' a '\n    depends: [x, 7]\n    run: ~\n");
        assert!(dag.dag_type.is_malformed());
        assert_eq!(dag.container.get().and_then(|container| container.exec.as_str()), Some("box"));
        let step = &dag.steps[0];
        assert_eq!(step.id.as_str(), Some("a"));
        assert!(step.run.is_absent());
        let depends: Vec<_> = step.depends.get().into_iter().flatten().map(|name| name.value.as_str()).collect();
        assert_eq!(depends, ["x", "7"]);
    }

    #[test]
    fn groups_keep_their_entry_and_bodies_their_steps() {
        let text = "steps:\n  - run: a\n  - - run: b\n    - run: c\n  - foreach:\n      items: [1]\n      steps:\n        - run: d\n";
        let dag = lower(text);
        let entries: Vec<_> = dag.steps.iter().map(|step| (step.entry, step.grouped)).collect();
        assert_eq!(entries, [(0, false), (1, true), (1, true), (2, false)]);
        assert_eq!(dag.all_steps().count(), 5);
    }

    #[test]
    fn an_alias_stands_for_a_step_at_its_own_place() {
        let text = "steps:\n  - &s {id: a, run: x}\n  - *s\n";
        let dag = lower(text);
        assert_eq!(dag.steps[1].span.text(text), "*s");
        assert_eq!(dag.steps[1].id.as_str(), Some("a"));
    }
}
