use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # container-env-host-variable
    ///
    /// ## What it does
    /// Reports a variable in `container.env` that the workflow does not define, so that its value comes from the
    /// environment saddler runs in.
    ///
    /// ## Why it matters
    /// Saddler hands such a value on, which is how credentials reach a container without being written down. Dagu leaves
    /// the text `${NAME}` as it is, unless the workflow's `env` imports the variable.
    ///
    /// ## Example
    /// ```yaml
    /// container:
    ///   image: alpine:3.20
    ///   env:
    ///     - API_KEY=${API_KEY}
    /// steps:
    ///   - run: env
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// env:
    ///   - API_KEY: ${API_KEY}
    /// container:
    ///   image: alpine:3.20
    ///   env:
    ///     - API_KEY=${env.API_KEY}
    /// steps:
    ///   - run: env
    /// ```
    ContainerEnvHostVariable, "container-env-host-variable", Info, None
}

impl Rule for ContainerEnvHostVariable {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        let defined = super::defined_names(dag);
        for (container, step) in dag.containers() {
            let mut known = defined.clone();
            if let Some(env) = step.and_then(|step| step.env.get()) {
                known.extend(super::env_entries(dag.value(*env)).map(|(name, _)| name));
            }
            let Some(&env) = container.value.env.get() else { continue };
            for (name, value) in super::env_entries(dag.value(env)) {
                let text = value.as_str().unwrap_or_default();
                let text = text.strip_prefix(&format!("{name}=")).unwrap_or(text);
                for variable in super::bare_names(text) {
                    if !known.contains(variable) {
                        let message = format!(
                            "`{variable}` comes from the environment of the process; Dagu leaves the text as it is"
                        );
                        let help = format!(
                            "add `- {variable}: ${{{variable}}}` to the workflow's `env`, and write `${{env.{variable}}}` here"
                        );
                        found.push(self.diagnostic(value.span(), message).help(help));
                    }
                }
                known.insert(name);
            }
        }
    }
}
