//! What a string of a document becomes before it is used: references, parameters, environment, outputs, secrets.
//!
//! Everything here is synchronous and free of I/O; where a file, a command or a secret store is needed, the caller
//! hands in a closure. Spans are left to others: texts come in as `&str` or [`serde_json::Value`], and what is wrong
//! comes out as a [`Problem`] with the path inside that value.
//!
//! The one thing that surprises: a field's policy, never its text, decides what `$NAME` means in it. See [`Policy`].

pub mod reference;
pub mod operator;
pub mod scan;
pub mod scope;
pub mod resolve;
pub mod dynamic;
pub mod consts;
pub mod context;
pub mod params;
pub mod env;
pub mod dotenv;
pub mod secrets;
pub mod masker;
pub mod outputs;
pub mod items;
pub mod notices;
pub mod path;
pub mod json_text;
pub mod problem;

pub use context::{Context, ContextField};
pub use problem::{At, Problem, Segment};
pub use reference::{ForeachName, Reference, Short};
pub use resolve::{Policy, Resolved, resolve, resolve_json, resolve_noting};
pub use scan::{Token, TokenKind, scan};
pub use scope::{LayerKind, RunScope, Scope, StepFacts};
