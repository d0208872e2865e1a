//! Writes the JSON Schema (draft 2020-12) of a workflow from the table of fields.
//!
//! The result, `schema/dag.schema.json`, serves other editors as it is, and is cut into validators by
//! [`super::validators`]. Three keywords are our own, and other tools skip them: `wholeNumber` (an integer that is
//! not written as a float), `maxBytes` (length after trimming) and the formats of [`super::formats`].

use serde_json::{Map, Value, json};

use super::fields::{Field, Fields, NodeId, ROOT};

/// The places of the table that become definitions of their own, and what they are called.
pub const DEFINITIONS: &[(&str, &str)] = &[
    ("steps[]", "step"),
    ("container", "container"),
    ("container.healthcheck", "healthcheck"),
    ("harness", "harness"),
    ("harnesses.<name>", "harness-definition"),
    ("defaults", "defaults"),
    ("handler_on", "handlers"),
    ("llm", "llm"),
    ("env", "env"),
    ("preconditions", "conditions"),
    ("schedule", "schedule"),
    ("params", "params"),
    ("labels", "labels"),
    ("tags", "tags"),
    ("secrets", "secrets"),
    ("tools", "tools"),
    ("tools.packages[]", "tool-package"),
    ("smtp", "smtp"),
    ("ssh", "ssh"),
    ("s3", "s3"),
    ("redis", "redis"),
    ("kubernetes", "kubernetes"),
    ("retry_policy", "workflow-retry-policy"),
    ("actions.<name>", "action-definition"),
    ("step_types.<name>", "step-type-definition"),
    ("steps[].retry_policy", "retry-policy"),
    ("steps[].repeat_policy", "repeat-policy"),
    ("steps[].continue_on", "continue-on"),
    ("steps[].stdout", "stdout"),
    ("steps[].stderr", "stderr"),
    ("steps[].output", "output"),
    ("steps[].output.<name>", "published-value"),
    ("steps[].stdout.outputs.fields.<name>", "captured-value"),
    ("steps[].outputs", "outputs"),
    ("steps[].inputs", "inputs"),
    ("steps[].parallel", "parallel"),
    ("steps[].foreach", "foreach"),
    ("steps[].approval", "approval"),
    ("steps[].exec", "legacy-exec"),
    ("steps[].messages", "messages"),
    // The definition is what `with` holds beside `run`; elsewhere the action says.
    ("steps[].with", "with.run"),
];

/// Lists that take items of any kind, against the rule that a list holds scalars.
const ANY_ITEMS: &[&str] = &[
    "steps[].foreach.items",
    "steps[].dependencies",
    "steps[].parallel.items",
    "steps[].parallel",
    "steps[].run",
    "params",
    "params[].enum",
    "env",
    "labels",
    "tags",
    "tools",
    "container.env",
    "registry_auths.<host>",
];

/// Texts whose format is told but not asked for when a workflow is loaded.
const TOLD_FORMATS: &[&str] = &["container.log_pattern", "action:http.request.with.url", "action:redis.<op>.with.url"];

/// Free keys whose `pattern` is about the value; everywhere else it is about the key.
const VALUE_PATTERNS: &[&str] = &["labels.<key>"];

/// Words that make an entry of `output` more than a literal.
const STRUCTURED: [&str; 5] = ["value", "from", "path", "decode", "select"];

/// The key `action: NAME` stands for in the definitions: `with.NAME`.
pub fn input_definition(action: &str) -> String {
    let name = match action {
        "redis.<op>" => "redis",
        "<owner>/<repo>@<version>" => "remote",
        name => name,
    };
    format!("with.{name}")
}

/// The name of an action whose `with` the table describes; `None` for other paths.
pub fn action_of(path: &str) -> Option<&str> {
    path.strip_prefix("action:")?.strip_suffix(".with")
}

/// The whole schema.
pub fn generate(fields: &Fields) -> Value {
    let writer = Writer { fields };
    let mut defs = Map::new();
    defs.insert("workflow".into(), writer.object(ROOT, false));
    for &(path, name) in DEFINITIONS {
        let node = fields.find(path).unwrap_or(ROOT);
        let value = match name {
            "step" => writer.object_of_step(node),
            "published-value" | "captured-value" => writer.object(node, false),
            "kubernetes" => writer.kubernetes_defaults(node),
            "params" => writer.params(node),
            _ => writer.value(node),
        };
        defs.insert(name.into(), value);
    }
    defs.insert("param-definition".into(), writer.param_definition());
    defs.insert("step-entry".into(), step_entry());
    let mut branches = vec![json!({
        "if": { "required": ["run"] },
        "then": { "properties": { "with": { "$ref": "#/$defs/with.run" } } },
    })];
    for field in fields.all() {
        let Some(action) = action_of(&field.path) else { continue };
        let node = fields.find(&field.path).unwrap_or(ROOT);
        if action == "<custom>" || field.removed.is_some() {
            continue;
        }
        defs.insert(input_definition(action), writer.value(node));
        branches.push(branch(action, field));
    }
    defs.insert("step-by-action".into(), json!({ "allOf": branches }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Dagu workflow",
        "description": "A workflow (DAG) in the dialect that Dagu v2.15.1 reads.",
        "$ref": "#/$defs/workflow",
        "$defs": defs,
    })
}

fn step_entry() -> Value {
    let step = json!({ "allOf": [{ "$ref": "#/$defs/step" }, { "$ref": "#/$defs/step-by-action" }] });
    let text = json!({ "type": "string", "pattern": "\\S", "deprecated": true });
    json!({
        "description": "A step; or a list of steps that run beside each other.",
        "if": { "type": "array" },
        "then": { "items": { "if": { "type": "object" }, "then": step.clone(), "else": text.clone() } },
        "else": { "if": { "type": "object" }, "then": step, "else": text },
    })
}

/// What `with` has to be beside one action.
fn branch(action: &str, field: &Field) -> Value {
    let name = match action {
        "redis.<op>" => json!({ "pattern": "^\\s*redis\\..+$" }),
        "<owner>/<repo>@<version>" => json!({ "pattern": "@" }),
        _ => json!({ "const": action }),
    };
    let mut then = json!({ "properties": { "with": { "$ref": format!("#/$defs/{}", input_definition(action)) } } });
    if field.required {
        then["required"] = json!(["with"]);
    }
    json!({ "if": { "required": ["action"], "properties": { "action": name } }, "then": then })
}

struct Writer<'a> {
    fields: &'a Fields,
}

impl Writer<'_> {
    /// The schema where a field is used: a reference if the field has a definition of its own.
    fn place(&self, id: NodeId) -> Value {
        let Some(field) = self.fields.field(id) else { return self.value(id) };
        let own = DEFINITIONS.iter().find(|(path, _)| *path == field.path);
        match own {
            Some(("steps[]", _)) => json!({ "$ref": "#/$defs/step-entry" }),
            Some(("steps[].with", _)) => json!({ "type": ["object", "null"], "description": field.doc }),
            // Any value is a literal, unless it is an object that tells where the value comes from.
            Some((_, "published-value")) => json!({
                "if": { "type": "object", "anyOf": STRUCTURED.map(|word| json!({ "required": [word] })) },
                "then": { "$ref": "#/$defs/published-value" },
                "description": field.doc,
            }),
            Some((_, "captured-value")) => json!({
                "if": { "type": "object" },
                "then": { "$ref": "#/$defs/captured-value" },
                "description": field.doc,
            }),
            Some((_, name)) => json!({ "$ref": format!("#/$defs/{name}"), "description": field.doc }),
            None => self.value(id),
        }
    }

    /// The definition of a step is its map form only; the other forms are in `step-entry`.
    fn object_of_step(&self, id: NodeId) -> Value {
        let mut step = self.object(id, false);
        step["description"] = json!("One step of a workflow.");
        step
    }

    /// The full schema of the value of a field.
    fn value(&self, id: NodeId) -> Value {
        let mut out = Map::new();
        let Some(field) = self.fields.field(id) else {
            // A list item or group without an entry of its own.
            return self.object(id, false);
        };
        describe(field, &mut out);
        if let Some(target) = field.same_as.as_deref().and_then(|target| self.fields.find(target)) {
            let target_path = self.fields.field(target).map_or("", |target| &target.path);
            let name = match action_of(target_path) {
                Some(action) => Some(input_definition(action)),
                None => DEFINITIONS.iter().find(|(path, _)| *path == target_path).map(|(_, name)| (*name).to_owned()),
            };
            let Some(name) = name else {
                let mut value = self.value(target);
                value["description"] = json!(field.doc);
                return value;
            };
            if let Some(types) = self.types(field) {
                out.insert("type".into(), types);
            }
            let reference = json!({ "$ref": format!("#/$defs/{name}") });
            if name == "step" {
                // The other forms of a step have no place here, but what `with` holds is worth saying.
                if field.types.iter().any(|name| name == "array<object>") {
                    out.insert("items".into(), json!({ "type": "object", "$ref": "#/$defs/step-entry" }));
                    out.insert("minItems".into(), json!(field.min_items.unwrap_or(0)));
                } else {
                    out.insert("if".into(), json!({ "type": "object" }));
                    out.insert("then".into(), json!({ "$ref": "#/$defs/step-entry" }));
                }
            } else if field.types.iter().any(|name| name == "array<object>") {
                out.insert("items".into(), reference);
                if let Some(min) = field.min_items {
                    out.insert("minItems".into(), json!(min));
                }
            } else {
                out.insert("$ref".into(), reference["$ref"].clone());
            }
            return Value::Object(out);
        }
        if let Some(types) = self.types(field) {
            out.insert("type".into(), types);
        }
        text_rules(field, &mut out);
        number_rules(field, &mut out);
        self.list_rules(id, field, &mut out);
        if field.types.iter().chain(&field.also_accepts).any(|t| t == "object" || t.starts_with("map<")) {
            self.object_rules(id, field, &mut out);
        }
        Value::Object(out)
    }

    fn object(&self, id: NodeId, open: bool) -> Value {
        let mut out = Map::new();
        out.insert("type".into(), json!("object"));
        self.members(id, !open, &mut out);
        Value::Object(out)
    }

    /// Root defaults of kubernetes steps. Nothing has to be there, and texts are looked at once a step inherits them.
    fn kubernetes_defaults(&self, id: NodeId) -> Value {
        fn loosen(value: &mut Value) {
            match value {
                Value::Object(map) => {
                    map.retain(|key, _| !matches!(key.as_str(), "pattern" | "format"));
                    map.values_mut().for_each(loosen);
                }
                Value::Array(items) => items.iter_mut().for_each(loosen),
                _ => {}
            }
        }
        let mut value = self.value(self.fields.shape(id));
        loosen(&mut value);
        if let Value::Object(map) = &mut value {
            map.remove("required");
            map.insert("type".into(), json!(["object", "null"]));
            if let Some(Value::Object(properties)) = map.get_mut("properties") {
                properties.remove("command");
            }
        }
        if let Some(field) = self.fields.field(id) {
            value["description"] = json!(field.doc);
        }
        value
    }

    /// Which of its forms a map under `params` has is for the checks to find out; an editor gets the words only.
    fn params(&self, id: NodeId) -> Value {
        let mut value = self.value(id);
        if let Some(Value::Object(properties)) = value.get_mut("properties") {
            for property in properties.values_mut() {
                *property = json!({ "description": property["description"] });
            }
        }
        let names = self.fields.find("params.<name>").and_then(|id| self.fields.field(id));
        if let Some(field) = names {
            value["additionalProperties"] = json!({ "description": field.doc });
        }
        value["items"] = json!({
            "type": ["string", "object"],
            "if": { "type": "object", "required": ["name"] },
            "then": { "$ref": "#/$defs/param-definition" },
        });
        value
    }

    fn param_definition(&self) -> Value {
        let item = self.fields.find("params[]").unwrap_or(ROOT);
        let mut out = Map::new();
        out.insert("description".into(), json!("The definition of one parameter."));
        out.insert("type".into(), json!("object"));
        self.members(item, true, &mut out);
        out.insert("required".into(), json!(["name"]));
        Value::Object(out)
    }

    fn types(&self, field: &Field) -> Option<Value> {
        let mut types: Vec<&str> = Vec::new();
        let mut add = |name: &'static str| {
            if !types.contains(&name) {
                types.push(name);
            }
        };
        for name in field.types.iter().chain(&field.also_accepts) {
            match name.as_str() {
                "any" => return None,
                "string" => add("string"),
                "boolean" => add("boolean"),
                "number" | "float" => add("number"),
                "null" => add("null"),
                "integer" if field.float.is_some() || field.is_input() => add("integer"),
                "integer" => add("number"),
                "object" => add("object"),
                "array" => add("array"),
                name if name.starts_with("array<") => add("array"),
                _ => add("object"),
            }
        }
        if types.contains(&"number") {
            types.retain(|name| *name != "integer");
        }
        if takes_null(field) && !types.contains(&"null") {
            types.push("null");
        }
        Some(if types.len() == 1 { json!(types[0]) } else { json!(types) })
    }

    fn list_rules(&self, id: NodeId, field: &Field, out: &mut Map<String, Value>) {
        if let Some(min) = field.min_items {
            out.insert("minItems".into(), json!(min));
        }
        let loose = !field.is_input();
        let shape = self.fields.shape(id);
        let item = self.fields.node(id).item.or(self.fields.node(shape).item);
        let items = if let Some(item) = item {
            if self.fields.field(item).is_none() {
                let mut object = Map::new();
                object.insert("type".into(), json!("object"));
                self.members(item, field.closed.unwrap_or(false), &mut object);
                Value::Object(object)
            } else {
                self.place(item)
            }
        } else if let Some(inner) = field.types.iter().find_map(|name| name.strip_prefix("array<")) {
            let inner = inner.trim_end_matches('>');
            let inner = match inner {
                "string" if field.path.starts_with("container") => {
                    return drop(
                        out.insert("items".into(), json!({ "type": ["string", "number", "boolean", "null"] })),
                    );
                }
                "integer" if loose => "number",
                inner => inner,
            };
            if field.null_items.unwrap_or(loose && inner != "object") {
                json!({ "type": [inner, "null"] })
            } else {
                json!({ "type": inner })
            }
        } else if field.types.iter().any(|name| name == "array") && !ANY_ITEMS.contains(&field.path.as_str()) {
            let any =
                field.also_accepts.iter().any(|name| name == "object") || field.types.iter().any(|t| t == "object");
            if any || field.name() == "values" || field.name() == "script_args" || field.name() == "enum" {
                return;
            }
            if loose {
                json!({ "type": ["string", "number", "boolean", "null"] })
            } else {
                json!({ "type": ["string", "number", "boolean"] })
            }
        } else {
            return;
        };
        out.insert("items".into(), items);
    }

    fn object_rules(&self, id: NodeId, field: &Field, out: &mut Map<String, Value>) {
        if field.types.iter().any(|name| name == "map<string>") && self.fields.node(id).free.is_none() {
            let null = takes_null(field);
            out.insert(
                "additionalProperties".into(),
                if null { json!({ "type": ["string", "null"] }) } else { json!({ "type": "string" }) },
            );
            return;
        }
        self.members(id, field.closed.unwrap_or(false), out);
    }

    fn members(&self, id: NodeId, closed: bool, out: &mut Map<String, Value>) {
        let node = self.fields.node(self.fields.shape(id));
        let mut properties = Map::new();
        let mut required = Vec::new();
        let mut modes: Vec<&str> = Vec::new();
        for &child in node.children.values() {
            modes.extend(self.fields.variants(child).filter_map(|field| field.mode.as_deref()));
        }
        modes.sort_unstable();
        modes.dedup();
        for key in &node.order {
            let child = node.children[key];
            if let Some(field) = self.fields.field(child) {
                if field.path.starts_with("action:") && action_of(&field.path).is_some() || field.removed.is_some() {
                    continue;
                }
                if field.required && modes.len() < 2 {
                    required.push(key.clone());
                }
            } else if key.starts_with("action:") {
                continue;
            }
            properties.insert(key.clone(), self.place(child));
        }
        if !properties.is_empty() {
            out.insert("properties".into(), Value::Object(properties));
        }
        if !required.is_empty() {
            out.insert("required".into(), json!(required));
        }
        if let Some(free) = node.free {
            let mut value = self.place(free);
            let field = self.fields.field(free);
            if let Some(field) = field
                && let Some(pattern) = &field.pattern
                && !VALUE_PATTERNS.contains(&field.path.as_str())
            {
                if let Value::Object(value) = &mut value {
                    value.remove("pattern");
                }
                out.insert("propertyNames".into(), json!({ "pattern": loosened(pattern, false, field.empty) }));
            }
            out.insert("additionalProperties".into(), value);
        } else if closed {
            out.insert("additionalProperties".into(), json!(false));
        }
    }
}

/// Null counts as absent outside action inputs, so a field that has to be there does not take it.
pub fn takes_null(field: &Field) -> bool {
    field.null.unwrap_or(!field.is_input() && !field.required)
}

fn describe(field: &Field, out: &mut Map<String, Value>) {
    out.insert("description".into(), json!(field.doc));
    if let Some(default) = &field.default {
        out.insert("default".into(), default.clone());
    }
    if field.deprecated.is_some() {
        out.insert("deprecated".into(), json!(true));
    }
}

fn text_rules(field: &Field, out: &mut Map<String, Value>) {
    let trim = field.trim == Some(true);
    if !field.choices.is_empty() {
        let mut choices = field.choices.clone();
        let lenient = field.enum_ci || trim || field.is_runtime_only() || !field.enum_also.is_empty();
        if field.empty && !lenient {
            choices.push(json!(""));
        }
        if takes_null(field) {
            choices.push(Value::Null);
        }
        let others = !matches!(field.types.as_slice(), [only] if only == "string") || !field.also_accepts.is_empty();
        if lenient || (others && field.choices.iter().all(Value::is_string)) {
            // The words are there for completion; the pattern judges.
            out.insert("anyOf".into(), json!([{ "enum": choices }, {}]));
            if !field.is_runtime_only() {
                out.insert("pattern".into(), json!(words_pattern(field, trim)));
            }
        } else {
            out.insert("enum".into(), Value::Array(choices));
        }
    }
    if field.is_runtime_only() {
        return;
    }
    let free_key = field.path.ends_with('>') && !VALUE_PATTERNS.contains(&field.path.as_str());
    if let Some(pattern) = &field.pattern
        && !free_key
    {
        out.insert("pattern".into(), json!(loosened(pattern, trim, field.empty)));
    } else if field.choices.is_empty() && field.min_len == Some(1) && !field.empty {
        if field.trim == Some(false) {
            out.insert("minLength".into(), json!(1));
        } else {
            out.insert("pattern".into(), json!("\\S"));
        }
    }
    if let Some(max) = field.max_len {
        out.insert(if trim || field.name() == "name" { "maxBytes" } else { "maxLength" }.into(), json!(max));
    }
    if let Some(format) = asserted_format(field) {
        out.insert("format".into(), json!(format));
    }
}

/// The format as the validators know it; `None` where it only tells what the text is.
pub fn asserted_format(field: &Field) -> Option<String> {
    let format = field.format.as_deref()?;
    if field.is_runtime_only()
        || TOLD_FORMATS.contains(&field.path.as_str())
        || matches!(format, "glob" | "jq" | "json-schema" | "go-template")
    {
        return None;
    }
    let mut name = String::new();
    if field.positive {
        name.push_str("positive-");
    }
    name.push_str(match format {
        "go-duration+d" => "go-duration-with-days",
        "rfc3339" => "rfc3339",
        "regex" => "re2",
        "url" => "http-url",
        other => other,
    });
    if field.empty {
        name.push_str("-or-empty");
    }
    Some(name)
}

fn number_rules(field: &Field, out: &mut Map<String, Value>) {
    if let Some(min) = field.min {
        out.insert("minimum".into(), number(min));
    }
    match field.max {
        Some(max) => drop(out.insert("maximum".into(), number(max))),
        // Above this the number wraps and becomes negative.
        None if field.min.is_some() && field.types.iter().any(|name| name == "integer") => {
            out.insert("maximum".into(), json!(i64::MAX));
        }
        None => {}
    }
    if field.float.as_deref() == Some("none") {
        out.insert("wholeNumber".into(), json!(true));
    }
}

fn number(value: f64) -> Value {
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}

/// `^…$` with room for spaces around, or for nothing at all.
fn loosened(pattern: &str, trim: bool, empty: bool) -> String {
    let inner = pattern.trim_start_matches('^').trim_end_matches('$');
    match (trim, empty) {
        (false, false) => pattern.to_owned(),
        (false, true) => format!("^(?:{inner})?$"),
        (true, false) => format!("^\\s*(?:{inner})\\s*$"),
        (true, true) => format!("^\\s*(?:{inner})?\\s*$"),
    }
}

/// The words of an enum as a pattern, in any letter case where that counts.
fn words_pattern(field: &Field, trim: bool) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in field.choices.iter().filter_map(Value::as_str).chain(field.enum_also.iter().map(String::as_str)) {
        let mut text = String::new();
        for c in word.chars() {
            if field.enum_ci && c.is_ascii_alphabetic() {
                text.push_str(&format!("[{}{}]", c.to_ascii_uppercase(), c.to_ascii_lowercase()));
            } else if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') {
                text.push(c);
            } else {
                text.push('\\');
                text.push(c);
            }
        }
        words.push(text);
    }
    loosened(&format!("^{}$", words.join("|")), trim, field.empty)
}
