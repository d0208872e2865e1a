use std::collections::HashMap;

use super::{Meta, Rule, Subject};
use crate::dag::{Dag, Graph, Place, Step};
use crate::diagnostic::Diagnostic;
use crate::text::Span;

declare_rule! {
    /// # unordered-workspace
    ///
    /// ## What it does
    /// Reports two steps without an order between them of which one writes a file that the other mentions, where both
    /// see the same files: in a shared container, or in the same directory of the host.
    ///
    /// ## Why it matters
    /// Steps without an order run at the same time. Whether the file is there, and whole, is then left to chance.
    ///
    /// ## Example
    /// ```yaml
    /// working_dir: .
    /// steps:
    ///   - id: write
    ///     run: date > stamp.txt
    ///   - id: read
    ///     run: cat stamp.txt
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// working_dir: .
    /// steps:
    ///   - id: write
    ///     run: date > stamp.txt
    ///   - id: read
    ///     run: cat stamp.txt
    ///     depends: write
    /// ```
    UnorderedWorkspace, "unordered-workspace", Warning, None
}

impl Rule for UnorderedWorkspace {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let dag = subject.dag;
        let texts: Vec<Vec<(String, Span)>> = dag.steps.iter().map(|step| texts(dag, step)).collect();
        // By workspace and file: who writes it.
        let mut writers: HashMap<(Workspace, &str), Vec<(usize, Span)>> = HashMap::new();
        for (i, step) in dag.steps.iter().enumerate() {
            for (text, span) in &texts[i] {
                for file in written_files(text) {
                    writers.entry((Workspace::of(dag, step), file)).or_default().push((i, *span));
                }
            }
        }
        if writers.is_empty() {
            return;
        }
        let implied = Graph::implied(dag);
        let mut ancestors: HashMap<usize, Vec<usize>> = HashMap::new();
        for (reader, step) in dag.steps.iter().enumerate() {
            let workspace = Workspace::of(dag, step);
            for (text, span) in &texts[reader] {
                for word in words(text) {
                    for &(writer, place) in writers.get(&(workspace, word)).into_iter().flatten() {
                        let mut before = |step: usize, other: usize| {
                            let above = ancestors.entry(other).or_insert_with(|| subject.graph.ancestors(other));
                            above.contains(&step) || implied.contains(&(other, step))
                        };
                        // Two writers of one file are reported once, at the later.
                        let both_write = written_files(text).any(|file| file == word);
                        if writer == reader
                            || before(writer, reader)
                            || before(reader, writer)
                            || (both_write && writer > reader)
                        {
                            continue;
                        }
                        let message = format!(
                            "nothing orders {} and {}, which writes `{word}`",
                            dag.label(step),
                            dag.label(&dag.steps[writer])
                        );
                        let name = dag.steps[writer].own_name();
                        let help = name.map_or_else(
                            || "give the writer an `id` and depend on it".to_owned(),
                            |name| format!("add `depends: {name}`"),
                        );
                        let diagnostic =
                            self.diagnostic(*span, message).label(place, format!("`{word}` is written here"));
                        if !found
                            .iter()
                            .any(|other| other.code == diagnostic.code && other.message == diagnostic.message)
                        {
                            found.push(diagnostic.help(help));
                        }
                    }
                }
            }
        }
    }
}

/// Which files a step sees, as far as the text tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Workspace<'a> {
    Shared,
    Host(Option<&'a str>),
    /// A container of the step's own; its number keeps it apart from all others.
    Own(u32),
}

impl<'a> Workspace<'a> {
    fn of(dag: &'a Dag, step: &'a Step) -> Self {
        match dag.place(step) {
            Place::Root(_) => Workspace::Shared,
            Place::Step(_) => Workspace::Own(step.span.start),
            Place::Host => Workspace::Host(step.working_dir.as_str()),
        }
    }
}

/// What a step runs or asks for, with the place of each text.
fn texts(dag: &Dag, step: &Step) -> Vec<(String, Span)> {
    let mut texts = Vec::new();
    let mut add = |value: crate::syntax::Value<'_>| {
        let items: Vec<_> = if value.is_sequence() { value.items().collect() } else { vec![value] };
        texts.extend(items.into_iter().filter_map(|item| Some((item.as_str()?.to_owned(), item.span()))));
    };
    for node in [step.run.get(), step.command.get()].into_iter().flatten() {
        add(dag.value(*node));
    }
    let value = step.value(dag);
    if let Some(script) = value.get("script") {
        add(script);
    }
    if let Some(prompt) =
        step.config_node().filter(|_| step.is_harness()).and_then(|with| dag.value(with).get("prompt"))
    {
        add(prompt);
    }
    texts
}

/// Relative files that a shell text redirects into. Devices, absolute paths and names with references say nothing
/// about a shared workspace.
fn written_files(text: &str) -> impl Iterator<Item = &str> {
    let pieces = text.match_indices('>').map(|(i, _)| &text[i + 1..]);
    let targets = pieces.filter_map(|rest| {
        let rest = rest.strip_prefix(['>', '|']).unwrap_or(rest).trim_start_matches([' ', '\t']);
        let end = rest.find(|c: char| c.is_whitespace() || ";|&<>()\"'`".contains(c)).unwrap_or(rest.len());
        Some(&rest[..end]).filter(|name| !name.is_empty())
    });
    targets.filter(|name| !name.starts_with(['/', '$', '~', '-', '=']) && !name.contains(['$', '*']))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let split = text.split(|c: char| c.is_whitespace() || ";|&<>()\"'`,=".contains(c));
    split.map(|word| word.trim_end_matches(['.', ':', '!', '?'])).filter(|word| !word.is_empty())
}
