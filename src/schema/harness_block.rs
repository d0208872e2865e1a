//! Root `harness` defaults and `harnesses` definitions: their form. Which providers there are is not asked here.

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
        if name.trim().is_empty() {
            out.error(&path, On::Key, code::INVALID_VALUE, "a harness needs a name");
        }
        let Value::Object(map) = definition else { continue };
        let text = |key: &str| map.get(key).and_then(Value::as_str).map(str::trim);
        let flag = text("prompt_flag").is_some_and(|flag| !flag.is_empty());
        match (text("prompt_mode") == Some("flag"), flag) {
            (true, false) => {
                let message = "`prompt_mode: flag` needs `prompt_flag`";
                let fault = out.error(&path.key("prompt_mode"), On::Value, code::MISSING_FIELD, message);
                fault.help("add the flag that takes the prompt, such as `prompt_flag: -p`");
            }
            (false, true) => {
                let message = "`prompt_flag` goes with `prompt_mode: flag` only";
                let fault = out.error(&path.key("prompt_flag"), On::Key, code::CONFLICTING_FIELDS, message);
                fault.help("add `prompt_mode: flag`, or remove it");
            }
            _ => {}
        }
        let args = path.key("prefix_args");
        for (index, arg) in map.get("prefix_args").and_then(Value::as_array).into_iter().flatten().enumerate() {
            if arg.is_null() {
                out.error(&args.index(index), On::Value, code::WRONG_TYPE, "an argument must be text");
            }
        }
    }
}
