//! Agent steps of any shape are read, judged and planned without a panic, and a plan is what its configuration says.

use proptest::prelude::*;
use saddler::harness::coerce::{Emission, coerce};
use saddler::harness::command::quoted;
use saddler::harness::{HarnessStep, Position, Root, check};
use serde_json::{Map, Value, json};

/// JSON out of the words that mean something to agent steps.
fn value() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "",
        " ",
        "|",
        "claude",
        "codex",
        "opencode",
        "bot",
        "builtin",
        "5",
        "true",
        "1.0",
        "${params.p}",
        "$x",
        "stdin",
        "flag",
        "-p",
        "a\nb\n",
        "after_flags",
        "single_dash",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|float| json!(float)),
        word.prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "provider",
        "prompt",
        "stdin",
        "fallback",
        "managed",
        "binary",
        "prompt_args",
        "model",
        "max_turns",
        "max-turns",
        "format",
        "prefix_args",
        "prompt_mode",
        "prompt_flag",
        "prompt_position",
        "flag_style",
        "option_flags",
        "image",
        "exec",
        "name",
        "shell",
        "bot",
        "claude",
        "tools",
        "rules",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|entries| Value::Object(
                entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

fn mapping(keys: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    let entries = prop::collection::vec((prop::sample::select(keys), value()), 0..keys.len());
    entries.prop_map(|entries| entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

const ROOT: &[&str] = &["harness", "harnesses", "container", "secrets", "params", "consts"];
const STEP: &[&str] = &["action", "type", "with", "config", "command", "script", "container", "working_dir"];

proptest! {
    #[test]
    fn nothing_is_too_odd(document in mapping(ROOT), step in mapping(STEP), handler: bool) {
        let position = if handler { Position::Handler } else { Position::Step };
        let (root, _) = Root::read(&document);
        let _ = check::root(&root);
        let step = HarnessStep::read(&step, &root, position);
        prop_assert!(!step.attempts.is_empty());
        for finding in check::step(&step, &root) {
            prop_assert!(!finding.message.is_empty() && !finding.at.to_string().is_empty());
        }
        if let Ok(plan) = step.plan(&root.providers, &|text| Ok(text.to_owned())) {
            prop_assert_eq!(plan.attempts.len(), step.attempts.len());
            for command in plan.attempts.iter().flat_map(|attempt| &attempt.command) {
                prop_assert!(!command.binary().trim().is_empty());
                prop_assert!(step.container.is_none() || command.stdin.is_none());
            }
        }
    }

    #[test]
    fn a_text_stays_or_becomes_something_shorter_to_say(text in "[ \\t]{0,2}[-+]?[0-9._xobeEtrufals]{0,6}( #.{0,3})?") {
        match coerce(&text).emission() {
            Emission::Nothing | Emission::Flag => {
                let word = text.trim().split([' ', '\t']).next().unwrap_or_default().to_lowercase();
                prop_assert!(["", "true", "false"].contains(&word.as_str()));
            }
            Emission::Value(read) => {
                let number = read.parse::<f64>().is_ok();
                prop_assert!(read == text || number, "{} became {}", text, read);
            }
            Emission::Repeated(items) => prop_assert!(false, "a text became a list: {:?}", items),
        }
    }

    /// A shell reads the quoted form back as the same word.
    #[test]
    fn quoting_can_be_read_back(words in prop::collection::vec("[^\\x00]{0,8}", 1..4)) {
        let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        prop_assert!(!line.contains(['\n', '\r']));
        let script = format!("printf '%s\\0' {line}");
        let bash = std::process::Command::new("bash").args(["-c", &script]).env("LC_ALL", "C.UTF-8").output();
        let bash = bash.expect("bash is needed to read the words back");
        let read: Vec<String> = String::from_utf8_lossy(&bash.stdout).split_terminator('\0').map(str::to_owned).collect();
        prop_assert_eq!(read, words);
    }
}
