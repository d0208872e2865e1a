use super::{Meta, Rule, Subject};
use crate::container::volume;
use crate::diagnostic::Diagnostic;

declare_rule! {
    /// # volume-target-reference
    ///
    /// ## What it does
    /// Reports a reference in the target or mode of a volume.
    ///
    /// ## Why it matters
    /// Only the source side is expanded: the container gets a directory that is called `${…}`. (Dagu's program fills in
    /// names of the workflow there, against its own documentation.)
    ///
    /// ## Example
    /// ```yaml
    /// container:
    ///   image: alpine:3.20
    ///   volumes:
    ///     - /data:${env.TARGET}
    /// steps:
    ///   - run: ls /data
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// container:
    ///   image: alpine:3.20
    ///   volumes:
    ///     - /data:/data
    /// steps:
    ///   - run: ls /data
    /// ```
    VolumeTargetReference, "volume-target-reference", Warning, None
}

impl Rule for VolumeTargetReference {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let volumes =
            subject.dag.containers().flat_map(|(container, _)| container.value.volumes.get().into_iter().flatten());
        for spec in volumes {
            let Ok(parsed) = volume::parse(&spec.value) else { continue };
            if parsed.target.contains('$') {
                let message =
                    format!("`{}` is taken literally: only the source of a volume is expanded", parsed.target);
                found.push(self.diagnostic(spec.span, message).help("write the path inside the container out"));
            }
        }
    }
}
