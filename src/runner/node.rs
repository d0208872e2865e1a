//! One step of a run from its start to its end: conditions, attempts, policies, outcome.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::time::Instant;

use super::attempt::{Attempt, Done, choose_shell};
use super::condition::{Conditions, Outcome, matches};
use super::container;
use super::context::RunContext;
use super::dispatcher::Verdict;
use super::event::{EventKind, Place, StepRef, StepResult, StepRole};
use super::failure::Failure;
use super::policy::{Repeat, Retry};
use super::preview::StepPreview;
use super::publish::{self, Collected, Leavings, Published};
use super::status::StepStatus;
use super::stop::{StopCause, StopToken};
use super::streams::{StepStreams, StreamPlan};
use super::target::OutputsSlot;
use crate::plan::{LogOutput, Redirect, RepeatMode, StepSpec};
use crate::values::context::Level;
use crate::values::{ContextField, LayerKind, Policy, RunScope, StepFacts, resolve};

/// A step to be run, with what it may see.
pub(super) struct NodeJob {
    pub step: Arc<StepSpec>,
    pub step_ref: StepRef,
    /// The scope of the run with the facts below.
    pub scope: RunScope,
    /// Facts of the steps this one may refer to.
    pub facts: FactsById,
    /// Captured output variables of those steps.
    pub variables: Vec<(String, String)>,
    /// `DAG_RUN_STATUS` and the like, for handlers.
    pub status_env: Vec<(String, String)>,
    pub stop: StopToken,
}

/// How a step ended, for the dispatcher, for reports, and for the steps after it.
#[derive(Debug, Clone)]
pub(super) struct NodeEnd {
    pub verdict: Verdict,
    pub result: StepResult,
    pub facts: Arc<StepFacts>,
    /// Its `output: NAME`.
    pub variable: Option<(String, String)>,
    /// What it adds to the outputs of the run.
    pub collected: Collected,
}

/// Runs a step to its end. Never fails: whatever goes wrong is how the step ended.
///
/// Boxed here, because a step may hold whole runs in itself.
pub(super) fn run_node(cx: Arc<RunContext>, job: NodeJob) -> BoxFuture<'static, NodeEnd> {
    Box::pin(async move {
        cx.emitter.emit(EventKind::StepStarted { step: job.step_ref.clone() });
        let mut node = Node::new(&cx, job);
        let ended = node.run().await;
        node.conclude(ended)
    })
}

/// Looks at what a step would start, without starting it.
pub(super) async fn look(cx: &Arc<RunContext>, job: NodeJob, preview: &mut StepPreview) -> Result<(), Failure> {
    let mut node = Node::new(cx, job);
    let cwd = node.enter_scope();
    let nowhere = || PathBuf::from("/dev/null");
    let logs = StreamPlan { stdout_log: nowhere(), stderr_log: nowhere(), ..StreamPlan::default() };
    let streams = StepStreams::open(&logs, &cx.masker, cx.emitter.clone(), node.step_ref.clone());
    let mut streams = streams.map_err(|error| Failure::setup(error.to_string()))?;
    let mut attempt = Attempt {
        cx,
        step: &node.step,
        step_ref: &node.step_ref,
        scope: node.scope.clone(),
        cwd,
        streams: &mut streams,
        stop: node.stop.clone(),
        facts: FactsById::new(),
        container_outputs: OutputsSlot::default(),
        output_file: nowhere(),
    };
    attempt.preview(preview)
}

struct Node<'a> {
    cx: &'a Arc<RunContext>,
    step: Arc<StepSpec>,
    step_ref: StepRef,
    scope: RunScope,
    facts: FactsById,
    variables: Vec<(String, String)>,
    status_env: Vec<(String, String)>,
    stop: StopToken,
    started: Instant,
    attempts: u32,
    logs: Option<StreamPlan>,
    published: Published,
}

/// What became of the work of a step.
enum Ended {
    Skipped,
    Done(Done),
    Failed(Failure),
    /// Its precondition could not be evaluated.
    Broken(String),
}

impl<'a> Node<'a> {
    fn new(cx: &'a Arc<RunContext>, job: NodeJob) -> Self {
        let NodeJob { step, step_ref, scope, facts, variables, status_env, stop } = job;
        Self {
            cx,
            step,
            step_ref,
            scope,
            facts,
            variables,
            status_env,
            stop,
            started: Instant::now(),
            attempts: 0,
            logs: None,
            published: Published::default(),
        }
    }

    fn is_handler(&self) -> bool {
        self.step_ref.role != StepRole::Step
    }

    async fn run(&mut self) -> Ended {
        let cwd = self.enter_scope();
        let mut streams = match self.open_streams(&cwd) {
            Ok(streams) => streams,
            Err(failure) => return Ended::Failed(failure),
        };
        let conditions = self.conditions(&cwd);
        match conditions.all(&self.step.preconditions).await {
            Outcome::Met => {}
            Outcome::Unmet => return Ended::Skipped,
            Outcome::Error(error) => return Ended::Broken(format!("precondition: {error}")),
        }
        let policies = if self.is_handler() { Ok((None, None)) } else { self.policies() };
        let (retry, repeat) = match policies {
            Ok(policies) => policies,
            Err(error) => return Ended::Failed(Failure::setup(format!("failed to set up step: {error}"))),
        };
        self.execute(&cwd, &mut streams, retry, repeat).await
    }

    /// Puts the step's own layers on the scope of the run; answers with the step's working directory.
    fn enter_scope(&mut self) -> PathBuf {
        let context = self.scope.context_mut();
        context.set(ContextField::StepName, self.step.name.as_str());
        if let Some(id) = &self.step.id {
            context.set(ContextField::StepId, id.as_str());
        }
        for (name, value) in &self.status_env {
            if name == "DAG_RUN_STATUS" {
                context.set(ContextField::RunStatus, value.as_str());
            }
        }
        let step_level = self.scope.context().env(Level::Step);
        let cwd = self.working_dir();
        self.scope.extend(LayerKind::Step, step_level);
        self.scope.extend(LayerKind::Step, self.status_env.clone());
        self.scope.set(LayerKind::Step, "PWD", cwd.display().to_string());
        if self.is_handler() {
            // The entries of a handler's `env` are read before the steps' variables join.
            let env = self.own_env(self.scope.clone());
            self.scope.extend(LayerKind::Outputs, self.variables.clone());
            self.scope.extend(LayerKind::StepEnv, env);
        } else {
            self.scope.extend(LayerKind::Outputs, self.variables.clone());
            let env = self.own_env(self.scope.clone());
            self.scope.extend(LayerKind::StepEnv, env);
        }
        cwd
    }

    /// The entries of the step's `env`; each may use the ones before it.
    fn own_env(&self, mut scope: RunScope) -> Vec<(String, String)> {
        let mut entries = Vec::new();
        for (name, text) in &self.step.env {
            let value = resolve(text, Policy::Scope, &scope);
            scope.set(LayerKind::StepEnv, name.as_str(), value.as_str());
            entries.push((name.clone(), value));
        }
        entries
    }

    fn working_dir(&self) -> PathBuf {
        match &self.step.working_dir {
            None => self.cx.base_dir.clone(),
            Some(text) => {
                let text = resolve(text, Policy::Host, &self.scope);
                super::prepare::join_dir(&self.cx.base_dir, &text, &self.scope)
            }
        }
    }

    fn open_streams(&mut self, cwd: &std::path::Path) -> Result<StepStreams, Failure> {
        let merged = self.step.log_output.unwrap_or(self.cx.plan.dag.log_output) == LogOutput::Merged;
        let name = &self.step_ref.name;
        let mut plan = match merged {
            true => {
                let log = self.cx.paths.step_log(name, "log");
                StreamPlan { stdout_log: log.clone(), stderr_log: log, ..StreamPlan::default() }
            }
            false => StreamPlan {
                stdout_log: self.cx.paths.step_log(name, "out"),
                stderr_log: self.cx.paths.step_log(name, "err"),
                ..StreamPlan::default()
            },
        };
        self.logs = Some(StreamPlan {
            stdout_log: plan.stdout_log.clone(),
            stderr_log: plan.stderr_log.clone(),
            ..StreamPlan::default()
        });
        plan.stdout_file = self.redirect(self.step.stdout.as_ref(), cwd)?;
        plan.stderr_file = self.redirect(self.step.stderr.as_ref(), cwd)?;
        if !self.is_handler() {
            let context = self.scope.context_mut();
            context.set(ContextField::StepStdoutFile, plan.stdout_log.display().to_string());
            context.set(ContextField::StepStderrFile, plan.stderr_log.display().to_string());
            let attempt_level = self.scope.context().env(Level::Attempt);
            self.scope.extend(LayerKind::Attempt, attempt_level);
        }
        StepStreams::open(&plan, &self.cx.masker, self.cx.emitter.clone(), self.step_ref.clone())
            .map_err(|error| Failure::setup(error.to_string()))
    }

    fn redirect(&self, redirect: Option<&Redirect>, cwd: &std::path::Path) -> Result<Option<PathBuf>, Failure> {
        match redirect {
            None => Ok(None),
            Some(Redirect::File(path)) => Ok(Some(cwd.join(resolve(path, Policy::Path, &self.scope)))),
            Some(Redirect::Artifact(path)) => {
                let path = resolve(path, Policy::Path, &self.scope);
                let failed = |error: String| Failure::setup(format!("failed to set up step: {error}"));
                let file = super::paths::below(&self.cx.paths.artifacts_dir, &path).map_err(failed)?;
                if let Some(parent) = file.parent() {
                    super::paths::make_dir(parent, 0o750).map_err(|error| failed(error.to_string()))?;
                }
                Ok(Some(file))
            }
        }
    }

    fn conditions(&self, cwd: &std::path::Path) -> Conditions {
        let shell = choose_shell(&self.step, &self.cx.plan.dag, &self.scope, &self.cx.default_shell);
        Conditions {
            scope: self.scope.clone(),
            shell: shell.ok(),
            cwd: cwd.to_owned(),
            host: self.cx.host.clone(),
            stop: self.stop.clone(),
        }
    }

    fn policies(&self) -> Result<(Option<Retry>, Option<Repeat>), String> {
        let retry = self.step.retry.as_ref().map(|policy| Retry::resolve(policy, &self.scope)).transpose()?;
        let repeat = self.step.repeat.as_ref().map(|policy| Repeat::resolve(policy, &self.scope)).transpose()?;
        Ok((retry, repeat))
    }

    /// Attempts until no policy wants another one.
    async fn execute(
        &mut self,
        cwd: &std::path::Path,
        streams: &mut StepStreams,
        retry: Option<Retry>,
        repeat: Option<Repeat>,
    ) -> Ended {
        let mut executions = 0;
        loop {
            let ended = self.with_retries(cwd, streams, retry.as_ref()).await;
            executions += 1;
            let Some(repeat) = &repeat else { return ended };
            let code = match &ended {
                Ended::Done(_) => 0,
                // A stopped iteration was the last one.
                Ended::Failed(failure) if failure.stopped.is_some() => return ended,
                Ended::Failed(failure) => failure.code,
                _ => return ended,
            };
            let succeeded = matches!(ended, Ended::Done(_));
            if repeat.limit.is_some_and(|limit| executions >= limit) || self.stop.cause().is_some() {
                return ended;
            }
            if !self.repeats(repeat, cwd, code, succeeded).await {
                return match ended {
                    // The code that ends the loop is the one that was waited for.
                    Ended::Failed(_)
                        if repeat.policy.exit_codes.contains(&code) && repeat.policy.mode == RepeatMode::Until =>
                    {
                        Ended::Done(Done::default())
                    }
                    ended => ended,
                };
            }
            let delay = repeat.delay(executions);
            self.cx.emitter.emit(EventKind::AttemptFinishedWillRepeat {
                step: self.step_ref.clone(),
                attempt: self.attempts,
                exit_code: code,
                delay,
            });
            if self.stop.sleep(delay).await.is_err() {
                return ended;
            }
        }
    }

    /// True when the policy asks for another execution.
    async fn repeats(&self, repeat: &Repeat, cwd: &std::path::Path, code: i32, succeeded: bool) -> bool {
        let policy = &repeat.policy;
        let condition = match &policy.condition {
            None => None,
            Some(kind) => {
                let mut conditions = self.conditions(cwd);
                if let Some((name, value)) = &self.published.variable {
                    conditions.scope.set(LayerKind::Outputs, name.as_str(), value.as_str());
                }
                let met = conditions.one(kind).await;
                Some(met.unwrap_or_else(|error| {
                    tracing::warn!("the condition of a repeat_policy cannot be evaluated: {error}");
                    false
                }))
            }
        };
        let listed = (!policy.exit_codes.is_empty()).then(|| policy.exit_codes.contains(&code));
        let reached = match (condition, listed) {
            (None, None) => succeeded,
            (condition, listed) => condition.unwrap_or(false) || listed.unwrap_or(false),
        };
        match policy.mode {
            RepeatMode::While => reached,
            RepeatMode::Until => !reached,
        }
    }

    async fn with_retries(&mut self, cwd: &std::path::Path, streams: &mut StepStreams, retry: Option<&Retry>) -> Ended {
        let mut retries = 0;
        loop {
            let failure = match self.attempt(cwd, streams).await {
                Ok(done) => return Ended::Done(done),
                Err(failure) => failure,
            };
            let Some(retry) = retry else { return Ended::Failed(failure) };
            let wanted = retry.codes.as_ref().is_none_or(|codes| codes.contains(&failure.retry_code()));
            if failure.stopped.is_some() || retries >= retry.limit || !wanted {
                return Ended::Failed(failure);
            }
            let delay = retry.delay(retries);
            retries += 1;
            self.cx.emitter.emit(EventKind::AttemptFailedWillRetry {
                step: self.step_ref.clone(),
                attempt: self.attempts,
                exit_code: failure.code,
                error: self.cx.masker.mask(&failure.text),
                delay,
            });
            if let Err(cause) = self.stop.sleep(delay).await {
                return Ended::Failed(Failure { stopped: Some(cause), ..failure });
            }
        }
    }

    async fn attempt(&mut self, cwd: &std::path::Path, streams: &mut StepStreams) -> Result<Done, Failure> {
        self.attempts += 1;
        self.cx.emitter.emit(EventKind::AttemptStarted {
            step: self.step_ref.clone(),
            attempt: self.attempts,
            place: container::place(&self.step, &self.cx.plan.dag),
        });
        let started = Instant::now();
        let dag = &self.cx.plan.dag;
        let stop: StopToken = self.stop.with_timeout(self.step.timeout).with_signal(self.step.signal_on_stop);
        streams.begin_attempt(dag.max_output_size);
        self.published = Published::default();
        let output_file = publish::output_file(&self.cx.paths.step_log_dir)
            .map_err(|error| Failure::setup(format!("failed to set up step: cannot make the output file: {error}")))?;
        let mut scope = self.scope.clone();
        scope.context_mut().set(ContextField::StepOutputFile, output_file.display().to_string());
        scope.set(LayerKind::Attempt, "DAGU_OUTPUT_FILE", output_file.display().to_string());
        let container_outputs = OutputsSlot::default();
        let mut attempt = Attempt {
            cx: self.cx,
            step: &self.step,
            step_ref: &self.step_ref,
            scope,
            cwd: cwd.to_owned(),
            streams,
            stop,
            facts: self.facts.clone(),
            container_outputs: Arc::clone(&container_outputs),
            output_file: output_file.to_path_buf(),
        };
        let mut ended = attempt.run().await;
        let scope = attempt.scope.clone();
        if let Err(failure) = &mut ended
            && failure.stopped == Some(StopCause::StepTimedOut)
        {
            let limit = self.step.timeout.unwrap_or_default();
            let taken = started.elapsed();
            failure.text = format!("step timed out after {:.3}s (timeout: {}s)", taken.as_secs_f64(), limit.as_secs());
        }
        self.published = publish::captured_variable(&self.step, streams, dag.max_output_size);
        let done = ended?;
        let leavings = Leavings {
            step: &self.step,
            scope: &scope,
            cwd,
            streams,
            records: match container::place(&self.step, dag) {
                Place::Host => std::fs::read(&output_file),
                _ => Ok(container_outputs.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()),
            },
            done: &done,
            limit: dag.max_output_size,
        };
        let more = leavings.publish()?;
        let variable = self.published.variable.take();
        self.published = Published { variable, ..more };
        Ok(done)
    }

    /// Turns what became of the work into a status, and both into what others see.
    fn conclude(mut self, ended: Ended) -> NodeEnd {
        let mut verdict = Verdict::of(StepStatus::Succeeded);
        let mut exit_code = 0;
        let mut published = std::mem::take(&mut self.published);
        match ended {
            Ended::Skipped => verdict.status = StepStatus::Skipped,
            Ended::Done(done) => {
                // Somebody has to approve it first, which a run on its own cannot wait for.
                let waits = self.step.approval && done.status.is_success();
                verdict.status = if waits { StepStatus::Waiting } else { done.status };
            }
            Ended::Broken(error) => {
                verdict.status = StepStatus::Failed;
                verdict.error = Some(self.cx.masker.mask(&error));
                verdict.cancels_run = true;
            }
            Ended::Failed(failure) => {
                published.after_failure();
                exit_code = failure.code;
                let aborted = matches!(failure.stopped, Some(StopCause::Requested(_) | StopCause::RunTimedOut));
                if aborted && self.step_ref.role == StepRole::Step {
                    verdict.status = StepStatus::Aborted;
                } else {
                    verdict.status = StepStatus::Failed;
                    verdict.continues = self.continues(&failure);
                    verdict.error = Some(self.cx.masker.mask(&failure.text));
                    let timed_out = failure.stopped.is_some();
                    verdict.excused = verdict.continues && !(timed_out && self.step.continue_on.mark_success);
                    if verdict.continues && self.step.continue_on.mark_success && !timed_out {
                        verdict = Verdict::of(StepStatus::Succeeded);
                    }
                }
            }
        }
        let stdout_log = self.logs.as_ref().map(|logs| logs.stdout_log.clone());
        let stderr_log = self.logs.as_ref().map(|logs| logs.stderr_log.clone());
        let ran = self.attempts > 0;
        let text = |path: &Option<PathBuf>| path.as_ref().filter(|_| ran).map(|path| path.display().to_string());
        let facts = StepFacts {
            stdout_file: text(&stdout_log),
            stderr_file: text(&stderr_log),
            exit_code: ran.then_some(exit_code),
            output: published.output_text(),
            declared: published.declared.clone(),
            published: (!published.values.is_empty()).then(|| published.values.clone()),
        };
        let masked = self.cx.masker.mask_json(&Value::Object(published.shown()));
        let result = StepResult {
            step: self.step_ref,
            status: verdict.status,
            exit_code,
            attempts: self.attempts,
            error: verdict.error.clone(),
            outputs: masked.as_object().cloned().unwrap_or_default(),
            stdout_log,
            stderr_log,
            duration: self.started.elapsed(),
        };
        let collected = published.collected(&self.cx.masker);
        NodeEnd { verdict, result, facts: Arc::new(facts), variable: published.variable, collected }
    }

    /// True when the step's own `continue_on` allows for the failure.
    fn continues(&self, failure: &Failure) -> bool {
        if self.is_handler() {
            return false;
        }
        let allowed = &self.step.continue_on;
        allowed.failure || allowed.exit_codes.contains(&failure.code) || self.printed_one_of(&allowed.output)
    }

    fn printed_one_of(&self, patterns: &[String]) -> bool {
        if patterns.is_empty() {
            return false;
        }
        let log = self.logs.as_ref().and_then(|logs| std::fs::read(&logs.stdout_log).ok()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        patterns.iter().any(|pattern| match pattern.strip_prefix("re:") {
            Some(_) => matches(&log, pattern).unwrap_or(false),
            None => log.lines().any(|line| line.contains(pattern.as_str())),
        })
    }
}

/// What later steps may refer to: the facts of finished steps by id.
pub(super) type FactsById = BTreeMap<String, Arc<StepFacts>>;
