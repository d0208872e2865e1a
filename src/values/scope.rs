//! Where the values come from: the [`Scope`] a text is resolved in, and the ready-made scope of a run.
//!
//! A [`RunScope`] is a pile of layers, later ones winning, plus the facts that are no variables (constants, context,
//! outputs of steps). Cloning one is cheap, so every step takes a clone and puts its own layers on top.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::context::Context;
use super::json_text;
use super::params::ParamValues;
use super::problem::Segment;
use super::reference::{ForeachName, Reference, Short};

/// What a text may ask for while it is resolved. `None` means that the text stays.
pub trait Scope {
    /// The value of a reference. [`Reference::Env`] is not asked here but below, by name.
    fn reference(&self, reference: &Reference) -> Option<Cow<'_, str>>;
    /// A variable the workflow itself brings: parameters, `env`, dotenv, outputs, secrets, managed values.
    fn declared(&self, name: &str) -> Option<Cow<'_, str>>;
    /// A variable taken over from the runner's process by the allow list.
    fn inherited(&self, name: &str) -> Option<Cow<'_, str>>;
    /// Any variable of the runner's process.
    fn process(&self, name: &str) -> Option<Cow<'_, str>>;
    /// The positional parameter `$1`, `$2`, …
    fn positional(&self, number: usize) -> Option<Cow<'_, str>>;
}

/// Where the entries of a layer come from. The order of layers is the order they are added in, not this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LayerKind {
    /// Allow-listed variables of the runner's process; bare names do not see them.
    Inherited,
    Profile,
    Params,
    /// Values of the run itself.
    Managed,
    /// `env` of the document.
    Env,
    Dotenv,
    Secrets,
    /// `PWD`, `DAG_RUN_STEP_NAME`, `DAG_RUN_STATUS`.
    Step,
    /// `output: NAME` of predecessors.
    Outputs,
    StepEnv,
    ContainerEnv,
    /// Stream and output files.
    Attempt,
    /// `ITEM` of `parallel`.
    Item,
}

#[derive(Debug, Clone)]
struct Layer {
    kind: LayerKind,
    /// In order of definition; a name stands once.
    entries: Vec<(String, String)>,
    index: HashMap<String, usize>,
}

impl Layer {
    fn set(&mut self, name: String, value: String) {
        match self.index.get(&name) {
            Some(&at) => self.entries[at].1 = value,
            None => {
                self.index.insert(name.clone(), self.entries.len());
                self.entries.push((name, value));
            }
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.index.get(name).map(|&at| self.entries[at].1.as_str())
    }
}

/// What is known of a finished step, as far as later texts may see it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepFacts {
    /// Path of the log of stdout, for `${ID.stdout}`.
    pub stdout_file: Option<String>,
    pub stderr_file: Option<String>,
    pub exit_code: Option<i32>,
    /// Trimmed stdout of `output: NAME` or `output_schema`, or the compact JSON of an `output` object.
    pub output: Option<String>,
    /// Outputs the step declared and wrote to its output file. Only these have the `${steps.…}` form.
    pub declared: Option<BTreeMap<String, String>>,
    /// Values published by `output` objects, `stdout.outputs` and actions.
    pub published: Option<serde_json::Map<String, Value>>,
}

/// The current item of a `foreach`.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeachItem {
    /// Zero-based.
    pub index: usize,
    /// `None` while the key itself is being resolved.
    pub key: Option<String>,
    /// The word of `as`.
    pub name: String,
    pub value: Value,
}

/// Paths of a build step, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildPaths {
    pub inputs: BTreeMap<String, String>,
    pub outputs: BTreeMap<String, String>,
}

/// The scope of a run, a step or an attempt.
#[derive(Debug, Clone, Default)]
pub struct RunScope {
    layers: Vec<Arc<Layer>>,
    consts: Arc<BTreeMap<String, String>>,
    params: Arc<ParamValues>,
    context: Arc<Context>,
    steps: Arc<BTreeMap<String, Arc<StepFacts>>>,
    /// False in root fields and handlers, where `${steps.…}` is not available though short forms may be.
    step_outputs: bool,
    foreach: Vec<Arc<ForeachItem>>,
    build: Option<Arc<BuildPaths>>,
    process: Arc<HashMap<String, String>>,
}

impl RunScope {
    /// An empty scope over the runner's own environment.
    pub fn new(process: HashMap<String, String>) -> Self {
        Self { process: Arc::new(process), ..Self::default() }
    }

    /// Puts one entry on top. Entries of one kind in a row share a layer; a name set again is replaced.
    pub fn set(&mut self, kind: LayerKind, name: impl Into<String>, value: impl Into<String>) {
        if self.layers.last().is_none_or(|layer| layer.kind != kind) {
            self.layers.push(Arc::new(Layer { kind, entries: Vec::new(), index: HashMap::new() }));
        }
        let layer = self.layers.last_mut().expect("a layer was pushed above if there was none");
        Arc::make_mut(layer).set(name.into(), value.into());
    }

    /// Puts entries on top, in their order.
    pub fn extend(&mut self, kind: LayerKind, entries: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in entries {
            self.set(kind, name, value);
        }
    }

    pub fn set_consts(&mut self, consts: BTreeMap<String, String>) {
        self.consts = Arc::new(consts);
    }

    /// Sets what `${params…}` and positional digits see. Their environment entries are a layer of their own, see
    /// [`ParamValues::env`].
    pub fn set_params(&mut self, params: ParamValues) {
        self.params = Arc::new(params);
    }

    /// Changes the context values. Their environment entries are a layer of their own, see [`Context::env`].
    pub fn context_mut(&mut self) -> &mut Context {
        Arc::make_mut(&mut self.context)
    }

    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Sets the steps that can be referred to: the predecessors of a step, or all steps for a handler, where the
    /// `${steps.…}` form is not available.
    pub fn set_steps(&mut self, steps: Arc<BTreeMap<String, Arc<StepFacts>>>, step_outputs: bool) {
        self.steps = steps;
        self.step_outputs = step_outputs;
    }

    /// Adds the facts of one more step.
    pub fn add_step(&mut self, id: impl Into<String>, facts: Arc<StepFacts>) {
        Arc::make_mut(&mut self.steps).insert(id.into(), facts);
        self.step_outputs = true;
    }

    /// Enters an item of a `foreach`. Items of enclosing loops stay visible by their own names.
    pub fn enter_foreach(&mut self, item: ForeachItem) {
        self.foreach.push(Arc::new(item));
    }

    pub fn set_build(&mut self, paths: BuildPaths) {
        self.build = Some(Arc::new(paths));
    }

    /// The scope without the layers of some kinds: what prompts see (no secrets, no container values) and what
    /// bodies of a `foreach` see (no captured outputs).
    #[must_use]
    pub fn without(&self, kinds: &[LayerKind]) -> Self {
        let mut scope = self.clone();
        scope.layers.retain(|layer| !kinds.contains(&layer.kind));
        scope
    }

    /// The value of a name in the layers of some kinds.
    pub fn declared_in(&self, kinds: &[LayerKind], name: &str) -> Option<&str> {
        self.layers.iter().rev().filter(|layer| kinds.contains(&layer.kind)).find_map(|layer| layer.get(name))
    }

    /// Every variable a process of this scope gets, each name once, in order of first definition.
    pub fn process_env(&self) -> Vec<(String, String)> {
        self.variables(|_| true)
    }

    /// The variables the workflow itself brings: [`process_env`](Self::process_env) without what is inherited.
    pub fn declared_env(&self) -> Vec<(String, String)> {
        self.variables(|kind| kind != LayerKind::Inherited)
    }

    fn variables(&self, keep: impl Fn(LayerKind) -> bool) -> Vec<(String, String)> {
        let mut all = Layer { kind: LayerKind::Env, entries: Vec::new(), index: HashMap::new() };
        for layer in self.layers.iter().filter(|layer| keep(layer.kind)) {
            for (name, value) in &layer.entries {
                all.set(name.clone(), value.clone());
            }
        }
        all.entries
    }

    fn short(&self, short: &Short) -> Option<String> {
        let text = self
            .steps
            .get(&short.head)
            .and_then(|facts| facts.value(&short.path))
            .or_else(|| json_at(&self.declared(&short.head)?, &short.path))?;
        Some(match short.slice {
            Some(slice) => slice.apply(&text),
            None => text,
        })
    }

    fn foreach(&self, name: &ForeachName) -> Option<Cow<'_, str>> {
        match name {
            ForeachName::Index => Some(self.foreach.last()?.index.to_string().into()),
            ForeachName::Key => self.foreach.last()?.key.as_deref().map(Cow::Borrowed),
            ForeachName::Item { name, field } => {
                let item = self.foreach.iter().rev().find(|item| item.name == *name)?;
                let value = match field {
                    Some(field) => item.value.get(field)?,
                    None => &item.value,
                };
                Some(item_text(value).into())
            }
        }
    }
}

impl Scope for RunScope {
    fn reference(&self, reference: &Reference) -> Option<Cow<'_, str>> {
        match reference {
            Reference::Const(name) => self.consts.get(name).map(|value| value.as_str().into()),
            Reference::Payload => self.params.payload.as_deref().map(Cow::Borrowed),
            Reference::Param(name) => self.params.get(name).map(Cow::Borrowed),
            Reference::Env(name) => self.declared(name).or_else(|| self.inherited(name)),
            Reference::StepOutput { step, output } => {
                let facts = self.steps.get(step).filter(|_| self.step_outputs)?;
                facts.declared.as_ref()?.get(output).map(|value| value.as_str().into())
            }
            Reference::Foreach(name) => self.foreach(name),
            Reference::Context(field) => self.context.get(*field).map(Cow::Borrowed),
            Reference::UnknownContext(_) => None,
            Reference::Input(name) => self.build.as_ref()?.inputs.get(name).map(|path| path.as_str().into()),
            Reference::Output(name) => self.build.as_ref()?.outputs.get(name).map(|path| path.as_str().into()),
            Reference::Short(short) => self.short(short).map(Cow::Owned),
        }
    }

    fn declared(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut layers = self.layers.iter().rev().filter(|layer| layer.kind != LayerKind::Inherited);
        layers.find_map(|layer| layer.get(name)).map(Cow::Borrowed)
    }

    fn inherited(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut layers = self.layers.iter().rev().filter(|layer| layer.kind == LayerKind::Inherited);
        layers.find_map(|layer| layer.get(name)).map(Cow::Borrowed)
    }

    fn process(&self, name: &str) -> Option<Cow<'_, str>> {
        self.process.get(name).map(|value| value.as_str().into())
    }

    fn positional(&self, number: usize) -> Option<Cow<'_, str>> {
        self.params.positional(number).map(Cow::Borrowed)
    }
}

impl StepFacts {
    /// The value of a short form below the step's id.
    fn value(&self, path: &[Segment]) -> Option<String> {
        let (Segment::Key(property), rest) = path.split_first()? else { return None };
        match (property.as_str(), rest) {
            ("stdout", []) => self.stdout_file.clone(),
            ("stderr", []) => self.stderr_file.clone(),
            ("exit_code" | "exitCode", []) => self.exit_code.map(|code| code.to_string()),
            ("output", []) => self.output.clone(),
            ("output", rest) => json_at(self.output.as_deref()?, rest),
            ("outputs", rest) => match (&self.declared, rest) {
                (Some(declared), []) => {
                    let map = declared.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
                    Some(json_text::compact(&Value::Object(map.collect())))
                }
                // Declared outputs are text, also those of type json: there is nothing below their names.
                (Some(declared), [Segment::Key(name)]) => declared.get(name).cloned(),
                (Some(_), _) => None,
                (None, rest) => {
                    let published = Value::Object(self.published.clone()?);
                    if rest.is_empty() { Some(json_text::compact(&published)) } else { look_up(&published, rest) }
                }
            },
            _ => None,
        }
    }
}

fn json_at(text: &str, path: &[Segment]) -> Option<String> {
    // Parsing a scalar would be pointless, and most variables are no JSON at all.
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    look_up(&serde_json::from_str(text).ok()?, path)
}

/// Follows a path the way jq does: a missing key or index is null, and null has nothing but null below it; a scalar
/// on the way ends the search.
fn look_up(value: &Value, path: &[Segment]) -> Option<String> {
    let found = path.iter().try_fold(value, |value, segment| match (value, segment) {
        (Value::Null, _) => Some(&Value::Null),
        (Value::Object(map), Segment::Key(key)) => Some(map.get(key).unwrap_or(&Value::Null)),
        (Value::Array(items), Segment::Index(index)) => Some(items.get(*index).unwrap_or(&Value::Null)),
        _ => None,
    })?;
    Some(match found {
        Value::Array(_) | Value::Object(_) => json_text::compact(found),
        scalar => json_text::plain_from_json(scalar),
    })
}

/// Items of loops: strings bare, lists and maps as compact JSON, numbers in plain decimals.
pub(crate) fn item_text(value: &Value) -> String {
    match value {
        Value::Null => json_text::plain(value),
        value => json_text::bare(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn get(scope: &RunScope, inner: &str) -> Option<String> {
        scope.reference(&Reference::parse(inner).expect(inner)).map(Cow::into_owned)
    }

    #[test]
    fn later_layers_win_and_inherited_entries_are_apart() {
        let mut scope = RunScope::default();
        scope.set(LayerKind::Inherited, "HOME", "/h");
        scope.set(LayerKind::Params, "X", "param");
        scope.set(LayerKind::Env, "X", "env");
        scope.set(LayerKind::Env, "X", "again");
        scope.set(LayerKind::Secrets, "TOK", "s");
        assert_eq!(scope.declared("X").as_deref(), Some("again"));
        assert_eq!(scope.declared("HOME"), None);
        assert_eq!(get(&scope, "env.HOME").as_deref(), Some("/h"));
        let own = |entries: &[(&str, &str)]| -> Vec<(String, String)> {
            entries.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        assert_eq!(scope.process_env(), own(&[("HOME", "/h"), ("X", "again"), ("TOK", "s")]));
        assert_eq!(scope.without(&[LayerKind::Secrets]).declared_env(), own(&[("X", "again")]));
    }

    #[test]
    fn extending_a_clone_leaves_the_original() {
        let mut root = RunScope::default();
        root.set(LayerKind::Env, "A", "root");
        let mut step = root.clone();
        step.set(LayerKind::Env, "A", "step");
        assert_eq!(root.declared("A").as_deref(), Some("root"));
        assert_eq!(step.declared("A").as_deref(), Some("step"));
    }

    #[test]
    fn short_forms_of_a_step() {
        let mut scope = RunScope::default();
        let facts = StepFacts {
            stdout_file: Some("/log/a.out".to_owned()),
            exit_code: Some(0),
            output: Some(r#"{"s":"b","n":1.5,"l":[1,{"z":2}],"big":1000000,"no":null}"#.to_owned()),
            published: json!({"j": {"z": 2}, "txt": "hi"}).as_object().cloned(),
            ..StepFacts::default()
        };
        scope.add_step("a", Arc::new(facts));
        for (inner, value) in [
            ("a.stdout", Some("/log/a.out")),
            ("a.stdout:0:1", Some("/")),
            ("a.stderr", None),
            ("a.exitCode", Some("0")),
            ("a.output.s", Some("b")),
            ("a.output.l", Some(r#"[1,{"z":2}]"#)),
            ("a.output.l[1].z", Some("2")),
            ("a.output.l[9]", Some("<nil>")),
            ("a.output.none", Some("<nil>")),
            ("a.output.s.x", None),
            ("a.output.big", Some("1e+06")),
            ("a.outputs", Some(r#"{"j":{"z":2},"txt":"hi"}"#)),
            ("a.outputs.j.z", Some("2")),
            ("a.status", None),
            ("b.output", None),
            ("steps.a.outputs.txt", None),
        ] {
            assert_eq!(get(&scope, inner).as_deref(), value, "{inner}");
        }
    }

    #[test]
    fn declared_outputs_have_both_forms_but_nothing_below() {
        let mut scope = RunScope::default();
        let declared = BTreeMap::from([("j".to_owned(), r#"{"k":1}"#.to_owned())]);
        scope.add_step("a", Arc::new(StepFacts { declared: Some(declared), ..StepFacts::default() }));
        assert_eq!(get(&scope, "steps.a.outputs.j").as_deref(), Some(r#"{"k":1}"#));
        assert_eq!(get(&scope, "a.outputs.j").as_deref(), Some(r#"{"k":1}"#));
        assert_eq!(get(&scope, "a.outputs.j.k"), None);
        scope.set_steps(Arc::clone(&scope.steps), false);
        assert_eq!(get(&scope, "steps.a.outputs.j"), None);
        assert_eq!(get(&scope, "a.outputs.j").as_deref(), Some(r#"{"k":1}"#));
    }

    #[test]
    fn names_that_hold_json_have_paths() {
        let mut scope = RunScope::default();
        scope.set(LayerKind::Outputs, "CHILD", r#"{"outputs":{"MSG":"hi"}}"#);
        scope.set(LayerKind::Item, "ITEM", r#"{"n":2.5,"ok":false}"#);
        scope.set(LayerKind::Env, "WORD", "true");
        assert_eq!(get(&scope, "CHILD.outputs.MSG").as_deref(), Some("hi"));
        assert_eq!(get(&scope, "ITEM.n").as_deref(), Some("2.5"));
        assert_eq!(get(&scope, "ITEM.ok").as_deref(), Some("false"));
        assert_eq!(get(&scope, "WORD.x"), None);
    }

    #[test]
    fn loops_within_loops() {
        let mut scope = RunScope::default();
        let item = |index, name: &str, value| ForeachItem { index, key: None, name: name.to_owned(), value };
        scope.enter_foreach(item(3, "item", json!({"k": "v", "n": 1})));
        assert_eq!(get(&scope, "foreach.item").as_deref(), Some(r#"{"k":"v","n":1}"#));
        assert_eq!(get(&scope, "foreach.item.k").as_deref(), Some("v"));
        assert_eq!(get(&scope, "foreach.item.z"), None);
        assert_eq!(get(&scope, "foreach.key"), None);
        scope.enter_foreach(item(0, "inner", json!(null)));
        assert_eq!(get(&scope, "foreach.inner").as_deref(), Some("<nil>"));
        assert_eq!(get(&scope, "foreach.index").as_deref(), Some("0"));
        assert_eq!(get(&scope, "foreach.item.n").as_deref(), Some("1"));
    }
}
