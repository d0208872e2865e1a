//! The tree of one file: an arena of nodes, so that deep or wide hostile input neither recurses nor leaks.

use std::sync::Arc;

use serde_json::Value as Json;

use super::scalar::Number;
use crate::text::Span;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(super) u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarStyle {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
}

/// What a node is. Scalars are already read as Dagu reads them.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    Null,
    Bool(bool),
    Number(Number),
    /// Text that stands in the source exactly as it is read.
    Source(Span),
    /// Text that had escapes, folds or a tag.
    Owned(Box<str>),
    Sequence(Vec<NodeId>),
    Mapping(Box<Map>),
    /// Another node of the same document. The target never is an alias itself.
    Alias(NodeId),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Without anchor, tag, comments or trailing blanks; for a missing value an empty span behind its key.
    pub span: Span,
    pub style: ScalarStyle,
    /// True where braces or brackets were used.
    pub flow: bool,
    pub anchored: bool,
    pub tagged: bool,
    pub kind: NodeKind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    pub key: NodeId,
    pub value: NodeId,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map {
    /// As written, `<<` included, duplicates too.
    pub written: Vec<Entry>,
    /// With merges carried out by position as Dagu does: what stands later wins. `None` when nothing is merged.
    pub(super) effective: Option<Vec<Entry>>,
}

impl Map {
    /// The entries that count, merges carried out; of duplicate keys both are there.
    pub fn entries(&self) -> &[Entry] {
        self.effective.as_deref().unwrap_or(&self.written)
    }
}

/// One document of a file with several, separated by `---`.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeDocument {
    /// From its `---` (or the start of the file) to the next.
    pub span: Span,
    pub root: NodeId,
    /// True when there is nothing but blanks and comments.
    pub empty: bool,
}

#[derive(Debug, Clone)]
pub struct Tree {
    pub(super) text: Arc<str>,
    pub(super) nodes: Vec<Node>,
    pub(super) documents: Vec<TreeDocument>,
    pub(super) comments: Vec<Span>,
}

/// Collections nested deeper than this are cut off in [`Value::to_json`]; nothing Dagu gives a meaning is so deep.
const JSON_DEPTH: usize = 1100;
/// Nodes after which [`Value::to_json`] stops following aliases, so that a few lines of them cannot fill the memory.
const JSON_NODES: usize = 2_000_000;

impl Tree {
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    pub fn documents(&self) -> &[TreeDocument] {
        &self.documents
    }

    /// Spans of all comments, in order, from `#` to the end of the line.
    pub fn comments(&self) -> &[Span] {
        &self.comments
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub fn n_nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The node as a value; an alias is followed, and remembered as the place of use.
    pub fn value(&self, id: NodeId) -> Value<'_> {
        let target = match self.node(id).kind {
            NodeKind::Alias(target) => target,
            _ => id,
        };
        Value { tree: self, id: target, site: id }
    }
}

/// A node seen through its aliases, with the place where it is used.
#[derive(Debug, Clone, Copy)]
pub struct Value<'t> {
    tree: &'t Tree,
    id: NodeId,
    site: NodeId,
}

impl<'t> Value<'t> {
    pub fn tree(self) -> &'t Tree {
        self.tree
    }

    /// The node itself, behind any alias.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// The node as written where it is used: the alias, if there is one.
    pub fn site(self) -> NodeId {
        self.site
    }

    pub fn node(self) -> &'t Node {
        self.tree.node(self.id)
    }

    /// Where the content stands (for an alias: at the anchor).
    pub fn span(self) -> Span {
        self.node().span
    }

    /// Where the value is used (for an alias: the alias).
    pub fn site_span(self) -> Span {
        self.tree.node(self.site).span
    }

    pub fn is_null(self) -> bool {
        matches!(self.node().kind, NodeKind::Null)
    }

    /// The text of a text scalar. Numbers, booleans and nulls are not text.
    pub fn as_str(self) -> Option<&'t str> {
        match &self.node().kind {
            NodeKind::Source(span) => Some(span.text(&self.tree.text)),
            NodeKind::Owned(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(self) -> Option<bool> {
        match self.node().kind {
            NodeKind::Bool(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_number(self) -> Option<Number> {
        match self.node().kind {
            NodeKind::Number(value) => Some(value),
            _ => None,
        }
    }

    /// A scalar as text, the way Dagu turns it into one (`0x1F` is `31`, `1.50` is `1.5`); `None` for null,
    /// lists and maps.
    pub fn scalar_text(self) -> Option<String> {
        match &self.node().kind {
            NodeKind::Bool(value) => Some(value.to_string()),
            NodeKind::Number(number) => Some(number.to_string()),
            _ => self.as_str().map(str::to_owned),
        }
    }

    pub fn as_map(self) -> Option<&'t Map> {
        match &self.node().kind {
            NodeKind::Mapping(map) => Some(map),
            _ => None,
        }
    }

    pub fn is_map(self) -> bool {
        self.as_map().is_some()
    }

    pub fn is_sequence(self) -> bool {
        matches!(self.node().kind, NodeKind::Sequence(_))
    }

    /// Items of a sequence; nothing for any other kind.
    pub fn items(self) -> impl ExactSizeIterator<Item = Value<'t>> {
        let items: &[NodeId] = match &self.node().kind {
            NodeKind::Sequence(items) => items,
            _ => &[],
        };
        items.iter().map(move |&item| self.tree.value(item))
    }

    /// Key and value of every effective entry of a mapping; nothing for any other kind.
    pub fn entries(self) -> impl ExactSizeIterator<Item = (Value<'t>, Value<'t>)> {
        let entries = self.as_map().map_or(&[][..], Map::entries);
        entries.iter().map(move |entry| (self.tree.value(entry.key), self.tree.value(entry.value)))
    }

    /// Key and value of the entry with this key. Of duplicates the last counts.
    pub fn entry(self, key: &str) -> Option<(Value<'t>, Value<'t>)> {
        let entries = self.as_map()?.entries();
        let entry = entries.iter().rev().find(|entry| self.tree.value(entry.key).as_key().as_deref() == Some(key))?;
        Some((self.tree.value(entry.key), self.tree.value(entry.value)))
    }

    pub fn get(self, key: &str) -> Option<Value<'t>> {
        self.entry(key).map(|(_, value)| value)
    }

    /// The node as a mapping key: numbers and booleans become text, null is `null`.
    pub fn as_key(self) -> Option<std::borrow::Cow<'t, str>> {
        match &self.node().kind {
            NodeKind::Null => Some("null".into()),
            NodeKind::Bool(_) | NodeKind::Number(_) => self.scalar_text().map(Into::into),
            _ => self.as_str().map(Into::into),
        }
    }

    /// The value without its places, aliases copied out. Infinite numbers become the largest finite ones, NaN zero:
    /// JSON has no word for them.
    pub fn to_json(self) -> Json {
        let mut budget = JSON_NODES;
        self.json_within(&mut budget, 0, false)
    }

    fn json_within(self, budget: &mut usize, depth: usize, inside_env: bool) -> Json {
        if depth > JSON_DEPTH || *budget == 0 {
            return Json::Null;
        }
        *budget -= 1;
        match &self.node().kind {
            NodeKind::Null | NodeKind::Alias(_) => Json::Null,
            NodeKind::Bool(value) => Json::Bool(*value),
            NodeKind::Number(number) => number.to_json(),
            NodeKind::Source(span) => Json::String(span.text(&self.tree.text).to_owned()),
            NodeKind::Owned(text) => Json::String(text.to_string()),
            NodeKind::Sequence(items) => stacker::maybe_grow(32 * 1024, 1024 * 1024, || {
                let items = items.iter().map(|&item| self.tree.value(item).json_within(budget, depth + 1, inside_env));
                Json::Array(items.collect())
            }),
            NodeKind::Mapping(map) => stacker::maybe_grow(32 * 1024, 1024 * 1024, || {
                let mut object = serde_json::Map::with_capacity(map.entries().len());
                for entry in map.entries() {
                    let key = self.tree.value(entry.key).as_key().unwrap_or_default();
                    let value = self.tree.value(entry.value);
                    let is_env = key == "env" && !inside_env;
                    let json = value.json_within(budget, depth + 1, inside_env || is_env);
                    object
                        .insert(key.into_owned(), if is_env && value.site == value.id { env_list(json) } else { json });
                }
                Json::Object(object)
            }),
        }
    }
}

/// Dagu reads any mapping below a key `env` as a list of one-key maps, wherever it stands.
fn env_list(value: Json) -> Json {
    match value {
        Json::Object(entries) => Json::Array(
            entries.into_iter().map(|(key, value)| Json::Object(serde_json::Map::from_iter([(key, value)]))).collect(),
        ),
        other => other,
    }
}
