//! The tolerant parser: block structure by indentation, one recorded problem per broken entry, and on with the next.
//!
//! Flow collections and quoted scalars live in [`flow`] and [`quoted`]; block scalars in [`block_scalar`].

mod block_scalar;
mod flow;
mod quoted;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::scalar::{number, resolve_plain};
use super::tree::{Entry, Map, Node, NodeId, NodeKind, ScalarStyle, Tree, TreeDocument};
use crate::diagnostic::{Applicability, Diagnostic};
use crate::text::{Edit, Span};

/// A parsed file: always a tree, and what was wrong on the way.
#[derive(Debug, Clone)]
pub struct Parse {
    pub tree: Tree,
    /// In order of discovery.
    pub diagnostics: Vec<Diagnostic>,
}

pub const SYNTAX: &str = "yaml-syntax";
pub const DUPLICATE_KEY: &str = "yaml-duplicate-key";
pub const UNKNOWN_ALIAS: &str = "yaml-unknown-alias";

/// Dagu's reader gives up a little below ten thousand levels, so must we.
const MAX_DEPTH: usize = 9_990;
/// Behind so many problems the rest of a file says nothing new, and reading it on could take quadratic time.
const MAX_ERRORS: usize = 200;

/// Reads a whole file. Never fails: what cannot be read is a diagnostic and a hole in the tree.
pub fn parse(text: &str) -> Parse {
    let mut parser = Parser {
        text,
        src: text.as_bytes(),
        pos: 0,
        line_start: 0,
        nodes: Vec::with_capacity(text.len() / 12 + 8),
        documents: Vec::new(),
        comments: Vec::new(),
        diagnostics: Vec::new(),
        anchors: HashMap::new(),
        explicit_keys: HashSet::new(),
        depth: 0,
        flow_broken: false,
        stopped: false,
    };
    parser.stream();
    let Parser { nodes, documents, comments, diagnostics, .. } = parser;
    Parse { tree: Tree { text: Arc::from(text), nodes, documents, comments }, diagnostics }
}

struct Parser<'a> {
    text: &'a str,
    src: &'a [u8],
    pos: usize,
    line_start: usize,
    nodes: Vec<Node>,
    documents: Vec<TreeDocument>,
    comments: Vec<Span>,
    diagnostics: Vec<Diagnostic>,
    /// `None` while the anchored node is still being read.
    anchors: HashMap<&'a str, Option<NodeId>>,
    /// Keys written as `? key`.
    explicit_keys: HashSet<NodeId>,
    depth: usize,
    /// Set when a flow collection could not be read to its end; unwinds to where it began.
    flow_broken: bool,
    stopped: bool,
}

/// Anchor and tag in front of a node.
#[derive(Default, Clone, Copy)]
struct Props<'a> {
    anchor: Option<&'a str>,
    tag: Option<&'a str>,
    span: Option<Span>,
}

impl<'a> Parser<'a> {
    // ---- characters -----------------------------------------------------------------------------

    fn peek(&self) -> u8 {
        self.byte(self.pos)
    }

    /// NUL behind the end; a NUL inside the text is ordinary text to every caller.
    fn byte(&self, at: usize) -> u8 {
        self.src.get(at).copied().unwrap_or(0)
    }

    fn at_end(&self) -> bool {
        self.pos >= self.src.len()
    }

    fn is_break(&self, at: usize) -> bool {
        at >= self.src.len() || matches!(self.src[at], b'\n' | b'\r')
    }

    /// Blank, line break or the end of the text.
    fn is_gap(&self, at: usize) -> bool {
        at >= self.src.len() || matches!(self.src[at], b' ' | b'\t' | b'\n' | b'\r')
    }

    fn column(&self) -> usize {
        self.pos - self.line_start
    }

    fn line_end(&self, from: usize) -> usize {
        self.src[from..].iter().position(|&byte| byte == b'\n' || byte == b'\r').map_or(self.src.len(), |i| from + i)
    }

    /// Behind the line break at `at`, which must be one.
    fn after_break(&self, at: usize) -> usize {
        if self.byte(at) == b'\r' && self.byte(at + 1) == b'\n' { at + 2 } else { (at + 1).min(self.src.len()) }
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\t') && !self.at_end() {
            self.pos += 1;
        }
    }

    fn skip_line(&mut self) {
        self.pos = self.line_end(self.pos);
    }

    /// A `#` that begins a comment: at the start of a line or behind a blank.
    fn at_comment(&self) -> bool {
        self.peek() == b'#' && (self.pos == self.line_start || matches!(self.src[self.pos - 1], b' ' | b'\t'))
    }

    fn skip_comment(&mut self) {
        let span = Span::new(self.pos, self.line_end(self.pos));
        if self.comments.last().is_none_or(|last| last.start < span.start) {
            self.comments.push(span);
        }
        self.pos = span.end as usize;
    }

    /// Moves to the next token over blanks, comments and line breaks; tabs may not indent.
    fn next_token(&mut self) {
        loop {
            while self.peek() == b' ' {
                self.pos += 1;
            }
            if self.at_end() {
                return;
            }
            match self.peek() {
                b'\t' => {
                    let indents = self.src[self.line_start..self.pos].iter().all(|&byte| byte == b' ');
                    let start = self.pos;
                    self.skip_blanks();
                    if indents {
                        self.error(
                            Diagnostic::error(SYNTAX, Span::new(start, self.pos), "a tab cannot indent")
                                .help("indent with spaces")
                                .fix(
                                    "indent with spaces",
                                    Applicability::Unsafe,
                                    vec![Edit::replace(Span::new(start, self.pos), "  ".repeat(self.pos - start))],
                                ),
                        );
                    }
                }
                b'#' if self.at_comment() => self.skip_comment(),
                b'\n' | b'\r' => {
                    self.pos = self.after_break(self.pos);
                    self.line_start = self.pos;
                }
                _ => return,
            }
        }
    }

    /// `---` or `...` at the start of a line.
    fn at_marker(&self) -> bool {
        self.column() == 0
            && (self.src[self.pos..].starts_with(b"---") || self.src[self.pos..].starts_with(b"..."))
            && self.is_gap(self.pos + 3)
    }

    fn at_stop(&self) -> bool {
        self.stopped || self.at_end() || self.at_marker()
    }

    /// An indicator (`-`, `?`, `:`) that is followed by a gap.
    fn at_indicator(&self, indicator: u8) -> bool {
        self.peek() == indicator && self.is_gap(self.pos + 1)
    }

    // ---- problems and nodes ---------------------------------------------------------------------

    fn error(&mut self, diagnostic: Diagnostic) {
        if self.stopped {
            return;
        }
        self.diagnostics.push(diagnostic);
        if self.diagnostics.len() >= MAX_ERRORS {
            self.stop("too many problems: the rest of the file was not read");
        }
    }

    fn syntax_error(&mut self, span: Span, message: impl Into<String>, help: &str) {
        let diagnostic = Diagnostic::error(SYNTAX, span, message);
        self.error(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
    }

    fn stop(&mut self, message: &str) {
        if !self.stopped {
            self.stopped = true;
            self.diagnostics.push(Diagnostic::error(
                SYNTAX,
                Span::new(self.pos.min(self.src.len()), self.line_end(self.pos.min(self.src.len()))),
                message,
            ));
            self.pos = self.src.len();
        }
    }

    fn add(&mut self, span: Span, style: ScalarStyle, kind: NodeKind) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node { span, style, flow: false, anchored: false, tagged: false, kind });
        id
    }

    fn add_null(&mut self, at: usize) -> NodeId {
        self.add(Span::at(at), ScalarStyle::Plain, NodeKind::Null)
    }

    fn kind(&self, id: NodeId) -> &NodeKind {
        &self.nodes[id.0 as usize].kind
    }

    fn key_text(&self, id: NodeId) -> String {
        match self.kind(id) {
            NodeKind::Source(span) => span.text(self.text).to_owned(),
            NodeKind::Owned(text) => text.to_string(),
            NodeKind::Bool(value) => value.to_string(),
            NodeKind::Number(number) => number.to_string(),
            _ => "null".to_owned(),
        }
    }

    // ---- documents ------------------------------------------------------------------------------

    fn stream(&mut self) {
        let mut start = 0;
        loop {
            self.anchors.clear();
            self.next_token();
            while !self.at_end() && self.column() == 0 && self.peek() == b'%' {
                let span = Span::new(self.pos, self.line_end(self.pos));
                self.syntax_error(span, "a directive cannot be used here", "delete the line");
                self.skip_line();
                self.next_token();
            }
            if !self.at_end() && self.at_marker() && self.peek() == b'-' {
                self.pos += 3;
            }
            self.next_token();
            let empty = self.at_stop();
            let root = if empty { self.add_null(self.pos) } else { self.block_node(-1) };
            loop {
                self.next_token();
                if self.at_stop() {
                    break;
                }
                let span = Span::new(self.pos, self.line_end(self.pos));
                self.syntax_error(span, "this line belongs to nothing above it", "check its indentation");
                self.skip_item(0);
            }
            let end = self.pos;
            if !self.at_end() && self.peek() == b'.' {
                self.pos += 3;
                self.next_token();
            }
            self.documents.push(TreeDocument { span: Span::new(start, end), root, empty });
            // What follows a `...` without a `---` is one more document.
            start = if self.at_end() || self.at_marker() { self.pos } else { end };
            if self.at_end() || self.stopped {
                return;
            }
        }
    }

    // ---- block nodes ----------------------------------------------------------------------------

    /// The node at the current token, which stands deeper than `indent` (the column of its parent; -1 at the root).
    fn block_node(&mut self, indent: isize) -> NodeId {
        if !self.enter() {
            return self.add_null(self.pos);
        }
        let node = stacker::maybe_grow(64 * 1024, 2 * 1024 * 1024, || self.block_node_inner(indent));
        self.depth -= 1;
        node
    }

    fn enter(&mut self) -> bool {
        if self.depth >= MAX_DEPTH {
            self.stop("nested too deep: Dagu reads no more than about 9,990 levels");
            return false;
        }
        self.depth += 1;
        true
    }

    fn block_node_inner(&mut self, indent: isize) -> NodeId {
        let props = self.props();
        if props.span.is_some() && (self.is_break(self.pos) || self.at_comment()) {
            self.next_token();
            if self.at_stop() || self.column() as isize <= indent {
                let null = self.add_null(props.span.map_or(self.pos, |span| span.end as usize));
                return self.finish(props, null);
            }
        }
        let column = self.column();
        let node = if self.at_indicator(b'-') {
            self.block_sequence(column)
        } else if self.at_indicator(b'?') || self.implicit_key(self.pos).is_some() {
            // An anchor before `key: value` on one line is meant for the map, so the map's column is the anchor's.
            let column = props.span.map_or(column, |span| {
                if span.start as usize >= self.line_start { span.start as usize - self.line_start } else { column }
            });
            self.block_mapping(column)
        } else {
            self.scalar_or_flow(indent)
        };
        self.finish(props, node)
    }

    fn props(&mut self) -> Props<'a> {
        let mut props = Props::default();
        loop {
            let start = self.pos;
            match self.peek() {
                b'&' if props.anchor.is_none() && !self.at_end() => {
                    self.pos += 1;
                    let name = self.take_name();
                    if name.is_empty() {
                        self.pos = start;
                        return props;
                    }
                    self.anchors.insert(name, None);
                    props.anchor = Some(name);
                }
                b'!' if props.tag.is_none() && !self.at_end() => {
                    self.pos += 1;
                    while !self.is_gap(self.pos) && !matches!(self.peek(), b',' | b']' | b'}') {
                        self.pos += 1;
                    }
                    props.tag = Some(&self.text[start..self.pos]);
                }
                _ => return props,
            }
            let span = Span::new(start, self.pos);
            props.span = Some(props.span.map_or(span, |before| before.to(span)));
            self.skip_blanks();
        }
    }

    /// The name of an anchor or alias.
    fn take_name(&mut self) -> &'a str {
        let start = self.pos;
        while !self.is_gap(self.pos) && !matches!(self.peek(), b',' | b'[' | b']' | b'{' | b'}') {
            self.pos += 1;
        }
        &self.text[start..self.pos]
    }

    fn finish(&mut self, props: Props<'a>, id: NodeId) -> NodeId {
        if let Some(tag) = props.tag {
            self.apply_tag(tag, id, props.span);
            self.nodes[id.0 as usize].tagged = true;
        }
        if let Some(name) = props.anchor {
            self.nodes[id.0 as usize].anchored = true;
            let target = match *self.kind(id) {
                NodeKind::Alias(target) => target,
                _ => id,
            };
            self.anchors.insert(name, Some(target));
        }
        id
    }

    /// Tags as Dagu's reader treats them: odd, but it is what workflows have been written against.
    fn apply_tag(&mut self, tag: &str, id: NodeId, span: Option<Span>) {
        let written = match self.kind(id) {
            NodeKind::Sequence(_) | NodeKind::Mapping(_) | NodeKind::Alias(_) => return,
            NodeKind::Null if self.nodes[id.0 as usize].span.is_empty() => String::new(),
            NodeKind::Owned(text) => text.to_string(),
            NodeKind::Source(span) => span.text(self.text).to_owned(),
            _ => self.nodes[id.0 as usize].span.text(self.text).to_owned(),
        };
        let kind = match tag {
            "!!str" if matches!(self.kind(id), NodeKind::Null) => NodeKind::Owned("".into()),
            "!!int" => {
                let digits = written.strip_prefix(['-', '+']).unwrap_or(&written);
                let decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                NodeKind::Number(super::scalar::Number::Int(if decimal { written.parse().unwrap_or(0) } else { 0 }))
            }
            "!!float" => NodeKind::Number(super::scalar::Number::Float(written.parse().unwrap_or(0.0))),
            "!!bool" => match written.to_lowercase().as_str() {
                "true" | "yes" | "on" | "y" if !self.is_quoted(id) => NodeKind::Bool(true),
                "false" | "no" | "off" | "n" if !self.is_quoted(id) => NodeKind::Bool(false),
                "true" => NodeKind::Bool(true),
                "false" => NodeKind::Bool(false),
                _ => {
                    let place =
                        span.map_or(self.nodes[id.0 as usize].span, |span| span.to(self.nodes[id.0 as usize].span));
                    self.syntax_error(place, format!("`{written}` is no boolean"), "write `true` or `false`");
                    return;
                }
            },
            "!!null" => NodeKind::Null,
            "!!timestamp" if written.len() == 10 => NodeKind::Owned(format!("{written}T00:00:00Z").into()),
            _ => NodeKind::Owned(written.into()),
        };
        self.nodes[id.0 as usize].kind = kind;
    }

    fn is_quoted(&self, id: NodeId) -> bool {
        matches!(self.nodes[id.0 as usize].style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted)
    }

    /// The colon behind a key that begins at `at` and ends on its line, if there is one.
    fn implicit_key(&self, at: usize) -> Option<usize> {
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

    fn block_mapping(&mut self, column: usize) -> NodeId {
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

    /// The end of what was read since `before`, without trailing blanks, comments and line breaks.
    fn content_end(&self, before: usize) -> usize {
        // `pos` stands behind the last content that was consumed, except after a skipped comment.
        let mut end = self.pos;
        if let Some(comment) = self.comments.last()
            && comment.end as usize == end
            && comment.start as usize > before
        {
            end = comment.start as usize;
        }
        let content = self.text[before.min(end)..end].trim_end_matches([' ', '\t', '\n', '\r']);
        before + content.len()
    }

    fn push_entry(&mut self, map: &mut Map, seen: &mut Seen, entry: Entry) {
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
    fn close_mapping(&mut self, mut map: Map, span: Span, flow: bool) -> NodeId {
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

    fn merged(&mut self, value: NodeId) -> Vec<Entry> {
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
    fn check_env(&mut self, value: NodeId) {
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
    fn entry(&mut self, column: usize) -> Option<Entry> {
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

    fn explicit_entry(&mut self, column: usize) -> Option<Entry> {
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

    fn no_entry(&mut self, column: usize) {
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

    /// Skips the rest of the line and every deeper line below it.
    fn skip_item(&mut self, column: usize) {
        self.skip_line();
        loop {
            if self.at_end() {
                return;
            }
            let next = self.after_break(self.pos);
            let mut first = next;
            while self.byte(first) == b' ' && first < self.src.len() {
                first += 1;
            }
            if !self.is_break(first) && first - next <= column {
                return;
            }
            if first >= self.src.len() {
                self.pos = self.src.len();
                return;
            }
            self.line_start = next;
            self.pos = self.line_end(first);
        }
    }

    /// The key between the current token and its colon.
    fn key(&mut self, colon: usize) -> NodeId {
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
    fn entry_value(&mut self, column: usize, behind_colon: usize) -> NodeId {
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

    fn block_sequence(&mut self, column: usize) -> NodeId {
        let start = self.pos;
        let mut items = Vec::new();
        let mut end = start;
        loop {
            let dash = self.pos;
            self.pos += 1;
            if self.peek() == b'\t' && !self.at_end() {
                let span = Span::new(self.pos, self.pos + 1);
                self.error(
                    Diagnostic::error(SYNTAX, span, "a tab cannot follow the dash of a list item")
                        .help("write a space")
                        .fix("write a space", Applicability::Safe, vec![Edit::replace(span, " ")]),
                );
            }
            self.skip_blanks();
            let item = if self.is_break(self.pos) || self.at_comment() {
                self.next_token();
                if self.at_stop() || self.column() <= column {
                    self.add_null(dash + 1)
                } else {
                    self.block_node(column as isize)
                }
            } else {
                self.block_node(column as isize)
            };
            items.push(item);
            end = end.max(self.content_end(dash));
            self.next_token();
            if self.at_stop() || self.column() != column || !self.at_indicator(b'-') {
                break;
            }
        }
        self.add(Span::new(start, end.max(start + 1)), ScalarStyle::Plain, NodeKind::Sequence(items))
    }

    // ---- scalars --------------------------------------------------------------------------------

    /// A scalar, alias or flow collection at the current token; checks that nothing follows on its last line.
    fn scalar_or_flow(&mut self, indent: isize) -> NodeId {
        match self.peek() {
            b'|' | b'>' => self.block_scalar(indent),
            b'[' | b'{' => {
                let id = self.flow(indent);
                self.end_of_line("the closing bracket");
                id
            }
            quote @ (b'"' | b'\'') => {
                let id = self.quoted(quote, indent);
                self.end_of_line("the closing quote");
                id
            }
            b'*' => {
                let id = self.alias();
                self.end_of_line("the alias");
                id
            }
            _ => self.plain(indent),
        }
    }

    fn end_of_line(&mut self, what: &str) {
        self.skip_blanks();
        if self.is_break(self.pos) || self.at_comment() {
            return;
        }
        let span = Span::new(self.pos, self.pos + self.text[self.pos..self.line_end(self.pos)].trim_end().len());
        self.syntax_error(span, format!("text stands behind {what}"), "put the whole value in quotes");
        self.skip_line();
    }

    fn alias(&mut self) -> NodeId {
        let start = self.pos;
        self.pos += 1;
        let name = self.take_name();
        let span = Span::new(start, self.pos);
        let kind = match self.anchors.get(name) {
            Some(&Some(target)) => NodeKind::Alias(target),
            // Inside its own anchor an alias reads as null.
            Some(&None) => NodeKind::Null,
            None => {
                let nearest = crate::diagnostic::nearest(name, self.anchors.keys().copied()).map(str::to_owned);
                let diagnostic =
                    Diagnostic::error(UNKNOWN_ALIAS, span, format!("no anchor `&{name}` stands before this alias"));
                self.error(match nearest {
                    Some(anchor) => diagnostic.help(format!("did you mean `*{anchor}`?")),
                    None => diagnostic.help("if it is text, put it in quotes"),
                });
                NodeKind::Null
            }
        };
        self.add(span, ScalarStyle::Plain, kind)
    }

    /// A plain scalar in block context, over as many lines as are deeper than `indent`.
    fn plain(&mut self, indent: isize) -> NodeId {
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
    fn plain_line(&mut self, report_colon: bool) -> usize {
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

    fn needs_quotes(&mut self, span: Span, message: String) {
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
    fn continuation(&self, indent: isize) -> Option<(usize, usize)> {
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

/// Keys of a mapping seen so far; small maps are searched, large ones hashed.
#[derive(Default)]
struct Seen {
    hashed: Option<HashMap<String, Span>>,
}

impl Seen {
    /// Remembers a key; gives the place of its first mention if there was one.
    fn insert(&mut self, key: &str, span: Span, map: &Map, parser: &Parser) -> Option<Span> {
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
