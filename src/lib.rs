//! A language server, validator and runner for Dagu workflow files, built around one action: `harness.run`, which puts
//! a coding agent's command line to work as a step, on the host or inside a container.
//!
//! This page is the architecture chapter. Read it before the first file.
//!
//! # Bird's-eye view
//!
//! A file goes in; three front ends work on it. `saddler check` reports what is wrong, `saddler run` executes, and
//! `saddler lsp` does both inside an editor. There is one way from text to meaning and one way from meaning to
//! processes, and no front end has a way of its own:
//!
//! ```text
//!                     understanding                                       running
//!  text ─ syntax ─ dag ─ document ─ rules ─┐             ┌─ plan ─ runner ─ host process
//!                  │         │             │             │           └───── container ─ engine
//!                  │       schema          ├─ report ────┤
//!                  │                      ide            │
//!                  └───────────────────────│─────────────┘
//!                                         lsp, cli
//! ```
//!
//! The two columns share [`dag`], and the pure texts-to-values code of [`values`] and [`harness`], and do not meet again
//! before [`report`], [`lsp`] and [`cli`].
//!
//! # Code map
//!
//! - [`text`], [`diagnostic`]: byte spans, lines, edits; findings as plain data.
//! - [`syntax`]: a tolerant YAML parser of our own that reads scalars, merges and flow collections as Dagu does. It
//!   cannot fail: problems are data beside the tree, and a mistake costs one entry, never the rest of the file.
//! - [`schema`]: one table of fields, the JSON Schema made from it (`schema/dag.schema.json`), and the shape checks
//!   that walk a document node by node.
//! - [`dag`]: the typed model. A field is absent, malformed or valued, each with its place, so that rules keep quiet
//!   about what the schema has reported.
//! - [`document`], [`workspace`]: one file at one moment; the files on disk, and which of them are workflows.
//! - [`rules`]: everything that needs more than one place or knowledge of the run. One file, one line in the registry,
//!   one corpus folder each.
//! - [`ide`]: editor features in offsets and strings.
//! - [`values`]: what a string becomes before it is used, when, and from which scope.
//! - [`harness`]: agent providers, the merging of their settings, and the argv they make. The runner, `--dry-run` and the
//!   editor's hover call the same functions.
//! - [`plan`], [`runner`]: which steps run in which order; carrying them out. [`runner::event`] is the public contract.
//! - [`engine`], [`container`]: verbs of a container engine; what a workflow's `container:` means in those verbs.
//! - [`report`], [`lsp`], [`cli`]: the rims. Wire formats have structs of their own there.
//!
//! # Invariants
//!
//! - Everything up to [`rules`] and [`ide`] is synchronous, does no input or output and cannot fail. It is tested with
//!   strings. Opening a file executes nothing, reads no secret and makes no engine call.
//! - `bollard` is named below `engine/docker` alone, LSP types below [`lsp`] alone, and nothing outside [`report`]
//!   and [`cli`] prints. Only `main` ends the process.
//! - A later document, run or rule never edits an earlier one: documents, plans and snapshots are immutable.
//! - The dispatcher decides and starts nothing; the executor starts and decides nothing. Removal of a container is a
//!   step on every path, never a destructor's business.
//! - Values of secrets reach processes as environment or mounts. They are masked in whatever is printed or stored.
//! - User text goes through a shell only where Dagu promises one, and inserted values are never scanned again.
//! - What Dagu refuses and what saddler finds are told apart: a [`diagnostic::Diagnostic`] has a severity for our
//!   commands and a [`diagnostic::Gate`] for the commands in Dagu's spelling.
//!
//! # Where this differs from the obvious
//!
//! - The schema is cut into small validators and dispatched by hand. A schema with sixty alternatives for a step says
//!   "none of these matched"; ours says which word is wrong, is faster, and lets an unchanged node keep its result.
//! - `container` and `values` are modules of their own, beside the engine and the runner: both are mostly pure, and the
//!   checker needs them too.
//! - The runner's plan copies what it needs out of the model: a run must not change when the editor's text does.
//!
//! # How to add
//!
//! - **A rule**: a file in `rules/` with `declare_rule!`, its line in [`rules::RULES`], a folder in
//!   `tests/corpus/rules/` (write the `.yaml`, bless the `.out`, read it). Its doc comment is its page.
//! - **A field**: its line in `schema/fields.json`, then regenerate the schema; a place in [`dag`] if a rule wants one.
//! - **An output of a run**: a file in `report/` that matches on the runner's events. The runner does not change.
//! - **An engine**: an implementation of [`engine::Engine`].

pub mod text;
pub mod diagnostic;
pub mod syntax;
pub mod schema;
pub mod dag;
pub mod document;
pub mod rules;
pub mod workspace;
pub mod ide;
pub mod values;
pub mod harness;
pub mod container;
pub mod plan;
pub mod engine;
pub mod runner;
pub mod report;
pub mod lsp;
pub mod cli;
