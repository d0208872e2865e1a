//! What is wrong with harness steps, found without running anything.
//!
//! Shapes are the schema's business: this module judges what could be read. A fault in the root's fallbacks is reported
//! by every step that inherits them, at the same place: callers drop repeats.

mod attempts;
mod in_process;
mod lints;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::diagnostic::Severity;
use crate::harness::config::{Config, Root};
use crate::harness::finding::Finding;
use crate::harness::provider::Provider;
use crate::harness::step::HarnessStep;

/// Findings about the root `harness:` itself, whether or not a step uses it.
pub fn root(root: &Root) -> Vec<Finding> {
    let Some(defaults) = &root.defaults else { return Vec::new() };
    let mut findings = Vec::new();
    findings.extend(attempts::provider(defaults, &root.providers, attempts::Role::Defaults));
    if let Some(Provider::InProcess) = defaults.literal_provider().and_then(|name| root.providers.get(name)) {
        findings.extend(attempts::in_process(defaults, None));
    }
    findings.extend(lints::prompt_as_flag(defaults));
    findings.extend(lints::aliases(defaults, &root.providers));
    findings
}

/// Findings about one harness step, beyond its shape.
pub fn step(step: &HarnessStep, root: &Root) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(stdin_in_container(step));
    findings.extend(container(step));
    for (index, config) in step.attempts.iter().enumerate() {
        findings.extend(attempts::attempt(config, index, step, root));
    }
    findings.extend(lints::step(step, root));
    findings
}

/// Definitions that no step names. `used` holds every provider that is written anywhere; a template may stand for any
/// of them.
pub fn unused_definitions(root: &Root, used: &BTreeSet<&str>) -> Vec<Finding> {
    if used.iter().any(|name| crate::harness::config::is_template(name)) {
        return Vec::new();
    }
    let unused = root.providers.definitions.keys().filter(|name| !used.contains(name.as_str()));
    unused
        .map(|name| {
            let at = crate::harness::Location::document(["harnesses"]).key(name).on_key();
            Finding::info("harness-definition-unused", at, format!("no step uses the harness `{name}`"))
        })
        .collect()
}

/// The providers that a step's attempts name, templates included.
pub fn used_providers(step: &HarnessStep) -> impl Iterator<Item = &str> {
    step.attempts.iter().filter_map(Config::provider)
}

fn stdin_in_container(step: &HarnessStep) -> Option<Finding> {
    let (stdin, container) = (step.stdin.as_ref()?, step.container.as_ref()?);
    let key = stdin.at.to_string();
    let message = format!("`{key}` cannot reach a program in a container");
    let finding = Finding::error("harness-stdin-in-container", stdin.at.on_key(), message)
        .related(container.at.on_key(), "the step runs in this container")
        .help("put the text into the prompt, or mount a file and name it there");
    Some(if step.own_container {
        finding.gate(step.position.gate())
    } else {
        finding.gate(crate::diagnostic::Gate::None)
    })
}

fn container(step: &HarnessStep) -> Vec<Finding> {
    let Some(container) = &step.container else { return Vec::new() };
    let mut findings = Vec::new();
    if step.own_container && !container.existing && container.has_name {
        let message = "an agent's own container cannot have a fixed name";
        let at = container.at.key("name").on_key();
        let help = "remove `name`, or attach to a running container with `exec`";
        findings.push(
            Finding::ours(Severity::Error, "harness-container-name", at, message)
                .related(container.at.key("image").on_key(), "every attempt makes a container of this image")
                .help(help),
        );
    }
    if step.own_container && container.has_shell {
        let at = container.at.key("shell").on_key();
        findings.push(if container.existing {
            let message =
                "the agent is started without this shell; Dagu joins its arguments with blanks and gives them to it";
            let help = "remove `shell`: there, a prompt of several words is torn apart and run as shell code";
            Finding::warning("harness-container-shell", at, message).help(help)
        } else {
            let message = "`shell` has no effect: an agent is always started directly";
            Finding::info("harness-container-shell", at, message)
        });
    }
    if let (false, Some(at)) = (step.own_container, &step.working_dir) {
        let message = "`working_dir` has no effect in the shared container; its own `working_dir` counts";
        findings.push(
            Finding::warning("harness-working-dir-ignored", at.on_key(), message)
                .related(container.at.on_key(), "the step runs in this container"),
        );
    }
    findings
}

/// Every text inside `value`, depth first.
fn texts<'v>(value: &'v Value, visit: &mut dyn FnMut(&'v str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, visit)),
        Value::Object(entries) => entries.values().for_each(|value| texts(value, visit)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
