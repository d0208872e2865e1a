//! Collections in brackets and braces, with the habits of Dagu's reader.
//!
//! Three of them surprise: a key in braces ends at its first colon, spaced or not (`{a:b}`); a plain value runs to the
//! next comma or closing bracket, colons and all (`{a: b c: d}`); and in a list *inside braces* a plain item is split
//! into a map at its first colon that no slash follows (`{v: [/a:/b:ro]}`).

use super::Parser;
use super::mapping::Seen;
use crate::syntax::scalar::resolve_plain;
use crate::syntax::tree::{Entry, Map, NodeId, NodeKind, ScalarStyle};
use crate::text::Span;

impl Parser<'_> {
    /// Reads the flow collection at the current token. When it cannot be read to its end, what was read stays, and
    /// the parser goes on behind the lines that belong to it by indentation.
    pub(super) fn flow(&mut self, indent: isize) -> NodeId {
        let (open, open_line) = (self.pos, self.line_start);
        let outer = std::mem::replace(&mut self.flow_broken, false);
        let id = self.flow_node(false);
        if self.flow_broken && !self.stopped {
            self.pos = open;
            self.line_start = open_line;
            self.skip_item(indent.max(0) as usize);
        }
        self.flow_broken = outer;
        id
    }

    fn flow_break(&mut self, span: Span, message: impl Into<String>, help: &str) {
        if !self.flow_broken {
            self.syntax_error(span, message, help);
            self.flow_broken = true;
        }
    }

    /// Blanks, line breaks and comments between tokens; tabs are fine here.
    fn skip_flow_gap(&mut self) {
        while !self.at_end() {
            match self.peek() {
                b' ' | b'\t' => self.pos += 1,
                b'\n' | b'\r' => {
                    self.pos = self.after_break(self.pos);
                    self.line_start = self.pos;
                }
                b'#' if self.at_comment() => self.skip_comment(),
                _ => return,
            }
        }
    }

    fn flow_node(&mut self, in_braces: bool) -> NodeId {
        if !self.enter() {
            self.flow_broken = true;
            return self.add_null(self.pos);
        }
        let id = stacker::maybe_grow(64 * 1024, 2 * 1024 * 1024, || {
            let props = self.props();
            let id = match self.peek() {
                b'[' => self.flow_sequence(in_braces),
                b'{' => self.flow_mapping(),
                quote @ (b'"' | b'\'') => self.quoted(quote, -1),
                b'*' => self.alias(),
                b',' | b']' | b'}' => self.add_null(self.pos),
                _ => self.flow_plain(),
            };
            self.finish(props, id)
        });
        self.depth -= 1;
        id
    }

    /// Plain text to the next comma, closing bracket, comment or line break.
    fn flow_plain(&mut self) -> NodeId {
        let span = self.flow_plain_span(|_, _| false);
        let kind = resolve_plain(span.text(self.text), span);
        self.add(span, ScalarStyle::Plain, kind)
    }

    fn flow_plain_span(&mut self, ends: impl Fn(&Self, usize) -> bool) -> Span {
        let start = self.pos;
        if let first @ (b'@' | b'`' | b'|' | b'>') = self.peek() {
            let end = start + 1;
            self.flow_break(
                Span::new(start, end),
                format!("text cannot begin with `{}`", first as char),
                "put it in quotes",
            );
        }
        while !self.is_break(self.pos) {
            match self.src[self.pos] {
                b',' | b']' | b'}' => break,
                b'#' if self.at_comment() && self.pos > start => break,
                b'{' | b'[' if self.pos > start => {
                    let rest = &self.text[start..self.line_end(start)];
                    let end = rest.find([',', ']']).unwrap_or(rest.trim_end().len());
                    self.flow_break(
                        Span::new(start, start + end),
                        format!("text that holds `{}` must be quoted inside brackets", self.src[self.pos] as char),
                        &format!("write \"{}\"", rest[..end].trim_end()),
                    );
                    break;
                }
                _ if ends(self, self.pos) => break,
                _ => self.pos += 1,
            }
        }
        Span::new(start, start + self.text[start..self.pos].trim_end_matches([' ', '\t']).len())
    }

    fn flow_sequence(&mut self, in_braces: bool) -> NodeId {
        let open = self.pos;
        self.pos += 1;
        let mut items = Vec::new();
        loop {
            self.skip_flow_gap();
            if self.at_end() {
                self.flow_break(self.opened(open), "this list is never closed", "close it with `]`");
            }
            if self.flow_broken {
                break;
            }
            match self.peek() {
                b']' => {
                    self.pos += 1;
                    break;
                }
                b',' => self.flow_break(
                    Span::new(self.pos, self.pos + 1),
                    "a list item is missing before this comma",
                    "delete the comma",
                ),
                b'}' => self.flow_break(
                    Span::new(self.pos, self.pos + 1),
                    "`}` closes no brace here",
                    "close the list with `]` first",
                ),
                b'?' if self.is_gap(self.pos + 1) => {
                    self.flow_break(Span::new(self.pos, self.pos + 1), "`?` does not work in a list", "use braces");
                }
                _ => {
                    let item = self.flow_item(in_braces);
                    items.push(item);
                    self.flow_separator(open, b']');
                }
            }
        }
        let id = self.add(Span::new(open, self.pos), ScalarStyle::Plain, NodeKind::Sequence(items));
        self.nodes[id.0 as usize].flow = true;
        id
    }

    /// The opening line of a collection, for a message about its end.
    fn opened(&self, open: usize) -> Span {
        Span::new(open, open + self.text[open..self.line_end(open)].trim_end().len())
    }

    /// Takes a comma, or stands before the closing bracket; anything else breaks the collection.
    fn flow_separator(&mut self, open: usize, close: u8) {
        let line = self.line_start;
        self.skip_flow_gap();
        if self.flow_broken || self.at_end() || self.peek() == close {
            return;
        }
        if self.peek() == b',' {
            self.pos += 1;
            return;
        }
        if self.line_start != line {
            // More likely the bracket was forgotten than the comma.
            let help = format!("close it with `{}`", close as char);
            let what = if close == b']' { "this list is never closed" } else { "this map is never closed" };
            return self.flow_break(self.opened(open), what, &help);
        }
        let c = self.text[self.pos..].chars().next().map_or(1, char::len_utf8);
        let expected = if close == b']' { "`,` or `]`" } else { "`,` or `}`" };
        self.flow_break(
            Span::new(self.pos, self.pos + c),
            format!("expected {expected} here"),
            "put text with special characters in quotes",
        );
    }

    /// An item of a list; `key: value` makes a map of one entry.
    fn flow_item(&mut self, in_braces: bool) -> NodeId {
        let start = self.pos;
        let plain = !matches!(self.peek(), b'[' | b'{' | b'"' | b'\'' | b'*' | b'&' | b'!');
        let key = if plain {
            let span = self.flow_plain_span(|parser, at| {
                parser.src[at] == b':'
                    && (parser.is_gap(at + 1)
                        || matches!(parser.byte(at + 1), b',' | b']' | b'}')
                        || (in_braces && parser.byte(at + 1) != b'/'))
            });
            let kind = resolve_plain(span.text(self.text), span);
            self.add(span, ScalarStyle::Plain, kind)
        } else {
            self.flow_node(in_braces)
        };
        if self.flow_broken {
            return key;
        }
        let end = self.pos;
        if !plain {
            self.skip_blanks();
        }
        if self.peek() != b':' || self.at_end() {
            self.pos = end;
            return key;
        }
        if !plain && !self.is_gap(self.pos + 1) {
            self.flow_break(
                Span::new(start, self.pos + 1),
                "a space is missing behind the colon",
                "write `\"key\": value`",
            );
            return key;
        }
        self.pos += 1;
        self.skip_flow_gap();
        let value = self.flow_node(in_braces);
        let map = Map { written: vec![Entry { key, value }], effective: None };
        self.close_mapping(map, Span::new(start, self.pos), true)
    }

    fn flow_mapping(&mut self) -> NodeId {
        let open = self.pos;
        self.pos += 1;
        let mut map = Map::default();
        let mut seen = Seen::default();
        let mut may_lead = true;
        loop {
            self.skip_flow_gap();
            if self.at_end() {
                self.flow_break(self.opened(open), "this map is never closed", "close it with `}`");
            }
            if self.flow_broken {
                break;
            }
            match self.peek() {
                b'}' => {
                    self.pos += 1;
                    break;
                }
                b',' if may_lead => self.pos += 1,
                b',' => self.flow_break(
                    Span::new(self.pos, self.pos + 1),
                    "an entry is missing before this comma",
                    "delete the comma",
                ),
                b']' => self.flow_break(
                    Span::new(self.pos, self.pos + 1),
                    "`]` closes no bracket here",
                    "close the map with `}` first",
                ),
                _ => {
                    let entry = self.flow_entry();
                    self.push_entry(&mut map, &mut seen, entry);
                    self.flow_separator(open, b'}');
                }
            }
            may_lead = false;
        }
        self.close_mapping(map, Span::new(open, self.pos), true)
    }

    fn flow_entry(&mut self) -> Entry {
        if self.at_indicator(b'?') {
            self.pos += 1;
            self.skip_flow_gap();
        }
        let props = self.props();
        let start = self.pos;
        let key = match self.peek() {
            quote @ (b'"' | b'\'') => self.quoted(quote, -1),
            b'*' => {
                let name = self.alias();
                let span = self.nodes[name.0 as usize].span;
                self.flow_break(span, "an alias cannot be a key", "write the key itself");
                name
            }
            b'[' | b'{' => {
                self.flow_break(
                    Span::new(start, start + 1),
                    "a key must be plain text",
                    "if it is a template, put it in quotes",
                );
                self.add_null(start)
            }
            _ => {
                let span = self.flow_plain_span(|parser, at| parser.src[at] == b':');
                let kind = resolve_plain(span.text(self.text), span);
                self.add(span, ScalarStyle::Plain, kind)
            }
        };
        let key = self.finish(props, key);
        let behind_key = self.pos;
        self.skip_flow_gap();
        if self.flow_broken || self.peek() != b':' || self.at_end() {
            let value = self.add_null(behind_key);
            return Entry { key, value };
        }
        self.pos += 1;
        let behind_colon = self.pos;
        self.skip_flow_gap();
        if self.at_end() || matches!(self.peek(), b',' | b'}') {
            let value = self.add_null(behind_colon);
            return Entry { key, value };
        }
        let value = self.flow_node(true);
        Entry { key, value }
    }
}
