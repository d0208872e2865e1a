//! A plan: which steps will run, in which order, waiting for which.
//!
//! Plans are made before anything starts and are not changed by a run. Making one finds cycles and unknown
//! dependencies; what the steps do and whether they can is the runner's business.

mod load;
mod lower;
mod spec;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::dag::graph::{self, SharedRole};
pub use load::{LoadError, from_document, load};
pub use lower::{LowerError, lower};
pub use spec::*;

/// Position of a node in its plan; nodes stand in the order of the file.
pub type NodeIndex = usize;

/// One execution of a workflow, or of a part of it.
#[derive(Debug, Clone)]
pub struct Plan {
    pub dag: Arc<DagSpec>,
    pub nodes: Vec<Node>,
    /// What was chosen; handlers and DAG-level conditions belong to whole runs only.
    pub selection: Selection,
}

/// One step in a plan.
#[derive(Debug, Clone)]
pub struct Node {
    pub step: Arc<StepSpec>,
    /// Nodes it waits for, in the order of its `depends`: the first blocking one decides what becomes of it.
    pub waits_for: Vec<NodeIndex>,
    /// Nodes that wait for it, in the order of the file.
    pub wanted_by: Vec<NodeIndex>,
}

/// Which part of the workflow to run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Selection {
    #[default]
    All,
    /// One step by id or name, without looking at what it depends on.
    Step(String),
    /// One step after everything it depends on.
    StepWithDeps(String),
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("cyclic plan detected: {}", list_cycle(.0))]
    Cycle(Vec<String>),
    #[error("step `{step}` depends on `{wanted}`, which is not a step")]
    UnknownDependency { step: String, wanted: String },
    #[error("`{wanted}` is not a step of this workflow; its steps are {}", list_names(.steps))]
    UnknownStep { wanted: String, steps: Vec<String> },
}

fn list_cycle(names: &[String]) -> String {
    let mut text = String::new();
    for name in names {
        text.push_str(&format!("`{name}` waits for "));
    }
    text + &format!("`{}`", names.first().map_or("", String::as_str))
}

fn list_names(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Plan {
    /// # Errors
    /// When the chosen step does not exist, a dependency does not, or steps wait for each other in a circle.
    pub fn new(dag: Arc<DagSpec>, selection: Selection) -> Result<Self, PlanError> {
        let edges = edges(&dag)?;
        if let Some(cycle) = graph::cycles(&edges).into_iter().next() {
            return Err(PlanError::Cycle(cycle.into_iter().map(|i| dag.steps[i].name.clone()).collect()));
        }
        let chosen = choose(&dag, &edges, &selection)?;
        let position: HashMap<usize, NodeIndex> = chosen.iter().enumerate().map(|(node, &step)| (step, node)).collect();
        let mut nodes: Vec<Node> = chosen
            .iter()
            .map(|&step| Node {
                step: Arc::new(dag.steps[step].clone()),
                waits_for: edges[step].iter().filter_map(|wanted| position.get(wanted).copied()).collect(),
                wanted_by: Vec::new(),
            })
            .collect();
        for node in 0..nodes.len() {
            for wanted in nodes[node].waits_for.clone() {
                nodes[wanted].wanted_by.push(node);
            }
        }
        Ok(Self { dag, nodes, selection })
    }

    /// Everything the node waits for, directly or not: breadth first, left to right, each node once, without itself.
    pub fn predecessors(&self, node: NodeIndex) -> Vec<NodeIndex> {
        let mut seen = vec![false; self.nodes.len()];
        seen[node] = true;
        let mut queue: VecDeque<NodeIndex> = self.nodes[node].waits_for.iter().copied().collect();
        let mut found = Vec::new();
        while let Some(next) = queue.pop_front() {
            if !std::mem::replace(&mut seen[next], true) {
                found.push(next);
                queue.extend(&self.nodes[next].waits_for);
            }
        }
        found
    }

    /// True when DAG-level preconditions, handlers and limits apply.
    pub fn is_whole(&self) -> bool {
        self.selection == Selection::All
    }
}

/// For each step the steps it waits for.
fn edges(dag: &DagSpec) -> Result<Vec<Vec<usize>>, PlanError> {
    match dag.order {
        Order::Chain => Ok(graph::chain_edges(dag.steps.iter().map(|step| step.group))),
        Order::Graph => {
            let mut edges = dag
                .steps
                .iter()
                .map(|step| {
                    let mut wanted = Vec::new();
                    for name in step.depends.iter().flatten() {
                        let found = find_step(dag, name).ok_or_else(|| PlanError::UnknownDependency {
                            step: step.name.clone(),
                            wanted: name.clone(),
                        })?;
                        if !wanted.contains(&found) {
                            wanted.push(found);
                        }
                    }
                    Ok(wanted)
                })
                .collect::<Result<Vec<_>, _>>()?;
            order_shared_container(dag, &mut edges);
            Ok(edges)
        }
    }
}

fn find_step(dag: &DagSpec, name: &str) -> Option<usize> {
    dag.steps
        .iter()
        .position(|step| step.id.as_deref() == Some(name))
        .or_else(|| dag.steps.iter().position(|step| step.name == name))
}

/// Edges that nobody wrote: see [`graph::implied_edges`].
fn order_shared_container(dag: &DagSpec, edges: &mut [Vec<usize>]) {
    if dag.container.is_none() || dag.steps.iter().any(|step| step.depends.as_ref().is_some_and(|d| !d.is_empty())) {
        return;
    }
    let roles = dag.steps.iter().map(|step| match step.uses_root_container() {
        true if !step.is_agent() => SharedRole::Command,
        true if step.depends.is_none() => SharedRole::Agent,
        _ => SharedRole::Apart,
    });
    for (agent, command) in graph::implied_edges(&roles.collect::<Vec<_>>()) {
        edges[agent].push(command);
    }
}

fn choose(dag: &DagSpec, edges: &[Vec<usize>], selection: &Selection) -> Result<Vec<usize>, PlanError> {
    let (wanted, with_deps) = match selection {
        Selection::All => return Ok((0..dag.steps.len()).collect()),
        Selection::Step(wanted) => (wanted, false),
        Selection::StepWithDeps(wanted) => (wanted, true),
    };
    let start = find_step(dag, wanted).ok_or_else(|| PlanError::UnknownStep {
        wanted: wanted.clone(),
        steps: dag.steps.iter().map(|step| step.id.as_ref().unwrap_or(&step.name).clone()).collect(),
    })?;
    let mut chosen = vec![start];
    let mut next = 0;
    while with_deps && next < chosen.len() {
        for &wanted in &edges[chosen[next]] {
            if !chosen.contains(&wanted) {
                chosen.push(wanted);
            }
        }
        next += 1;
    }
    chosen.sort_unstable();
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(id: &str, depends: &[&str]) -> StepSpec {
        StepSpec {
            depends: Some(depends.iter().map(|&name| name.to_owned()).collect()),
            ..StepSpec::new(id, Work::Commands(vec!["true".into()]))
        }
    }

    fn plan(steps: Vec<StepSpec>, selection: Selection) -> Result<Vec<String>, PlanError> {
        let plan = Plan::new(Arc::new(DagSpec { steps, ..DagSpec::default() }), selection)?;
        Ok(plan.nodes.iter().map(|node| format!("{}{:?}", node.step.name, node.waits_for)).collect())
    }

    #[test]
    fn a_circle_is_named_in_the_order_of_waiting() {
        let error =
            plan(vec![step("ok", &[]), step("a", &["b"]), step("b", &["c"]), step("c", &["a"])], Selection::All);
        assert_eq!(
            error.map_err(|error| error.to_string()),
            Err("cyclic plan detected: `a` waits for `b` waits for `c` waits for `a`".into())
        );
        assert_eq!(plan(vec![step("a", &["a"])], Selection::All), Err(PlanError::Cycle(vec!["a".into()])));
    }

    #[test]
    fn one_step_can_be_chosen_alone_or_with_what_it_needs() {
        let steps = || vec![step("a", &[]), step("b", &["a"]), step("c", &["b"]), step("d", &[])];
        assert_eq!(plan(steps(), Selection::Step("c".into())), Ok(vec!["c[]".into()]));
        assert_eq!(
            plan(steps(), Selection::StepWithDeps("c".into())),
            Ok(vec!["a[]".into(), "b[0]".into(), "c[1]".into()])
        );
        assert!(matches!(plan(steps(), Selection::Step("x".into())), Err(PlanError::UnknownStep { .. })));
    }

    #[test]
    fn a_chain_waits_for_the_whole_entry_before() {
        let mut steps = vec![step("a", &[]), step("b", &[]), step("c", &[]), step("d", &[])];
        for (step, group) in steps.iter_mut().zip([0, 1, 1, 2]) {
            step.group = group;
            step.depends = None;
        }
        let plan = Plan::new(Arc::new(DagSpec { steps, order: Order::Chain, ..DagSpec::default() }), Selection::All);
        let waits: Vec<_> = plan.expect("no cycle").nodes.into_iter().map(|node| node.waits_for).collect();
        assert_eq!(waits, [vec![], vec![0], vec![0], vec![1, 2]]);
    }

    #[test]
    fn an_agent_in_a_shared_container_follows_the_commands_above_it() {
        let agent = |id| StepSpec::new(id, Work::Harness { written: Map::new() });
        let command = |id| StepSpec::new(id, Work::Commands(vec!["true".into()]));
        let mut steps = vec![command("a"), agent("b"), agent("c"), command("d"), agent("e")];
        steps[4].depends = Some(Vec::new());
        let dag = DagSpec { steps, container: Some(Value::from("box")), ..DagSpec::default() };
        let plan = Plan::new(Arc::new(dag), Selection::All).expect("no cycle");
        let waits: Vec<_> = plan.nodes.into_iter().map(|node| node.waits_for).collect();
        assert_eq!(waits, [vec![], vec![0], vec![0], vec![], vec![]]);
    }

    use serde_json::{Map, Value};
}
