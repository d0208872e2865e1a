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
mod from_proto;
mod server;
mod state;
mod to_proto;

use tokio::io::{AsyncRead, AsyncWrite};
use tower_lsp::LspService;

use server::Server;

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The client asked for a shutdown before it left.
    Orderly,
    /// It just went away.
    Abandoned,
}

/// Serves one client until it says `exit` or closes its end.
pub async fn serve(input: impl AsyncRead + Unpin, output: impl AsyncWrite) -> Ending {
    let (service, socket) = LspService::new(Server::new);
    let shared = service.inner().shared();
    tower_lsp::Server::new(input, output, socket).serve(service).await;
    if shared.was_shut_down() { Ending::Orderly } else { Ending::Abandoned }
}
