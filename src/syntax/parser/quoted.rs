//! Scalars in quotes.

use super::{Parser, SYNTAX};
use crate::diagnostic::{Applicability, Diagnostic};
use crate::syntax::tree::{NodeId, NodeKind, ScalarStyle};
use crate::text::{Edit, Span};

impl Parser<'_> {
    /// Reads the quoted scalar at the current token. `indent` is the column of the entry it belongs to: a line that
    /// is not deeper and looks like an entry of its own shows that the quote was never closed.
    pub(super) fn quoted(&mut self, quote: u8, indent: isize) -> NodeId {
        let open = self.pos;
        let style = if quote == b'"' { ScalarStyle::DoubleQuoted } else { ScalarStyle::SingleQuoted };
        let mut i = open + 1;
        // Without escapes and line breaks the text is in the source as it is.
        while i < self.src.len() {
            let byte = self.src[i];
            if byte == quote && !(quote == b'\'' && self.byte(i + 1) == b'\'') {
                let inner = Span::new(open + 1, i);
                self.pos = i + 1;
                if quote == b'"' && inner.text(self.text).contains('\t') {
                    self.check_tab(Span::new(open, i + 1));
                }
                return self.add(Span::new(open, i + 1), style, NodeKind::Source(inner));
            }
            if byte == quote || byte == b'\n' || byte == b'\r' || (byte == b'\\' && quote == b'"') {
                break;
            }
            i += 1;
        }
        let mut text = self.text[open + 1..i.min(self.src.len())].to_owned();
        loop {
            if i >= self.src.len() {
                return self.unclosed(open, style);
            }
            match self.src[i] {
                b'\'' if quote == b'\'' && self.byte(i + 1) == b'\'' => {
                    text.push('\'');
                    i += 2;
                }
                byte if byte == quote => break,
                b'\\' if quote == b'"' => match self.escape(i, &mut text) {
                    Some(next) => i = next,
                    None => return self.unclosed(open, style),
                },
                b'\n' | b'\r' => {
                    let windows = self.byte(i) == b'\r' && self.byte(i + 1) == b'\n';
                    let kept = text.trim_end_matches([' ', '\t']).len();
                    text.truncate(kept);
                    let mut breaks = 0;
                    let mut line = i;
                    while i < self.src.len() && matches!(self.src[i], b'\n' | b'\r' | b' ' | b'\t') {
                        if matches!(self.src[i], b'\n' | b'\r') {
                            breaks += 1;
                            i = self.after_break(i);
                            line = i;
                        } else {
                            i += 1;
                        }
                    }
                    let looks_new = self.implicit_key(i).is_some() || (self.byte(i) == b'-' && self.is_gap(i + 1));
                    if indent >= 0 && (i - line) as isize <= indent && looks_new {
                        return self.unclosed(open, style);
                    }
                    match breaks {
                        // Dagu's reader folds a line break to a space, but leaves a Windows one a line feed.
                        1 => text.push(if windows { '\n' } else { ' ' }),
                        _ => text.extend(std::iter::repeat_n('\n', breaks - 1)),
                    }
                }
                _ => {
                    let next = self.text[i..].chars().next().map_or(1, char::len_utf8);
                    text.push_str(&self.text[i..i + next]);
                    i += next;
                }
            }
        }
        self.pos = i + 1;
        self.sync_line();
        let span = Span::new(open, i + 1);
        if quote == b'"' && span.text(self.text).contains('\t') {
            self.check_tab(span);
        }
        self.add(span, style, NodeKind::Owned(text.into()))
    }

    /// After a scalar over several lines: where the current line began.
    pub(super) fn sync_line(&mut self) {
        let from = self.line_start;
        if let Some(i) = self.src[from..self.pos].iter().rposition(|&byte| byte == b'\n' || byte == b'\r') {
            self.line_start = from + i + 1;
        }
    }

    /// A raw tab in double quotes makes Dagu's reader swallow the character behind the closing quote.
    fn check_tab(&mut self, span: Span) {
        let behind = span.end as usize;
        if behind >= self.src.len() || self.src[behind] == b' ' {
            return;
        }
        let edits = span
            .text(self.text)
            .match_indices('\t')
            .map(|(i, _)| Edit::replace(Span::new(span.start as usize + i, span.start as usize + i + 1), "\\t"));
        let edits = edits.collect();
        self.error(
            Diagnostic::error(SYNTAX, span, "a raw tab inside double quotes breaks the value").help("write `\\t`").fix(
                "write the tab as `\\t`",
                Applicability::Safe,
                edits,
            ),
        );
    }

    /// Reports the quote at `open` and takes the rest of its line as the text.
    fn unclosed(&mut self, open: usize, style: ScalarStyle) -> NodeId {
        let end = open + self.text[open..self.line_end(open)].trim_end().len();
        let quote = &self.text[open..=open];
        self.syntax_error(
            Span::new(open, end.max(open + 1)),
            "this quote is never closed",
            &format!("close it with `{quote}`, or put text that holds one in the other kind of quotes"),
        );
        self.pos = self.line_end(open);
        let span = Span::new(open, end.max(open + 1));
        self.flow_broken = true;
        self.add(span, style, NodeKind::Source(Span::new(open + 1, end.max(open + 1))))
    }

    /// Reads the escape whose backslash is at `at`; gives the place behind it, `None` at the end of the text.
    fn escape(&mut self, at: usize, text: &mut String) -> Option<usize> {
        let c = self.text.get(at + 1..).and_then(|rest| rest.chars().next())?;
        let simple = match c {
            '0' => '\0',
            'a' => '\x07',
            'b' => '\x08',
            't' | '\t' => '\t',
            'n' => '\n',
            'v' => '\x0b',
            'f' => '\x0c',
            'r' => '\r',
            'e' => '\x1b',
            ' ' | '"' | '/' | '\\' => c,
            'N' => '\u{85}',
            '_' => '\u{a0}',
            'L' => '\u{2028}',
            'P' => '\u{2029}',
            '\n' | '\r' => {
                let mut next = self.after_break(at + 1);
                while matches!(self.byte(next), b' ' | b'\t') && next < self.src.len() {
                    next += 1;
                }
                return Some(next);
            }
            'x' => return Some(self.hex_escape(at, 2, text)),
            'u' => return Some(self.hex_escape(at, 4, text)),
            'U' => return Some(self.hex_escape(at, 8, text)),
            _ => {
                let span = Span::new(at, at + 1 + c.len_utf8());
                self.error(
                    Diagnostic::error(SYNTAX, span, format!("`\\{c}` is no escape"))
                        .help("double the backslash, or use single quotes")
                        .fix("double the backslash", Applicability::Safe, vec![Edit::insert(span.start, "\\")]),
                );
                text.push('\\');
                text.push(c);
                return Some(span.end as usize);
            }
        };
        text.push(simple);
        Some(at + 2)
    }

    fn hex_escape(&mut self, at: usize, digits: usize, text: &mut String) -> usize {
        let value = |parser: &Self, from: usize, n: usize| {
            parser
                .text
                .get(from..from + n)
                .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .and_then(|hex| u32::from_str_radix(hex, 16).ok())
        };
        let end = at + 2 + digits;
        let Some(code) = value(self, at + 2, digits) else {
            let span = Span::new(at, at + 2);
            self.syntax_error(span, format!("this escape needs {digits} hexadecimal digits"), "");
            text.push_str(span.text(self.text));
            return at + 2;
        };
        if let Some(c) = char::from_u32(code) {
            text.push(c);
            return end;
        }
        // The first half of a pair, as JSON writes characters outside the basic plane.
        if (0xD800..0xDC00).contains(&code)
            && self.text.get(end..end + 2) == Some("\\u")
            && let Some(low @ 0xDC00..0xE000) = value(self, end + 2, 4)
            && let Some(c) = char::from_u32(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))
        {
            text.push(c);
            return end + 6;
        }
        text.push('\u{fffd}');
        end
    }
}
