//! The `action` of a step: built in, defined by the workflow, or remote; and its `with`.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::fault::{Change, Faults, On, Path, code};
use super::fields::{Field, Fields};
use super::generate::{action_of, input_definition};
use super::kind::Kind;
use super::node::{self, Shape};
use super::step::{Place, Step};
use super::{custom, human, inputs, words};
use crate::diagnostic::{Applicability, nearest};

/// An action that the runner brings along.
#[derive(Debug)]
pub struct Builtin {
    pub name: String,
    definition: String,
    table: String,
    required: bool,
    pub kind: Kind,
}

impl Builtin {
    pub fn shape(&self) -> Shape<'_> {
        Shape::new(&self.definition, &self.table)
    }
}

/// The built-in action of a name. Every `redis.OPERATION` is one.
pub fn builtin(name: &str) -> Option<&'static Builtin> {
    let all = builtins();
    let redis = name.strip_prefix("redis.").is_some_and(|operation| !operation.is_empty());
    all.get(if redis { "redis.<op>" } else { name }).filter(|_| name != "redis.<op>" || redis)
}

/// The names of built-in actions as they are offered, without the open `redis` family.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    builtins().keys().map(String::as_str).filter(|name| !name.starts_with("redis"))
}

fn builtins() -> &'static HashMap<String, Builtin> {
    static ALL: OnceLock<HashMap<String, Builtin>> = OnceLock::new();
    ALL.get_or_init(|| {
        let usable = |field: &&Field| field.removed.is_none();
        Fields::get()
            .all()
            .iter()
            .filter(usable)
            .filter_map(|field| Some((action_of(&field.path)?, field)))
            .filter(|(name, _)| !name.starts_with('<'))
            .map(|(name, field)| {
                let builtin = Builtin {
                    name: name.to_owned(),
                    definition: input_definition(name),
                    table: field.path.clone(),
                    required: field.required,
                    kind: Kind::of_action(name),
                };
                (name.to_owned(), builtin)
            })
            .collect()
    })
}

/// Checks the action of a step and what stands beside it.
pub fn check(step: &Step, out: &mut Faults) {
    let path = step.path.key("action");
    let written = &step.map["action"];
    let Some(text) = written.as_str() else {
        if written.is_null() {
            out.error(&path, On::Key, code::MISSING_FIELD, "`action` needs the name of an action");
        }
        return; // Another kind of value is said by the schema.
    };
    let name = text.trim();
    if name.is_empty() {
        return; // Said by the schema.
    }
    if let Some(builtin) = builtin(name) {
        built_in(step, builtin, name, &path, out);
    } else if let Some((definition, own)) = step.around.actions.get(name) {
        custom::call(step, name, definition, own, "actions", &path, out);
    } else if name.contains('@') {
        remote(name, &path, out);
        with_is_map(step, out);
        step.fields_for(Kind::Closed, "action", out);
    } else {
        unknown(name, step, &path, out);
    }
}

fn built_in(step: &Step, builtin: &Builtin, name: &str, path: &Path, out: &mut Faults) {
    if builtin.kind == Kind::HumanTask {
        human::placement(step, path, out);
    } else {
        step.fields_for(builtin.kind, "action", out);
    }
    if name.starts_with("artifact.") {
        step.needs_artifacts(path, out);
    }
    if name.starts_with("git.worktree.") {
        inputs::fixed_outputs(step, name, out);
    }
    let Some(with) = input(step, builtin, path, out) else { return };
    let Value::Object(map) = with else { return };
    let with_path = step.path.key("with");
    node::check(builtin.shape(), with, &with_path, out);
    inputs::check(step, name, builtin.kind, map, &with_path, out);
}

/// The `with` of a built-in action, when there is one to check.
fn input<'a>(step: &Step<'a>, builtin: &Builtin, path: &Path, out: &mut Faults) -> Option<&'a Value> {
    let Some(with) = step.map.get("with") else {
        let inherits = builtin.kind == Kind::Kubernetes
            && step.around.kubernetes.and_then(|defaults| defaults.get("image")).is_some();
        if (builtin.required || builtin.kind == Kind::Kubernetes) && !inherits {
            let fields = Fields::get();
            let node = fields.find(&builtin.table);
            let needed: Vec<&str> = node
                .map(|node| fields.keys(node).filter(|(_, field)| field.required).map(|(key, _)| key).collect())
                .unwrap_or_default();
            let message = format!("`{}` needs input under `with`", builtin.name);
            let fault = out.error(path, On::Value, code::MISSING_FIELD, message);
            if !needed.is_empty() {
                fault.help(format!("give it {}", words::list(needed, "and")));
            }
        }
        return None;
    };
    with_is_map(step, out).then_some(with)
}

/// `with` that is there must hold a map.
pub fn with_is_map(step: &Step, out: &mut Faults) -> bool {
    match step.map.get("with") {
        Some(Value::Null) => {
            out.error(&step.path.key("with"), On::Key, code::WRONG_TYPE, "`with` must be a map, not nothing");
            false
        }
        Some(Value::Object(_)) | None => true,
        Some(_) => false, // Said by the schema.
    }
}

fn unknown(name: &str, step: &Step, path: &Path, out: &mut Faults) {
    let message = format!("there is no action `{name}`");
    let known: Vec<&str> = builtin_names().map(|name| -> &str { name }).chain(step.around.actions.names()).collect();
    let fault = out.error(path, On::Value, code::UNKNOWN_ACTION, message);
    if let Some(near) = nearest(name, known) {
        fault.help(format!("did you mean `{near}`?")).fix(Change::SetValue(near.into()), Applicability::Unsafe);
        return;
    }
    let group: Vec<&str> = {
        let head = name.split('.').next().unwrap_or(name);
        let prefix = format!("{head}.");
        let mut names: Vec<&str> = builtin_names().filter(|name| name.starts_with(&prefix)).collect();
        names.sort_unstable();
        names
    };
    if let [only] = group.as_slice() {
        fault.help(format!("did you mean `{only}`?")).fix(Change::SetValue((*only).into()), Applicability::Unsafe);
    } else if !group.is_empty() {
        fault.help(format!("there are {}", words::list(group, "and")));
    } else if name.starts_with("redis") {
        fault.help("write `redis.` and the operation, such as `redis.get`");
    } else if step.around.step_types.get(name).is_some() {
        fault.help(format!("`{name}` is a step type; define it under `actions` to call it as an action"));
    } else if name == "agent.run" || name.starts_with("agent") {
        fault.help("agent steps are gone; use `harness.run` or a workflow of `type: agent`");
    } else if name.contains('/') {
        fault.help(format!("a remote action names its version: `{name}@v1`"));
    } else {
        fault.help("define it under `actions`, or name a built-in action");
    }
}

/// `owner/repo@version`, `name@version` or `source:target@version`.
fn remote(name: &str, path: &Path, out: &mut Faults) {
    if let Err(reason) = remote_reference(name) {
        let message = format!("`{name}` does not name a remote action: {reason}");
        let fault = out.error(path, On::Value, code::UNKNOWN_ACTION, message);
        fault.help("write `owner/repo@version`, `name@version` or `source:target@version`");
    }
}

fn remote_reference(name: &str) -> Result<(), &'static str> {
    let (target, version) = name.split_once('@').ok_or("the version is missing")?;
    if version.is_empty() {
        return Err("the version is missing");
    }
    let bad_version = version.contains([' ', '\\', '~', '^', ':', '?', '*', '[', ']', '@'])
        || version.chars().any(|c| c.is_control() || c.is_whitespace())
        || ["..", "@{", "//"].iter().any(|part| version.contains(part))
        || version.starts_with(['-', '.', '/'])
        || version.ends_with(['/', '.'])
        || version.ends_with(".lock");
    if bad_version {
        return Err("the version is malformed");
    }
    if let Some(source) = target.strip_prefix("source:") {
        return if source.trim().is_empty() { Err("the source is missing") } else { Ok(()) };
    }
    if target.contains(':') {
        return Err("only `source:` may stand before the target");
    }
    let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    match target.split_once('/') {
        Some((owner, repo)) => {
            let owner_fits = !owner.is_empty()
                && owner.len() <= 39
                && owner.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !owner.starts_with('-')
                && !owner.ends_with('-');
            if !owner_fits {
                Err("the owner holds letters, digits and inner `-` only")
            } else if !word(repo) || repo.ends_with(".git") || matches!(repo, "." | "..") {
                Err("the repository holds letters, digits, `-`, `_` and `.`")
            } else {
                Ok(())
            }
        }
        None if word(target) => Ok(()),
        None => Err("the name holds letters, digits, `-`, `_` and `.`"),
    }
}

/// What an older form of a step gives to an action: checked like its input, except for what may come from elsewhere.
pub fn check_options(name: &str, with: &Map<String, Value>, path: &Path, out: &mut Faults) {
    let Some(builtin) = builtin(name) else { return };
    let start = out.len();
    node::check(builtin.shape(), &Value::Object(with.clone()), path, out);
    out.retain_from(start, |fault| fault.code != code::MISSING_FIELD);
}

/// Whether input rules look at a step at all: a handler's legacy options are not looked at.
pub fn checks_options(place: Place) -> bool {
    place != Place::Handler
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_references() {
        for right in ["acme/tool@v1", "tool@v1.2.3", "acme/tool@feature/x", "source:./a@v1"] {
            assert_eq!(remote_reference(right), Ok(()), "{right}");
        }
        for wrong in ["acme/tool@", "ac_me/tool@v1", "acme/tool@v1..2", "acme/tool@v1.lock", "a@b@c", "foo:bar@v1"] {
            assert!(remote_reference(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_redis_operation_is_an_action() {
        assert!(builtin("redis.get").is_some());
        assert!(builtin("redis.").is_none());
        assert!(builtin("redis").is_none());
        assert!(builtin("agent.run").is_none());
    }
}
