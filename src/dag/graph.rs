//! The order of steps: who waits for whom.

use std::collections::HashMap;

use super::{Dag, DagType, Place, Spanned, Step};

/// Edges between the steps of one DAG, as indices into [`Dag::steps`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    /// Per step the steps it waits for, in the order of its `depends`, without doubles.
    pub dependencies: Vec<Vec<usize>>,
    /// Entries of `depends` that name no step, with the index of their owner.
    pub unknown: Vec<(usize, Spanned<String>)>,
}

impl Graph {
    /// Explicit `depends` by id or name; in a chain each entry also waits for every step of the entry before it.
    pub fn new(dag: &Dag) -> Self {
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        for (i, step) in dag.steps.iter().enumerate() {
            for name in [step.id.as_str(), step.name.as_str()].into_iter().flatten() {
                by_name.entry(name).or_insert(i);
            }
        }
        let mut dependencies = vec![Vec::new(); dag.steps.len()];
        let mut unknown = Vec::new();
        for (i, step) in dag.steps.iter().enumerate() {
            for name in step.depends.get().into_iter().flatten() {
                match by_name.get(name.value.as_str()) {
                    Some(&target) if !dependencies[i].contains(&target) => dependencies[i].push(target),
                    Some(_) => {}
                    None => unknown.push((i, name.clone())),
                }
            }
        }
        if dag.dag_type() == DagType::Chain {
            for (i, implied) in chain_edges(dag.steps.iter().map(|step| step.entry)).into_iter().enumerate() {
                let new: Vec<_> = implied.into_iter().filter(|step| !dependencies[i].contains(step)).collect();
                dependencies[i].extend(new);
            }
        }
        Graph { dependencies, unknown }
    }

    /// Edges that nobody wrote, as (agent, command) pairs: see [`implied_edges`].
    pub fn implied(dag: &Dag) -> Vec<(usize, usize)> {
        let says = |step: &Step| step.depends.get().is_some_and(|depends| !depends.is_empty());
        if dag.dag_type() != DagType::Graph || dag.steps.iter().any(says) {
            return Vec::new();
        }
        let roles = dag.steps.iter().map(|step| match dag.place(step) {
            Place::Root(_) if !step.is_harness() => SharedRole::Command,
            Place::Root(_) if step.depends.is_absent() => SharedRole::Agent,
            _ => SharedRole::Apart,
        });
        implied_edges(&roles.collect::<Vec<_>>())
    }

    /// All steps a step waits for, directly or through others, in order; the step itself only if it waits for itself.
    pub fn ancestors(&self, step: usize) -> Vec<usize> {
        let mut seen = vec![false; self.dependencies.len()];
        let mut open: Vec<usize> = self.dependencies[step].clone();
        while let Some(next) = open.pop() {
            if !std::mem::replace(&mut seen[next], true) {
                open.extend(&self.dependencies[next]);
            }
        }
        (0..seen.len()).filter(|&i| seen[i]).collect()
    }

    /// Every cycle once: see [`cycles`].
    pub fn cycles(&self) -> Vec<Vec<usize>> {
        cycles(&self.dependencies)
    }
}

/// What a step is to the container that all share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedRole {
    Command,
    /// An agent that says nothing about what it depends on.
    Agent,
    /// Elsewhere, or with a word of its own about its order.
    Apart,
}

/// In a shared container where no step says what it depends on, an agent comes after the commands written above it,
/// since these prepare the ground it works on. As (agent, command) pairs.
pub fn implied_edges(roles: &[SharedRole]) -> Vec<(usize, usize)> {
    let agents = (0..roles.len()).filter(|&i| roles[i] == SharedRole::Agent);
    let edges = agents.flat_map(|agent| {
        let commands = (0..agent).filter(|&i| roles[i] == SharedRole::Command);
        commands.map(move |command| (agent, command))
    });
    edges.collect()
}

/// Every cycle of a graph once, as the steps along it in order of waiting; each starts at its smallest index.
pub fn cycles(dependencies: &[Vec<usize>]) -> Vec<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; dependencies.len()];
    let mut cycles: Vec<Vec<usize>> = Vec::new();
    for root in 0..dependencies.len() {
        if marks[root] != Mark::New {
            continue;
        }
        // A stack of our own: ten thousand steps in a row must not overflow the real one.
        let mut path: Vec<(usize, usize)> = vec![(root, 0)];
        marks[root] = Mark::Open;
        while let Some((step, next)) = path.last_mut() {
            let Some(&dependency) = dependencies[*step].get(*next) else {
                marks[*step] = Mark::Done;
                path.pop();
                continue;
            };
            *next += 1;
            match marks[dependency] {
                Mark::New => {
                    marks[dependency] = Mark::Open;
                    path.push((dependency, 0));
                }
                Mark::Open => {
                    let from = path.iter().position(|&(step, _)| step == dependency).unwrap_or(0);
                    let mut cycle: Vec<usize> = path[from..].iter().map(|&(step, _)| step).collect();
                    let smallest = (0..cycle.len()).min_by_key(|&i| cycle[i]).unwrap_or(0);
                    cycle.rotate_left(smallest);
                    if !cycles.contains(&cycle) {
                        cycles.push(cycle);
                    }
                }
                Mark::Done => {}
            }
        }
    }
    cycles
}

/// The order of a chain, from the entry of the list that each step stands in: every step waits for all of the entry
/// before its own.
pub fn chain_edges(entries: impl IntoIterator<Item = usize>) -> Vec<Vec<usize>> {
    let mut edges: Vec<Vec<usize>> = Vec::new();
    let (mut before, mut current): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut last = None;
    for (i, entry) in entries.into_iter().enumerate() {
        if last != Some(entry) {
            if !current.is_empty() {
                before = std::mem::take(&mut current);
            }
            last = Some(entry);
        }
        edges.push(before.clone());
        current.push(i);
    }
    edges
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::syntax::parse;

    fn graph(text: &str) -> Graph {
        Graph::new(&Dag::lower(&Arc::new(parse(text).tree)).remove(0))
    }

    #[test]
    fn depends_go_by_id_or_name() {
        let graph = graph("steps:\n- {id: a, name: x, run: y}\n- {run: y, depends: [x, a, zz]}\n");
        assert_eq!(graph.dependencies, [vec![], vec![0]]);
        assert_eq!(graph.unknown.len(), 1);
    }

    #[test]
    fn a_chain_waits_for_whole_groups() {
        let graph = graph("type: chain\nsteps:\n- run: a\n- - run: b\n  - run: c\n- run: d\n");
        assert_eq!(graph.dependencies, [vec![], vec![0], vec![0], vec![1, 2]]);
        assert_eq!(graph.ancestors(3), [0, 1, 2]);
    }

    #[test]
    fn cycles_are_found_once() {
        let graph = graph(
            "steps:\n- {id: a, run: x, depends: b}\n- {id: b, run: x, depends: a}\n- {id: c, run: x, depends: c}\n- {id: d, run: x, depends: a}\n",
        );
        assert_eq!(graph.cycles(), [vec![0, 1], vec![2]]);
    }
}
