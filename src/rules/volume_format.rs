use super::{Meta, Rule, Subject};
use crate::container::volume;
use crate::dag::Spanned;
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # volume-format
    ///
    /// ## What it does
    /// Reports a volume that is not `source:target` or `source:target:ro`, and a `$` in its source that begins no
    /// variable.
    ///
    /// ## Why it matters
    /// The run fails when it comes to the container. `$` knows `$NAME` and `${NAME}` there, no defaults and no escape.
    ///
    /// ## Example
    /// ```yaml
    /// container:
    ///   image: alpine:3.20
    ///   volumes:
    ///     - /data:/data:readonly
    /// steps:
    ///   - run: ls /data
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// container:
    ///   image: alpine:3.20
    ///   volumes:
    ///     - /data:/data:ro
    /// steps:
    ///   - run: ls /data
    /// ```
    VolumeFormat, "volume-format", Error, None
}

impl Rule for VolumeFormat {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        let volumes = dag.containers().flat_map(|(container, _)| container.value.volumes.get().into_iter().flatten());
        let mut volumes: Vec<Spanned<String>> = volumes.cloned().collect();
        for step in dag.all_steps().map(|it| it.step).filter(|step| step.is_docker()) {
            let with = step.config_node().map(|with| dag.value(with));
            let Some(list) = with.and_then(|with| with.get("volumes")) else { continue };
            volumes.extend(
                list.items()
                    .filter_map(|item| Some(Spanned { value: item.as_str()?.to_owned(), span: item.site_span() })),
            );
        }
        for spec in volumes {
            if let Err((_, message)) = volume::check(&spec.value) {
                found.push(self.diagnostic(spec.span, message));
            }
        }
    }
}
