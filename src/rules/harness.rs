//! Findings about agent steps, made once for a document and handed out to the rules that own their codes.
//!
//! [`crate::harness`] judges plain values; here its places become spans.

use crate::dag::{Dag, Role, Step};
use crate::diagnostic::{Applicability, Diagnostic};
use crate::harness::{Base, Finding, HarnessStep, Location, Part, Position, Root, check};
use crate::syntax::{NodeId, Tree};
use crate::text::{Edit, Span};

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Keys of a document that say something about its agent steps.
const ROOT_KEYS: [&str; 6] = ["consts", "container", "harness", "harnesses", "params", "secrets"];

/// What there is to say about the agent steps of one document.
#[derive(Debug, Default)]
pub struct HarnessFindings(Vec<Diagnostic>);

impl HarnessFindings {
    /// Looks at the root, every step, loop body and handler.
    pub fn of(dag: &Dag) -> Self {
        let steps: Vec<_> = dag.all_steps().filter(|at| at.step.is_harness()).collect();
        let document = harness_root(dag);
        if steps.is_empty() && !document.contains_key("harness") && !document.contains_key("harnesses") {
            return Self::default();
        }
        let (root, mut about_root) = Root::read(&document);
        about_root.extend(check::root(&root));
        let mut found = Vec::new();
        let mut used: BTreeSet<String> = BTreeSet::new();
        for at in &steps {
            let Value::Object(written) = dag.value(at.step.node).to_json() else { continue };
            let position = if matches!(at.role, Role::Handler(_)) { Position::Handler } else { Position::Step };
            let step = HarnessStep::read(&written, &root, position);
            let findings = check::step(&step, &root);
            used.extend(check::used_providers(&step).map(str::to_owned));
            found.extend(findings.into_iter().map(|finding| diagnostic(dag, Some(at.step), finding)));
        }
        used.extend(root.defaults.iter().filter_map(|defaults| defaults.provider().map(str::to_owned)));
        // What a template of the file's own actions names cannot be told from here.
        if dag.actions.is_absent() && dag.step_types.is_absent() {
            about_root.extend(check::unused_definitions(&root, &used.iter().map(String::as_str).collect()));
        }
        found.extend(about_root.into_iter().map(|finding| diagnostic(dag, None, finding)));
        Self(found)
    }

    /// Moves copies of the findings of one rule to `found`.
    pub(super) fn report(&self, code: &str, found: &mut Vec<Diagnostic>) {
        found.extend(self.0.iter().filter(|finding| finding.code == code).cloned());
    }
}

/// The root keys of a document that say something about its agent steps, as [`Root::read`] takes them.
pub fn harness_root(dag: &Dag) -> Map<String, Value> {
    let entries = ROOT_KEYS.iter().filter_map(|&key| Some((key.to_owned(), dag.root_value().get(key)?.to_json())));
    entries.collect()
}

fn diagnostic(dag: &Dag, step: Option<&Step>, finding: Finding) -> Diagnostic {
    let span = span(dag, step, &finding.at);
    let mut diagnostic = Diagnostic::error(finding.code, span, finding.message).gate(finding.gate);
    diagnostic.severity = finding.severity;
    diagnostic.help = finding.help;
    if let Some((at, message)) = finding.related {
        diagnostic = diagnostic.label(self::span(dag, step, &at), message);
    }
    match finding.meant {
        Some(word) if is_plain(span.text(dag.tree.text())) => {
            let title = format!("change to `{word}`");
            diagnostic.fix(title, Applicability::Unsafe, vec![Edit::replace(span, word)])
        }
        _ => diagnostic,
    }
}

/// Whether the text in the file is the word itself, without quotes, an alias or further lines.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|char| char.is_alphanumeric() || "-_./ ".contains(char))
}

fn span(dag: &Dag, step: Option<&Step>, at: &Location) -> Span {
    let root = match (at.base, step) {
        (Base::Step, Some(step)) => step.node,
        _ => dag.root,
    };
    locate(&dag.tree, root, at)
}

fn locate(tree: &Tree, root: NodeId, at: &Location) -> Span {
    let place = tree.locate(root, &at.path.0);
    let span = match (at.part, place.key) {
        (Part::Key | Part::Lacks(_), Some(key)) => key.span(),
        _ => place.value.site_span(),
    };
    // Behind an alias the content stands elsewhere, perhaps for several steps; the alias is where it is wrong.
    place.through.unwrap_or(span)
}
