//! Text to spanned tree, without ever failing: problems are data beside the tree.
//!
//! The parser is our own because no YAML parser for Rust goes on behind an error, and none reads YAML the way Dagu
//! does (`1e3` is text, merge keys go by position, a list inside braces splits its items at a colon, …: the quirks are
//! named where they are handled). It works by indentation: what it cannot read costs one entry, and the entries around
//! it keep their places. A strict parser checks it in the tests.
//!
//! What the tree means is the business of [`crate::dag`].

mod parser;
mod path;
mod scalar;
mod tree;

pub use parser::{Parse, parse};
pub use path::{Path, Place, Segment};
pub use scalar::{Number, resolve_plain};
pub use tree::{Entry, Map, Node, NodeId, NodeKind, ScalarStyle, Tree, TreeDocument, Value};
