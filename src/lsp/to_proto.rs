//! What we have to say, in the client's words.

use std::collections::HashMap;

use serde_json::json;
use tower_lsp::ls_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, Command, CompletionItem, CompletionItemKind, CompletionItemTag,
    CompletionTextEdit, Diagnostic as ProtoDiagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag,
    DocumentChanges, DocumentSymbol, Documentation, Hover as ProtoHover, HoverContents, Location, MarkupContent,
    MarkupKind, NumberOrString, OneOf, OptionalVersionedTextDocumentIdentifier, Position, PositionEncodingKind, Range,
    SymbolKind as ProtoSymbolKind, TextDocumentEdit, TextEdit, WorkspaceEdit,
};

use super::ext::{DRY_RUN, RUN_DAG, RUN_STEP};
use super::from_proto::Session;
use super::runs::Mark;
use super::state::Snapshot;
use crate::diagnostic::{Diagnostic, Severity};
use crate::ide::actions::Action;
use crate::ide::completion::{CompletionKind, Completions};
use crate::ide::hover::Hover;
use crate::ide::symbols::{Symbol, SymbolKind};
use crate::text::{Edit, PositionEncoding, Span};

/// Named in every diagnostic about the text.
const SOURCE: &str = "saddler";
/// Named in what the last run said.
const RUN_SOURCE: &str = "saddler run";

pub(super) fn encoding(encoding: PositionEncoding) -> PositionEncodingKind {
    match encoding {
        PositionEncoding::Utf8 => PositionEncodingKind::UTF8,
        PositionEncoding::Utf16 => PositionEncodingKind::UTF16,
        PositionEncoding::Utf32 => PositionEncodingKind::UTF32,
    }
}

/// Turns spans of one text into ranges of the client.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a> {
    pub snapshot: &'a Snapshot,
    pub session: Session,
}

impl Writer<'_> {
    pub fn range(self, span: Span) -> Range {
        let document = self.snapshot.document();
        let position = |offset| {
            let place = document.lines.position(&document.text, offset, self.session.encoding);
            Position::new(place.line, place.col)
        };
        Range::new(position(span.start), position(span.end))
    }

    pub fn location(self, span: Span) -> Location {
        Location::new(self.snapshot.uri.clone(), self.range(span))
    }

    pub fn diagnostic(self, diagnostic: &Diagnostic) -> ProtoDiagnostic {
        let Diagnostic { code, severity, span, message, help, labels, .. } = diagnostic;
        let related = labels.iter().map(|label| DiagnosticRelatedInformation {
            location: self.location(label.span),
            message: label.message.clone(),
        });
        ProtoDiagnostic {
            range: self.range(*span),
            severity: Some(to_severity(*severity)),
            code: Some(NumberOrString::String((*code).to_owned())),
            source: Some(SOURCE.to_owned()),
            message: match help {
                Some(help) => format!("{message}\nhint: {help}"),
                None => message.clone(),
            },
            related_information: (!labels.is_empty()).then(|| related.collect()),
            tags: code.split('-').any(|word| word == "deprecated").then(|| vec![DiagnosticTag::DEPRECATED]),
            ..ProtoDiagnostic::default()
        }
    }

    /// `None` for a step that is not in the text any more.
    pub fn mark(self, mark: &Mark) -> Option<ProtoDiagnostic> {
        Some(ProtoDiagnostic {
            range: self.range(mark.span(self.snapshot.document())?),
            severity: Some(to_severity(mark.severity)),
            source: Some(RUN_SOURCE.to_owned()),
            message: mark.message.clone(),
            ..ProtoDiagnostic::default()
        })
    }

    pub fn action(self, action: &Action) -> Option<CodeActionOrCommand> {
        let title = action.title();
        let uri = self.snapshot.uri.as_str();
        let command = match action {
            Action::Fix { diagnostic, fix, preferred } => {
                return self.session.action_literals.then(|| {
                    CodeActionOrCommand::CodeAction(CodeAction {
                        title,
                        kind: Some(CodeActionKind::QUICKFIX),
                        diagnostics: Some(vec![self.diagnostic(diagnostic)]),
                        edit: Some(self.workspace_edit(&fix.edits)),
                        is_preferred: Some(*preferred),
                        ..CodeAction::default()
                    })
                });
            }
            Action::RunStep { step } => {
                Command::new(title.clone(), RUN_STEP.to_owned(), Some(vec![json!({"uri": uri, "step": step})]))
            }
            Action::RunDag => Command::new(title.clone(), RUN_DAG.to_owned(), Some(vec![json!({"uri": uri})])),
            Action::DryRun => Command::new(title.clone(), DRY_RUN.to_owned(), Some(vec![json!({"uri": uri})])),
        };
        Some(if self.session.action_literals {
            CodeActionOrCommand::CodeAction(CodeAction { title, command: Some(command), ..CodeAction::default() })
        } else {
            CodeActionOrCommand::Command(command)
        })
    }

    pub fn workspace_edit(self, edits: &[Edit]) -> WorkspaceEdit {
        let edits = edits.iter().map(|edit| TextEdit::new(self.range(edit.span), edit.text.clone()));
        let uri = self.snapshot.uri.clone();
        if !self.session.versioned_edits {
            return WorkspaceEdit::new(HashMap::from([(uri, edits.collect())]));
        }
        let edit = TextDocumentEdit {
            text_document: OptionalVersionedTextDocumentIdentifier { uri, version: Some(self.snapshot.version) },
            edits: edits.map(OneOf::Left).collect(),
        };
        WorkspaceEdit { document_changes: Some(DocumentChanges::Edits(vec![edit])), ..WorkspaceEdit::default() }
    }

    pub fn hover(self, hover: Hover) -> ProtoHover {
        let contents = MarkupContent { kind: MarkupKind::Markdown, value: hover.markdown };
        ProtoHover { contents: HoverContents::Markup(contents), range: Some(self.range(hover.span)) }
    }

    pub fn completions(self, completions: Completions) -> Vec<CompletionItem> {
        let range = self.range(completions.span);
        let items = completions.items.into_iter().enumerate().map(|(index, item)| CompletionItem {
            label: item.label,
            kind: Some(match item.kind {
                CompletionKind::Key => CompletionItemKind::PROPERTY,
                CompletionKind::Choice => CompletionItemKind::ENUM_MEMBER,
                CompletionKind::Action => CompletionItemKind::FUNCTION,
                CompletionKind::Provider => CompletionItemKind::MODULE,
                CompletionKind::Step => CompletionItemKind::REFERENCE,
            }),
            detail: item.detail,
            documentation: item.doc.map(Documentation::String),
            tags: item.deprecated.then(|| vec![CompletionItemTag::DEPRECATED]),
            // Clients sort by the label unless told otherwise.
            sort_text: Some(format!("{index:04}")),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit::new(range, item.insert))),
            ..CompletionItem::default()
        });
        items.collect()
    }

    pub fn symbol(self, symbol: &Symbol) -> DocumentSymbol {
        // The old flag must be filled in to make the struct at all.
        #[expect(deprecated)]
        DocumentSymbol {
            name: symbol.name.clone(),
            detail: symbol.detail.clone(),
            kind: match symbol.kind {
                SymbolKind::Document => ProtoSymbolKind::MODULE,
                SymbolKind::Step => ProtoSymbolKind::FUNCTION,
                SymbolKind::Handler => ProtoSymbolKind::EVENT,
            },
            tags: None,
            deprecated: None,
            range: self.range(symbol.span),
            selection_range: self.range(symbol.selection),
            children: (!symbol.children.is_empty())
                .then(|| symbol.children.iter().map(|child| self.symbol(child)).collect()),
        }
    }
}

fn to_severity(severity: Severity) -> DiagnosticSeverity {
    match severity {
        Severity::Error => DiagnosticSeverity::ERROR,
        Severity::Warning => DiagnosticSeverity::WARNING,
        Severity::Info => DiagnosticSeverity::INFORMATION,
    }
}
