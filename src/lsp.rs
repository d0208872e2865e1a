//! The language server: protocol in, `ide` and `runner` called, protocol out.
//!
//! Types of the protocol live here and nowhere else; [`from_proto`] and [`to_proto`] are the only files that turn them
//! into ours and back. Three rules keep the server honest:
//!
//! - tower-lsp polls several handlers at once, in the order of their arrival. What must happen in that order (edits)
//!   happens before a handler's first `.await`, under one short lock ([`state`]).
//! - No handler waits for the client or for a run: a waiting handler holds one of tower-lsp's four places. What speaks
//!   to the client unasked is a task of its own.
//! - Whatever computes does so on a blocking thread, from an immutable [`state::Snapshot`]. A panic there costs one
//!   answer and is logged.

mod checks;
mod ext;
mod from_proto;
mod input;
mod runs;
mod server;
mod state;
mod to_proto;

use std::collections::HashMap;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tower_lsp::LspService;

use input::Input;
use server::Server;

/// What a session is given from outside.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The environment that runs see, as far as they may. It also says where run data lives, see
    /// [`crate::runner::paths::state_dir`].
    pub environment: HashMap<String, String>,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The client asked for a shutdown before it left.
    Orderly,
    /// It just went away, or the session was called off.
    Abandoned,
}

/// How long a client that has closed its end may take to read what is left for it.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves one client until it says `exit`, closes its end, or `called_off` is done. Runs that are alive then are
/// stopped, and it returns when they have tidied up.
pub async fn serve(
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite,
    settings: Settings,
    called_off: impl Future<Output = ()>,
) -> Ending {
    let (service, socket) = LspService::build(|client| Server::new(client, settings))
        .custom_method("window/workDoneProgress/cancel", Server::cancel_progress)
        .finish();
    let shared = service.inner().shared();
    let (input, closed) = Input::new(input);
    tokio::select! {
        () = tower_lsp::Server::new(input, output, socket).serve(service) => {}
        // A client that is gone and still holds its end of our output must not keep its runs alive.
        () = async { closed.cancelled().await; tokio::time::sleep(FAREWELL).await } => {}
        () = called_off => {}
    }
    shared.gone.cancel();
    shared.runs.end().await;
    if shared.was_shut_down() { Ending::Orderly } else { Ending::Abandoned }
}
