//! An agent step at work: its attempts one after another until one goes well.
//!
//! Owns what is special about agents: stdout is kept back until the attempt has succeeded, so that nobody mistakes half
//! an answer for one, while stderr is live; what a failed attempt printed survives only as the end of it, quoted on
//! stderr and in the error. Which programs these are is settled before by [`HarnessPlan`]; where and with which
//! environment they start is for [`Setting`] to say.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::agent_scope::AgentScope;
use super::attempt::{Attempt, Done};
use super::event::{EventKind, Place, StepRef, StepRole, Stream};
use super::failure::Failure;
use super::host::{Host, find_program};
use super::messages::Emitter;
use super::preview::ProgramPreview;
use super::stop::StopToken;
use super::target::{Exit, Launch, OutputsSlot, Sink, Target, TargetError};
use crate::harness::{self, BuiltIn, Command, HarnessPlan, HarnessStep, Position, Root};
use crate::values::masker::Masker;
use crate::values::{LayerKind, Policy, Scope, resolve};

/// Bytes of a stream that an error quotes.
const TAIL: usize = 1024;
/// Bytes kept to cut the tail from. Secrets are masked before the cut, so that none is cut in two, unless it is longer
/// than the difference.
const KEPT: usize = 64 * 1024;

impl Attempt<'_> {
    /// Runs the agent of a step; `written` is the mapping of the step.
    ///
    /// # Errors
    /// When the step cannot be planned, or how its last attempt failed.
    pub(super) async fn harness(&mut self, written: &Map<String, Value>) -> Result<Done, Failure> {
        let ready = self.container(false).await?;
        if let Some(ready) = &ready {
            self.scope.extend(LayerKind::ContainerEnv, ready.env.iter().cloned());
        }
        let plan = self.agent_plan(written)?;
        let setting: Box<dyn Setting> = match ready {
            Some(ready) => Box::new(InContainer::of(self, ready.target)),
            None => Box::new(OnHost::of(self)),
        };
        let ended = run(&plan, &*setting, self.streams, &self.stop).await;
        self.streams.end_program().map_err(|error| lost_output(&error))?;
        ended.map(|()| Done::default())
    }
}

impl Attempt<'_> {
    /// The attempts of the step with their command lines.
    fn agent_plan(&self, written: &Map<String, Value>) -> Result<HarnessPlan, Failure> {
        let (root, _) = Root::read(&self.cx.plan.dag.source);
        let position = if self.step_ref.role == StepRole::Step { Position::Step } else { Position::Handler };
        let step = HarnessStep::read(written, &root, position);
        let scope = AgentScope::new(&self.scope);
        let plan = step.plan(&root.providers, &|text| Ok(resolve(text, Policy::Scope, &scope)));
        plan.map_err(|error| Failure::plain(error.to_string()))
    }

    /// What the attempts would start.
    pub(super) fn preview_agent(&self, written: &Map<String, Value>) -> Result<Vec<ProgramPreview>, Failure> {
        let attempts = self.agent_plan(written)?.attempts.into_iter();
        let program = |attempt: harness::Attempt| match attempt.command {
            Ok(command) => ProgramPreview {
                provider: Some(attempt.provider),
                stdin: command.stdin.map(|text| self.masker().mask(&String::from_utf8_lossy(&text))),
                ..self.program(command.argv)
            },
            Err(refusal) => ProgramPreview {
                provider: Some(attempt.provider),
                action: Some(refusal.to_string()),
                ..self.program(Vec::new())
            },
        };
        Ok(attempts.map(program).collect())
    }
}

/// True for variables that hold paths of this machine, which programs in containers do not get.
pub(super) fn is_host_path(name: &str) -> bool {
    HOST_PATHS.contains(&name)
}

/// Where and how attempts are started.
trait Setting: Send + Sync {
    /// Makes an attempt ready: a place for it, its environment and its directory.
    ///
    /// # Errors
    /// When the program is missing or its directory cannot be made.
    fn prepare(&self, command: &Command) -> Result<(Target, Launch), Unprepared>;

    /// A text without secrets.
    fn mask(&self, text: &str) -> String;

    /// Variables of the runner's own process that a CLI takes credentials from, when the attempt has none of them.
    fn missing_keys(&self, cli: &BuiltIn) -> Vec<&'static str>;

    /// The next provider takes over; `index` counts providers from 0.
    fn falls_back(&self, index: usize, provider: &str);
}

/// Why an attempt could not even be tried.
#[derive(Debug, thiserror::Error)]
enum Unprepared {
    #[error(transparent)]
    Program(#[from] TargetError),
    #[error("failed to create working directory: {0}")]
    Directory(#[from] super::paths::PathError),
}

/// Attempts as processes of this machine.
struct OnHost {
    host: Host,
    env: BTreeMap<String, String>,
    cwd: PathBuf,
    masker: Masker,
    emitter: Emitter,
    step: StepRef,
    /// Those credentials of [`BuiltIn`]s that the runner's own process has.
    own_keys: Vec<&'static str>,
}

impl OnHost {
    fn of(attempt: &Attempt<'_>) -> Self {
        let env = attempt.host_env();
        let path = env.get("PATH").filter(|path| !path.is_empty()).cloned();
        let set = |name: &&'static str| attempt.scope.process(name).is_some_and(|value| !value.is_empty());
        Self {
            host: Host {
                lookup_path: path.unwrap_or_else(|| attempt.cx.host.lookup_path.clone()),
                ..attempt.cx.host.clone()
            },
            env,
            cwd: attempt.cwd.clone(),
            masker: attempt.masker().clone(),
            emitter: attempt.cx.emitter.clone(),
            step: attempt.step_ref.clone(),
            own_keys: harness::provider::BUILT_INS
                .iter()
                .flat_map(|cli| cli.key_variables)
                .copied()
                .filter(set)
                .collect(),
        }
    }
}

impl Setting for OnHost {
    fn prepare(&self, command: &Command) -> Result<(Target, Launch), Unprepared> {
        // Before the directory is made: a missing program leaves no traces.
        find_program(command.binary(), &self.host.lookup_path, Some(&self.cwd))?;
        super::paths::make_dir(&self.cwd, 0o750)?;
        let launch = Launch {
            env: self.env.clone(),
            cwd: Some(self.cwd.clone()),
            stdin: command.stdin.clone(),
            replace_entrypoint: true,
            ..Launch::new(&command.argv)
        };
        Ok((Target::Host(self.host.clone()), launch))
    }

    fn mask(&self, text: &str) -> String {
        self.masker.mask(text)
    }

    fn missing_keys(&self, cli: &BuiltIn) -> Vec<&'static str> {
        if cli.key_variables.iter().any(|&key| self.env.contains_key(key)) {
            return Vec::new();
        }
        cli.key_variables.iter().copied().filter(|key| self.own_keys.contains(key)).collect()
    }

    fn falls_back(&self, index: usize, provider: &str) {
        let (step, provider) = (self.step.clone(), self.masker.mask(provider));
        self.emitter.emit(EventKind::FallbackStarted { step, index, provider });
    }
}

/// Attempts as programs in a container. A container of the step's own is made anew for each.
struct InContainer {
    target: Target,
    env: BTreeMap<String, String>,
    outputs: Option<OutputsSlot>,
    masker: Masker,
    emitter: Emitter,
    step: StepRef,
}

/// Variables of the workflow that hold paths of this machine; a program in a container would only trip over them.
const HOST_PATHS: [&str; 10] = [
    "PWD",
    "DAGU_OUTPUT_FILE",
    "DAG_DOCS_DIR",
    "DAG_PUSHBACK_PREVIOUS_STDOUT_FILE",
    "DAG_RUN_ARTIFACTS_DIR",
    "DAG_RUN_LOG_FILE",
    "DAG_RUN_STEP_STDERR_FILE",
    "DAG_RUN_STEP_STDOUT_FILE",
    "DAG_RUN_WORK_DIR",
    "DAG_WIKI_DIR",
];

impl InContainer {
    fn of(attempt: &Attempt<'_>, target: Target) -> Self {
        let mut env: BTreeMap<String, String> = attempt.scope.declared_env().into_iter().collect();
        env.retain(|name, _| !is_host_path(name));
        Self {
            target,
            env,
            outputs: attempt.outputs_slot(),
            masker: attempt.masker().clone(),
            emitter: attempt.cx.emitter.clone(),
            step: attempt.step_ref.clone(),
        }
    }
}

impl Setting for InContainer {
    fn prepare(&self, command: &Command) -> Result<(Target, Launch), Unprepared> {
        let launch = Launch {
            env: self.env.clone(),
            stdin: command.stdin.clone(),
            replace_entrypoint: true,
            outputs: self.outputs.clone(),
            ..Launch::new(&command.argv)
        };
        Ok((self.target.clone(), launch))
    }

    fn mask(&self, text: &str) -> String {
        self.masker.mask(text)
    }

    fn missing_keys(&self, _cli: &BuiltIn) -> Vec<&'static str> {
        // Credentials in a container come with its image or its `env`; ours say nothing about them.
        Vec::new()
    }

    fn falls_back(&self, index: usize, provider: &str) {
        let (step, provider) = (self.step.clone(), self.masker.mask(provider));
        self.emitter.emit(EventKind::FallbackStarted { step, index, provider });
    }
}

/// Runs the attempts of a plan until one succeeds; its stdout then goes to `sink`.
///
/// # Errors
/// How the last attempt failed. Everything that ends an attempt by itself moves on to the next one; a stop or a timeout
/// does not.
async fn run(plan: &HarnessPlan, setting: &dyn Setting, sink: &mut dyn Sink, stop: &StopToken) -> Result<(), Failure> {
    let count = plan.attempts.len();
    let mut last = Failure::plain("there is nothing to run");
    for (index, attempt) in plan.attempts.iter().enumerate() {
        if index > 0 {
            let before = &plan.attempts[index - 1].provider;
            let reason = last.text.lines().next().unwrap_or_default();
            let notice = format!(
                "attempt {index} of {count} with `{before}` failed ({reason}); trying `{}`, which finds the files as they are now\n",
                attempt.provider
            );
            setting.falls_back(index, &attempt.provider);
            say(sink, &notice)?;
        }
        match one(attempt, setting, sink, stop).await {
            Ok(()) => return Ok(()),
            Err(failed) if failed.stopped.is_some() => return Err(failed),
            Err(failed) => last = failed,
        }
    }
    Err(last)
}

async fn one(
    attempt: &harness::Attempt,
    setting: &dyn Setting,
    sink: &mut dyn Sink,
    stop: &StopToken,
) -> Result<(), Failure> {
    let command = attempt.command.as_ref().map_err(|refusal| Failure::plain(refusal.to_string()))?;
    if let Some(cause) = stop.cause() {
        return Err(TargetError::StoppedBefore(cause).into());
    }
    let (target, launch) = setting.prepare(command).map_err(|error| match error {
        Unprepared::Program(error) => unstarted(error, attempt),
        error => Failure::plain(error.to_string()),
    })?;
    let place = target.place();
    let mut spool = Spool::new(sink).map_err(|error| lost_output(&error))?;
    let ended = target.run(launch, &mut spool, stop).await;
    let exit = match ended {
        Ok(exit) if exit.success() => {
            return spool.release().map_err(|error| lost_output(&error));
        }
        Ok(exit) => exit,
        Err(error) => return Err(unstarted(error, attempt)),
    };
    let mut failure = failure_of(exit, command, place);
    if let Some(cli) = attempt.built_in.filter(|_| place == Place::Host && exit.stopped.is_none()) {
        failure.text.push_str(&key_hint(cli, &setting.missing_keys(cli)));
    }
    let (stdout, stderr) = (spool.stdout.text(setting), spool.stderr.text(setting));
    append(&mut failure.text, "stderr", &stderr);
    if exit.stopped.is_none() {
        append(&mut failure.text, "stdout", &stdout);
        if !stdout.is_empty() {
            say(sink, &format!("end of the stdout of the failed attempt:\n{stdout}\n"))?;
        }
    }
    Err(failure)
}

fn failure_of(exit: Exit, command: &Command, place: Place) -> Failure {
    let failure = Failure::of_exit(exit).unwrap_or_else(|| Failure::plain("the program ended badly"));
    if exit.stopped.is_some() {
        return failure;
    }
    let mut failure = failure.prefixed(&format!("`{}`: ", command.binary()));
    // What engines answer, and shells, when there is no such program.
    if place != Place::Host && matches!(exit.code, 126 | 127) {
        failure.text.push_str("; perhaps the container has no such program on its PATH");
    }
    failure
}

fn key_hint(cli: &BuiltIn, keys: &[&'static str]) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    format!(
        "\n{} is set for saddler itself but not passed to `{}`: name it in the workflow's `env`, or use `--env`",
        keys.join(", "),
        cli.name
    )
}

fn append(text: &mut String, stream: &str, tail: &str) {
    if !tail.is_empty() {
        text.push_str(&format!("\nrecent {stream} (tail):\n{tail}"));
    }
}

fn say(sink: &mut dyn Sink, text: &str) -> Result<(), Failure> {
    sink.write(Stream::Stderr, text.as_bytes()).map_err(|error| lost_output(&error))
}

fn lost_output(error: &io::Error) -> Failure {
    Failure::plain(format!("the output of the step cannot be kept: {error}"))
}

/// The failure of a program that could not be started, with what to do about it.
fn unstarted(error: TargetError, attempt: &harness::Attempt) -> Failure {
    let missing = matches!(error, TargetError::ProgramNotFound { .. });
    let mut failure = Failure::from(error);
    if missing {
        failure.text.push_str(match attempt.built_in {
            Some(_) => "; install this CLI, or add its folder to `PATH` in the workflow's `env`",
            None => "; install it, or write its path as `binary` under `harnesses`",
        });
    }
    failure
}

/// Keeps stdout back in a nameless file and lets stderr through; remembers the end of both.
struct Spool<'a> {
    sink: &'a mut dyn Sink,
    file: File,
    stdout: Tail,
    stderr: Tail,
}

impl<'a> Spool<'a> {
    fn new(sink: &'a mut dyn Sink) -> io::Result<Self> {
        Ok(Self { sink, file: tempfile::tempfile()?, stdout: Tail::default(), stderr: Tail::default() })
    }

    /// Hands on the stdout of an attempt that succeeded.
    fn release(mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut chunk = vec![0; 64 * 1024];
        loop {
            match self.file.read(&mut chunk)? {
                0 => return Ok(()),
                read => self.sink.write(Stream::Stdout, &chunk[..read])?,
            }
        }
    }
}

impl Sink for Spool<'_> {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        match stream {
            Stream::Stdout => {
                self.stdout.push(bytes);
                self.file.write_all(bytes)
            }
            Stream::Stderr => {
                self.stderr.push(bytes);
                self.sink.write(stream, bytes)
            }
        }
    }
}

/// The end of a stream.
#[derive(Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend(&bytes[bytes.len().saturating_sub(KEPT)..]);
        let surplus = self.0.len().saturating_sub(KEPT);
        self.0.drain(..surplus);
    }

    /// At most [`TAIL`] bytes, masked, without the last line breaks.
    fn text(&self, setting: &dyn Setting) -> String {
        let bytes: Vec<u8> = self.0.iter().copied().collect();
        let masked = setting.mask(&String::from_utf8_lossy(&bytes));
        let text = masked.trim_end_matches(['\n', '\r']);
        let mut start = text.len().saturating_sub(TAIL);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        text[start..].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use nix::sys::signal::Signal;

    use super::super::stop::{StopCause, StopSource};
    use super::*;
    use crate::harness::{Attempt, Refusal, provider};

    /// Everything on the host with a plain environment; secrets are the word `hunter2`.
    #[derive(Default)]
    struct Plain {
        fallbacks: Mutex<Vec<String>>,
    }

    impl Setting for Plain {
        fn prepare(&self, command: &Command) -> Result<(Target, Launch), Unprepared> {
            let env = BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]);
            let launch = Launch { env, stdin: command.stdin.clone(), ..Launch::new(&command.argv) };
            Ok((Target::Host(Host { lookup_path: "/usr/bin:/bin".into(), watchdog: None }), launch))
        }

        fn mask(&self, text: &str) -> String {
            text.replace("hunter2", "*******")
        }

        fn missing_keys(&self, cli: &BuiltIn) -> Vec<&'static str> {
            cli.key_variables[..1].to_vec()
        }

        fn falls_back(&self, index: usize, provider: &str) {
            self.fallbacks.lock().unwrap().push(format!("{index} {provider}"));
        }
    }

    fn attempt(provider: &str, argv: &[&str]) -> Attempt {
        let command = Command { argv: argv.iter().map(|&arg| arg.to_owned()).collect(), stdin: None };
        Attempt { provider: provider.to_owned(), built_in: None, command: Ok(command) }
    }

    fn shell(provider: &str, script: &str) -> Attempt {
        attempt(provider, &["sh", "-c", script])
    }

    struct Ran {
        result: Result<(), Failure>,
        stdout: String,
        stderr: String,
        fallbacks: Vec<String>,
    }

    async fn go_with(attempts: Vec<Attempt>, stop: &StopToken) -> Ran {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut sink = |stream, bytes: &[u8]| {
            match stream {
                Stream::Stdout => stdout.extend_from_slice(bytes),
                Stream::Stderr => stderr.extend_from_slice(bytes),
            }
            Ok(())
        };
        let setting = Plain::default();
        let result = run(&HarnessPlan { attempts }, &setting, &mut sink, stop).await;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { result, stdout: text(stdout), stderr: text(stderr), fallbacks: setting.fallbacks.into_inner().unwrap() }
    }

    async fn go(attempts: Vec<Attempt>) -> Ran {
        go_with(attempts, &StopSource::new().token()).await
    }

    #[tokio::test]
    async fn stdout_comes_whole_after_a_success() {
        let ran = go(vec![shell("a", "echo one; echo e >&2; printf two"), shell("b", "echo no")]).await;
        assert_eq!((ran.result, &*ran.stdout, &*ran.stderr), (Ok(()), "one\ntwo", "e\n"));
        assert_eq!(ran.fallbacks, [""; 0]);
    }

    #[tokio::test]
    async fn of_a_failed_attempt_only_the_end_remains() {
        let ran = go(vec![shell("a", "echo answer; echo problem >&2; exit 3")]).await;
        let failed = ran.result.unwrap_err();
        assert_eq!(failed.text, "`sh`: exit status 3\nrecent stderr (tail):\nproblem\nrecent stdout (tail):\nanswer");
        assert_eq!((failed.code, &*ran.stdout), (3, ""));
        assert_eq!(ran.stderr, "problem\nend of the stdout of the failed attempt:\nanswer\n");
    }

    #[tokio::test]
    async fn attempts_follow_each_other_until_one_goes_well() {
        let refused = Attempt { command: Err(Refusal::InProcess), ..attempt("builtin", &[]) };
        let ran = go(vec![
            attempt("gone", &["no-such-agent"]),
            refused,
            shell("c", "echo from c >&2; exit 2"),
            shell("d", "echo done"),
            shell("e", "echo never"),
        ])
        .await;
        assert_eq!((ran.result, &*ran.stdout), (Ok(()), "done\n"));
        assert_eq!(ran.fallbacks, ["1 builtin", "2 c", "3 d"]);
        assert!(
            ran.stderr.starts_with("attempt 1 of 5 with `gone` failed (`no-such-agent` was not found"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("from c\nattempt 3 of 5 with `c` failed (`sh`: exit status 2); trying `d`"));
    }

    #[tokio::test]
    async fn the_last_attempt_decides_the_code() {
        let ran = go(vec![shell("a", "exit 5"), shell("b", "exit 6")]).await;
        assert_eq!(ran.result.unwrap_err().code, 6);
        let ran = go(vec![shell("a", "exit 5"), attempt("b", &["no-such-agent"])]).await;
        let failed = ran.result.unwrap_err();
        assert_eq!(failed.code, 1);
        assert!(
            failed.text.ends_with("install it, or write its path as `binary` under `harnesses`"),
            "{}",
            failed.text
        );
    }

    #[tokio::test]
    async fn a_signal_has_its_code() {
        let ran = go(vec![shell("a", "kill -9 $$")]).await;
        let failed = ran.result.unwrap_err();
        assert_eq!((&*failed.text, failed.code), ("`sh`: ended by signal SIGKILL", 137));
    }

    #[tokio::test]
    async fn a_timeout_ends_all_attempts() {
        let stop = StopSource::new().token().with_timeout(Some(Duration::from_millis(200)));
        let started = Instant::now();
        let ran = go_with(vec![shell("a", "echo half; sleep 30"), shell("b", "echo never")], &stop).await;
        let failed = ran.result.unwrap_err();
        assert_eq!(
            (&*failed.text, failed.code, failed.stopped),
            ("step timed out", 124, Some(StopCause::StepTimedOut))
        );
        assert_eq!((&*ran.stdout, &*ran.stderr, ran.fallbacks.len()), ("", "", 0));
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_stop_starts_no_fallback() {
        let source = StopSource::new();
        source.stop(StopCause::Requested(Signal::SIGTERM));
        let ran = go_with(vec![shell("a", "echo never"), shell("b", "echo never")], &source.token()).await;
        let failed = ran.result.unwrap_err();
        assert_eq!((failed.code, failed.stopped), (1, Some(StopCause::Requested(Signal::SIGTERM))));
        assert_eq!((&*ran.stdout, ran.fallbacks.len()), ("", 0));
    }

    #[tokio::test]
    async fn a_secret_is_masked_before_the_tail_is_cut() {
        // The secret stands across the byte at which the tail begins.
        let script = format!("printf 'hunter2%0{}d\\n' 0; exit 1", TAIL - 3);
        let failed = go(vec![shell("a", &script)]).await.result.unwrap_err();
        assert!(failed.text.contains("tail):\n***00"), "{}", failed.text);
        assert!(!failed.text.contains("hunt") && !failed.text.contains("ter2"));
    }

    #[tokio::test]
    async fn more_output_than_any_pipe_holds_arrives() {
        let ran = go(vec![shell("a", "head -c 300000 /dev/zero | tr '\\0' x")]).await;
        assert_eq!((ran.result, ran.stdout.len()), (Ok(()), 300_000));
    }

    #[tokio::test]
    async fn a_key_that_was_not_passed_is_named() {
        let cli = provider::built_in("claude");
        let failing = Attempt { built_in: cli, ..shell("claude", "exit 1") };
        let text = go(vec![failing]).await.result.unwrap_err().text;
        assert!(text.contains("`ANTHROPIC_API_KEY` is set for saddler itself but not passed to `claude`"), "{text}");
    }

    #[tokio::test]
    async fn extra_stdin_is_piped() {
        let mut reader = attempt("a", &["cat"]);
        if let Ok(command) = &mut reader.command {
            command.stdin = Some(b"text".to_vec());
        }
        assert_eq!(go(vec![reader]).await.stdout, "text");
    }
}
