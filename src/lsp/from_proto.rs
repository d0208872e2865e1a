//! What the client says, in our words.

use std::path::PathBuf;

use tower_lsp::ls_types::{
    InitializeParams, Position, PositionEncodingKind, Range, TextDocumentContentChangeEvent, Uri,
};

use crate::text::{LineCol, LineIndex, PositionEncoding, Span};

/// What the client can do that makes a difference.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Session {
    pub encoding: PositionEncoding,
    /// `window/workDoneProgress/create` may be sent.
    pub progress: bool,
    /// Code actions may be more than bare commands.
    pub action_literals: bool,
    /// Edits may say which version they are for.
    pub versioned_edits: bool,
}

pub(super) fn session(params: &InitializeParams) -> Session {
    let capabilities = &params.capabilities;
    let text_document = capabilities.text_document.as_ref();
    let workspace = capabilities.workspace.as_ref();
    // The client lists what it can do, best first; UTF-16 is what every client can do.
    let offered = capabilities.general.as_ref().and_then(|general| general.position_encodings.as_deref());
    let encoding = offered.unwrap_or_default().iter().find_map(encoding).unwrap_or_default();
    Session {
        encoding,
        progress: capabilities.window.as_ref().and_then(|window| window.work_done_progress).unwrap_or(false),
        action_literals: text_document
            .and_then(|text| text.code_action.as_ref())
            .is_some_and(|actions| actions.code_action_literal_support.is_some()),
        versioned_edits: workspace
            .and_then(|workspace| workspace.workspace_edit.as_ref())
            .and_then(|edit| edit.document_changes)
            .unwrap_or(false),
    }
}

fn encoding(kind: &PositionEncodingKind) -> Option<PositionEncoding> {
    match kind.as_str() {
        "utf-8" => Some(PositionEncoding::Utf8),
        "utf-16" => Some(PositionEncoding::Utf16),
        "utf-32" => Some(PositionEncoding::Utf32),
        _ => None,
    }
}

/// The file a document is; `None` for `untitled:` and other schemes.
pub(super) fn path(uri: &Uri) -> Option<PathBuf> {
    let file = uri.scheme().as_str().eq_ignore_ascii_case("file");
    uri.to_file_path().filter(|_| file).map(|path| path.into_owned())
}

pub(super) fn offset(text: &str, lines: &LineIndex, position: Position, encoding: PositionEncoding) -> u32 {
    lines.offset(text, LineCol { line: position.line, col: position.character }, encoding)
}

/// A range given backwards counts forwards.
pub(super) fn span(text: &str, lines: &LineIndex, range: Range, encoding: PositionEncoding) -> Span {
    let start = offset(text, lines, range.start, encoding);
    let end = offset(text, lines, range.end, encoding);
    Span { start: start.min(end), end: start.max(end) }
}

/// The text after some changes; each one speaks of the text that the one before it left.
pub(super) fn changed(text: &str, changes: Vec<TextDocumentContentChangeEvent>, encoding: PositionEncoding) -> String {
    let mut text = text.to_owned();
    for change in changes {
        match change.range {
            Some(range) => {
                let span = span(&text, &LineIndex::new(&text), range, encoding);
                text.replace_range(span.range(), &change.text);
            }
            None => text = change.text,
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(range: Option<[u32; 4]>, text: &str) -> TextDocumentContentChangeEvent {
        let range = range.map(|[a, b, c, d]| Range::new(Position::new(a, b), Position::new(c, d)));
        TextDocumentContentChangeEvent { range, range_length: None, text: text.to_owned() }
    }

    #[test]
    fn each_change_speaks_of_the_text_before_it() {
        let changes = vec![
            change(None, "ä😀\nb"),
            change(Some([0, 3, 0, 3]), "x"),
            change(Some([1, 0, 1, 1]), "c\r\n"),
            change(Some([2, 0, 9, 9]), "end"),
        ];
        assert_eq!(changed("old", changes, PositionEncoding::Utf16), "ä😀x\nc\r\nend");
    }

    #[test]
    fn positions_outside_the_text_are_taken_to_its_edge() {
        let changes = vec![change(Some([0, 9, 0, 0]), "x")];
        assert_eq!(changed("ab\n", changes, PositionEncoding::Utf8), "x\n");
        assert_eq!(changed("ab", vec![change(Some([7, 0, 7, 0]), "x")], PositionEncoding::Utf8), "abx");
    }

    #[test]
    fn only_files_have_a_path() {
        let path = |uri: &str| path(&uri.parse().expect("a URI"));
        assert_eq!(path("file:///tmp/a%20b/%C3%A4.yaml"), Some(PathBuf::from("/tmp/a b/ä.yaml")));
        assert_eq!(path("untitled:Untitled-1"), None);
    }

    #[test]
    fn the_client_chooses_the_encoding() {
        let chosen = |offered: serde_json::Value| {
            let params = serde_json::json!({"capabilities": {"general": {"positionEncodings": offered}}});
            session(&serde_json::from_value(params).expect("parameters")).encoding
        };
        assert_eq!(chosen(serde_json::json!(["utf-9", "utf-32", "utf-16"])), PositionEncoding::Utf32);
        assert_eq!(chosen(serde_json::json!([])), PositionEncoding::Utf16);
    }
}
