//! What a step prints: masked, logged, redirected, shown, and kept as far as somebody wants it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::event::{EventKind, StepRef, Stream};
use super::messages::Emitter;
use super::target::Sink;
use crate::values::masker::{MaskStream, Masker};

/// Bytes of stderr that an error quotes.
pub const TAIL: usize = 1024;

/// Why the streams of a step cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up step: cannot open {}: {source}", path.display())]
pub struct StreamError {
    pub path: PathBuf,
    pub source: io::Error,
}

/// Where the output of a step goes.
#[derive(Debug, Default)]
pub struct StreamPlan {
    pub stdout_log: PathBuf,
    /// The same path for merged logs.
    pub stderr_log: PathBuf,
    /// Further files, appended to, made with mode 0600.
    pub stdout_file: Option<PathBuf>,
    pub stderr_file: Option<PathBuf>,
}

/// The open streams of one step, for all of its attempts.
pub struct StepStreams {
    stdout: Channel,
    stderr: Channel,
    emitter: Emitter,
    step: StepRef,
    captured: Vec<u8>,
    captured_stderr: Vec<u8>,
    capture_limit: usize,
    tail: Vec<u8>,
}

struct Channel {
    mask: MaskStream,
    files: Vec<Arc<Mutex<File>>>,
}

impl StepStreams {
    /// Opens everything for appending. Redirect targets get no parents made: a missing folder is the user's slip.
    ///
    /// # Errors
    /// [`StreamError`] with the file that could not be opened.
    pub fn open(plan: &StreamPlan, masker: &Masker, emitter: Emitter, step: StepRef) -> Result<Self, StreamError> {
        let open = |path: &Path| {
            let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
            match opened {
                Ok(file) => Ok(Arc::new(Mutex::new(file))),
                Err(source) => Err(StreamError { path: path.to_owned(), source }),
            }
        };
        let stdout_log = open(&plan.stdout_log)?;
        let stderr_log =
            if plan.stderr_log == plan.stdout_log { Arc::clone(&stdout_log) } else { open(&plan.stderr_log)? };
        let mut stdout = vec![stdout_log];
        let mut stderr = vec![stderr_log];
        if let Some(path) = &plan.stdout_file {
            stdout.push(open(path)?);
        }
        if let Some(path) = &plan.stderr_file {
            stderr.push(open(path)?);
        }
        Ok(Self {
            stdout: Channel { mask: masker.stream(), files: stdout },
            stderr: Channel { mask: masker.stream(), files: stderr },
            emitter,
            step,
            captured: Vec::new(),
            captured_stderr: Vec::new(),
            capture_limit: 0,
            tail: Vec::new(),
        })
    }

    /// Forgets what the attempt before printed, and keeps up to `limit` bytes (and one more, which tells that there was
    /// more) of what is printed from now on.
    pub fn begin_attempt(&mut self, limit: usize) {
        self.captured.clear();
        self.captured_stderr.clear();
        self.tail.clear();
        self.capture_limit = limit.saturating_add(1);
    }

    /// Gives out what was held back at the end of a program, since nothing can follow that would make it a secret.
    ///
    /// # Errors
    /// When a log cannot be written.
    pub fn end_program(&mut self) -> io::Result<()> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = self.channel(stream).mask.finish();
            self.put(stream, rest)?;
        }
        Ok(())
    }

    /// Stdout of this attempt, unmasked; one byte more than the limit when there was more.
    pub fn captured(&self) -> &[u8] {
        &self.captured
    }

    /// As [`Self::captured`], for stderr.
    pub fn captured_stderr(&self) -> &[u8] {
        &self.captured_stderr
    }

    /// The end of stderr of this attempt, masked, without its last line break; at most [`TAIL`] bytes.
    pub fn stderr_tail(&self) -> String {
        String::from_utf8_lossy(&self.tail).trim_end_matches(['\n', '\r']).to_owned()
    }

    fn channel(&mut self, stream: Stream) -> &mut Channel {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn put(&mut self, stream: Stream, masked: Vec<u8>) -> io::Result<()> {
        if masked.is_empty() {
            return Ok(());
        }
        for file in &self.channel(stream).files {
            file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&masked)?;
        }
        if stream == Stream::Stderr {
            self.tail.extend_from_slice(&masked);
            let surplus = self.tail.len().saturating_sub(TAIL);
            self.tail.drain(..surplus);
        }
        self.emitter.emit(EventKind::Output { step: self.step.clone(), stream, bytes: masked });
        Ok(())
    }
}

impl Sink for StepStreams {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let limit = self.capture_limit;
        let captured = match stream {
            Stream::Stdout => &mut self.captured,
            Stream::Stderr => &mut self.captured_stderr,
        };
        let room = limit.saturating_sub(captured.len()).min(bytes.len());
        captured.extend_from_slice(&bytes[..room]);
        let masked = self.channel(stream).mask.push(bytes);
        self.put(stream, masked)
    }
}
