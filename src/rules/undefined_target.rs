use super::{Meta, Rule, Subject};
use crate::dag::{Role, Step, StepRef};
use crate::diagnostic::{Diagnostic, nearest};
use crate::syntax::Value;

declare_rule! {
    /// # undefined-target
    ///
    /// ## What it does
    /// Reports a route of a router that leads to no step, and an `approval.rewind_to` that names neither its own step
    /// nor one before it.
    ///
    /// ## Why it matters
    /// Dagu refuses to load such a workflow. Routes know steps by name only: an `id` counts when the step has no `name`.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - id: route
    ///     action: router.route
    ///     with:
    ///       value: ${params.MODE}
    ///       routes:
    ///         fast: [quik]
    ///   - id: quick
    ///     run: echo quick
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - id: route
    ///     action: router.route
    ///     with:
    ///       value: ${params.MODE}
    ///       routes:
    ///         fast: [quick]
    ///   - id: quick
    ///     run: echo quick
    /// ```
    UndefinedTarget, "undefined-target", Error, Load
}

impl Rule for UndefinedTarget {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        for StepRef { step, role } in dag.all_steps() {
            // Handlers are outside all checks of targets, and a loop's body knows only itself.
            let Role::Step(index) = role else { continue };
            let value = step.value(dag);
            let config = step.config_node().map(|with| dag.value(with));
            let routes = match step.action.as_str() {
                Some("router.route") => config.and_then(|with| with.get("routes")),
                None if step.step_type.as_str() == Some("router") => value.get("routes"),
                _ => None,
            };
            for (_, targets) in routes.into_iter().flat_map(Value::entries) {
                for target in targets.items() {
                    self.check_route(dag.steps.as_slice(), target, found);
                }
            }
            let Some(rewind) = value.get("approval").and_then(|approval| approval.get("rewind_to")) else { continue };
            let Some(name) = rewind.as_str().filter(|name| !name.trim().is_empty()) else { continue };
            let mut before = subject.graph.ancestors(index);
            before.push(index);
            if !before.iter().any(|&i| answers_to(&dag.steps[i], name)) {
                let message = format!("{} cannot go back to `{name}`, which is no step before it", dag.label(step));
                let names = before.iter().filter_map(|&i| dag.steps[i].own_name());
                found.push(self.with_hint(self.diagnostic(rewind.span(), message), name, names));
            }
        }
    }
}

impl UndefinedTarget {
    fn check_route(&self, steps: &[Step], target: Value<'_>, found: &mut Vec<Diagnostic>) {
        let Some(name) = target.as_str().filter(|name| !name.trim().is_empty()) else { return };
        if steps.iter().any(|step| step.own_name() == Some(name)) {
            return;
        }
        // A step without a word of its own is called `cmd_1`, `http_2` and so on, after its kind and place.
        let made_up = name.rsplit_once('_').is_some_and(|(_, n)| n.parse::<usize>().is_ok());
        if made_up && steps.iter().any(|step| step.own_name().is_none()) {
            return;
        }
        let by_id = steps.iter().find(|step| step.id.as_str() == Some(name)).and_then(|step| step.name.as_str());
        let diagnostic =
            self.diagnostic(target.span(), format!("the route leads to `{name}`, which is the name of no step"));
        found.push(match by_id {
            Some(own) => diagnostic.help(format!("`{name}` is an id; write the name, `{own}`")),
            None => self.with_hint(diagnostic, name, steps.iter().filter_map(Step::own_name)),
        });
    }

    fn with_hint<'a>(&self, diagnostic: Diagnostic, name: &str, names: impl Iterator<Item = &'a str>) -> Diagnostic {
        match nearest(name, names) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help("name a step of this workflow"),
        }
    }
}

fn answers_to(step: &Step, name: &str) -> bool {
    step.id.as_str() == Some(name) || step.name.as_str() == Some(name)
}
