//! A container for many commands: one of ours, kept alive between them, or one that somebody else runs.
//!
//! Commands are started inside with the engine's exec. Somebody else's container is never stopped or removed. Ours is
//! stopped at the end and removed unless it is to be kept; when we are killed first, see [`super::keepalive`].

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{sleep, timeout};

use super::caller::{Caller, Sink, Stop, StopPolicy};
use super::command::{Command, Ended};
use super::failure::{Attempt, ContainerError};
use super::flow::{Flow, FlowError};
use super::keepalive::{SCRIPT, Watch};
use super::make::{self, Made};
use super::outputs::{self, OutputsFile};
use super::pull::prepare_image;
use super::readiness;
use super::resolve::{ExecOptions, ExistingContainer, NewContainer};
use super::words::Startup;
use crate::engine::signal::{EXEC_TOKEN, signal_exec};
use crate::engine::{Engine, EngineError, ExecSpec, Output};

/// How long a keepalive must stay up to be believed; a missing shell shows within a few milliseconds.
const KEEPALIVE_SETTLES: Duration = Duration::from_millis(100);
/// The same for programs of the workflow's own.
const PROGRAM_SETTLES: Duration = Duration::from_millis(500);
/// How long the end of a killed command is waited for.
const KILL_WITHIN: Duration = Duration::from_secs(10);

/// A running container that commands can be started in, also several at a time.
pub struct Shared {
    engine: Arc<dyn Engine>,
    container: String,
    name: String,
    exec: ExecOptions,
    shell: Vec<String>,
    ours: Option<Ours>,
}

struct Ours {
    made: Made,
    watch: Watch,
    image: String,
    startup: Startup,
}

impl Shared {
    /// Makes the image present, creates a container, starts it and waits until it is ready. Whatever fails after the
    /// creation, the container is removed again (stopped only, when it is to be kept).
    ///
    /// # Errors
    /// See [`ContainerError`]; [`ContainerError::Stopped`] when an end is asked for meanwhile.
    pub async fn create(caller: &Caller<'_>, new: &NewContainer) -> Result<Self, ContainerError> {
        prepare_image(caller, new).await?;
        let mut spec = new.spec.clone();
        spec.init = true;
        match new.startup {
            Startup::Keepalive => {
                // A real entrypoint: Podman keeps the image's for an empty one.
                spec.entrypoint = Some(vec!["sh".to_owned()]);
                spec.command = Some(vec!["-c".to_owned(), SCRIPT.to_owned()]);
                spec.input = true;
            }
            Startup::Command => {
                let mut words = new.command.iter().cloned();
                spec.entrypoint = Some(words.next().into_iter().collect());
                spec.command = Some(words.collect());
            }
            Startup::Entrypoint => {}
        }
        let made = make::create(caller, spec.clone(), new.keep).await?;
        let started = async {
            let attempt = Attempt {
                program: spec.entrypoint.as_ref().and_then(|words| words.first()).map_or("", String::as_str),
                user: spec.user.as_deref(),
                directory: spec.working_dir.as_deref(),
                place: format!("image `{}`", spec.image),
            };
            // Podman looks at the user here already.
            let attachment = caller.engine.attach(&made.id, spec.input).await.map_err(|error| attempt.failed(error))?;
            let watch = Watch::new(attachment, new.log_pattern.clone());
            made.start(&spec, &attempt).await?;
            let settles = if new.startup == Startup::Keepalive { KEEPALIVE_SETTLES } else { PROGRAM_SETTLES };
            readiness::ours(caller, &made.id, &made.name, new, &watch, settles).await?;
            Ok(watch)
        };
        match started.await {
            Ok(watch) => Ok(Self {
                engine: caller.engine.clone(),
                container: made.id.clone(),
                name: made.name.clone(),
                exec: new.exec.clone(),
                shell: new.shell.clone(),
                ours: Some(Ours { made, watch, image: spec.image, startup: new.startup }),
            }),
            Err(error) => {
                made.dispose(caller, Some(&StopPolicy::default())).await;
                Err(explain(error, new.startup, &spec.image))
            }
        }
    }

    /// Waits until somebody else's container runs, at most two minutes.
    ///
    /// # Errors
    /// [`ContainerError::ExecTimeout`], [`ContainerError::Stopped`], the engine's.
    pub async fn join(caller: &Caller<'_>, existing: &ExistingContainer) -> Result<Self, ContainerError> {
        readiness::existing(caller, &existing.name).await?;
        Ok(Self {
            engine: caller.engine.clone(),
            container: existing.name.clone(),
            name: existing.name.clone(),
            exec: existing.exec.clone(),
            shell: existing.shell.clone(),
            ours: None,
        })
    }

    /// `container.shell`, for command texts ([`super::shell::command_line`]).
    pub fn shell(&self) -> &[String] {
        &self.shell
    }

    /// What messages call the container: its name, or the short form of its id.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a command to its end. A stop signals the command and all that it started (nothing else in the
    /// container), waits the grace, and kills.
    ///
    /// # Errors
    /// A command that could not be started or followed; [`ContainerError::Stopped`] when the stop came before it.
    pub async fn run(
        &self,
        caller: &Caller<'_>,
        command: &Command,
        sink: &mut Sink<'_>,
    ) -> Result<Ended, ContainerError> {
        if caller.stop.requested().now_or_never().is_some() {
            return Err(ContainerError::Stopped);
        }
        let Some(program) = command.argv.first() else {
            return Err(ContainerError::NoCommand { container: self.name.clone() });
        };
        let outputs = command.outputs.then(OutputsFile::new);
        if let Some(file) = &outputs {
            file.create(&*self.engine, &self.container).await.map_err(|error| self.gone(error))?;
        }
        let token = format!("{:016x}", rand::random::<u64>());
        let mut env = command.env.clone();
        env.extend(self.exec.env.iter().cloned());
        env.extend(outputs.iter().map(|file| (outputs::VARIABLE.to_owned(), file.path())));
        env.push((EXEC_TOKEN.to_owned(), token.clone()));
        let spec = ExecSpec {
            argv: command.argv.clone(),
            env,
            user: self.exec.user.clone(),
            working_dir: self.exec.working_dir.clone(),
            privileged: self.exec.privileged,
            tty: self.exec.tty,
        };
        let attempt = Attempt {
            program,
            user: spec.user.as_deref(),
            directory: spec.working_dir.as_deref(),
            place: format!("container `{}`", self.name),
        };
        let mut started = Started { shared: self, token, id: String::new(), ended: false };
        let result = match self.engine.exec(&self.container, &spec).await {
            Ok(exec) => {
                started.id = exec.id;
                started.follow(caller.stop, exec.output, sink).await
            }
            Err(error) => Err(error.into()),
        };
        started.ended = !matches!(result, Err(ContainerError::NotEnded { .. }));
        let mut ended = result.map_err(|error| match error {
            ContainerError::Engine(error) => self.gone(attempt.failed(error)),
            other => other,
        });
        if let Some(file) = outputs {
            if let Ok(ended) = &mut ended
                && !ended.stopped
            {
                match file.read(&*self.engine, &self.container).await {
                    Ok(content) => ended.outputs = Some(content),
                    Err(error) => return Err(self.gone(error)),
                }
            }
            file.remove(&*self.engine, &self.container).await;
        }
        ended
    }

    /// Ends a container of ours and removes it unless it is to be kept; leaves somebody else's alone.
    /// Commands that still run in it end with it. Closing twice does nothing.
    pub async fn close(&self, caller: &Caller<'_>, policy: &StopPolicy) {
        if let Some(ours) = &self.ours {
            ours.made.dispose(caller, Some(policy)).await;
        }
    }

    /// Says that the container is the matter when the engine says so.
    fn gone(&self, error: ContainerError) -> ContainerError {
        let ContainerError::Engine(engine) = &error else { return error };
        let Some(fault) = engine.fault() else { return error };
        let message = fault.message.to_lowercase();
        let gone = ["is not running", "no such container", "no container with name", "on running containers"];
        if !gone.iter().any(|words| message.contains(words)) {
            return error;
        }
        let missing = message.contains("no such container") || message.contains("no container with");
        let mut detail = if missing { ": it is gone".to_owned() } else { String::new() };
        if let Some(ours) = &self.ours {
            if ours.startup == Startup::Keepalive && is_init_complaint(&ours.watch.said()) {
                return ContainerError::NeedsShell { image: ours.image.clone() };
            }
            detail.push_str(&ours.watch.said());
        }
        ContainerError::NotRunning { container: self.name.clone(), detail }
    }
}

/// A keepalive that does not come up means an image without a shell.
fn explain(error: ContainerError, startup: Startup, image: &str) -> ContainerError {
    let no_shell = match &error {
        ContainerError::ProgramMissing { .. } | ContainerError::NotExecutable { .. } => true,
        ContainerError::ExitedEarly { code, said, .. } => matches!(code, 126 | 127) || is_init_complaint(said),
        _ => false,
    };
    if no_shell && startup == Startup::Keepalive {
        return ContainerError::NeedsShell { image: image.to_owned() };
    }
    error
}

fn is_init_complaint(said: &str) -> bool {
    said.contains("[FATAL tini") || said.contains("(catatonit:")
}

/// A command that was started. Dropped before its end, it is killed in the background.
struct Started<'a> {
    shared: &'a Shared,
    token: String,
    id: String,
    ended: bool,
}

impl Started<'_> {
    async fn follow(&self, stop: &dyn Stop, mut output: Output, sink: &mut Sink<'_>) -> Result<Ended, ContainerError> {
        let mut flow = Flow::default();
        let policy = tokio::select! {
            biased;
            policy = stop.requested() => policy,
            result = async {
                flow.run(&mut output, sink).await?;
                flow.release(sink)?;
                self.exit_code().await.map_err(FlowError::Engine)
            } => return match result {
                Ok(code) => Ok(Ended { code, ..Ended::default() }),
                Err(error) => {
                    if matches!(error, FlowError::Sink(_)) {
                        self.kill().await?;
                    }
                    Err(error.into())
                }
            },
        };
        let mut failed = None;
        let rest = async {
            failed = flow.run(&mut output, sink).await.err();
            // What cannot be delivered any more must not keep the command from ending.
            while failed.is_some() && futures_util::StreamExt::next(&mut output).await.is_some() {}
        };
        tokio::join!(rest, self.end(stop, &policy)).1?;
        match failed {
            Some(FlowError::Sink(error)) => Err(error.into()),
            _ => Ok(Ended { code: self.exit_code().await.unwrap_or(137), stopped: true, outputs: None }),
        }
    }

    /// Signals, waits, kills. The last always happens: a first process that has ended says nothing about the others.
    async fn end(&self, stop: &dyn Stop, policy: &StopPolicy) -> Result<(), ContainerError> {
        let signal = policy.signal.as_deref().unwrap_or("TERM");
        let soft = async {
            self.signal(signal.trim_start_matches("SIG")).await?;
            let ended = self.exit_code();
            // Whether it ended is asked again below.
            let _ = timeout(policy.grace, ended).await;
            Ok::<(), ContainerError>(())
        };
        tokio::select! {
            result = soft => result?,
            () = stop.killed() => {}
        }
        self.kill().await
    }

    async fn kill(&self) -> Result<(), ContainerError> {
        let killed = async {
            // Again, in case something was started while the first look was taken.
            while self.signal("KILL").await? {
                sleep(Duration::from_millis(20)).await;
            }
            self.exit_code().await.map_err(|error| self.not_ended(&error))
        };
        match timeout(KILL_WITHIN, killed).await {
            Ok(result) => result.map(|_| ()),
            Err(_) => {
                let reason = format!("it is still there {} s after the kill", KILL_WITHIN.as_secs());
                Err(ContainerError::NotEnded { container: self.shared.name.clone(), reason })
            }
        }
    }

    /// True when there was something to signal.
    async fn signal(&self, signal: &str) -> Result<bool, ContainerError> {
        let (engine, user) = (&*self.shared.engine, self.shared.exec.user.as_deref());
        match signal_exec(engine, &self.shared.container, user, &self.token, signal).await {
            Ok(found) => Ok(found),
            Err(error) => match self.shared.gone(error.clone().into()) {
                // A container that has ended took its processes with it.
                ContainerError::NotRunning { .. } => Ok(false),
                _ => Err(self.not_ended(&error)),
            },
        }
    }

    fn not_ended(&self, error: &EngineError) -> ContainerError {
        ContainerError::NotEnded { container: self.shared.name.clone(), reason: error.to_string() }
    }

    /// Waits until the command has ended. One whose container is gone was killed.
    async fn exit_code(&self) -> Result<i64, EngineError> {
        let mut pause = Duration::from_millis(5);
        loop {
            match self.shared.engine.exec_status(&self.id).await {
                Ok(status) if !status.running => return Ok(status.exit_code.unwrap_or(137)),
                Ok(_) => {}
                Err(error) if error.is_not_found() => return Ok(137),
                Err(error) => return Err(error),
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        if self.ended || self.id.is_empty() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (engine, container) = (self.shared.engine.clone(), self.shared.container.clone());
            let (user, token) = (self.shared.exec.user.clone(), self.token.clone());
            runtime.spawn(async move { signal_exec(&*engine, &container, user.as_deref(), &token, "KILL").await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::caller::{CancelStop, Notice};
    use crate::container::resolve::Place;
    use crate::container::{ContainerSettings, References, Shape, limits::Limits};
    use crate::engine::fake::{FakeEngine, Reply};
    use serde_json::json;
    use std::io;
    use tokio::time::Instant;

    fn new(settings: &serde_json::Value) -> NewContainer {
        let text = |text: &str| Ok(text.to_owned());
        let env = |text: &str, _: &[(String, String)]| Ok(text.to_owned());
        let base = std::path::Path::new("/w");
        let references = References { text: &text, env: &env, process: &|_| None, base };
        let settings = ContainerSettings::parse(settings, "container").unwrap().unwrap();
        match settings.resolve(&references, Limits::default(), Shape::Shared).unwrap() {
            Place::New(new) => new.for_run("r1", "d1"),
            Place::Existing(existing) => panic!("{existing:?}"),
        }
    }

    /// A program with a name, among the keepalives and signal scripts.
    fn program(name: &'static str, reply: Reply) -> FakeEngine {
        FakeEngine::new()
            .with_image("x")
            .with_container("theirs")
            .with_program(move |asked| (asked.argv[0] == name).then(|| reply.clone()))
    }

    fn quiet(_: Notice) {}

    #[tokio::test(start_paused = true)]
    async fn a_container_of_ours_is_kept_alive_labelled_and_removed() {
        let fake = program("prog", Reply::exit(3).stdout("out").stderr("err"));
        let engine: Arc<dyn Engine> = Arc::new(fake.clone());
        let stop = CancelStop::default();
        let caller = Caller { engine: &engine, stop: &stop, notice: &quiet };
        let shared = Shared::create(&caller, &new(&json!({ "image": "x", "env": ["A=root"] }))).await.unwrap();
        let made = &fake.created()[0];
        assert_eq!(made.entrypoint.as_deref(), Some(&["sh".to_owned()] as &[_]));
        assert!(made.init && made.input);
        assert_eq!(made.labels, [("saddler.run", "r1"), ("saddler.dag", "d1")].map(|(a, b)| (a.into(), b.into())));
        let command =
            Command { env: vec![("A".into(), "step".into()), ("B".into(), "step".into())], ..Command::new(["prog"]) };
        let mut seen = Vec::new();
        let ended = shared
            .run(&caller, &command, &mut |stream, bytes: &[u8]| {
                seen.push((stream, bytes.to_vec()));
                Ok(())
            })
            .await
            .unwrap();
        assert_eq!((ended.code, ended.stopped), (3, false));
        assert_eq!(seen.len(), 2);
        let asked = fake.asked().pop().unwrap();
        assert_eq!((asked.env("A"), asked.env("B")), (Some("root"), Some("step")));
        shared.close(&caller, &StopPolicy::default()).await;
        shared.close(&caller, &StopPolicy::default()).await;
        assert_eq!(fake.remaining(), ["theirs"]);
        assert_eq!(fake.calls().iter().filter(|call| call.starts_with("remove")).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_signals_waits_the_grace_and_kills_but_leaves_the_container() {
        for (reply, code, seconds) in [
            (Reply::exit(0).sleep(Duration::from_secs(600)), 143, 1),
            (Reply::exit(0).sleep(Duration::from_secs(600)).ignoring_term(), 137, 6),
        ] {
            let fake = program("prog", reply);
            let engine: Arc<dyn Engine> = Arc::new(fake.clone());
            let stop = CancelStop::default();
            let caller = Caller { engine: &engine, stop: &stop, notice: &quiet };
            let existing = ExistingContainer { name: "theirs".into(), ..Default::default() };
            let shared = Shared::join(&caller, &existing).await.unwrap();
            let before = Instant::now();
            let cancel = async {
                sleep(Duration::from_secs(1)).await;
                stop.token.cancel();
            };
            let command = Command::new(["prog"]);
            let mut sink = |_: crate::engine::Stream, _: &[u8]| -> io::Result<()> { Ok(()) };
            let (ended, ()) = tokio::join!(shared.run(&caller, &command, &mut sink), cancel);
            let ended = ended.unwrap();
            assert_eq!((ended.code, ended.stopped), (code, true));
            assert_eq!(before.elapsed().as_secs(), seconds);
            shared.close(&caller, &StopPolicy::default()).await;
            assert!(!fake.calls().iter().any(|call| call.starts_with("stop") || call.starts_with("remove")));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_cannot_be_started_is_an_error_and_no_exit_code() {
        let fake = program("prog", Reply::refused("exec: \"prog\": executable file not found in $PATH"));
        let engine: Arc<dyn Engine> = Arc::new(fake);
        let stop = CancelStop::default();
        let caller = Caller { engine: &engine, stop: &stop, notice: &quiet };
        let existing = ExistingContainer { name: "theirs".into(), ..Default::default() };
        let shared = Shared::join(&caller, &existing).await.unwrap();
        let error = shared.run(&caller, &Command::new(["prog"]), &mut |_, _: &[u8]| Ok(())).await.unwrap_err();
        assert_eq!(error.to_string(), "program `prog` was not found in container `theirs`");
    }

    #[tokio::test(start_paused = true)]
    async fn a_container_that_never_comes_is_given_up_after_two_minutes() {
        let engine: Arc<dyn Engine> = Arc::new(FakeEngine::new());
        let stop = CancelStop::default();
        let caller = Caller { engine: &engine, stop: &stop, notice: &quiet };
        let before = Instant::now();
        let existing = ExistingContainer { name: "none".into(), ..Default::default() };
        let error = Shared::join(&caller, &existing).await.err().unwrap();
        let said = "timed out waiting for container to be running: `none` is not found";
        assert_eq!(error.to_string(), said);
        assert!((119..=120).contains(&before.elapsed().as_secs()));
    }
}
