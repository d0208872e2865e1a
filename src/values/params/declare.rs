//! The forms in which a document declares parameters.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::definition::Definition;
use super::schema::SchemaForm;
use super::{is_param_name, split};
use crate::values::json_text;
use crate::values::problem::{Problem, Segment, below};

/// What a document declares.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// In order of declaration. Empty with a schema.
    pub params: Vec<Param>,
    pub schema: Option<SchemaForm>,
}

/// One declared parameter.
#[derive(Debug, Clone)]
pub struct Param {
    /// `None` for a positional one.
    pub name: Option<String>,
    pub default: Option<String>,
    /// Present when declared with `name:`.
    pub definition: Option<Definition>,
    /// Where it stands below `params`.
    pub path: Vec<Segment>,
}

impl Declared {
    /// The names, in order.
    pub fn names(&self) -> Vec<&str> {
        match &self.schema {
            Some(schema) => {
                let mut names: Vec<&str> = schema.names().collect();
                for name in schema.values.keys() {
                    if !names.contains(&name.as_str()) {
                        names.push(name);
                    }
                }
                names
            }
            None => self.params.iter().filter_map(|param| param.name.as_deref()).collect(),
        }
    }

    /// Values known without a run: defaults, by name.
    pub fn defaults(&self) -> Vec<(String, String)> {
        match &self.schema {
            Some(schema) => {
                let defaults = schema.defaults();
                defaults.iter().map(|(name, value)| (name.clone(), schema.text(name, value))).collect()
            }
            None => {
                self.params.iter().filter_map(|param| Some((param.name.clone()?, param.default.clone()?))).collect()
            }
        }
    }

    /// True when positions fill the declarations in their order.
    pub(super) fn is_rich(&self) -> bool {
        self.params.iter().any(|param| param.definition.is_some())
    }
}

/// Reads the value of `params`. `read` gets the file or address of an external schema and returns its text, or why it
/// cannot be had. Problems have paths below `params`.
pub fn declare(value: &Value, read: &mut dyn FnMut(&str) -> Result<String, String>) -> (Declared, Vec<Problem>) {
    let mut reader = Reader { declared: Declared::default(), problems: Vec::new(), names: HashSet::new() };
    match value {
        Value::Null => {}
        Value::String(text) => reader.text(text, &[]),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                reader.item(item, &[Segment::from(i)]);
            }
        }
        Value::Object(map) => reader.map(map, read),
        other => reader.problem(
            "param-form-invalid",
            Vec::new(),
            format!("`params` must be text, a list or a map, not `{}`", json_text::plain(other)),
        ),
    }
    (reader.declared, reader.problems)
}

pub(super) fn bad_name(name: &str, path: Vec<Segment>) -> Problem {
    let message =
        format!("`{name}` is no name for one of the `params`: a letter comes first, then letters, digits and `_`");
    Problem::new("param-name-invalid", path, message)
}

struct Reader {
    declared: Declared,
    problems: Vec<Problem>,
    names: HashSet<String>,
}

impl Reader {
    fn problem(&mut self, code: &'static str, path: Vec<Segment>, message: impl Into<String>) {
        self.problems.push(Problem::new(code, path, message));
    }

    fn text(&mut self, text: &str, path: &[Segment]) {
        let words = match split::json(text) {
            Some(value) => split::json_words(&value).into_iter().map(|(word, _)| word).collect(),
            None => split::words(text),
        };
        for word in words {
            self.add(word.name, Some(word.text), None, path.to_vec(), false);
        }
    }

    fn item(&mut self, item: &Value, path: &[Segment]) {
        match item {
            Value::String(text) => self.text(text, path),
            Value::Object(map) if map.contains_key("name") => self.definition(map, path),
            Value::Object(map) => {
                for (name, value) in map {
                    let here = below(path, name.as_str());
                    if value.is_object() {
                        let problem = Problem::new(
                            "param-form-invalid",
                            here,
                            format!("`{name}` has a map as value, which is no way to define a parameter"),
                        );
                        self.problems.push(
                            problem.at_key().help(format!("write `- name: {name}` and put the fields beside it")),
                        );
                        continue;
                    }
                    self.add(Some(name.clone()), Some(json_text::plain(value)), None, here, true);
                }
            }
            other => self.problem(
                "param-form-invalid",
                path.to_vec(),
                format!("an entry of `params` must be text or a map, not `{}`", json_text::plain(other)),
            ),
        }
    }

    fn definition(&mut self, map: &Map<String, Value>, path: &[Segment]) {
        let name = match &map["name"] {
            Value::String(name) => name.clone(),
            other => {
                let message = format!("the name of a parameter must be text, not `{}`", json_text::plain(other));
                return self.problem("param-definition-invalid", below(path, "name"), message);
            }
        };
        if map.len() == 1 {
            let problem = Problem::new(
                "param-definition-invalid",
                below(path, "name"),
                format!("the parameter `{name}` has nothing but a name"),
            );
            self.problems.push(problem.at_key().help("add a field such as `type: string`"));
            return;
        }
        let (definition, default) = Definition::read(map, path, &mut self.problems);
        self.add(Some(name), default, Some(definition), below(path, "name"), false);
    }

    fn add(
        &mut self,
        name: Option<String>,
        default: Option<String>,
        definition: Option<Definition>,
        path: Vec<Segment>,
        at_key: bool,
    ) {
        // An empty name is no name.
        let name = name.filter(|name| !name.is_empty() || definition.is_some());
        if let Some(name) = &name {
            let problem = if !is_param_name(name) {
                Some(bad_name(name, path.clone()))
            } else if !self.names.insert(name.clone()) {
                let message = format!("`{name}` stands twice in `params`");
                Some(Problem::new("param-duplicate", path.clone(), message))
            } else {
                None
            };
            if let Some(problem) = problem {
                self.problems.push(if at_key { problem.at_key() } else { problem });
                return;
            }
        }
        self.declared.params.push(Param { name, default, definition, path });
    }

    fn map(&mut self, map: &Map<String, Value>, read: &mut dyn FnMut(&str) -> Result<String, String>) {
        if map.get("type").and_then(Value::as_str) == Some("object") && map.contains_key("properties") {
            if !map["properties"].is_object() {
                return self.problem("param-form-invalid", vec!["properties".into()], "`properties` must be a map");
            }
            let mut schema = map.clone();
            schema.retain(|key, value| key != "required" || !value.is_null());
            return self.schema(SchemaForm { schema: Value::Object(schema), values: Map::new(), inline: true });
        }
        if let Some(schema) = external(map) {
            return self.external(map, schema, read);
        }
        let mut entries: Vec<_> = map.iter().collect();
        entries.sort_by_key(|&(name, _)| name);
        for (name, value) in entries {
            self.add(Some(name.clone()), Some(json_text::plain(value)), None, vec![name.as_str().into()], true);
        }
    }

    fn external(
        &mut self,
        map: &Map<String, Value>,
        schema: &Value,
        read: &mut dyn FnMut(&str) -> Result<String, String>,
    ) {
        let at = || vec![Segment::from("schema")];
        let schema = match schema {
            Value::String(place) => {
                let text = match read(place) {
                    Ok(text) => text,
                    Err(reason) => {
                        let message = format!("the schema `{place}` cannot be read: {reason}");
                        return self.problem("param-schema-unreadable", at(), message);
                    }
                };
                match serde_json::from_str(&text) {
                    Ok(schema) => schema,
                    Err(error) => {
                        let message = format!("the schema `{place}` is no JSON: {error}");
                        return self.problem("param-schema-violation", at(), message);
                    }
                }
            }
            other => other.clone(),
        };
        let values = match map.get("values") {
            Some(Value::Object(values)) => values.clone(),
            // A list gives no values, as in Dagu.
            None | Some(Value::Null | Value::Array(_)) => Map::new(),
            Some(Value::String(text)) if text.is_empty() => Map::new(),
            Some(other) => {
                let message = format!("`values` must be a map, not `{}`", json_text::plain(other));
                return self.problem("param-form-invalid", vec!["values".into()], message);
            }
        };
        for name in values.keys().filter(|name| !is_param_name(name)) {
            self.problems.push(bad_name(name, vec!["values".into(), name.as_str().into()]).at_key());
        }
        self.schema(SchemaForm { schema, values, inline: false });
    }

    fn schema(&mut self, form: SchemaForm) {
        self.problems.extend(form.problems());
        self.declared.schema = Some(form);
    }
}

/// The `schema` of `{schema: …, values: …}`, where the map is that form and not a list of parameters.
fn external(map: &Map<String, Value>) -> Option<&Value> {
    let schema = map.get("schema")?;
    if map.keys().any(|key| key != "schema" && key != "values") {
        return None;
    }
    let with_values = map.contains_key("values");
    let is_schema = match schema {
        Value::Object(_) => true,
        Value::String(text) => with_values || text.contains(['/', '\\', '.']) || text.contains("://"),
        Value::Bool(_) => with_values,
        _ => false,
    };
    is_schema.then_some(schema)
}
