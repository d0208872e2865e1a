//! What a run would start, without starting anything: the same texts, places and command lines, up to the last moment.
//!
//! Outputs of earlier steps do not exist yet, so references to them stay as they are; substitutions in parameters are not
//! run and show as written. Nothing is created but a folder for temporary files, which is gone afterwards.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::attempt::Attempt;
use super::container::{self as containers, settings_place};
use super::context::RunContext;
use super::drive::step_ref;
use super::event::{Place, StepRef, StepRole};
use super::failure::Failure;
use super::node::{FactsById, NodeJob};
use super::prepare::{self, RefuseError, RunOptions};
use super::stop::StopSource;
use crate::container;
use crate::plan::{Plan, StepSpec, Work};

/// A whole run, steps in the order of the file, handlers after them.
#[derive(Debug, Clone)]
pub struct Preview {
    pub dag: String,
    /// Directory of the steps that have none of their own.
    pub working_dir: PathBuf,
    /// The container that all steps share.
    pub container: Option<ContainerPreview>,
    pub steps: Vec<StepPreview>,
}

#[derive(Debug, Clone)]
pub struct StepPreview {
    pub step: StepRef,
    /// Names of the steps it waits for.
    pub waits_for: Vec<String>,
    pub place: Place,
    /// On the host; what the step's own text says, for containers meaningless.
    pub cwd: PathBuf,
    /// A container of the step's own, or the existing one it enters.
    pub container: Option<ContainerPreview>,
    pub programs: Vec<ProgramPreview>,
    /// Names of the variables the workflow gives it, sorted. On the host it also inherits the usual few.
    pub env: Vec<String>,
    /// Why it would fail before starting anything, as far as that can be seen now; masked.
    pub problem: Option<String>,
}

/// One command line, or in words what is done instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramPreview {
    /// Of an agent: the provider. Attempts come in the order in which they would fall back.
    pub provider: Option<String>,
    /// Masked. A script stands as `<script>`.
    pub argv: Vec<String>,
    /// What it reads, masked; `None` for nothing.
    pub stdin: Option<String>,
    /// For what is no program: the action.
    pub action: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerPreview {
    /// Set for a container to be made.
    pub image: Option<String>,
    /// The container's name, when it has one.
    pub name: Option<String>,
    /// `source:target` and the mode where it is `ro`.
    pub mounts: Vec<String>,
    /// Names only.
    pub env: Vec<String>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
}

/// Looks at a plan.
///
/// # Errors
/// What [`super::run`] would refuse.
pub async fn preview(plan: Plan, options: &RunOptions) -> Result<Preview, RefuseError> {
    let scratch = tempfile::tempdir().map_err(|source| RefuseError::Scratch { source })?;
    let options = RunOptions { state_dir: scratch.path().to_owned(), watchdog: None, ..options.clone() };
    let (cx, _events) = prepare::prepare(Arc::new(plan), &options, &StopSource::new().token(), true).await?;
    let cx = Arc::new(cx);
    let dag = &cx.plan.dag;
    let mut steps = Vec::new();
    for node in &cx.plan.nodes {
        let waits_for = node.waits_for.iter().map(|&wanted| cx.plan.nodes[wanted].step.name.clone()).collect();
        steps.push(step(&cx, &node.step, StepRole::Step, waits_for).await);
    }
    let handlers = &dag.handlers;
    for (role, handler) in [
        (StepRole::OnInit, &handlers.init),
        (StepRole::OnSuccess, &handlers.success),
        (StepRole::OnFailure, &handlers.failure),
        (StepRole::OnAbort, &handlers.abort),
        (StepRole::OnExit, &handlers.exit),
        (StepRole::OnWait, &handlers.wait),
    ] {
        if let Some(handler) = handler.as_ref().filter(|_| cx.plan.is_whole()) {
            steps.push(step(&cx, handler, role, Vec::new()).await);
        }
    }
    let shape = container::Shape::Shared;
    let root = match &dag.container {
        Some(written) => settings_place(&cx, written, "container", &cx.scope, &cx.base_dir, shape)
            .map_err(|error| RefuseError::Unsupported(cx.masker.mask(&error)))?,
        None => None,
    };
    Ok(Preview {
        dag: dag.name.clone(),
        working_dir: cx.base_dir.clone(),
        container: root.as_ref().map(|place| ContainerPreview::new(place, &cx)),
        steps,
    })
}

async fn step(cx: &Arc<RunContext>, step: &StepSpec, role: StepRole, waits_for: Vec<String>) -> StepPreview {
    let step_ref = step_ref(step, role);
    let job = NodeJob {
        step: Arc::new(step.clone()),
        step_ref: step_ref.clone(),
        scope: cx.scope.clone(),
        facts: FactsById::new(),
        variables: Vec::new(),
        status_env: Vec::new(),
        stop: StopSource::new().token(),
    };
    let mut preview = StepPreview {
        step: step_ref,
        waits_for,
        place: containers::place(step, &cx.plan.dag),
        cwd: cx.base_dir.clone(),
        container: None,
        programs: Vec::new(),
        env: Vec::new(),
        problem: None,
    };
    let looked = super::node::look(cx, job, &mut preview).await;
    preview.problem = looked.err().map(|failure| cx.masker.mask(&failure.text));
    preview
}

impl Attempt<'_> {
    /// Says what the attempt would start.
    pub(super) fn preview(&mut self, preview: &mut StepPreview) -> Result<(), Failure> {
        preview.cwd = self.cwd.clone();
        let dag = &self.cx.plan.dag;
        let place = match self.container_place(false)? {
            Some(place) => Some(place),
            None if preview.place == Place::RootContainer => {
                let written = dag.container.as_ref().unwrap_or(&Value::Null);
                let shape = container::Shape::Shared;
                settings_place(self.cx, written, "container", &self.cx.scope, &self.cx.base_dir, shape)
                    .map_err(Failure::plain)?
            }
            None => None,
        };
        let shell = match &place {
            Some(container::Place::New(new)) => new.shell.clone(),
            Some(container::Place::Existing(existing)) => existing.shell.clone(),
            None => Vec::new(),
        };
        if let Some(place) = &place {
            self.scope.extend(crate::values::LayerKind::ContainerEnv, containers::place_env(place).iter().cloned());
            if preview.place != Place::RootContainer {
                preview.container = Some(ContainerPreview::new(place, self.cx));
            }
        }
        let step = self.step;
        let mut env: BTreeSet<String> = BTreeSet::new();
        let programs: Vec<ProgramPreview> = match &step.work {
            Work::Commands(lines) if place.is_some() => self.preview_lines(lines, &shell, preview.place, &mut env),
            Work::DockerRun { with } => {
                self.preview_lines(&containers::docker_run_lines(with), &shell, preview.place, &mut env)
            }
            Work::Commands(lines) => self.command_lines(lines)?.into_iter().map(|argv| self.program(argv)).collect(),
            Work::Script { text, interpreter } => {
                let script = self.script_plan(text, interpreter.as_deref())?;
                vec![self.program(script.argv(std::path::Path::new("<script>"))?)]
            }
            Work::Exec { command, args } => vec![self.program(self.exec_line(command, args))],
            Work::Harness { written } => self.preview_agent(written)?,
            Work::ContainerDefault => vec![self.action("the image's own command")],
            Work::DagRun { with, parallel } => {
                let child = with.get("dag").and_then(Value::as_str).unwrap_or_default();
                let each = if parallel.is_some() { " for each item" } else { "" };
                vec![self.action(&format!("dag.run {child}{each}"))]
            }
            Work::Foreach { .. } => vec![self.action("foreach")],
            Work::Action { name, .. } => vec![self.action(name)],
        };
        preview.programs = programs;
        match (preview.place, step.is_agent()) {
            (Place::Host, _) => env.extend(self.scope.declared_env().into_iter().map(|(name, _)| name)),
            (_, true) => {
                let names = self.scope.declared_env().into_iter().map(|(name, _)| name);
                env.extend(names.filter(|name| !super::harness::is_host_path(name)));
            }
            _ => {}
        }
        preview.env = env.into_iter().collect();
        Ok(())
    }

    fn preview_lines(
        &self,
        lines: &[String],
        shell: &[String],
        place: Place,
        env: &mut BTreeSet<String>,
    ) -> Vec<ProgramPreview> {
        let launches = lines.iter().map(|line| self.container_launch(line, shell, place));
        launches
            .map(|launch| {
                env.extend(launch.env.keys().cloned());
                self.program(launch.argv)
            })
            .collect()
    }

    pub(super) fn program(&self, argv: Vec<String>) -> ProgramPreview {
        let argv = argv.iter().map(|word| self.cx.masker.mask(word)).collect();
        ProgramPreview { provider: None, argv, stdin: None, action: None }
    }

    fn action(&self, name: &str) -> ProgramPreview {
        ProgramPreview { action: Some(self.cx.masker.mask(name)), ..self.program(Vec::new()) }
    }
}

impl ContainerPreview {
    fn new(place: &container::Place, cx: &RunContext) -> Self {
        let mask = |text: &String| cx.masker.mask(text);
        let names = |env: &[(String, String)]| {
            let names: BTreeSet<&String> = env.iter().map(|(name, _)| name).collect();
            names.into_iter().cloned().collect()
        };
        match place {
            container::Place::New(new) => {
                let mode = |read_only: bool| if read_only { ":ro" } else { "" };
                let binds = new.spec.binds.iter();
                let binds = binds.map(|bind| format!("{}:{}{}", bind.source, bind.target, mode(bind.read_only)));
                let volumes = new.spec.volumes.iter();
                let volumes =
                    volumes.map(|volume| format!("{}:{}{}", volume.name, volume.target, mode(volume.read_only)));
                Self {
                    image: Some(mask(&new.spec.image)),
                    name: new.spec.name.as_ref().map(mask),
                    mounts: binds.chain(volumes).map(|mount| mask(&mount)).collect(),
                    env: names(&new.spec.env),
                    user: new.spec.user.as_ref().map(mask),
                    working_dir: new.spec.working_dir.as_ref().map(mask),
                }
            }
            container::Place::Existing(existing) => Self {
                image: None,
                name: Some(mask(&existing.name)),
                mounts: Vec::new(),
                env: names(&existing.exec.env),
                user: existing.exec.user.as_ref().map(mask),
                working_dir: existing.exec.working_dir.as_ref().map(mask),
            },
        }
    }
}
