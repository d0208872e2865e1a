//! `saddler lsp`.

use std::io::Write;

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::ExitStatus;
use crate::lsp::{self, Ending, Settings};

/// What is logged when `SADDLER_LOG` says nothing. The client has gone when it cannot be written to; that is no news.
const LOG: &str = "warn,tower_lsp_server::service::client=off";

/// Serves until the client leaves: 0 when it asked for a shutdown first, else 1, as the protocol wants it.
pub(super) fn lsp() -> ExitStatus {
    let filter = EnvFilter::try_from_env("SADDLER_LOG").unwrap_or_else(|_| EnvFilter::new(LOG));
    // The engine client logs whole requests, with the values of variables in them.
    let filter = filter.add_directive("bollard=off".parse().expect("a directive"));
    // Standard output belongs to the protocol. A logger that is set already (in tests) is as good.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).try_init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => {
            let _ = writeln!(anstream::stderr().lock(), "error: cannot start: {source}");
            return ExitStatus::Error;
        }
    };
    let settings = Settings {
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
    };
    let ending = runtime.block_on(lsp::serve(tokio::io::stdin(), tokio::io::stdout(), settings, signalled()));
    // A client may leave its end open, and a read from standard input cannot be called off.
    runtime.shutdown_background();
    match ending {
        Ending::Orderly => ExitStatus::Success,
        Ending::Abandoned => ExitStatus::Failure,
    }
}

/// Waits for a signal that means the end: runs must be tidied up then too. Where signals cannot be watched they end the
/// process as they always did.
async fn signalled() {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hang_up)) = signals else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}
