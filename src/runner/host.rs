//! Programs on this machine: a process group each, ended as a whole.
//!
//! A program counts as ended when it has exited *and* its streams are closed, so a child left in the background that
//! still holds them keeps the step open, as it does in Dagu.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until};

use super::event::Stream;
use super::stop::{StopCause, StopToken};
use super::target::{Exit, Launch, Sink, TargetError};
use super::watchdog::Watchdog;

/// The host as a place to run programs.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// `PATH` for looking up `argv[0]`: that of the runner, unless the caller resolves names itself.
    pub lookup_path: String,
    /// Ends process groups should this process die; `None` in tests.
    pub watchdog: Option<Watchdog>,
}

/// A stop signal is repeated this often while the grace lasts.
const RESEND: Duration = Duration::from_secs(5);
/// How long output is still read after a kill; only a process that left its group can hold a stream longer.
const DRAIN: Duration = Duration::from_secs(1);

pub(super) async fn run(
    host: &Host,
    launch: Launch,
    sink: &mut dyn Sink,
    stop: &StopToken,
) -> Result<Exit, TargetError> {
    if let Some(cause) = stop.cause() {
        return Err(TargetError::StoppedBefore(cause));
    }
    let program = find_program(&launch.argv[0], &host.lookup_path, launch.cwd.as_deref())?;
    let mut child = spawn(&program, &launch).await?;
    let group = Pid::from_raw(child.id().expect("a child that was not waited for has an id") as i32);
    let mut left_behind = KillOnDrop(Some(group));
    let _watched = host.watchdog.as_ref().map(|watchdog| watchdog.watch(group));

    // Fed from a task of its own: a program may print before it reads, and need not read at all.
    let feeding = launch.stdin.zip(child.stdin.take()).map(|(text, mut pipe)| {
        tokio::spawn(async move {
            let _ = pipe.write_all(&text).await;
        })
    });
    let followed = follow(&mut child, group, sink, stop).await;
    if let Some(feeding) = feeding {
        feeding.abort();
    }
    if followed.is_ok() {
        left_behind.0 = None;
    }
    followed
}

/// Ends the group on every way out of [`run`] but the good one, cancellation of the future included.
struct KillOnDrop(Option<Pid>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            signal(group, Signal::SIGKILL);
        }
    }
}

async fn spawn(program: &Path, launch: &Launch) -> Result<Child, TargetError> {
    let mut command = Command::new(program);
    command
        .arg0(&launch.argv[0])
        .args(&launch.argv[1..])
        .env_clear()
        .envs(&launch.env)
        .stdin(if launch.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(cwd) = &launch.cwd {
        command.current_dir(cwd);
    }
    // A file written a moment ago may still be open in a sibling between its fork and exec; that passes.
    let mut tries = 0;
    loop {
        match command.spawn() {
            Err(error) if error.raw_os_error() == Some(Errno::ETXTBSY as i32) && tries < 20 => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(source) => return Err(TargetError::Start { program: launch.argv[0].clone(), source }),
            Ok(child) => return Ok(child),
        }
    }
}

/// Reads both streams and waits for the end, obeying `stop`.
async fn follow(child: &mut Child, group: Pid, sink: &mut dyn Sink, stop: &StopToken) -> Result<Exit, TargetError> {
    let mut stdout = Reader::new(child.stdout.take());
    let mut stderr = Reader::new(child.stderr.take());
    let mut status = None;
    let mut ending: Option<Ending> = None;

    while status.is_none() || stdout.is_open() || stderr.is_open() {
        tokio::select! {
            biased;
            () = stop.killed(), if ending.as_ref().is_none_or(|ending| !ending.killed) => {
                let cause = stop.cause().unwrap_or(StopCause::Requested(Signal::SIGTERM));
                let ending = ending.get_or_insert_with(|| Ending::new(cause, stop));
                ending.kill(group);
            }
            cause = stop.stopped(), if ending.is_none() => {
                let started = Ending::new(cause, stop);
                signal(group, started.signal);
                ending = Some(started);
            }
            () = sleep_until(ending.as_ref().map_or_else(far_away, |ending| ending.next)), if ending.is_some() => {
                let ending = ending.as_mut().expect("the branch is only taken while ending");
                if ending.killed {
                    // Whoever still holds a stream is out of reach.
                    break;
                }
                if ending.next >= ending.kill_at {
                    ending.kill(group);
                } else {
                    signal(group, ending.signal);
                    ending.next = (ending.next + RESEND).min(ending.kill_at);
                }
            }
            read = stdout.read(), if stdout.is_open() => {
                deliver(sink, Stream::Stdout, &stdout.chunk[..read])?;
            }
            read = stderr.read(), if stderr.is_open() => {
                deliver(sink, Stream::Stderr, &stderr.chunk[..read])?;
            }
            ended = child.wait(), if status.is_none() => {
                status = Some(ended.map_err(|source| TargetError::Wait { source })?);
            }
        }
    }
    if ending.is_some() {
        // What closed its streams but lives on in the background was to end as well.
        let _ = killpg(group, Signal::SIGKILL);
    }
    let status = match status {
        Some(status) => status,
        None => child.wait().await.map_err(|source| TargetError::Wait { source })?,
    };
    Ok(exit(status, ending.map(|ending| ending.cause)))
}

/// A stop that is under way.
struct Ending {
    cause: StopCause,
    signal: Signal,
    next: Instant,
    kill_at: Instant,
    killed: bool,
}

impl Ending {
    fn new(cause: StopCause, stop: &StopToken) -> Self {
        let kill_at = Instant::now() + stop.grace();
        Self { cause, signal: stop.signal(cause), next: (Instant::now() + RESEND).min(kill_at), kill_at, killed: false }
    }

    fn kill(&mut self, group: Pid) {
        signal(group, Signal::SIGKILL);
        self.killed = true;
        self.next = Instant::now() + DRAIN;
    }
}

fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(86_400)
}

fn signal(group: Pid, signal: Signal) {
    // ESRCH: all of the group has ended in the meantime, which is what the signal was for.
    if let Err(error) = killpg(group, signal)
        && error != Errno::ESRCH
    {
        tracing::warn!("cannot signal process group {group}: {error}");
    }
}

fn deliver(sink: &mut dyn Sink, stream: Stream, bytes: &[u8]) -> Result<(), TargetError> {
    if bytes.is_empty() {
        return Ok(());
    }
    sink.write(stream, bytes).map_err(|source| TargetError::Output { source })
}

fn exit(status: std::process::ExitStatus, stopped: Option<StopCause>) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    let number = status.signal();
    let code = status.code().unwrap_or_else(|| 128 + number.unwrap_or_default());
    Exit { code, signal: number.and_then(|number| Signal::try_from(number).ok()), stopped }
}

/// One pipe; closed by the first end of file or error.
struct Reader<R> {
    pipe: Option<R>,
    chunk: Box<[u8]>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    fn new(pipe: Option<R>) -> Self {
        Self { pipe, chunk: vec![0; 16 * 1024].into() }
    }

    fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Fills the start of `chunk`; 0 when the pipe has just been closed. Cancel-safe, as a read is.
    async fn read(&mut self) -> usize {
        let Some(pipe) = &mut self.pipe else { return 0 };
        let read = pipe.read(&mut self.chunk).await.unwrap_or(0);
        if read == 0 {
            self.pipe = None;
        }
        read
    }
}

/// The file to execute for a program name: itself when it has a `/` (relative to `cwd`), else the first executable of
/// that name in the directories of `path`.
///
/// # Errors
/// [`TargetError::ProgramNotFound`] when a bare name is in none of the directories.
pub fn find_program(name: &str, path: &str, cwd: Option<&Path>) -> Result<PathBuf, TargetError> {
    if name.contains('/') {
        return Ok(match cwd {
            Some(cwd) => cwd.join(name),
            None => PathBuf::from(name),
        });
    }
    path.split(':')
        .map(|dir| match cwd {
            // An empty entry is the working directory.
            Some(cwd) => cwd.join(dir).join(name),
            None => Path::new(dir).join(name),
        })
        .find(|file| is_executable(file))
        .ok_or_else(|| TargetError::ProgramNotFound { program: name.to_owned(), path: path.to_owned() })
}

fn is_executable(file: &Path) -> bool {
    file.is_file() && nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::stop::StopSource;
    use super::*;

    fn host() -> Host {
        Host { lookup_path: "/usr/bin:/bin".into(), watchdog: None }
    }

    fn sh(script: &str) -> Launch {
        Launch { env: BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]), ..Launch::new(["sh", "-c", script]) }
    }

    async fn go(launch: Launch, stop: &StopToken) -> (Result<Exit, TargetError>, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut sink = |stream, bytes: &[u8]| {
            match stream {
                Stream::Stdout => out.extend_from_slice(bytes),
                Stream::Stderr => err.extend_from_slice(bytes),
            }
            Ok(())
        };
        let exit = run(&host(), launch, &mut sink, stop).await;
        (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[tokio::test]
    async fn streams_stay_apart_and_codes_come_through() {
        let stop = StopSource::new().token();
        let (exit, out, err) = go(sh("echo out; echo err >&2; exit 7"), &stop).await;
        assert_eq!((exit.unwrap().code, out.as_str(), err.as_str()), (7, "out\n", "err\n"));
        let (exit, ..) = go(sh("kill -9 $$"), &stop).await;
        assert_eq!(exit.unwrap().code, 137);
    }

    #[tokio::test]
    async fn stdin_is_given_or_empty() {
        let stop = StopSource::new().token();
        let (_, out, _) = go(Launch { stdin: Some(b"text".to_vec()), ..sh("cat; echo .") }, &stop).await;
        assert_eq!(out, "text.\n");
        let (_, out, _) = go(sh("cat; echo ."), &stop).await;
        assert_eq!(out, ".\n");
        // A reader that never reads is no reason to hang.
        let (exit, ..) = go(Launch { stdin: Some(vec![b'x'; 1 << 20]), ..sh("exit 0") }, &stop).await;
        assert!(exit.unwrap().success());
    }

    #[tokio::test]
    async fn a_stop_lets_the_program_clean_up() {
        let source = StopSource::new();
        let stop = source.token();
        let mut out = Vec::new();
        let mut sink = |_, bytes: &[u8]| {
            // The program is ready: now it is stopped.
            source.stop(StopCause::Requested(Signal::SIGTERM));
            out.extend_from_slice(bytes);
            Ok(())
        };
        let launch = sh("trap 'echo bye; exit 0' TERM; sh -c 'echo ready; exec sleep 60' & wait");
        let exit = run(&host(), launch, &mut sink, &stop).await.unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "ready\nbye\n");
        assert_eq!(exit.stopped, Some(StopCause::Requested(Signal::SIGTERM)));
        assert!(!exit.success());
    }

    #[tokio::test]
    async fn what_ignores_the_signal_is_killed_with_its_children() {
        let source = StopSource::new();
        let stop = source.token().with_grace(Duration::from_millis(50));
        let mut sink = |_, _: &[u8]| {
            source.stop(StopCause::RunTimedOut);
            Ok(())
        };
        let launch = sh("trap '' TERM; sh -c 'trap \"\" TERM; sleep 60' & echo ready; sleep 60; sleep 60");
        let exit = run(&host(), launch, &mut sink, &stop).await.unwrap();
        assert_eq!((exit.code, exit.reported_code()), (137, 124));
    }

    #[tokio::test]
    async fn a_missing_program_is_named_with_the_path_searched() {
        let stop = StopSource::new().token();
        let error = go(Launch::new(["no-such-program"]), &stop).await.0.unwrap_err();
        assert_eq!(error.to_string(), "`no-such-program` was not found on the PATH (/usr/bin:/bin)");
    }
}
