//! One try of one step: from resolved texts to how it ended.
//!
//! Retries, repeats and statuses are decided outside. What a step does is split by kind into the modules below this
//! one; all of them get the same [`Attempt`] and answer with [`Done`] or a [`Failure`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::context::RunContext;
use super::event::{EventKind, Place, StepRef, Stream};
use super::failure::Failure;
use super::node::FactsById;
use super::shell::{Shell, split_words};
use super::status::StepStatus;
use super::stop::StopToken;
use super::streams::StepStreams;
use super::target::{Exit, Launch, OutputsSlot, Sink, Target};
use crate::plan::{ShellSpec, StepSpec, Work};
use crate::values::masker::Masker;
use crate::values::{Policy, RunScope, resolve};

/// Everything one try of a step works with.
pub struct Attempt<'a> {
    pub(super) cx: &'a Arc<RunContext>,
    pub step: &'a StepSpec,
    pub step_ref: &'a StepRef,
    /// The scope of the step with all its layers, the attempt's own included.
    pub scope: RunScope,
    /// The step's working directory on the host, absolute. It may not exist yet; see [`Attempt::make_cwd`].
    pub cwd: PathBuf,
    pub streams: &'a mut StepStreams,
    /// Fires for every reason to end: a stop of the run, its timeout, the step's timeout.
    pub stop: StopToken,
    /// What the step may refer to of other steps, for the steps inside it.
    pub(super) facts: FactsById,
    /// What programs in containers wrote to their outputs files.
    pub(super) container_outputs: OutputsSlot,
    /// `DAGU_OUTPUT_FILE` on the host.
    pub output_file: PathBuf,
}

/// What a try that went well has to say beyond its streams.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    pub status: StepStatus,
    /// Outputs an action publishes itself.
    pub published: Option<Map<String, Value>>,
}

impl Default for Done {
    fn default() -> Self {
        Self { status: StepStatus::Succeeded, published: None }
    }
}

impl Attempt<'_> {
    /// Does the step's work once.
    ///
    /// # Errors
    /// Why the attempt failed.
    pub(super) async fn run(&mut self) -> Result<Done, Failure> {
        let step = self.step;
        match &step.work {
            Work::Commands(lines) => match self.container(lines.len() > 1).await? {
                Some(ready) => self.container_commands(lines, ready).await,
                None => self.commands(lines).await,
            },
            Work::Script { .. } if super::container::place(step, &self.cx.plan.dag) != Place::Host => {
                Err(Failure::plain("a script cannot run in a container; write one line, or a list of lines"))
            }
            Work::Script { text, interpreter } => self.script(text, interpreter.as_deref()).await,
            Work::Exec { command, args } => self.exec(command, args).await,
            Work::Action { name, with } => super::action::run(self, name, with).await,
            Work::DagRun { with, parallel } => self.dag_run(with, parallel.as_ref()).await,
            Work::Foreach { foreach } => self.foreach(foreach).await,
            Work::Harness { written } => self.harness(written).await,
            Work::DockerRun { with } => self.docker_run(with).await,
            Work::ContainerDefault => match self.container(false).await? {
                Some(ready) => self.container_default(ready).await,
                None => Err(Failure::plain("there is nothing to run")),
            },
        }
    }

    /// Resolves a text of the step under the policy of its field.
    pub fn resolve(&self, text: &str, policy: Policy) -> String {
        resolve(text, policy, &self.scope)
    }

    pub fn masker(&self) -> &Masker {
        &self.cx.masker
    }

    /// Says that something has happened to this step.
    pub fn emit(&self, kind: EventKind) {
        self.cx.emitter.emit(kind);
    }

    /// Tells the user something that fails nothing.
    pub fn notice(&self, message: impl Into<String>) {
        let message = self.cx.masker.mask(&message.into());
        self.emit(EventKind::Noticed { step: Some(self.step_ref.clone()), message });
    }

    /// The host, as a place for this step's programs.
    pub fn host(&self) -> Target {
        Target::Host(self.cx.host.clone())
    }

    /// The whole environment of a program on the host.
    pub fn host_env(&self) -> BTreeMap<String, String> {
        self.scope.process_env().into_iter().collect()
    }

    /// Creates the working directory of the step if it is missing.
    ///
    /// # Errors
    /// A setup failure.
    pub fn make_cwd(&self) -> Result<(), Failure> {
        super::paths::make_dir(&self.cwd, 0o750)
            .map_err(|error| Failure::setup(format!("failed to create working directory: {error}")))
    }

    /// Prints text as the step's own stdout.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn print(&mut self, text: &str) -> Result<(), Failure> {
        self.print_bytes(text.as_bytes())
    }

    /// As [`Attempt::print`], for what need not be text.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn print_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        let printed = self.streams.write(Stream::Stdout, bytes);
        let printed = printed.and_then(|()| self.streams.end_program());
        printed.map_err(|error| Failure::plain(format!("the output of the step cannot be kept: {error}")))
    }

    /// Runs one program with the step's streams.
    pub(super) async fn launch(&mut self, target: &Target, launch: Launch) -> Result<Exit, Failure> {
        let exit = target.run(launch, self.streams, &self.stop).await;
        self.streams
            .end_program()
            .map_err(|error| Failure::plain(format!("the output of the step cannot be kept: {error}")))?;
        Ok(exit?)
    }

    /// Runs one program and turns a bad end into a failure that quotes the end of stderr.
    pub(super) async fn launch_well(&mut self, target: &Target, launch: Launch) -> Result<(), Failure> {
        let exit = self.launch(target, launch).await?;
        match Failure::of_exit(exit) {
            None => Ok(()),
            Some(failure) => Err(failure.with_tail(&self.streams.stderr_tail())),
        }
    }

    /// The shell for the step's text.
    pub(super) fn shell(&self) -> Result<Shell, Failure> {
        Ok(choose_shell(self.step, &self.cx.plan.dag, &self.scope, &self.cx.default_shell)?)
    }
}

/// The shell of a step, of a handler, or (for `step: None`'s sake see [`dag_shell`]) of the DAG's conditions: the step's
/// own, else the root's, else the runner's default.
pub(super) fn choose_shell(
    step: &StepSpec,
    dag: &crate::plan::DagSpec,
    scope: &RunScope,
    default: &[String],
) -> Result<Shell, super::shell::ShellError> {
    let own_args = || step.shell_args.iter().flatten().map(|arg| resolve(arg, Policy::Scope, scope));
    match (&step.shell, &dag.shell) {
        (Some(own), _) => Shell::new(shell_words(own, scope)?, true),
        (None, Some(root)) => {
            let mut words = shell_words(root, scope)?;
            if step.shell_args.is_some() {
                words.truncate(1);
                words.extend(own_args());
            }
            Shell::new(words, false)
        }
        (None, None) => Shell::new(default.iter().cloned().chain(own_args()).collect(), false),
    }
}

/// The shell of the DAG itself, for its preconditions.
pub(super) fn dag_shell(
    dag: &crate::plan::DagSpec,
    scope: &RunScope,
    default: &[String],
) -> Result<Shell, super::shell::ShellError> {
    match &dag.shell {
        Some(root) => Shell::new(shell_words(root, scope)?, false),
        None => Shell::new(default.to_vec(), false),
    }
}

fn shell_words(shell: &ShellSpec, scope: &RunScope) -> Result<Vec<String>, super::shell::ShellError> {
    let words = match shell {
        ShellSpec::Words(words) => words.clone(),
        ShellSpec::Text { text, args } => {
            let mut words = split_words(text)?;
            words.extend(args.iter().cloned());
            words
        }
    };
    Ok(words.iter().map(|word| resolve(word, Policy::Scope, scope)).collect())
}
