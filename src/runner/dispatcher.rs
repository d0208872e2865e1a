//! Decides what runs next and what has become of everything: the one place with the state of a run.
//!
//! It starts nothing, waits for nothing and does no I/O, so every rule of scheduling and status can be tested by calling
//! its methods. The driver asks [`Dispatcher::next_start`] for work, does it, and reports back.
//!
//! A failure is kept with the node it happened to, never in one shared "last error": a later success elsewhere cannot
//! make the run forget it (in Dagu it can).

use std::collections::VecDeque;
use std::sync::Arc;

use super::event::{StepRole, StopReason};
use super::status::{RunStatus, StepStatus};
use crate::plan::{NodeIndex, Plan};

/// What the executor says about a node that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub status: StepStatus,
    /// Set when the step failed, and kept where `mark_success` does not apply.
    pub error: Option<String>,
    /// A failure that the step's own `continue_on` allows for; dependents may run.
    pub continues: bool,
    /// True when the failure, allowed for, does not make the whole run a failure. A timeout that `mark_success` was
    /// to hide does, although dependents run.
    pub excused: bool,
    /// The step's precondition could not be evaluated: nothing new is started.
    pub cancels_run: bool,
}

impl Verdict {
    pub fn of(status: StepStatus) -> Self {
        Self { status, error: None, continues: false, excused: false, cancels_run: false }
    }
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Start(NodeIndex),
    /// Something must end first, or a slot be free.
    Wait,
    /// No step will start any more, and none runs.
    Done,
}

/// A node that was settled without running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub node: NodeIndex,
    pub status: StepStatus,
    pub error: Option<&'static str>,
}

/// How the DAG's own preconditions came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    Met,
    Unmet,
    /// Could not be evaluated.
    Error(String),
}

#[derive(Debug)]
pub struct Dispatcher {
    plan: Arc<Plan>,
    states: Vec<State>,
    ready: VecDeque<NodeIndex>,
    running: usize,
    /// Set by everything that keeps further steps from starting, except the DAG's timeout.
    canceled: bool,
    timed_out: bool,
    stop: Option<StopReason>,
    gate: Gate,
    errors: Vec<String>,
}

#[derive(Debug, Clone)]
struct State {
    status: StepStatus,
    error: Option<String>,
    continues: bool,
    excused: bool,
}

impl Dispatcher {
    pub fn new(plan: Arc<Plan>) -> Self {
        let state = State { status: StepStatus::NotStarted, error: None, continues: false, excused: false };
        let states = vec![state; plan.nodes.len()];
        let ready = (0..plan.nodes.len()).filter(|&node| plan.nodes[node].waits_for.is_empty()).collect();
        Self {
            plan,
            states,
            ready,
            running: 0,
            canceled: false,
            timed_out: false,
            stop: None,
            gate: Gate::Met,
            errors: Vec::new(),
        }
    }

    /// Says how the DAG's preconditions came out; unless they are met, no step starts.
    pub fn gate(&mut self, gate: Gate) {
        match &gate {
            Gate::Met => {}
            Gate::Unmet => self.canceled = true,
            Gate::Error(error) => {
                self.canceled = true;
                self.errors.push(error.clone());
            }
        }
        self.gate = gate;
    }

    /// Takes the next step off the queue; it counts as running from now on.
    pub fn next_start(&mut self) -> Next {
        let limit = self.plan.dag.max_active_steps;
        let has_slot = limit == 0 || self.running < limit;
        if !self.is_closed()
            && has_slot
            && let Some(node) = self.ready.pop_front()
        {
            self.states[node].status = StepStatus::Running;
            self.running += 1;
            return Next::Start(node);
        }
        if self.running > 0 { Next::Wait } else { Next::Done }
    }

    /// Takes the verdict about a running node; answers with the nodes that will never run because of it.
    pub fn finished(&mut self, node: NodeIndex, verdict: Verdict) -> Vec<Settled> {
        debug_assert_eq!(self.states[node].status, StepStatus::Running, "only running nodes finish");
        self.running -= 1;
        self.canceled |= verdict.cancels_run;
        self.states[node] = State {
            status: verdict.status,
            error: verdict.error,
            continues: verdict.continues,
            excused: verdict.excused,
        };
        let mut settled = Vec::new();
        // After a stop or a cancel nothing is started any more, and what was not reached stays untouched.
        if !self.canceled {
            self.spread(node, &mut settled);
        }
        settled
    }

    /// Looks at what waits for a settled node, and on through what is settled by that.
    fn spread(&mut self, node: NodeIndex, settled: &mut Vec<Settled>) {
        let mut look_at = VecDeque::from([node]);
        while let Some(node) = look_at.pop_front() {
            for dependent in self.plan.nodes[node].wanted_by.clone() {
                if self.states[dependent].status != StepStatus::NotStarted || self.ready.contains(&dependent) {
                    continue;
                }
                match self.look(dependent) {
                    Look::Ready => self.ready.push_back(dependent),
                    Look::Waits => {}
                    Look::Never(status, error) => {
                        self.states[dependent].status = status;
                        settled.push(Settled { node: dependent, status, error });
                        look_at.push_back(dependent);
                    }
                }
            }
        }
    }

    /// What the steps a node waits for mean for it; the first one that stands in the way decides, even if all it
    /// means is to wait.
    fn look(&self, node: NodeIndex) -> Look {
        for &wanted in &self.plan.nodes[node].waits_for {
            let state = &self.states[wanted];
            match state.status {
                StepStatus::Succeeded | StepStatus::PartiallySucceeded => {}
                StepStatus::Failed if state.continues => {}
                StepStatus::Failed => return Look::Never(StepStatus::Aborted, Some("upstream failed")),
                StepStatus::Skipped if self.plan.nodes[wanted].step.continue_on.skipped => {}
                StepStatus::Skipped => return Look::Never(StepStatus::Skipped, Some("upstream skipped")),
                StepStatus::Aborted => return Look::Never(StepStatus::Aborted, None),
                StepStatus::Rejected => return Look::Never(StepStatus::Aborted, Some("upstream rejected")),
                StepStatus::NotStarted | StepStatus::Running | StepStatus::Retrying | StepStatus::Waiting => {
                    return Look::Waits;
                }
            }
        }
        Look::Ready
    }

    /// Somebody asked for the end. Steps that have not started stay as they are.
    pub fn stop(&mut self, reason: StopReason) {
        if reason == StopReason::TimedOut {
            self.timed_out = true;
        } else {
            self.canceled = true;
        }
        if self.stop.is_none() || reason == StopReason::Killed {
            self.stop = Some(reason);
        }
    }

    /// The DAG's time is over: everything that has not started is aborted. Answers with those nodes.
    pub fn time_out(&mut self, error: String) -> Vec<Settled> {
        self.stop(StopReason::TimedOut);
        self.errors.push(error);
        self.ready.clear();
        let mut settled = Vec::new();
        for (node, state) in self.states.iter_mut().enumerate() {
            if state.status == StepStatus::NotStarted {
                state.status = StepStatus::Aborted;
                settled.push(Settled { node, status: StepStatus::Aborted, error: None });
            }
        }
        settled
    }

    /// A failure of the run itself (log files, the shared container). It makes the run fail, whatever its steps do.
    pub fn fail(&mut self, error: String) {
        self.errors.push(error);
    }

    /// Takes the verdict about a handler.
    pub fn handler_finished(&mut self, role: StepRole, verdict: Verdict) {
        let failed = matches!(verdict.status, StepStatus::Failed | StepStatus::Aborted);
        if role == StepRole::OnInit && failed {
            self.canceled = true;
        }
        // Waiting is the last thing a run does, and a failed notice about it changes nothing.
        if role != StepRole::OnWait
            && let Some(error) = verdict.error
        {
            self.errors.push(error);
        }
    }

    fn is_closed(&self) -> bool {
        self.canceled || self.timed_out || self.stop.is_some()
    }

    pub fn stop_reason(&self) -> Option<StopReason> {
        self.stop
    }

    /// True when the init handler may run: nothing has spoken against the steps.
    pub fn may_start(&self) -> bool {
        !self.is_closed()
    }

    pub fn status_of(&self, node: NodeIndex) -> StepStatus {
        self.states[node].status
    }

    /// The first failure that stands: of a step in the order of the file, else of the run or a handler.
    pub fn error(&self) -> Option<&str> {
        let of_steps =
            self.states.iter().filter(|state| state.status == StepStatus::Failed).find_map(|s| s.error.as_deref());
        of_steps.or_else(|| self.errors.first().map(String::as_str))
    }

    /// Names of the steps that wait for a human.
    pub fn waiting(&self) -> Vec<&str> {
        let nodes = self.plan.nodes.iter().zip(&self.states);
        nodes
            .filter(|(_, state)| state.status == StepStatus::Waiting)
            .map(|(node, _)| node.step.name.as_str())
            .collect()
    }

    /// Where the run stands; the first rule that applies decides.
    pub fn run_status(&self) -> RunStatus {
        let all = |wanted: fn(StepStatus) -> bool| self.states.iter().all(|state| wanted(state.status));
        let any = |wanted: StepStatus| self.states.iter().any(|state| state.status == wanted);
        if matches!(self.gate, Gate::Error(_)) {
            return RunStatus::Failed;
        }
        if self.canceled && !all(|status| status.is_success() || status == StepStatus::Skipped) {
            return RunStatus::Aborted;
        }
        if any(StepStatus::Running) || any(StepStatus::Retrying) {
            return RunStatus::Running;
        }
        if any(StepStatus::Rejected) {
            return RunStatus::Rejected;
        }
        if any(StepStatus::Waiting) {
            return RunStatus::Waiting;
        }
        if self.is_partial() {
            return RunStatus::PartiallySucceeded;
        }
        if self.error().is_some() { RunStatus::Failed } else { RunStatus::Succeeded }
    }

    /// Every failure was allowed for, something went well, and something did not entirely.
    fn is_partial(&self) -> bool {
        let failed = |state: &&State| state.status == StepStatus::Failed;
        let partial = |state: &State| state.status == StepStatus::PartiallySucceeded;
        self.states.iter().filter(failed).all(|state| state.excused)
            && self.states.iter().any(|state| state.status.is_success())
            && self.states.iter().any(|state| failed(&state) || partial(state))
            && !self.timed_out
    }

    /// The handlers to run after the steps, in order.
    pub fn closing_handlers(&self) -> &'static [StepRole] {
        match self.run_status() {
            RunStatus::Succeeded | RunStatus::PartiallySucceeded => &[StepRole::OnSuccess, StepRole::OnExit],
            RunStatus::Failed | RunStatus::Rejected => &[StepRole::OnFailure, StepRole::OnExit],
            RunStatus::Aborted => &[StepRole::OnAbort, StepRole::OnExit],
            RunStatus::Waiting => &[StepRole::OnWait],
            RunStatus::Running => &[],
        }
    }
}

enum Look {
    Ready,
    Waits,
    Never(StepStatus, Option<&'static str>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ContinueOn, DagSpec, Selection, StepSpec, Work};

    fn step(id: &str, depends: &[&str]) -> StepSpec {
        StepSpec {
            depends: Some(depends.iter().map(|&name| name.to_owned()).collect()),
            ..StepSpec::new(id, Work::Commands(vec!["true".into()]))
        }
    }

    fn dispatcher(steps: Vec<StepSpec>, max_active_steps: usize) -> Dispatcher {
        let dag = DagSpec { steps, max_active_steps, ..DagSpec::default() };
        Dispatcher::new(Arc::new(Plan::new(Arc::new(dag), Selection::All).expect("no cycle")))
    }

    fn failed(continues: bool) -> Verdict {
        Verdict {
            error: Some("exit status 1".into()),
            continues,
            excused: continues,
            ..Verdict::of(StepStatus::Failed)
        }
    }

    /// Starts whatever may start; answers with the nodes.
    fn starts(dispatcher: &mut Dispatcher) -> Vec<NodeIndex> {
        std::iter::from_fn(|| match dispatcher.next_start() {
            Next::Start(node) => Some(node),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn a_failure_aborts_what_waits_for_it_and_leaves_the_rest_alone() {
        let steps = vec![step("a", &[]), step("b", &["a"]), step("c", &["b"]), step("d", &[])];
        let mut dispatcher = dispatcher(steps, 0);
        assert_eq!(starts(&mut dispatcher), [0, 3]);
        let settled = dispatcher.finished(0, failed(false));
        assert_eq!(
            settled,
            [
                Settled { node: 1, status: StepStatus::Aborted, error: Some("upstream failed") },
                Settled { node: 2, status: StepStatus::Aborted, error: None },
            ]
        );
        assert_eq!(dispatcher.next_start(), Next::Wait);
        dispatcher.finished(3, Verdict::of(StepStatus::Succeeded));
        assert_eq!(dispatcher.next_start(), Next::Done);
        assert_eq!(dispatcher.run_status(), RunStatus::Failed);
        assert_eq!(dispatcher.closing_handlers(), [StepRole::OnFailure, StepRole::OnExit]);
    }

    #[test]
    fn an_allowed_failure_makes_the_run_partial_and_still_stands() {
        let mut dispatcher = dispatcher(vec![step("a", &[]), step("b", &["a"])], 0);
        starts(&mut dispatcher);
        dispatcher.finished(0, failed(true));
        assert_eq!(starts(&mut dispatcher), [1]);
        dispatcher.finished(1, Verdict::of(StepStatus::Succeeded));
        assert_eq!(dispatcher.run_status(), RunStatus::PartiallySucceeded);
        assert_eq!(dispatcher.error(), Some("exit status 1"));
    }

    #[test]
    fn nothing_but_allowed_failures_is_a_failure() {
        let mut dispatcher = dispatcher(vec![step("a", &[])], 0);
        starts(&mut dispatcher);
        dispatcher.finished(0, failed(true));
        assert_eq!(dispatcher.run_status(), RunStatus::Failed);
    }

    #[test]
    fn the_dependency_named_first_decides() {
        for (depends, expected) in [(["f", "s"], StepStatus::Aborted), (["s", "f"], StepStatus::Skipped)] {
            let mut dispatcher = dispatcher(vec![step("f", &[]), step("s", &[]), step("x", &depends)], 0);
            starts(&mut dispatcher);
            let mut settled = dispatcher.finished(1, Verdict::of(StepStatus::Skipped));
            settled.extend(dispatcher.finished(0, failed(false)));
            assert_eq!(settled.iter().map(|settled| settled.status).collect::<Vec<_>>(), [expected]);
        }
    }

    #[test]
    fn a_skip_spreads_unless_the_skipped_step_says_otherwise() {
        let mut open = step("b", &[]);
        open.continue_on = ContinueOn { skipped: true, ..ContinueOn::default() };
        let steps = vec![step("a", &[]), open, step("x", &["a"]), step("y", &["b"]), step("z", &["x"])];
        let mut dispatcher = dispatcher(steps, 0);
        starts(&mut dispatcher);
        let settled = dispatcher.finished(0, Verdict::of(StepStatus::Skipped));
        assert_eq!(settled.iter().map(|settled| settled.node).collect::<Vec<_>>(), [2, 4]);
        assert!(dispatcher.finished(1, Verdict::of(StepStatus::Skipped)).is_empty());
        assert_eq!(starts(&mut dispatcher), [3]);
        dispatcher.finished(3, Verdict::of(StepStatus::Succeeded));
        assert_eq!(dispatcher.run_status(), RunStatus::Succeeded);
    }

    #[test]
    fn slots_are_kept_and_the_queue_is_in_order() {
        let mut dispatcher = dispatcher(vec![step("a", &[]), step("b", &[]), step("c", &[])], 2);
        assert_eq!(starts(&mut dispatcher), [0, 1]);
        dispatcher.finished(1, Verdict::of(StepStatus::Succeeded));
        assert_eq!(starts(&mut dispatcher), [2]);
    }

    #[test]
    fn a_stop_leaves_later_steps_untouched_and_a_timeout_aborts_them() {
        let steps = || vec![step("a", &[]), step("b", &["a"])];
        let mut stopped = dispatcher(steps(), 0);
        starts(&mut stopped);
        stopped.stop(StopReason::Requested);
        assert_eq!(stopped.finished(0, Verdict::of(StepStatus::Aborted)), []);
        assert_eq!(stopped.run_status(), RunStatus::Aborted);
        assert_eq!(stopped.error(), None);

        let mut late = dispatcher(steps(), 0);
        starts(&mut late);
        assert_eq!(late.time_out("timed out".into()).len(), 1);
        late.finished(0, Verdict::of(StepStatus::Aborted));
        assert_eq!(late.run_status(), RunStatus::Failed);
        assert_eq!(late.error(), Some("timed out"));
    }

    #[test]
    fn a_stop_after_everything_went_well_changes_nothing() {
        let mut dispatcher = dispatcher(vec![step("a", &[])], 0);
        starts(&mut dispatcher);
        dispatcher.stop(StopReason::Requested);
        dispatcher.finished(0, Verdict::of(StepStatus::Succeeded));
        assert_eq!(dispatcher.run_status(), RunStatus::Succeeded);
    }

    #[test]
    fn a_failure_beside_a_later_success_is_never_lost() {
        let mut dispatcher = dispatcher(vec![step("a", &[]), step("b", &[])], 0);
        starts(&mut dispatcher);
        dispatcher.finished(0, failed(false));
        dispatcher.finished(1, Verdict::of(StepStatus::Succeeded));
        assert_eq!((dispatcher.run_status(), dispatcher.error()), (RunStatus::Failed, Some("exit status 1")));
    }

    #[test]
    fn unmet_conditions_abort_and_broken_ones_fail() {
        let mut unmet = dispatcher(vec![step("a", &[])], 0);
        unmet.gate(Gate::Unmet);
        assert_eq!((unmet.next_start(), unmet.run_status(), unmet.error()), (Next::Done, RunStatus::Aborted, None));
        let mut broken = dispatcher(vec![step("a", &[])], 0);
        broken.gate(Gate::Error("no".into()));
        assert_eq!((broken.run_status(), broken.error()), (RunStatus::Failed, Some("no")));
    }

    #[test]
    fn handlers_fail_a_good_run_and_leave_an_aborted_one() {
        let mut good = dispatcher(vec![step("a", &[])], 0);
        starts(&mut good);
        good.finished(0, Verdict::of(StepStatus::Succeeded));
        good.handler_finished(StepRole::OnSuccess, failed(false));
        assert_eq!(good.run_status(), RunStatus::Failed);

        let mut init = dispatcher(vec![step("a", &[])], 0);
        init.handler_finished(StepRole::OnInit, failed(false));
        assert_eq!((init.next_start(), init.run_status()), (Next::Done, RunStatus::Aborted));
        assert!(init.error().is_some());
    }
}
