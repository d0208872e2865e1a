//! A run for people: what each step prints as it prints it, how it ended, and the failures once more at the end.
//!
//! Plain lines, the same with and without a terminal, so that a log of a pipeline reads like what was seen; colour is
//! added on top and carries nothing of its own. Output of steps goes to standard output, everything about the run to
//! standard error.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::runner::event::{Event, EventKind, RunSummary, StepRef, StepResult, StepRole, StopReason, Stream};
use crate::runner::{RunStatus, StepStatus};

/// Writes events as lines for people. `out` takes the output of steps, `news` everything else.
pub struct Terminal<O, N> {
    out: O,
    news: N,
    /// Width of the longest step name, so that prefixes line up.
    width: usize,
    /// Unfinished lines, by step and stream.
    open: HashMap<(Arc<str>, Stream), Vec<u8>>,
}

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const ODD: Style = AnsiColor::Yellow.on_default();
const STEP: Style = AnsiColor::Cyan.on_default();

impl<O: Write, N: Write> Terminal<O, N> {
    pub fn new(out: O, news: N) -> Self {
        Self { out, news, width: 0, open: HashMap::new() }
    }

    /// # Errors
    /// When a line cannot be written.
    pub fn report(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            EventKind::RunStarted { dag, steps, log_dir } => {
                self.width = steps.iter().map(|step| step.name.chars().count()).max().unwrap_or(0).min(24);
                writeln!(self.news, "{BOLD}run{BOLD:#} {dag} {DIM}{} in {}{DIM:#}", event.run_id, log_dir.display())
            }
            EventKind::ImagePulling { step, image } => self.say(step.as_ref(), format_args!("pulling image {image}")),
            // One line a layer would bury everything else.
            EventKind::ImagePullProgressed { .. } => Ok(()),
            EventKind::ContainerReady { container } => self.say(None, format_args!("container {container} is ready")),
            EventKind::ContainerReleased { container, kept } => {
                let fate = if *kept { "stopped and kept" } else { "removed" };
                self.say(None, format_args!("container {container} {fate}"))
            }
            EventKind::StepStarted { step } => self.say(Some(step), format_args!("{DIM}started{DIM:#}")),
            EventKind::AttemptStarted { step, attempt, .. } if *attempt > 1 => {
                self.say(Some(step), format_args!("{DIM}attempt {attempt}{DIM:#}"))
            }
            EventKind::AttemptStarted { .. } => Ok(()),
            EventKind::FallbackStarted { step, provider, .. } => {
                self.say(Some(step), format_args!("{ODD}falling back to {provider}{ODD:#}"))
            }
            EventKind::Output { step, stream, bytes } => self.output(step, *stream, bytes),
            EventKind::AttemptFailedWillRetry { step, attempt, error, delay, .. } => {
                let first = error.lines().next().unwrap_or_default();
                self.say(
                    Some(step),
                    format_args!("{ODD}attempt {attempt} failed{ODD:#}: {first}; next in {}", duration(*delay)),
                )
            }
            EventKind::AttemptFinishedWillRepeat { step, delay, .. } => {
                self.say(Some(step), format_args!("{DIM}repeats in {}{DIM:#}", duration(*delay)))
            }
            EventKind::Noticed { step, message } => {
                self.say(step.as_ref(), format_args!("{ODD}note{ODD:#}: {message}"))
            }
            EventKind::StepFinished { result } => self.finished(result),
            EventKind::StopStarted { reason } => {
                let text = match reason {
                    StopReason::Requested => "stopping; once more to kill",
                    StopReason::TimedOut => "out of time, stopping",
                    StopReason::Killed => "killing everything",
                };
                self.say(None, format_args!("{ODD}{text}{ODD:#}"))
            }
            EventKind::RunFinished { summary } => self.summary(summary),
        }
    }

    fn say(&mut self, step: Option<&StepRef>, text: std::fmt::Arguments<'_>) -> io::Result<()> {
        match step {
            Some(step) => {
                writeln!(self.news, "{STEP}{:>width$}{STEP:#} {DIM}|{DIM:#} {text}", step.name, width = self.width)
            }
            None => writeln!(self.news, "{text}"),
        }
    }

    /// Whole lines with the name of their step in front; the rest waits for its line break.
    fn output(&mut self, step: &StepRef, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let open = self.open.entry((Arc::clone(&step.name), stream)).or_default();
        open.extend_from_slice(bytes);
        let Some(end) = open.iter().rposition(|&byte| byte == b'\n') else { return Ok(()) };
        let rest = open.split_off(end + 1);
        let lines = std::mem::replace(open, rest);
        self.lines(&step.name, stream, &lines)
    }

    fn lines(&mut self, name: &str, stream: Stream, lines: &[u8]) -> io::Result<()> {
        let mark = if stream == Stream::Stderr { BAD } else { DIM };
        for line in String::from_utf8_lossy(lines).lines() {
            writeln!(self.out, "{STEP}{name:>width$}{STEP:#} {mark}|{mark:#} {line}", width = self.width)?;
        }
        self.out.flush()
    }

    fn finished(&mut self, result: &StepResult) -> io::Result<()> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if let Some(rest) = self.open.remove(&(Arc::clone(&result.step.name), stream))
                && !rest.is_empty()
            {
                self.lines(&result.step.name, stream, &rest)?;
            }
        }
        let style = status_style(result.status);
        let after = if result.attempts > 0 { format!(" in {}", duration(result.duration)) } else { String::new() };
        let why = match &result.error {
            Some(error) => format!(": {}", error.lines().next().unwrap_or_default()),
            None => String::new(),
        };
        self.say(Some(&result.step), format_args!("{style}{}{style:#}{DIM}{after}{DIM:#}{why}", words(result.status)))
    }

    fn summary(&mut self, summary: &RunSummary) -> io::Result<()> {
        writeln!(self.news)?;
        for step in summary
            .steps
            .iter()
            .filter(|step| step.step.role == StepRole::Step || step.status != StepStatus::NotStarted)
        {
            let style = status_style(step.status);
            writeln!(
                self.news,
                "  {:width$}  {style}{}{style:#}",
                step.step.name,
                words(step.status),
                width = self.width
            )?;
        }
        for step in summary.steps.iter().filter(|step| step.status == StepStatus::Failed) {
            let Some(error) = &step.error else { continue };
            writeln!(self.news, "\n{BAD}{}{BAD:#} failed: {}", step.step.name, indented(error))?;
            for log in [&step.stdout_log, &step.stderr_log].into_iter().flatten() {
                writeln!(self.news, "  {DIM}log: {}{DIM:#}", log.display())?;
            }
        }
        let style = match summary.status {
            RunStatus::Succeeded => GOOD,
            RunStatus::Failed | RunStatus::Rejected => BAD,
            _ => ODD,
        };
        let word = summary.status.word().replace('_', " ");
        writeln!(self.news, "\n{style}{word}{style:#} {DIM}in {}{DIM:#}", duration(summary.duration))?;
        if summary.error.is_some() && !summary.steps.iter().any(|step| step.error == summary.error) {
            writeln!(self.news, "error: {}", summary.error.as_deref().unwrap_or_default())?;
        }
        self.news.flush()
    }
}

/// The first line as it is, those below moved in.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n  ")
}

fn words(status: StepStatus) -> String {
    status.word().replace('_', " ")
}

fn status_style(status: StepStatus) -> Style {
    match status {
        StepStatus::Succeeded => GOOD,
        StepStatus::Failed | StepStatus::Rejected => BAD,
        StepStatus::NotStarted | StepStatus::Skipped => DIM,
        _ => ODD,
    }
}

fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        seconds @ 1..60 => format!("{seconds}.{} s", duration.subsec_millis() / 100),
        seconds => format!("{} m {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_whole_and_named() {
        let mut terminal = Terminal::new(Vec::new(), Vec::new());
        terminal.width = 3;
        let step = StepRef { id: None, name: "ab".into(), role: StepRole::Step };
        for piece in ["one\ntw", "o\nthree"] {
            terminal.output(&step, Stream::Stdout, piece.as_bytes()).expect("a vector takes everything");
        }
        let text = anstream::adapter::strip_bytes(&terminal.out).into_vec();
        assert_eq!(String::from_utf8(text).expect("text"), " ab | one\n ab | two\n");
    }

    #[test]
    fn durations_read_well() {
        let at = |millis| duration(Duration::from_millis(millis));
        assert_eq!([at(5), at(1250), at(125_000)], ["5 ms", "1.2 s", "2 m 5 s"]);
    }
}
