//! Findings for people: source excerpts drawn by miette, and the one-line form that scripts match on.

use std::fmt;
use std::io::{self, Write};

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan,
    SpanContents,
};

use crate::diagnostic::{Diagnostic, Severity};
use crate::document::Document;
use crate::text::PositionEncoding;

/// How a terminal wants to be written to.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    pub colour: bool,
    pub unicode: bool,
    /// In columns.
    pub width: usize,
}

/// Writes every finding with its excerpt.
///
/// # Errors
/// The writer's.
pub fn write(out: &mut impl Write, document: &Document, diagnostics: &[Diagnostic], style: Style) -> io::Result<()> {
    let theme = match (style.colour, style.unicode) {
        (true, _) => GraphicalTheme::unicode(),
        (false, true) => GraphicalTheme::unicode_nocolor(),
        (false, false) => GraphicalTheme::none(),
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(style.width.max(40)).with_context_lines(1);
    let source = Source { name: name(document), document };
    for diagnostic in diagnostics {
        let mut text = String::new();
        let report = Report { diagnostic, source: &source };
        if handler.render_report(&mut text, &report).is_err() {
            text = line(document, diagnostic) + "\n";
        }
        writeln!(out, "{}", text.trim_end())?;
        writeln!(out)?;
    }
    Ok(())
}

/// `file:line:column: message (help) [code]`; line and column are one-based, columns count characters.
pub fn line(document: &Document, diagnostic: &Diagnostic) -> String {
    let place = document.lines.position(&document.text, diagnostic.span.start, PositionEncoding::Utf32);
    let help = diagnostic.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
    let Diagnostic { message, code, .. } = diagnostic;
    format!("{}:{}:{}: {message}{help} [{code}]", name(document), place.line + 1, place.col + 1)
}

/// The path as given, or `<stdin>`.
pub fn name(document: &Document) -> String {
    document.path.as_deref().map_or_else(|| "<stdin>".to_owned(), |path| path.display().to_string())
}

/// The summary line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub n_files: usize,
    pub n_errors: usize,
    pub n_warnings: usize,
    pub n_infos: usize,
}

impl Counts {
    pub fn add(&mut self, diagnostics: &[Diagnostic]) {
        for diagnostic in diagnostics {
            match diagnostic.severity {
                Severity::Error => self.n_errors += 1,
                Severity::Warning => self.n_warnings += 1,
                Severity::Info => self.n_infos += 1,
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        let found = [(self.n_errors, "error"), (self.n_warnings, "warning"), (self.n_infos, "note")];
        let found: Vec<_> = found.into_iter().filter(|&(n, _)| n > 0).map(|(n, word)| plural(n, word)).collect();
        let found = if found.is_empty() { "nothing found".to_owned() } else { found.join(", ") };
        write!(f, "checked {}: {found}", plural(self.n_files, "file"))
    }
}

/// The text of a document for miette, which by itself counts the bytes of a column.
#[derive(Debug)]
struct Source<'a> {
    name: String,
    document: &'a Document,
}

impl SourceCode for Source<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        n_before: usize,
        n_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let Document { text, lines, .. } = self.document;
        let read = (**text).read_span(span, n_before, n_after)?;
        let place = lines.position(text, read.span().offset() as u32, PositionEncoding::Utf32);
        let contents = MietteSpanContents::new_named(
            self.name.clone(),
            read.data(),
            *read.span(),
            read.line(),
            place.col as usize,
            read.line_count(),
        );
        Ok(Box::new(contents.with_language("yaml")))
    }
}

#[derive(Debug)]
struct Report<'a> {
    diagnostic: &'a Diagnostic,
    source: &'a Source<'a>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Info => miette::Severity::Advice,
        })
    }

    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.diagnostic.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let main = LabeledSpan::new_primary_with_span(None, self.diagnostic.span.range());
        let others = self.diagnostic.labels.iter();
        let others = others.map(|label| LabeledSpan::new_with_span(Some(label.message.clone()), label.span.range()));
        Some(Box::new(std::iter::once(main).chain(others)))
    }
}
