//! One step: its form, what it runs, and which of its fields go together.

use serde_json::{Map, Value};

use super::fault::{Change, Faults, On, Path, code};
use super::kind::{Kind, TYPES};
use super::node::{self, Shape};
use super::surroundings::{Surroundings, WorkflowType};
use super::{action, conditions, container, deprecated, env, foreach, legacy, policies, streams, words};
use crate::diagnostic::{Applicability, nearest};

const STEP: Shape = Shape::new("step", "steps[]");
const RUN_WITH: Shape = Shape::new("with.run", "steps[].with");

/// Where a step stands; some rules hold only in some places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// An entry of `steps`.
    Entry,
    /// A member of a parallel group.
    Group,
    /// In the body of a `foreach`.
    Body,
    /// An event of `handler_on`.
    Handler,
    /// Made from the template of a custom action.
    Rendered,
}

/// Keys that say what a step runs in the older ways; neither `run` nor `action` goes with them.
const LEGACY: &[&str] = &[
    "call",
    "command",
    "config",
    "exec",
    "llm",
    "messages",
    "params",
    "routes",
    "script",
    "shell",
    "shell_args",
    "shell_packages",
    "type",
    "value",
];

/// Checks one entry of `steps`, a member of a group, a step of a loop, or a handler.
pub fn check(step: &Value, path: &Path, around: &Surroundings, place: Place, out: &mut Faults) {
    match step {
        Value::Object(_) => check_map(step, path, around, place, out),
        Value::String(text) if matches!(place, Place::Entry | Place::Group) => check_text(text, path, around, out),
        Value::Array(members) if place == Place::Entry => {
            for (index, member) in members.iter().enumerate() {
                check(member, &path.index(index), around, Place::Group, out);
            }
        }
        _ => {
            let allowed = match place {
                Place::Entry => "a map, or a list of steps that run beside each other",
                _ => "a map",
            };
            let message = format!("a step must be {allowed}, not {}", words::kind(step));
            let fault = out.error(path, On::Value, code::WRONG_TYPE, message);
            if step.is_string() {
                fault.help("write `run: …`");
            }
        }
    }
}

fn check_text(text: &str, path: &Path, around: &Surroundings, out: &mut Faults) {
    command_text(text, path, "a step", out);
    if text.contains('\n') && !default_kind(around).abilities().script {
        script_refused(default_kind(around), path, On::Value, out);
    }
    if around.harness && default_kind(around) == Kind::Command {
        let message = "a step as plain text beside root `harness` defaults is ambiguous and refused";
        let fault = out.error(path, On::Value, code::CONFLICTING_FIELDS, message);
        fault.help("write `run` for a shell command, or `action: harness.run` for an agent");
    }
    let fault = out.error(path, On::Value, code::DEPRECATED, "a step as plain text is an older form");
    fault.info().help(format!("write `run: {}`", text.lines().next().unwrap_or_default()));
}

fn check_map(step: &Value, path: &Path, around: &Surroundings, place: Place, out: &mut Faults) {
    let start = out.len();
    let read = node::check(STEP, step, path, out);
    if place == Place::Handler {
        // A handler's id, name and parallel numbers are decoded, but nothing looks at them.
        let depth = path.segments().len();
        out.retain_from(start, |fault| {
            let key = match fault.path.get(depth) {
                Some(super::fault::Segment::Key(key)) => key.as_str(),
                _ => "",
            };
            !(fault.code == code::INVALID_VALUE && matches!(key, "id" | "name" | "parallel"))
        });
    }
    let Some(map) = read.map() else { return };
    let step = Step { map, path, around, place };
    step.identity(out);
    step.kind_and_input(out);
    step.details(out);
    deprecated::step(map, path, out);
    read.relocate(path, out.since(start));
}

/// A step under inspection.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    pub map: &'a Map<String, Value>,
    pub path: &'a Path<'a>,
    pub around: &'a Surroundings<'a>,
    pub place: Place,
}

impl<'a> Step<'a> {
    /// The value of a key that holds something; null counts as absent.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Value::as_str)
    }

    fn identity(&self, out: &mut Faults) {
        if self.place == Place::Handler {
            return;
        }
        if let Some(id) = self.text("id").map(str::trim) {
            const RESERVED: [&str; 7] = ["env", "params", "args", "stdout", "stderr", "output", "outputs"];
            if let Some(word) = RESERVED.iter().find(|word| word.eq_ignore_ascii_case(id)) {
                let path = self.path.key("id");
                let message = format!("`{id}` cannot be the id of a step: `{word}` has a meaning of its own");
                out.error(&path, On::Value, code::INVALID_VALUE, message);
            }
        }
        for key in ["id", "name"] {
            if let Some(word @ ("ask_user" | "__agent__")) = self.text(key).map(str::trim) {
                let message = format!("`{word}` cannot be the {key} of a step: agent workflows use it themselves");
                out.error(&self.path.key(key), On::Value, code::INVALID_VALUE, message);
            }
        }
    }

    /// Finds out what the step runs and checks what belongs to that.
    fn kind_and_input(&self, out: &mut Faults) {
        if let Some(body) = self.get("foreach") {
            let custom = self.text("action").is_some();
            foreach::check(self, body, out);
            if !custom {
                return;
            }
        }
        if self.map.contains_key("run") {
            self.run(out);
        } else if self.map.contains_key("action") {
            self.conflicts("action", out);
            action::check(self, out);
        } else if self.get("foreach").is_none() {
            legacy::check(self, out);
        }
    }

    /// Keys beside `run` or `action` that say something else to run.
    fn conflicts(&self, main: &str, out: &mut Faults) {
        for key in self.map.keys() {
            let other = LEGACY.contains(&key.as_str()) || (main == "run" && key == "action");
            if !other || (self.map[key.as_str()].is_null() && key != "action") {
                continue;
            }
            let message = format!("`{key}` cannot stand beside `{main}`");
            let path = self.path.key(key);
            let fault = out.error(&path, On::Key, code::CONFLICTING_FIELDS, message);
            fault.related(&self.path.key(main), format!("the step already says what to run with `{main}`"));
            match (main, key.as_str()) {
                ("run", "action") => fault.help("keep one of the two"),
                ("run", "shell" | "shell_args" | "shell_packages") => fault.help(format!("write `with: {{{key}: …}}`")),
                ("action", "config") => fault.help("write `with`"),
                ("action", "command" | "script" | "params" | "messages" | "value" | "routes") => {
                    fault.help(format!("give it as `with: {{{key}: …}}` if the action takes it"))
                }
                _ => fault.help("remove it"),
            };
        }
    }

    fn run(&self, out: &mut Faults) {
        self.conflicts("run", out);
        let path = self.path.key("run");
        let kind = self.default_kind();
        let written = &self.map["run"];
        match written {
            Value::String(text) => {
                command_text(text, &path, "`run`", out);
                if text.contains('\n') && !kind.abilities().script {
                    script_refused(kind, &path, On::Value, out);
                }
            }
            Value::Array(items) => self.run_list(items, &path, kind, out),
            Value::Null => {
                out.error(&path, On::Key, code::MISSING_FIELD, "`run` needs a command");
            }
            _ => {} // Said by the schema.
        }
        if let Some(with) = self.map.get("with") {
            let path = self.path.key("with");
            match with {
                Value::Null => {
                    out.error(&path, On::Key, code::WRONG_TYPE, "`with` must be a map, not nothing");
                }
                Value::Object(keys) => {
                    node::check(RUN_WITH, with, &path, out);
                    if let Some(key) = keys.keys().find(|key| key.starts_with("shell"))
                        && !kind.abilities().shell
                    {
                        let message = format!("{} does not take `with.{key}`", kind.phrase());
                        let place = path.key(key);
                        let fault = out.error(&place, On::Key, code::UNSUPPORTED_FIELD, message);
                        if kind == Kind::Docker {
                            fault.help("set `container.shell` instead");
                        }
                    }
                    check_shell(keys.get("shell"), &path.key("shell"), out);
                }
                _ => {}
            }
        }
        self.fields_for(kind, "run", out);
    }

    fn run_list(&self, items: &[Value], path: &Path, kind: Kind, out: &mut Faults) {
        let mut commands = 0;
        for (index, item) in items.iter().enumerate() {
            let path = path.index(index);
            match item {
                Value::String(text) if text.trim() == "|" => command_text(text, &path, "a command", out),
                Value::String(text) => commands += usize::from(!text.trim().is_empty()),
                Value::Number(_) | Value::Bool(_) => commands += 1,
                Value::Object(map)
                    if map.len() == 1 && map.values().all(|value| !value.is_object() && !value.is_array()) =>
                {
                    commands += 1;
                }
                _ => {
                    let message = format!("a command must be text, not {}", words::kind(item));
                    let fault = out.error(&path, On::Value, code::WRONG_TYPE, message);
                    if item.is_object() {
                        fault.help("put a command that holds `: ` in quotes");
                    }
                    return;
                }
            }
        }
        if commands == 0 && !items.is_empty() {
            out.error(path, On::Key, code::INVALID_VALUE, "`run` holds blank commands only");
        }
        if commands > 1 && !kind.abilities().several {
            several_refused(kind, path, out);
        }
    }

    /// The kind of a step that names none: its own container, or what the workflow sets.
    pub fn default_kind(&self) -> Kind {
        if self.get("container").is_some() { Kind::Docker } else { default_kind(self.around) }
    }

    /// Fields that only some kinds understand. `main` is the key that decides the kind.
    pub fn fields_for(&self, kind: Kind, main: &str, out: &mut Faults) {
        let able = kind.abilities();
        let refuse = |key: &str, able: bool, help: &str, out: &mut Faults| {
            if able || self.get(key).is_none() {
                return;
            }
            let message = format!("{} does not take `{key}`", kind.phrase());
            let path = self.path.key(key);
            let fault = out.error(&path, On::Key, code::UNSUPPORTED_FIELD, message);
            fault.help(help).related(&self.path.key(main), "this decides what the step is");
        };
        refuse("container", able.container, "steps with `run`, `docker.run` and `harness.run` take a container", out);
        refuse("worker_selector", able.worker_selector, "only `dag.run` and `dag.enqueue` take it", out);
        if self.place != Place::Handler && kind != Kind::Dag {
            refuse("parallel", false, "only `dag.run` and `dag.enqueue` take it; a `foreach` repeats other steps", out);
        }
        if kind == Kind::Redis
            && let Some(redis) = self.around.redis
        {
            super::inputs::redis_defaults(redis, out);
        }
    }

    /// Everything that does not depend on what the step runs.
    fn details(&self, out: &mut Faults) {
        for (key, value) in self.map.iter().filter(|(_, value)| !value.is_null()) {
            let path = self.path.key(key);
            match key.as_str() {
                "env" => env::check(value, &path, out),
                "container" => container::check(value, &path, out),
                "preconditions" => conditions::check(value, &path, out),
                "retry_policy" => policies::retry(value, &path, out),
                "repeat_policy" => policies::repeat(value, &path, out),
                "continue_on" => policies::continue_on(value, &path, out),
                "depends" => self.depends(&path, out),
                "approval" => self.approval(value, &path, out),
                "shell" => check_shell(Some(value), &path, out),
                "parallel" if self.place != Place::Handler => self.parallel(value, &path, out),
                _ => {}
            }
        }
        streams::check(self, out);
        for stream in ["stdout", "stderr"] {
            if self.get(stream).and_then(|stream| stream.get("artifact")).is_some() {
                let path = self.path.key(stream);
                self.needs_artifacts(&path.key("artifact"), out);
            }
        }
    }

    /// Refuses a use of artifacts, at `place`, where they are switched off.
    pub fn needs_artifacts(&self, place: &Path, out: &mut Faults) {
        if self.around.artifacts_off {
            let root = Path::ROOT;
            let section = root.key("artifacts");
            let message = "artifacts are switched off, and a step uses them";
            let fault = out.error(&section.key("enabled"), On::Value, code::CONFLICTING_FIELDS, message);
            fault.help("remove `enabled: false`").related(place, "used here");
        }
    }

    fn depends(&self, path: &Path, out: &mut Faults) {
        if self.place == Place::Handler {
            return;
        }
        let why = match self.around.workflow_type {
            WorkflowType::Chain => "in a workflow of `type: chain` every step follows the one before it",
            WorkflowType::Agent => "in a workflow of `type: agent` the agent chooses the steps",
            _ => return,
        };
        if self.place == Place::Body {
            return;
        }
        let fault = out.error(path, On::Key, code::CONFLICTING_FIELDS, "`depends` cannot be used here");
        fault.help(why);
    }

    fn approval(&self, value: &Value, path: &Path, out: &mut Faults) {
        if self.around.worker_selector {
            let message = "`approval` cannot be used in a workflow whose `worker_selector` is a map";
            out.error(path, On::Key, code::CONFLICTING_FIELDS, message);
        }
        let list = |key: &str| value.get(key).and_then(Value::as_array);
        let Some(required) = list("required") else { return };
        let inputs: Vec<&str> = list("input").into_iter().flatten().filter_map(Value::as_str).collect();
        let required_path = path.key("required");
        for (index, item) in required.iter().enumerate() {
            let Some(name) = item.as_str() else { continue };
            if !inputs.contains(&name) {
                let message = format!("`{name}` is required but not listed in `input`");
                let fault = out.error(&required_path.index(index), On::Value, code::INVALID_VALUE, message);
                if let Some(near) = nearest(name, inputs.iter().copied()) {
                    fault.help(format!("did you mean `{near}`?"));
                }
            }
        }
    }

    fn parallel(&self, value: &Value, path: &Path, out: &mut Faults) {
        let items_path = path.key("items");
        let (items, path) = match value {
            Value::Object(map) => (map.get("items"), &items_path),
            other => (Some(other), path),
        };
        for (index, item) in items.and_then(Value::as_array).into_iter().flatten().enumerate() {
            let fits = match item {
                Value::String(_) | Value::Number(_) => true,
                Value::Object(map) => map.values().all(|value| !value.is_object() && !value.is_array()),
                _ => false,
            };
            if !fits {
                let message = "an item must be text, a number or a map of plain values";
                out.error(&path.index(index), On::Value, code::WRONG_TYPE, message);
            }
        }
    }
}

/// The kind of a step that says nothing itself.
pub fn default_kind(around: &Surroundings) -> Kind {
    if around.container {
        Kind::Docker
    } else if around.ssh {
        Kind::Ssh
    } else if around.redis.is_some() {
        Kind::Redis
    } else {
        Kind::Command
    }
}

/// Text to run: neither blank nor a lone bar.
pub fn command_text(text: &str, path: &Path, subject: &str, out: &mut Faults) {
    match text.trim() {
        // `run: ""` is said by the schema.
        "" if subject == "a step" => {
            out.error(path, On::Value, code::INVALID_VALUE, "a step must not be blank");
        }
        "|" => {
            let message = format!("{subject} holds only `|`, which is no command");
            out.error(path, On::Value, code::INVALID_VALUE, message);
        }
        _ => {}
    }
}

/// Shell text that is only a bar cannot be split into words.
pub fn check_shell(shell: Option<&Value>, path: &Path, out: &mut Faults) {
    if shell.and_then(Value::as_str).is_some_and(|text| text.trim() == "|") {
        out.error(path, On::Value, code::INVALID_VALUE, "`shell` holds only `|`, which is no program");
    }
}

pub fn script_refused(kind: Kind, path: &Path, on: On, out: &mut Faults) {
    let message = format!("{} takes a command on one line, and this holds a line break", kind.phrase());
    let fault = out.error(path, on, code::UNSUPPORTED_FIELD, message);
    fault.help(match kind {
        Kind::Docker => "write a list of commands, `>-` to fold lines, or `|-` for one line without the final break",
        _ => "write `|-` or `>-` for one line without the final break",
    });
}

pub fn several_refused(kind: Kind, path: &Path, out: &mut Faults) {
    let message = format!("{} takes one command, not a list of several", kind.phrase());
    out.error(path, On::Key, code::UNSUPPORTED_FIELD, message);
}

/// The message for a word that is neither a type nor defined.
pub fn unknown_type(word: &str, path: &Path, around: &Surroundings, out: &mut Faults) {
    let message = format!("`{word}` is not a step type");
    let fault = out.error(path, On::Value, code::UNKNOWN_ACTION, message);
    if let Some(near) = nearest(word, TYPES.iter().copied().chain(around.step_types.names())) {
        fault.help(format!("did you mean `{near}`?")).fix(Change::SetValue(near.into()), Applicability::Unsafe);
    } else if word == "agent" {
        fault.help("agent steps are gone; use `action: harness.run` or a workflow of `type: agent`");
    }
}
