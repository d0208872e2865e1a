//! The open documents, behind one lock that is never held across an `.await`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tower_lsp::ls_types::Uri;

use super::runs::Mark;
use crate::diagnostic::Diagnostic;
use crate::document::Document;
use crate::plan::Selection;
use crate::rules;

/// One text of one document, and what follows from it, worked out at most once and only when wanted.
///
/// Texts are taken over on the connection's own thread, where nothing may take long or panic; parsing is neither.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub uri: Uri,
    /// `None` for a text that is no file.
    pub path: Option<PathBuf>,
    /// As the client counts.
    pub version: i32,
    pub text: Arc<str>,
    /// As we count: different for any two texts, also when a document is closed and opened again.
    generation: u64,
    document: OnceLock<Document>,
    diagnostics: OnceLock<Vec<Diagnostic>>,
}

impl Snapshot {
    pub fn document(&self) -> &Document {
        self.document.get_or_init(|| Document::parse(&self.text, self.path.as_deref(), self.version))
    }

    /// Everything there is to say; nothing for a file that is no DAG.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        self.diagnostics.get_or_init(|| {
            let document = self.document();
            if document.is_dag() { rules::check(document) } else { Vec::new() }
        })
    }

    /// The findings if they have been worked out.
    pub fn known_diagnostics(&self) -> Option<&[Diagnostic]> {
        self.diagnostics.get().map(Vec::as_slice)
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    files: Mutex<Files>,
}

#[derive(Debug, Default)]
struct Files {
    open: HashMap<Uri, File>,
    generations: u64,
}

#[derive(Debug)]
struct File {
    snapshot: Arc<Snapshot>,
    /// What runs said about this text.
    marks: Vec<Mark>,
}

impl State {
    pub fn open(&self, uri: Uri, path: Option<PathBuf>, version: i32, text: &str) -> Arc<Snapshot> {
        self.files().put(uri, path, version, text.into())
    }

    /// Replaces the text by what `edit` makes of it. `None` when the document is not open.
    pub fn change(&self, uri: &Uri, version: i32, edit: impl FnOnce(&str) -> String) -> Option<Arc<Snapshot>> {
        let mut files = self.files();
        let old = Arc::clone(&files.open.get(uri)?.snapshot);
        Some(files.put(uri.clone(), old.path.clone(), version, edit(&old.text).into()))
    }

    pub fn close(&self, uri: &Uri) {
        self.files().open.remove(uri);
    }

    pub fn get(&self, uri: &Uri) -> Option<Arc<Snapshot>> {
        self.files().open.get(uri).map(|file| Arc::clone(&file.snapshot))
    }

    /// A document with what runs have said about it.
    pub fn marked(&self, uri: &Uri) -> Option<(Arc<Snapshot>, Vec<Mark>)> {
        self.files().open.get(uri).map(|file| (Arc::clone(&file.snapshot), file.marks.clone()))
    }

    /// Adds marks, each in place of what was said about its step. False when the document is not open.
    pub fn mark(&self, uri: &Uri, marks: Vec<Mark>) -> bool {
        let mut files = self.files();
        let Some(file) = files.open.get_mut(uri) else { return false };
        file.marks.retain(|old| marks.iter().all(|new| new.step != old.step));
        file.marks.extend(marks);
        true
    }

    /// Takes away what was said about steps that run again. True when there was something.
    pub fn unmark(&self, uri: &Uri, selection: &Selection) -> bool {
        let mut files = self.files();
        let Some(file) = files.open.get_mut(uri) else { return false };
        let before = file.marks.len();
        file.marks.retain(|mark| match selection {
            Selection::Step(word) => mark.step.id.as_deref() != Some(word) && *mark.step.name != **word,
            Selection::All | Selection::StepWithDeps(_) => false,
        });
        file.marks.len() < before
    }

    /// False as soon as the document was edited or closed.
    pub fn is_current(&self, snapshot: &Snapshot) -> bool {
        self.get(&snapshot.uri).is_some_and(|current| current.generation == snapshot.generation)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        // Every change is a single insertion or removal, so whatever a panic left behind is whole.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn put(&mut self, uri: Uri, path: Option<PathBuf>, version: i32, text: Arc<str>) -> Arc<Snapshot> {
        self.generations += 1;
        let snapshot = Arc::new(Snapshot {
            uri: uri.clone(),
            path,
            version,
            text,
            generation: self.generations,
            document: OnceLock::new(),
            diagnostics: OnceLock::new(),
        });
        self.open.insert(uri, File { snapshot: Arc::clone(&snapshot), marks: Vec::new() });
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_opened_again_with_the_same_version_is_another() {
        let state = State::default();
        let uri: Uri = "file:///a.yaml".parse().expect("a URI");
        let first = state.open(uri.clone(), None, 1, "a");
        assert!(state.is_current(&first));
        state.close(&uri);
        assert!(!state.is_current(&first));
        let second = state.open(uri.clone(), None, 1, "a");
        assert!(state.is_current(&second) && !state.is_current(&first));
        let third = state.change(&uri, 2, |text| text.to_owned() + "b").expect("it is open");
        assert_eq!(&*third.text, "ab");
        assert!(!state.is_current(&second));
    }
}
