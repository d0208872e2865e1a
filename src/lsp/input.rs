//! The client's side of the pipe, with a bell that rings when it closes.
//!
//! tower-lsp returns only when all its output has been taken. A client that died with its end of our output inherited by
//! somebody would never take it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

pub(super) struct Input<R> {
    inner: R,
    closed: CancellationToken,
}

impl<R> Input<R> {
    /// The token is cancelled at the end of the input.
    pub fn new(inner: R) -> (Self, CancellationToken) {
        let closed = CancellationToken::new();
        (Input { inner, closed: closed.clone() }, closed)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Input<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.inner).poll_read(context, buffer));
        if read.is_err() || (buffer.filled().len() == before && buffer.remaining() > 0) {
            self.closed.cancel();
        }
        Poll::Ready(read)
    }
}
