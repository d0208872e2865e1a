//! Things Dagu lets pass, and that do something else than they seem to.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::harness::coerce::{Emission, Setting, coerce};
use crate::harness::config::{Config, Entry, Root};
use crate::harness::definition::PromptMode;
use crate::harness::finding::{Base, Finding, Location};
use crate::harness::provider::{Provider, Providers};
use crate::harness::step::HarnessStep;

pub(super) fn step(step: &HarnessStep, root: &Root) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(prompt_list(step));
    findings.extend(leading_dash(step, root));
    findings.extend(secrets(step, root));
    findings.extend(leak(step, root));
    findings.extend(aliases(&step.own, &root.providers));
    findings.extend(split_spellings(step, root));
    for (index, config) in step.attempts.iter().enumerate() {
        if index > 0 {
            findings.extend(prompt_as_flag(config));
            findings.extend(aliases(config, &root.providers));
        }
        let provider = config.literal_provider().and_then(|name| root.providers.get(name));
        if let (Some(Provider::InProcess), _) | (_, None) = (provider, config.provider()) {
            continue; // No command line, so nothing about flags.
        }
        findings.extend(unused_managed(config, provider));
        for (key, entry) in options(config) {
            findings.extend(value(key, entry, index, root));
        }
    }
    findings
}

/// The entries that may become flags.
fn options(config: &Config) -> impl Iterator<Item = (&String, &Entry)> {
    config.entries.iter().filter(|(key, _)| !["provider", "fallback", "managed"].contains(&key.as_str()))
}

fn prompt_list(step: &HarnessStep) -> Option<Finding> {
    let prompt = step.prompt.as_ref().filter(|_| step.is_prompt_list)?;
    let message = format!("`{}` is a list; Dagu takes its one item, its documentation wants text", prompt.at);
    Some(Finding::warning("harness-prompt-list", prompt.at.clone(), message).help("write the item alone"))
}

fn leading_dash(step: &HarnessStep, root: &Root) -> Option<Finding> {
    let prompt = step.prompt.as_ref().filter(|prompt| prompt.text.starts_with('-'))?;
    let on_stdin = |config: &Config| {
        let provider = config.literal_provider().and_then(|name| root.providers.get(name));
        matches!(provider, Some(Provider::Custom(definition)) if definition.prompt_mode == PromptMode::Stdin)
    };
    if step.attempts.iter().all(on_stdin) {
        return None;
    }
    let message = "this prompt starts with `-`, so the CLI may take it for a flag; no `--` is put before it";
    Some(Finding::warning("harness-prompt-dash", prompt.at.clone(), message).help("start the prompt with a word"))
}

static ENV_REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}").expect("the pattern is well formed"));

fn secrets(step: &HarnessStep, root: &Root) -> Vec<Finding> {
    if root.secrets.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut look = |text: &str, at: &Location| {
        let names = ENV_REFERENCE.captures_iter(text).filter_map(|found| found.get(1));
        if let Some(name) =
            names.map(|name| name.as_str()).find(|name| root.secrets.iter().any(|secret| secret == name))
        {
            let message =
                format!("the secret `{name}` becomes part of the agent's command line, which others can read");
            let help =
                format!("the agent has `{name}` in its environment already; name the variable in the prompt instead");
            findings.push(Finding::warning("secret-in-prompt", at.clone(), message).help(help));
        }
    };
    if let Some(prompt) = &step.prompt {
        look(&prompt.text, &prompt.at);
    }
    for (_, entry) in step.attempts.iter().flat_map(options) {
        super::texts(&entry.value, &mut |text| look(text, &entry.at));
    }
    findings
}

/// Defaults written for one CLI reach a step that picks another.
fn leak(step: &HarnessStep, root: &Root) -> Option<Finding> {
    let defaults = root.defaults.as_ref()?;
    let (theirs, own) = (defaults.literal_provider()?, step.own.literal_provider()?);
    let primary = step.attempts.first().filter(|_| theirs != own)?;
    let emitted = |entry: &Entry| {
        let Ok(setting) = Setting::resolve::<()>(&entry.value, &|text| Ok(text.to_owned())) else { return false };
        setting.emission() != Emission::Nothing
    };
    let leaked: Vec<&str> = options(primary)
        .filter(|(_, entry)| entry.at.base == Base::Document && emitted(entry))
        .map(|(key, _)| key.as_str())
        .collect();
    if leaked.is_empty() {
        return None;
    }
    let mask: Vec<String> = leaked.iter().map(|key| format!("`{key}: ~`")).collect();
    let leaked: Vec<String> = leaked.iter().map(|key| format!("`{key}`")).collect();
    let message = format!("`{own}` gets {}, which the root `harness` has for `{theirs}`", leaked.join(", "));
    Some(
        Finding::warning("harness-defaults-leak", step.own.entries["provider"].at.clone(), message)
            .related(defaults.at.on_key(), "the defaults")
            .help(format!("hide what `{own}` does not know with {}", mask.join(", "))),
    )
}

/// Two spellings of one option for a built-in CLI.
pub(super) fn aliases(config: &Config, providers: &Providers) -> Vec<Finding> {
    let custom = |name| !matches!(providers.get(name), None | Some(Provider::BuiltIn(_)));
    if config.literal_provider().is_some_and(custom) {
        return Vec::new();
    }
    duplicates(config.entries.iter())
}

/// The same, one spelling from the step and one from the defaults, which meet only when the provider is a plain name.
fn split_spellings(step: &HarnessStep, root: &Root) -> Vec<Finding> {
    let primary =
        step.attempts.first().filter(|primary| root.defaults.is_some() && primary.literal_provider().is_none());
    let findings = primary.map(|primary| duplicates(primary.entries.iter())).unwrap_or_default();
    let crosses = |finding: &Finding| finding.related.as_ref().is_some_and(|(other, _)| other.base != finding.at.base);
    findings.into_iter().filter(crosses).collect()
}

fn duplicates<'c>(entries: impl Iterator<Item = (&'c String, &'c Entry)>) -> Vec<Finding> {
    let mut spellings: BTreeMap<String, (&String, &Entry)> = BTreeMap::new();
    let mut findings = Vec::new();
    for (key, entry) in entries {
        match spellings.insert(key.replace('_', "-"), (key, entry)) {
            None => {}
            Some((other, first)) => {
                let message = format!("`{key}` and `{other}` are the same option; the CLI gets one of them, or both");
                findings.push(
                    Finding::warning("harness-option-duplicate", entry.at.on_key(), message)
                        .related(first.at.on_key(), "the other spelling")
                        .help(format!("keep `{}`", key.replace('_', "-"))),
                );
            }
        }
    }
    findings
}

/// `prompt` and `stdin` where they are ordinary options.
pub(super) fn prompt_as_flag(config: &Config) -> Vec<Finding> {
    let present = ["prompt", "stdin"].into_iter().filter_map(|key| Some((key, config.entries.get(key)?)));
    present
        .map(|(key, entry)| {
            let message = format!("`{key}` is no prompt of its own here: the CLI gets a flag `--{key}`");
            Finding::warning("harness-reserved-key", entry.at.on_key(), message)
                .help("every attempt has the prompt and the stdin of the step")
        })
        .collect()
}

fn unused_managed(config: &Config, provider: Option<Provider<'_>>) -> Option<Finding> {
    let entry = config.entries.get("managed")?;
    match provider {
        None => None,
        Some(Provider::BuiltIn(cli)) if cli.name == "opencode" => None,
        Some(_) => {
            let message = "`managed` is for `opencode` alone; this CLI gets no such flag";
            Some(Finding::warning("harness-reserved-key", entry.at.on_key(), message))
        }
    }
}

/// What the command line makes of one value.
fn value(key: &str, entry: &Entry, index: usize, root: &Root) -> Vec<Finding> {
    let at = &entry.at;
    match &entry.value {
        Value::Object(_) => {
            let message = format!("`{key}` is a mapping, of which nothing reaches the command line");
            vec![
                Finding::warning("harness-option-ignored", at.on_key(), message).help("write text, a number or a list"),
            ]
        }
        Value::Null if index == 0 && masks(key, root) => Vec::new(),
        Value::Null => {
            let message = format!("`{key}` has no value, so it does not reach the command line");
            vec![
                Finding::warning("harness-option-ignored", at.on_key(), message)
                    .help(format!("write `{key}: true` for a bare flag")),
            ]
        }
        Value::Array(items) => {
            items.iter().enumerate().filter_map(|(i, value)| item(key, value, &at.index(i))).collect()
        }
        value => reformatted(key, value, at).into_iter().collect(),
    }
}

fn masks(key: &str, root: &Root) -> bool {
    let kebab = key.replace('_', "-");
    let defaults = root.defaults.iter().flat_map(|defaults| defaults.entries.keys());
    defaults.into_iter().any(|default| default.replace('_', "-") == kebab)
}

fn item(key: &str, value: &Value, at: &Location) -> Option<Finding> {
    let shown = Setting::resolve::<()>(value, &|text| Ok(text.to_owned())).ok()?.item();
    let odd = match value {
        Value::Null | Value::Array(_) | Value::Object(_) => true,
        Value::Number(number) => number.is_f64() && shown.contains('e') && !is_endless(value),
        _ => false,
    };
    if odd {
        let message = format!("the CLI gets `{shown}` for this item of `{key}`");
        return Some(
            Finding::warning("harness-option-reformatted", at.clone(), message).help("write the item as text"),
        );
    }
    reformatted(key, value, at)
}

/// Infinity, as JSON has it. Of that another rule speaks.
fn is_endless(value: &Value) -> bool {
    value.as_f64().is_some_and(|float| float.abs() == f64::MAX)
}

fn reformatted(key: &str, value: &Value, at: &Location) -> Option<Finding> {
    let help = "the text is read as YAML once more; only `prefix_args` of a definition keeps it as written";
    match value {
        Value::String(text) if !text.contains('$') => {
            let read = coerce(text);
            let digits = match read {
                Setting::Number(_) => read.item(),
                _ => return None,
            };
            let shown = if let Emission::Value(shown) = read.emission() { shown } else { digits };
            (shown != text.as_str()).then(|| {
                let message = format!("the CLI gets `{shown}` for `{key}`, not `{text}`");
                Finding::warning("harness-option-reformatted", at.clone(), message).help(help)
            })
        }
        Value::Number(number) if number.is_f64() && !is_endless(value) => {
            let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
            let message = format!("the CLI gets `{float}` for `{key}`, without a fraction");
            Some(Finding::info("harness-option-reformatted", at.clone(), message))
        }
        _ => None,
    }
}
