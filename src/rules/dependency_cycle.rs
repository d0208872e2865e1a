use super::{Meta, Rule, Subject};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # dependency-cycle
    ///
    /// ## What it does
    /// Reports steps that wait for each other in a circle, and a step that waits for itself.
    ///
    /// ## Why it matters
    /// None of them could ever start. Dagu accepts the file in `validate` and refuses it when it is started.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - id: a
    ///     run: echo a
    ///     depends: b
    ///   - id: b
    ///     run: echo b
    ///     depends: a
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - id: a
    ///     run: echo a
    ///   - id: b
    ///     run: echo b
    ///     depends: a
    /// ```
    DependencyCycle, "dependency-cycle", Error, Start
}

impl Rule for DependencyCycle {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        for cycle in subject.graph.cycles() {
            let first = &dag.steps[cycle[0]];
            let names: Vec<_> = cycle.iter().map(|&i| dag.steps[i].own_name().unwrap_or("?")).collect();
            let span = first.depends.span().unwrap_or(first.span);
            let diagnostic = if let [name] = names[..] {
                self.diagnostic(span, format!("step `{name}` depends on itself"))
            } else {
                let circle = names.iter().chain(&names[..1]).map(|name| format!("`{name}`")).collect::<Vec<_>>();
                self.diagnostic(span, format!("these steps wait for each other: {}", circle.join(" → ")))
            };
            let others = cycle[1..].iter().map(|&i| &dag.steps[i]);
            let diagnostic = others.fold(diagnostic, |diagnostic, step| {
                let name = step.own_name().unwrap_or("this step");
                diagnostic.label(step.depends.span().unwrap_or(step.span), format!("`{name}` waits here"))
            });
            found.push(diagnostic.help("take one `depends` out of the circle"));
        }
    }
}
