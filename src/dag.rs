//! The typed model of a workflow: Dagu's own nouns, every field with its place.
//!
//! Lowering cannot fail. A field that has the wrong shape is [`Field::Malformed`]: the schema has said so already, and
//! whoever reads the model stays quiet about it. Free values (`with`, `env`, …) stay nodes of the tree, which the
//! model keeps alive.

pub mod graph;
mod lower;

use std::sync::Arc;

pub use graph::Graph;

use crate::syntax::{NodeId, Tree, Value};
use crate::text::Span;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

/// A field of the model: not there, there with a shape it cannot have, or there with a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Field<T> {
    #[default]
    Absent,
    Malformed {
        key: Span,
        span: Span,
    },
    Valued {
        key: Span,
        value: Spanned<T>,
    },
}

impl<T> Field<T> {
    pub fn get(&self) -> Option<&T> {
        self.spanned().map(|spanned| &spanned.value)
    }

    pub fn spanned(&self) -> Option<&Spanned<T>> {
        match self {
            Field::Valued { value, .. } => Some(value),
            _ => None,
        }
    }

    /// Place of the key.
    pub fn key(&self) -> Option<Span> {
        match self {
            Field::Absent => None,
            Field::Malformed { key, .. } | Field::Valued { key, .. } => Some(*key),
        }
    }

    /// Place of the value.
    pub fn span(&self) -> Option<Span> {
        match self {
            Field::Absent => None,
            Field::Malformed { span, .. } => Some(*span),
            Field::Valued { value, .. } => Some(value.span),
        }
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Field::Absent)
    }

    pub fn is_malformed(&self) -> bool {
        matches!(self, Field::Malformed { .. })
    }
}

impl Field<String> {
    pub fn as_str(&self) -> Option<&str> {
        self.get().map(String::as_str)
    }
}

/// How steps are ordered (Dagu's `type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DagType {
    #[default]
    Graph,
    Chain,
    Agent,
    Build,
}

/// One document of a file.
#[derive(Debug, Clone)]
pub struct Dag {
    pub tree: Arc<Tree>,
    /// Zero-based position among the documents of the file; the first is the entry.
    pub index: usize,
    /// From its `---` to the next.
    pub span: Span,
    pub root: NodeId,
    /// True when the document holds nothing but comments.
    pub empty: bool,
    pub name: Field<String>,
    pub dag_type: Field<DagType>,
    pub container: Field<Container>,
    /// Defaults for harness steps: a free map.
    pub harness: Field<NodeId>,
    pub harnesses: Field<Vec<Named>>,
    pub params: Field<NodeId>,
    pub consts: Field<NodeId>,
    pub env: Field<NodeId>,
    pub secrets: Field<NodeId>,
    pub defaults: Field<NodeId>,
    pub actions: Field<Vec<Named>>,
    pub step_types: Field<Vec<Named>>,
    pub working_dir: Field<String>,
    pub steps_key: Option<Span>,
    /// All steps in the order of the text; members of a parallel group one after another.
    pub steps: Vec<Step>,
    pub handlers: Vec<Handler>,
}

/// An entry of a map with free names, such as one of `harnesses`.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    pub name: Spanned<String>,
    pub node: NodeId,
}

/// `handler_on.<event>`.
#[derive(Debug, Clone)]
pub struct Handler {
    /// `init`, `success`, `failure`, `abort`, `exit` or `wait`; other words are kept as written.
    pub event: Spanned<String>,
    pub step: Step,
}

/// One step, handler or body step of a `foreach`.
#[derive(Debug, Clone)]
pub struct Step {
    /// The whole item; for a step that an alias stands for, the alias.
    pub span: Span,
    pub node: NodeId,
    /// Zero-based entry of `steps` the step stands in; members of one parallel group share it.
    pub entry: usize,
    /// True for a member of a parallel group (a nested list).
    pub grouped: bool,
    pub id: Field<String>,
    pub name: Field<String>,
    pub depends: Field<Vec<Spanned<String>>>,
    pub run: Field<NodeId>,
    pub action: Field<String>,
    pub with: Field<NodeId>,
    /// Legacy spelling of `with`.
    pub config: Field<NodeId>,
    /// Legacy spelling of `action`.
    pub step_type: Field<String>,
    /// Legacy. For a step written as plain text this is the text.
    pub command: Field<NodeId>,
    pub script: Field<String>,
    pub exec: Field<NodeId>,
    pub call: Field<String>,
    pub container: Field<Container>,
    pub env: Field<NodeId>,
    pub working_dir: Field<String>,
    pub timeout_sec: Field<i64>,
    pub retry_policy: Field<NodeId>,
    pub signal_on_stop: Field<String>,
    pub output: Field<NodeId>,
    /// Declared outputs, by name.
    pub outputs: Field<Vec<Spanned<String>>>,
    pub parallel: Field<NodeId>,
    pub foreach: Field<Foreach>,
}

/// `foreach:` with the steps of its body.
#[derive(Debug, Clone)]
pub struct Foreach {
    pub node: NodeId,
    pub steps: Vec<Step>,
}

/// `container:` at the root or on a step.
#[derive(Debug, Clone)]
pub struct Container {
    pub node: NodeId,
    /// Name of an existing container: `exec:`, or the whole value when `container` is plain text.
    pub exec: Field<String>,
    pub image: Field<String>,
    pub name: Field<String>,
    pub shell: Field<NodeId>,
    pub volumes: Field<Vec<Spanned<String>>>,
    pub env: Field<NodeId>,
    pub working_dir: Field<String>,
    pub startup: Field<String>,
    pub network: Field<String>,
}

impl Container {
    /// What to mark in a message about the container as a whole: its image or the name of the existing one.
    pub fn key_span(&self, whole: Span) -> Span {
        self.image.span().or(self.exec.span()).unwrap_or(whole)
    }

    /// True for a container that exists already and is only exec'd into.
    pub fn is_exec(&self) -> bool {
        !self.exec.is_absent()
    }
}

/// Which container a step runs in.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    Host,
    /// The container all steps share.
    Root(&'a Spanned<Container>),
    /// A container of the step's own.
    Step(&'a Spanned<Container>),
}

impl<'a> Place<'a> {
    pub fn container(self) -> Option<&'a Spanned<Container>> {
        match self {
            Place::Host => None,
            Place::Root(container) | Place::Step(container) => Some(container),
        }
    }
}

/// A step with where it stands.
#[derive(Debug, Clone, Copy)]
pub struct StepRef<'a> {
    pub step: &'a Step,
    pub role: Role<'a>,
}

#[derive(Debug, Clone, Copy)]
pub enum Role<'a> {
    /// An entry of `steps`, with its index in [`Dag::steps`].
    Step(usize),
    Handler(&'a str),
    /// A step in the body of the `foreach` step with this index in [`Dag::steps`].
    Body(usize),
}

impl Dag {
    pub fn value(&self, node: NodeId) -> Value<'_> {
        self.tree.value(node)
    }

    pub fn root_value(&self) -> Value<'_> {
        self.value(self.root)
    }

    pub fn dag_type(&self) -> DagType {
        self.dag_type.get().copied().unwrap_or_default()
    }

    /// Steps, the bodies of their loops, and handlers.
    pub fn all_steps(&self) -> impl Iterator<Item = StepRef<'_>> {
        let steps = self.steps.iter().enumerate().flat_map(|(i, step)| {
            let body = step.foreach.get().map_or(&[][..], |foreach| &foreach.steps);
            std::iter::once(StepRef { step, role: Role::Step(i) })
                .chain(body.iter().map(move |step| StepRef { step, role: Role::Body(i) }))
        });
        let handlers = self
            .handlers
            .iter()
            .map(|handler| StepRef { step: &handler.step, role: Role::Handler(&handler.event.value) });
        steps.chain(handlers)
    }

    /// Every container of the workflow, with the step it belongs to (`None`: the shared one).
    pub fn containers(&self) -> impl Iterator<Item = (&Spanned<Container>, Option<&Step>)> {
        let root = self.container.spanned().map(|container| (container, None));
        let own = self.all_steps().filter_map(|it| Some((it.step.container.spanned()?, Some(it.step))));
        root.into_iter().chain(own)
    }

    /// Where a step runs: its own container, the shared one if its kind follows that, or the host.
    pub fn place<'a>(&'a self, step: &'a Step) -> Place<'a> {
        if let Some(container) = step.container.spanned() {
            return Place::Step(container);
        }
        match self.container.spanned() {
            Some(container) if step.follows_root_container() => Place::Root(container),
            _ => Place::Host,
        }
    }

    /// The step's `id`, else its name, for messages. A step without either is named by its position.
    pub fn label(&self, step: &Step) -> String {
        match (step.id.as_str(), step.name.as_str()) {
            (Some(id), _) => format!("step `{id}`"),
            (None, Some(name)) => format!("step `{name}`"),
            (None, None) => format!("step {}", step.entry + 1),
        }
    }
}

impl Step {
    pub fn value<'t>(&self, dag: &'t Dag) -> Value<'t> {
        dag.value(self.node)
    }

    /// What the step is called when nothing else is said: its name, else its id.
    pub fn own_name(&self) -> Option<&str> {
        self.name.as_str().or(self.id.as_str())
    }

    pub fn is_harness(&self) -> bool {
        self.action.as_str() == Some("harness.run")
            || (self.action.is_absent() && self.step_type.as_str() == Some("harness"))
    }

    pub fn is_docker(&self) -> bool {
        matches!(self.action.as_str(), Some("docker.run" | "container.run"))
            || (self.action.is_absent() && matches!(self.step_type.as_str(), Some("docker" | "container")))
    }

    /// The config map of an action or legacy type: `with`, or `config`.
    pub fn config_node(&self) -> Option<NodeId> {
        self.with.get().or(self.config.get()).copied()
    }

    /// Commands without a type, and harness steps, run in the shared container; every other action stays on the host.
    fn follows_root_container(&self) -> bool {
        self.is_harness()
            || (self.action.is_absent()
                && self.step_type.is_absent()
                && self.foreach.is_absent()
                && self.call.is_absent()
                && (!self.run.is_absent()
                    || !self.command.is_absent()
                    || !self.script.is_absent()
                    || !self.exec.is_absent()))
    }
}
