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
            chain(dag, &mut dependencies);
        }
        Graph { dependencies, unknown }
    }

    /// Edges that nobody wrote: in a shared container, where no step says what it depends on, an agent comes after
    /// the commands written above it, since these prepare the ground it works on. As (agent, command) pairs.
    pub fn implied(dag: &Dag) -> Vec<(usize, usize)> {
        let shares = |step: &Step| matches!(dag.place(step), Place::Root(_));
        let says = |step: &Step| step.depends.get().is_some_and(|depends| !depends.is_empty());
        if dag.dag_type() != DagType::Graph || dag.steps.iter().any(says) {
            return Vec::new();
        }
        let steps = dag.steps.iter().enumerate();
        let agents = steps.filter(|(_, step)| step.is_harness() && step.depends.is_absent() && shares(step));
        agents
            .flat_map(|(agent, _)| {
                let commands = (0..agent).filter(|&i| !dag.steps[i].is_harness() && shares(&dag.steps[i]));
                commands.map(move |command| (agent, command))
            })
            .collect()
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

    /// Every cycle once, as the steps along it in order of waiting; each starts at its smallest index.
    pub fn cycles(&self) -> Vec<Vec<usize>> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; self.dependencies.len()];
        let mut cycles: Vec<Vec<usize>> = Vec::new();
        for root in 0..self.dependencies.len() {
            if marks[root] != Mark::New {
                continue;
            }
            // A stack of our own: ten thousand steps in a row must not overflow the real one.
            let mut path: Vec<(usize, usize)> = vec![(root, 0)];
            marks[root] = Mark::Open;
            while let Some((step, next)) = path.last_mut() {
                let Some(&dependency) = self.dependencies[*step].get(*next) else {
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
}

fn chain(dag: &Dag, dependencies: &mut [Vec<usize>]) {
    let mut before: Vec<usize> = Vec::new();
    let mut current: Vec<usize> = Vec::new();
    let mut entry = None;
    for (i, step) in dag.steps.iter().enumerate() {
        if entry != Some(step.entry) {
            if !current.is_empty() {
                before = std::mem::take(&mut current);
            }
            entry = Some(step.entry);
        }
        for &dependency in &before {
            if !dependencies[i].contains(&dependency) {
                dependencies[i].push(dependency);
            }
        }
        current.push(i);
    }
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
