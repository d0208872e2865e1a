//! `saddler lsp`.

use std::io::Write;

use tracing_subscriber::EnvFilter;

use super::ExitStatus;
use crate::lsp::{self, Ending};

/// What is logged when `SADDLER_LOG` says nothing. The client has gone when it cannot be written to; that is no news.
const LOG: &str = "warn,tower_lsp_server::service::client=off";

/// Serves until the client leaves: 0 when it asked for a shutdown first, else 1, as the protocol wants it.
pub(super) fn lsp() -> ExitStatus {
    let filter = EnvFilter::try_from_env("SADDLER_LOG").unwrap_or_else(|_| EnvFilter::new(LOG));
    // Standard output belongs to the protocol. A logger that is set already (in tests) is as good.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).try_init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => {
            let _ = writeln!(anstream::stderr().lock(), "error: cannot start: {source}");
            return ExitStatus::Error;
        }
    };
    let ending = runtime.block_on(lsp::serve(tokio::io::stdin(), tokio::io::stdout()));
    // A client may leave its end open, and a read from standard input cannot be called off.
    runtime.shutdown_background();
    match ending {
        Ending::Orderly => ExitStatus::Success,
        Ending::Abandoned => ExitStatus::Failure,
    }
}
