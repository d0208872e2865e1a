//! One file at one moment: text, tree, model and syntax problems. Immutable; an edit makes a new one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dag::Dag;
use crate::diagnostic::Diagnostic;
use crate::syntax::{Tree, Value, parse};
use crate::text::LineIndex;

#[derive(Debug, Clone)]
pub struct Document {
    /// Where the file lies; `None` for text without a file, such as standard input.
    pub path: Option<PathBuf>,
    /// The editor's version of the text; 0 for a file read from disk.
    pub version: i32,
    pub text: Arc<str>,
    pub lines: LineIndex,
    pub tree: Arc<Tree>,
    /// Every document of the file, the entry first. Never empty.
    pub dags: Vec<Dag>,
    /// What the parser reported.
    pub syntax: Vec<Diagnostic>,
}

/// Root keys that other tools' files have and no DAG: a file with one of these and a `steps` key is not ours.
const FOREIGN: &[&str] = &[
    "apiVersion",
    "jobs",
    "kind",
    "on",
    "pipeline",
    "pipelines",
    "pool",
    "pr",
    "runs",
    "stages",
    "trigger",
    "variables",
];

/// Root keys that mark a DAG even before its `steps` are written.
const TELLING: &[&str] =
    &["handler_on", "harness", "harnesses", "max_active_steps", "max_clean_up_time_sec", "hist_retention_days"];

impl Document {
    pub fn parse(text: &str, path: Option<&Path>, version: i32) -> Self {
        let parse = parse(text);
        let tree = Arc::new(parse.tree);
        Document {
            path: path.map(Path::to_owned),
            version,
            text: Arc::clone(tree.text()),
            lines: LineIndex::new(text),
            dags: Dag::lower(&tree),
            tree,
            syntax: parse.diagnostics,
        }
    }

    pub fn entry(&self) -> &Dag {
        &self.dags[0]
    }

    /// The directory that relative paths in the file start from.
    pub fn directory(&self) -> Option<&Path> {
        self.path.as_deref().and_then(Path::parent)
    }

    /// The name of the file without its extension, which names a DAG that has no `name`.
    pub fn stem(&self) -> Option<&str> {
        self.path.as_deref().and_then(Path::file_stem).and_then(|stem| stem.to_str())
    }

    /// True when the content is a DAG's, whatever the file is called.
    pub fn is_dag(&self) -> bool {
        let has = |root: Value<'_>, keys: &[&str]| keys.iter().any(|key| root.entry(key).is_some());
        self.dags.iter().any(|dag| {
            let root = dag.root_value();
            let steps = root.get("steps").is_some_and(|steps| steps.is_sequence() || steps.is_map());
            (steps || has(root, TELLING)) && !has(root, FOREIGN)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_what_a_dag_is() {
        let is_dag = |text: &str| Document::parse(text, None, 0).is_dag();
        assert!(is_dag("steps:\n  - run: x\n"));
        assert!(is_dag("steps:\n  - run: [open\n"));
        assert!(is_dag("harnesses:\n  a: {binary: b}\n"));
        assert!(!is_dag("apiVersion: v1\nkind: Pod\nsteps: []\n"));
        assert!(!is_dag("runs:\n  using: composite\n  steps:\n    - run: x\n"));
        assert!(!is_dag("trigger: [main]\nsteps:\n  - script: x\n"));
        assert!(!is_dag("- a\n- b\n"));
        assert!(!is_dag("# nothing\n"));
    }
}
