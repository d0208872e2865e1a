//! A scripted engine in memory, for tests of everything above the engine.
//!
//! Images and foreign containers are declared, programs are closures from what was asked to a [`Reply`], and every call
//! is written down. Processes run on tokio's clock, so a test with a paused clock takes no time. The script of
//! [`super::signal`] is recognised and carried out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::{mpsc, watch};

use super::signal::{EXEC_TOKEN, SIGNAL_TOKEN};
use super::{
    Attachment, Container, ContainerSpec, ContainerStatus, ContainerSummary, Engine, EngineError, EngineVersion, Exec,
    ExecSpec, ExecStatus, Fault, Frame, Image, Output, PathStat, Pull, PullProgress, Runtime, Stream,
};

/// A program as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The container's id.
    pub container: String,
    /// Entrypoint and command together.
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
}

impl Asked {
    /// The value of an environment variable, the last one set.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Clone)]
enum Deed {
    Print(Stream, Bytes),
    Sleep(Duration),
    Write(String, Vec<u8>),
}

/// What a scripted program does: prints, sleeps and writes in the order given, then exits.
#[derive(Debug, Clone)]
pub struct Reply {
    deeds: Vec<Deed>,
    exit: i64,
    ignores_term: bool,
    refused: Option<String>,
}

impl Reply {
    pub fn exit(code: i64) -> Self {
        Self { deeds: Vec::new(), exit: code, ignores_term: false, refused: None }
    }

    /// The program cannot be started; `message` is what the engine says.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { refused: Some(message.into()), ..Self::exit(127) }
    }

    #[must_use]
    pub fn stdout(mut self, text: impl Into<String>) -> Self {
        self.deeds.push(Deed::Print(Stream::Stdout, Bytes::from(text.into())));
        self
    }

    #[must_use]
    pub fn stderr(mut self, text: impl Into<String>) -> Self {
        self.deeds.push(Deed::Print(Stream::Stderr, Bytes::from(text.into())));
        self
    }

    #[must_use]
    pub fn sleep(mut self, time: Duration) -> Self {
        self.deeds.push(Deed::Sleep(time));
        self
    }

    /// Writes a file of the container.
    #[must_use]
    pub fn file(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.deeds.push(Deed::Write(path.into(), content.into()));
        self
    }

    /// Only KILL ends it.
    #[must_use]
    pub fn ignoring_term(mut self) -> Self {
        self.ignores_term = true;
        self
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    None,
    Term,
    Kill,
}

/// A process: how to signal it, and its exit code once it has ended.
#[derive(Clone)]
struct Process {
    token: Option<String>,
    signal: Arc<watch::Sender<Signal>>,
    exit: watch::Receiver<Option<i64>>,
    refused: Option<String>,
}

struct Held {
    spec: ContainerSpec,
    status: ContainerStatus,
    main: Option<Process>,
    attached: Vec<mpsc::UnboundedSender<Frame>>,
    files: HashMap<String, Vec<u8>>,
    execs: Vec<String>,
}

type Script = Box<dyn Fn(&Asked) -> Option<Reply> + Send + Sync>;

#[derive(Default)]
struct State {
    images: HashMap<String, Image>,
    pullable: HashMap<String, Image>,
    containers: Vec<(String, Held)>,
    execs: HashMap<String, Process>,
    scripts: Vec<Arc<Script>>,
    calls: Vec<String>,
    asked: Vec<Asked>,
    created: Vec<ContainerSpec>,
    next: usize,
}

/// The scripted engine; clones share one state.
#[derive(Clone, Default)]
pub struct FakeEngine {
    state: Arc<Mutex<State>>,
}

impl FakeEngine {
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares an image that is present.
    #[must_use]
    pub fn with_image(self, name: &str) -> Self {
        self.lock().images.insert(name.to_owned(), image(name));
        self
    }

    /// Declares an image that a pull would find.
    #[must_use]
    pub fn with_pullable(self, name: &str) -> Self {
        self.lock().pullable.insert(name.to_owned(), image(name));
        self
    }

    /// Declares a foreign container that is running.
    #[must_use]
    pub fn with_container(self, name: &str) -> Self {
        let spec = ContainerSpec { name: Some(name.to_owned()), image: "foreign".into(), ..Default::default() };
        self.lock().add(name, spec, ContainerStatus::Running);
        self
    }

    /// Adds a program; the first script that answers wins. What no script answers exits 0 in silence.
    #[must_use]
    pub fn with_program(self, script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Self {
        self.lock().scripts.push(Arc::new(Box::new(script)));
        self
    }

    /// Every call so far, as `verb subject`.
    pub fn calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    /// Every program that was asked for, signal scripts and keepalives included.
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    /// Every container that was created.
    pub fn created(&self) -> Vec<ContainerSpec> {
        self.lock().created.clone()
    }

    /// Names (or ids) of the containers that exist now.
    pub fn remaining(&self) -> Vec<String> {
        let state = self.lock();
        state.containers.iter().map(|(id, held)| held.spec.name.clone().unwrap_or_else(|| id.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call and finds a container's id.
    fn call(&self, verb: &str, subject: &str) -> Option<String> {
        let mut state = self.lock();
        state.calls.push(format!("{verb} {subject}"));
        state.id(subject)
    }

    fn process(&self, asked: Asked, forever: bool, outputs: Vec<mpsc::UnboundedSender<Frame>>) -> Process {
        let reply = {
            let mut state = self.lock();
            state.asked.push(asked.clone());
            state.scripts.clone()
        };
        let reply = self.signalled(&asked).or_else(|| reply.iter().find_map(|script| script(&asked)));
        let forever = forever && reply.is_none();
        let reply = reply.unwrap_or_else(|| Reply::exit(0));
        let (signal, mut signals) = watch::channel(Signal::None);
        let (done, exit) = watch::channel(None);
        let token = asked.env.iter().find(|(name, _)| name == EXEC_TOKEN).map(|(_, value)| value.clone());
        let process = Process { token, signal: Arc::new(signal), exit, refused: reply.refused.clone() };
        let (engine, container) = (self.clone(), asked.container);
        tokio::spawn(async move {
            let work = async {
                if reply.refused.is_some() {
                    return;
                }
                for deed in &reply.deeds {
                    match deed {
                        Deed::Print(stream, bytes) => send(&outputs, *stream, bytes.clone()),
                        Deed::Sleep(time) => tokio::time::sleep(*time).await,
                        Deed::Write(path, content) => {
                            if let Some(held) = engine.lock().held(&container) {
                                held.files.insert(path.clone(), content.clone());
                            }
                        }
                    }
                }
                if forever {
                    std::future::pending::<()>().await;
                }
            };
            let ended = async {
                loop {
                    let signal = *signals.borrow_and_update();
                    match signal {
                        Signal::Kill => return 137,
                        Signal::Term if !reply.ignores_term => return 143,
                        _ => {}
                    }
                    if signals.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            };
            let code = tokio::select! {
                biased;
                code = ended => code,
                () = work => reply.exit,
            };
            drop(outputs);
            done.send_replace(Some(code));
        });
        process
    }
}

fn send(outputs: &[mpsc::UnboundedSender<Frame>], stream: Stream, bytes: Bytes) {
    for output in outputs {
        // A reader that has gone away is no concern of the program's.
        let _ = output.send(Frame { stream, bytes: bytes.clone() });
    }
}

fn image(name: &str) -> Image {
    Image {
        id: format!("sha256:{name}"),
        tags: vec![name.to_owned()],
        os: "linux".into(),
        arch: "amd64".into(),
        ..Default::default()
    }
}

fn frames(receiver: mpsc::UnboundedReceiver<Frame>) -> Output {
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|frame| (Ok(frame), receiver)) }).boxed()
}

async fn ended(mut exit: watch::Receiver<Option<i64>>) -> i64 {
    let code = exit.wait_for(Option::is_some).await.ok().and_then(|code| *code);
    code.unwrap_or(137)
}

impl State {
    fn id(&self, subject: &str) -> Option<String> {
        let found =
            self.containers.iter().find(|(id, held)| id == subject || held.spec.name.as_deref() == Some(subject));
        found.map(|(id, _)| id.clone())
    }

    fn held(&mut self, id: &str) -> Option<&mut Held> {
        self.containers.iter_mut().find(|(known, _)| known == id).map(|(_, held)| held)
    }

    fn add(&mut self, id: &str, spec: ContainerSpec, status: ContainerStatus) {
        let held = Held { spec, status, main: None, attached: Vec::new(), files: HashMap::new(), execs: Vec::new() };
        self.containers.push((id.to_owned(), held));
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.next += 1;
        format!("{prefix}{}", self.next)
    }
}

fn missing(subject: &str) -> Fault {
    Fault::http(404, format!("No such container: {subject}"))
}

#[async_trait]
impl Engine for FakeEngine {
    fn runtime(&self) -> Runtime {
        Runtime::Docker
    }

    fn address(&self) -> &str {
        "fake://"
    }

    async fn version(&self) -> Result<EngineVersion, EngineError> {
        Ok(EngineVersion { version: "0".into(), api_version: "1.41".into(), os: "linux".into(), arch: "amd64".into() })
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        self.call("image", reference);
        Ok(self.lock().images.get(reference).cloned())
    }

    async fn pull(&self, pull: &Pull, progress: &(dyn Fn(PullProgress) + Send + Sync)) -> Result<(), EngineError> {
        self.call("pull", &pull.image);
        let found = self.lock().pullable.get(&pull.image).cloned();
        let Some(found) = found else {
            let fault = Fault::http(404, format!("manifest for {} not found", pull.image));
            return Err(EngineError::Pull { image: pull.image.clone(), fault });
        };
        progress(PullProgress { layer: None, status: "Pulling".into(), current: None, total: None });
        self.lock().images.insert(pull.image.clone(), found);
        Ok(())
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<String, EngineError> {
        let taken = spec.name.as_deref().is_some_and(|name| self.lock().id(name).is_some());
        let mut state = self.lock();
        state.calls.push(format!("create {}", spec.image));
        let failed = |fault| Err(EngineError::Create { image: spec.image.clone(), fault });
        if !state.images.contains_key(&spec.image) {
            return failed(Fault::http(404, format!("No such image: {}", spec.image)));
        }
        if taken {
            return failed(Fault::http(409, "Conflict. The container name is already in use"));
        }
        let id = state.fresh("c");
        state.created.push(spec.clone());
        state.add(&id, spec.clone(), ContainerStatus::Created);
        Ok(id)
    }

    async fn attach(&self, container: &str, input: bool) -> Result<Attachment, EngineError> {
        let id = self.call("attach", container);
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = self.lock();
        let Some(held) = id.and_then(|id| state.held(&id)) else {
            return Err(EngineError::Attach { container: container.to_owned(), fault: missing(container) });
        };
        held.attached.push(sender);
        Ok(Attachment { output: frames(receiver), input: input.then(|| Box::pin(tokio::io::sink()) as _) })
    }

    async fn start(&self, container: &str) -> Result<(), EngineError> {
        let id = self.call("start", container);
        let failed = |fault| EngineError::Start { container: container.to_owned(), fault };
        let (asked, outputs, forever) = {
            let mut state = self.lock();
            let Some((id, held)) = id.clone().and_then(|id| state.held(&id).map(|held| (id, held))) else {
                return Err(failed(missing(container)));
            };
            held.status = ContainerStatus::Running;
            let argv = [held.spec.entrypoint.clone(), held.spec.command.clone()].into_iter().flatten().flatten();
            let asked = Asked {
                container: id,
                argv: argv.collect(),
                env: held.spec.env.clone(),
                user: held.spec.user.clone(),
                working_dir: held.spec.working_dir.clone(),
            };
            (asked, std::mem::take(&mut held.attached), held.spec.input)
        };
        let process = self.process(asked, forever, outputs);
        let refused = process.refused.clone();
        let exit = process.exit.clone();
        let mut state = self.lock();
        if let Some(held) = id.clone().and_then(|id| state.held(&id)) {
            held.main = Some(process);
            if let Some(message) = refused {
                held.status = ContainerStatus::Created;
                return Err(failed(Fault::http(400, message)));
            }
        }
        drop(state);
        let engine = self.clone();
        tokio::spawn(async move {
            ended(exit).await;
            // What was started inside dies with the first process.
            let mut state = engine.lock();
            let execs = id.and_then(|id| state.held(&id).map(|held| held.execs.clone())).unwrap_or_default();
            for exec in execs {
                if let Some(process) = state.execs.get(&exec) {
                    process.signal.send_replace(Signal::Kill);
                }
            }
        });
        Ok(())
    }

    async fn wait(&self, container: &str) -> Result<i64, EngineError> {
        let id = self.call("wait", container);
        let exit = {
            let mut state = self.lock();
            let Some(held) = id.and_then(|id| state.held(&id)) else {
                return Err(EngineError::Wait { container: container.to_owned(), fault: missing(container) });
            };
            held.main.as_ref().map(|process| process.exit.clone())
        };
        match exit {
            Some(exit) => Ok(ended(exit).await),
            None => Ok(0),
        }
    }

    async fn container(&self, container: &str) -> Result<Option<Container>, EngineError> {
        let id = self.call("inspect", container);
        let mut state = self.lock();
        let Some((id, held)) = id.and_then(|id| state.held(&id).map(|held| (id, held))) else { return Ok(None) };
        let exit = held.main.as_ref().and_then(|process| *process.exit.borrow());
        let status = if exit.is_some() { ContainerStatus::Exited } else { held.status };
        Ok(Some(Container {
            name: held.spec.name.clone().unwrap_or_else(|| id.clone()),
            id,
            image: held.spec.image.clone(),
            status,
            running: status == ContainerStatus::Running,
            exit_code: exit.unwrap_or_default(),
            health: None,
            health_test: Vec::new(),
            labels: held.spec.labels.clone(),
            env: held.spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            user: held.spec.user.clone(),
            working_dir: held.spec.working_dir.clone(),
        }))
    }

    async fn stop(&self, container: &str, signal: Option<&str>, grace: Duration) -> Result<(), EngineError> {
        self.call("stop", container);
        self.kill(container, signal.unwrap_or("TERM")).await?;
        if tokio::time::timeout(grace, self.wait(container)).await.is_err() {
            self.kill(container, "KILL").await?;
            // A container that was removed in the meantime has ended, too.
            let _ = self.wait(container).await;
        }
        Ok(())
    }

    async fn kill(&self, container: &str, signal: &str) -> Result<(), EngineError> {
        let id = self.call(&format!("kill {signal}"), container);
        let mut state = self.lock();
        if let Some(process) = id.and_then(|id| state.held(&id)).and_then(|held| held.main.as_ref()) {
            let signal = if signal.ends_with("KILL") { Signal::Kill } else { Signal::Term };
            process.signal.send_replace(signal);
        }
        Ok(())
    }

    async fn remove(&self, container: &str) -> Result<(), EngineError> {
        let id = self.call("remove", container);
        self.kill(container, "KILL").await?;
        self.lock().containers.retain(|(known, _)| Some(known) != id.as_ref());
        Ok(())
    }

    async fn exec(&self, container: &str, spec: &ExecSpec) -> Result<Exec, EngineError> {
        let id = self.call("exec", container);
        let failed = |fault| EngineError::Exec { container: container.to_owned(), fault };
        let known = self.container(container).await?;
        let Some(id) = id else { return Err(failed(missing(container))) };
        if !known.is_some_and(|known| known.running) {
            return Err(failed(Fault::http(409, format!("Container {container} is not running"))));
        }
        let asked = Asked {
            container: id.clone(),
            argv: spec.argv.clone(),
            env: spec.env.clone(),
            user: spec.user.clone(),
            working_dir: spec.working_dir.clone(),
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        let process = self.process(asked, false, vec![sender]);
        if let Some(message) = process.refused {
            return Err(EngineError::NotStarted { container: container.to_owned(), fault: Fault::new(message) });
        }
        let mut state = self.lock();
        let exec = state.fresh("e");
        state.execs.insert(exec.clone(), process);
        if let Some(held) = state.held(&id) {
            held.execs.push(exec.clone());
        }
        Ok(Exec { id: exec, output: frames(receiver) })
    }

    async fn exec_status(&self, exec: &str) -> Result<ExecStatus, EngineError> {
        self.call("exec-status", exec);
        let state = self.lock();
        let process = state.execs.get(exec).ok_or_else(|| EngineError::ExecStatus(missing(exec)))?;
        let exit_code = *process.exit.borrow();
        Ok(ExecStatus { running: exit_code.is_none(), exit_code })
    }

    async fn put_file(&self, container: &str, path: &str, content: &[u8], _: u32) -> Result<(), EngineError> {
        let id = self.call(&format!("put {path}"), container);
        let mut state = self.lock();
        let Some(held) = id.and_then(|id| state.held(&id)) else {
            let (container, path) = (container.to_owned(), path.to_owned());
            return Err(EngineError::PutFile { fault: missing(&container), container, path });
        };
        held.files.insert(path.to_owned(), content.to_vec());
        Ok(())
    }

    async fn read_file(&self, container: &str, path: &str, _: u64) -> Result<Option<Vec<u8>>, EngineError> {
        let id = self.call(&format!("read {path}"), container);
        let mut state = self.lock();
        Ok(id.and_then(|id| state.held(&id)).and_then(|held| held.files.get(path).cloned()))
    }

    async fn stat(&self, container: &str, path: &str) -> Result<Option<PathStat>, EngineError> {
        let content = self.read_file(container, path, u64::MAX).await?;
        Ok(content.map(|content| PathStat {
            size: content.len() as u64,
            mode: 0o755,
            is_dir: false,
            is_link: false,
            link_target: None,
        }))
    }

    async fn containers(&self, label: &str) -> Result<Vec<ContainerSummary>, EngineError> {
        self.call("list", label);
        let (name, value) = label.split_once('=').map_or((label, None), |(name, value)| (name, Some(value)));
        let ids: Vec<String> = {
            let state = self.lock();
            let carries = |held: &Held| {
                held.spec.labels.iter().any(|(known, found)| known == name && value.is_none_or(|value| value == found))
            };
            state.containers.iter().filter(|(_, held)| carries(held)).map(|(id, _)| id.clone()).collect()
        };
        let mut rows = Vec::new();
        for id in ids {
            if let Some(found) = self.container(&id).await? {
                rows.push(ContainerSummary {
                    id: found.id,
                    name: found.name,
                    image: found.image,
                    running: found.running,
                    created: 0,
                    labels: found.labels,
                });
            }
        }
        Ok(rows)
    }

    async fn network_exists(&self, name: &str) -> Result<bool, EngineError> {
        self.call("network", name);
        Ok(true)
    }

    async fn volume_exists(&self, name: &str) -> Result<bool, EngineError> {
        self.call("volume", name);
        Ok(true)
    }
}

impl FakeEngine {
    /// Carries out a signal script, and says what the script would.
    fn signalled(&self, asked: &Asked) -> Option<Reply> {
        let token = asked.env(SIGNAL_TOKEN)?;
        let kill = asked.argv.last().is_some_and(|signal| signal == "KILL");
        let state = self.lock();
        let carriers = state.execs.values().filter(|process| process.token.as_deref() == Some(token));
        let mut found = false;
        for process in carriers.filter(|process| process.exit.borrow().is_none()) {
            found = true;
            process.signal.send_replace(if kill { Signal::Kill } else { Signal::Term });
        }
        Some(Reply::exit(0).stdout(if found { "sent\n" } else { "none\n" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_container_prints_sleeps_and_exits() {
        let engine = FakeEngine::new().with_image("x").with_program(|asked| {
            (asked.argv == ["prog", "a"])
                .then(|| Reply::exit(3).stdout("one").sleep(Duration::from_secs(60)).stderr("two"))
        });
        let spec = ContainerSpec {
            image: "x".into(),
            entrypoint: Some(vec!["prog".into()]),
            command: Some(vec!["a".into()]),
            ..Default::default()
        };
        let id = engine.create(&spec).await.unwrap();
        let attached = engine.attach(&id, false).await.unwrap();
        engine.start(&id).await.unwrap();
        assert!(engine.container(&id).await.unwrap().unwrap().running);
        let seen: Vec<Frame> = attached.output.map(|frame| frame.unwrap()).collect().await;
        assert_eq!(seen.iter().map(|frame| frame.bytes.as_ref()).collect::<Vec<_>>(), [b"one", b"two"]);
        assert_eq!(engine.wait(&id).await.unwrap(), 3);
        engine.remove(&id).await.unwrap();
        assert_eq!(engine.remaining(), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_waits_the_grace_and_then_kills() {
        let engine = FakeEngine::new()
            .with_image("x")
            .with_program(|_| Some(Reply::exit(0).sleep(Duration::from_secs(600)).ignoring_term()));
        let id = engine.create(&ContainerSpec { image: "x".into(), ..Default::default() }).await.unwrap();
        engine.start(&id).await.unwrap();
        let before = tokio::time::Instant::now();
        engine.stop(&id, None, Duration::from_secs(5)).await.unwrap();
        assert_eq!(before.elapsed(), Duration::from_secs(5));
        assert_eq!(engine.wait(&id).await.unwrap(), 137);
    }
}
