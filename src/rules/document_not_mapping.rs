use super::{Meta, Rule, Subject};
use crate::diagnostic::{Diagnostic, Gate};
use crate::text::Span;

declare_rule! {
    /// # document-not-mapping
    ///
    /// ## What it does
    /// Reports a document whose root is a list or plain text, or carries an anchor or a tag.
    ///
    /// ## Why it matters
    /// A workflow is a map of fields; Dagu refuses everything else.
    ///
    /// ## Example
    /// ```yaml
    /// - run: echo hello
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - run: echo hello
    /// ```
    DocumentNotMapping, "document-not-mapping", Error, Load
}

impl Rule for DocumentNotMapping {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        let root = dag.root_value();
        if dag.empty {
            return;
        }
        let text = &subject.document.text;
        if !root.is_map() {
            let line = root.span().text(text).lines().next().unwrap_or("").len();
            let start = root.span().start as usize;
            let separator =
                Span::new(dag.span.start as usize, (dag.span.start as usize + 3).min(dag.span.end as usize));
            let column = start - text[..start].rfind('\n').map_or(0, |i| i + 1);
            if dag.index > 0 && column > 0 && separator.text(text) == "---" {
                // Indented text behind a separator: most likely a block of text that the separator cut in two.
                let message = "this `---` ends the text above it and begins a document";
                found.push(self.diagnostic(separator, message).help("indent it if it belongs to the text"));
                return;
            }
            let what = if root.is_sequence() { "a list" } else { "plain text" };
            let diagnostic =
                self.diagnostic(Span::new(start, start + line), format!("a workflow is a map of fields, not {what}"));
            found.push(diagnostic.help("put the steps below `steps:`"));
            return;
        }
        let node = root.node();
        if node.anchored || node.tagged {
            // The anchor or tag stands somewhere before the first key, behind comments and the separator.
            let before = &text[dag.span.start as usize..node.span.start as usize];
            let at = before.rfind(['&', '!']).map_or(node.span.start as usize, |i| dag.span.start as usize + i);
            let start = before.rfind("!!").map_or(at, |i| dag.span.start as usize + i).min(at);
            let end = text[start..].find([' ', '\n', '\r']).map_or(text.len(), |i| start + i);
            let (what, gate) = if node.tagged { ("a tag", Gate::Load) } else { ("an anchor", Gate::Validate) };
            let message = format!("the root of a workflow cannot carry {what}");
            found.push(self.diagnostic(Span::new(start, end), message).gate(gate).help("delete it"));
        }
    }
}
