//! The table of every field a workflow may hold: `schema/fields.json`, embedded and indexed by path.
//!
//! The JSON Schema is generated from it, and it supplies the words of messages, hovers and completions. Paths are
//! written as in the table: `[]` is a list item, `<name>` a free key, `action:NAME.with.X` an input of an action.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use crate::syntax::Segment;

/// The text of the table.
pub const TABLE: &str = include_str!("../../schema/fields.json");

/// One field. Where a list or map is meant, `types` may say `array<string>` or `map<string>`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub path: String,
    /// Which variant of its parent the field belongs to, such as `exec` or `image` of a container.
    pub mode: Option<String>,
    pub types: Vec<String>,
    /// Further YAML types that are taken by accident.
    #[serde(default)]
    pub also_accepts: Vec<String>,
    #[serde(rename = "enum", default)]
    pub choices: Vec<Value>,
    /// Older words that are taken too, but not offered.
    #[serde(default)]
    pub enum_also: Vec<String>,
    /// The words of `choices` count in any letter case.
    #[serde(default)]
    pub enum_ci: bool,
    pub pattern: Option<String>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub min_len: Option<u64>,
    pub max_len: Option<u64>,
    pub min_items: Option<u64>,
    pub format: Option<String>,
    /// The duration has to be above zero.
    #[serde(default)]
    pub positive: bool,
    /// Spaces around the text do not count.
    pub trim: Option<bool>,
    /// Empty text passes whatever the other rules say.
    #[serde(default)]
    pub empty: bool,
    /// Whether null passes, where the general rule does not hold.
    pub null: Option<bool>,
    /// Whether null passes in the list, where the general rule does not hold.
    pub null_items: Option<bool>,
    /// `none` or `integral`: which floats an integer takes, where the general rule does not hold.
    pub float: Option<String>,
    /// `runtime`: the values are not checked when the workflow is loaded.
    pub enforced: Option<String>,
    #[serde(default)]
    pub required: bool,
    pub required_when: Option<String>,
    pub default: Option<Value>,
    /// Whether an unknown key in the object is an error.
    pub closed: Option<bool>,
    /// The path whose children this field shares.
    pub same_as: Option<String>,
    /// `later`: v2.8.0 does not know the field.
    pub since: Option<String>,
    /// The field is gone; it is kept for the message about it.
    pub removed: Option<String>,
    /// What to write instead.
    pub deprecated: Option<String>,
    /// `false`: accepted by a set of fields shared between operations, but without effect here.
    pub effective: Option<bool>,
    /// References in its text are resolved.
    #[serde(default)]
    pub refs: bool,
    pub doc: String,
}

impl Field {
    /// The last part of the path without list marks: the key as written.
    pub fn name(&self) -> &str {
        let path = self.path.trim_end_matches("[]");
        path.rsplit_once('.').map_or(path, |(_, name)| name)
    }

    pub fn is_runtime_only(&self) -> bool {
        self.enforced.as_deref() == Some("runtime")
    }

    /// Inputs of actions follow stricter rules for null and floats than all other fields.
    pub fn is_input(&self) -> bool {
        self.path.starts_with("action:")
    }
}

pub type NodeId = usize;

/// A place in the tree of fields.
#[derive(Debug, Default)]
pub struct Node {
    /// The variants of the field; the first is the one that explains it.
    pub fields: Vec<usize>,
    pub children: BTreeMap<String, NodeId>,
    /// The order of `children` in the table.
    pub order: Vec<String>,
    pub item: Option<NodeId>,
    /// The child for free keys.
    pub free: Option<NodeId>,
}

/// The fields as a tree.
#[derive(Debug)]
pub struct Fields {
    fields: Vec<Field>,
    nodes: Vec<Node>,
}

/// The root of the tree: the workflow itself.
pub const ROOT: NodeId = 0;

impl Fields {
    /// The embedded table, read once.
    pub fn get() -> &'static Fields {
        static FIELDS: OnceLock<Fields> = OnceLock::new();
        FIELDS.get_or_init(|| Fields::parse(TABLE).expect("the embedded table is read by a test"))
    }

    pub fn parse(table: &str) -> Result<Fields, serde_json::Error> {
        let fields: Vec<Field> = serde_json::from_str(table)?;
        let mut tree = Fields { fields: Vec::new(), nodes: vec![Node::default()] };
        for (index, field) in fields.iter().enumerate() {
            let node = tree.make(&field.path);
            tree.nodes[node].fields.push(index);
        }
        tree.fields = fields;
        Ok(tree)
    }

    fn make(&mut self, path: &str) -> NodeId {
        parts(path).into_iter().fold(ROOT, |at, part| {
            let known = match part {
                Part::Item => self.nodes[at].item,
                Part::Free => self.nodes[at].free,
                Part::Key(key) => self.nodes[at].children.get(key).copied(),
            };
            known.unwrap_or_else(|| {
                let new = self.nodes.len();
                self.nodes.push(Node::default());
                let parent = &mut self.nodes[at];
                match part {
                    Part::Item => parent.item = Some(new),
                    Part::Free => parent.free = Some(new),
                    Part::Key(key) => {
                        parent.children.insert(key.to_owned(), new);
                        parent.order.push(key.to_owned());
                    }
                }
                new
            })
        })
    }

    pub fn all(&self) -> &[Field] {
        &self.fields
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// The node at a path of the table.
    pub fn find(&self, path: &str) -> Option<NodeId> {
        parts(path).into_iter().try_fold(ROOT, |at, part| match part {
            Part::Item => self.nodes[at].item,
            Part::Free => self.nodes[at].free,
            Part::Key(key) => self.nodes[at].children.get(key).copied(),
        })
    }

    /// The field that explains a node; `None` at the root and at nodes that only group others.
    pub fn field(&self, id: NodeId) -> Option<&Field> {
        self.nodes[id].fields.first().map(|&index| &self.fields[index])
    }

    /// All variants of the field at a node.
    pub fn variants(&self, id: NodeId) -> impl Iterator<Item = &Field> {
        self.nodes[id].fields.iter().map(|&index| &self.fields[index])
    }

    /// The node whose children count: `id` itself, or the one it is the `same_as` of.
    pub fn shape(&self, id: NodeId) -> NodeId {
        let mut at = id;
        while let Some(target) = self.field(at).and_then(|field| field.same_as.as_deref()) {
            match self.find(target) {
                Some(next) if next != at => at = next,
                _ => break,
            }
        }
        at
    }

    /// The field whose rules hold at a node: its own, or those of the field it is the same as.
    pub fn rules(&self, id: NodeId) -> Option<&Field> {
        self.field(id).map(|own| match &own.same_as {
            Some(_) if own.choices.is_empty() => self.field(self.shape(id)).unwrap_or(own),
            _ => own,
        })
    }

    /// Goes one segment down, through `same_as`.
    pub fn down(&self, id: NodeId, segment: &Segment) -> Option<NodeId> {
        let own = &self.nodes[id];
        let shared = &self.nodes[self.shape(id)];
        match segment {
            Segment::Index(_) => own.item.or(shared.item).or(Some(id)),
            Segment::Key(key) => {
                let known = own.children.get(key).or_else(|| shared.children.get(key)).copied();
                known.or(own.free).or(shared.free)
            }
        }
    }

    /// Follows a path of document segments from a node.
    pub fn follow<'a>(&self, from: NodeId, path: impl IntoIterator<Item = &'a Segment>) -> Option<NodeId> {
        path.into_iter().try_fold(from, |at, segment| self.down(at, segment))
    }

    /// The keys an object at this node may hold, in the order of the table. Where the node is a list of objects
    /// without an entry of its own for the items, the keys of the items.
    pub fn keys(&self, id: NodeId) -> impl Iterator<Item = (&str, &Field)> {
        let shape = &self.nodes[self.shape(id)];
        let shape = match shape.item {
            Some(item) if shape.children.is_empty() => &self.nodes[self.shape(item)],
            _ => shape,
        };
        shape.order.iter().filter_map(|key| {
            let field = self.field(shape.children[key])?;
            field.removed.is_none().then_some((key.as_str(), field))
        })
    }
}

enum Part<'a> {
    Key(&'a str),
    Item,
    Free,
}

/// Splits a path of the table. The name of an action keeps its dots: `action:http.request`, `with`, `url`.
fn parts(path: &str) -> Vec<Part<'_>> {
    if path.is_empty() {
        return Vec::new();
    }
    let (mut list, rest) = if path.starts_with("action:") {
        let end = path.find(".with").unwrap_or(path.len());
        (vec![Part::Key(&path[..end])], path[end..].trim_start_matches('.'))
    } else {
        (Vec::new(), path)
    };
    for part in rest.split('.') {
        let name = part.trim_end_matches("[]");
        match name {
            "" => {}
            _ if name.starts_with('<') => list.push(Part::Free),
            _ => list.push(Part::Key(name)),
        }
        list.extend((0..(part.len() - name.len()) / 2).map(|_| Part::Item));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_table_reads_and_every_reference_in_it_leads_somewhere() {
        let fields = Fields::get();
        assert!(fields.all().len() > 1000);
        for field in fields.all() {
            let node = fields.find(&field.path).unwrap_or_else(|| panic!("{} is in the tree", field.path));
            if let Some(target) = &field.same_as {
                assert!(fields.find(target).is_some(), "{} is the same as {target}, which is nothing", field.path);
            }
            assert!(!field.doc.is_empty(), "{} says nothing", field.path);
            assert!(fields.field(node).is_some());
        }
    }

    #[test]
    fn paths_of_documents_lead_through_lists_free_keys_and_shared_shapes() {
        let fields = Fields::get();
        let key = |text: &str| Segment::Key(text.to_owned());
        let path = [key("handler_on"), key("exit"), key("retry_policy"), key("limit")];
        let found = fields.follow(ROOT, &path).and_then(|node| fields.field(node));
        assert_eq!(found.map(|field| field.path.as_str()), Some("steps[].retry_policy.limit"));
        let path = [key("harnesses"), key("bot"), key("binary")];
        let found = fields.follow(ROOT, &path).and_then(|node| fields.field(node));
        assert_eq!(found.map(|field| field.path.as_str()), Some("harnesses.<name>.binary"));
        let path = [key("with"), key("url")];
        let base = fields.find("action:http.request").expect("http.request is known");
        assert!(fields.follow(base, &path).is_some());
    }
}
