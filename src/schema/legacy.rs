//! Steps in the older forms: `command`, `script`, `exec`, `call`, `type` with `config`, or a container alone.

use serde_json::Value;

use super::fault::{Faults, On, Path, code};
use super::kind::Kind;
use super::step::{Place, Step, command_text, script_refused, several_refused, unknown_type};
use super::{action, custom, inputs, words};

/// Checks a step without `run`, `action` and `foreach`.
pub fn check(step: &Step, out: &mut Faults) {
    let word = step.text("type").map(str::trim).filter(|word| !word.is_empty());
    options_form(step, out);
    let kind = match word {
        Some(word) => match Kind::of_type(word) {
            Some(kind) => kind,
            None => {
                let path = step.path.key("type");
                match step.around.step_types.get(word) {
                    Some((definition, own)) => custom::call(step, word, definition, own, "step_types", &path, out),
                    None => unknown_type(word, &path, step.around, out),
                }
                return;
            }
        },
        None if step.get("call").is_some() => Kind::Dag,
        None => step.default_kind(),
    };
    let main = ["type", "call", "command", "script", "exec"].into_iter().find(|key| step.get(key).is_some());
    let main = main.unwrap_or("container");
    commands(step, kind, main, out);
    if word.is_some() || !matches!(kind, Kind::Docker) || step.get("container").is_none() {
        step.fields_for(kind, main, out);
    }
    exec(step, word, kind, out);
    something_to_run(step, word, kind, out);
    if let Some(word) = word {
        by_type(step, word, out);
    }
}

/// `with` and `config` are two names of one thing.
fn options_form(step: &Step, out: &mut Faults) {
    if step.get("with").is_some() && step.get("config").is_some() {
        let path = step.path.key("config");
        let fault = out.error(&path, On::Key, code::CONFLICTING_FIELDS, "`config` cannot stand beside `with`");
        fault.help("keep `with`").related(&step.path.key("with"), "the options are already here");
    }
}

fn commands(step: &Step, kind: Kind, main: &str, out: &mut Faults) {
    let able = kind.abilities();
    for (key, able) in
        [("command", able.command), ("script", able.script), ("shell", able.shell), ("messages", able.messages)]
    {
        if step.get(key).is_none() {
            continue;
        }
        // A template has no command but takes its text from the script.
        if !able {
            let path = step.path.key(key);
            let message = format!("{} does not take `{key}`", kind.phrase());
            let fault = out.error(&path, On::Key, code::UNSUPPORTED_FIELD, message);
            fault.related(&step.path.key(main), "this decides what the step is");
        }
    }
    let path = step.path.key("command");
    match step.get("command") {
        Some(Value::String(text)) => {
            command_text(text, &path, "`command`", out);
            if text.contains('\n') && able.command && !able.script {
                script_refused(kind, &path, On::Value, out);
            }
        }
        Some(Value::Array(items)) if able.command => {
            let filled = items.iter().filter(|item| !item.as_str().is_some_and(|text| text.trim().is_empty())).count();
            if filled == 0 && !items.is_empty() {
                out.error(&path, On::Key, code::INVALID_VALUE, "`command` holds blank commands only");
            }
            if filled > 1 && !able.several {
                several_refused(kind, &path, out);
            }
        }
        _ => {}
    }
    if step.around.harness && kind == Kind::Command && step.get("command").is_some() && step.text("type").is_none() {
        let message = "a step with `command` beside root `harness` defaults is ambiguous and refused";
        let fault = out.error(&path, On::Key, code::CONFLICTING_FIELDS, message);
        fault.help("write `run` for a shell command, or `action: harness.run` for an agent");
    }
}

fn exec(step: &Step, word: Option<&str>, kind: Kind, out: &mut Faults) {
    let Some(exec) = step.get("exec") else { return };
    for key in ["command", "script", "shell", "shell_packages"] {
        if step.get(key).is_some() {
            let path = step.path.key(key);
            let fault =
                out.error(&path, On::Key, code::CONFLICTING_FIELDS, format!("`{key}` cannot stand beside `exec`"));
            fault.related(&step.path.key("exec"), "the step already says what to run");
        }
    }
    if kind != Kind::Command {
        let key = match word {
            Some(_) => "type",
            None if step.get("container").is_some() => "container",
            None => "exec",
        };
        let message = format!("`exec` runs a plain command, and this is {}", kind.phrase());
        out.error(&step.path.key(key), On::Key, code::CONFLICTING_FIELDS, message);
    }
    if let Some(args) = exec.get("args").and_then(Value::as_array) {
        let path = step.path.key("exec");
        scalars_only(args, &path.key("args"), out);
    }
}

/// Arguments are single values.
pub fn scalars_only(args: &[Value], path: &Path, out: &mut Faults) {
    for (index, arg) in args.iter().enumerate() {
        if arg.is_null() || arg.is_object() || arg.is_array() {
            let message = format!("an argument must be text, a number or a boolean, not {}", words::kind(arg));
            out.error(&path.index(index), On::Value, code::WRONG_TYPE, message);
        }
    }
}

fn something_to_run(step: &Step, word: Option<&str>, kind: Kind, out: &mut Faults) {
    if step.place == Place::Handler {
        return;
    }
    let commanded = ["command", "script", "exec", "call", "container"].iter().any(|key| step.get(key).is_some());
    let needed = match word {
        None => !commanded && !has_silent_output(step),
        Some(_) => kind == Kind::Harness && step.get("command").is_none(),
    };
    if !needed || step.get("messages").is_some() {
        return;
    }
    if word.is_some() {
        let message = format!("{} needs a `command`", kind.phrase());
        out.error(&step.path.key("type"), On::Value, code::MISSING_FIELD, message);
    } else {
        let message = "this step has nothing to run";
        out.error(step.path, On::Missing, code::MISSING_FIELD, message).help("add `run` or `action`");
    }
}

/// Literal outputs, or outputs read from files, need nothing to run.
fn has_silent_output(step: &Step) -> bool {
    let Some(Value::Object(entries)) = step.get("output") else { return false };
    !entries.is_empty()
        && entries.values().all(|entry| !matches!(entry.get("from").and_then(Value::as_str), Some("stdout" | "stderr")))
}

fn by_type(step: &Step, word: &str, out: &mut Faults) {
    match word {
        "chat" => inputs::legacy_chat(step, out),
        "router" => inputs::legacy_router(step, out),
        _ => {}
    }
    if !action::checks_options(step.place) {
        return;
    }
    let Some(name) = options_action(word) else { return };
    for key in ["with", "config"] {
        if let Some(Value::Object(options)) = step.get(key) {
            action::check_options(name, options, &step.path.key(key), out);
        }
    }
}

/// The action whose input a legacy type takes as its options.
pub fn options_action(word: &str) -> Option<&'static str> {
    Some(match word {
        "docker" | "container" => "docker.run",
        "kubernetes" | "k8s" => "kubernetes.run",
        "http" => "http.request",
        "mail" => "mail.send",
        "ssh" => "ssh.run",
        "jq" => "jq.filter",
        "archive" => "archive.create",
        "postgres" => "postgres.query",
        "sqlite" => "sqlite.query",
        "redis" => "redis.get",
        "template" => "template.render",
        _ => return None,
    })
}
