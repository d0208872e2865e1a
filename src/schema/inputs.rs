//! Rules about the input of actions that no schema says: keys that exclude or need each other, and what a command
//! may look like for the kind of step it makes.

use serde_json::{Map, Value};

use super::fault::{Faults, On, Path, code};
use super::kind::Kind;
use super::legacy::scalars_only;
use super::step::{Place, Step, check_shell, command_text, script_refused, several_refused};
use super::surroundings::WorkflowType;
use super::{human, kubernetes, words};

/// An action's input under inspection.
struct Input<'a> {
    map: &'a Map<String, Value>,
    path: &'a Path<'a>,
}

impl<'a> Input<'a> {
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Value::as_str)
    }

    /// Text that holds something.
    fn filled(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.as_str().is_none_or(|text| !text.trim().is_empty()))
    }

    fn is(&self, key: &str, word: bool) -> bool {
        self.get(key) == Some(&Value::Bool(word))
    }

    fn exclude(&self, wrong: &str, other: &str, out: &mut Faults) -> bool {
        if self.get(wrong).is_none() || self.get(other).is_none() {
            return false;
        }
        let message = format!("`{wrong}` cannot stand beside `{other}`");
        let fault = out.error(&self.path.key(wrong), On::Key, code::CONFLICTING_FIELDS, message);
        fault.help("keep one of the two").related(&self.path.key(other), "the other one");
        true
    }

    fn missing(&self, message: impl Into<String>, out: &mut Faults) {
        out.error(self.path, On::Missing, code::MISSING_FIELD, message);
    }
}

/// Checks the `with` of a built-in action beyond its schema. `path` is that of `with`.
pub fn check(step: &Step, name: &str, kind: Kind, map: &Map<String, Value>, path: &Path, out: &mut Faults) {
    let input = Input { map, path };
    match name {
        "docker.run" | "container.run" => docker(&input, out),
        "ssh.run" => check_shell(input.get("shell"), &path.key("shell"), out),
        "kubernetes.run" | "k8s.run" => kubernetes::check(map, step.around.kubernetes, path, out),
        "harness.run" => harness(step.place, &input, out),
        "exec" => {
            if let Some(Value::Array(args)) = input.get("args") {
                scalars_only(args, &path.key("args"), out);
            }
        }
        "dag.run" | "dag.enqueue" => child_params(&input, out),
        "artifact.write" | "file.write" | "file.copy" | "file.move" => atomic(&input, out),
        "archive.create" | "archive.extract" | "archive.list" => archive(&input, out),
        "data.convert" | "data.pick" => data(name, &input, out),
        "jq.filter" => {
            input.exclude("input", "data", out);
        }
        "state.set" | "state.diff" => state(&input, out),
        "git.checkout" => git_credentials(&input, out),
        "git.worktree.add" | "git.worktree.remove" => worktree(name, &input, out),
        "chat.completion" => chat(&input, out),
        "postgres.query" | "sqlite.query" => sql(&input, out),
        "template.render" => template(&input, out),
        "router.route" => router(step, map, path, &step.path.key("action"), out),
        "outputs.write" => not_empty(map, "values", path, out),
        "human.task" => human::form(map, path, out),
        _ => {}
    }
    match kind {
        Kind::Redis => redis(name, &input, out),
        Kind::Task if name.starts_with("git.worktree") => {}
        Kind::Docker | Kind::Ssh | Kind::Kubernetes | Kind::Sql | Kind::Jq => command(kind, &input, out),
        _ => {}
    }
}

/// The input that is the command of its kind.
fn command(kind: Kind, input: &Input, out: &mut Faults) {
    let key = match kind {
        Kind::Sql => "query",
        Kind::Jq => "filter",
        _ => "command",
    };
    let path = input.path.key(key);
    match input.get(key) {
        Some(Value::String(text)) => {
            if !matches!(kind, Kind::Sql | Kind::Jq) {
                command_text(text, &path, &format!("`{key}`"), out);
            }
            if text.contains('\n') && !kind.abilities().script {
                script_refused(kind, &path, On::Value, out);
            }
        }
        Some(Value::Array(items)) => {
            let filled = items.iter().filter(|item| !item.as_str().is_some_and(|text| text.trim().is_empty())).count();
            if filled == 0 && !items.is_empty() {
                out.error(&path, On::Key, code::INVALID_VALUE, format!("`{key}` holds blank entries only"));
            }
            if filled > 1 && !kind.abilities().several {
                several_refused(kind, &path, out);
            }
        }
        _ => {}
    }
}

fn docker(input: &Input, out: &mut Faults) {
    let others = input.map.iter().any(|(key, value)| key != "command" && !value.is_null());
    let (image, name) = (input.filled("image"), input.filled("container_name"));
    if others && !image && !name {
        input.missing("`docker.run` needs `image` to start a container, or `container_name` to use a running one", out);
    }
    let exec = input.get("exec").and_then(Value::as_object).is_some_and(|exec| !exec.is_empty());
    if exec && image && !name {
        let message = "`exec` beside `image` needs `container_name`";
        out.error(&input.path.key("exec"), On::Key, code::MISSING_FIELD, message);
    }
}

fn child_params(input: &Input, out: &mut Faults) {
    let path = input.path.key("params");
    for (index, item) in input.get("params").and_then(Value::as_array).into_iter().flatten().enumerate() {
        if !item.is_string() && !item.is_object() {
            let message = format!("a parameter must be text or a map, not {}", words::kind(item));
            out.error(&path.index(index), On::Value, code::WRONG_TYPE, message);
        }
    }
}

/// The prompt of an agent, and keys that belong into a definition.
fn harness(place: Place, input: &Input, out: &mut Faults) {
    if let Some(Value::Array(prompts)) = input.get("prompt") {
        let path = input.path.key("prompt");
        let filled = prompts.iter().filter(|item| !item.as_str().is_some_and(|text| text.trim().is_empty())).count();
        if filled > 1 {
            out.error(&path, On::Key, code::INVALID_VALUE, "`prompt` takes one prompt, not a list of several");
        } else if filled == 0 && !prompts.is_empty() {
            out.error(&path, On::Key, code::INVALID_VALUE, "`prompt` must not be blank");
        }
    }
    if input.text("prompt").is_some_and(|text| text.trim() == "|") {
        let message = "`prompt` holds only `|`";
        out.error(&input.path.key("prompt"), On::Value, code::INVALID_VALUE, message);
    }
    let used = if place == Place::Handler { Harness::Handler } else { Harness::Step };
    harness_keys(input.map, input.path, used, out);
}

/// Where a harness configuration stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Harness {
    /// Root `harness`. A fallback that is null counts as none.
    Defaults,
    Step,
    /// A handler's fallbacks are not looked into when the workflow is loaded; a rule of its own does.
    Handler,
}

/// Keys that a harness configuration may not hold, and the form of its fallbacks.
pub fn harness_keys(map: &Map<String, Value>, path: &Path, used: Harness, out: &mut Faults) {
    forbidden_harness_keys(map, path, out);
    let fallback_path = path.key("fallback");
    match map.get("fallback") {
        Some(Value::Array(entries)) => {
            for (index, entry) in entries.iter().enumerate() {
                let place = fallback_path.index(index);
                let Value::Object(entry) = entry else {
                    if used != Harness::Defaults || !entry.is_null() {
                        let message = format!("a fallback must be a map with a `provider`, not {}", words::kind(entry));
                        out.error(&place, On::Value, code::WRONG_TYPE, message);
                    }
                    continue;
                };
                forbidden_harness_keys(entry, &place, out);
                if used != Harness::Handler && entry.contains_key("fallback") {
                    let message = "a fallback cannot have fallbacks of its own";
                    let fault = out.error(&place.key("fallback"), On::Key, code::CONFLICTING_FIELDS, message);
                    fault.help("add them to the list of the step; they are tried in order");
                }
            }
        }
        Some(Value::Null) if used != Harness::Defaults => {
            out.error(&fallback_path, On::Key, code::WRONG_TYPE, "`fallback` must be a list, not nothing");
        }
        _ => {}
    }
}

fn forbidden_harness_keys(map: &Map<String, Value>, path: &Path, out: &mut Faults) {
    for (key, help) in [
        ("binary", "define a provider under `harnesses` with this `binary` and name it as `provider`"),
        ("prompt_args", "define a provider under `harnesses` with `prefix_args`, `prompt_mode` and `prompt_flag`"),
    ] {
        if map.contains_key(key) {
            let message = format!("`{key}` cannot be set here");
            out.error(&path.key(key), On::Key, code::UNSUPPORTED_FIELD, message).help(help);
        }
    }
}

fn atomic(input: &Input, out: &mut Faults) {
    if input.is("overwrite", true) && input.is("atomic", false) {
        let message = "`overwrite` needs `atomic` left true";
        let fault = out.error(&input.path.key("overwrite"), On::Key, code::CONFLICTING_FIELDS, message);
        fault.related(&input.path.key("atomic"), "switched off here");
    }
}

fn archive(input: &Input, out: &mut Faults) {
    if !input.map.is_empty() && input.get("source").is_none() {
        input.missing("an archive action needs `source`", out);
    }
}

fn data(name: &str, input: &Input, out: &mut Faults) {
    let both = input.map.contains_key("data") && input.map.contains_key("input");
    if both {
        input.exclude("data", "input", out);
    } else if !input.map.contains_key("data") && !input.map.contains_key("input") {
        input.missing(format!("`{name}` needs `input` (text to read) or `data` (a value)"), out);
    }
    if name == "data.pick" && input.is("raw", true) {
        input.exclude("raw", "to", out);
    }
}

fn state(input: &Input, out: &mut Faults) {
    const SCOPES: [&str; 6] = ["consts", "params", "env", "steps", "foreach", "context"];
    let Some(text) = input.text("expected_version") else { return };
    let Some(inner) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else { return };
    if !inner.split_once('.').is_some_and(|(scope, _)| SCOPES.contains(&scope.trim())) {
        let message = format!("`expected_version` must be a scoped reference, and `{text}` is none");
        let fault = out.error(&input.path.key("expected_version"), On::Value, code::INVALID_VALUE, message);
        fault.help("write a reference such as `${params.version}`");
    }
}

fn git_credentials(input: &Input, out: &mut Faults) {
    if input.filled("token") {
        for key in ["username", "password", "ssh_key_path"] {
            if input.filled(key) && input.exclude(key, "token", out) {
                return;
            }
        }
    }
    if input.filled("ssh_key_path") && input.filled("password") {
        input.exclude("password", "ssh_key_path", out);
    }
}

/// Worktree actions publish the same outputs always.
pub fn fixed_outputs(step: &Step, name: &str, out: &mut Faults) {
    let message = |key: &str| format!("`{key}` cannot be set on `{name}`, whose outputs are fixed");
    for key in ["output", "outputs"] {
        if step.get(key).is_some() {
            out.error(&step.path.key(key), On::Key, code::CONFLICTING_FIELDS, message(key));
        }
    }
    if step.get("stdout").and_then(|stdout| stdout.get("outputs")).is_some() {
        let stdout = step.path.key("stdout");
        out.error(&stdout.key("outputs"), On::Key, code::CONFLICTING_FIELDS, message("outputs"));
    }
}

fn worktree(name: &str, input: &Input, out: &mut Faults) {
    if name == "git.worktree.add" {
        if input.get("base").is_some() && input.get("branch").is_some() && !input.is("create_branch", true) {
            let message = "`base` beside `branch` needs `create_branch: true`";
            out.error(&input.path.key("base"), On::Key, code::CONFLICTING_FIELDS, message);
        }
        return;
    }
    if input.get("branch").is_none() && input.get("path").is_none() {
        input.missing("`git.worktree.remove` needs `branch` or `path`", out);
    } else if input.is("delete_branch", true) && input.get("branch").is_none() {
        let message = "`delete_branch` needs `branch`";
        out.error(&input.path.key("delete_branch"), On::Key, code::MISSING_FIELD, message);
    }
    if input.is("force_delete_branch", true) && !input.is("delete_branch", true) {
        let message = "`force_delete_branch` needs `delete_branch: true`";
        out.error(&input.path.key("force_delete_branch"), On::Key, code::MISSING_FIELD, message);
    }
}

fn chat(input: &Input, out: &mut Faults) {
    if !input.filled("prompt") && input.get("messages").is_none() && !input.map.contains_key("prompt") {
        input.missing("`chat.completion` needs `prompt` or `messages`", out);
    }
    let own = input.map.iter().any(|(key, value)| !matches!(key.as_str(), "prompt" | "messages") && !value.is_null());
    if own {
        model_and_provider(input, "the root `llm` is replaced as soon as `with` sets any of its keys", out);
    }
}

/// A block that replaces the root `llm` has to be complete.
fn model_and_provider(input: &Input, why: &str, out: &mut Faults) {
    let list = input.get("model").is_some_and(Value::is_array);
    for key in ["provider", "model"] {
        let filled = input.get(key).is_some_and(|value| value.as_str() != Some(""));
        let by_list = key == "provider" && list;
        if !filled && !by_list {
            out.error(input.path, On::Missing, code::MISSING_FIELD, format!("`{key}` is needed here")).help(why);
        }
    }
}

fn sql(input: &Input, out: &mut Faults) {
    let others = input.map.iter().any(|(key, value)| key != "query" && !value.is_null());
    if others && input.get("dsn").is_none() {
        input.missing("`dsn` is needed to connect", out);
    }
}

fn template(input: &Input, out: &mut Faults) {
    if input.exclude("template_ref", "template", out) {
        return;
    }
    if input.get("template").is_none() && input.get("template_ref").is_none() {
        input.missing("`template.render` needs `template` or `template_ref`", out);
    }
}

/// Root `redis` settings, as a step that inherits them sees them.
pub fn redis_defaults(redis: &Map<String, Value>, out: &mut Faults) {
    let root = Path::ROOT;
    let path = root.key("redis");
    const MODES: [&str; 3] = ["standalone", "sentinel", "cluster"];
    if let Some(mode) = redis.get("mode").and_then(Value::as_str)
        && !mode.is_empty()
        && !MODES.contains(&mode)
    {
        let message = format!("`mode` must be one of {}, not `{mode}`", words::list(MODES, "or"));
        push_once(&path.key("mode"), message, out);
    }
    for (key, low, high) in [("port", 0.0, 65535.0), ("db", 0.0, 15.0)] {
        if let Some(number) = redis.get(key).and_then(Value::as_f64)
            && (number < low || number > high)
        {
            push_once(&path.key(key), format!("`{key}` must be between {low} and {high}, not {number}"), out);
        }
    }
}

/// Every step that inherits would say it again.
fn push_once(path: &Path, message: String, out: &mut Faults) {
    let segments = path.segments();
    if !out.iter().any(|fault| fault.path == segments) {
        out.error(path, On::Value, code::INVALID_VALUE, message);
    }
}

fn redis(name: &str, input: &Input, out: &mut Faults) {
    let operation = name.trim_start_matches("redis.");
    if let Some(command) = input.text("command")
        && !command.trim().is_empty()
        && !command.trim().eq_ignore_ascii_case(operation)
    {
        let message = format!("`command` is `{command}`, but the action is `{name}`");
        let fault = out.error(&input.path.key("command"), On::Value, code::CONFLICTING_FIELDS, message);
        fault.help("remove it: the action says the command");
    }
}

fn not_empty(map: &Map<String, Value>, key: &str, path: &Path, out: &mut Faults) {
    if map.get(key).and_then(Value::as_object).is_some_and(Map::is_empty) {
        out.error(&path.key(key), On::Key, code::INVALID_VALUE, format!("`{key}` must not be empty"));
    }
}

/// Routes of a router: each target in one route only. Whether targets exist is not asked here.
fn router(step: &Step, map: &Map<String, Value>, path: &Path, named: &Path, out: &mut Faults) {
    let why = match step.around.workflow_type {
        WorkflowType::Chain => Some("`type: chain`"),
        WorkflowType::Agent => Some("`type: agent`"),
        _ => None,
    };
    if let Some(why) = why.filter(|_| step.place != Place::Handler) {
        let message = format!("a router cannot be used in a workflow of {why}");
        out.error(named, On::Value, code::CONFLICTING_FIELDS, message);
    }
    let Some(Value::Object(routes)) = map.get("routes") else { return };
    not_empty(map, "routes", path, out);
    let path = path.key("routes");
    let mut seen: Vec<(&str, &str, usize)> = Vec::new();
    for (pattern, targets) in routes {
        let place = path.key(pattern);
        if pattern.trim().is_empty() {
            out.error(&place, On::Key, code::INVALID_VALUE, "a route needs a pattern to compare with");
        }
        for (index, target) in targets.as_array().into_iter().flatten().enumerate() {
            let Some(name) = target.as_str() else { continue };
            if name.trim().is_empty() {
                out.error(
                    &place.index(index),
                    On::Value,
                    code::INVALID_VALUE,
                    "a route leads to a step, not to blank text",
                );
            } else if let Some((_, other, at)) = seen.iter().find(|(known, ..)| *known == name) {
                let message = format!("`{name}` is a target already: a step belongs to one route");
                let fault = out.error(&place.index(index), On::Value, code::CONFLICTING_FIELDS, message);
                fault.related(&path.key(other).index(*at), "the first route to it");
            } else {
                seen.push((name, pattern, index));
            }
        }
    }
}

/// A chat step in its older form.
pub fn legacy_chat(step: &Step, out: &mut Faults) {
    if step.get("messages").is_none() {
        out.error(&step.path.key("type"), On::Value, code::MISSING_FIELD, "a chat step needs `messages`");
    }
    if let Some(Value::Object(llm)) = step.get("llm") {
        let path = step.path.key("llm");
        let input = Input { map: llm, path: &path };
        model_and_provider(&input, "a step with `llm` does not look at the root `llm`", out);
        for key in ["max_context_tokens", "observation_max_bytes", "observation_keep_recent"] {
            if llm.contains_key(key) {
                let message = format!("`{key}` belongs to the root `llm` of a workflow of `type: agent`");
                out.error(&path.key(key), On::Key, code::UNSUPPORTED_FIELD, message);
            }
        }
    }
}

/// A router in its older form.
pub fn legacy_router(step: &Step, out: &mut Faults) {
    for key in ["value", "routes"] {
        if step.get(key).is_none() {
            let message = format!("a router needs `{key}`");
            out.error(&step.path.key("type"), On::Value, code::MISSING_FIELD, message);
        }
    }
    router(step, step.map, step.path, &step.path.key("type"), out);
}
