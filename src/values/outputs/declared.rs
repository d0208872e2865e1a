//! Declared outputs: the `outputs` list of a step, and the file its commands append records to.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::values::json_text;
use crate::values::problem::{Problem, Segment, below};
use crate::values::reference::{is_env_name, is_name};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputKind {
    #[default]
    String,
    /// The text must be JSON; it is handed on unchanged.
    Json,
}

/// One entry of `outputs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredOutput {
    pub name: String,
    pub kind: OutputKind,
    /// File of a build step; such an output is not read from the record file.
    pub path: Option<String>,
}

fn report(problems: &mut Vec<Problem>, path: Vec<Segment>, message: impl Into<String>) {
    problems.push(Problem::new("outputs-invalid", path, message));
}

/// Reads the `outputs` of a step. `has_id` says whether the step has an id of its own, which references need.
pub fn declared(value: &Value, has_id: bool) -> (Vec<DeclaredOutput>, Vec<Problem>) {
    let mut outputs: Vec<DeclaredOutput> = Vec::new();
    let mut problems = Vec::new();
    let items = match value {
        Value::Array(items) if !items.is_empty() => items,
        _ => {
            let message = "`outputs` must be a non-empty sequence of `- name: …`";
            return (outputs, vec![Problem::new("outputs-invalid", Vec::new(), message).at_key()]);
        }
    };
    if !has_id {
        let problem = Problem::new("outputs-need-id", Vec::new(), "a step with `outputs` must define id");
        problems.push(problem.at_key().help("add an `id`; references are written `${steps.ID.outputs.NAME}`"));
    }
    for (i, item) in items.iter().enumerate() {
        let path = vec![Segment::from(i)];
        let Value::Object(map) = item else {
            report(
                &mut problems,
                path,
                format!("an entry of `outputs` must be a map with a `name`, not `{}`", json_text::plain(item)),
            );
            continue;
        };
        for key in map.keys().filter(|key| !["name", "type", "path"].contains(&key.as_str())) {
            report(
                &mut problems,
                below(&path, key.as_str()),
                format!("unknown field `{key}` in `outputs`; expected name, type or path"),
            );
        }
        let kind = match map.get("type") {
            None => OutputKind::String,
            Some(Value::String(kind)) if matches!(kind.trim(), "string" | "") => OutputKind::String,
            Some(Value::String(kind)) if kind.trim() == "json" => OutputKind::Json,
            Some(other) => {
                let message = format!("the type must be string or json, not `{}`", json_text::plain(other));
                report(&mut problems, below(&path, "type"), message);
                OutputKind::String
            }
        };
        let file = match map.get("path") {
            None => None,
            Some(Value::String(file)) => Some(file.clone()),
            Some(other) => {
                report(
                    &mut problems,
                    below(&path, "path"),
                    format!("the path must be text, not `{}`", json_text::plain(other)),
                );
                None
            }
        };
        if file.is_some() && map.contains_key("type") {
            let problem = Problem::new("outputs-invalid", below(&path, "type"), "`type` and `path` exclude each other");
            problems.push(problem.at_key());
        }
        match map.get("name") {
            None | Some(Value::Null) => report(&mut problems, path, "an output's name is required".to_owned()),
            Some(Value::String(name)) if is_name(name) => {
                if outputs.iter().any(|output| output.name == *name) {
                    report(&mut problems, below(&path, "name"), format!("duplicate output name `{name}`"));
                } else {
                    outputs.push(DeclaredOutput { name: name.clone(), kind, path: file });
                }
            }
            Some(other) => {
                let name = json_text::plain(other);
                let message = format!("the output name must match `^[A-Za-z][A-Za-z0-9_]*$`, `{name}` does not");
                report(&mut problems, below(&path, "name"), message);
            }
        }
    }
    (outputs, problems)
}

/// What is wrong with an output file. Values are never repeated, they may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutputsError {
    #[error("the output file is {got} bytes, which exceeded maximum size limit of {limit} bytes")]
    TooLarge { got: u64, limit: u64 },
    #[error("the output file is not UTF-8")]
    NotUtf8,
    #[error("output file line {0}: empty line")]
    EmptyLine(usize),
    #[error("output file line {0}: expected `name=value` or `name<<DELIMITER`")]
    Malformed(usize),
    #[error("output file line {0}: the name is empty")]
    NoName(usize),
    #[error("output file line {line}: invalid delimiter of `{name}`: letters, digits and `_`, no digit first")]
    Delimiter { line: usize, name: String },
    #[error("output file line {line}: the block of `{name}` is not closed")]
    Unclosed { line: usize, name: String },
    #[error("output file line {line}: undeclared step output `{name}`")]
    Undeclared { line: usize, name: String },
    #[error("output file line {line}: duplicate step output `{name}`")]
    Duplicate { line: usize, name: String },
    #[error("output file line {line}: step output `{name}` is not valid JSON")]
    NotJson { line: usize, name: String },
    #[error("declared step output not emitted: {}", .0.join(", "))]
    Missing(Vec<String>),
}

/// Reads the records of an output file after its commands succeeded, checked against what is declared. Nothing is
/// trimmed but one final line break.
///
/// # Errors
/// The first violation, by line; then the declared names without a record.
pub fn read_records(
    bytes: &[u8],
    outputs: &[DeclaredOutput],
    limit: u64,
) -> Result<BTreeMap<String, String>, OutputsError> {
    if bytes.len() as u64 > limit {
        return Err(OutputsError::TooLarge { got: bytes.len() as u64, limit });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| OutputsError::NotUtf8)?;
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut records = BTreeMap::new();
    if !text.is_empty() {
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let mut lines = text.split('\n').enumerate().map(|(i, line)| (i + 1, line));
        while let Some((line, record)) = lines.next() {
            let (name, value) = read_record(line, record, &mut lines)?;
            let Some(output) = outputs.iter().find(|output| output.name == name && output.path.is_none()) else {
                return Err(OutputsError::Undeclared { line, name: name.to_owned() });
            };
            if output.kind == OutputKind::Json && serde_json::from_str::<serde::de::IgnoredAny>(&value).is_err() {
                return Err(OutputsError::NotJson { line, name: name.to_owned() });
            }
            if records.insert(name.to_owned(), value).is_some() {
                return Err(OutputsError::Duplicate { line, name: name.to_owned() });
            }
        }
    }
    let missing: Vec<String> = outputs
        .iter()
        .filter(|output| output.path.is_none() && !records.contains_key(&output.name))
        .map(|output| output.name.clone())
        .collect();
    if missing.is_empty() { Ok(records) } else { Err(OutputsError::Missing(missing)) }
}

fn read_record<'a>(
    line: usize,
    record: &'a str,
    lines: &mut impl Iterator<Item = (usize, &'a str)>,
) -> Result<(&'a str, String), OutputsError> {
    if record.is_empty() {
        return Err(OutputsError::EmptyLine(line));
    }
    let equals = record.find('=');
    let block = record.find("<<").filter(|&block| equals.is_none_or(|equals| block < equals));
    let (name, rest) = match (block, equals) {
        (Some(at), _) => (&record[..at], &record[at + 2..]),
        (None, Some(at)) => (&record[..at], &record[at + 1..]),
        (None, None) => return Err(OutputsError::Malformed(line)),
    };
    if name.is_empty() {
        return Err(OutputsError::NoName(line));
    }
    if block.is_none() {
        return Ok((name, rest.to_owned()));
    }
    if !is_env_name(rest) {
        return Err(OutputsError::Delimiter { line, name: name.to_owned() });
    }
    let mut value = Vec::new();
    for (_, inner) in lines {
        if inner == rest {
            return Ok((name, value.join("\n")));
        }
        value.push(inner);
    }
    Err(OutputsError::Unclosed { line, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(file: &str, names: &[&str]) -> Result<Vec<(String, String)>, String> {
        let kind = |name: &str| if name.starts_with('j') { OutputKind::Json } else { OutputKind::String };
        let outputs: Vec<_> =
            names.iter().map(|&name| DeclaredOutput { name: name.to_owned(), kind: kind(name), path: None }).collect();
        let records = read_records(file.as_bytes(), &outputs, 1000).map_err(|error| error.to_string())?;
        Ok(records.into_iter().collect())
    }

    #[test]
    fn records_of_one_line_and_of_several() {
        for (file, name, value) in [
            ("v=1", "v", "1"),
            ("v= a=b \n", "v", " a=b "),
            ("v=\n", "v", ""),
            ("v=a<<b\n", "v", "a<<b"),
            ("v<<X\na\r\n\nb\rX\n", "v", "a\n\nb"),
            ("v<<X\nX\n", "v", ""),
            ("v<<X\n\nX", "v", ""),
            ("v<<X\n X\nX\n", "v", " X"),
            ("j={\"a\": 1}\n", "j", "{\"a\": 1}"),
        ] {
            assert_eq!(read(file, &[name]), Ok(vec![(name.to_owned(), value.to_owned())]), "{file:?}");
        }
        assert_eq!(read("", &[]), Ok(vec![]));
    }

    #[test]
    fn violations() {
        for (file, names, error) in [
            ("v = 1\n", &["v"][..], "undeclared step output `v `"),
            ("v=1\n\n", &["v"], "line 2: empty line"),
            ("\n", &[], "line 1: empty line"),
            ("hello\n", &["v"], "expected `name=value`"),
            ("=x\n", &["v"], "the name is empty"),
            ("<<X\nX\n", &["v"], "the name is empty"),
            ("v<<X\nabc\n", &["v"], "not closed"),
            ("v<<1X\na\n1X\n", &["v"], "invalid delimiter"),
            ("v<<\n\n", &["v"], "invalid delimiter"),
            ("j={bad\n", &["j"], "`j` is not valid JSON"),
            ("v=1\nw=2\n", &["v"], "line 2: undeclared step output `w`"),
            ("v=1\nv=2\n", &["v"], "duplicate step output `v`"),
            ("v=1\n", &["v", "w", "x"], "not emitted: w, x"),
            ("", &["v"], "not emitted: v"),
        ] {
            let found = read(file, names).expect_err(file);
            assert!(found.contains(error), "{file:?}: {found}");
        }
        assert_eq!(read_records(b"v=\xff\n", &[], 9), Err(OutputsError::NotUtf8));
        let large = read_records(b"v=12345678", &[], 9).expect_err("too large").to_string();
        assert!(large.contains("exceeded maximum size limit of 9 bytes"), "{large}");
    }

    #[test]
    fn the_list_of_a_step() {
        let (outputs, problems) =
            declared(&json!([{"name": "a"}, {"name": "b", "type": "json"}, {"name": "c", "path": "bin"}]), true);
        assert_eq!(problems, []);
        assert_eq!((outputs[1].kind, outputs[2].path.as_deref()), (OutputKind::Json, Some("bin")));
        for (value, has_id, words) in [
            (json!([]), true, "non-empty sequence"),
            (json!(null), true, "non-empty sequence"),
            (json!([{"name": "x"}]), false, "must define id"),
            (json!([{"type": "json"}]), true, "name is required"),
            (json!([{"name": "_x"}]), true, "name must match"),
            (json!([{"name": "x"}, {"name": "x"}]), true, "duplicate output name"),
            (json!([{"name": "x", "kind": 1}]), true, "unknown field"),
            (json!([{"name": "x", "type": "number"}]), true, "type must be"),
            (json!([{"name": "x", "type": "json", "path": "p"}]), true, "exclude"),
        ] {
            let (_, problems) = declared(&value, has_id);
            assert_eq!(problems.len(), 1, "{value}: {problems:?}");
            assert!(problems[0].message.contains(words), "{value}: {}", problems[0].message);
        }
    }
}
