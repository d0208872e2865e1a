use super::{Meta, Rule, Subject};
use crate::dag::{Place, StepRef};
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # container-retry-exit-code
    ///
    /// ## What it does
    /// Reports `retry_policy.exit_code` on a step in the shared container, or in a container that exists already.
    ///
    /// ## Why it matters
    /// Saddler retries as asked. Dagu never finds the code there and does not retry.
    ///
    /// ## Example
    /// ```yaml
    /// container: box
    /// steps:
    ///   - run: flaky
    ///     retry_policy: {limit: 2, interval_sec: 1, exit_code: [75]}
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// container: box
    /// steps:
    ///   - run: flaky
    ///     retry_policy: {limit: 2, interval_sec: 1}
    /// ```
    ContainerRetryExitCode, "container-retry-exit-code", Info, None
}

impl Rule for ContainerRetryExitCode {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        for StepRef { step, .. } in dag.all_steps() {
            let attached = match dag.place(step) {
                Place::Host => continue,
                Place::Root(_) => true,
                Place::Step(container) => container.value.is_exec(),
            };
            let policy = step.retry_policy.get().map(|&policy| dag.value(policy));
            if let (true, Some((key, _))) = (attached, policy.and_then(|policy| policy.entry("exit_code"))) {
                let message = "Dagu never retries by `exit_code` in a shared or existing container";
                found.push(self.diagnostic(key.span(), message).help("without `exit_code` it retries any failure"));
            }
        }
    }
}
