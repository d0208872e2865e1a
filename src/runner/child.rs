//! `dag.run`: another workflow as a step, once or once per item of `parallel`.
//!
//! A child is a run of its own: own scope, own directories, own logs. What it takes from its parent is the DAG-level
//! environment, underneath everything it says itself. Its end becomes the step's, and a JSON text about it the step's
//! stdout.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::attempt::{Attempt, Done};
use super::event::RunSummary;
use super::failure::Failure;
use super::prepare::{Lineage, RunOptions};
use super::status::{RunStatus, StepStatus};
use super::stop::{StopCause, StopSource, StopToken};
use crate::plan::{DagSpec, Plan, Selection, Work, lower};
use crate::values::params::Passed;
use crate::values::{LayerKind, Policy, RunScope, items, resolve, resolve_json};

/// Children of children of children: far more than anybody needs, far less than a stack holds.
const MAX_DEPTH: usize = 32;

/// One child to run.
struct Call {
    dag: String,
    passed: Passed,
    /// The item of `parallel`, which the child sees as `ITEM`.
    item: Option<String>,
}

impl Attempt<'_> {
    pub(super) async fn dag_run(
        &mut self,
        with: &Map<String, Value>,
        parallel: Option<&Value>,
    ) -> Result<Done, Failure> {
        if !self.cwd.is_dir() {
            return Err(Failure::plain(format!("the working directory {} does not exist", self.cwd.display())));
        }
        match parallel {
            None => {
                let call = self.call(with, None, &self.scope.clone());
                let child = run_child(self, &call).await;
                self.report_one(child)
            }
            Some(parallel) => self.fan_out(with, parallel).await,
        }
    }

    fn call(&self, with: &Map<String, Value>, item: Option<String>, scope: &RunScope) -> Call {
        let dag = with.get("dag").and_then(Value::as_str).unwrap_or_default();
        let passed = match (with.get("params"), &item) {
            (Some(params), _) => items::child_params(params, scope),
            (None, Some(item)) => Passed::from_text(item),
            (None, None) => Passed::default(),
        };
        Call { dag: resolve(dag, Policy::Scope, scope), passed, item }
    }

    fn report_one(&mut self, child: Result<Child, Failure>) -> Result<Done, Failure> {
        match child? {
            Child::Refused(error) => {
                self.print("null\n")?;
                Err(Failure::plain(error))
            }
            Child::Ended(ended) => {
                self.print(&(pretty(&ended.json()) + "\n"))?;
                self.check_stop()?;
                let published = Some(ended.summary.values.clone()).filter(|values| !values.is_empty());
                match ended.summary.status {
                    RunStatus::Succeeded => Ok(Done { published, ..Done::default() }),
                    RunStatus::PartiallySucceeded => Ok(Done { status: StepStatus::PartiallySucceeded, published }),
                    RunStatus::Waiting => Ok(Done { status: StepStatus::Waiting, published }),
                    _ => Err(ended.failure()),
                }
            }
        }
    }

    /// One child for each distinct item.
    async fn fan_out(&mut self, with: &Map<String, Value>, parallel: &Value) -> Result<Done, Failure> {
        let resolved = resolve_json(parallel, Policy::Scope, &self.scope);
        let (source, limit) = match &resolved {
            Value::Object(map) if map.contains_key("items") => {
                (map.get("items").cloned().unwrap_or_default(), map.get("max_concurrent").and_then(Value::as_u64))
            }
            other => (other.clone(), None),
        };
        let texts = items::parallel_items(&source).map_err(|error| Failure::plain(error.to_string()))?;
        let mut calls: Vec<Call> = Vec::new();
        for item in texts {
            let mut scope = self.scope.clone();
            scope.set(LayerKind::Item, "ITEM", item.as_str());
            let call = self.call(with, Some(item), &scope);
            if !calls.iter().any(|other| other.dag == call.dag && other.passed == call.passed) {
                calls.push(call);
            }
        }
        let limit = limit.unwrap_or(10).max(1) as usize;
        let this: &Attempt<'_> = self;
        let mut runs: Vec<BoxFuture<'_, (usize, Result<Child, Failure>)>> = Vec::new();
        for (i, call) in calls.iter().enumerate() {
            runs.push(Box::pin(async move { (i, run_child(this, call).await) }));
        }
        let mut children: Vec<(usize, Result<Child, Failure>)> =
            futures_util::stream::iter(runs).buffer_unordered(limit).collect().await;
        children.sort_by_key(|(i, _)| *i);
        self.report_many(children.into_iter().map(|(_, child)| child).collect())
    }

    fn report_many(&mut self, children: Vec<Result<Child, Failure>>) -> Result<Done, Failure> {
        let total = children.len();
        let mut errors = Vec::new();
        let mut partial = false;
        let (mut results, mut outputs) = (Vec::new(), Vec::new());
        for child in children {
            match child {
                Ok(Child::Ended(ended)) => {
                    match ended.summary.status {
                        RunStatus::Succeeded | RunStatus::PartiallySucceeded => {
                            partial |= ended.summary.status == RunStatus::PartiallySucceeded;
                            outputs.push(Value::Object(ended.summary.variables.clone()));
                        }
                        _ => errors.push(ended.failure().text),
                    }
                    results.push(ended.json());
                }
                Ok(Child::Refused(error)) => errors.push(error),
                Err(failure) => errors.push(failure.text),
            }
        }
        let failed = errors.len();
        let aggregate = object([
            (
                "summary",
                object([
                    ("total", Value::from(total)),
                    ("succeeded", Value::from(total - failed)),
                    ("failed", Value::from(failed)),
                ]),
            ),
            ("results", Value::Array(results)),
            ("outputs", Value::Array(outputs)),
        ]);
        self.print(&(pretty(&aggregate) + "\n"))?;
        self.check_stop()?;
        match errors.as_slice() {
            [] if partial => Ok(Done { status: StepStatus::PartiallySucceeded, published: None }),
            [] => Ok(Done::default()),
            [one] => Err(Failure::plain(format!("1 sub dag(s) failed: {one}"))),
            many => Err(Failure::plain(format!("parallel execution failed with {failed} errors: {}", many.join("; ")))),
        }
    }

    /// A stop or timeout that reached the children is what ended the step.
    pub(super) fn check_stop(&self) -> Result<(), Failure> {
        match self.stop.cause() {
            Some(cause) => Err(Failure::from(cause)),
            None => Ok(()),
        }
    }
}

/// What became of a child.
enum Child {
    Ended(Box<Ended>),
    /// Nothing of it was started.
    Refused(String),
}

struct Ended {
    name: String,
    params: String,
    summary: RunSummary,
}

impl Ended {
    fn json(&self) -> Value {
        let mut json = Map::new();
        json.insert("name".to_owned(), Value::from(self.name.as_str()));
        json.insert("dagRunId".to_owned(), Value::from(&*self.summary.run_id));
        if !self.params.is_empty() {
            json.insert("params".to_owned(), Value::from(self.params.as_str()));
        }
        json.insert("outputs".to_owned(), Value::Object(self.summary.variables.clone()));
        if !self.summary.values.is_empty() {
            json.insert("outputValues".to_owned(), Value::Object(self.summary.values.clone()));
        }
        json.insert("status".to_owned(), Value::from(self.summary.status.word()));
        Value::Object(json)
    }

    /// The failure of the child's step that failed, else one that names the child's status.
    fn failure(&self) -> Failure {
        match self.summary.steps.iter().find(|step| step.status == StepStatus::Failed) {
            Some(step) => Failure {
                text: step.error.clone().unwrap_or_else(|| format!("step `{}` failed", step.step.name)),
                code: step.exit_code,
                stopped: None,
            },
            None => Failure::plain(format!(
                "sub DAG run {} failed with status: {}",
                self.summary.run_id,
                self.summary.status.word()
            )),
        }
    }
}

/// Runs one child to its end.
async fn run_child(attempt: &Attempt<'_>, call: &Call) -> Result<Child, Failure> {
    let cx = attempt.cx;
    let depth = cx.options.lineage.as_ref().map_or(0, |lineage| lineage.depth) + 1;
    if depth > MAX_DEPTH {
        return Err(Failure::plain(format!(
            "DAGs call each other more than {MAX_DEPTH} levels deep; is `{}` a loop?",
            call.dag
        )));
    }
    let dag = find_dag(&call.dag, &cx.plan.dag, &cx.options).map_err(Failure::plain)?;
    if dag.steps.iter().any(|step| matches!(&step.work, Work::Action { name, .. } if name == "human.task")) {
        return Err(Failure::plain("human task steps are not allowed in sub-DAGs"));
    }
    let name = dag.name.clone();
    let plan = match Plan::new(Arc::new(dag), Selection::All) {
        Ok(plan) => plan,
        Err(error) => return Ok(Child::Refused(error.to_string())),
    };
    let lineage = match &cx.options.lineage {
        Some(lineage) => Lineage { depth, ..lineage.clone() },
        None => Lineage { root_name: cx.plan.dag.name.clone(), root_id: cx.run_id.to_string(), depth },
    };
    let outer = cx.scope.without(&[LayerKind::Inherited, LayerKind::Managed, LayerKind::Secrets]);
    let mut handed_env = outer.declared_env();
    handed_env.extend(call.item.iter().map(|item| ("ITEM".to_owned(), item.clone())));
    let options = RunOptions {
        run_id: None,
        params: call.passed.clone(),
        lineage: Some(lineage),
        handed_env,
        ..cx.options.clone()
    };
    let stop = StopSource::new();
    let mut silent = |_| {};
    let run = super::run(plan, &options, stop.clone(), &mut silent);
    let ended = tokio::select! {
        ended = run => ended,
        never = pass_on(&attempt.stop, &stop) => match never {},
    };
    Ok(match ended {
        Ok(summary) => Child::Ended(Box::new(Ended { name, params: params_text(&call.passed), summary })),
        Err(error) => Child::Refused(error.to_string()),
    })
}

/// Passes a stop on to a child, for as long as the child runs.
async fn pass_on(from: &StopToken, to: &StopSource) -> std::convert::Infallible {
    let cause = from.stopped().await;
    to.stop(match cause {
        StopCause::Requested(_) => cause,
        StopCause::RunTimedOut | StopCause::StepTimedOut => StopCause::Requested(from.signal(cause)),
    });
    from.killed().await;
    to.kill();
    std::future::pending().await
}

/// The workflow of this name: a document of the same file, else a file in the folder for DAGs or beside the caller's.
fn find_dag(name: &str, caller: &DagSpec, options: &RunOptions) -> Result<DagSpec, String> {
    let own = caller.documents.iter().find(|document| document.get("name").and_then(Value::as_str) == Some(name));
    if let Some(document) = own {
        let mut dag = lower(document, caller.file.as_deref()).map_err(|errors| wrong(name, &errors))?;
        dag.documents = Arc::clone(&caller.documents);
        return Ok(dag);
    }
    let beside = caller.file.as_deref().and_then(Path::parent).map(Path::to_owned);
    let places = dags_dir(options).into_iter().chain(beside);
    let file = places
        .flat_map(|dir| {
            [String::new(), ".yaml".to_owned(), ".yml".to_owned()].map(|end| dir.join(format!("{name}{end}")))
        })
        .find(|file| file.is_file())
        .ok_or_else(|| {
            format!("failed to find DAG \"{name}\": it is neither a document of this file nor a file beside it")
        })?;
    crate::plan::load(&file).map_err(|error| error.to_string())
}

fn wrong(name: &str, errors: &[crate::plan::LowerError]) -> String {
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    format!("DAG `{name}` cannot be run: {}", errors.join("; "))
}

/// Where Dagu keeps its DAGs.
fn dags_dir(options: &RunOptions) -> Option<PathBuf> {
    let set = |name: &str| options.process_env.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("DAGU_DAGS_DIR")
        .or_else(|| set("DAGU_HOME").map(|home| home.join("dags")))
        .or_else(|| set("XDG_CONFIG_HOME").map(|home| home.join("dagu/dags")))
        .or_else(|| set("HOME").map(|home| home.join(".config/dagu/dags")))
}

fn params_text(passed: &Passed) -> String {
    if let Some(raw) = &passed.raw {
        return raw.clone();
    }
    let value = |value: &crate::values::params::PassedValue| match &value.name {
        Some(name) => format!("{name}={}", Value::from(value.text.as_str())),
        None => value.text.clone(),
    };
    passed.values.iter().map(value).collect::<Vec<_>>().join(" ")
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Indented by two.
pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a JSON value can be written as text")
}
