//! A language server, validator and runner for Dagu workflow files.

pub mod cli;
pub mod dag;
pub mod diagnostic;
pub mod document;
pub mod engine;
pub mod harness;
pub mod ide;
pub mod lsp;
pub mod plan;
pub mod report;
pub mod rules;
pub mod runner;
pub mod schema;
pub mod syntax;
pub mod text;
pub mod values;
pub mod workspace;
