//! From a keystroke to diagnostics: wait a moment, check, and publish unless the text has moved on.

use std::sync::Arc;
use std::time::Duration;

use tower_lsp::ls_types::Uri;

use super::server::Shared;
use super::state::Snapshot;
use super::to_proto::Writer;

/// How long the keyboard must be still before a changed text is checked.
const DEBOUNCE: Duration = Duration::from_millis(150);

pub(super) fn after_opening(shared: &Arc<Shared>, snapshot: Arc<Snapshot>) {
    tokio::spawn(check(Arc::clone(shared), snapshot));
}

pub(super) fn after_change(shared: &Arc<Shared>, snapshot: Arc<Snapshot>) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        tokio::time::sleep(DEBOUNCE).await;
        check(shared, snapshot).await;
    });
}

pub(super) fn after_closing(shared: &Arc<Shared>, uri: Uri) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move { publish(&shared, &uri).await });
}

async fn check(shared: Arc<Shared>, snapshot: Arc<Snapshot>) {
    if !shared.state.is_current(&snapshot) {
        return;
    }
    let checked = Arc::clone(&snapshot);
    let done = shared.compute("checking", move || checked.diagnostics().len()).await;
    if done.is_some() && shared.state.is_current(&snapshot) {
        publish(&shared, &snapshot.uri).await;
    }
}

/// Sends what is to be said about a document as it stands. A text that is still being checked is passed over: whoever
/// checks it publishes.
pub(super) async fn publish(shared: &Shared, uri: &Uri) {
    // Looking and sending are one act, or an older list could overtake a newer one between them.
    let _turn = shared.publishing.lock().await;
    match shared.state.marked(uri) {
        Some((snapshot, marks)) => {
            let Some(diagnostics) = snapshot.known_diagnostics() else { return };
            let writer = Writer { snapshot: &snapshot, session: shared.session() };
            let found = diagnostics.iter().map(|diagnostic| writer.diagnostic(diagnostic));
            let list = found.chain(marks.iter().filter_map(|mark| writer.mark(mark))).collect();
            shared.client.publish_diagnostics(uri.clone(), list, Some(snapshot.version)).await;
        }
        None => shared.client.publish_diagnostics(uri.clone(), Vec::new(), None).await,
    }
}
