//! Drives a run: asks the dispatcher what is next, has it done, and passes on what happens.
//!
//! Steps run as tasks of their own and talk back through one channel, so what a step printed always comes before the
//! news of its end. The driver is the only one who calls the listener.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::attempt::dag_shell;
use super::condition::{Conditions, Outcome};
use super::container::{close_root, open_root};
use super::context::RunContext;
use super::dispatcher::{Dispatcher, Gate, Next, Settled, Verdict};
use super::event::{Event, EventKind, RunSummary, StepRef, StepResult, StepRole, StopReason};
use super::node::{FactsById, NodeEnd, NodeJob, run_node};
use super::publish::Collected;
use super::status::{RunStatus, StepStatus};
use super::stop::{StopCause, StopSource};
use crate::plan::{NodeIndex, StepSpec};

/// Who hears of events.
pub type Listener<'a> = dyn FnMut(Event) + Send + 'a;

pub(super) struct Driver<'a> {
    cx: Arc<RunContext>,
    dispatcher: Dispatcher,
    listener: &'a mut Listener<'a>,
    events: UnboundedReceiver<Event>,
    /// Asked from outside.
    stop: StopSource,
    /// Handlers are not told of a stop, only of a kill and, for `init`, of the DAG's timeout.
    handler_stop: StopSource,
    deadline: Option<Instant>,
    stop_seen: bool,
    killed: bool,
    /// True from the first step to the last.
    in_steps: bool,
    tasks: JoinSet<NodeEnd>,
    nodes: HashMap<Id, NodeIndex>,
    refs: Vec<StepRef>,
    ends: Vec<Option<NodeEnd>>,
    results: Vec<StepResult>,
    handlers: Vec<(StepRole, StepResult)>,
    handler_outputs: Vec<Collected>,
}

impl<'a> Driver<'a> {
    pub(super) fn new(
        cx: Arc<RunContext>,
        events: UnboundedReceiver<Event>,
        stop: StopSource,
        listener: &'a mut Listener<'a>,
    ) -> Self {
        let refs: Vec<StepRef> = cx.plan.nodes.iter().map(|node| step_ref(&node.step, StepRole::Step)).collect();
        let results = refs.iter().map(|step| untouched(step.clone())).collect();
        Self {
            dispatcher: Dispatcher::new(Arc::clone(&cx.plan)),
            deadline: cx.plan.dag.timeout.filter(|_| cx.plan.is_whole()).map(|timeout| Instant::now() + timeout),
            listener,
            events,
            stop,
            handler_stop: StopSource::new(),
            stop_seen: false,
            killed: false,
            in_steps: false,
            tasks: JoinSet::new(),
            nodes: HashMap::new(),
            ends: vec![None; refs.len()],
            results,
            refs,
            handlers: Vec::new(),
            handler_outputs: Vec::new(),
            cx,
        }
    }

    /// Runs everything to its end.
    pub(super) async fn run(mut self) -> RunSummary {
        self.cx.emitter.emit(EventKind::RunStarted {
            dag: Arc::from(self.cx.plan.dag.name.as_str()),
            steps: self.refs.clone(),
            log_dir: self.cx.paths.run_dir.clone(),
        });
        self.pass_on();
        if let Some(error) = self.cx.broken.clone() {
            self.dispatcher.fail(error);
            return self.finish();
        }
        if !self.open_root().await {
            return self.finish();
        }
        let whole = self.cx.plan.is_whole();
        if whole {
            self.check_preconditions().await;
            if self.dispatcher.may_start() {
                self.handler(StepRole::OnInit).await;
            }
        }
        self.in_steps = true;
        self.steps().await;
        self.in_steps = false;
        if whole {
            let closing = self.dispatcher.closing_handlers();
            for &role in closing {
                self.handler(role).await;
            }
        }
        let cx = Arc::clone(&self.cx);
        let token = self.stop.token();
        self.while_passing_on(async move { close_root(&cx, &token).await }).await;
        self.finish()
    }

    /// Makes the shared container; without it nothing runs, handlers included.
    async fn open_root(&mut self) -> bool {
        let cx = Arc::clone(&self.cx);
        let token = self.stop.token().with_grace(cx.grace);
        let waiting = token.clone();
        let opened = self.while_passing_on(async move { open_root(&cx, &waiting).await }).await;
        match (opened, token.cause()) {
            (Ok(()), _) => return true,
            (Err(_), Some(cause)) if !self.stop_seen => self.see_stop(cause),
            (Err(_), Some(_)) => {}
            (Err(error), None) => self.dispatcher.fail(self.cx.masker.mask(&error)),
        }
        false
    }

    /// Runs the steps alone, for the body of a `foreach`; also answers with what the steps left for references.
    pub(super) async fn body(mut self) -> (RunSummary, FactsById) {
        self.in_steps = true;
        self.steps().await;
        let all: Vec<NodeIndex> = (0..self.refs.len()).collect();
        let facts = self.facts(&all);
        (self.finish(), facts)
    }

    async fn check_preconditions(&mut self) {
        let dag = &self.cx.plan.dag;
        if dag.preconditions.is_empty() {
            return;
        }
        let conditions = Conditions {
            scope: self.cx.scope.clone(),
            shell: dag_shell(dag, &self.cx.scope, &self.cx.default_shell).ok(),
            cwd: self.cx.base_dir.clone(),
            host: self.cx.host.clone(),
            stop: self.stop.token().with_grace(self.cx.grace),
        };
        let list = dag.preconditions.clone();
        let outcome = self.while_passing_on(async move { conditions.all(&list).await }).await;
        let gate = match outcome {
            Outcome::Met => Gate::Met,
            Outcome::Unmet => Gate::Unmet,
            Outcome::Error(error) => Gate::Error(self.cx.masker.mask(&format!("precondition: {error}"))),
        };
        self.dispatcher.gate(gate);
    }

    async fn steps(&mut self) {
        let delay = self.cx.plan.dag.delay;
        loop {
            match self.dispatcher.next_start() {
                Next::Start(node) => {
                    self.start(node);
                    if !delay.is_zero() {
                        // Also after the last start, as in Dagu.
                        self.while_passing_on(tokio::time::sleep(delay)).await;
                    }
                }
                Next::Wait => self.one_thing().await,
                Next::Done => break,
            }
        }
        self.pass_on();
    }

    fn start(&mut self, node: NodeIndex) {
        let step = Arc::clone(&self.cx.plan.nodes[node].step);
        let predecessors = self.cx.plan.predecessors(node);
        let facts = self.facts(&predecessors);
        let mut scope = self.cx.scope.clone();
        scope.set_steps(Arc::new(facts.clone()), true);
        let job = NodeJob {
            facts,
            variables: self.variables(&predecessors),
            scope,
            step_ref: self.refs[node].clone(),
            step,
            status_env: Vec::new(),
            stop: self.stop.token().with_grace(self.cx.grace),
        };
        let cx = Arc::clone(&self.cx);
        let task = self.tasks.spawn(run_node(cx, job));
        self.nodes.insert(task.id(), node);
    }

    /// Facts of the steps that have an id and have ended.
    fn facts(&self, nodes: &[NodeIndex]) -> FactsById {
        let mut facts = self.cx.outer.clone();
        for &node in nodes {
            if let (Some(id), Some(end)) = (&self.refs[node].id, &self.ends[node]) {
                facts.insert(id.to_string(), Arc::clone(&end.facts));
            }
        }
        facts
    }

    /// Captured variables; of two with one name the later of the list wins.
    fn variables(&self, nodes: &[NodeIndex]) -> Vec<(String, String)> {
        nodes.iter().filter_map(|&node| self.ends[node].as_ref()?.variable.clone()).collect()
    }

    /// Waits for one thing to happen and deals with it.
    async fn one_thing(&mut self) {
        let token = self.stop.token();
        tokio::select! {
            biased;
            () = token.killed(), if !self.killed => self.see_kill(),
            cause = token.stopped(), if !self.stop_seen => self.see_stop(cause),
            () = sleep_until(self.deadline.unwrap_or_else(far_away)), if self.deadline.is_some() => self.see_timeout(),
            Some(event) = self.events.recv() => (self.listener)(event),
            Some(ended) = self.tasks.join_next_with_id() => self.see_end(ended),
        }
    }

    /// Waits for something of our own while everything else goes on.
    async fn while_passing_on<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => {
                    self.pass_on();
                    return done;
                }
                () = self.one_thing() => {}
            }
        }
    }

    fn pass_on(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            (self.listener)(event);
        }
    }

    fn see_stop(&mut self, cause: StopCause) {
        self.stop_seen = true;
        if matches!(cause, StopCause::Requested(_)) {
            self.dispatcher.stop(StopReason::Requested);
            self.cx.emitter.emit(EventKind::StopStarted { reason: StopReason::Requested });
        }
    }

    fn see_kill(&mut self) {
        self.killed = true;
        self.dispatcher.stop(StopReason::Killed);
        self.handler_stop.kill();
        self.cx.emitter.emit(EventKind::StopStarted { reason: StopReason::Killed });
    }

    fn see_timeout(&mut self) {
        self.deadline = None;
        let limit = self.cx.plan.dag.timeout.unwrap_or_default();
        self.cx.emitter.emit(EventKind::StopStarted { reason: StopReason::TimedOut });
        let error = format!("the run timed out after {} s", limit.as_secs());
        if self.in_steps {
            let settled = self.dispatcher.time_out(error);
            self.settle(settled);
        } else {
            // During `init`: its failure is what ends the run, and the steps stay untouched.
            self.dispatcher.fail(error);
        }
        self.stop.stop(StopCause::RunTimedOut);
        self.handler_stop.stop(StopCause::RunTimedOut);
    }

    fn see_end(&mut self, ended: Result<(Id, NodeEnd), JoinError>) {
        self.pass_on();
        let (id, end) = match ended {
            Ok(ended) => ended,
            Err(lost) => {
                let id = lost.id();
                let node = self.nodes[&id];
                (id, lost_end(self.refs[node].clone(), &lost))
            }
        };
        let node = self.nodes.remove(&id).expect("every task was entered when it was started");
        let settled = self.dispatcher.finished(node, end.verdict.clone());
        self.results[node] = end.result.clone();
        self.cx.emitter.emit(EventKind::StepFinished { result: end.result.clone() });
        self.ends[node] = Some(end);
        self.settle(settled);
    }

    /// Takes note of steps that will never run.
    fn settle(&mut self, settled: Vec<Settled>) {
        for Settled { node, status, error } in settled {
            let result = &mut self.results[node];
            result.status = status;
            result.error = error.map(str::to_owned);
            self.cx.emitter.emit(EventKind::StepFinished { result: result.clone() });
        }
    }

    /// Runs a handler if the workflow has it.
    async fn handler(&mut self, role: StepRole) {
        let handlers = &self.cx.plan.dag.handlers;
        let step = match role {
            StepRole::OnInit => &handlers.init,
            StepRole::OnSuccess => &handlers.success,
            StepRole::OnFailure => &handlers.failure,
            StepRole::OnAbort => &handlers.abort,
            StepRole::OnExit => &handlers.exit,
            StepRole::OnWait => &handlers.wait,
            StepRole::Step => return,
        };
        let Some(step) = step.clone() else { return };
        if role != StepRole::OnInit && !self.killed {
            // A stop or timeout that ended the steps is over for the handlers after them.
            self.handler_stop = StopSource::new();
            self.deadline = None;
        }
        let all: Vec<NodeIndex> = (0..self.refs.len()).collect();
        let facts = self.facts(&all);
        let mut scope = self.cx.scope.clone();
        scope.set_steps(Arc::new(facts.clone()), false);
        let status = match role {
            StepRole::OnInit => RunStatus::Running,
            _ => self.dispatcher.run_status(),
        };
        let mut status_env = vec![("DAG_RUN_STATUS".to_owned(), status.word().to_owned())];
        if role == StepRole::OnWait {
            status_env.push(("DAG_WAITING_STEPS".to_owned(), self.dispatcher.waiting().join(",")));
        }
        let job = NodeJob {
            step_ref: step_ref(&step, role),
            step: Arc::new(step),
            scope,
            facts,
            variables: self.variables(&all),
            status_env,
            stop: self.handler_stop.token().with_grace(self.cx.grace),
        };
        let cx = Arc::clone(&self.cx);
        let end = self.while_passing_on(run_node(cx, job)).await;
        self.dispatcher.handler_finished(role, end.verdict);
        self.cx.emitter.emit(EventKind::StepFinished { result: end.result.clone() });
        self.pass_on();
        self.handlers.push((role, end.result));
        self.handler_outputs.push(end.collected);
    }

    fn finish(mut self) -> RunSummary {
        let mut steps = std::mem::take(&mut self.results);
        let handlers = &self.cx.plan.dag.handlers;
        let configured = [
            (StepRole::OnInit, &handlers.init),
            (StepRole::OnWait, &handlers.wait),
            (StepRole::OnSuccess, &handlers.success),
            (StepRole::OnFailure, &handlers.failure),
            (StepRole::OnAbort, &handlers.abort),
            (StepRole::OnExit, &handlers.exit),
        ];
        for (role, step) in configured {
            let Some(step) = step else { continue };
            let ran = self.handlers.iter().find(|(ran, _)| *ran == role).map(|(_, result)| result.clone());
            steps.push(ran.unwrap_or_else(|| untouched(step_ref(step, role))));
        }
        let mut outputs = Map::new();
        let (mut variables, mut values) = (Map::new(), Map::new());
        for collected in self.ends.iter().flatten().map(|end| &end.collected).chain(&self.handler_outputs) {
            outputs.extend(collected.outputs.clone());
            variables.extend(collected.variables.clone());
            values.extend(collected.values.clone());
        }
        let summary = RunSummary {
            run_id: Arc::clone(&self.cx.run_id),
            dag: Arc::from(self.cx.plan.dag.name.as_str()),
            status: self.dispatcher.run_status(),
            error: self.dispatcher.error().map(str::to_owned),
            stop: self.dispatcher.stop_reason(),
            stop_signal: match self.stop.token().cause() {
                Some(StopCause::Requested(signal)) => Some(signal),
                _ => None,
            },
            steps,
            outputs,
            variables,
            values,
            record: self.cx.paths.record.clone(),
            duration: self.cx.emitter.elapsed(),
        };
        self.cx.emitter.emit(EventKind::RunFinished { summary: summary.clone() });
        self.pass_on();
        summary
    }
}

fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(86_400)
}

pub(super) fn step_ref(step: &StepSpec, role: StepRole) -> StepRef {
    match role.handler_name() {
        Some(name) => StepRef { id: Some(Arc::from(name)), name: Arc::from(name), role },
        None => StepRef { id: step.id.as_deref().map(Arc::from), name: Arc::from(step.name.as_str()), role },
    }
}

fn untouched(step: StepRef) -> StepResult {
    StepResult {
        step,
        status: StepStatus::NotStarted,
        exit_code: 0,
        attempts: 0,
        error: None,
        outputs: Map::new(),
        stdout_log: None,
        stderr_log: None,
        duration: Duration::ZERO,
    }
}

/// The end of a step whose task broke down: a mistake of ours, which must not take the run with it.
fn lost_end(step: StepRef, lost: &JoinError) -> NodeEnd {
    let error = Some(format!("internal error: the step was lost ({lost})"));
    NodeEnd {
        verdict: Verdict { error: error.clone(), ..Verdict::of(StepStatus::Failed) },
        result: StepResult { status: StepStatus::Failed, exit_code: 1, error, ..untouched(step) },
        facts: Arc::default(),
        variable: None,
        collected: Collected::default(),
    }
}
