//! What is known about the thing under a caret: its field, the command line of an agent step, the rule behind a finding.

use serde_json::Value as Json;

use super::route::{self, Spot};
use super::{dag_at, step_at};
use crate::dag::{Dag, Role, StepRef};
use crate::diagnostic::Diagnostic;
use crate::document::Document;
use crate::harness::{Command, HarnessStep, Place, Position, Root};
use crate::rules::{self, RULES};
use crate::schema::fields::{Field, Fields};
use crate::syntax::Segment;
use crate::text::Span;

/// Markdown, and the text it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    pub markdown: String,
    pub span: Span,
}

/// Keys of a step whose hover shows what program will run.
const TELLING: [&str; 4] = ["action", "type", "with", "provider"];

pub fn hover(document: &Document, diagnostics: &[Diagnostic], offset: u32) -> Option<Hover> {
    if !document.is_dag() {
        return None;
    }
    let spot = dag_at(document, offset).and_then(|dag| Some((dag, route::spot(dag, offset)?)));
    let mut parts = Vec::new();
    if let Some((dag, spot)) = &spot {
        let named = spot.on_key || spot.value.scalar_text().is_some();
        parts.extend(field(dag, &spot.path).filter(|_| named).map(describe));
        parts.extend(command(document, spot, offset));
    }
    let mut about: Vec<&Diagnostic> = diagnostics.iter().filter(|found| found.span.touches(offset as usize)).collect();
    about.dedup_by_key(|found| found.code);
    parts.extend(about.iter().filter_map(|found| rule(found.code)));
    let place = spot.map(|(_, spot)| spot.span).or_else(|| about.first().map(|found| found.span))?;
    (!parts.is_empty()).then(|| Hover { markdown: parts.join("\n\n---\n\n"), span: place })
}

fn field(dag: &Dag, path: &[Segment]) -> Option<&'static Field> {
    let fields = Fields::get();
    // An entry of a list is explained by its list.
    let end = path.iter().rposition(|segment| matches!(segment, Segment::Key(_)))?;
    fields.field(route::field_at(dag, &path[..=end])?)
}

fn describe(field: &Field) -> String {
    let mut text = format!("**{}** ({})\n\n{}", field.name(), route::summary(field), field.doc);
    if let Some(instead) = &field.deprecated {
        text.push_str(&format!("\n\nDeprecated: {instead}"));
    }
    if field.refs {
        text.push_str("\n\nReferences such as `${params.name}` are filled in.");
    }
    text
}

/// The page of a rule, as `saddler explain` prints it.
fn rule(code: &str) -> Option<String> {
    let meta = RULES.iter().map(|rule| rule.meta()).find(|meta| meta.code == code)?;
    Some(meta.docs.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n"))
}

/// The exact command lines of an agent step, references left as they are written.
fn command(document: &Document, spot: &Spot<'_>, offset: u32) -> Option<String> {
    let Some(Segment::Key(key)) = spot.path.last() else { return None };
    let (dag, found) = step_at(document, offset).filter(|_| TELLING.contains(&key.as_str()))?;
    if !found.step.is_harness() {
        return None;
    }
    let (root, _) = Root::read(&rules::harness_root(dag));
    let Json::Object(written) = dag.value(found.step.node).to_json() else { return None };
    let position = match found {
        StepRef { role: Role::Handler(_), .. } => Position::Handler,
        _ => Position::Step,
    };
    let step = HarnessStep::read(&written, &root, position);
    let place = match step.place() {
        Place::Host => "on the host",
        Place::Container => "in its container",
    };
    let plan = match step.plan(&root.providers, &|text| Ok(text.to_owned())) {
        Ok(plan) => plan,
        Err(problem) => return Some(format!("Runs nothing: {problem}")),
    };
    let attempts = plan.attempts.iter().enumerate().map(|(index, attempt)| {
        let lead = match index {
            0 => format!("Runs {place}, without a shell:"),
            _ => format!("If that fails, `{}`:", attempt.provider),
        };
        match &attempt.command {
            Ok(command) => format!("{lead}\n{}", fenced(command)),
            Err(refusal) => format!("{lead} nothing: {refusal}"),
        }
    });
    Some(attempts.collect::<Vec<_>>().join("\n\n"))
}

fn fenced(command: &Command) -> String {
    let line = command.to_string();
    // A fence must be longer than any run of backticks inside.
    let longest = line.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let stdin = command.stdin.as_ref().map(|stdin| format!("\n\nwith {} bytes on its standard input", stdin.len()));
    format!("{fence}sh\n{line}\n{fence}{}", stdin.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::caret;
    use super::*;

    fn markdown(text: &str) -> Option<String> {
        let (document, offset) = caret(text);
        hover(&document, &rules::check(&document), offset).map(|hover| hover.markdown)
    }

    #[test]
    fn a_key_and_its_value_are_explained() {
        let text = "type: ch|>ain\nsteps:\n  - run: x\n";
        insta::assert_snapshot!(markdown(text).unwrap_or_default(), @r"
        **type** (`graph`, `chain`, `agent`, `build`; default: `graph`)

        How steps are ordered: explicit graph, strict chain, LLM-driven agent or file-based build.
        ");
    }

    #[test]
    fn an_agent_step_shows_its_command_lines() {
        let text = "\
harness:
  provider: claude
  model: sonnet
  fallback:
    - provider: codex
steps:
  - action: harness.ru|>n
    with:
      prompt: say \"it's `done`\" to ${params.who}
";
        insta::assert_snapshot!(markdown(text).unwrap_or_default(), @r##"
        **action** (text)

        Which action to run: built-in, custom or remote.

        ---

        Runs on the host, without a shell:
        ```sh
        claude -p 'say "it'\''s `done`" to ${params.who}' --model sonnet
        ```

        If that fails, `codex`:
        ```sh
        codex exec 'say "it'\''s `done`" to ${params.who}' --skip-git-repo-check
        ```
        "##);
    }

    #[test]
    fn an_agent_step_that_cannot_run_says_why() {
        let text = "steps:\n  - action: harness.run\n    with:\n      provi|>der: claude\n      prompt: ''\n";
        assert!(markdown(text).is_some_and(|text| text.contains("Runs nothing: ")), "{:?}", markdown(text));
    }

    #[test]
    fn a_finding_brings_the_page_of_its_rule() {
        let text = "steps:\n  - id: a\n    run: x\n    depends: no|>pe\n";
        let found = markdown(text).unwrap_or_default();
        assert!(found.contains("# undefined-dependency") && found.contains("## Use instead"), "{found}");
        assert!(found.starts_with("**depends**"), "{found}");
    }

    #[test]
    fn where_nothing_is_known_nothing_is_said() {
        assert_eq!(markdown("steps:\n  - run: x\n\n|>\n"), None);
        assert_eq!(markdown("jobs: 1\nsteps: |>[]\n"), None);
    }
}
