//! A harness step as written: prompt, extra stdin and the configuration of each attempt.
//!
//! Reads both spellings, `action: harness.run` and the older `type: harness`, where the prompt is `command` and the extra
//! stdin `script`. What cannot be read is left out: the schema says what is wrong with it, and [`HarnessStep::plan`] that
//! it is missing.

use serde_json::{Map, Value};

use crate::diagnostic::Gate;
use crate::harness::config::{Config, Container, Entry, Root};
use crate::harness::finding::Location;

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
    /// The prompt is written as a list.
    pub is_prompt_list: bool,
    /// Extra stdin, trimmed; `None` when there is none.
    pub stdin: Option<Text>,
    /// The primary configuration, defaults merged in, then the fallbacks in order. Never empty.
    pub attempts: Vec<Config>,
    /// Written with `type: harness`.
    pub is_older: bool,
    /// The mapping that holds the options is there; always so in the older form, where it may be left out.
    pub has_options: bool,
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
    /// Reads the mapping of a harness step.
    pub fn read(step: &Map<String, Value>, root: &Root, position: Position) -> Self {
        let action = step.contains_key("action");
        let key = if action || step.contains_key("with") { "with" } else { "config" };
        let has_options = step.get(key).is_some_and(Value::is_object);
        let mut with = step.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
        let at = Location::step([key]);
        let (prompt, prompt_at, stdin, stdin_at) = match action {
            true => (with.remove("prompt"), at.key("prompt"), with.remove("stdin"), at.key("stdin")),
            false => (
                step.get("command").cloned(),
                Location::step(["command"]),
                step.get("script").cloned(),
                Location::step(["script"]),
            ),
        };
        let stdin = stdin.as_ref().and_then(Value::as_str).map(str::trim).filter(|stdin| !stdin.is_empty());
        let own = Config::read(&with, &at);
        let container = Container::read(step.get("container"), Location::step(["container"]));
        let working_dir = step.get("working_dir").filter(|value| !value.is_null());
        Self {
            position,
            is_older: !action,
            has_options: has_options || !action,
            is_prompt_list: prompt.as_ref().is_some_and(Value::is_array),
            prompt: prompt.and_then(|value| prompt_of(&value)).map(|text| Text { text, at: prompt_at }),
            stdin: stdin.map(|text| Text { text: text.to_owned(), at: stdin_at }),
            attempts: split(root.merge(own.clone())),
            own,
            own_container: container.is_some(),
            container: container.or_else(|| root.container.clone()),
            working_dir: working_dir.map(|_| Location::step(["working_dir"])),
        }
    }
}

/// The prompt: a text on one line trimmed, a longer one as it is, the one item of a list that is not blank.
fn prompt_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) if text.contains('\n') && !text.trim().is_empty() => text.clone(),
        Value::String(text) => text.trim().to_owned(),
        Value::Array(items) => {
            let mut words = items.iter().map(scalar).filter(|item| item.as_ref().is_none_or(|item| !item.is_empty()));
            let word = words.next()??;
            words.next().is_none().then_some(word)?
        }
        _ => return None,
    };
    // Dagu refuses a lone `|` for reasons of its own.
    (!text.is_empty() && text != "|").then_some(text)
}

/// The text of a scalar; `None` for what is none.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The primary configuration without `fallback`, then each fallback.
fn split(mut primary: Config) -> Vec<Config> {
    let fallback = primary.entries.remove("fallback");
    let mut attempts = vec![primary];
    if let Some(Entry { value: Value::Array(items), at }) = fallback {
        let maps = items.iter().enumerate().filter_map(|(index, item)| Some((index, item.as_object()?)));
        attempts.extend(maps.map(|(index, map)| Config::read(map, &at.index(index))));
    }
    attempts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_in(document: Value, step: Value) -> HarnessStep {
        let (root, _) = Root::read(document.as_object().unwrap());
        HarnessStep::read(step.as_object().unwrap(), &root, Position::Step)
    }

    fn action(with: Value) -> HarnessStep {
        read_in(json!({}), json!({"action": "harness.run", "with": with}))
    }

    fn prompt(value: Value) -> Option<String> {
        action(json!({"provider": "claude", "prompt": value})).prompt.map(|prompt| prompt.text)
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
            assert_eq!(prompt(written).as_deref(), Some(read));
        }
    }

    #[test]
    fn what_is_no_prompt_is_none() {
        for written in [
            json!("   "),
            json!(" \n "),
            json!("|"),
            json!([]),
            json!([" "]),
            json!(null),
            json!(true),
            json!(42),
            json!({"a": 1}),
            json!([null]),
            json!(["a", "b"]),
        ] {
            assert_eq!(prompt(written.clone()), None, "{written}");
        }
        assert_eq!(action(json!({"provider": "claude"})).prompt, None);
        assert_eq!(action(json!("fix it")).prompt, None);
    }

    #[test]
    fn stdin_is_trimmed_text_or_nothing() {
        let stdin = |value: Value| {
            let step = action(json!({"provider": "claude", "prompt": "P", "stdin": value}));
            assert_eq!(step.attempts[0].get("stdin"), None);
            step.stdin.map(|stdin| stdin.text)
        };
        assert_eq!(stdin(json!("\n some text\nmore \n")).as_deref(), Some("some text\nmore"));
        for value in [json!("  \n "), json!(null), json!(5), json!(["a"])] {
            assert_eq!(stdin(value), None);
        }
    }

    #[test]
    fn the_older_form_takes_command_and_script() {
        let written = json!({"type": "harness", "command": ["one"], "script": " s ", "with": {"provider": "claude", "prompt": 5}});
        let step = read_in(json!({}), written);
        assert_eq!(step.prompt.unwrap().text, "one");
        assert_eq!(step.stdin.unwrap().at, Location::step(["script"]));
        assert_eq!(step.attempts[0].get("prompt"), Some(&json!(5)));
        let step = read_in(json!({}), json!({"type": "harness", "command": "x", "config": {"provider": "pi"}}));
        assert_eq!(step.attempts[0].entries["provider"].at, Location::step(["config", "provider"]));
    }

    #[test]
    fn fallbacks_are_complete_configurations_of_their_own() {
        let document = json!({"harness": {"provider": "claude", "model": "m", "fallback": [{"provider": "pi"}]}});
        let step = |with: Value| read_in(document.clone(), json!({"action": "harness.run", "with": with}));
        let providers = |with: Value| {
            let attempts = step(with).attempts;
            attempts.iter().map(|config| config.provider().unwrap_or("-").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(providers(json!({"prompt": "P"})), ["claude", "pi"]);
        assert_eq!(providers(json!({"prompt": "P", "fallback": []})), ["claude"]);
        assert_eq!(providers(json!({"prompt": "P", "fallback": null})), ["claude"]);
        assert_eq!(providers(json!({"prompt": "P", "fallback": [{"provider": "codex"}, "x"]})), ["claude", "codex"]);
        assert_eq!(step(json!({"prompt": "P"})).attempts[1].get("model"), None);
    }

    #[test]
    fn a_step_has_its_own_container_or_the_roots() {
        let document = json!({"container": {"image": "i"}});
        let step = |own: Value| {
            let written =
                json!({"action": "harness.run", "container": own, "with": {"provider": "claude", "prompt": "P"}});
            read_in(document.clone(), written)
        };
        assert_eq!(step(Value::Null).container.unwrap().at, Location::document(["container"]));
        assert_eq!(step(json!("box")).container.unwrap().at, Location::step(["container"]));
        assert!(step(json!("box")).own_container);
    }
}
