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
    complaint: Option<Frame>,
}

impl Flow {
    /// Reads to the end of the output.
    ///
    /// # Errors
    /// The engine's, or [`ContainerError::Output`] when the sink fails.
    pub(super) async fn run(&mut self, output: &mut Output, sink: &mut Sink<'_>) -> Result<(), FlowError> {
        while let Some(frame) = output.next().await {
            let frame = frame.map_err(FlowError::Engine)?;
            if !self.seen && is_complaint(&frame) {
                self.seen = true;
                self.complaint = Some(frame);
                continue;
            }
            self.seen = true;
            self.release(sink)?;
            sink(frame.stream, &frame.bytes).map_err(FlowError::Sink)?;
        }
        Ok(())
    }

    /// Hands over a complaint that turned out to be a program's own words.
    pub(super) fn release(&mut self, sink: &mut Sink<'_>) -> Result<(), FlowError> {
        match self.complaint.take() {
            Some(frame) => sink(frame.stream, &frame.bytes).map_err(FlowError::Sink),
            None => Ok(()),
        }
    }

    /// The complaint, if the whole output was one and the exit code is that of a program that could not be started.
    pub(super) fn complaint(&mut self, code: i64) -> Option<String> {
        if !matches!(code, 126 | 127 | 1 | 255) {
            return None;
        }
        self.complaint.take().map(|frame| String::from_utf8_lossy(&frame.bytes).trim().to_owned())
    }
}

fn is_complaint(frame: &Frame) -> bool {
    frame.stream == Stream::Stderr && INIT_COMPLAINTS.iter().any(|start| frame.bytes.starts_with(start.as_bytes()))
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
