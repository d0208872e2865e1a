//! One attempt: its provider, and keys that have no place in it.

use serde_json::Value;

use crate::diagnostic::{Gate, Severity};
use crate::harness::coerce::{Setting, coerce};
use crate::harness::config::{Config, Container, FORBIDDEN, Root, is_template};
use crate::harness::definition::{PromptMode, kind, list};
use crate::harness::finding::Finding;
use crate::harness::plan::MANAGED_KEYS;
use crate::harness::provider::{IN_PROCESS, Provider, Providers};
use crate::harness::step::HarnessStep;

/// What a configuration is, for the code and the words of its findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Primary,
    Fallback,
    Defaults,
}

impl Role {
    fn words(self) -> &'static str {
        match self {
            Self::Primary => "a harness step",
            Self::Fallback => "a fallback",
            Self::Defaults => "the root `harness`",
        }
    }
}

const MISSING: &str = "harness-provider-missing";

pub(super) fn attempt(config: &Config, index: usize, step: &HarnessStep, root: &Root) -> Vec<Finding> {
    let role = if index == 0 { Role::Primary } else { Role::Fallback };
    let mut findings = Vec::new();
    findings.extend(forbidden_keys(config));
    if let Some(entry) = config.entries.get("fallback") {
        let message = "a fallback cannot have fallbacks of its own";
        findings.push(
            Finding::error("conflicting-fields", entry.at.on_key(), message)
                .gate(step.position.gate())
                .help("add them to the list of the step; they are tried in order"),
        );
    }
    findings.extend(provider(config, &root.providers, role));
    let Some(name) = config.literal_provider() else { return findings };
    let at = &config.entries["provider"].at;
    match root.providers.get(name) {
        Some(Provider::InProcess) => findings.extend(in_process(config, step.container.as_ref())),
        Some(Provider::Custom(definition)) if definition.prompt_mode == PromptMode::Stdin => {
            if let Some(container) = &step.container {
                let message = format!("provider `{name}` takes its prompt on stdin, which a container does not have");
                findings.push(
                    Finding::ours(Severity::Error, "harness-prompt-mode-in-container", at.clone(), message)
                        .related(container.at.on_key(), "the step runs in this container")
                        .help("use `prompt_mode: arg` or `prompt_mode: flag` in its definition"),
                );
            }
        }
        Some(Provider::BuiltIn(cli)) if cli.name == "opencode" => findings.extend(managed(config, role, step)),
        _ => {}
    }
    findings
}

/// `binary` and `prompt_args`.
pub(super) fn forbidden_keys(config: &Config) -> Vec<Finding> {
    let present = FORBIDDEN.into_iter().filter_map(|key| Some((key, config.entries.get(key)?)));
    present
        .map(|(key, entry)| {
            let message = format!("`{key}` belongs to a definition under `harnesses`, not here");
            let help = match key {
                "binary" => "define the program under `harnesses: {NAME: {binary: …}}` and write `provider: NAME`",
                _ => "define the program under `harnesses` with `prefix_args` and `prompt_mode`, and write `provider: NAME`",
            };
            Finding::error("unsupported-field", entry.at.on_key(), message).help(help)
        })
        .collect()
}

/// The provider is there and known, or a template.
pub(super) fn provider(config: &Config, providers: &Providers, role: Role) -> Option<Finding> {
    let whose = role.words();
    let Some(entry) = config.entries.get("provider") else {
        let message = format!("{whose} needs a `provider`");
        return Some(Finding::error(MISSING, config.at.lacks("provider"), message).help(choices(providers)));
    };
    let name = match &entry.value {
        Value::String(name) if !name.trim().is_empty() => name.as_str(),
        Value::String(_) => {
            let message = format!("{whose} needs a `provider`, and this one is blank");
            return Some(Finding::error(MISSING, entry.at.clone(), message).help(choices(providers)));
        }
        Value::Null => {
            let message = format!("{whose} needs a `provider`; an empty one hides the default too");
            return Some(Finding::error(MISSING, entry.at.on_key(), message).help(choices(providers)));
        }
        other => {
            let message = format!("`provider` must be the name of a harness, not {}", kind(other));
            return Some(Finding::error("wrong-type", entry.at.clone(), message).help(choices(providers)));
        }
    };
    if is_template(name) {
        return None;
    }
    if providers.get(name).is_none() {
        let message = format!("unknown provider `{name}`");
        let finding = Finding::error("harness-provider-unknown", entry.at.clone(), message);
        return Some(match providers.nearest(name) {
            Some(near) if near != name.trim() => finding.meant(near),
            _ => finding.help(way_out(name, providers)),
        });
    }
    let read = coerce(name);
    (!matches!(read, Setting::Text(_))).then(|| {
        let message = format!("harness `{name}` can never be chosen: its name is read as {}", noun(&read));
        Finding::ours(Severity::Error, "harness-provider-coerced", entry.at.clone(), message)
            .help("give the definition a name that is a word")
    })
}

fn noun(setting: &Setting) -> &'static str {
    if matches!(setting, Setting::Bool(_)) { "a boolean" } else { "a number" }
}

fn choices(providers: &Providers) -> String {
    format!("choose one of {}", list(&providers.names()))
}

fn way_out(name: &str, providers: &Providers) -> String {
    if name.trim() != name && providers.get(name.trim()).is_some() {
        return format!("remove the blanks around `{}`", name.trim());
    }
    if let Some(variable) = name.strip_prefix('$') {
        return format!(
            "only a reference in braces is filled in here: `${{env.{variable}}}` or `${{params.{variable}}}`"
        );
    }
    if name == "hermes" {
        return "`hermes` needs a definition: `harnesses: {hermes: {binary: hermes, prefix_args: [\"-z\"]}}`"
            .to_owned();
    }
    format!("{}, or define `{name}` under `harnesses`", choices(providers))
}

/// The in-process agent: where it cannot run, and its own options.
pub(super) fn in_process(config: &Config, container: Option<&Container>) -> Vec<Finding> {
    let Some(entry) = config.entries.get("provider") else { return Vec::new() };
    let finding = match container {
        Some(container) => {
            let message = format!("provider `{IN_PROCESS}` is no CLI and cannot run in a container");
            Finding::error("harness-builtin-in-container", entry.at.clone(), message)
                .related(container.at.on_key(), "the step runs in this container")
        }
        None => {
            let message =
                format!("provider `{IN_PROCESS}` exists only inside Dagu 2.8's own process and cannot be run here");
            Finding {
                severity: Severity::Warning,
                ..Finding::error("harness-builtin-not-runnable", entry.at.clone(), message)
            }
        }
    };
    let mut findings = vec![finding.help("choose a CLI provider such as `claude` or `codex`")];
    findings.extend(super::in_process::options(config));
    findings
}

/// `managed` of the built-in `opencode`, as far as it is written out.
fn managed(config: &Config, role: Role, step: &HarnessStep) -> Option<Finding> {
    let entry = config.entries.get("managed")?;
    let value = match &entry.value {
        Value::String(text) if text.contains('$') => return None,
        Value::String(text) => coerce(text),
        Value::Bool(bool) => Setting::Bool(*bool),
        Value::Null => Setting::Null,
        other => Setting::Text(other.to_string()),
    };
    let error = |code, at, message: String| Some(Finding::ours(Severity::Error, code, at, message));
    match value {
        Setting::Null | Setting::Bool(false) => None,
        Setting::Bool(true) => {
            let allowed = |key: &str| MANAGED_KEYS.contains(&key) || ["provider", "managed", "format"].contains(&key);
            if let Some((key, option)) = config.entries.iter().find(|(key, _)| !allowed(key)) {
                let message = format!("`managed: true` leaves no room for `{key}`; it takes {}", list(&MANAGED_KEYS));
                return error("harness-managed-session", option.at.on_key(), message);
            }
            let format = config.entries.get("format").filter(|format| !format.value.is_null());
            let literal = format.and_then(|format| format.value.as_str());
            if let Some(format) =
                format.filter(|_| !literal.is_some_and(|text| text == "default" || text.contains('$')))
            {
                let message = "`managed: true` knows no `format` but `default`".to_owned();
                return error("harness-managed-session", format.at.clone(), message);
            }
            let (code, message) = match &step.container {
                Some(_) => ("harness-managed-session", "a managed OpenCode session cannot run in a container"),
                None => ("harness-managed-session", "`managed: true` needs a Dagu server that hosts OpenCode sessions"),
            };
            // A fallback that cannot start does no harm to an attempt before it.
            let severity = if role == Role::Fallback { Severity::Warning } else { Severity::Error };
            let finding = Finding::ours(severity, code, entry.at.clone(), message).gate(Gate::None);
            Some(finding.help("set it to false to run the `opencode` CLI"))
        }
        _ => error("harness-managed-session", entry.at.clone(), "`managed` must be true or false".to_owned()),
    }
}
