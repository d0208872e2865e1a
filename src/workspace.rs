//! Files on disk: which are DAGs, and what they hold.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use crate::document::Document;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read `{path}`: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot walk `{path}`: {source}")]
    Walk { path: PathBuf, source: ignore::Error },
}

/// A file to check: named by the user, or found in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub path: PathBuf,
    /// A file that was named is checked whatever it holds; a found one only if it is a DAG.
    pub named: bool,
}

/// The files that `paths` stand for: themselves, or every YAML file below a directory that git would not ignore.
/// Sorted, without doubles.
///
/// # Errors
/// A path that does not exist or a directory that cannot be read.
pub fn find(paths: &[PathBuf]) -> Result<Vec<Found>, ReadError> {
    let mut found = BTreeSet::new();
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|source| ReadError::Read { path: path.clone(), source })?;
        if !metadata.is_dir() {
            found.insert(Found { path: path.clone(), named: true });
            continue;
        }
        for entry in WalkBuilder::new(path).require_git(false).build() {
            let entry = entry.map_err(|source| ReadError::Walk { path: path.clone(), source })?;
            if entry.file_type().is_some_and(|kind| kind.is_file()) && is_yaml(entry.path()) {
                let path = entry.into_path();
                found.insert(Found { path, named: false });
            }
        }
    }
    Ok(found.into_iter().collect())
}

fn is_yaml(path: &Path) -> bool {
    matches!(path.extension().and_then(|extension| extension.to_str()), Some("yaml" | "yml"))
}

/// Reads a file as a document. Bytes that are no UTF-8 become replacement characters, as Dagu lets them pass.
///
/// # Errors
/// The file cannot be read.
pub fn read(path: &Path) -> Result<Document, ReadError> {
    let bytes = std::fs::read(path).map_err(|source| ReadError::Read { path: path.to_owned(), source })?;
    Ok(Document::parse(&String::from_utf8_lossy(&bytes), Some(path), 0))
}
