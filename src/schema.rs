//! The shape of a workflow: which fields there are, what they hold, and which of them go together.
//!
//! One table (`schema/fields.json`) says what every field takes. From it comes a JSON Schema for editors
//! (`schema/dag.schema.json`), which is cut into small validators, one per kind of node; the modules here walk a
//! document, give each node to its validator, and add the rules that a schema cannot say. What is wrong is a
//! [`Fault`]: plain data with a path. Spans are the caller's, and so are findings that need the whole document
//! (duplicate names, dependencies, references) or the disk.
//!
//! Surprising: a validator only finds the place of a mistake. What the message says comes from the table.

pub mod action;
pub mod conditions;
pub mod container;
pub mod custom;
pub mod deprecated;
pub mod env;
pub mod explain;
pub mod fault;
pub mod fields;
pub mod foreach;
pub mod formats;
pub mod generate;
pub mod human;
pub mod inputs;
pub mod kind;
pub mod kubernetes;
pub mod labels;
pub mod legacy;
pub mod node;
pub mod params;
pub mod policies;
pub mod render;
pub mod root;
pub mod schedule;
pub mod step;
pub mod streams;
pub mod surroundings;
pub mod validators;
pub mod words;

use serde_json::{Map, Value};

use crate::diagnostic::Gate;
pub use fault::{Change, Fault, Faults, On, Path, PlainFix, Segment, code};
use node::Shape;
use step::Place;
use surroundings::{Surroundings, WorkflowType};

const WORKFLOW: Shape = Shape::new("workflow", "");

/// What the checks need to know besides the document.
#[derive(Clone, Copy, Default)]
pub struct DocumentContext<'a> {
    /// The root of the base config that is laid under the document.
    pub base: Option<&'a Map<String, Value>>,
    /// Reads the file or address of an external parameter schema; without it such schemas are not looked at.
    pub read_schema: Option<params::ReadSchema<'a>>,
}

/// Checks a whole document. Faults come in the order of the walk, not of the text.
pub fn check_document(value: &Value, context: &DocumentContext) -> Vec<Fault> {
    let mut out = Faults::default();
    // That a document is no map is told where documents are read.
    let Value::Object(map) = value else { return Vec::new() };
    let around = Surroundings::of(map, context.base);
    check_root(value, &around, context, &mut out);
    check_handlers(map, &around, &mut out);
    check_steps(map, &around, &mut out);
    out.without_echoes()
}

/// Checks everything at the root but steps and handlers.
pub fn check_root(value: &Value, around: &Surroundings, context: &DocumentContext, out: &mut Faults) {
    let root = Path::ROOT;
    let start = out.len();
    let read = node::check(WORKFLOW, value, &root, out);
    let Some(map) = read.map() else { return };
    // That there are no steps is told with the steps, and is no matter for the loader.
    let steps = [Segment::from("steps")];
    out.retain_from(start, |fault| fault.path != steps || fault.code != code::INVALID_VALUE);
    unused_defaults(map, start, out);
    root::check(map, around.workflow_type, out);
    for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        let path = root.key(key);
        match key.as_str() {
            "env" => env::check(value, &path, out),
            "labels" | "tags" => labels::check(value, &path, out),
            "container" => container::check(value, &path, out),
            "preconditions" => conditions::check(value, &path, out),
            "schedule" => schedule::check(value, &path, out),
            "params" => params::check(value, &path, context.read_schema, out),
            "retry_policy" => policies::workflow_retry(value, &path, out),
            "actions" | "step_types" => {
                if let Value::Object(map) = value {
                    custom::definitions(key, map, out);
                }
            }
            "defaults" => defaults(value, &path, out),
            _ => {}
        }
    }
    deprecated::root(map, out);
    read.relocate(&root, out.since(start));
}

fn defaults(value: &Value, path: &Path, out: &mut Faults) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = path.key(key);
        match key.as_str() {
            "env" => env::check(value, &path, out),
            "preconditions" => conditions::check(value, &path, out),
            "retry_policy" => policies::retry(value, &path, out),
            "repeat_policy" => policies::repeat(value, &path, out),
            "continue_on" => policies::continue_on(value, &path, out),
            _ => {}
        }
    }
}

/// A default is looked at when a step takes it. One that every step overrides is at most a warning.
fn unused_defaults(map: &Map<String, Value>, start: usize, out: &mut Faults) {
    let steps: Vec<&Value> = match map.get("steps") {
        Some(Value::Array(entries)) => entries
            .iter()
            .flat_map(|entry| match entry {
                Value::Array(group) => group.iter().collect::<Vec<_>>(),
                single => vec![single],
            })
            .collect(),
        Some(Value::Object(named)) => named.values().collect(),
        _ => Vec::new(),
    };
    let handlers = map.get("handler_on").and_then(Value::as_object).into_iter().flat_map(Map::values);
    let steps: Vec<&Value> = steps.into_iter().chain(handlers).collect();
    let taken = |key: &str| {
        steps.iter().any(|step| {
            let human = step.get("action").and_then(Value::as_str).map(str::trim) == Some("human.task");
            let kept = matches!(key, "continue_on" | "env" | "preconditions");
            let own = step.get(key).is_some_and(|value| !value.is_null()) && !matches!(key, "env" | "preconditions");
            !own && (!human || kept)
        })
    };
    for fault in out.since(start) {
        if let [Segment::Key(section), Segment::Key(key), ..] = fault.path.as_slice()
            && section == "defaults"
            && fault.code != code::UNKNOWN_FIELD
            && !taken(key)
        {
            fault.warning();
        }
    }
}

/// Checks the steps under `handler_on`.
pub fn check_handlers(root: &Map<String, Value>, around: &Surroundings, out: &mut Faults) {
    let Some(Value::Object(handlers)) = root.get("handler_on") else { return };
    let top = Path::ROOT;
    let path = top.key("handler_on");
    for (event, handler) in handlers.iter().filter(|(_, handler)| handler.is_object()) {
        step::check(handler, &path.key(event), around, Place::Handler, out);
    }
}

/// Checks `steps` and every step in it.
pub fn check_steps(root: &Map<String, Value>, around: &Surroundings, out: &mut Faults) {
    let top = Path::ROOT;
    let path = top.key("steps");
    let agent = around.workflow_type == WorkflowType::Agent;
    match root.get("steps") {
        Some(Value::Array(entries)) if !entries.is_empty() => {
            for (index, entry) in entries.iter().enumerate() {
                step::check(entry, &path.index(index), around, Place::Entry, out);
            }
        }
        Some(Value::Object(named)) if !named.is_empty() => {
            let message = "`steps` must be a list: the map form runs, but validation refuses it";
            let fault = out.error(&path, On::Key, code::STEPS_FORM, message);
            fault.warning().gate(Gate::Validate).help("write `- name: …` for each step");
            for (name, step) in named {
                step::check(step, &path.key(name), around, Place::Entry, out);
            }
        }
        Some(Value::Array(_) | Value::Object(_) | Value::Null) => no_steps(&path, On::Key, agent, out),
        None => no_steps(&top, On::Missing, agent, out),
        Some(_) => {} // Said by the schema.
    }
}

/// Only validation asks for steps, except for an agent, which has nothing else to work with.
fn no_steps(path: &Path, on: On, agent: bool, out: &mut Faults) {
    let fault = out.error(path, on, code::STEPS_FORM, "a workflow needs at least one step under `steps`");
    if !agent {
        fault.gate(Gate::Validate);
    }
}
