//! Takes the engine's own words about a program it could not start out of that program's output.
//!
//! Docker 20.10 accepts the exec, writes its complaint to *stdout*, ending in CR LF, and reports 126 without a process
//! id. Podman writes to stderr and reports 125 to 127. Both look like a program that ran and failed.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::{EngineError, Fault, Frame, Output, Runtime, Stream};

/// How long the end of a suspicious output is waited for; a program that was not started ends at once.
const SUSPICION: Duration = Duration::from_secs(2);

/// What the engine knows of an exec.
pub(super) struct Facts {
    pub running: bool,
    pub exit_code: i64,
    pub pid: i64,
}

struct Sifted {
    output: Output,
    ready: VecDeque<Result<Frame, EngineError>>,
    /// Asked for at most once, about the first frame.
    facts: Option<BoxFuture<'static, Option<Facts>>>,
}

/// Passes `output` on, or answers [`EngineError::NotStarted`] in its place. `facts` is only awaited on a suspicion.
pub(super) fn sift(
    runtime: Runtime,
    container: &str,
    facts: BoxFuture<'static, Option<Facts>>,
    output: Output,
) -> Output {
    let container = container.to_owned();
    let state = Sifted { output, ready: VecDeque::new(), facts: Some(facts) };
    stream::unfold(state, move |mut state| {
        let container = container.clone();
        async move {
            if let Some(ready) = state.ready.pop_front() {
                return Some((ready, state));
            }
            let item = state.output.next().await?;
            let facts = state.facts.take();
            let (Ok(frame), Some(facts)) = (&item, facts) else { return Some((item, state)) };
            if !is_suspicious(runtime, frame) {
                return Some((item, state));
            }
            let mut held: Vec<Frame> = item.into_iter().collect();
            let ended = collect(&mut state.output, &mut held, &mut state.ready).await;
            if ended && facts.await.is_some_and(|facts| was_not_started(runtime, &facts)) {
                return Some((Err(EngineError::NotStarted { container, fault: Fault::new(words(&held)) }), state));
            }
            let late = std::mem::take(&mut state.ready);
            state.ready.extend(held.into_iter().map(Ok));
            state.ready.extend(late);
            let next = state.ready.pop_front()?;
            Some((next, state))
        }
    })
    .boxed()
}

fn is_suspicious(runtime: Runtime, frame: &Frame) -> bool {
    match runtime {
        Runtime::Docker => frame.stream == Stream::Stdout && frame.bytes.ends_with(b"\r\n"),
        Runtime::Podman => {
            let text = String::from_utf8_lossy(&frame.bytes);
            frame.stream == Stream::Stderr && text.starts_with("Error: ") && text.contains("OCI ")
        }
    }
}

/// Reads to the end of the output; false when that does not come soon or ends in an error.
async fn collect(output: &mut Output, held: &mut Vec<Frame>, late: &mut VecDeque<Result<Frame, EngineError>>) -> bool {
    loop {
        match timeout(SUSPICION, output.next()).await {
            Ok(None) => return true,
            Ok(Some(Ok(frame))) => held.push(frame),
            Ok(Some(error)) => {
                late.push_back(error);
                return false;
            }
            Err(_) => return false,
        }
    }
}

fn was_not_started(runtime: Runtime, facts: &Facts) -> bool {
    match runtime {
        // Newer versions report 127 for a missing program.
        Runtime::Docker => !facts.running && facts.pid == 0 && matches!(facts.exit_code, 126 | 127),
        Runtime::Podman => !facts.running && matches!(facts.exit_code, 125..=127),
    }
}

fn words(frames: &[Frame]) -> String {
    let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes.iter().copied()).collect();
    let text = String::from_utf8_lossy(&bytes);
    // Podman adds a line about its own connection.
    let line = text.lines().next().unwrap_or_default().trim();
    line.strip_prefix("Error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::FutureExt;

    async fn sifted(runtime: Runtime, frames: &[(Stream, &'static str)], exit_code: i64, pid: i64) -> Vec<String> {
        let frames: Vec<_> = frames
            .iter()
            .map(|(stream, text)| Ok(Frame { stream: *stream, bytes: Bytes::from_static(text.as_bytes()) }))
            .collect();
        let facts = async move { Some(Facts { running: false, exit_code, pid }) }.boxed();
        sift(runtime, "c", facts, stream::iter(frames).boxed())
            .map(|item| match item {
                Ok(frame) => String::from_utf8_lossy(&frame.bytes).into_owned(),
                Err(error) => error.to_string(),
            })
            .collect()
            .await
    }

    #[tokio::test]
    async fn dockers_complaint_on_stdout_becomes_an_error() {
        let frames = [(Stream::Stdout, "OCI runtime exec failed: no nope\r\n")];
        let said = "the command in container `c` was not started: OCI runtime exec failed: no nope";
        assert_eq!(sifted(Runtime::Docker, &frames, 126, 0).await, [said]);
    }

    #[tokio::test]
    async fn podmans_complaint_on_stderr_becomes_an_error_without_its_own_troubles() {
        let frames = [
            (Stream::Stderr, "Error: runc: no nope: OCI runtime attempted to invoke\n"),
            (Stream::Stderr, "Error: read unixpacket: connection reset\n"),
        ];
        let said = "the command in container `c` was not started: runc: no nope: OCI runtime attempted to invoke";
        assert_eq!(sifted(Runtime::Podman, &frames, 127, 0).await, [said]);
    }

    #[tokio::test]
    async fn a_program_that_only_looks_like_it_keeps_its_output() {
        let frames = [(Stream::Stdout, "dos line\r\n"), (Stream::Stderr, "more")];
        assert_eq!(sifted(Runtime::Docker, &frames, 126, 7).await, ["dos line\r\n", "more"]);
        let frames = [(Stream::Stderr, "Error: OCI \n"), (Stream::Stdout, "more")];
        assert_eq!(sifted(Runtime::Podman, &frames, 1, 0).await, ["Error: OCI \n", "more"]);
    }
}
