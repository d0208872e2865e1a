//! Makes a run ready: places, parameters, environment, secrets. Nothing of the workflow has been executed before this,
//! and if it fails nothing will be.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

use super::condition::substitution;
use super::container::{EngineHandle, RootContainer};
use super::context::RunContext;
use super::event::Event;
use super::host::Host;
use super::messages::Emitter;
use super::node::FactsById;
use super::paths::{PathError, RunPaths, is_recorded, make_dir};
use super::shell::Shell;
use super::stop::{DEFAULT_GRACE, StopToken};
use super::watchdog::Watchdog;
use crate::plan::{DagSpec, Plan, Redirect, StepSpec, Work};
use crate::values::context::Level;
use crate::values::env::EnvOwner;
use crate::values::masker::Masker;
use crate::values::params::{ParamValues, Passed};
use crate::values::{
    ContextField, LayerKind, Policy, RunScope, Scope, consts, dotenv, dynamic, env, params, resolve, secrets,
};

/// What a run is started with, besides its plan.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Made up when not given; one that has been used is refused.
    pub run_id: Option<String>,
    pub params: Passed,
    /// Further variables for the inherited environment of steps, on top of the allow list.
    pub passed_env: Vec<(String, String)>,
    /// The environment of this process.
    pub process_env: HashMap<String, String>,
    /// Where run data lives, see [`super::paths::state_dir`].
    pub state_dir: PathBuf,
    /// Ends what we started should we die.
    pub watchdog: Option<Watchdog>,
    /// Set for a run that a step of another run started.
    pub lineage: Option<Lineage>,
    /// Connected when the first container is needed.
    pub engine: EngineHandle,
    /// The DAG-level environment of the parent, beneath everything the child says itself.
    pub handed_env: Vec<(String, String)>,
}

/// Where a child run comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// Of the outermost run.
    pub root_name: String,
    pub root_id: String,
    /// 1 for a child of the root.
    pub depth: usize,
}

/// Why a run was refused before anything started.
#[derive(Debug, thiserror::Error)]
pub enum RefuseError {
    #[error("run id `{0}` has been used before")]
    RunIdUsed(String),
    #[error(transparent)]
    Paths(#[from] PathError),
    #[error("cannot make a folder for temporary files: {source}")]
    Scratch { source: std::io::Error },
    #[error("{0}")]
    Params(String),
    #[error("{0}")]
    Unsupported(String),
}

/// Lays out a run and resolves everything that belongs to the run as a whole. A `dry` one only looks: no directory of the
/// workflow is made and no substitution is run.
pub(super) async fn prepare(
    plan: Arc<Plan>,
    options: &RunOptions,
    stop: &StopToken,
    dry: bool,
) -> Result<(RunContext, UnboundedReceiver<Event>), RefuseError> {
    let dag = Arc::clone(&plan.dag);
    let run_id: Arc<str> = match &options.run_id {
        Some(id) if is_recorded(&options.state_dir, &dag.name, id) => return Err(RefuseError::RunIdUsed(id.clone())),
        Some(id) => Arc::from(id.as_str()),
        None => Arc::from(new_id()),
    };
    if dag.is_build {
        return Err(RefuseError::Unsupported(
            "`type: build` cannot be run by saddler; without it the steps run each time".to_owned(),
        ));
    }
    for node in &plan.nodes {
        refuse_unsupported(&node.step)?;
    }
    let attempt_id = new_id()[..8].to_owned();
    let file_dir = dag.file.as_deref().and_then(Path::parent).map(Path::to_owned);
    let log_base = dag.log_dir.as_deref().filter(|_| !dry).map(|dir| file_dir.clone().unwrap_or_default().join(dir));
    let artifact_base = dag.source.get("artifacts").and_then(|artifacts| artifacts.get("dir")).and_then(Value::as_str);
    let artifact_base = artifact_base.filter(|_| !dry).map(|dir| file_dir.clone().unwrap_or_default().join(dir));
    let paths = RunPaths::create(
        &options.state_dir,
        &dag.name,
        &run_id,
        &attempt_id,
        log_base.as_deref(),
        artifact_base.as_deref(),
    )?;

    let lookup_path = options.process_env.get("PATH").cloned().unwrap_or_default();
    let default_shell = default_shell(&options.process_env, &lookup_path);
    let mut scope = RunScope::new(options.process_env.clone());
    scope.extend(LayerKind::Inherited, env::inherited(&options.process_env));
    scope.extend(LayerKind::Inherited, options.passed_env.iter().cloned());

    // Not a profile, but it stands where one would: beneath parameters and `env`.
    scope.extend(LayerKind::Profile, options.handed_env.iter().cloned());
    let (consts, _) = consts::consts(dag.source.get("consts").unwrap_or(&Value::Null));
    scope.set_consts(consts::resolve_consts(&consts));
    let host = Host { lookup_path, watchdog: options.watchdog.clone() };
    let params = choose_params(&dag, options, &scope, &host, &default_shell, stop, dry).await?;
    scope.extend(LayerKind::Params, params.env());
    let json = params.payload.clone();
    scope.set_params(params);

    let context = scope.context_mut();
    context
        .set(ContextField::DagName, dag.name.as_str())
        .set(ContextField::RunId, &*run_id)
        .set(ContextField::AttemptId, attempt_id.as_str())
        .set(ContextField::AttemptStartedAt, Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .set(ContextField::TriggerType, if options.lineage.is_some() { "subdag" } else { "manual" })
        .set(ContextField::LogFile, paths.log_file.display().to_string())
        .set(ContextField::WorkDir, paths.work_dir.display().to_string());
    if let Some(lineage) = &options.lineage {
        context.set(ContextField::RunRootName, lineage.root_name.as_str());
        context.set(ContextField::RunRootId, lineage.root_id.as_str());
    }
    if uses_artifacts(&dag) {
        make_dir(&paths.artifacts_dir, 0o750)?;
        context.set(ContextField::ArtifactsDir, paths.artifacts_dir.display().to_string());
    }
    let mut managed = scope.context().env(Level::Run);
    for name in ["DAG_PARAMS_JSON", "DAGU_PARAMS_JSON"] {
        managed.extend(json.iter().map(|json| (name.to_owned(), json.clone())));
    }
    scope.extend(LayerKind::Managed, managed.clone());
    let (entries, _) = env::entries(dag.source.get("env").unwrap_or(&Value::Null), EnvOwner::Workflow);
    env::resolve_entries(&entries, &mut scope, LayerKind::Env, Policy::Process);
    let base_dir = base_dir(&dag, &scope, &paths, options.lineage.is_some());
    if !dry {
        make_dir(&base_dir, 0o755)?;
    }
    read_dotenv(&dag, &base_dir, &mut scope);
    scope.extend(LayerKind::Managed, managed);
    let secrets = read_secrets(&dag, &base_dir, &scope);

    let (masker, secret_error) = match secrets {
        Ok(secrets) => {
            let masker = Masker::new(secrets.iter().map(|(_, value)| value.as_str()));
            scope.extend(LayerKind::Secrets, secrets);
            (masker, None)
        }
        Err(error) => (Masker::default(), Some(error)),
    };
    let (emitter, events) = Emitter::new(Arc::clone(&run_id));
    let cx = RunContext {
        grace: dag.clean_up_time.unwrap_or(DEFAULT_GRACE),
        plan,
        run_id,
        paths,
        scope,
        base_dir,
        outer: FactsById::new(),
        options: options.clone(),
        masker,
        host,
        root: RootContainer::default(),
        emitter,
        default_shell,
        broken: secret_error,
    };
    Ok((cx, events))
}

/// The parameters of the run: what was passed, else evaluated, else declared.
async fn choose_params(
    dag: &DagSpec,
    options: &RunOptions,
    scope: &RunScope,
    host: &Host,
    default_shell: &[String],
    stop: &StopToken,
    dry: bool,
) -> Result<ParamValues, RefuseError> {
    let schema_dirs = [
        std::env::current_dir().ok(),
        dag.working_dir.as_ref().map(PathBuf::from),
        dag.file.as_deref().and_then(Path::parent).map(Path::to_owned),
    ];
    let mut read = |name: &str| {
        if name.contains("://") {
            return Err("saddler reads schemas from files only".to_owned());
        }
        let mut found = schema_dirs.iter().flatten().map(|dir| dir.join(name)).filter(|file| file.is_file());
        let file = found.next().ok_or_else(|| format!("there is no file `{name}`"))?;
        std::fs::read_to_string(file).map_err(|error| error.to_string())
    };
    let (declared, problems) = params::declare(dag.source.get("params").unwrap_or(&Value::Null), &mut read);
    if let Some(problem) = problems.first() {
        return Err(RefuseError::Params(format!("params: {}", problem.message)));
    }
    let passed = options.params.clone();
    // Evaluation runs commands and is written without async, so it waits on a thread of its own.
    let (mut scope, host, stop) = (scope.clone(), host.clone(), stop.clone());
    // `eval` sees the whole environment of this process, not only what steps inherit.
    scope.extend(LayerKind::Inherited, options.process_env.clone());
    let shell = Shell::new(default_shell.to_vec(), true);
    let runtime = tokio::runtime::Handle::current();
    let chosen = tokio::task::spawn_blocking(move || {
        let mut evaluate = |text: &str, values: &ParamValues| {
            if dry {
                return Ok(text.to_owned());
            }
            let mut scope = scope.clone();
            scope.extend(LayerKind::Params, values.env());
            scope.set_params(values.clone());
            let mut run = |body: &str| {
                let shell = shell.as_ref().map_err(|_| "no shell was found".to_owned())?;
                let argv = shell.check_line(body).map_err(|error| error.to_string())?;
                runtime.block_on(substitution(argv, &scope, None, &host, &stop))
            };
            dynamic::evaluate(text, &scope, &mut run).map_err(|error| error.to_string())
        };
        params::choose(&declared, &passed, &mut evaluate)
    });
    let chosen =
        chosen.await.map_err(|error| RefuseError::Params(format!("params: the evaluation was lost: {error}")))?;
    chosen.map_err(|error| RefuseError::Params(error.to_string()))
}

/// The entries of the `.env` files. One that cannot be read as such counts for nothing, with a warning.
fn read_dotenv(dag: &DagSpec, base_dir: &Path, scope: &mut RunScope) {
    let file_dir = dag.file.as_deref().and_then(Path::parent).unwrap_or(base_dir);
    for name in dotenv::files(dag.source.get("dotenv")) {
        let name = resolve(&name, Policy::Process, scope);
        let mut places =
            [base_dir, file_dir].into_iter().map(|dir| join_dir(dir, &name, scope)).filter(|file| file.is_file());
        let Some(file) = places.next() else { continue };
        let read = std::fs::read(&file).map_err(|error| error.to_string());
        match read.and_then(|bytes| dotenv::parse(&String::from_utf8_lossy(&bytes)).map_err(|error| error.to_string()))
        {
            Ok(entries) => scope.extend(LayerKind::Dotenv, entries),
            Err(error) => tracing::warn!("{} counts for nothing: {error}", file.display()),
        }
    }
}

/// The secrets by name, or why one cannot be had.
fn read_secrets(dag: &DagSpec, base_dir: &Path, scope: &RunScope) -> Result<Vec<(String, String)>, String> {
    let (declared, problems) = secrets::secrets(dag.source.get("secrets").unwrap_or(&Value::Null));
    if let Some(problem) = problems.first() {
        return Err(format!("secrets: {}", problem.message));
    }
    let file_dir = dag.file.as_deref().and_then(Path::parent).unwrap_or(base_dir);
    let mut read_file = |key: &str| {
        let mut places =
            [base_dir, file_dir].into_iter().map(|dir| join_dir(dir, key, scope)).filter(|file| file.is_file());
        let file = places.next().ok_or_else(|| format!("there is no file `{key}`"))?;
        std::fs::read_to_string(file).map_err(|error| error.to_string())
    };
    secrets::resolve_secrets(&declared, scope, &mut read_file).map_err(|error| error.to_string())
}

/// A random id in the usual form of 32 hexadecimal digits with dashes.
fn new_id() -> String {
    let bytes: [u8; 16] = rand::random();
    let text = hex::encode(bytes);
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

fn refuse_unsupported(step: &StepSpec) -> Result<(), RefuseError> {
    match &step.work {
        Work::Action { name, .. } if !super::action::is_supported(name) => {
            Err(RefuseError::Unsupported(format!("step `{}`: action `{name}` cannot be run by saddler", step.name)))
        }
        _ => Ok(()),
    }
}

/// `working_dir` of the DAG relative to its file; without one the file's own directory, and the run's private directory
/// where there is no file and for children.
fn base_dir(dag: &DagSpec, scope: &RunScope, paths: &RunPaths, is_child: bool) -> PathBuf {
    let file_dir = dag.file.as_deref().and_then(Path::parent).unwrap_or(&paths.work_dir);
    match &dag.working_dir {
        Some(text) => join_dir(file_dir, &resolve(text, Policy::WorkingDir, scope), scope),
        None if is_child => paths.work_dir.clone(),
        None => file_dir.to_owned(),
    }
}

/// True when something in the workflow uses the artifact directory and nothing forbids it.
fn uses_artifacts(dag: &DagSpec) -> bool {
    match dag.source.get("artifacts").and_then(|artifacts| artifacts.get("enabled")).and_then(Value::as_bool) {
        Some(enabled) => return enabled,
        None if dag.source.contains_key("artifacts") => return true,
        None => {}
    }
    let redirects = |step: &StepSpec| {
        [&step.stdout, &step.stderr].into_iter().flatten().any(|redirect| matches!(redirect, Redirect::Artifact(_)))
    };
    let acts = |step: &StepSpec| matches!(&step.work, Work::Action { name, .. } if name.starts_with("artifact."));
    dag.steps.iter().any(|step| redirects(step) || acts(step))
        || mentions(&Value::Object(dag.source.clone()), "paths.artifacts_dir}")
}

fn mentions(value: &Value, text: &str) -> bool {
    match value {
        Value::String(string) => string.contains(text),
        Value::Array(items) => items.iter().any(|item| mentions(item, text)),
        Value::Object(map) => map.values().any(|value| mentions(value, text)),
        _ => false,
    }
}

/// `DAGU_DEFAULT_SHELL` as one program name, else `SHELL`, else `sh`.
fn default_shell(env: &HashMap<String, String>, path: &str) -> Vec<String> {
    let set = |name: &str| env.get(name).filter(|value| !value.is_empty()).cloned();
    let found = set("DAGU_DEFAULT_SHELL")
        .or_else(|| set("SHELL"))
        .or_else(|| super::host::find_program("sh", path, None).ok().map(|file| file.display().to_string()));
    found.into_iter().collect()
}

/// A directory as written and resolved, relative to another one; `~` is the home directory of the scope.
pub(super) fn join_dir(base: &Path, text: &str, scope: &RunScope) -> PathBuf {
    match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let home = scope.declared("HOME").or_else(|| scope.inherited("HOME")).unwrap_or_default().into_owned();
            PathBuf::from(home + rest)
        }
        _ => clean(&base.join(text)),
    }
}

/// The path without `.` and, where it can be done without asking the disk, without `..`.
pub(super) fn clean(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(cleaned.components().next_back(), Some(Component::Normal(_))) => {
                cleaned.pop();
            }
            part => cleaned.push(part),
        }
    }
    cleaned
}
