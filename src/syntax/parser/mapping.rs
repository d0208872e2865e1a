//! Block mappings, their entries, and what a finished mapping means: duplicates, merges, Dagu's habits with `env`.

use std::collections::HashMap;

use super::{DUPLICATE_KEY, Parser, SYNTAX};
use crate::diagnostic::{Applicability, Diagnostic};
use crate::syntax::scalar::resolve_plain;
use crate::syntax::tree::{Entry, Map, NodeId, NodeKind, ScalarStyle};
use crate::text::{Edit, Span};

impl Parser<'_> {
    /// The colon behind a key that begins at `at` and ends on its line, if there is one.
    pub(super) fn implicit_key(&self, at: usize) -> Option<usize> {
        let mut i = match self.byte(at) {
            quote @ (b'"' | b'\'') => {
                let mut i = at + 1;
                loop {
                    if self.is_break(i) {
                        return None;
                    }
                    match self.src[i] {
                        b'\\' if quote == b'"' => i += 2,
                        byte if byte == quote && quote == b'\'' && self.byte(i + 1) == b'\'' => i += 2,
                        byte if byte == quote => break,
                        _ => i += 1,
                    }
                }
                i += 1;
                while matches!(self.byte(i), b' ' | b'\t') && i < self.src.len() {
                    i += 1;
                }
                return (self.byte(i) == b':' && self.is_gap(i + 1)).then_some(i);
            }
            b'[' | b'{' | b'|' | b'>' | b'@' | b'`' | b'#' => return None,
            b'&' | b'!' => {
                let mut behind = at;
                while !self.is_gap(behind) {
                    behind += 1;
                }
                while matches!(self.byte(behind), b' ' | b'\t') && behind < self.src.len() {
                    behind += 1;
                }
                return if self.is_break(behind) { None } else { self.implicit_key(behind) };
            }
            _ => at,
        };
        while !self.is_break(i) {
            match self.src[i] {
                b':' if self.is_gap(i + 1) && i > at => return Some(i),
                b'#' if i > at && matches!(self.src[i - 1], b' ' | b'\t') => return None,
                _ => i += 1,
            }
        }
        None
    }

    pub(super) fn block_mapping(&mut self, column: usize) -> NodeId {
        let start = self.pos;
        let mut map = Map::default();
        let mut seen = Seen::default();
        let mut end = start;
        loop {
            let before = self.pos;
            if let Some(entry) = self.entry(column) {
                self.push_entry(&mut map, &mut seen, entry);
            }
            end = end.max(self.content_end(before));
            self.next_token();
            if self.at_stop() || self.column() < column {
                break;
            }
            let token = Span::new(self.pos, self.line_end(self.pos));
            if self.at_indicator(b'-') {
                if self.column() == column {
                    self.syntax_error(token, "a list item stands between the keys of a map", "indent it below its key");
                } else {
                    self.syntax_error(token, "this list item belongs to no key", "check its indentation");
                }
                self.skip_item(self.column());
                self.next_token();
                if self.at_stop() || self.column() < column {
                    break;
                }
            } else if self.column() > column && self.implicit_key(self.pos).is_some() {
                let key_end = self.implicit_key(self.pos).unwrap_or(self.pos);
                let sisters = column;
                let surplus = Span::new(self.line_start + sisters, self.pos);
                self.error(
                    Diagnostic::error(
                        SYNTAX,
                        Span::new(self.pos, key_end),
                        "this key is indented more than its sisters",
                    )
                    .help(format!("indent it by {sisters} spaces, or put it below the key it belongs to"))
                    .fix(
                        "align with the keys above",
                        Applicability::Unsafe,
                        vec![Edit::delete(surplus)],
                    ),
                );
            }
        }
        self.close_mapping(map, Span::new(start, end.max(start)), false)
    }

    pub(super) fn push_entry(&mut self, map: &mut Map, seen: &mut Seen, entry: Entry) {
        let key = self.key_text(entry.key);
        let span = self.nodes[entry.key.0 as usize].span;
        if let Some(first) = seen.insert(&key, span, map, self) {
            self.error(
                Diagnostic::error(DUPLICATE_KEY, span, format!("`{key}` stands twice in this map"))
                    .label(first, "first here")
                    .help("keep one of the two"),
            );
        }
        map.written.push(entry);
    }

    /// Carries out merges, and refuses what Dagu refuses in a map below `env`.
    pub(super) fn close_mapping(&mut self, mut map: Map, span: Span, flow: bool) -> NodeId {
        let is_merge = |parser: &Self, key: NodeId| {
            let node = &parser.nodes[key.0 as usize];
            node.style == ScalarStyle::Plain
                && matches!(&node.kind, NodeKind::Source(span) if span.text(parser.text) == "<<")
        };
        if map.written.iter().any(|entry| is_merge(self, entry.key)) {
            let mut effective: Vec<Entry> = Vec::with_capacity(map.written.len());
            let mut index: HashMap<String, usize> = HashMap::new();
            for entry in map.written.clone() {
                let merged = if is_merge(self, entry.key) { self.merged(entry.value) } else { vec![entry] };
                for entry in merged {
                    match index.entry(self.key_text(entry.key)) {
                        std::collections::hash_map::Entry::Occupied(at) => effective[*at.get()] = entry,
                        std::collections::hash_map::Entry::Vacant(at) => {
                            at.insert(effective.len());
                            effective.push(entry);
                        }
                    }
                }
            }
            map.effective = Some(effective);
        }
        for entry in &map.written {
            let NodeKind::Source(key) = *self.kind(entry.key) else { continue };
            if key.text(self.text) == "env" {
                self.check_env(entry.value);
            }
        }
        let id = self.add(span, ScalarStyle::Plain, NodeKind::Mapping(Box::new(map)));
        self.nodes[id.0 as usize].flow = flow;
        id
    }

    pub(super) fn merged(&mut self, value: NodeId) -> Vec<Entry> {
        let target = |parser: &Self, id: NodeId| match *parser.kind(id) {
            NodeKind::Alias(target) => target,
            _ => id,
        };
        let sources = match self.kind(target(self, value)) {
            NodeKind::Sequence(items) => items.clone(),
            _ => vec![value],
        };
        let mut entries = Vec::new();
        for source in sources {
            match self.kind(target(self, source)) {
                NodeKind::Mapping(map) => entries.extend_from_slice(map.entries()),
                _ => {
                    let span = self.nodes[source.0 as usize].span;
                    self.syntax_error(
                        span,
                        "`<<` merges maps, and this is none",
                        "name an anchored map: `<<: *anchor`",
                    );
                }
            }
        }
        entries
    }

    /// Dagu turns a map below a key `env` into a list before it looks at aliases, so these do not work inside.
    pub(super) fn check_env(&mut self, value: NodeId) {
        let NodeKind::Mapping(map) = self.kind(value) else { return };
        let mut faults = Vec::new();
        for entry in &map.written {
            let key = self.nodes[entry.key.0 as usize].span;
            if key.text(self.text) == "<<" {
                faults.push((key, "`<<` does not work in a map of variables"));
            } else if self.explicit_keys.contains(&entry.key) {
                faults.push((key, "`? key` does not work in a map of variables"));
            } else if matches!(self.kind(entry.value), NodeKind::Alias(_)) {
                faults.push((self.nodes[entry.value.0 as usize].span, "an alias does not work in a map of variables"));
            }
        }
        for (span, message) in faults {
            self.syntax_error(span, message, "write the variables as a list: `- NAME: value`");
        }
    }

    /// One `key: value`; `None` when the line is no entry, which is then reported and skipped.
    pub(super) fn entry(&mut self, column: usize) -> Option<Entry> {
        if self.at_indicator(b'?') {
            return self.explicit_entry(column);
        }
        let Some(colon) = self.implicit_key(self.pos) else {
            self.no_entry(column);
            return None;
        };
        let key = self.key(colon);
        self.pos = colon + 1;
        let value = self.entry_value(column, colon + 1);
        Some(Entry { key, value })
    }

    pub(super) fn explicit_entry(&mut self, column: usize) -> Option<Entry> {
        self.pos += 1;
        self.next_token();
        let key = if self.at_stop() || self.column() <= column {
            self.add_null(self.pos)
        } else {
            self.scalar_or_flow(column as isize)
        };
        if matches!(self.kind(key), NodeKind::Sequence(_) | NodeKind::Mapping(_) | NodeKind::Alias(_)) {
            let span = self.nodes[key.0 as usize].span;
            self.syntax_error(span, "a key must be plain text", "");
        }
        self.explicit_keys.insert(key);
        let end = self.pos;
        self.next_token();
        if !self.at_stop() && self.column() == column && self.at_indicator(b':') {
            self.pos += 1;
            let value = self.entry_value(column, self.pos);
            return Some(Entry { key, value });
        }
        let value = self.add_null(end);
        Some(Entry { key, value })
    }

    pub(super) fn no_entry(&mut self, column: usize) {
        let line = Span::new(self.pos, self.pos + self.text[self.pos..self.line_end(self.pos)].trim_end().len());
        let text = line.text(self.text);
        let tight = text.find(':').filter(|&i| {
            i > 0 && text[..i].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        });
        match (tight, text.as_bytes().first()) {
            (Some(colon), _) => {
                let at = line.start + colon as u32 + 1;
                self.error(
                    Diagnostic::error(SYNTAX, line, "a space is missing behind the colon")
                        .help(format!("write `{}: {}`", &text[..colon], text[colon + 1..].trim()))
                        .fix("insert a space", Applicability::Safe, vec![Edit::insert(at, " ")]),
                );
            }
            (_, Some(b'"' | b'\'')) if text.len() < 2 || !text.ends_with(text.chars().next().unwrap_or('"')) => {
                self.syntax_error(line, "this quote is never closed", "close it on the same line");
            }
            (_, Some(b'}' | b']')) => self.syntax_error(line, "a bracket closes what was never opened", "delete it"),
            _ => self.syntax_error(
                line,
                "expected `key: value`, found text without a colon",
                "add a colon behind the key",
            ),
        }
        self.skip_item(column);
    }

    /// The key between the current token and its colon.
    pub(super) fn key(&mut self, colon: usize) -> NodeId {
        let props = self.props();
        let start = self.pos;
        let id = match self.peek() {
            quote @ (b'"' | b'\'') => self.quoted(quote, -1),
            b'*' => {
                let span = Span::new(start, start + self.text[start..colon].trim_end().len());
                self.syntax_error(span, "an alias cannot be a key", "write the key itself");
                self.add(span, ScalarStyle::Plain, NodeKind::Source(span))
            }
            _ => {
                let span = Span::new(start, start + self.text[start..colon].trim_end().len());
                let kind = resolve_plain(span.text(self.text), span);
                self.add(span, ScalarStyle::Plain, kind)
            }
        };
        self.finish(props, id)
    }

    /// The value of an entry whose key stands in `column`, behind its colon.
    pub(super) fn entry_value(&mut self, column: usize, behind_colon: usize) -> NodeId {
        self.skip_blanks();
        let props = self.props();
        if self.is_break(self.pos) || self.at_comment() {
            let end = props.span.map_or(behind_colon, |span| span.end as usize);
            self.next_token();
            let node = if self.at_stop() {
                self.add_null(end)
            } else if self.column() > column {
                self.block_node(column as isize)
            } else if self.column() == column && self.at_indicator(b'-') {
                if !self.enter() {
                    return self.add_null(end);
                }
                let node = stacker::maybe_grow(64 * 1024, 2 * 1024 * 1024, || self.block_sequence(column));
                self.depth -= 1;
                node
            } else {
                self.add_null(end)
            };
            return self.finish(props, node);
        }
        if self.at_indicator(b'-') {
            let span = Span::new(self.pos, self.line_end(self.pos));
            self.syntax_error(span, "a list cannot begin on the line of its key", "put `- …` on the next line");
            self.skip_item(column);
            return self.add_null(behind_colon);
        }
        let node = self.scalar_or_flow(column as isize);
        self.finish(props, node)
    }
}

/// Keys of a mapping seen so far; small maps are searched, large ones hashed.
#[derive(Default)]
pub(super) struct Seen {
    hashed: Option<HashMap<String, Span>>,
}

impl Seen {
    /// Remembers a key; gives the place of its first mention if there was one.
    pub(super) fn insert(&mut self, key: &str, span: Span, map: &Map, parser: &Parser) -> Option<Span> {
        const SMALL: usize = 24;
        if self.hashed.is_none() && map.written.len() < SMALL {
            return map.written.iter().find_map(|entry| {
                let node = &parser.nodes[entry.key.0 as usize];
                let same = match &node.kind {
                    NodeKind::Source(span) => span.text(parser.text) == key,
                    NodeKind::Owned(text) => &**text == key,
                    _ => parser.key_text(entry.key) == key,
                };
                same.then_some(node.span)
            });
        }
        let hashed = self.hashed.get_or_insert_with(|| {
            let known = map.written.iter().rev();
            known.map(|entry| (parser.key_text(entry.key), parser.nodes[entry.key.0 as usize].span)).collect()
        });
        match hashed.entry(key.to_owned()) {
            std::collections::hash_map::Entry::Occupied(first) => Some(*first.get()),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(span);
                None
            }
        }
    }
}
