//! What keeps a shared container alive, and ends it when we are gone.
//!
//! The first process is an `sh` that reads its standard input, which is a connection held by us and closed by the
//! engine when that breaks off. So a `kill -9` of saddler ends the container, with all that runs in it, without a
//! guard process and without a time limit. A line every half minute keeps proxies from taking the connection for dead.

use std::time::Duration;

use futures_util::StreamExt;
use regex::Regex;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::engine::{Attachment, Stream};

/// Ends at the end of its input, or at a signal even where it is process 1 (an engine without an init).
pub(super) const SCRIPT: &str = "trap 'exit 143' TERM; trap 'exit 130' INT; while read -r _; do :; done";

const HEARTBEAT: Duration = Duration::from_secs(30);
/// How much of the output is kept for messages, in bytes.
const TAIL: usize = 1024;
/// Longer lines are matched in pieces.
const LINE: usize = 1024 * 1024;

/// What has been seen of a container's own output.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// The last of it.
    pub tail: Vec<u8>,
    pub matched: bool,
    pub ended: bool,
}

/// A connection to a container that is watched in the background. Dropping it closes the connection.
pub(super) struct Watch {
    seen: watch::Receiver<Seen>,
    task: JoinHandle<()>,
}

impl Watch {
    pub(super) fn new(attachment: Attachment, pattern: Option<Regex>) -> Self {
        let (sender, seen) = watch::channel(Seen::default());
        Self { seen, task: tokio::spawn(follow(attachment, pattern, sender)) }
    }

    /// What has been printed last, as the end of a message: `; it said: …`, or nothing.
    pub(super) fn said(&self) -> String {
        let seen = self.seen.borrow();
        let text = String::from_utf8_lossy(&seen.tail);
        let text = text.trim();
        if text.is_empty() { String::new() } else { format!("; it said: {text}") }
    }

    /// Waits for a line that matches; false when the output ends without one.
    pub(super) async fn matched(&self) -> bool {
        let mut seen = self.seen.clone();
        match seen.wait_for(|seen| seen.matched || seen.ended).await {
            Ok(seen) => seen.matched,
            Err(_) => false,
        }
    }

    /// Waits, briefly, for the output to be complete; for the messages about a container that has ended.
    pub(super) async fn settle(&self) {
        let mut seen = self.seen.clone();
        // Without the end there is still what was printed so far.
        let _ = tokio::time::timeout(Duration::from_secs(1), seen.wait_for(|seen| seen.ended)).await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(attachment: Attachment, pattern: Option<Regex>, seen: watch::Sender<Seen>) {
    let Attachment { mut output, mut input } = attachment;
    let mut lines = [Vec::new(), Vec::new()];
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.tick().await;
    loop {
        tokio::select! {
            frame = output.next() => {
                let Some(Ok(frame)) = frame else { break };
                let line = &mut lines[usize::from(frame.stream == Stream::Stderr)];
                let matched = pattern.as_ref().is_some_and(|pattern| feed(line, &frame.bytes, pattern));
                seen.send_modify(|seen| {
                    seen.tail.extend_from_slice(&frame.bytes);
                    let surplus = seen.tail.len().saturating_sub(TAIL);
                    seen.tail.drain(..surplus);
                    seen.matched |= matched;
                });
            }
            _ = beat.tick(), if input.is_some() => {
                let Some(pipe) = &mut input else { continue };
                // A pipe that is closed belongs to a container that has ended; its output ends, too.
                if pipe.write_all(b"\n").await.is_err() || pipe.flush().await.is_err() {
                    input = None;
                }
            }
        }
    }
    let matched = pattern.is_some_and(|pattern| lines.iter().any(|line| matches(line, &pattern)));
    seen.send_modify(|seen| {
        seen.matched |= matched;
        seen.ended = true;
    });
}

/// Adds bytes to a stream's unfinished line; true when a line that is now complete matches.
fn feed(line: &mut Vec<u8>, bytes: &[u8], pattern: &Regex) -> bool {
    let mut matched = false;
    for part in bytes.split_inclusive(|byte| *byte == b'\n') {
        line.extend_from_slice(part);
        if part.ends_with(b"\n") || line.len() >= LINE {
            matched |= matches(line, pattern);
            line.clear();
        }
    }
    matched
}

fn matches(line: &[u8], pattern: &Regex) -> bool {
    let text = String::from_utf8_lossy(line);
    !text.is_empty() && pattern.is_match(text.trim_end_matches(['\r', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_match_whole_however_they_arrive() {
        let pattern = Regex::new("^ready on [0-9]+$").unwrap();
        let mut line = Vec::new();
        assert!(!feed(&mut line, b"booting\nready o", &pattern));
        assert!(feed(&mut line, b"n 80\r\nmore", &pattern));
        assert_eq!(line, b"more");
    }

    #[cfg(unix)]
    #[test]
    fn the_script_ends_with_its_input_and_at_a_signal() {
        use std::process::{Command, Stdio};
        let start = || Command::new("sh").args(["-c", SCRIPT]).stdin(Stdio::piped()).spawn().unwrap();
        let mut shell = start();
        drop(shell.stdin.take());
        assert_eq!(shell.wait().unwrap().code(), Some(0));
        let mut shell = start();
        std::thread::sleep(Duration::from_millis(100));
        Command::new("kill").arg(shell.id().to_string()).status().unwrap();
        assert_eq!(shell.wait().unwrap().code(), Some(143));
    }
}
