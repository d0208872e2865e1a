//! Plain scalars in block context.

use super::{Parser, SYNTAX};
use crate::diagnostic::{Applicability, Diagnostic};
use crate::syntax::scalar::{number, resolve_plain};
use crate::syntax::tree::{NodeId, NodeKind, ScalarStyle};
use crate::text::{Edit, Span};

impl Parser<'_> {
    /// A plain scalar in block context, over as many lines as are deeper than `indent`.
    pub(super) fn plain(&mut self, indent: isize) -> NodeId {
        let start = self.pos;
        if let first @ (b'@' | b'`') = self.peek() {
            let span = Span::new(start, start + self.text[start..self.line_end(start)].trim_end().len());
            self.needs_quotes(span, format!("text cannot begin with `{}`", first as char));
        }
        let mut end = self.plain_line(true);
        let first = Span::new(start, end);
        let mut folded: Option<String> = None;
        while let Some((line, breaks)) = self.continuation(indent) {
            self.pos = line;
            self.line_start =
                self.src[..line].iter().rposition(|&byte| byte == b'\n' || byte == b'\r').map_or(0, |i| i + 1);
            let line_end = self.plain_line(false);
            let text = folded.get_or_insert_with(|| without_tabs(first.text(self.text)));
            match breaks {
                1 => text.push(' '),
                _ => text.extend(std::iter::repeat_n('\n', breaks - 1)),
            }
            text.push_str(&without_tabs(&self.text[line..line_end]));
            end = line_end;
        }
        let span = Span::new(start, end);
        let kind = match folded {
            Some(text) => NodeKind::Owned(text.into()),
            None if first.text(self.text).contains('\t') => {
                let text = without_tabs(first.text(self.text));
                match number(&text) {
                    Some(number) => NodeKind::Number(number),
                    None => NodeKind::Owned(text.into()),
                }
            }
            None => resolve_plain(first.text(self.text), first),
        };
        self.add(span, ScalarStyle::Plain, kind)
    }

    /// Reads plain text to the end of the line or a comment; returns the end of its last word.
    pub(super) fn plain_line(&mut self, report_colon: bool) -> usize {
        let start = self.pos;
        let mut i = start;
        let mut colon = None;
        while !self.is_break(i) {
            match self.src[i] {
                b'#' if i > start && matches!(self.src[i - 1], b' ' | b'\t') => break,
                b':' if colon.is_none() && self.is_gap(i + 1) => colon = Some(i),
                _ => {}
            }
            i += 1;
        }
        self.pos = i;
        let end = start + self.text[start..i].trim_end_matches([' ', '\t']).len();
        if report_colon && colon.is_some() {
            let span = Span::new(start, end);
            self.needs_quotes(span, "text that holds a colon and a space must be quoted".to_owned());
        }
        end
    }

    pub(super) fn needs_quotes(&mut self, span: Span, message: String) {
        let text = span.text(self.text);
        let quoted = if text.contains('\'') && !text.contains(['"', '\\']) {
            format!("\"{text}\"")
        } else {
            format!("'{}'", text.replace('\'', "''"))
        };
        self.error(Diagnostic::error(SYNTAX, span, message).help(format!("write {quoted}")).fix(
            "put the text in quotes",
            Applicability::Safe,
            vec![Edit::replace(span, quoted)],
        ));
    }

    /// Where the next line of a plain scalar begins, and how many line breaks lie before it.
    pub(super) fn continuation(&self, indent: isize) -> Option<(usize, usize)> {
        let mut at = self.pos;
        if !self.is_break(at) {
            return None; // a comment ended the text
        }
        let mut breaks = 0;
        loop {
            if at >= self.src.len() {
                return None;
            }
            at = self.after_break(at);
            breaks += 1;
            let line = at;
            while matches!(self.byte(at), b' ' | b'\t') && at < self.src.len() {
                at += 1;
            }
            if at >= self.src.len() {
                return None;
            }
            if self.is_break(at) {
                continue;
            }
            let column = at - line;
            let marker = column == 0
                && matches!(&self.src[at..], [b'-', b'-', b'-', ..] | [b'.', b'.', b'.', ..])
                && self.is_gap(at + 3);
            let stops = column as isize <= indent || marker || self.src[at] == b'#' || self.implicit_key(at).is_some();
            return (!stops).then_some((at, breaks));
        }
    }
}

/// A tab inside plain text disappears, as in Dagu's reader.
fn without_tabs(text: &str) -> String {
    text.replace('\t', "")
}
