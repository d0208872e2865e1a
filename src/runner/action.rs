//! Built-in actions that need no program of their own, one file each.

mod file;
mod router;
mod wait;

use serde_json::{Map, Value};

use super::attempt::{Attempt, Done};
use super::failure::Failure;
use super::status::StepStatus;
use crate::values::{Policy, resolve_json};

/// True when the action can be run here. Steps with any other are refused before anything starts.
pub fn is_supported(name: &str) -> bool {
    matches!(name, "noop" | "log.write" | "outputs.write" | "router.route" | "human.task")
        || file::NAMES.contains(&name)
        || wait::NAMES.contains(&name)
}

/// Runs the action of a step; its `with` is resolved first.
pub(super) async fn run(attempt: &mut Attempt<'_>, name: &str, written: &Map<String, Value>) -> Result<Done, Failure> {
    let resolved = resolve_json(&Value::Object(written.clone()), Policy::Scope, &attempt.scope);
    let with = resolved.as_object().cloned().unwrap_or_default();
    match name {
        "noop" => Ok(Done::default()),
        "log.write" => {
            let message = with.get("message").and_then(Value::as_str).unwrap_or_default();
            let end = if message.ends_with('\n') { "" } else { "\n" };
            attempt.print(&format!("{message}{end}"))?;
            Ok(Done::default())
        }
        "outputs.write" => {
            let values = with.get("values").and_then(Value::as_object).cloned().unwrap_or_default();
            Ok(Done { published: Some(values), ..Done::default() })
        }
        "router.route" => router::run(attempt, written),
        name if file::NAMES.contains(&name) => file::run(attempt, name, &with),
        name if wait::NAMES.contains(&name) => wait::run(attempt, name, &with).await,
        "human.task" => Ok(Done { status: StepStatus::Waiting, ..Done::default() }),
        _ => Err(Failure::plain(format!("action `{name}` is not supported by this runner"))),
    }
}
