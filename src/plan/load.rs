//! A file as workflows that can be run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::lower::{LowerError, lower};
use super::spec::DagSpec;
use crate::document::Document;

/// Why a file gives nothing to run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Read(#[from] crate::workspace::ReadError),
    #[error("{}: {message}", path.display())]
    Syntax { path: PathBuf, message: String },
    #[error("{} cannot be run: {}", path.display(), list(.errors))]
    Unusable { path: PathBuf, errors: Vec<LowerError> },
}

fn list(errors: &[LowerError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Reads the entry document of a file, which knows the documents beside it.
///
/// # Errors
/// When the file cannot be read, is no YAML, or holds something that cannot be run.
pub fn load(path: &Path) -> Result<DagSpec, LoadError> {
    let document = crate::workspace::read(path)?;
    if let Some(problem) = document.syntax.first() {
        return Err(LoadError::Syntax { path: path.to_owned(), message: problem.message.clone() });
    }
    from_document(&document, path)
}

/// As [`load`], for a document that has been read and checked already.
///
/// # Errors
/// When the entry document holds something that cannot be run.
pub fn from_document(document: &Document, path: &Path) -> Result<DagSpec, LoadError> {
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let documents: Vec<Value> = document.dags.iter().map(|dag| dag.root_value().to_json()).collect();
    let entry = document.entry().root_value().to_json();
    let mut dag = lower(&entry, Some(&file)).map_err(|errors| LoadError::Unusable { path: path.to_owned(), errors })?;
    dag.documents = Arc::new(documents);
    Ok(dag)
}
