//! `foreach`: a few steps, once per item.
//!
//! A body is a plan of its own that runs inside the run of its step: same directories, same environment, its own logs
//! below `foreach`. It sees the outputs of the step's predecessors by reference but not their captured variables.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::attempt::{Attempt, Done};
use super::context::RunContext;
use super::drive::Driver;
use super::failure::Failure;
use super::messages::Emitter;
use super::status::{RunStatus, StepStatus};
use super::stop::{StopCause, StopSource};
use crate::plan::{DagSpec, Handlers, Plan, Selection, lower};
use crate::values::scope::ForeachItem;
use crate::values::{LayerKind, Policy, RunScope, items, resolve, resolve_json};

/// How one item ended.
struct Ended {
    index: usize,
    key: String,
    status: StepStatus,
    outputs: Option<BTreeMap<String, String>>,
    error: Option<String>,
}

impl Attempt<'_> {
    pub(super) async fn foreach(&mut self, foreach: &Map<String, Value>) -> Result<Done, Failure> {
        let name = foreach.get("as").and_then(Value::as_str).unwrap_or("item").to_owned();
        let source = resolve_json(foreach.get("items").unwrap_or(&Value::Null), Policy::Scope, &self.scope);
        let values = items::foreach_items(&source).map_err(|error| Failure::plain(error.to_string()))?;
        let items = self.keyed(values, &name, foreach.get("key").and_then(Value::as_str))?;
        let plan = self.body(foreach)?;
        let limit = foreach.get("max_concurrent").and_then(Value::as_u64).unwrap_or(10).max(1) as usize;
        let collect = foreach.get("collect").and_then(Value::as_object).cloned().unwrap_or_default();

        let this: &Attempt<'_> = self;
        let mut runs: Vec<BoxFuture<'_, Ended>> = Vec::new();
        for item in items {
            runs.push(Box::pin(this.run_body(&plan, item, &collect)));
        }
        let mut ended: Vec<Ended> = futures_util::stream::iter(runs).buffer_unordered(limit).collect().await;
        ended.sort_by_key(|item| item.index);
        self.print(&aggregate(&ended).to_string())?;
        self.check_stop()?;
        if ended.iter().all(|item| item.status == StepStatus::Succeeded) {
            Ok(Done::default())
        } else {
            let first = ended.iter().find_map(|item| Some((&item.key, item.error.as_ref()?)));
            let why = first.map(|(key, error)| format!("; item `{key}`: {error}")).unwrap_or_default();
            Err(Failure::plain(format!("one or more foreach item bodies failed{why}")))
        }
    }

    /// The items with their keys, all of which are known and distinct before any body starts.
    fn keyed(&self, values: Vec<Value>, name: &str, key: Option<&str>) -> Result<Vec<ForeachItem>, Failure> {
        let mut items = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let mut item = ForeachItem { index, key: None, name: name.to_owned(), value };
            let text = match key {
                None => index.to_string(),
                Some(key) => {
                    let mut scope = self.scope.clone();
                    scope.enter_foreach(item.clone());
                    resolve(key, Policy::Scope, &scope)
                }
            };
            item.key = Some(text);
            items.push(item);
        }
        let keys: Vec<&str> = items.iter().filter_map(|item| item.key.as_deref()).collect();
        items::check_keys(&keys).map_err(|error| Failure::plain(error.to_string()))?;
        Ok(items)
    }

    /// The steps of the body as a plan; of the workflow around it only what steps inherit is left.
    fn body(&self, foreach: &Map<String, Value>) -> Result<Arc<Plan>, Failure> {
        let dag = &self.cx.plan.dag;
        let steps = Map::from_iter([("steps".to_owned(), foreach.get("steps").cloned().unwrap_or_default())]);
        let body = lower(&Value::Object(steps), dag.file.as_deref()).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Failure::plain(format!("foreach.{}", errors.join("; ")))
        })?;
        let body = DagSpec {
            steps: body.steps,
            handlers: Handlers::default(),
            preconditions: Vec::new(),
            timeout: None,
            max_active_steps: 0,
            delay: std::time::Duration::ZERO,
            order: crate::plan::Order::Graph,
            ..(**dag).clone()
        };
        let plan =
            Plan::new(Arc::new(body), Selection::All).map_err(|error| Failure::plain(format!("foreach: {error}")))?;
        Ok(Arc::new(plan))
    }

    async fn run_body(&self, plan: &Arc<Plan>, item: ForeachItem, collect: &Map<String, Value>) -> Ended {
        let (index, key) = (item.index, item.key.clone().unwrap_or_default());
        let mut ended = Ended { index, key, status: StepStatus::NotStarted, outputs: None, error: None };
        if self.stop.cause().is_some() {
            return ended;
        }
        let mut scope = self.body_scope();
        scope.enter_foreach(item);
        let mut paths = self.cx.paths.clone();
        paths.step_log_dir = paths
            .step_log_dir
            .join("foreach")
            .join(format!("{}-{index}", super::paths::safe_name(&self.step_ref.name)));
        if let Err(error) = super::paths::make_dir(&paths.step_log_dir, 0o750) {
            ended.status = StepStatus::Failed;
            ended.error = Some(error.to_string());
            return ended;
        }
        let (emitter, events) = Emitter::new(Arc::clone(&self.cx.run_id));
        let cx = RunContext {
            plan: Arc::clone(plan),
            scope: scope.clone(),
            outer: self.facts.clone(),
            paths,
            emitter,
            ..(**self.cx).clone()
        };
        let stop = StopSource::new();
        let mut silent = |_| {};
        let run = Driver::new(Arc::new(cx), events, stop.clone(), &mut silent).body();
        let pass_on = async {
            let cause = self.stop.stopped().await;
            stop.stop(if cause == StopCause::StepTimedOut { StopCause::RunTimedOut } else { cause });
            self.stop.killed().await;
            stop.kill();
            std::future::pending::<std::convert::Infallible>().await
        };
        let (summary, facts) = tokio::select! {
            done = run => done,
            never = pass_on => match never {},
        };
        if summary.status != RunStatus::Succeeded {
            ended.status = StepStatus::Failed;
            ended.error = summary.error.or_else(|| Some(format!("the body ended as {}", summary.status.word())));
            return ended;
        }
        scope.set_steps(Arc::new(facts), true);
        match collected(collect, &scope) {
            Ok(outputs) => {
                ended.status = StepStatus::Succeeded;
                ended.outputs = (!collect.is_empty()).then_some(outputs);
            }
            Err(error) => {
                ended.status = StepStatus::Failed;
                ended.error = Some(error);
            }
        }
        ended
    }

    /// What bodies see: the scope of the run, without what belongs to the step itself and without captured variables.
    fn body_scope(&self) -> RunScope {
        let mut scope = self.scope.without(&[
            LayerKind::Step,
            LayerKind::Outputs,
            LayerKind::StepEnv,
            LayerKind::ContainerEnv,
            LayerKind::Attempt,
        ]);
        scope.set_steps(Arc::new(self.facts.clone()), true);
        scope
    }
}

fn collected(collect: &Map<String, Value>, scope: &RunScope) -> Result<BTreeMap<String, String>, String> {
    let mut outputs = BTreeMap::new();
    for (name, text) in collect {
        let text = resolve(text.as_str().unwrap_or_default(), Policy::Scope, scope);
        if let Some(reference) = items::remaining_reference(&text) {
            return Err(format!("foreach.collect.{name} resolved with unresolved reference: {reference}"));
        }
        outputs.insert(name.clone(), text);
    }
    Ok(outputs)
}

/// The compact JSON that the step prints, items in input order.
fn aggregate(items: &[Ended]) -> Value {
    let succeeded = items.iter().filter(|item| item.status == StepStatus::Succeeded).count();
    let failed = items.iter().filter(|item| item.status == StepStatus::Failed).count();
    let item = |item: &Ended| {
        let mut json = Map::new();
        json.insert("index".to_owned(), Value::from(item.index));
        json.insert("key".to_owned(), Value::from(item.key.as_str()));
        json.insert("status".to_owned(), Value::from(item.status.word()));
        if let Some(outputs) = &item.outputs {
            json.insert("outputs".to_owned(), serde_json::json!(outputs));
        }
        if let Some(error) = &item.error {
            json.insert("error".to_owned(), Value::from(error.as_str()));
        }
        Value::Object(json)
    };
    let outputs: Vec<Value> = items
        .iter()
        .filter(|item| item.status == StepStatus::Succeeded)
        .filter_map(|item| item.outputs.as_ref().map(|outputs| serde_json::json!(outputs)))
        .collect();
    serde_json::json!({
        "summary": {"total": items.len(), "succeeded": succeeded, "failed": failed},
        "items": items.iter().map(item).collect::<Vec<_>>(),
        "outputs": outputs,
    })
}
