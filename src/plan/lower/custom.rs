//! Steps that use the file's own `actions` (or older `step_types`): the template takes the place of the call.

use serde_json::{Map, Value};

use super::{Reading, present};
use crate::values::json_text;

/// Templates within templates; a chain this long is a loop.
const MAX_DEPTH: usize = 32;

impl Reading {
    /// Replaces calls of own actions until none is left. Also answers with the name of the outermost one, which made-up
    /// step names begin with.
    pub(super) fn expand(&mut self, step: Map<String, Value>, path: &str) -> (Map<String, Value>, Option<String>) {
        let (mut step, mut outermost) = (step, None);
        for _ in 0..MAX_DEPTH {
            let Some((name, definition)) = self.called(&step) else { return (step, outermost) };
            outermost.get_or_insert_with(|| name.clone());
            match apply(&step, &name, &definition) {
                Ok(expanded) => step = expanded,
                Err(message) => {
                    self.wrong(path, message);
                    return (Map::new(), outermost);
                }
            }
        }
        self.wrong(path, format!("action `{}` uses itself", outermost.unwrap_or_default()));
        (Map::new(), None)
    }

    /// The definition a step calls by its `action`, or by its `type` in the older spelling.
    fn called(&self, step: &Map<String, Value>) -> Option<(String, Map<String, Value>)> {
        let find = |key: &str, registry: &Map<String, Value>| {
            let name = step.get(key)?.as_str()?.trim();
            Some((name.to_owned(), registry.get(name)?.as_object()?.clone()))
        };
        find("action", &self.actions).or_else(|| find("type", &self.step_types))
    }
}

fn apply(call: &Map<String, Value>, name: &str, definition: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let empty = Map::new();
    let schema = definition.get("input_schema").unwrap_or(&Value::Null);
    let written = call.get("with").or(call.get("config")).and_then(Value::as_object).unwrap_or(&empty);
    let input = Value::Object(inputs(written, name, schema)?);
    let template = definition.get("template").and_then(Value::as_object);
    let template = template.ok_or_else(|| format!("action `{name}` has no template"))?;
    let mut step = Map::new();
    // The older form has its `type` beside the template.
    if let Some(kind) = present(definition.get("type")) {
        step.insert("type".to_owned(), kind.clone());
    }
    for (key, value) in template {
        step.insert(key.clone(), fill(value, &input).map_err(|error| format!("action `{name}`, {key}: {error}"))?);
    }
    if let Some(schema) = present(definition.get("output_schema")) {
        step.entry("output_schema").or_insert_with(|| schema.clone());
    }
    let older = !call.contains_key("action");
    for (key, value) in call {
        match key.as_str() {
            "action" | "with" => {}
            "type" | "config" if older => {}
            "env" => {
                let pairs = super::env(step.get("env")).into_iter().chain(super::env(Some(value)));
                let pairs = pairs.map(|(name, value)| Value::from(format!("{name}={value}"))).collect();
                step.insert(key.clone(), Value::Array(pairs));
            }
            "preconditions" => {
                let list = |value: Option<&Value>| match value {
                    None | Some(Value::Null) => Vec::new(),
                    Some(Value::Array(list)) => list.clone(),
                    Some(single) => vec![single.clone()],
                };
                let all = [list(step.get("preconditions")), list(Some(value))].concat();
                step.insert(key.clone(), Value::Array(all));
            }
            _ => {
                step.insert(key.clone(), value.clone());
            }
        }
    }
    Ok(step)
}

/// What the call gives, with the defaults of the schema, checked against it.
fn inputs(written: &Map<String, Value>, name: &str, schema: &Value) -> Result<Map<String, Value>, String> {
    let mut input = written.clone();
    for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let Some(default) = property.get("default") {
            input.entry(key.clone()).or_insert_with(|| default.clone());
        }
    }
    let validator = jsonschema::options()
        .offline()
        .build(schema)
        .map_err(|error| format!("action `{name}`: its input_schema is not valid: {error}"))?;
    let value = Value::Object(input.clone());
    // A text that a run fills in may become anything.
    let open = |instance: &Value| instance.as_str().is_some_and(|text| text.contains(['$', '`']));
    match validator.iter_errors(&value).find(|error| !open(error.instance())) {
        Some(error) => Err(format!("action `{name}`: with{}: {error}", error.instance_path())),
        None => Ok(input),
    }
}

/// Puts inputs into a template value: `{$input: path}` becomes the value itself, `{{ .input.path }}` its text.
fn fill(template: &Value, input: &Value) -> Result<Value, String> {
    match template {
        Value::Object(map) if map.len() == 1 && map.contains_key("$input") => {
            let path = map["$input"].as_str().unwrap_or_default();
            look_up(input, path).cloned()
        }
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| Ok((key.clone(), fill(value, input)?)));
            entries.collect::<Result<Map<_, _>, String>>().map(Value::Object)
        }
        Value::Array(items) => items.iter().map(|item| fill(item, input)).collect(),
        Value::String(text) => fill_text(text, input).map(Value::from),
        other => Ok(other.clone()),
    }
}

fn fill_text(text: &str, input: &Value) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(start) = rest.find("{{") {
        let end = rest[start..].find("}}").ok_or("`{{` without `}}`")? + start;
        let inner = rest[start + 2..end].trim().trim_start_matches("- ").trim_end_matches(" -").trim();
        let path = inner.strip_prefix(".input.").ok_or_else(|| {
            format!("`{{{{ {inner} }}}}` is more than saddler's templates know; expected `{{{{ .input.NAME }}}}`")
        })?;
        out.push_str(&rest[..start]);
        out.push_str(&json_text::plain(look_up(input, path)?));
        rest = &rest[end + 2..];
    }
    Ok(out + rest)
}

fn look_up<'a>(input: &'a Value, path: &str) -> Result<&'a Value, String> {
    path.split('.').try_fold(input, |value, key| value.get(key)).ok_or_else(|| format!("there is no input `{path}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expand(actions: Value, step: Value) -> Result<Value, String> {
        let mut reading = Reading { actions: actions.as_object().cloned().unwrap_or_default(), ..Reading::default() };
        let (step, _) = reading.expand(step.as_object().cloned().unwrap_or_default(), "steps[0]");
        match reading.errors.first() {
            Some(error) => Err(error.to_string()),
            None => Ok(Value::Object(step)),
        }
    }

    fn review() -> Value {
        json!({"review": {
            "input_schema": {
                "type": "object",
                "required": ["target"],
                "properties": {"target": {"type": "string"}, "depth": {"type": "integer", "default": 2}},
            },
            "template": {
                "action": "harness.run",
                "env": ["A=1"],
                "with": {"prompt": "Review {{ .input.target }}", "depth": {"$input": "depth"}},
            },
        }})
    }

    #[test]
    fn the_template_takes_the_place_of_the_call() {
        let step = json!({"id": "a", "action": "review", "with": {"target": "src"}, "env": {"B": "2"}});
        assert_eq!(
            expand(review(), step),
            Ok(json!({
                "action": "harness.run",
                "env": ["A=1", "B=2"],
                "with": {"prompt": "Review src", "depth": 2},
                "id": "a",
            }))
        );
    }

    #[test]
    fn inputs_are_checked_unless_a_run_fills_them_in() {
        let call = |with: Value| expand(review(), json!({"action": "review", "with": with}));
        assert!(call(json!({})).is_err_and(|error| error.contains("target")));
        assert!(call(json!({"target": "a", "depth": "deep"})).is_err_and(|error| error.contains("/depth")));
        assert!(call(json!({"target": "a", "depth": "${params.d}"})).is_ok());
    }

    #[test]
    fn an_action_that_uses_itself_is_an_error() {
        let actions = json!({"a": {"input_schema": {"type": "object"}, "template": {"action": "a"}}});
        let error = expand(actions, json!({"action": "a"}));
        assert_eq!(error, Err("steps[0]: action `a` uses itself".to_owned()));
    }
}
