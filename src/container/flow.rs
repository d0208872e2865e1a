//! Output on its way from the engine to a sink, with what an init program says about a missing program held back.

use futures_util::StreamExt;

use super::caller::Sink;
use super::failure::ContainerError;
use crate::engine::{EngineError, Frame, Output, Stream};

/// What the engines' init programs write when they cannot start the program.
const INIT_COMPLAINTS: [&str; 3] = ["[FATAL tini (", "[FATAL docker-init (", "ERROR (catatonit:"];

/// Carries output over; keeps a complaint of the init program to itself.
#[derive(Default)]
pub(super) struct Flow {
    seen: bool,
    /// What may be a complaint, which can arrive in pieces.
    held: Vec<u8>,
}

impl Flow {
    /// Reads to the end of the output.
    ///
    /// # Errors
    /// The engine's, or the sink's.
    pub(super) async fn run(&mut self, output: &mut Output, sink: &mut Sink<'_>) -> Result<(), FlowError> {
        while let Some(frame) = output.next().await {
            let frame = frame.map_err(FlowError::Engine)?;
            if self.hold(&frame) {
                continue;
            }
            self.release(sink)?;
            sink(frame.stream, &frame.bytes).map_err(FlowError::Sink)?;
        }
        Ok(())
    }

    /// Keeps a frame back while all that was printed is the beginning of a complaint, which is one line.
    fn hold(&mut self, frame: &Frame) -> bool {
        let goes_on = !self.seen || (!self.held.is_empty() && !self.held.ends_with(b"\n"));
        self.seen = true;
        if !goes_on || frame.stream != Stream::Stderr {
            return false;
        }
        let so_far = [&self.held, &*frame.bytes].concat();
        let fits = INIT_COMPLAINTS.iter().any(|start| {
            let length = start.len().min(so_far.len());
            so_far[..length] == start.as_bytes()[..length]
        });
        let one_line = so_far.iter().position(|byte| *byte == b'\n').is_none_or(|end| end + 1 == so_far.len());
        if fits && one_line {
            self.held = so_far;
        }
        fits && one_line
    }

    /// Hands over a complaint that turned out to be a program's own words.
    pub(super) fn release(&mut self, sink: &mut Sink<'_>) -> Result<(), FlowError> {
        match std::mem::take(&mut self.held) {
            held if held.is_empty() => Ok(()),
            held => sink(Stream::Stderr, &held).map_err(FlowError::Sink),
        }
    }

    /// The complaint, if the whole output was one and the exit code is that of a program that could not be started.
    pub(super) fn complaint(&mut self, code: i64) -> Option<String> {
        let complained = INIT_COMPLAINTS.iter().any(|start| self.held.starts_with(start.as_bytes()));
        if !complained || !matches!(code, 126 | 127 | 1 | 255) {
            return None;
        }
        let held = std::mem::take(&mut self.held);
        Some(String::from_utf8_lossy(&held).trim().to_owned())
    }
}

/// What broke the flow.
#[derive(Debug)]
pub(super) enum FlowError {
    Engine(EngineError),
    Sink(std::io::Error),
}

impl From<FlowError> for ContainerError {
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::Engine(error) => error.into(),
            FlowError::Sink(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::stream;

    /// What reaches the sink, and the complaint.
    async fn flow(frames: &[(Stream, &'static str)], code: i64) -> (String, Option<String>) {
        let frames = frames.iter().map(|(stream, text)| {
            Ok::<_, EngineError>(Frame { stream: *stream, bytes: Bytes::from_static(text.as_bytes()) })
        });
        let mut output = stream::iter(frames.collect::<Vec<_>>()).boxed();
        let mut text = Vec::new();
        let mut sink = |_: Stream, bytes: &[u8]| {
            text.extend_from_slice(bytes);
            Ok(())
        };
        let mut flow = Flow::default();
        flow.run(&mut output, &mut sink).await.unwrap();
        let complaint = flow.complaint(code);
        flow.release(&mut sink).unwrap();
        (String::from_utf8(text).unwrap(), complaint)
    }

    #[tokio::test]
    async fn a_complaint_is_kept_back_in_whatever_pieces_it_comes() {
        let said = Some("[FATAL tini (7)] exec nope failed".to_owned());
        for frames in [
            &[(Stream::Stderr, "[FATAL tini (7)] exec nope failed\n")] as &[_],
            &[
                (Stream::Stderr, "["),
                (Stream::Stderr, "FATAL tini (7)] exec nope"),
                (Stream::Stderr, " failed"),
                (Stream::Stderr, "\n"),
            ],
        ] {
            assert_eq!(flow(frames, 127).await, (String::new(), said.clone()));
        }
    }

    #[tokio::test]
    async fn words_of_a_program_are_never_lost() {
        for frames in [
            &[(Stream::Stderr, "[")] as &[_],
            &[(Stream::Stderr, "["), (Stream::Stderr, "x]\n")],
            &[(Stream::Stderr, "[FATAL tini (7)] a\n"), (Stream::Stderr, "b\n")],
            &[(Stream::Stdout, "[FATAL tini (7)] a\n")],
            &[(Stream::Stdout, "a"), (Stream::Stderr, "[FATAL tini (7)] a\n")],
            &[(Stream::Stderr, "[FATAL tini (7)] a\nb\n")],
        ] {
            let all: String = frames.iter().map(|(_, text)| *text).collect();
            assert_eq!(flow(frames, 127).await, (all, None), "{frames:?}");
        }
        let frames = [(Stream::Stderr, "[FATAL tini (7)] a\n")];
        assert_eq!(flow(&frames, 3).await, ("[FATAL tini (7)] a\n".to_owned(), None));
    }
}
