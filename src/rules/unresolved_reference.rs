use super::{Meta, Rule, Subject, references};
use crate::diagnostic::Diagnostic;
use crate::values::notices::{Class, Reason};

declare_rule! {
    /// # unresolved-reference
    ///
    /// ## What it does
    /// Reports a reference that no run can fill in: to a step, output, constant or context field that does not exist,
    /// or to a step that is not waited for.
    ///
    /// ## Why it matters
    /// It is no error in Dagu: the text `${…}` simply stays, and is handed to the shell or the agent as it is.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - id: build
    ///     run: echo "version=1" >> "$DAGU_OUTPUT_FILE"
    ///     outputs:
    ///       - name: version
    ///   - id: deploy
    ///     run: echo ${steps.build.outputs.version}
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - id: build
    ///     run: echo "version=1" >> "$DAGU_OUTPUT_FILE"
    ///     outputs:
    ///       - name: version
    ///   - id: deploy
    ///     run: echo ${steps.build.outputs.version}
    ///     depends: build
    /// ```
    UnresolvedReference, "unresolved-reference", Warning, None
}

impl Rule for UnresolvedReference {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        for placed in references::unresolved(dag, subject.graph) {
            let notice = placed.notice;
            if notice.class == Class::RuntimeOnly {
                continue;
            }
            let token = &notice.token;
            let inner = token.trim_start_matches("${").trim_end_matches('}');
            let parts: Vec<_> = inner.split('.').map(str::trim).skip(1).collect();
            let first = parts.first().copied().unwrap_or_default();
            let last = parts.last().copied().unwrap_or_default();
            let (why, help) = match notice.reason {
                Reason::UnknownStepId => {
                    (format!("no step has the id `{first}`"), "give the step an `id`; its name does not count")
                }
                Reason::SelfReference => ("a step cannot read its own outputs".to_owned(), "read it in a step behind"),
                Reason::UnknownOutputName => {
                    (format!("`{first}` declares no output `{last}`"), "add it to the `outputs` of that step")
                }
                Reason::MissingDependency => (format!("this step does not wait for `{first}`"), "name it in `depends`"),
                Reason::UnknownContextField => ("there is no such context field".to_owned(), ""),
                Reason::UnknownConstName => {
                    (format!("no constant `{last}` is defined before it"), "constants see only those above them")
                }
                Reason::NamespaceUnavailable => {
                    ("it has no value here".to_owned(), "use it in a step that waits for its source")
                }
                Reason::UnknownEnvBinding | Reason::NoValue => ("nothing defines it".to_owned(), ""),
            };
            let diagnostic = self.diagnostic(placed.span, format!("`{token}` stays as it is: {why}"));
            let help = notice.help.unwrap_or_else(|| help.to_owned());
            let diagnostic = if help.is_empty() { diagnostic } else { diagnostic.help(help) };
            let target = dag
                .steps
                .iter()
                .find(|step| step.id.as_str() == Some(first) && notice.reason == Reason::MissingDependency);
            found.push(match target.and_then(|target| target.id.span()) {
                Some(span) => diagnostic.label(span, format!("`{first}` is here")),
                None => diagnostic,
            });
        }
    }
}
