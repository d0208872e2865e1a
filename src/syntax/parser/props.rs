//! Anchors, aliases and tags.

use super::{Parser, UNKNOWN_ALIAS};
use crate::diagnostic::{Diagnostic, nearest};
use crate::syntax::scalar::Number;
use crate::syntax::tree::{NodeId, NodeKind, ScalarStyle};
use crate::text::Span;

/// Anchor and tag in front of a node.
#[derive(Default, Clone, Copy)]
pub(super) struct Props<'a> {
    pub(super) anchor: Option<&'a str>,
    pub(super) tag: Option<&'a str>,
    pub(super) span: Option<Span>,
}

impl<'a> Parser<'a> {
    pub(super) fn props(&mut self) -> Props<'a> {
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
    pub(super) fn take_name(&mut self) -> &'a str {
        let start = self.pos;
        while !self.is_gap(self.pos) && !matches!(self.peek(), b',' | b'[' | b']' | b'{' | b'}') {
            self.pos += 1;
        }
        &self.text[start..self.pos]
    }

    pub(super) fn finish(&mut self, props: Props<'a>, id: NodeId) -> NodeId {
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
    pub(super) fn apply_tag(&mut self, tag: &str, id: NodeId, span: Option<Span>) {
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
                NodeKind::Number(Number::Int(if decimal { written.parse().unwrap_or(0) } else { 0 }))
            }
            "!!float" => NodeKind::Number(Number::Float(written.parse().unwrap_or(0.0))),
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

    pub(super) fn is_quoted(&self, id: NodeId) -> bool {
        matches!(self.nodes[id.0 as usize].style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted)
    }

    pub(super) fn alias(&mut self) -> NodeId {
        let start = self.pos;
        self.pos += 1;
        let name = self.take_name();
        let span = Span::new(start, self.pos);
        let kind = match self.anchors.get(name) {
            Some(&Some(target)) => NodeKind::Alias(target),
            // Inside its own anchor an alias reads as null.
            Some(&None) => NodeKind::Null,
            None => {
                let nearest = nearest(name, self.anchors.keys().copied()).map(str::to_owned);
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
}
