//! A run as JSON lines: one event a line, for programs that watch.
//!
//! # Schema 1
//! Every line is an object with `schema` (1), `event`, `run_id` and `elapsed_ms`, and the keys of its event:
//!
//! | `event` | keys |
//! |---|---|
//! | `run_started` | `dag`, `steps` (list of step), `log_dir` |
//! | `image_pulling` | `step`?, `image` |
//! | `image_pull_progressed` | `step`?, `image`, `progress` |
//! | `container_ready`, `container_released` | `container`, the latter also `kept` |
//! | `step_started` | `step` |
//! | `attempt_started` | `step`, `attempt` (from 1), `place` |
//! | `fallback_started` | `step`, `index` (from 0), `provider` |
//! | `output` | `step`, `stream` (`stdout` or `stderr`), `text` |
//! | `attempt_failed_will_retry` | `step`, `attempt`, `exit_code`, `error`, `delay_ms` |
//! | `attempt_finished_will_repeat` | `step`, `attempt`, `exit_code`, `delay_ms` |
//! | `noticed` | `step`?, `message` |
//! | `step_finished` | `step`, `status`, `exit_code`, `attempts`, `error`?, `outputs`, `stdout_log`?, `stderr_log`?, `duration_ms` |
//! | `stop_started` | `reason` (`requested`, `timed_out`, `killed`) |
//! | `run_finished` | `status`, `exit_code`, `error`?, `outputs`, `duration_ms` |
//!
//! A step is `{"id"?, "name", "role"}`; `role` is `step`, or `onInit` and the like. `text` of `output` holds whole
//! characters: a character that was cut waits for its rest. Readers skip events and keys they do not know; a change that
//! breaks them gets a new number.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::runner::event::{Event, EventKind, Place, StepRef, StopReason, Stream};

/// Writes events as lines.
pub struct JsonLines<W> {
    out: W,
    /// Bytes of characters that are not complete, by step and stream.
    cut: HashMap<(Arc<str>, Stream), Vec<u8>>,
}

impl<W: Write> JsonLines<W> {
    pub fn new(out: W) -> Self {
        Self { out, cut: HashMap::new() }
    }

    /// Where the lines went.
    pub fn out_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// # Errors
    /// When the line cannot be written.
    pub fn report(&mut self, event: &Event) -> io::Result<()> {
        if let EventKind::StepFinished { result } = &event.kind {
            for stream in [Stream::Stdout, Stream::Stderr] {
                let rest = self.cut.remove(&(Arc::clone(&result.step.name), stream)).unwrap_or_default();
                if !rest.is_empty() {
                    let text = String::from_utf8_lossy(&rest).into_owned();
                    self.line(event, Wire::Output { step: (&result.step).into(), stream: stream.into(), text })?;
                }
            }
        }
        match &event.kind {
            EventKind::Output { step, stream, bytes } => {
                let text = self.whole_characters(step, *stream, bytes);
                if text.is_empty() {
                    return Ok(());
                }
                self.line(event, Wire::Output { step: step.into(), stream: (*stream).into(), text })
            }
            kind => self.line(event, Wire::from(kind)),
        }
    }

    fn line(&mut self, event: &Event, wire: Wire<'_>) -> io::Result<()> {
        let line = Line { schema: 1, run_id: &event.run_id, elapsed_ms: event.elapsed.as_millis() as u64, wire };
        serde_json::to_writer(&mut self.out, &line)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    /// The text so far; what may be the first bytes of a character is kept for the next piece.
    fn whole_characters(&mut self, step: &StepRef, stream: Stream, bytes: &[u8]) -> String {
        let held = self.cut.entry((Arc::clone(&step.name), stream)).or_default();
        held.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(held) {
            Ok(_) => held.len(),
            // `None`: the text ends inside a character. Anything else is no text and never will be.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => held.len() - cut_tail(held),
        };
        let text = String::from_utf8_lossy(&held[..whole]).into_owned();
        held.drain(..whole);
        text
    }
}

/// Length of the incomplete character at the end, at most 3.
fn cut_tail(bytes: &[u8]) -> usize {
    (1..=bytes.len().min(3))
        .find(|&n| {
            let tail = &bytes[bytes.len() - n..];
            tail[0] >= 0xc0 && std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none())
        })
        .unwrap_or(0)
}

#[derive(Serialize)]
struct Line<'a> {
    schema: u32,
    run_id: &'a str,
    elapsed_ms: u64,
    #[serde(flatten)]
    wire: Wire<'a>,
}

#[derive(Serialize)]
struct Step<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    role: &'a str,
}

impl<'a> From<&'a StepRef> for Step<'a> {
    fn from(step: &'a StepRef) -> Self {
        Self { id: step.id.as_deref(), name: &step.name, role: step.role.handler_name().unwrap_or("step") }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum StreamName {
    Stdout,
    Stderr,
}

impl From<Stream> for StreamName {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Stdout => Self::Stdout,
            Stream::Stderr => Self::Stderr,
        }
    }
}

pub(super) fn place_name(place: Place) -> &'static str {
    match place {
        Place::Host => "host",
        Place::RootContainer => "root_container",
        Place::StepContainer => "step_container",
        Place::ExistingContainer => "existing_container",
    }
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Wire<'a> {
    RunStarted {
        dag: &'a str,
        steps: Vec<Step<'a>>,
        log_dir: &'a Path,
    },
    ImagePulling {
        #[serde(skip_serializing_if = "Option::is_none")]
        step: Option<Step<'a>>,
        image: &'a str,
    },
    ImagePullProgressed {
        #[serde(skip_serializing_if = "Option::is_none")]
        step: Option<Step<'a>>,
        image: &'a str,
        progress: &'a str,
    },
    ContainerReady {
        container: &'a str,
    },
    ContainerReleased {
        container: &'a str,
        kept: bool,
    },
    StepStarted {
        step: Step<'a>,
    },
    AttemptStarted {
        step: Step<'a>,
        attempt: u32,
        place: &'static str,
    },
    FallbackStarted {
        step: Step<'a>,
        index: usize,
        provider: &'a str,
    },
    Output {
        step: Step<'a>,
        stream: StreamName,
        text: String,
    },
    AttemptFailedWillRetry {
        step: Step<'a>,
        attempt: u32,
        exit_code: i32,
        error: &'a str,
        delay_ms: u64,
    },
    AttemptFinishedWillRepeat {
        step: Step<'a>,
        attempt: u32,
        exit_code: i32,
        delay_ms: u64,
    },
    Noticed {
        #[serde(skip_serializing_if = "Option::is_none")]
        step: Option<Step<'a>>,
        message: &'a str,
    },
    StepFinished {
        step: Step<'a>,
        status: &'static str,
        exit_code: i32,
        attempts: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
        outputs: &'a Map<String, Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        stdout_log: Option<&'a Path>,
        #[serde(skip_serializing_if = "Option::is_none")]
        stderr_log: Option<&'a Path>,
        duration_ms: u64,
    },
    StopStarted {
        reason: &'static str,
    },
    RunFinished {
        status: &'static str,
        exit_code: i32,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
        outputs: &'a Map<String, Value>,
        duration_ms: u64,
    },
}

impl<'a> From<&'a EventKind> for Wire<'a> {
    fn from(kind: &'a EventKind) -> Self {
        match kind {
            EventKind::RunStarted { dag, steps, log_dir } => {
                Self::RunStarted { dag, steps: steps.iter().map(Step::from).collect(), log_dir }
            }
            EventKind::ImagePulling { step, image } => {
                Self::ImagePulling { step: step.as_ref().map(Step::from), image }
            }
            EventKind::ImagePullProgressed { step, image, progress } => {
                Self::ImagePullProgressed { step: step.as_ref().map(Step::from), image, progress }
            }
            EventKind::ContainerReady { container } => Self::ContainerReady { container },
            EventKind::ContainerReleased { container, kept } => Self::ContainerReleased { container, kept: *kept },
            EventKind::StepStarted { step } => Self::StepStarted { step: step.into() },
            EventKind::AttemptStarted { step, attempt, place } => {
                Self::AttemptStarted { step: step.into(), attempt: *attempt, place: place_name(*place) }
            }
            EventKind::FallbackStarted { step, index, provider } => {
                Self::FallbackStarted { step: step.into(), index: *index, provider }
            }
            EventKind::Output { step, stream, bytes } => Self::Output {
                step: step.into(),
                stream: (*stream).into(),
                text: String::from_utf8_lossy(bytes).into_owned(),
            },
            EventKind::AttemptFailedWillRetry { step, attempt, exit_code, error, delay } => {
                Self::AttemptFailedWillRetry {
                    step: step.into(),
                    attempt: *attempt,
                    exit_code: *exit_code,
                    error,
                    delay_ms: delay.as_millis() as u64,
                }
            }
            EventKind::AttemptFinishedWillRepeat { step, attempt, exit_code, delay } => {
                Self::AttemptFinishedWillRepeat {
                    step: step.into(),
                    attempt: *attempt,
                    exit_code: *exit_code,
                    delay_ms: delay.as_millis() as u64,
                }
            }
            EventKind::Noticed { step, message } => Self::Noticed { step: step.as_ref().map(Step::from), message },
            EventKind::StepFinished { result } => Self::StepFinished {
                step: (&result.step).into(),
                status: result.status.word(),
                exit_code: result.exit_code,
                attempts: result.attempts,
                error: result.error.as_deref(),
                outputs: &result.outputs,
                stdout_log: result.stdout_log.as_deref(),
                stderr_log: result.stderr_log.as_deref(),
                duration_ms: result.duration.as_millis() as u64,
            },
            EventKind::StopStarted { reason } => Self::StopStarted {
                reason: match reason {
                    StopReason::Requested => "requested",
                    StopReason::TimedOut => "timed_out",
                    StopReason::Killed => "killed",
                },
            },
            EventKind::RunFinished { summary } => Self::RunFinished {
                status: summary.status.word(),
                exit_code: summary.exit_code(),
                error: summary.error.as_deref(),
                outputs: &summary.outputs,
                duration_ms: summary.duration.as_millis() as u64,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::runner::event::StepRole;

    fn lines(kinds: Vec<EventKind>) -> String {
        let mut lines = JsonLines::new(Vec::new());
        for (i, kind) in kinds.into_iter().enumerate() {
            let event = Event { run_id: "r1".into(), elapsed: Duration::from_millis(i as u64), kind };
            lines.report(&event).expect("a vector takes everything");
        }
        String::from_utf8(lines.out).expect("JSON is text")
    }

    fn step() -> StepRef {
        StepRef { id: Some("a".into()), name: "a".into(), role: StepRole::Step }
    }

    #[test]
    fn every_line_names_schema_event_run_and_time() {
        let text = lines(vec![EventKind::AttemptStarted { step: step(), attempt: 1, place: Place::Host }]);
        assert_eq!(
            text,
            "{\"schema\":1,\"run_id\":\"r1\",\"elapsed_ms\":0,\"event\":\"attempt_started\",\
             \"step\":{\"id\":\"a\",\"name\":\"a\",\"role\":\"step\"},\"attempt\":1,\"place\":\"host\"}\n"
        );
    }

    #[test]
    fn a_character_that_was_cut_waits_for_its_rest() {
        let output = |bytes: &[u8]| EventKind::Output { step: step(), stream: Stream::Stdout, bytes: bytes.to_vec() };
        let text = lines(vec![output(b"a\xc3"), output(b"\xa4b\xff"), output(b"c\xe2\x82")]);
        let texts: Vec<String> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["text"].as_str().expect("text").to_owned())
            .collect();
        assert_eq!(texts, ["a", "äb\u{fffd}", "c"]);
    }
}
