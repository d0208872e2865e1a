//! Structured outputs: the map form of `output`, and `stdout.outputs`.
//!
//! Reading the form and publishing the values are apart, so that a checker can use the first without a run.

use serde_json::{Map, Value};

use crate::values::json_text;
use crate::values::path::Select;
use crate::values::problem::{Problem, Segment, below};
use crate::values::resolve::{Policy, resolve, resolve_json};
use crate::values::scope::Scope;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decode {
    /// Without the blanks around it.
    #[default]
    Text,
    Json,
    Yaml,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Stdout,
    Stderr,
    /// Path as written; relative to the step's directory once resolved.
    File(String),
}

/// How one published value comes to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Strings in it are resolved, everything else is kept.
    Literal(Value),
    Read {
        from: Source,
        decode: Decode,
        select: Option<Select>,
    },
}

/// The form of `stdout.outputs`.
#[derive(Debug, Clone, PartialEq)]
pub enum StdoutOutputs {
    /// One field.
    Field {
        field: String,
        decode: Decode,
        select: Option<Select>,
    },
    /// The keys of the decoded and selected object, each a field.
    Whole {
        decode: Decode,
        select: Option<Select>,
    },
    Fields(Vec<(String, Entry)>),
}

const WORDS: &[&str] = &["value", "from", "path", "decode", "select"];

/// Reads an `output` map into its entries, in order.
pub fn structured(map: &Map<String, Value>) -> (Vec<(String, Entry)>, Vec<Problem>) {
    let mut problems = Vec::new();
    let entries = map
        .iter()
        .filter_map(|(key, value)| {
            let mut reader =
                Reader { path: vec![Segment::from(key.as_str())], code: "output-invalid", problems: &mut problems };
            Some((key.clone(), reader.output(value)?))
        })
        .collect();
    (entries, problems)
}

/// Reads the value of `stdout.outputs`.
pub fn stdout_outputs(value: &Value) -> (Option<StdoutOutputs>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut reader = Reader { path: Vec::new(), code: "stdout-outputs-invalid", problems: &mut problems };
    let outputs = reader.stdout(value);
    (outputs, problems)
}

struct Reader<'a> {
    path: Vec<Segment>,
    code: &'static str,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn report(&mut self, key: &str, message: impl Into<String>) {
        let path = if key.is_empty() { self.path.clone() } else { below(&self.path, key) };
        self.problems.push(Problem::new(self.code, path, message));
    }

    fn report_key(&mut self, key: &str, message: impl Into<String>) {
        let problem = Problem::new(self.code, below(&self.path, key), message);
        self.problems.push(problem.at_key());
    }

    fn output(&mut self, value: &Value) -> Option<Entry> {
        let Value::Object(map) = value else { return Some(Entry::Literal(value.clone())) };
        if !map.keys().any(|key| WORDS.contains(&key.as_str())) {
            return Some(Entry::Literal(value.clone()));
        }
        let before = self.problems.len();
        self.known(map, WORDS);
        if let Some(value) = map.get("value") {
            for key in map.keys().filter(|key| *key != "value" && WORDS.contains(&key.as_str())) {
                self.report_key(key, format!("`{key}` does not go with `value`"));
            }
            return (self.problems.len() == before).then(|| Entry::Literal(value.clone()));
        }
        let path = map.get("path");
        let from = match map.get("from").map(|from| (from, from.as_str().map(str::trim))) {
            None => {
                let key = map.keys().find(|key| WORDS.contains(&key.as_str())).map_or("", String::as_str);
                self.report_key(key, format!("`{key}` needs a source: `from: stdout`, `stderr` or `file`"));
                return None;
            }
            Some((_, Some("stdout"))) => Source::Stdout,
            Some((_, Some("stderr"))) => Source::Stderr,
            Some((_, Some("file"))) => match path {
                Some(Value::String(path)) if !path.trim().is_empty() => Source::File(path.clone()),
                _ => {
                    self.report("from", "`from: file` needs a `path`");
                    return None;
                }
            },
            Some((other, _)) => {
                let message = format!("`from` must be stdout, stderr or file, not `{}`", json_text::plain(other));
                self.report("from", message);
                return None;
            }
        };
        if path.is_some() && !matches!(from, Source::File(_)) {
            self.report_key("path", "`path` goes with `from: file` only");
        }
        let decode = self.decode(map).unwrap_or_default();
        let select = self.select(map);
        if select.is_some() && decode == Decode::Text {
            self.report_key("select", "`select` needs `decode: json` or `decode: yaml`");
        }
        (self.problems.len() == before).then_some(Entry::Read { from, decode, select })
    }

    fn stdout(&mut self, value: &Value) -> Option<StdoutOutputs> {
        let map = match value {
            Value::String(field) if !field.trim().is_empty() => {
                return Some(StdoutOutputs::Field {
                    field: field.trim().to_owned(),
                    decode: Decode::Text,
                    select: None,
                });
            }
            Value::Object(map) if !map.is_empty() => map,
            other => {
                let message = format!("`outputs` must be a field name or a map, not `{}`", json_text::plain(other));
                self.report("", message);
                return None;
            }
        };
        let before = self.problems.len();
        self.known(map, &["field", "decode", "select", "fields"]);
        if let Some(fields) = map.get("fields") {
            if map.keys().any(|key| ["field", "decode", "select"].contains(&key.as_str())) {
                self.report_key("fields", "`fields` does not go with `field`, `decode` or `select`");
            }
            let entries = match fields {
                Value::Object(fields) if !fields.is_empty() => fields
                    .iter()
                    .filter_map(|(key, value)| {
                        let path = below(&below(&self.path, "fields"), key.as_str());
                        let mut reader = Reader { path, code: self.code, problems: self.problems };
                        Some((key.clone(), reader.field(value)?))
                    })
                    .collect(),
                _ => {
                    self.report("fields", "`fields` must be a map with at least one field");
                    Vec::new()
                }
            };
            return (self.problems.len() == before).then_some(StdoutOutputs::Fields(entries));
        }
        let select = self.select(map);
        // A path on its own can only mean JSON.
        let implied = if select.is_some() { Decode::Json } else { Decode::Text };
        let decode = self.decode(map);
        let field = match map.get("field") {
            None => None,
            Some(Value::String(field)) if !field.trim().is_empty() => Some(field.trim().to_owned()),
            Some(other) => {
                self.report("field", format!("`field` must be a name, not `{}`", json_text::plain(other)));
                None
            }
        };
        if decode == Some(Decode::Text) {
            if field.is_none() {
                self.report_key("decode", "`decode: text` needs a `field`");
            }
            if select.is_some() {
                self.report_key("select", "`select` needs `decode: json` or `decode: yaml`");
            }
        }
        if self.problems.len() > before {
            return None;
        }
        let decode = decode.unwrap_or(implied);
        Some(match field {
            Some(field) => StdoutOutputs::Field { field, decode, select },
            None => StdoutOutputs::Whole { decode, select },
        })
    }

    fn field(&mut self, value: &Value) -> Option<Entry> {
        let Value::Object(map) = value else { return Some(Entry::Literal(value.clone())) };
        let before = self.problems.len();
        self.known(map, &["value", "from", "decode", "select"]);
        if let Some(value) = map.get("value") {
            for key in ["from", "decode", "select"] {
                if map.contains_key(key) {
                    self.report_key(key, format!("`{key}` does not go with `value`"));
                }
            }
            return (self.problems.len() == before).then(|| Entry::Literal(value.clone()));
        }
        match map.get("from").map(|from| (from, from.as_str().map(str::trim))) {
            None | Some((_, Some("stdout"))) => {}
            Some((other, _)) => {
                let message = format!("here `from` can only be stdout, not `{}`", json_text::plain(other));
                self.report("from", message);
            }
        }
        let select = self.select(map);
        let decode = self.decode(map).unwrap_or(if select.is_some() { Decode::Json } else { Decode::Text });
        if select.is_some() && decode == Decode::Text {
            self.report_key("select", "`select` needs `decode: json` or `decode: yaml`");
        }
        (self.problems.len() == before).then_some(Entry::Read { from: Source::Stdout, decode, select })
    }

    fn known(&mut self, map: &Map<String, Value>, words: &[&str]) {
        for key in map.keys().filter(|key| !words.contains(&key.as_str())) {
            self.report_key(key, format!("unknown key `{key}`; expected {}", words.join(", ")));
        }
    }

    fn decode(&mut self, map: &Map<String, Value>) -> Option<Decode> {
        let value = map.get("decode")?;
        match value.as_str().map(str::trim) {
            Some("text" | "") => Some(Decode::Text),
            Some("json") => Some(Decode::Json),
            Some("yaml") => Some(Decode::Yaml),
            _ => {
                let message = format!("`decode` must be text, json or yaml, not `{}`", json_text::plain(value));
                self.report("decode", message);
                None
            }
        }
    }

    fn select(&mut self, map: &Map<String, Value>) -> Option<Select> {
        let value = map.get("select")?;
        let Value::String(text) = value else {
            self.report(
                "select",
                format!("`select` must be a path such as `.name`, not `{}`", json_text::plain(value)),
            );
            return None;
        };
        Select::parse(text).map_err(|message| self.report("select", message)).ok()
    }
}

/// Why values could not be published. Contents are never repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StructuredError {
    #[error("output `{name}`: the text is not valid {format}")]
    Decode { name: String, format: &'static str },
    #[error("stdout.outputs: stdout must be a JSON object when no field is named")]
    NotObject,
    #[error("output `{name}`: {reason}")]
    File { name: String, reason: String },
}

/// What a step wrote, for entries that read it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Streams<'a> {
    pub stdout: &'a [u8],
    pub stderr: &'a [u8],
}

/// Publishes an `output` map. `read_file` gets the resolved path and returns the bytes, or why it cannot.
///
/// # Errors
/// The first entry whose text does not decode or whose file cannot be had.
pub fn publish(
    entries: &[(String, Entry)],
    streams: Streams<'_>,
    scope: &dyn Scope,
    read_file: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
) -> Result<Map<String, Value>, StructuredError> {
    let mut published = Map::new();
    for (name, entry) in entries {
        let value = match entry {
            Entry::Literal(value) => resolve_json(value, Policy::Plain, scope),
            Entry::Read { from, decode, select } => {
                let bytes = match from {
                    Source::Stdout => streams.stdout.to_vec(),
                    Source::Stderr => streams.stderr.to_vec(),
                    Source::File(path) => read_file(&resolve(path, Policy::Plain, scope))
                        .map_err(|reason| StructuredError::File { name: name.clone(), reason })?,
                };
                read(name, &bytes, *decode, select.as_ref())?
            }
        };
        published.insert(name.clone(), value);
    }
    Ok(published)
}

/// Publishes `stdout.outputs`.
///
/// # Errors
/// A stdout that does not decode, or is no object where no field is named.
pub fn publish_stdout(
    outputs: &StdoutOutputs,
    stdout: &[u8],
    scope: &dyn Scope,
) -> Result<Map<String, Value>, StructuredError> {
    match outputs {
        StdoutOutputs::Field { field, decode, select } => {
            let value = read(field, stdout, *decode, select.as_ref())?;
            Ok(Map::from_iter([(field.clone(), value)]))
        }
        StdoutOutputs::Whole { decode, select } => {
            let decode = if *decode == Decode::Yaml { Decode::Yaml } else { Decode::Json };
            match read("stdout", stdout, decode, select.as_ref()) {
                Ok(Value::Object(map)) => Ok(map),
                _ => Err(StructuredError::NotObject),
            }
        }
        StdoutOutputs::Fields(entries) => {
            let no_file = &mut |_: &str| Err("stdout.outputs reads no files".to_owned());
            publish(entries, Streams { stdout, stderr: &[] }, scope, no_file)
        }
    }
}

fn read(name: &str, bytes: &[u8], decode: Decode, select: Option<&Select>) -> Result<Value, StructuredError> {
    let fail = |format| StructuredError::Decode { name: name.to_owned(), format };
    let value = match decode {
        Decode::Text => Value::from(super::captured_value(bytes)),
        Decode::Json => serde_json::from_slice(bytes).map_err(|_| fail("JSON"))?,
        Decode::Yaml => serde_yaml::from_slice(bytes).map_err(|_| fail("YAML"))?,
    };
    Ok(match select {
        Some(select) => select.apply(&value),
        None => value,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::values::params::ParamValues;
    use crate::values::scope::{LayerKind, RunScope};

    fn scope() -> RunScope {
        let mut scope = RunScope::default();
        scope.set(LayerKind::Env, "A", "x");
        scope.set_params(ParamValues { entries: vec![("p".to_owned(), "pv".to_owned())], payload: None });
        scope
    }

    fn out(map: Value, stdout: &str) -> Result<Value, StructuredError> {
        let (entries, problems) = structured(map.as_object().expect("a map"));
        assert_eq!(problems, [], "{map}");
        let streams = Streams { stdout: stdout.as_bytes(), stderr: b" err \n" };
        let mut files = |path: &str| match path {
            "pv.yaml" => Ok(b"k: [1, {z: 2}]".to_vec()),
            other => Err(format!("cannot read `{other}`")),
        };
        publish(&entries, streams, &scope(), &mut files).map(Value::Object)
    }

    #[test]
    fn literals_keep_their_types_and_strings_are_resolved() {
        let map = json!({"k": "v-${params.p} ${A} ${A:-z}", "n": 3, "l": [1, "${params.p}"], "m": {"trim": true}, "v": {"value": {"value": "$A"}}});
        assert_eq!(
            out(map, ""),
            Ok(json!({"k": "v-pv x ${A:-z}", "n": 3, "l": [1, "pv"], "m": {"trim": true}, "v": {"value": "x"}}))
        );
    }

    #[test]
    fn streams_and_files() {
        let map = json!({
            "all": {"from": "stdout"}, "err": {"from": "stderr"}, "one": {"from": "stdout", "decode": "json", "select": ".a"},
            "none": {"from": "stdout", "decode": "json", "select": ".x.y"},
            "f": {"from": "file", "path": "${params.p}.yaml", "decode": "yaml", "select": ".k[1]"},
        });
        let stdout = " {\"a\": [1]}\n";
        assert_eq!(
            out(map, stdout),
            Ok(json!({"all": "{\"a\": [1]}", "err": "err", "one": [1], "none": null, "f": {"z": 2}}))
        );
        let error = out(json!({"j": {"from": "stdout", "decode": "json"}}), "s3cr3t").expect_err("no JSON");
        assert_eq!(error.to_string(), "output `j`: the text is not valid JSON");
        let error = out(json!({"j": {"from": "file", "path": "x"}}), "").expect_err("no file");
        assert_eq!(error.to_string(), "output `j`: cannot read `x`");
    }

    #[test]
    fn entries_that_are_refused() {
        for (entry, path, at_key) in [
            (json!({"decode": "json"}), "v.decode", true),
            (json!({"from": "env"}), "v.from", false),
            (json!({"from": "stdout", "path": "f"}), "v.path", true),
            (json!({"from": "stdout", "select": ".a"}), "v.select", true),
            (json!({"from": "file"}), "v.from", false),
            (json!({"value": 1, "from": "stdout"}), "v.from", true),
            (json!({"from": "stdout", "trim": true}), "v.trim", true),
            (json!({"from": "stdout", "decode": "xml"}), "v.decode", false),
            (json!({"from": "stdout", "decode": "json", "select": "a"}), "v.select", false),
        ] {
            let (entries, problems) = structured(json!({"v": entry}).as_object().expect("a map"));
            let found: Vec<_> = problems
                .iter()
                .map(|p| (crate::syntax::Path(p.path.clone()).to_string(), p.at == crate::values::At::Key))
                .collect();
            assert_eq!(found, [(path.to_owned(), at_key)], "{entry}");
            assert_eq!(entries, []);
        }
    }

    fn stdout(value: Value, text: &str) -> Result<Value, StructuredError> {
        let (outputs, problems) = stdout_outputs(&value);
        assert_eq!(problems, [], "{value}");
        publish_stdout(&outputs.expect("a form"), text.as_bytes(), &scope()).map(Value::Object)
    }

    #[test]
    fn stdout_as_outputs() {
        assert_eq!(stdout(json!("txt"), "  hi  \n"), Ok(json!({"txt": "hi"})));
        let nested = "{\"k\":[1,{\"z\":2}]}\n";
        assert_eq!(
            stdout(json!({"field": "j", "decode": "json", "select": ".k[1]"}), nested),
            Ok(json!({"j": {"z": 2}}))
        );
        assert_eq!(stdout(json!({"field": "j", "select": ".k[0]"}), nested), Ok(json!({"j": 1})));
        assert_eq!(stdout(json!({"select": ".k[1]"}), nested), Ok(json!({"z": 2})));
        let fields = json!({"fields": {"lit": "L1", "sel": {"decode": "json", "select": ".a"}, "v": {"value": 3}, "y": {"from": " stdout ", "decode": ""}}});
        assert_eq!(
            stdout(fields, "{\"a\":\"b\"}\n"),
            Ok(json!({"lit": "L1", "sel": "b", "v": 3, "y": "{\"a\":\"b\"}"}))
        );
        assert_eq!(stdout(json!({"decode": "yaml"}), "s: b\n"), Ok(json!({"s": "b"})));
        assert_eq!(stdout(json!({"decode": "json"}), "notjson"), Err(StructuredError::NotObject));
        assert_eq!(stdout(json!({"decode": "json"}), "[1]"), Err(StructuredError::NotObject));
    }

    #[test]
    fn stdout_forms_that_are_refused() {
        for value in [
            json!({"fields": {}}),
            json!({"field": "v", "fields": {"a": {"decode": "text"}}}),
            json!({"decode": "text"}),
            json!({"field": "v", "decode": "text", "select": ".a"}),
            json!({"field": ""}),
            json!({"other": 1}),
            json!({}),
            json!(""),
            json!(5),
            json!({"fields": {"a": {"value": 1, "decode": "json"}}}),
            json!({"fields": {"a": {"trim": true}}}),
            json!({"fields": {"a": {"from": "stderr"}}}),
        ] {
            let (outputs, problems) = stdout_outputs(&value);
            assert_eq!((outputs, problems.len()), (None, 1), "{value}: {problems:?}");
        }
    }
}
