//! Findings for programs: one JSON document, in wire structs of its own so that the core may change freely.

use std::io::{self, Write};

use serde::Serialize;

use super::check_text::name;
use crate::diagnostic::{Applicability, Diagnostic, Severity};
use crate::document::Document;
use crate::text::{PositionEncoding, Span};

/// The whole report. `schema` grows when a field changes its meaning or goes away; new fields do not count.
#[derive(Debug, Serialize)]
pub struct JsonReport {
    schema: u32,
    files: Vec<JsonFile>,
}

impl Default for JsonReport {
    fn default() -> Self {
        JsonReport { schema: 1, files: Vec::new() }
    }
}

#[derive(Debug, Serialize)]
struct JsonFile {
    path: String,
    diagnostics: Vec<JsonDiagnostic>,
}

#[derive(Debug, Serialize)]
struct JsonDiagnostic {
    code: &'static str,
    severity: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    range: JsonRange,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<JsonRelated>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<JsonFix>,
}

/// One-based lines and columns, columns in characters; zero-based byte offsets. The end is exclusive.
#[derive(Debug, Serialize)]
struct JsonRange {
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    offset: u32,
    end_offset: u32,
}

#[derive(Debug, Serialize)]
struct JsonRelated {
    message: String,
    range: JsonRange,
}

#[derive(Debug, Serialize)]
struct JsonFix {
    title: String,
    safe: bool,
    edits: Vec<JsonEdit>,
}

#[derive(Debug, Serialize)]
struct JsonEdit {
    range: JsonRange,
    text: String,
}

impl JsonReport {
    pub fn add(&mut self, document: &Document, diagnostics: &[Diagnostic]) {
        let range = |span: Span| {
            let start = document.lines.position(&document.text, span.start, PositionEncoding::Utf32);
            let end = document.lines.position(&document.text, span.end, PositionEncoding::Utf32);
            JsonRange {
                line: start.line + 1,
                column: start.col + 1,
                end_line: end.line + 1,
                end_column: end.col + 1,
                offset: span.start,
                end_offset: span.end,
            }
        };
        let diagnostics = diagnostics.iter().map(|diagnostic| JsonDiagnostic {
            code: diagnostic.code,
            severity: match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "info",
            },
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
            range: range(diagnostic.span),
            related: diagnostic
                .labels
                .iter()
                .map(|label| JsonRelated { message: label.message.clone(), range: range(label.span) })
                .collect(),
            fix: diagnostic.fix.as_ref().map(|fix| JsonFix {
                title: fix.title.clone(),
                safe: fix.applicability == Applicability::Safe,
                edits: fix
                    .edits
                    .iter()
                    .map(|edit| JsonEdit { range: range(edit.span), text: edit.text.clone() })
                    .collect(),
            }),
        });
        self.files.push(JsonFile { path: name(document), diagnostics: diagnostics.collect() });
    }
}

/// # Errors
/// The writer's.
pub fn write(out: &mut impl Write, report: &JsonReport) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report).map_err(io::Error::from)?;
    writeln!(out)
}
