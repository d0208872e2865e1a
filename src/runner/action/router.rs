//! `router.route`: says which routes there are.
//!
//! Which of them are taken is decided by their targets, which got the router's value as a precondition when the plan was
//! made.

use serde_json::{Map, Value};

use crate::runner::attempt::{Attempt, Done};
use crate::runner::failure::Failure;

/// Prints the value and the routes as written: exact patterns first, then expressions, the one for everything last.
pub(super) fn run(attempt: &mut Attempt<'_>, with: &Map<String, Value>) -> Result<Done, Failure> {
    let value = with.get("value").and_then(Value::as_str).unwrap_or_default();
    let mut routes: Vec<(&String, &Value)> =
        with.get("routes").and_then(Value::as_object).into_iter().flatten().collect();
    routes.sort_by_key(|(pattern, _)| (pattern.as_str() == "re:.*", pattern.starts_with("re:"), pattern.as_str()));
    let mut text = format!("Router evaluating: {value}\n");
    for (pattern, targets) in routes {
        let targets: Vec<&str> = targets.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        text.push_str(&format!("  {pattern} -> [{}]\n", targets.join(" ")));
    }
    attempt.print(&text)?;
    Ok(Done::default())
}
