//! One attempt: its provider, and keys that have no place in it.

use serde_json::Value;

use crate::diagnostic::{Gate, Severity};
use crate::harness::coerce::{Setting, coerce};
use crate::harness::config::{Config, Container, Root, is_template};
use crate::harness::definition::{PromptMode, list};
use crate::harness::finding::Finding;
use crate::harness::plan::MANAGED_KEYS;
use crate::harness::provider::{IN_PROCESS, Provider, Providers};
use crate::harness::step::{HarnessStep, Position};
use crate::values::{Policy, resolve};

/// What a configuration is, for the words of its findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Primary,
    /// Primary, of a step in the older form, which the schema takes as it comes.
    Older,
    Fallback,
    Defaults,
}

pub(super) fn attempt(config: &Config, index: usize, step: &HarnessStep, root: &Root) -> Vec<Finding> {
    let role = match (index, step.is_older) {
        (0, false) => Role::Primary,
        (0, true) => Role::Older,
        _ => Role::Fallback,
    };
    let mut findings = Vec::new();
    // Elsewhere the schema says so; of handlers Dagu's loader does not look at the fallbacks.
    if let (Position::Handler, Some(entry)) = (step.position, config.entries.get("fallback")) {
        let message = "a fallback cannot have fallbacks of its own";
        findings.push(
            Finding::ours(Severity::Error, "harness-fallback-nested", entry.at.on_key(), message)
                .help("add them to the list of the step; they are tried in order"),
        );
    }
    // A step without readable options is the schema's.
    if index > 0 || step.has_options || config.entries.contains_key("provider") {
        findings.extend(provider(config, &root.providers, role));
    }
    let Some(name) = config.literal_provider() else {
        findings.extend(by_default(config, step, root));
        return findings;
    };
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

/// The provider is there and known, or a template. Where the schema looks as well, it is left to say what is no text.
pub(super) fn provider(config: &Config, providers: &Providers, role: Role) -> Option<Finding> {
    let whose = match role {
        Role::Fallback => "a fallback",
        Role::Defaults => "the root `harness`",
        Role::Primary | Role::Older => "a harness step",
    };
    let ours = matches!(role, Role::Fallback | Role::Older);
    let missing =
        |at, message: String| Finding::error("harness-provider-missing", at, message).help(choices(providers));
    let name = match config.entries.get("provider").map(|entry| (&entry.value, &entry.at)) {
        None if role == Role::Defaults => return None,
        None => return Some(missing(config.at.lacks("provider"), format!("{whose} needs a `provider`"))),
        Some((Value::String(name), _)) if !name.trim().is_empty() => name.as_str(),
        Some((Value::String(_), at)) => {
            return Some(missing(at.clone(), format!("{whose} needs a `provider`, and this one is blank")));
        }
        Some((Value::Null, at)) => {
            return ours.then(|| missing(at.on_key(), format!("{whose} needs a `provider`, and this one is empty")));
        }
        Some((_, at)) => {
            return ours.then(|| missing(at.clone(), "`provider` must be the name of a harness".to_owned()));
        }
    };
    let at = &config.entries["provider"].at;
    if is_template(name) {
        return None;
    }
    if providers.get(name).is_none() {
        let message = format!("unknown provider `{name}`");
        let finding = Finding::error("harness-provider-unknown", at.clone(), message);
        return Some(match providers.nearest(name) {
            Some(near) if near != name.trim() => finding.meant(near),
            _ => finding.help(way_out(name, providers)),
        });
    }
    let read = coerce(name);
    (!matches!(read, Setting::Text(_))).then(|| {
        let message = format!("harness `{name}` can never be chosen: its name is read as {}", noun(&read));
        Finding::warning("harness-provider-coerced", at.clone(), message)
            .help("give the definition a name that is a word")
    })
}

/// A template that only asks for constants and parameters with a default can be looked through.
fn by_default(config: &Config, step: &HarnessStep, root: &Root) -> Option<Finding> {
    let entry = config.entries.get("provider")?;
    let name = resolve(config.provider()?, Policy::Scope, &root.known);
    if is_template(&name) {
        return None;
    }
    let finding = |message: String| Finding::warning("harness-provider-default", entry.at.clone(), message);
    let lead = format!("by default this provider is `{name}`");
    if !matches!(coerce(&name), Setting::Text(_)) || name.trim().is_empty() {
        return Some(finding(format!("{lead}, which is no name")));
    }
    let found = match (root.providers.get(&name), &step.container) {
        (None, _) => return Some(finding(format!("{lead}, which is unknown")).help(way_out(&name, &root.providers))),
        (Some(Provider::InProcess), None) => return Some(finding(format!("{lead}, which saddler cannot run"))),
        (Some(Provider::InProcess), Some(container)) => (container, "which is no CLI and cannot run in a container"),
        (Some(Provider::Custom(definition)), Some(container)) if definition.prompt_mode == PromptMode::Stdin => {
            (container, "which takes its prompt on stdin, and a container has none")
        }
        _ => return None,
    };
    let (container, why) = found;
    Some(finding(format!("{lead}, {why}")).related(container.at.on_key(), "the step runs in this container"))
}

fn noun(setting: &Setting) -> &'static str {
    if matches!(setting, Setting::Bool(_)) { "a boolean" } else { "a number" }
}

fn choices(providers: &Providers) -> String {
    format!("choose one of {}", list(&providers.names()))
}

fn way_out(name: &str, providers: &Providers) -> String {
    if let Some(near) = providers.nearest(name).filter(|&near| near != name.trim()) {
        return format!("did you mean `{near}`?");
    }
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
