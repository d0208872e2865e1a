use super::{Meta, Rule, Subject};
use crate::dag::{Dag, Spanned, Step};
use crate::diagnostic::{Applicability, Diagnostic, nearest};
use crate::text::Edit;

declare_rule! {
    /// # undefined-dependency
    ///
    /// ## What it does
    /// Reports an entry of `depends` that names no step, by id or by name.
    ///
    /// ## Why it matters
    /// Dagu refuses to load such a workflow. Upper and lower case count, and so do spaces.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - id: build
    ///     run: make
    ///   - id: deploy
    ///     run: make deploy
    ///     depends: [biuld]
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - id: build
    ///     run: make
    ///   - id: deploy
    ///     run: make deploy
    ///     depends: [build]
    /// ```
    UndefinedDependency, "undefined-dependency", Error, Load
}

impl Rule for UndefinedDependency {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        for (owner, name) in &subject.graph.unknown {
            found.push(self.report(dag, &dag.steps[*owner], name, &dag.steps, subject));
        }
        for step in &dag.steps {
            let body = step.foreach.get().map_or(&[][..], |foreach| &foreach.steps);
            for owner in body {
                for name in owner.depends.get().into_iter().flatten() {
                    if !body.iter().any(|step| answers_to(step, &name.value)) {
                        found.push(self.report(dag, owner, name, body, subject));
                    }
                }
            }
        }
    }
}

impl UndefinedDependency {
    fn report(
        &self,
        dag: &Dag,
        owner: &Step,
        name: &Spanned<String>,
        steps: &[Step],
        subject: &Subject<'_>,
    ) -> Diagnostic {
        let label = dag.label(owner);
        let diagnostic =
            self.diagnostic(name.span, format!("{label} depends on `{}`, which is not a step", name.value));
        let names = steps.iter().flat_map(|step| [step.id.as_str(), step.name.as_str()]).flatten();
        match nearest(&name.value, names) {
            Some(near) => {
                let plain = name.span.text(&subject.document.text) == name.value;
                let diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
                if plain {
                    let edit = Edit::replace(name.span, near);
                    diagnostic.fix(format!("depend on `{near}`"), Applicability::Unsafe, vec![edit])
                } else {
                    diagnostic
                }
            }
            None => diagnostic.help("name the `id` or `name` of another step of this workflow"),
        }
    }
}

fn answers_to(step: &Step, name: &str) -> bool {
    step.id.as_str() == Some(name) || step.name.as_str() == Some(name)
}
