//! The shape of a workflow: which fields there are, what they hold, and which of them go together.
//!
//! One table (`schema/fields.json`) says what every field takes. From it comes a JSON Schema for editors
//! (`schema/dag.schema.json`), which is cut into small validators, one per kind of node; the modules here walk a
//! document, give each node to its validator, and add the rules that a schema cannot say. What is wrong is a
//! [`Fault`]: plain data with a path. Spans are the caller's, and so are findings that need the whole document
//! (duplicate names, dependencies, references) or the disk.
//!
//! Surprising: a validator only finds the place of a mistake. What the message says comes from the table.

pub mod explain;
pub mod fault;
pub mod fields;
pub mod formats;
pub mod generate;
pub mod node;
pub mod validators;
pub mod words;
