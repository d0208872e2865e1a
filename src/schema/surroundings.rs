//! What a step has to know of the workflow around it.

use serde_json::{Map, Value};

use super::custom::Call;

/// The root `type`, as far as it changes what steps may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkflowType {
    Graph,
    Chain,
    Agent,
    Build,
}

/// Root settings that decide the kind of steps, or what they inherit. Taken from a document and its base config.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    pub workflow_type: WorkflowType,
    pub container: bool,
    pub ssh: bool,
    pub redis: Option<&'a Map<String, Value>>,
    pub harness: bool,
    pub kubernetes: Option<&'a Map<String, Value>>,
    pub artifacts_off: bool,
    pub worker_selector: bool,
    pub actions: Definitions<'a>,
    pub step_types: Definitions<'a>,
    /// The custom actions whose templates are being checked.
    pub calling: Option<&'a Call<'a>>,
}

/// Custom definitions by name, of the document and of its base config.
#[derive(Debug, Clone, Copy, Default)]
pub struct Definitions<'a> {
    own: Option<&'a Map<String, Value>>,
    base: Option<&'a Map<String, Value>>,
}

impl<'a> Definitions<'a> {
    /// The definition of a name, and whether it stands in the document itself.
    pub fn get(&self, name: &str) -> Option<(&'a Value, bool)> {
        let own = self.own.and_then(|own| own.get(name)).map(|found| (found, true));
        own.or_else(|| self.base.and_then(|base| base.get(name)).map(|found| (found, false)))
    }

    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.own.into_iter().chain(self.base).flat_map(|map| map.keys().map(String::as_str))
    }
}

impl<'a> Surroundings<'a> {
    pub fn of(root: &'a Map<String, Value>, base: Option<&'a Map<String, Value>>) -> Self {
        let get = |key: &str| {
            let set = |map: &'a Map<String, Value>| map.get(key).filter(|value| !value.is_null());
            set(root).or_else(|| base.and_then(set))
        };
        let map = |key: &str| get(key).and_then(Value::as_object);
        let word = root.get("type").filter(|value| !value.is_null());
        let word = word.or_else(|| base.and_then(|base| base.get("type")));
        let workflow_type = match word.and_then(Value::as_str).map(str::trim) {
            Some("chain") => WorkflowType::Chain,
            Some("agent" | "controller") => WorkflowType::Agent,
            Some("build") => WorkflowType::Build,
            _ => WorkflowType::Graph,
        };
        let definitions = |key: &str| Definitions {
            own: root.get(key).and_then(Value::as_object),
            base: base.and_then(|base| base.get(key)).and_then(Value::as_object),
        };
        let artifacts = root.get("artifacts").and_then(|artifacts| artifacts.get("enabled"));
        Surroundings {
            workflow_type,
            container: get("container").is_some(),
            ssh: get("ssh").is_some(),
            redis: map("redis"),
            harness: get("harness").is_some(),
            kubernetes: map("kubernetes"),
            artifacts_off: artifacts == Some(&Value::Bool(false)),
            worker_selector: get("worker_selector").is_some_and(Value::is_object),
            actions: definitions("actions"),
            step_types: definitions("step_types"),
            calling: None,
        }
    }
}
