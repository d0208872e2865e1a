//! The tolerant parser: block structure by indentation, one recorded problem per broken entry, and on with the next.
//!
//! This file owns the characters, the documents and the choice of what stands at a token. Each kind of node has a file
//! of its own beside it.

mod block_scalar;
mod flow;
mod mapping;
mod plain;
mod props;
mod quoted;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::tree::{Node, NodeId, NodeKind, ScalarStyle, Tree, TreeDocument};
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

impl<'a> Parser<'a> {
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
}
