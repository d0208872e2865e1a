//! A language server, validator and runner for Dagu workflow files.

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
