//! Steps in containers: which container, what is started in it, with which environment.
//!
//! The lifecycles are in [`crate::container`]; here a workflow's texts become what those are given. Values never turn
//! into shell text: a word of a command line is filled in as one word, and where a shell reads the text, bare names
//! become variables of the exec.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use super::attempt::{Attempt, Done};
use super::context::RunContext;
use super::event::{EventKind, Place, StepRef};
use super::failure::Failure;
use super::stop::StopToken;
use super::target::{ContainerTarget, Launch, Target};
use crate::container::limits::Limits;
use crate::container::options::DockerRunOptions;
use crate::container::shell::{CommandLine, command_line};
use crate::container::{
    self, Caller, ContainerSettings, Notice, References, SettingError, Shape, Shared, StopPolicy, registry,
};
use crate::engine::{Engine, PullProgress, connect, endpoint};
use crate::plan::{DagSpec, StepSpec, Work};
use crate::values::scan::{TokenKind, scan};
use crate::values::{LayerKind, Policy, RunScope, Scope, resolve, resolve_noting};

/// The engine of a run, connected when the first container is needed.
#[derive(Clone, Default)]
pub struct EngineHandle(Arc<OnceCell<Arc<dyn Engine>>>);

impl std::fmt::Debug for EngineHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EngineHandle({})", self.0.get().map_or("not connected", |engine| engine.address()))
    }
}

impl EngineHandle {
    /// An engine that is there already, such as the scripted one of tests.
    pub fn connected(engine: Arc<dyn Engine>) -> Self {
        Self(Arc::new(OnceCell::new_with(Some(engine))))
    }

    async fn get(&self, cx: &RunContext) -> Result<Arc<dyn Engine>, String> {
        let lookup = |name: &str| cx.options.process_env.get(name).cloned();
        let connected = self.0.get_or_try_init(|| async {
            let endpoint = endpoint(&lookup).map_err(|error| error.to_string())?;
            connect(&endpoint).await.map_err(|error| error.to_string())
        });
        connected.await.cloned()
    }
}

/// The container all steps of a run share, once it is there.
#[derive(Clone, Default)]
pub(super) struct RootContainer {
    open: Arc<Mutex<Option<OpenRoot>>>,
}

#[derive(Clone)]
struct OpenRoot {
    shared: Arc<Shared>,
    /// `container.env`, resolved.
    env: Vec<(String, String)>,
}

impl RootContainer {
    fn get(&self) -> Option<OpenRoot> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self) -> Option<OpenRoot> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, shared: Shared, env: Vec<(String, String)>) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(OpenRoot { shared: Arc::new(shared), env });
    }
}

/// True for an existing container that is only joined.
fn is_existing(container: &Value) -> bool {
    container.is_string() || container.get("exec").is_some_and(|exec| !exec.is_null())
}

/// Where the step's programs run, as far as the workflow's text tells.
pub(super) fn place(step: &StepSpec, dag: &DagSpec) -> Place {
    let has_image = |with: &Map<String, Value>| with.get("image").is_some_and(|image| !image.is_null());
    match (&step.container, &step.work) {
        (Some(container), _) if is_existing(container) => Place::ExistingContainer,
        (Some(_), _) => Place::StepContainer,
        (None, Work::DockerRun { with }) if has_image(with) => Place::StepContainer,
        (None, Work::DockerRun { with }) if with.contains_key("container_name") => Place::ExistingContainer,
        (None, Work::DockerRun { .. }) if dag.container.is_some() => Place::RootContainer,
        _ if dag.container.is_some() && step.uses_root_container() => Place::RootContainer,
        _ => Place::Host,
    }
}

/// Makes or joins the container of the run.
///
/// # Errors
/// Why there is none; nothing is left behind.
pub(super) async fn open_root(cx: &RunContext, stop: &StopToken) -> Result<(), String> {
    let Some(written) = &cx.plan.dag.container else { return Ok(()) };
    let place = settings_place(cx, written, "container", &cx.scope, &cx.base_dir, Shape::Shared)?;
    let Some(place) = place else { return Ok(()) };
    let engine = cx.options.engine.get(cx).await?;
    let notice = notices(cx, None);
    let caller = Caller { engine: &engine, stop, notice: &notice };
    let shared = match &place {
        container::Place::New(new) => Shared::create(&caller, new).await,
        container::Place::Existing(existing) => Shared::join(&caller, existing).await,
    };
    let shared = shared.map_err(|error| error.to_string())?;
    cx.emitter.emit(EventKind::ContainerReady { container: shared.name().to_owned() });
    cx.root.set(shared, place_env(&place).to_vec());
    Ok(())
}

/// Ends the container of the run, if it is ours.
pub(super) async fn close_root(cx: &RunContext, stop: &StopToken) {
    let Some(OpenRoot { shared, .. }) = cx.root.take() else { return };
    let name = shared.name().to_owned();
    let Ok(shared) = Arc::try_unwrap(shared) else {
        cx.emitter.emit(EventKind::Noticed {
            step: None,
            message: format!("container `{name}` is still in use and was left as it is"),
        });
        return;
    };
    let Ok(engine) = cx.options.engine.get(cx).await else { return };
    let notice = notices(cx, None);
    let caller = Caller { engine: &engine, stop, notice: &notice };
    let written = cx.plan.dag.container.as_ref();
    let kept = written.and_then(|container| container.get("keep_container")).is_some_and(|keep| *keep == true);
    shared.close(&caller, &StopPolicy { signal: None, grace: cx.grace }).await;
    if written.is_some_and(|container| !is_existing(container)) {
        cx.emitter.emit(EventKind::ContainerReleased { container: name, kept });
    }
}

/// Reads a `container:` and fills its references in; `None` for null.
pub(super) fn settings_place(
    cx: &RunContext,
    written: &Value,
    path: &str,
    scope: &RunScope,
    base: &Path,
    shape: Shape,
) -> Result<Option<container::Place>, String> {
    let settings = ContainerSettings::parse(written, path).map_err(|error| error.to_string())?;
    let Some(settings) = settings else { return Ok(None) };
    let place = with_references(cx, scope, base, |references| settings.resolve(references, limits(cx)?, shape));
    finish_place(cx, scope, place.map_err(|error| error.to_string())?).map(Some)
}

/// Adds the login of its registry and the labels of the run to a container to be made.
fn finish_place(cx: &RunContext, scope: &RunScope, place: container::Place) -> Result<container::Place, String> {
    let container::Place::New(mut new) = place else { return Ok(place) };
    for warning in &new.warnings {
        cx.emitter.emit(EventKind::Noticed { step: None, message: cx.masker.mask(warning) });
    }
    let text = |text: &str| Ok(resolve(text, Policy::Scope, scope));
    let process = |name: &str| cx.options.process_env.get(name).cloned();
    let auths = cx.plan.dag.source.get("registry_auths");
    new.credentials =
        registry::credentials(auths, &new.spec.image, &text, &process).map_err(|error| error.to_string())?;
    Ok(container::Place::New(Box::new(new.for_run(&cx.run_id, &cx.plan.dag.name))))
}

fn with_references<T>(
    cx: &RunContext,
    scope: &RunScope,
    base: &Path,
    use_them: impl FnOnce(&References<'_>) -> Result<T, SettingError>,
) -> Result<T, SettingError> {
    let text = |text: &str| Ok(resolve(text, Policy::Scope, scope));
    let env = |text: &str, before: &[(String, String)]| {
        let mut scope = scope.clone();
        scope.extend(LayerKind::ContainerEnv, before.iter().cloned());
        let resolved = resolve_noting(text, Policy::Process, &scope);
        let missing = resolved.missing.iter().find(|missing| missing.variable.is_some() && !missing.operator);
        match missing {
            None => Ok(resolved.text),
            Some(missing) => {
                let (name, token) = (missing.variable.as_deref().unwrap_or_default(), &text[missing.range.clone()]);
                Err(format!(
                    "`{name}` is set neither in the workflow nor in the environment of saddler; write `\\{token}` for the \
                     text itself"
                ))
            }
        }
    };
    let process = |name: &str| cx.options.process_env.get(name).cloned();
    use_them(&References { text: &text, env: &env, process: &process, base })
}

/// `resources.limits` of the DAG.
fn limits(cx: &RunContext) -> Result<Limits, SettingError> {
    let written = cx.plan.dag.source.get("resources").and_then(|resources| resources.get("limits"));
    let text = |name: &str| written.and_then(|limits| limits.get(name)).and_then(Value::as_str).unwrap_or_default();
    let error = |name: &str| {
        let path = format!("resources.limits.{name}");
        move |(code, message)| SettingError::new(code, path, message)
    };
    Ok(Limits {
        nano_cpus: container::limits::cpu(text("cpu")).map_err(error("cpu"))?,
        memory_bytes: container::limits::memory(text("memory")).map_err(error("memory"))?,
    })
}

/// Turns what a lifecycle has to say into events.
pub(super) fn notices(cx: &RunContext, step: Option<StepRef>) -> impl Fn(Notice) + Send + Sync + use<> {
    let (emitter, masker) = (cx.emitter.clone(), cx.masker.clone());
    let pulling = Mutex::new(String::new());
    move |notice| {
        let step = step.clone();
        let noticed = |message: String| EventKind::Noticed { step: step.clone(), message: masker.mask(&message) };
        emitter.emit(match notice {
            Notice::Pulling { image } => {
                *pulling.lock().unwrap_or_else(PoisonError::into_inner) = image.clone();
                EventKind::ImagePulling { step, image }
            }
            Notice::PullProgress(progress) => EventKind::ImagePullProgressed {
                step,
                image: pulling.lock().unwrap_or_else(PoisonError::into_inner).clone(),
                progress: progress_text(&progress),
            },
            Notice::Pulled { .. } => return,
            Notice::UsingLocal { image, reason } => {
                noticed(format!("image `{image}` cannot be fetched ({reason}); the local one is used"))
            }
            Notice::Waiting { container, status } => {
                noticed(format!("waiting for container `{container}` to be running; it is {status}"))
            }
            Notice::WithoutInit => noticed("the engine has no init program; the container runs without one".to_owned()),
            Notice::NoHealthCheck { container } => {
                noticed(format!("container `{container}` has no health check; running counts as ready"))
            }
            Notice::LeftBehind { container, reason } => {
                noticed(format!("container `{container}` could not be removed: {reason}"))
            }
        });
    }
}

fn progress_text(progress: &PullProgress) -> String {
    let layer = progress.layer.as_deref().map(|layer| format!("{layer}: ")).unwrap_or_default();
    match (progress.current, progress.total) {
        (Some(current), Some(total)) => format!("{layer}{} {current}/{total}", progress.status),
        _ => format!("{layer}{}", progress.status),
    }
}

/// A place made ready for a step.
pub(super) struct Ready {
    pub target: Target,
    /// `container.env` and `container.shell` of the place.
    pub env: Vec<(String, String)>,
    pub shell: Vec<String>,
}

impl Attempt<'_> {
    /// The container the step runs in; `None` for the host. `keeps` asks for a container that outlives one program.
    ///
    /// # Errors
    /// When the settings cannot be used or there is no engine.
    pub(super) async fn container(&self, keeps: bool) -> Result<Option<Ready>, Failure> {
        match self.container_place(keeps)? {
            Some(place) => Ok(Some(self.ready(place).await?)),
            None => self.root_container().await,
        }
    }

    /// The container of the step's own, or the existing one it enters.
    pub(super) fn container_place(&self, keeps: bool) -> Result<Option<container::Place>, Failure> {
        match (&self.step.container, &self.step.work) {
            (Some(written), _) => {
                let shape = if keeps { Shape::Shared } else { Shape::Single };
                let path = format!("steps.{}.container", self.step.name);
                settings_place(self.cx, written, &path, &self.scope, &self.cwd, shape).map_err(Failure::plain)
            }
            (None, Work::DockerRun { with }) => self.docker_run_place(with),
            _ => Ok(None),
        }
    }

    async fn root_container(&self) -> Result<Option<Ready>, Failure> {
        let in_root = self.step.uses_root_container() || matches!(self.step.work, Work::DockerRun { .. });
        if !in_root || self.cx.plan.dag.container.is_none() {
            return Ok(None);
        }
        let missing = || Failure::plain("the container of the run is not there");
        let OpenRoot { shared, env } = self.cx.root.get().ok_or_else(missing)?;
        let engine = self.cx.options.engine.get(self.cx).await.map_err(Failure::plain)?;
        let shell = shared.shell().to_vec();
        let target = ContainerTarget::shared(shared, Place::RootContainer, engine, self.notices());
        Ok(Some(Ready { target: Target::Container(target), env, shell }))
    }

    fn docker_run_place(&self, with: &Map<String, Value>) -> Result<Option<container::Place>, Failure> {
        let mut with = with.clone();
        with.remove("command");
        let plain = |error: SettingError| Failure::plain(error.to_string());
        let Some(options) = DockerRunOptions::parse(&with, "with").map_err(plain)? else { return Ok(None) };
        let resolve = |references: &References<'_>| options.resolve(references, limits(self.cx)?);
        let place = with_references(self.cx, &self.scope, &self.cwd, resolve).map_err(plain)?;
        finish_place(self.cx, &self.scope, place).map(Some).map_err(Failure::plain)
    }

    async fn ready(&self, place: container::Place) -> Result<Ready, Failure> {
        let engine = self.cx.options.engine.get(self.cx).await.map_err(Failure::plain)?;
        let env = place_env(&place).to_vec();
        let shell = match &place {
            container::Place::New(new) => new.shell.clone(),
            container::Place::Existing(existing) => existing.shell.clone(),
        };
        let target = ContainerTarget::own(place, engine, self.notices());
        Ok(Ready { target: Target::Container(target), env, shell })
    }

    fn notices(&self) -> Arc<dyn Fn(Notice) + Send + Sync> {
        Arc::new(notices(self.cx, Some(self.step_ref.clone())))
    }

    /// Runs the lines of a command step in its container, in order; the first failure ends it.
    pub(super) async fn container_commands(&mut self, lines: &[String], ready: Ready) -> Result<Done, Failure> {
        self.scope.extend(LayerKind::ContainerEnv, ready.env.iter().cloned());
        let several = lines.len() > 1;
        let target = if several { ready.target.kept(&self.stop).await? } else { ready.target };
        let mut result = Ok(());
        for (i, line) in lines.iter().enumerate() {
            let launch = self.container_launch(line, &ready.shell, target.place());
            result = self.launch_well(&target, launch).await;
            if let Err(failure) = result {
                result = Err(if several { failure.prefixed(&format!("command {} failed: ", i + 1)) } else { failure });
                break;
            }
        }
        target.close(&self.stop, self.cx.grace).await;
        result.map(|()| Done::default())
    }

    /// What the image does by itself, with `container.command`.
    pub(super) async fn container_default(&mut self, ready: Ready) -> Result<Done, Failure> {
        let launch = Launch { env: self.step_env(), outputs: self.outputs_slot(), ..Launch::default() };
        self.launch_well(&ready.target, launch).await?;
        Ok(Done::default())
    }

    pub(super) fn container_launch(&self, line: &str, shell: &[String], place: Place) -> Launch {
        let mut env = if place == Place::RootContainer { Default::default() } else { self.step_env() };
        let argv = match command_line(line, shell) {
            CommandLine::Words(words) => words.iter().map(|word| self.resolve(word, Policy::Scope)).collect(),
            CommandLine::Shell { prefix, text } => {
                for name in bare_names(&text) {
                    if let Some(value) = self.scope.declared(&name) {
                        env.insert(name, value.into_owned());
                    }
                }
                let mut argv = prefix;
                argv.push(self.resolve(&text, Policy::Shell));
                argv
            }
        };
        Launch { argv, env, outputs: self.outputs_slot(), ..Launch::default() }
    }

    /// The entries of the step's own `env`, which its container gets.
    fn step_env(&self) -> std::collections::BTreeMap<String, String> {
        if matches!(self.step.work, Work::DockerRun { .. }) {
            return Default::default();
        }
        let names = self.step.env.iter().map(|(name, _)| name);
        names.filter_map(|name| Some((name.clone(), self.scope.declared(name)?.into_owned()))).collect()
    }

    /// Where the content of the outputs file of a container goes, if the step declares outputs.
    pub(super) fn outputs_slot(&self) -> Option<super::target::OutputsSlot> {
        (!self.step.outputs.is_empty()).then(|| Arc::clone(&self.container_outputs))
    }

    /// `docker.run`: its `command` is one line or several.
    pub(super) async fn docker_run(&mut self, with: &Map<String, Value>) -> Result<Done, Failure> {
        let lines = docker_run_lines(with);
        let ready = self.container(lines.len() > 1).await?;
        let ready = ready.ok_or_else(|| Failure::plain("this step has neither `image` nor `container_name`"))?;
        if lines.is_empty() {
            self.container_default(ready).await
        } else {
            self.container_commands(&lines, ready).await
        }
    }
}

/// `container.env`, resolved.
pub(super) fn place_env(place: &container::Place) -> &[(String, String)] {
    match place {
        container::Place::New(new) => &new.exec.env,
        container::Place::Existing(existing) => &existing.exec.env,
    }
}

/// The lines of `docker.run`: its `command` is one line, or a list of them.
pub(super) fn docker_run_lines(with: &Map<String, Value>) -> Vec<String> {
    match with.get("command") {
        Some(Value::String(line)) if line.trim().is_empty() => Vec::new(),
        Some(Value::String(line)) => vec![line.trim().to_owned()],
        Some(Value::Array(lines)) => lines.iter().map(crate::values::json_text::plain).collect(),
        _ => Vec::new(),
    }
}

/// Names a shell would fill in.
fn bare_names(text: &str) -> Vec<String> {
    let name = |kind: TokenKind| match kind {
        TokenKind::Bare { name, .. } | TokenKind::Operator { name, .. } => Some(name),
        _ => None,
    };
    scan(text).into_iter().filter_map(|token| name(token.kind)).collect()
}
