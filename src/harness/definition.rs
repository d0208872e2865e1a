//! The file's own agent CLIs: entries of `harnesses:`.
//!
//! A definition that cannot be used is still known by its name, so that a step that names it is not told that its
//! provider is unknown on top of what the schema says about the definition. Nothing in a definition is interpolated.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::diagnostic::Severity;
use crate::harness::finding::{Finding, Location};
use crate::harness::provider::{IN_PROCESS, Providers, built_in};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptMode {
    /// The prompt is an argument of its own.
    Arg,
    /// The prompt follows this flag.
    Flag(String),
    Stdin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptPosition {
    BeforeFlags,
    AfterFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagStyle {
    /// `--key`
    GnuLong,
    /// `-key`
    SingleDash,
}

/// A usable entry of `harnesses:`. Every text is trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// A name to look up on `PATH`, or, with a `/`, a path from the step's working directory.
    pub binary: String,
    /// Arguments before everything else; empty ones count.
    pub prefix_args: Vec<String>,
    pub prompt_mode: PromptMode,
    pub prompt_position: PromptPosition,
    pub flag_style: FlagStyle,
    /// Exact flags by configuration key; an empty one falls back to the style.
    pub option_flags: BTreeMap<String, String>,
}

impl Definition {
    /// A definition with only a binary.
    pub fn of(binary: impl Into<String>) -> Self {
        Self {
            binary: binary.into(),
            prefix_args: Vec::new(),
            prompt_mode: PromptMode::Arg,
            prompt_position: PromptPosition::BeforeFlags,
            flag_style: FlagStyle::GnuLong,
            option_flags: BTreeMap::new(),
        }
    }
}

/// Reads the value of `harnesses:`; what is no mapping defines nothing.
pub fn parse_all(harnesses: Option<&Value>) -> (Providers, Vec<Finding>) {
    let mut providers = Providers::default();
    let mut findings = Vec::new();
    let at = Location::document(["harnesses"]);
    for (key, value) in harnesses.and_then(Value::as_object).into_iter().flatten() {
        let name = key.trim();
        let at = at.key(key);
        if name.is_empty() {
            let message = "the name of a harness must not be blank";
            findings.push(Finding::error("harness-definition-name", at.on_key(), message));
            continue;
        }
        if value.is_null() {
            continue;
        }
        findings.extend(about_name(name, &at));
        let definition = value.as_object().and_then(|fields| {
            findings.extend(lints(fields, &at));
            findings.extend(prompt_flag(fields, &at));
            read(fields)
        });
        providers.definitions.insert(name.to_owned(), definition);
    }
    (providers, findings)
}

fn about_name(name: &str, at: &Location) -> Option<Finding> {
    if name == IN_PROCESS {
        let message = "`builtin` is the name of Dagu's own in-process agent and cannot be defined";
        return Some(
            Finding::ours(Severity::Error, "harness-definition-name", at.on_key(), message)
                .help("give the harness another name, and use that as `provider`"),
        );
    }
    built_in(name).map(|cli| {
        let message = format!("this definition replaces the built-in provider `{}`", cli.name);
        Finding::info("harness-definition-shadows", at.on_key(), message).help(
            "its command line, defaults and key spelling are no longer those of the CLI; Dagu 2.8 refuses the file",
        )
    })
}

/// The definition, if every field of it can be used.
fn read(fields: &Map<String, Value>) -> Option<Definition> {
    let binary = text(fields, "binary")?.filter(|binary| !binary.is_empty())?;
    let prefix_args = match fields.get("prefix_args") {
        None | Some(Value::Null) => Vec::new(),
        Some(args) => args.as_array()?.iter().map(trimmed).collect::<Option<_>>()?,
    };
    let option_flags = match fields.get("option_flags") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(flags) => {
            let flags = flags.as_object()?.iter();
            flags.map(|(key, flag)| Some((key.clone(), trimmed(flag)?))).collect::<Option<_>>()?
        }
    };
    let flag = text(fields, "prompt_flag")?.filter(|flag| !flag.is_empty());
    let prompt_mode = match (text(fields, "prompt_mode")?.as_deref(), flag) {
        (None | Some("arg"), None) => PromptMode::Arg,
        (Some("stdin"), None) => PromptMode::Stdin,
        (Some("flag"), Some(flag)) => PromptMode::Flag(flag),
        _ => return None,
    };
    let prompt_position = match text(fields, "prompt_position")?.as_deref() {
        None | Some("before_flags") => PromptPosition::BeforeFlags,
        Some("after_flags") => PromptPosition::AfterFlags,
        Some(_) => return None,
    };
    let flag_style = match text(fields, "flag_style")?.as_deref() {
        None | Some("gnu_long") => FlagStyle::GnuLong,
        Some("single_dash") => FlagStyle::SingleDash,
        Some(_) => return None,
    };
    Some(Definition { binary, prefix_args, prompt_mode, prompt_position, flag_style, option_flags })
}

fn trimmed(value: &Value) -> Option<String> {
    value.as_str().map(|text| text.trim().to_owned())
}

/// A text field, trimmed: `Some(None)` when it is not there, `None` when it is no text.
#[allow(clippy::option_option)]
fn text(fields: &Map<String, Value>, key: &str) -> Option<Option<String>> {
    match fields.get(key) {
        None => Some(None),
        Some(value) => trimmed(value).map(Some),
    }
}

/// The mode and the flag go together.
fn prompt_flag(fields: &Map<String, Value>, at: &Location) -> Option<Finding> {
    let flag = text(fields, "prompt_flag")?.unwrap_or_default();
    let mode = text(fields, "prompt_mode")?.unwrap_or_else(|| "arg".to_owned());
    match (mode.as_str(), flag.as_str()) {
        ("flag", "") => {
            let message = "`prompt_mode: flag` needs `prompt_flag`, the flag in front of the prompt";
            let at = at.key(if fields.contains_key("prompt_flag") { "prompt_flag" } else { "prompt_mode" });
            Some(Finding::error("harness-prompt-flag", at, message).help("add `prompt_flag: -p`"))
        }
        ("arg" | "stdin", flag) if !flag.is_empty() => {
            let message = format!("`prompt_flag: {flag}` has no place in prompt mode `{mode}`");
            let help = "write `prompt_mode: flag`, or put the flag last in `prefix_args`";
            Some(Finding::error("harness-prompt-flag", at.key("prompt_flag").on_key(), message).help(help))
        }
        _ => None,
    }
}

fn lints(fields: &Map<String, Value>, at: &Location) -> Vec<Finding> {
    let mut findings = Vec::new();
    let on_stdin = fields.get("prompt_mode").and_then(trimmed).is_some_and(|mode| mode == "stdin");
    if on_stdin && fields.contains_key("prompt_position") {
        let message = "`prompt_position` has no effect when the prompt goes to stdin";
        findings.push(Finding::info("harness-prompt-position-unused", at.key("prompt_position").on_key(), message));
    }
    for (key, value) in fields {
        literals(value, &at.key(key), &mut findings);
    }
    findings
}

/// References that look as if they were filled in.
fn literals(value: &Value, at: &Location, findings: &mut Vec<Finding>) {
    match value {
        Value::String(text) if text.contains("${") => {
            let message = format!("`{}` is taken literally: nothing is interpolated in `harnesses`", text.trim());
            findings.push(
                Finding::warning("harness-definition-literal", at.clone(), message)
                    .help("choose between definitions with a reference in the step's `provider`"),
            );
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                literals(item, &at.index(index), findings);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                literals(value, &at.key(key), findings);
            }
        }
        _ => {}
    }
}

/// ``"`a`, `b` or `c`"``
pub(crate) fn list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => format!("`{word}`"),
        [words @ .., last] => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", words.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diagnostic::Gate;

    fn definition(value: Value) -> (Option<Definition>, Vec<(&'static str, String)>) {
        let (providers, findings) = parse_all(Some(&json!({"bot": value})));
        let findings = findings.into_iter().map(|finding| (finding.code, finding.at.to_string())).collect();
        (providers.definitions.get("bot").cloned().flatten(), findings)
    }

    #[test]
    fn a_binary_is_enough() {
        assert_eq!(definition(json!({"binary": " b "})), (Some(Definition::of("b")), vec![]));
        let lenient = json!({"binary": "b", "prefix_args": null, "option_flags": null, "prompt_flag": " "});
        assert_eq!(definition(lenient), (Some(Definition::of("b")), vec![]));
        assert_eq!(definition(json!({"binary": "b", "unknown": 1})), (Some(Definition::of("b")), vec![]));
    }

    #[test]
    fn every_field_is_read_and_trimmed() {
        let (read, findings) = definition(json!({
            "binary": "./bin/bot",
            "prefix_args": [" run ", "", "--a=b c"],
            "prompt_mode": " flag",
            "prompt_flag": " --ask ",
            "prompt_position": " after_flags ",
            "flag_style": "single_dash ",
            "option_flags": {"model": " -m ", "dry": "  "},
        }));
        assert_eq!(findings, vec![]);
        let expected = Definition {
            prefix_args: vec!["run".into(), String::new(), "--a=b c".into()],
            prompt_mode: PromptMode::Flag("--ask".into()),
            prompt_position: PromptPosition::AfterFlags,
            flag_style: FlagStyle::SingleDash,
            option_flags: BTreeMap::from([("model".into(), "-m".into()), ("dry".into(), String::new())]),
            ..Definition::of("./bin/bot")
        };
        assert_eq!(read, Some(expected));
    }

    #[test]
    fn a_faulty_definition_is_known_but_cannot_be_used() {
        for value in [
            json!({}),
            json!({"binary": "  "}),
            json!({"binary": 5}),
            json!("claude"),
            json!(["x"]),
            json!({"binary": "b", "prefix_args": "x"}),
            json!({"binary": "b", "prefix_args": ["x", 1]}),
            json!({"binary": "b", "option_flags": ["x"]}),
            json!({"binary": "b", "option_flags": {"m": 5}}),
            json!({"binary": "b", "prompt_mode": "Stdin"}),
            json!({"binary": "b", "prompt_mode": ""}),
            json!({"binary": "b", "prompt_mode": null}),
            json!({"binary": "b", "prompt_position": "end"}),
            json!({"binary": "b", "flag_style": "long"}),
        ] {
            let (providers, findings) = parse_all(Some(&json!({"bot": value})));
            assert_eq!((providers.definitions.get("bot"), findings), (Some(&None), vec![]), "{value}");
        }
    }

    #[test]
    fn mode_and_flag_of_the_prompt_go_together() {
        for (fields, at) in [
            (json!({"binary": "b", "prompt_mode": "flag"}), "harnesses.bot.prompt_mode"),
            (json!({"binary": "b", "prompt_mode": "flag", "prompt_flag": " "}), "harnesses.bot.prompt_flag"),
            (json!({"binary": "b", "prompt_flag": "-p"}), "harnesses.bot.prompt_flag"),
            (json!({"binary": "b", "prompt_mode": "stdin", "prompt_flag": "-p"}), "harnesses.bot.prompt_flag"),
        ] {
            assert_eq!(definition(fields), (None, vec![("harness-prompt-flag", at.to_owned())]));
        }
    }

    #[test]
    fn lints_leave_the_definition_usable() {
        let (read, findings) = definition(
            json!({"binary": "${B}", "prompt_mode": "stdin", "prompt_position": "after_flags", "prefix_args": ["a", "${X}"]}),
        );
        assert!(read.is_some());
        let codes: Vec<_> = findings.iter().map(|(code, _)| *code).collect();
        assert_eq!(
            codes,
            ["harness-prompt-position-unused", "harness-definition-literal", "harness-definition-literal"]
        );
    }

    #[test]
    fn names_are_trimmed_and_null_defines_nothing() {
        let (providers, findings) =
            parse_all(Some(&json!({" bot ": {"binary": "b"}, "codex": null, " ": {"binary": "b"}})));
        assert_eq!(providers.definitions.keys().collect::<Vec<_>>(), ["bot"]);
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].code, findings[0].gate), ("harness-definition-name", Gate::Load));
        for nothing in [None, Some(&Value::Null), Some(&json!([]))] {
            assert_eq!(parse_all(nothing), (Providers::default(), vec![]));
        }
    }

    #[test]
    fn taken_names_are_pointed_out() {
        let (_, findings) = parse_all(Some(&json!({"claude": {"binary": "b"}, "builtin": {"binary": "b"}})));
        let found: Vec<_> = findings.iter().map(|finding| (finding.code, finding.severity, finding.gate)).collect();
        assert_eq!(
            found,
            [
                ("harness-definition-shadows", Severity::Info, Gate::None),
                ("harness-definition-name", Severity::Error, Gate::None)
            ]
        );
    }
}
