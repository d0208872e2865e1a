use super::{Meta, Rule, Subject};
use crate::container::{port, words};
use crate::dag::{Container, Step};
use crate::diagnostic::Diagnostic;
use crate::syntax::Value;

declare_rule! {
    /// # container-setting
    ///
    /// ## What it does
    /// Reports a setting of a container that is well formed but cannot be carried out: a port that is none, an unknown
    /// restart policy or platform, a `log_pattern` that is no regular expression, `startup: command` without
    /// `command`, and an existing container with nothing to run in it.
    ///
    /// ## Why it matters
    /// The workflow loads, and the run fails when it comes to the container.
    ///
    /// ## Example
    /// ```yaml
    /// container:
    ///   image: alpine:3.20
    ///   ports: ["8080:80/http"]
    /// steps:
    ///   - run: httpd -f
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// container:
    ///   image: alpine:3.20
    ///   ports: ["8080:80"]
    /// steps:
    ///   - run: httpd -f
    /// ```
    ContainerSetting, "container-setting", Error, None
}

impl Rule for ContainerSetting {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        for (container, step) in dag.containers() {
            self.check_words(dag.value(container.value.node), found);
            self.check_startup(subject, &container.value, step, found);
            if let Some(step) = step.filter(|step| container.value.is_exec() && runs_nothing(step)) {
                let message = format!("{} has nothing to run in this container", dag.label(step));
                found.push(self.diagnostic(container.span, message).help("add `run:`"));
            }
        }
    }
}

impl ContainerSetting {
    fn check_words(&self, map: Value<'_>, found: &mut Vec<Diagnostic>) {
        let mut judge = |value: Value<'_>, parse: &dyn Fn(&str) -> Option<String>| {
            let text = value.scalar_text().unwrap_or_default();
            // What a reference brings is known in the run.
            if let Some(message) = parse(&text).filter(|_| !text.contains('$')) {
                found.push(self.diagnostic(value.span(), message));
            }
        };
        if let Some(ports) = map.get("ports") {
            let items: Vec<_> = if ports.is_sequence() { ports.items().collect() } else { vec![ports] };
            for entry in items.into_iter().filter(|entry| !entry.is_map() && !entry.is_null()) {
                judge(entry, &|text| port::parse(text).err().map(|(_, message)| message));
            }
        }
        let word = |name: &str| map.get(name).filter(|value| value.scalar_text().is_some_and(|text| !text.is_empty()));
        if let Some(policy) = word("restart_policy") {
            judge(policy, &|text| words::restart_policy(text).err().map(|(_, message)| message));
        }
        if let Some(platform) = word("platform") {
            judge(platform, &|text| words::Platform::parse(text).err().map(|(_, message)| message));
        }
        if let Some(pattern) = word("log_pattern") {
            judge(pattern, &|text| {
                let error = regex::Regex::new(text).err()?.to_string();
                let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                Some(format!("`{text}` is no regular expression: {reason}"))
            });
        }
    }

    /// `startup: command` counts where the container is kept for several commands.
    fn check_startup(
        &self,
        subject: &Subject<'_>,
        container: &Container,
        step: Option<&Step>,
        found: &mut Vec<Diagnostic>,
    ) {
        let map = subject.dag.value(container.node);
        let kept = step.is_none_or(|step| step.run.get().is_some_and(|&run| subject.dag.value(run).items().len() > 1));
        let is_command = container.startup.as_str().is_some_and(|word| word.trim().eq_ignore_ascii_case("command"));
        let has_command = map.get("command").is_some_and(|command| {
            command.items().len() > 0 || command.scalar_text().is_some_and(|text| !text.is_empty())
        });
        if let (true, true, false, Some(span)) = (kept, is_command, has_command, container.startup.span()) {
            found.push(
                self.diagnostic(span, "`startup: command` needs `command`")
                    .help("add `command:` with the command to start"),
            );
        }
    }
}

fn runs_nothing(step: &Step) -> bool {
    let work = [step.run.is_absent(), step.command.is_absent(), step.action.is_absent(), step.step_type.is_absent()];
    let legacy = [step.script.is_absent(), step.exec.is_absent(), step.call.is_absent(), step.foreach.is_absent()];
    work.into_iter().chain(legacy).all(|absent| absent)
}
