//! Root `harness` defaults and `harnesses` definitions: their form. Which providers there are,
//! and how the settings of a definition go together, is not asked here but by the rules for agent steps.

use serde_json::Value;

use super::fault::{Faults, On, Path, code};
use super::inputs;

/// The root defaults that harness steps inherit.
pub fn defaults(value: &Value, path: &Path, out: &mut Faults) {
    if let Value::Object(map) = value {
        inputs::harness_keys(map, path, true, out);
    }
}

/// Every definition of an agent CLI.
pub fn definitions(value: &Value, path: &Path, out: &mut Faults) {
    for (name, definition) in value.as_object().into_iter().flatten() {
        let path = path.key(name);
        let Value::Object(map) = definition else { continue };
        let args = path.key("prefix_args");
        for (index, arg) in map.get("prefix_args").and_then(Value::as_array).into_iter().flatten().enumerate() {
            if arg.is_null() {
                out.error(&args.index(index), On::Value, code::WRONG_TYPE, "an argument must be text");
            }
        }
    }
}
