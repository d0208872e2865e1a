//! `saddler check`, `saddler validate`, `saddler explain`, `saddler schema`.

use std::io::{IsTerminal, Read, Write};
use std::path::Path;

use super::{CheckArgs, CheckFormat, ExitStatus, ExplainArgs, ValidateArgs};
use crate::diagnostic::{Gate, Severity, nearest};
use crate::document::Document;
use crate::report::check_json::JsonReport;
use crate::report::{check_json, check_text};
use crate::rules::{self, RULES};
use crate::values::notices::Class;
use crate::workspace;

pub(super) fn check(arguments: &CheckArgs) -> ExitStatus {
    let mut error = anstream::stderr().lock();
    let mut status = ExitStatus::Success;
    let mut documents = Vec::new();
    let (stdin, paths): (Vec<_>, Vec<_>) = arguments.paths.iter().cloned().partition(|path| path == Path::new("-"));
    if !stdin.is_empty() {
        let mut bytes = Vec::new();
        match std::io::stdin().lock().read_to_end(&mut bytes) {
            Ok(_) => documents.push(Document::parse(&String::from_utf8_lossy(&bytes), None, 0)),
            Err(source) => {
                let _ = writeln!(error, "error: cannot read standard input: {source}");
                return ExitStatus::Error;
            }
        }
    }
    let found = match workspace::find(&paths) {
        Ok(found) => found,
        Err(problem) => {
            let _ = writeln!(error, "error: {problem}");
            return ExitStatus::Error;
        }
    };
    for file in found {
        match workspace::read(&file.path) {
            Ok(document) if file.named || document.is_dag() => documents.push(document),
            Ok(_) => {}
            Err(problem) => {
                let _ = writeln!(error, "error: {problem}");
                status = ExitStatus::Error;
            }
        }
    }
    let mut stdout = anstream::stdout().lock();
    let mut json = JsonReport::default();
    let mut counts = check_text::Counts { n_files: documents.len(), ..Default::default() };
    for document in &documents {
        let diagnostics = rules::check(document);
        counts.add(&diagnostics);
        let written = match arguments.format {
            CheckFormat::Text => check_text::write(&mut stdout, document, &diagnostics, text_style()),
            CheckFormat::Json => {
                json.add(document, &diagnostics);
                Ok(())
            }
        };
        if written.is_err() {
            // A closed pipe: whoever read has seen enough.
            break;
        }
    }
    let _ = match arguments.format {
        CheckFormat::Text => writeln!(stdout, "{counts}"),
        CheckFormat::Json => check_json::write(&mut stdout, &json),
    };
    match status {
        ExitStatus::Success if counts.n_errors > 0 => ExitStatus::Failure,
        status => status,
    }
}

fn text_style() -> check_text::Style {
    let terminal = std::io::stdout().is_terminal();
    check_text::Style {
        colour: terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        unicode: terminal,
        width: if terminal { miette_width() } else { 120 },
    }
}

fn miette_width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100)
}

/// Dagu's own spelling: one file, nothing on standard output, 0 accepted, 1 refused.
pub(super) fn validate(arguments: &ValidateArgs) -> ExitStatus {
    let mut error = anstream::stderr().lock();
    let file = arguments.file.display();
    let document = match workspace::read(&arguments.file) {
        Ok(document) => document,
        Err(problem) => {
            let _ = writeln!(error, "Error: Validation failed for {file}\n- {problem}");
            return ExitStatus::Failure;
        }
    };
    let diagnostics = rules::check(&document);
    let refusals = diagnostics.iter().filter(|found| matches!(found.gate, Gate::Load | Gate::Validate));
    let mut refused = false;
    for found in refusals {
        let lead = if refused { "  " } else { "- " };
        if !refused {
            let _ = writeln!(error, "Error: Validation failed for {file}");
        }
        refused = true;
        let _ = writeln!(error, "{lead}{}", check_text::line(&document, found));
    }
    if refused {
        return ExitStatus::Failure;
    }
    // References that stay text are told on standard error, and change nothing about the verdict.
    for (place, notice) in rules::notices(&document) {
        if arguments.show_unresolved || notice.class == Class::Defect {
            let line = document.lines.line(place.start) + 1;
            let _ = writeln!(error, "Warning: {file}:{line}: {}", notice.message);
        }
    }
    ExitStatus::Success
}

pub(super) fn explain(arguments: &ExplainArgs) -> ExitStatus {
    match RULES.iter().map(|rule| rule.meta()).find(|meta| meta.code == arguments.code) {
        Some(meta) => {
            let severity = match meta.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "info",
            };
            let docs: String =
                meta.docs.lines().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect();
            let _ = write!(anstream::stdout().lock(), "{}\nSeverity: {severity}\n", docs.trim_end().to_owned() + "\n");
            ExitStatus::Success
        }
        None => {
            let codes = RULES.iter().map(|rule| rule.meta().code);
            let hint = match nearest(&arguments.code, codes.clone()) {
                Some(code) => format!("did you mean `{code}`?"),
                None => format!("the rules are: {}", codes.collect::<Vec<_>>().join(", ")),
            };
            let _ = writeln!(anstream::stderr().lock(), "error: no rule is called `{}`\nhint: {hint}", arguments.code);
            ExitStatus::Error
        }
    }
}

pub(super) fn schema() -> ExitStatus {
    // A closed pipe is no failure.
    let _ = anstream::stdout().lock().write_all(include_bytes!("../../schema/dag.schema.json"));
    ExitStatus::Success
}
