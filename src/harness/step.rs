//! A harness step as written: prompt, extra stdin and the configuration of each attempt.
//!
//! Reads both spellings, `action: harness.run` and the older `type: harness`, where the prompt is `command` and the extra
//! stdin `script`. What cannot be read is reported and left out; [`HarnessStep::plan`] then says that it is missing.

use serde_json::{Map, Value};

use crate::diagnostic::Gate;
use crate::harness::config::{Config, Container, Entry, Root};
use crate::harness::definition::kind;
use crate::harness::finding::{Base, Finding, Location};

/// Where a step stands. Dagu's loader checks handlers less thoroughly and finds some faults only when they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    Step,
    Handler,
}

impl Position {
    /// The gate of a fault that the loader sees in steps, and in handlers only the run does.
    pub fn gate(self) -> Gate {
        match self {
            Self::Step => Gate::Load,
            Self::Handler => Gate::None,
        }
    }
}

/// A text and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub text: String,
    pub at: Location,
}

/// A harness step as written, references unresolved.
#[derive(Debug, Clone, PartialEq)]
pub struct HarnessStep {
    pub position: Position,
    /// Trimmed when it was written on one line. `None` when missing or unusable.
    pub prompt: Option<Text>,
    /// Extra stdin, trimmed; `None` when there is none.
    pub stdin: Option<Text>,
    /// The primary configuration, defaults merged in, then the fallbacks in order. Never empty.
    pub attempts: Vec<Config>,
    /// The options as the step itself writes them, before anything is merged.
    pub own: Config,
    /// The step's own container, else the root's.
    pub container: Option<Container>,
    /// The container is the step's own.
    pub own_container: bool,
    /// The step's `working_dir`, when it has one.
    pub working_dir: Option<Location>,
}

/// Whether the mapping of a step is a harness step in either spelling.
pub fn is_harness(step: &Map<String, Value>) -> bool {
    let is = |key: &str, word: &str| step.get(key).and_then(Value::as_str).is_some_and(|text| text.trim() == word);
    is("action", "harness.run") || (!step.contains_key("action") && is("type", "harness"))
}

impl HarnessStep {
    /// Reads the mapping of a harness step; the findings are about its shape.
    pub fn read(step: &Map<String, Value>, root: &Root, position: Position) -> (Self, Vec<Finding>) {
        let mut findings = Vec::new();
        let action = step.contains_key("action");
        let (key, mut with) = match action {
            true => ("with", options(step, "with", &mut findings)),
            false => older_options(step, &mut findings),
        };
        let at = Location::step([key]);
        let (prompt, stdin) = if action {
            if step.get(key).is_none_or(Value::is_null) {
                let at = if step.contains_key(key) { at.on_key() } else { Location::step(["action"]) };
                let message = "a harness step needs `with.provider` and `with.prompt`";
                findings.push(
                    Finding::error("missing-field", at, message).help("add `with: {provider: claude, prompt: …}`"),
                );
            }
            let prompt = with.remove("prompt");
            let stdin = with.remove("stdin");
            let readable = step.get(key).is_some_and(Value::is_object);
            let prompt = match prompt {
                Some(value) => prompt_of(&value, "prompt", at.key("prompt"), position, &mut findings),
                None if readable => {
                    let message = "this harness step has no `prompt`";
                    findings.push(Finding::error("missing-field", at.lacks("prompt"), message));
                    None
                }
                None => None,
            };
            (prompt, stdin.and_then(|value| stdin_of(&value, at.key("stdin"), &mut findings)))
        } else {
            let prompt = match step.get("command") {
                Some(value) => prompt_of(value, "command", Location::step(["command"]), position, &mut findings),
                None => {
                    let message = "this harness step has no `command`, which is its prompt";
                    let at = Location::step(["type"]).on_key();
                    findings.push(Finding::error("missing-field", at, message).gate(position.gate()));
                    None
                }
            };
            // What else `script` may be is for the schema to say; an older file's number or null there is no text.
            let script = step.get("script").filter(|value| value.is_string());
            (prompt, script.and_then(|value| stdin_of(value, Location::step(["script"]), &mut findings)))
        };
        let own = Config::read(&with, &at);
        let attempts = split(root.merge(own.clone()), &mut findings);
        let container = Container::read(step.get("container"), Location::step(["container"]));
        let own_container = container.is_some();
        let working_dir =
            step.get("working_dir").filter(|value| !value.is_null()).map(|_| Location::step(["working_dir"]));
        let container = container.or_else(|| root.container.clone());
        (Self { position, prompt, stdin, attempts, own, container, own_container, working_dir }, findings)
    }
}

/// The mapping under `key`, empty when there is none.
fn options(step: &Map<String, Value>, key: &str, findings: &mut Vec<Finding>) -> Map<String, Value> {
    match step.get(key) {
        Some(Value::Object(options)) => options.clone(),
        None | Some(Value::Null) => Map::new(),
        Some(other) => {
            let message = format!("`{key}` of a harness step must be a mapping, not {}", kind(other));
            findings.push(Finding::error("wrong-type", Location::step([key]), message));
            Map::new()
        }
    }
}

fn older_options<'k>(step: &Map<String, Value>, findings: &mut Vec<Finding>) -> (&'k str, Map<String, Value>) {
    if step.contains_key("config") && step.contains_key("with") {
        let message = "`with` and `config` are two names for the same thing; keep one";
        findings.push(
            Finding::error("conflicting-fields", Location::step(["config"]).on_key(), message)
                .related(Location::step(["with"]).on_key(), "the other one"),
        );
    }
    let key = if step.contains_key("with") { "with" } else { "config" };
    (key, options(step, key, findings))
}

fn prompt_of(value: &Value, key: &str, at: Location, position: Position, findings: &mut Vec<Finding>) -> Option<Text> {
    let text = match value {
        Value::String(text) if text.contains('\n') && !text.trim().is_empty() => text.clone(),
        Value::String(text) => text.trim().to_owned(),
        Value::Null => {
            let message = format!("`{key}` is empty; a harness step needs a prompt");
            findings.push(Finding::error("missing-field", at.on_key(), message).gate(position.gate()));
            return None;
        }
        Value::Array(items) if items.iter().all(|item| item.is_string() || item.is_number() || item.is_boolean()) => {
            let words: Vec<String> = items.iter().map(scalar).filter(|item| !item.is_empty()).collect();
            if words.len() > 1 {
                let message = format!("a harness step takes one prompt, not {}", words.len());
                findings.push(
                    Finding::error("invalid-value", at, message).help("write one text, or one step for each prompt"),
                );
                return None;
            }
            if words.len() == 1 {
                let message = format!("`{key}` is a list; Dagu takes its one item, its documentation wants text");
                findings
                    .push(Finding::warning("harness-prompt-list", at.clone(), message).help("write the item alone"));
            }
            words.into_iter().next().unwrap_or_default()
        }
        other => {
            let message = format!("`{key}` must be text, not {}", kind(other));
            let finding = Finding::error("wrong-type", at, message);
            findings.push(match other {
                Value::Number(_) | Value::Bool(_) => finding.help(format!("quote it: `\"{other}\"`")),
                _ => finding,
            });
            return None;
        }
    };
    match text.as_str() {
        "" => {
            findings.push(Finding::error(
                "invalid-value",
                at,
                format!("`{key}` is blank; a harness step needs a prompt"),
            ));
            None
        }
        "|" => {
            let message = format!("Dagu refuses a `{key}` that is only `|`");
            findings.push(
                Finding::error("invalid-value", at, message)
                    .help("for text on several lines, write `|` without quotes"),
            );
            None
        }
        _ => Some(Text { text, at }),
    }
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned())
}

fn stdin_of(value: &Value, at: Location, findings: &mut Vec<Finding>) -> Option<Text> {
    match value {
        Value::String(text) => {
            let text = text.trim();
            (!text.is_empty()).then(|| Text { text: text.to_owned(), at })
        }
        other => {
            let message = format!("`stdin` must be text, not {}", kind(other));
            let at = if other.is_null() { at.on_key() } else { at };
            findings.push(Finding::error("wrong-type", at, message));
            None
        }
    }
}

/// The primary configuration without `fallback`, then each fallback.
fn split(mut primary: Config, findings: &mut Vec<Finding>) -> Vec<Config> {
    let fallback = primary.entries.remove("fallback");
    let mut attempts = vec![primary];
    let Some(Entry { value, at }) = fallback else { return attempts };
    if at.base == Base::Step {
        findings.extend(fallback_shape(&value, &at)); // The root's own list is looked at once, with the root.
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        if let Value::Object(map) = item {
            attempts.push(Config::read(map, &at.index(index)));
        }
    }
    attempts
}

/// What is wrong with the shape of a list of fallbacks. The root's may be null.
pub(crate) fn fallback_shape(value: &Value, at: &Location) -> Vec<Finding> {
    let help = |finding: Finding, name: Option<&str>, list: bool| match name {
        Some(name) if list => finding.help(format!("write `[{{provider: {}}}]`", name.trim())),
        Some(name) => finding.help(format!("write `{{provider: {}}}`", name.trim())),
        None => finding,
    };
    match value {
        Value::Array(items) => {
            let faults = items.iter().enumerate().filter(|(_, item)| !item.is_object()).map(|(index, item)| {
                let message = format!("a fallback must be a mapping with at least `provider`, not {}", kind(item));
                help(Finding::error("wrong-type", at.index(index), message), item.as_str(), false)
            });
            faults.collect()
        }
        Value::Null if at.base == Base::Document => Vec::new(),
        Value::Null => {
            let message = "`fallback` must be a list of configurations, not null";
            vec![Finding::error("wrong-type", at.on_key(), message).help("write `fallback: []` to have none")]
        }
        other => {
            let message = format!("`fallback` must be a list of configurations, not {}", kind(other));
            vec![help(Finding::error("wrong-type", at.clone(), message), other.as_str(), true)]
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_at(position: Position, document: Value, step: Value) -> (HarnessStep, Vec<Finding>) {
        let (root, _) = Root::read(document.as_object().unwrap());
        HarnessStep::read(step.as_object().unwrap(), &root, position)
    }

    fn action(with: Value) -> (HarnessStep, Vec<(&'static str, String)>) {
        let (step, findings) = read_at(Position::Step, json!({}), json!({"action": "harness.run", "with": with}));
        (step, findings.into_iter().map(|finding| (finding.code, finding.at.to_string())).collect())
    }

    fn prompt(value: Value) -> Result<String, Vec<(&'static str, String)>> {
        let (step, findings) = action(json!({"provider": "claude", "prompt": value}));
        step.prompt.map(|prompt| prompt.text).ok_or(findings)
    }

    #[test]
    fn a_prompt_on_one_line_is_trimmed_and_a_longer_one_kept() {
        for (written, read) in [
            (json!("  spaced out \t"), "spaced out"),
            (json!("block\n"), "block\n"),
            (json!("  a\n b  "), "  a\n b  "),
            (json!("a\r\nb\r\n"), "a\r\nb\r\n"),
            (json!(["  only  "]), "only"),
            (json!(["", " x ", " "]), "x"),
            (json!([5]), "5"),
            (json!("unbalanced ' quote"), "unbalanced ' quote"),
        ] {
            assert_eq!(prompt(written), Ok(read.to_owned()));
        }
    }

    #[test]
    fn what_is_no_prompt_is_refused() {
        for (written, code) in [
            (json!("   "), "invalid-value"),
            (json!(" \n "), "invalid-value"),
            (json!("|"), "invalid-value"),
            (json!([]), "invalid-value"),
            (json!([" "]), "invalid-value"),
            (json!(null), "missing-field"),
            (json!(true), "wrong-type"),
            (json!(42), "wrong-type"),
            (json!({"a": 1}), "wrong-type"),
            (json!([null]), "wrong-type"),
            (json!(["a", "b"]), "invalid-value"),
        ] {
            assert_eq!(prompt(written), Err(vec![(code, "with.prompt".to_owned())]));
        }
        assert_eq!(action(json!({"provider": "claude"})).1, [("missing-field", "with".to_owned())]);
    }

    #[test]
    fn with_is_a_mapping() {
        assert_eq!(action(json!("fix it")).1, [("wrong-type", "with".to_owned())]);
        assert_eq!(action(json!(null)).1, [("missing-field", "with".to_owned())]);
        let (_, findings) = read_at(Position::Step, json!({}), json!({"action": "harness.run"}));
        assert_eq!((findings.len(), findings[0].at.to_string()), (1, "action".to_owned()));
    }

    #[test]
    fn stdin_is_trimmed_text_or_nothing() {
        let stdin = |value: Value| action(json!({"provider": "claude", "prompt": "P", "stdin": value}));
        assert_eq!(stdin(json!("\n some text\nmore \n")).0.stdin.unwrap().text, "some text\nmore");
        assert_eq!(stdin(json!("  \n ")), action(json!({"provider": "claude", "prompt": "P"})));
        for value in [json!(null), json!(5), json!(["a"])] {
            assert_eq!(stdin(value).1, [("wrong-type", "with.stdin".to_owned())]);
        }
    }

    #[test]
    fn the_older_form_takes_command_and_script() {
        let written = json!({"type": "harness", "command": ["one"], "script": " s ", "with": {"provider": "claude", "prompt": 5}});
        let (step, findings) = read_at(Position::Step, json!({}), written);
        assert_eq!(step.prompt.unwrap().text, "one");
        assert_eq!(step.stdin.unwrap().at, Location::step(["script"]));
        assert_eq!(step.attempts[0].get("prompt"), Some(&json!(5)));
        assert_eq!(findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["harness-prompt-list"]);
        let both = json!({"type": "harness", "command": "x", "with": {}, "config": {}});
        assert_eq!(read_at(Position::Step, json!({}), both).1[0].code, "conflicting-fields");
        assert_eq!(read_at(Position::Step, json!({}), json!({"type": "harness"})).1[0].code, "missing-field");
    }

    #[test]
    fn handlers_are_refused_only_when_they_run() {
        let written = json!({"action": "harness.run", "with": {"provider": "claude", "prompt": null}});
        assert_eq!(read_at(Position::Handler, json!({}), written.clone()).1[0].gate, Gate::None);
        assert_eq!(read_at(Position::Step, json!({}), written).1[0].gate, Gate::Load);
        let absent = json!({"action": "harness.run", "with": {"provider": "claude"}});
        assert_eq!(read_at(Position::Handler, json!({}), absent).1[0].gate, Gate::Load);
    }

    #[test]
    fn fallbacks_are_complete_configurations_of_their_own() {
        let document = json!({"harness": {"provider": "claude", "model": "m", "fallback": [{"provider": "pi"}]}});
        let step =
            |with: Value| read_at(Position::Step, document.clone(), json!({"action": "harness.run", "with": with}));
        let providers = |with: Value| {
            let attempts = step(with).0.attempts;
            attempts.iter().map(|config| config.provider().unwrap_or("-").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(providers(json!({"prompt": "P"})), ["claude", "pi"]);
        assert_eq!(providers(json!({"prompt": "P", "fallback": []})), ["claude"]);
        assert_eq!(providers(json!({"prompt": "P", "fallback": [{"provider": "codex"}]})), ["claude", "codex"]);
        assert_eq!(step(json!({"prompt": "P"})).0.attempts[1].get("model"), None);
    }

    #[test]
    fn a_fallback_of_another_shape_is_refused() {
        for (fallback, at) in [
            (json!(null), "with.fallback"),
            (json!("codex"), "with.fallback"),
            (json!({"provider": "codex"}), "with.fallback"),
            (json!([null]), "with.fallback[0]"),
            (json!([{"provider": "pi"}, "codex"]), "with.fallback[1]"),
        ] {
            let (_, findings) = action(json!({"provider": "claude", "prompt": "P", "fallback": fallback}));
            assert_eq!(findings, [("wrong-type", at.to_owned())]);
        }
    }

    #[test]
    fn a_step_has_its_own_container_or_the_roots() {
        let document = json!({"container": {"image": "i"}});
        let step = |own: Value| {
            let written =
                json!({"action": "harness.run", "container": own, "with": {"provider": "claude", "prompt": "P"}});
            read_at(Position::Step, document.clone(), written).0
        };
        assert_eq!(step(Value::Null).container.unwrap().at, Location::document(["container"]));
        assert_eq!(step(json!("box")).container.unwrap().at, Location::step(["container"]));
        assert!(step(json!("box")).own_container);
    }
}
