//! The file's own agent CLIs: entries of `harnesses:`.
//!
//! A definition is read whole even when part of it is wrong, so that a step that names it is not told that its provider
//! is unknown on top. Nothing in a definition is interpolated.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::diagnostic::{Severity, nearest};
use crate::harness::finding::{Finding, Location};
use crate::harness::provider::{IN_PROCESS, Providers, built_in};

/// Everything a definition may hold.
pub const KEYS: [&str; 7] =
    ["binary", "prefix_args", "prompt_mode", "prompt_flag", "prompt_position", "flag_style", "option_flags"];

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

/// Reads the value of `harnesses:`, which may be absent or null.
pub fn parse_all(harnesses: Option<&Value>) -> (Providers, Vec<Finding>) {
    let mut providers = Providers::default();
    let mut findings = Vec::new();
    let at = Location::document(["harnesses"]);
    let entries = match harnesses {
        None | Some(Value::Null) => return (providers, findings),
        Some(Value::Object(entries)) => entries,
        Some(other) => {
            let message = format!("`harnesses` must be a mapping of names to definitions, not {}", kind(other));
            findings.push(Finding::error("wrong-type", at, message));
            return (providers, findings);
        }
    };
    for (key, value) in entries {
        let name = key.trim();
        let at = at.key(key);
        if name.is_empty() {
            findings.push(Finding::error(
                "harness-definition-name",
                at.on_key(),
                "the name of a harness must not be blank",
            ));
            continue;
        }
        if value.is_null() {
            continue;
        }
        findings.extend(about_name(name, &at));
        let mut reader = Reader { name, findings: Vec::new() };
        let definition = reader.definition(value, &at);
        findings.append(&mut reader.findings);
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

/// The word for a JSON value's kind, with its article.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

struct Reader<'a> {
    name: &'a str,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn report(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn definition(&mut self, value: &Value, at: &Location) -> Option<Definition> {
        let Value::Object(entries) = value else {
            let message =
                format!("harness `{}` must be a mapping with at least `binary`, not {}", self.name, kind(value));
            let finding = Finding::error("wrong-type", at.on_key(), message);
            self.report(match value {
                Value::String(text) => finding.help(format!("write `{{binary: {}}}`", text.trim())),
                _ => finding,
            });
            return None;
        };
        for key in entries.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            self.unknown_key(key, &at.key(key));
        }
        let binary = self.binary(entries, at);
        let prefix_args = self.prefix_args(entries, at);
        let prompt_mode = self.prompt_mode(entries, at);
        let prompt_position = self.word(
            entries,
            at,
            "prompt_position",
            &[("before_flags", PromptPosition::BeforeFlags), ("after_flags", PromptPosition::AfterFlags)],
        );
        let flag_style = self.word(
            entries,
            at,
            "flag_style",
            &[("gnu_long", FlagStyle::GnuLong), ("single_dash", FlagStyle::SingleDash)],
        );
        let option_flags = self.option_flags(entries, at);
        self.lints(entries, at, prompt_mode.as_ref());
        Some(Definition {
            binary: binary?,
            prefix_args: prefix_args?,
            prompt_mode: prompt_mode?,
            prompt_position: prompt_position?,
            flag_style: flag_style?,
            option_flags: option_flags?,
        })
    }

    fn unknown_key(&mut self, key: &str, at: &Location) {
        let message = format!("harness `{}` has no field `{key}`; known are {}", self.name, list(&KEYS));
        let finding = Finding::error("unknown-field", at.on_key(), message);
        let meant = if key == "prompt_args" || key == "args" { Some("prefix_args") } else { nearest(key, KEYS) };
        self.report(match meant {
            Some(meant) => finding.meant(meant),
            None => finding,
        });
    }

    fn binary(&mut self, entries: &Map<String, Value>, at: &Location) -> Option<String> {
        match entries.get("binary") {
            None => {
                let message = format!("harness `{}` does not say which program to run", self.name);
                self.report(Finding::error("missing-field", at.lacks("binary"), message).help("add `binary: NAME`"));
                None
            }
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Some(value) => {
                let (code, got) = match value {
                    Value::String(_) => ("invalid-value", "blank text"),
                    other => ("wrong-type", kind(other)),
                };
                let message = format!("`binary` must name a program, not {got}");
                self.report(Finding::error(code, at.key("binary"), message));
                None
            }
        }
    }

    fn prefix_args(&mut self, entries: &Map<String, Value>, at: &Location) -> Option<Vec<String>> {
        let code = "wrong-type";
        let at = at.key("prefix_args");
        match entries.get("prefix_args") {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::Array(items)) => {
                let mut args = Some(Vec::new());
                for (index, item) in items.iter().enumerate() {
                    match item {
                        Value::String(text) => args.iter_mut().for_each(|args| args.push(text.trim().to_owned())),
                        other => {
                            let message = format!("an item of `prefix_args` must be text, not {}", kind(other));
                            let finding = Finding::error(code, at.index(index), message);
                            self.report(quote_help(finding, other));
                            args = None;
                        }
                    }
                }
                args
            }
            Some(other) => {
                let message = format!("`prefix_args` must be a list of text, not {}", kind(other));
                let finding = Finding::error(code, at, message);
                self.report(match other {
                    Value::String(text) => finding.help(format!("write `[{}]`", words(text))),
                    _ => finding,
                });
                None
            }
        }
    }

    fn prompt_mode(&mut self, entries: &Map<String, Value>, at: &Location) -> Option<PromptMode> {
        let modes = [("arg", "arg"), ("flag", "flag"), ("stdin", "stdin")];
        let mode = match entries.contains_key("prompt_mode") {
            true => self.word(entries, at, "prompt_mode", &modes),
            false => Some("arg"),
        };
        let flag = self.text(entries, at, "prompt_flag")?;
        match (mode?, flag) {
            ("flag", "") => {
                let message = "`prompt_mode: flag` needs `prompt_flag`, the flag in front of the prompt";
                let at = at.key(if entries.contains_key("prompt_flag") { "prompt_flag" } else { "prompt_mode" });
                self.report(Finding::error("harness-prompt-flag", at, message).help("add `prompt_flag: -p`"));
                None
            }
            ("flag", flag) => Some(PromptMode::Flag(flag.to_owned())),
            (mode, "") => Some(if mode == "stdin" { PromptMode::Stdin } else { PromptMode::Arg }),
            (mode, flag) => {
                let message = format!("`prompt_flag: {flag}` has no place in prompt mode `{mode}`");
                let help = "write `prompt_mode: flag`, or put the flag last in `prefix_args`";
                self.report(Finding::error("harness-prompt-flag", at.key("prompt_flag").on_key(), message).help(help));
                None
            }
        }
    }

    fn option_flags(&mut self, entries: &Map<String, Value>, at: &Location) -> Option<BTreeMap<String, String>> {
        let code = "wrong-type";
        let at = at.key("option_flags");
        match entries.get("option_flags") {
            None | Some(Value::Null) => Some(BTreeMap::new()),
            Some(Value::Object(entries)) => {
                let mut flags = Some(BTreeMap::new());
                for (key, value) in entries {
                    match value {
                        Value::String(text) => {
                            flags.iter_mut().for_each(|flags| {
                                flags.insert(key.clone(), text.trim().to_owned());
                            });
                        }
                        other => {
                            let message = format!("the flag for `{key}` must be text, not {}", kind(other));
                            self.report(quote_help(Finding::error(code, at.key(key), message), other));
                            flags = None;
                        }
                    }
                }
                flags
            }
            Some(other) => {
                let message = format!("`option_flags` must be a mapping of keys to flags, not {}", kind(other));
                self.report(Finding::error(code, at.on_key(), message).help("write `option_flags: {KEY: --flag}`"));
                None
            }
        }
    }

    /// A text field that may be left out, trimmed; empty when absent.
    fn text<'v>(&mut self, entries: &'v Map<String, Value>, at: &Location, key: &str) -> Option<&'v str> {
        match entries.get(key) {
            None => Some(""),
            Some(Value::String(text)) => Some(text.trim()),
            Some(other) => {
                let message = format!("`{key}` must be text, not {}", kind(other));
                self.report(Finding::error("wrong-type", at.key(key), message));
                None
            }
        }
    }

    /// A word out of `choices`, the first of which is the default.
    fn word<T: Copy>(
        &mut self,
        entries: &Map<String, Value>,
        at: &Location,
        key: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let text = self.text(entries, at, key)?;
        if !entries.contains_key(key) {
            return choices.first().map(|&(_, choice)| choice);
        }
        if let Some(&(_, choice)) = choices.iter().find(|&&(word, _)| word == text) {
            return Some(choice);
        }
        let words: Vec<&str> = choices.iter().map(|&(word, _)| word).collect();
        let message = match text {
            "" => format!("`{key}` must not be empty; it is one of {}", list(&words)),
            text => format!("`{text}` is no `{key}`; it is one of {}", list(&words)),
        };
        let finding = Finding::error("invalid-value", at.key(key), message);
        self.report(match nearest(text, words.iter().copied()) {
            Some(meant) => finding.meant(meant),
            None => finding,
        });
        None
    }

    fn lints(&mut self, entries: &Map<String, Value>, at: &Location, mode: Option<&PromptMode>) {
        if mode == Some(&PromptMode::Stdin) && entries.contains_key("prompt_position") {
            let message = "`prompt_position` has no effect when the prompt goes to stdin";
            self.report(Finding::info("harness-prompt-position-unused", at.key("prompt_position").on_key(), message));
        }
        for (key, value) in entries {
            self.not_interpolated(value, &at.key(key));
        }
    }

    fn not_interpolated(&mut self, value: &Value, at: &Location) {
        match value {
            Value::String(text) if text.contains("${") => {
                let message = format!("`{}` is taken literally: nothing is interpolated in `harnesses`", text.trim());
                self.report(
                    Finding::warning("harness-definition-literal", at.clone(), message)
                        .help("choose between definitions with a reference in the step's `provider`"),
                );
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.not_interpolated(item, &at.index(index));
                }
            }
            Value::Object(entries) => {
                for (key, value) in entries {
                    self.not_interpolated(value, &at.key(key));
                }
            }
            _ => {}
        }
    }
}

fn quote_help(finding: Finding, value: &Value) -> Finding {
    match value {
        Value::Number(_) | Value::Bool(_) => finding.help(format!("quote it: `\"{value}\"`")),
        _ => finding,
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(", ")
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
    fn each_fault_is_named_where_it_stands() {
        for (value, code, at) in [
            (json!({}), "missing-field", "harnesses.bot"),
            (json!({"binary": "  "}), "invalid-value", "harnesses.bot.binary"),
            (json!({"binary": 5}), "wrong-type", "harnesses.bot.binary"),
            (json!("claude"), "wrong-type", "harnesses.bot"),
            (json!(["x"]), "wrong-type", "harnesses.bot"),
            (json!({"binary": "b", "prefix_args": "x"}), "wrong-type", "harnesses.bot.prefix_args"),
            (json!({"binary": "b", "prefix_args": ["x", 1]}), "wrong-type", "harnesses.bot.prefix_args[1]"),
            (json!({"binary": "b", "option_flags": ["x"]}), "wrong-type", "harnesses.bot.option_flags"),
            (json!({"binary": "b", "option_flags": {"m": 5}}), "wrong-type", "harnesses.bot.option_flags.m"),
            (json!({"binary": "b", "prompt_mode": "Stdin"}), "invalid-value", "harnesses.bot.prompt_mode"),
            (json!({"binary": "b", "prompt_mode": ""}), "invalid-value", "harnesses.bot.prompt_mode"),
            (json!({"binary": "b", "prompt_mode": null}), "wrong-type", "harnesses.bot.prompt_mode"),
            (json!({"binary": "b", "prompt_position": "end"}), "invalid-value", "harnesses.bot.prompt_position"),
            (json!({"binary": "b", "flag_style": "long"}), "invalid-value", "harnesses.bot.flag_style"),
            (json!({"binary": "b", "prompt_mode": "flag"}), "harness-prompt-flag", "harnesses.bot.prompt_mode"),
            (json!({"binary": "b", "prompt_flag": "-p"}), "harness-prompt-flag", "harnesses.bot.prompt_flag"),
            (json!({"binary": "b", "prompt_flag": null}), "wrong-type", "harnesses.bot.prompt_flag"),
        ] {
            let shown = value.to_string();
            assert_eq!(definition(value), (None, vec![(code, at.to_owned())]), "{shown}");
        }
    }

    #[test]
    fn an_unknown_key_leaves_the_definition_usable() {
        let (read, findings) = definition(json!({"binary": "b", "prompt_args": ["x"]}));
        assert_eq!(read, Some(Definition::of("b")));
        assert_eq!(findings, [("unknown-field", "harnesses.bot.prompt_args".to_owned())]);
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

    #[test]
    fn harnesses_is_a_mapping_or_nothing() {
        assert_eq!(parse_all(Some(&Value::Null)), (Providers::default(), vec![]));
        assert_eq!(parse_all(Some(&json!([]))).1[0].code, "wrong-type");
    }

    #[test]
    fn slips_are_corrected() {
        let help = |value: Value| parse_all(Some(&json!({"bot": value}))).1[0].help.clone().unwrap_or_default();
        assert_eq!(help(json!({"binary": "b", "prompt_args": ["x"]})), "did you mean `prefix_args`?");
        assert_eq!(help(json!({"binary": "b", "prompt_mode": "args"})), "did you mean `arg`?");
        assert_eq!(help(json!("claude")), "write `{binary: claude}`");
        assert_eq!(help(json!({"binary": "b", "prefix_args": ["x", 1]})), "quote it: `\"1\"`");
    }
}
