//! The texts of a workflow that references are filled into, each with its place, for [`crate::values::notices`].

use std::collections::HashSet;
use std::sync::Arc;

use crate::dag::{Dag, DagType, Field, Graph, Role, StepRef};
use crate::syntax::{NodeKind, Value};
use crate::text::Span;
use crate::values::notices::{FieldText, Notice, Outline, Owner, ParamOutline, StepOutline, notices};
use crate::values::params;

/// A notice with the place of its token.
#[derive(Debug)]
pub(crate) struct Placed {
    pub notice: Notice,
    pub span: Span,
}

/// Keys of a step whose texts are taken as they are.
const LITERAL: &[&str] = &[
    "id",
    "name",
    "description",
    "depends",
    "dependencies",
    "action",
    "type",
    "outputs",
    "output_schema",
    "continue_on",
    "approval",
    "signal_on_stop",
    "timeout_sec",
    "log_output",
    "mail_on_error",
    "foreach",
    "script_type",
    "container",
    "env",
];

/// Settings of a container that are taken as they are.
const LITERAL_IN_CONTAINER: &[&str] = &[
    "pull_policy",
    "platform",
    "startup",
    "wait_for",
    "log_pattern",
    "healthcheck",
    "restart_policy",
    "keep_container",
];

/// Bytes of the path of a text that is looked at.
const MAX_PATH: usize = 4096;

/// References of a document that will stay text. Child documents are not looked at, as in Dagu.
pub(crate) fn unresolved(dag: &Dag, graph: &Graph) -> Vec<Placed> {
    if dag.index > 0 || dag.empty {
        return Vec::new();
    }
    let mut texts = Texts { outline: outline(dag), places: Vec::new() };
    texts.root(dag);
    for at in dag.all_steps() {
        texts.step(dag, at);
    }
    // Who waits for whom is worked out only where it is asked for: in a long chain it is everybody for everybody.
    for field in &texts.outline.fields {
        let (Owner::Step(i) | Owner::ForeachBody(i)) = field.owner else { continue };
        let step = &mut texts.outline.steps[i];
        if step.upstream.is_empty() && field.text.contains("steps.") {
            step.upstream = graph.ancestors(i).into_iter().collect();
        }
    }
    let found = notices(&texts.outline);
    found.into_iter().map(|notice| Placed { span: token_span(texts.places[notice.field], &notice), notice }).collect()
}

/// Where a token of a value stands. In folded or escaped text it is looked for in the source.
fn token_span(value: Value<'_>, notice: &Notice) -> Span {
    let source = value.tree().text();
    match value.node().kind {
        NodeKind::Source(span) => {
            let start = span.start as usize + notice.range.start;
            Span::new(start, start + notice.range.len())
        }
        _ => {
            let whole = value.span();
            match whole.text(source).find(&notice.token) {
                Some(at) => Span::new(whole.start as usize + at, whole.start as usize + at + notice.token.len()),
                None => whole,
            }
        }
    }
}

/// All of the outline but its texts, and what the steps wait for.
fn outline(dag: &Dag) -> Outline {
    let consts = dag.consts.get().map(|&consts| dag.value(consts));
    let consts = consts.into_iter().flat_map(Value::items).flat_map(Value::entries);
    let declared =
        dag.params.get().map(|&node| params::declare(&dag.value(node).to_json(), &mut |_| Err(String::new())).0);
    let params = declared.iter().flat_map(|declared| {
        let known: Vec<String> = declared.defaults().into_iter().map(|(name, _)| name).collect();
        declared
            .names()
            .into_iter()
            .map(move |name| ParamOutline { name: name.to_owned(), known: known.iter().any(|known| known == name) })
    });
    let env = dag.env.get().into_iter().flat_map(|&env| super::env_entries(dag.value(env)));
    let steps = dag.steps.iter().map(|step| StepOutline {
        id: step.id.as_str().map(str::to_owned),
        name: step.name.as_str().map(str::to_owned),
        outputs: step.outputs.get().into_iter().flatten().map(|name| name.value.clone()).collect(),
        upstream: HashSet::new(),
    });
    Outline {
        consts: consts.filter_map(|(key, _)| Some(key.as_key()?.into_owned())).collect(),
        params: params.collect(),
        env: env.map(|(name, _)| name).collect(),
        steps: steps.collect(),
        fields: Vec::new(),
    }
}

struct Texts<'t> {
    outline: Outline,
    /// For each field of the outline its value.
    places: Vec<Value<'t>>,
}

/// What the texts of one owner share.
#[derive(Clone)]
struct Scene {
    owner: Owner,
    own_env: Arc<[String]>,
    is_build: bool,
}

impl<'t> Texts<'t> {
    fn push(&mut self, scene: &Scene, path: String, value: Value<'t>, seen: (usize, usize), is_env: bool) {
        let Some(text) = value.as_str().filter(|text| text.contains('$')) else { return };
        self.outline.fields.push(FieldText {
            path,
            owner: scene.owner,
            text: text.to_owned(),
            root_env: seen.0,
            own_env: Arc::clone(&scene.own_env),
            own_env_seen: seen.1,
            is_env,
            is_build: scene.is_build,
        });
        self.places.push(value);
    }

    /// Every text below a value; keys are no texts.
    fn leaves(&mut self, scene: &Scene, path: &str, value: Value<'t>) {
        // An alias is read where its anchor stands. The length of the path bounds the depth: hostile text nests
        // thousands of levels, and nothing that is evaluated does.
        if value.site() != value.id() || path.len() > MAX_PATH {
            return;
        }
        let seen = (self.outline.env.len(), scene.own_env.len());
        self.push(scene, path.to_owned(), value, seen, false);
        for (i, item) in value.items().enumerate() {
            self.leaves(scene, &format!("{path}[{i}]"), item);
        }
        for (key, value) in value.entries() {
            self.leaves(scene, &format!("{path}.{}", key.as_key().unwrap_or_default()), value);
        }
    }

    fn env(&mut self, scene: &Scene, path: &str, value: Value<'t>, seen: impl Fn(usize) -> (usize, usize)) {
        for (i, (_, value)) in super::env_entries(value).enumerate() {
            self.push(scene, format!("{path}[{i}]"), value, seen(i), true);
        }
    }

    fn root(&mut self, dag: &'t Dag) {
        let none: Arc<[String]> = Arc::from([]);
        let scene = Scene { owner: Owner::Root, own_env: none, is_build: false };
        if let Some(&consts) = dag.consts.get() {
            for (i, (key, value)) in dag.value(consts).items().flat_map(Value::entries).enumerate() {
                let scene = Scene { owner: Owner::Const(i), ..scene.clone() };
                self.push(&scene, format!("consts.{}", key.as_key().unwrap_or_default()), value, (0, 0), false);
            }
        }
        if let Some(&params) = dag.params.get() {
            for (i, item) in dag.value(params).items().enumerate() {
                let Some(eval) = item.get("eval") else { continue };
                let scene = Scene { owner: Owner::ParamEval(i), ..scene.clone() };
                self.push(&scene, format!("params[{i}].eval"), eval, (0, 0), false);
            }
        }
        if let Some(&env) = dag.env.get() {
            self.env(&scene, "env", dag.value(env), |i| (i, 0));
        }
        for key in ["dotenv", "shell", "shell_args", "working_dir", "preconditions"] {
            if let Some(value) = dag.root_value().get(key) {
                self.leaves(&scene, key, value);
            }
        }
        if let Some(container) = dag.root_value().get("container") {
            self.container(&scene, "container", container);
        }
    }

    fn container(&mut self, scene: &Scene, path: &str, container: Value<'t>) {
        let mut scene = scene.clone();
        self.leaves_of_text(&scene, path, container);
        if let Some(env) = container.get("env") {
            let before = scene.own_env.len();
            let names = scene.own_env.iter().cloned().chain(super::env_entries(env).map(|(name, _)| name));
            scene.own_env = names.collect();
            let n_root = self.outline.env.len();
            self.env(&scene, &format!("{path}.env"), env, |i| (n_root, before + i));
        }
        for (key, value) in container.entries() {
            let key = key.as_key().unwrap_or_default();
            if key != "env" && !LITERAL_IN_CONTAINER.contains(&&*key) {
                self.leaves(&scene, &format!("{path}.{key}"), value);
            }
        }
    }

    fn leaves_of_text(&mut self, scene: &Scene, path: &str, value: Value<'t>) {
        if value.as_str().is_some() {
            self.leaves(scene, path, value);
        }
    }

    fn step(&mut self, dag: &'t Dag, at: StepRef<'t>) {
        let step = at.step;
        let (owner, path) = match at.role {
            Role::Step(i) => (Owner::Step(i), format!("steps[{}]", step.entry)),
            Role::Body(i) => {
                (Owner::ForeachBody(i), format!("steps[{}].foreach.steps[{}]", dag.steps[i].entry, step.entry))
            }
            Role::Handler(event) => (Owner::Handler { has_id: !step.id.is_absent() }, format!("handler_on.{event}")),
        };
        let env: Vec<String> = match step.env.get() {
            Some(&env) => super::env_entries(dag.value(env)).map(|(name, _)| name).collect(),
            None => Vec::new(),
        };
        let scene = Scene { owner, own_env: env.into(), is_build: dag.dag_type() == DagType::Build };
        let value = step.value(dag);
        self.leaves_of_text(&scene, &path, value);
        if let Field::Valued { value: env, .. } = &step.env {
            let n_root = self.outline.env.len();
            self.env(&scene, &format!("{path}.env"), dag.value(env.value), |i| (n_root, i));
        }
        if let Some(container) = value.get("container") {
            self.container(&scene, &format!("{path}.container"), container);
        }
        for (key, value) in value.entries() {
            let key = key.as_key().unwrap_or_default();
            match &*key {
                "foreach" => self.foreach(&scene, &path, value),
                key if !LITERAL.contains(&key) => self.leaves(&scene, &format!("{path}.{key}"), value),
                _ => {}
            }
        }
    }

    fn foreach(&mut self, scene: &Scene, path: &str, value: Value<'t>) {
        let inside = match scene.owner {
            Owner::Step(i) => Scene { owner: Owner::ForeachBody(i), ..scene.clone() },
            _ => scene.clone(),
        };
        for (key, scene) in [("items", scene), ("key", &inside), ("collect", &inside)] {
            if let Some(value) = value.get(key) {
                self.leaves(scene, &format!("{path}.foreach.{key}"), value);
            }
        }
    }
}
