//! Routes through a tree (`steps[2].depends`), and the places they lead to.

use std::fmt;

use super::tree::{NodeId, NodeKind, Tree, Value};
use crate::text::Span;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    Key(String),
    Index(usize),
}

impl From<&str> for Segment {
    fn from(key: &str) -> Self {
        Segment::Key(key.to_owned())
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Self {
        Segment::Index(index)
    }
}

/// A route from the root of a document, printed as `steps[2].with.prompt`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Path(pub Vec<Segment>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if i == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Where a route led: the value, and the key it stands under, if it stands under one.
#[derive(Debug, Clone, Copy)]
pub struct Place<'t> {
    pub value: Value<'t>,
    pub key: Option<Value<'t>>,
    /// True when the whole route was there; false when `value` is the deepest part of it that was.
    pub complete: bool,
    /// The first alias on the way, if any: the content then stands at its anchor.
    pub through: Option<Span>,
}

impl Tree {
    /// Follows a route from a root as far as it goes.
    pub fn locate(&self, root: NodeId, segments: &[Segment]) -> Place<'_> {
        let mut place = Place { value: self.value(root), key: None, complete: true, through: None };
        for segment in segments {
            let value = place.value;
            let next = match (segment, &value.node().kind) {
                (Segment::Key(key), NodeKind::Mapping(_)) => value.entry(key).map(|(key, value)| (Some(key), value)),
                (Segment::Index(index), NodeKind::Sequence(_)) => value.items().nth(*index).map(|item| (None, item)),
                // A mapping below `env` counts as a list of one-key maps; the key segment that follows then finds
                // its entry in the same mapping.
                (Segment::Index(index), NodeKind::Mapping(map)) if *index < map.entries().len() => {
                    Some((place.key, value))
                }
                // A scalar that was taken for a list of one.
                (Segment::Index(0), _) => Some((place.key, value)),
                _ => None,
            };
            let Some((key, value)) = next else {
                place.complete = false;
                break;
            };
            if value.site() != value.id() && place.through.is_none() {
                place.through = Some(value.site_span());
            }
            place = Place { value, key, ..place };
        }
        place
    }
}
