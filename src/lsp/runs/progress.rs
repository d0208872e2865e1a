//! Work-done progress of one run. It ends when this is dropped, so that no path leaves a spinner behind.

use std::time::Duration;

use tower_lsp::Client;
use tower_lsp::ls_types::notification::Progress as Notification;
use tower_lsp::ls_types::{
    ProgressParams, ProgressParamsValue, ProgressToken, WorkDoneProgress, WorkDoneProgressBegin, WorkDoneProgressEnd,
    WorkDoneProgressReport,
};

/// How long a client may take to agree to show progress. Without its word none is shown.
const PATIENCE: Duration = Duration::from_secs(5);

const TOKEN: &str = "saddler/run/";

/// The run whose progress has this token.
pub(in crate::lsp) fn run_of(token: &ProgressToken) -> Option<&str> {
    match token {
        ProgressToken::String(token) => token.strip_prefix(TOKEN),
        ProgressToken::Number(_) => None,
    }
}

pub(super) struct Progress {
    client: Client,
    token: ProgressToken,
    ended: bool,
}

impl Progress {
    /// `None` when the client refuses.
    pub async fn begin(client: &Client, run_id: &str, title: String) -> Option<Self> {
        let token = ProgressToken::String(format!("{TOKEN}{run_id}"));
        let asked = tokio::time::timeout(PATIENCE, client.create_work_done_progress(token.clone())).await;
        if !matches!(asked, Ok(Ok(()))) {
            return None;
        }
        let progress = Progress { client: client.clone(), token, ended: false };
        let begin = WorkDoneProgressBegin { title, cancellable: Some(true), message: None, percentage: Some(0) };
        progress.send(WorkDoneProgress::Begin(begin)).await;
        Some(progress)
    }

    pub async fn report(&self, message: String, percentage: u32) {
        let report = WorkDoneProgressReport { cancellable: None, message: Some(message), percentage: Some(percentage) };
        self.send(WorkDoneProgress::Report(report)).await;
    }

    pub async fn end(mut self, message: String) {
        self.ended = true;
        self.send(WorkDoneProgress::End(WorkDoneProgressEnd { message: Some(message) })).await;
    }

    async fn send(&self, value: WorkDoneProgress) {
        send(&self.client, self.token.clone(), value).await;
    }
}

async fn send(client: &Client, token: ProgressToken, value: WorkDoneProgress) {
    let value = ProgressParamsValue::WorkDone(value);
    client.send_notification::<Notification>(ProgressParams { token, value }).await;
}

impl Drop for Progress {
    fn drop(&mut self) {
        if !self.ended
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (client, token) = (self.client.clone(), self.token.clone());
            let end = WorkDoneProgress::End(WorkDoneProgressEnd::default());
            runtime.spawn(async move { send(&client, token, end).await });
        }
    }
}
