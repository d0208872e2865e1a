//! `state.*`: values that outlive a run, by scope, namespace and key.
//!
//! One JSON file a namespace, below the state directory. Runs that work on one namespace at the same time take turns at
//! a lock file; a reader never sees half a file.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::runner::attempt::{Attempt, Done};
use crate::runner::failure::Failure;
use crate::runner::paths::{make_dir, safe_name, write_atomically};
use crate::values::json_text;

/// Actions of this file.
pub(super) const NAMES: [&str; 5] = ["state.get", "state.set", "state.delete", "state.list", "state.diff"];

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    /// From 1; grows with each change.
    version: u64,
    value: Value,
}

type Namespace = BTreeMap<String, Stored>;

/// Runs the action on the resolved `with`.
pub(super) async fn run(attempt: &mut Attempt<'_>, name: &str, with: &Map<String, Value>) -> Result<Done, Failure> {
    let place = place(attempt, with).map_err(|error| Failure::plain(format!("{name}: {error}")))?;
    let (verb, with) = (name.trim_start_matches("state.").to_owned(), with.clone());
    // A lock may be held by another run: waiting for it must not hold up this one's other steps.
    let done = tokio::task::spawn_blocking(move || act(&place, &verb, &with)).await;
    let done = done.unwrap_or_else(|error| Err(format!("the action was lost: {error}")));
    let line = done.map_err(|error| Failure::plain(format!("{name}: {error}")))?;
    attempt.print(&format!("{line}\n"))?;
    Ok(Done::default())
}

struct Place {
    scope: String,
    namespace: String,
    file: PathBuf,
}

fn place(attempt: &Attempt<'_>, with: &Map<String, Value>) -> Result<Place, String> {
    let text = |key: &str| with.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let scope = text("scope").unwrap_or("dag");
    let cx = attempt.cx;
    let namespace = match (scope, text("namespace")) {
        (_, Some(namespace)) => namespace.to_owned(),
        ("dag", None) => cx.plan.dag.name.clone(),
        ("root_dag", None) => {
            let root = cx.options.lineage.as_ref().map(|lineage| lineage.root_name.clone());
            root.unwrap_or_else(|| cx.plan.dag.name.clone())
        }
        ("global", None) => "_".to_owned(),
        ("custom", None) => return Err("`scope: custom` needs a `namespace`".to_owned()),
        (other, None) => {
            return Err(format!("`{other}` is no scope; expected `dag`, `root_dag`, `global` or `custom`"));
        }
    };
    // The hash keeps apart what the readable part does not.
    let digest = hex::encode(&Sha256::digest(namespace.as_bytes())[..4]);
    let file = format!("{}-{digest}.json", safe_name(&namespace));
    let file = cx.options.state_dir.join("data/state").join(safe_name(scope)).join(file);
    Ok(Place { scope: scope.to_owned(), namespace, file })
}

fn act(place: &Place, verb: &str, with: &Map<String, Value>) -> Result<Value, String> {
    let _lock = lock(&place.file)?;
    let mut stored = read(&place.file)?;
    let key = with.get("key").map(json_text::plain).unwrap_or_default();
    if key.is_empty() && verb != "list" {
        return Err("`key` is missing".to_owned());
    }
    let mut report = Map::new();
    report.insert("operation".to_owned(), Value::from(verb));
    report.insert("scope".to_owned(), Value::from(place.scope.as_str()));
    report.insert("namespace".to_owned(), Value::from(place.namespace.as_str()));
    if verb != "list" {
        report.insert("key".to_owned(), Value::from(key.as_str()));
    }
    let more = match verb {
        "get" => get(&stored, &key, with)?,
        "list" => list(&stored, with),
        "set" => {
            let more = set(&mut stored, &key, with)?;
            write(&place.file, &stored)?;
            more
        }
        "delete" => {
            check_version(stored.get(&key), with)?;
            let deleted = stored.remove(&key).is_some();
            write(&place.file, &stored)?;
            json!({"deleted": deleted})
        }
        _ => {
            let more = diff(&mut stored, &key, with);
            write(&place.file, &stored)?;
            more
        }
    };
    report.extend(more.as_object().cloned().unwrap_or_default());
    Ok(Value::Object(report))
}

fn get(stored: &Namespace, key: &str, with: &Map<String, Value>) -> Result<Value, String> {
    match (stored.get(key), with.get("default")) {
        (Some(found), _) => {
            Ok(json!({"found": true, "version": found.version, "hash": hash(&found.value), "value": found.value}))
        }
        (None, _) if with.get("required") == Some(&Value::Bool(true)) => Err(format!("there is no `{key}`")),
        (None, Some(default)) => Ok(json!({"found": false, "value": default})),
        (None, None) => Ok(json!({"found": false})),
    }
}

fn set(stored: &mut Namespace, key: &str, with: &Map<String, Value>) -> Result<Value, String> {
    let before = stored.get(key);
    check_version(before, with)?;
    if before.is_some() && with.get("create_only") == Some(&Value::Bool(true)) {
        return Err(format!("conflict: `{key}` exists, and `create_only` is set"));
    }
    let created = before.is_none();
    let version = before.map_or(0, |before| before.version) + 1;
    let value = with.get("value").cloned().unwrap_or_default();
    let report = json!({"version": version, "hash": hash(&value), "created": created});
    stored.insert(key.to_owned(), Stored { version, value });
    Ok(report)
}

/// Compares with what is stored, and stores the new value unless `update: false`.
fn diff(stored: &mut Namespace, key: &str, with: &Map<String, Value>) -> Value {
    let current = with.get("value").cloned().unwrap_or_default();
    let before = stored.get(key).cloned();
    let changed = before.as_ref().is_none_or(|before| before.value != current);
    let previous_version = before.as_ref().map_or(0, |before| before.version);
    let update = with.get("update") != Some(&Value::Bool(false));
    let version = if changed && update { previous_version + 1 } else { previous_version };
    let mut report = json!({"changed": changed, "foundPrevious": before.is_some()});
    if let Some(before) = &before {
        report["previousVersion"] = Value::from(before.version);
    }
    report["version"] = Value::from(version);
    report["hash"] = Value::from(hash(&current));
    if let Some(before) = before {
        report["previous"] = before.value;
    }
    report["current"] = current.clone();
    if changed && update {
        stored.insert(key.to_owned(), Stored { version, value: current });
    }
    report
}

fn list(stored: &Namespace, with: &Map<String, Value>) -> Value {
    let prefix = with.get("prefix").and_then(Value::as_str).unwrap_or_default();
    let limit = with.get("limit").and_then(Value::as_u64).filter(|&limit| limit > 0).unwrap_or(u64::MAX);
    let include = with.get("include_values") == Some(&Value::Bool(true));
    let entries = stored.iter().filter(|(key, _)| key.starts_with(prefix)).take(limit as usize).map(|(key, found)| {
        let mut entry = json!({"key": key, "version": found.version, "hash": hash(&found.value)});
        if include {
            entry["value"] = found.value.clone();
        }
        entry
    });
    json!({"entries": entries.collect::<Vec<_>>()})
}

fn check_version(before: Option<&Stored>, with: &Map<String, Value>) -> Result<(), String> {
    let Some(expected) = with.get("expected_version").and_then(Value::as_u64) else { return Ok(()) };
    let found = before.map_or(0, |before| before.version);
    if expected == found { Ok(()) } else { Err(format!("conflict: expected version {expected}, found {found}")) }
}

fn hash(value: &Value) -> String {
    hex::encode(Sha256::digest(json_text::compact(value).as_bytes()))
}

fn lock(file: &Path) -> Result<Flock<File>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot lock {}: {error}", file.display());
    if let Some(dir) = file.parent() {
        make_dir(dir, 0o700).map_err(|error| error.to_string())?;
    }
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(file.with_extension("lock"));
    Flock::lock(opened.map_err(|error| failed(&error))?, FlockArg::LockExclusive).map_err(|(_, error)| failed(&error))
}

fn read(file: &Path) -> Result<Namespace, String> {
    match std::fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| format!("{} is damaged: {error}", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Namespace::new()),
        Err(error) => Err(format!("cannot read {}: {error}", file.display())),
    }
}

fn write(file: &Path, stored: &Namespace) -> Result<(), String> {
    let text = serde_json::to_vec(stored).map_err(|error| error.to_string())?;
    write_atomically(file, &text).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn versions_grow_and_conflicts_are_errors() {
        let mut stored = Namespace::new();
        let first = set(&mut stored, "k", &with(json!({"value": 1})));
        assert_eq!(first.as_ref().map(|report| &report["created"]), Ok(&Value::Bool(true)));
        assert!(set(&mut stored, "k", &with(json!({"value": 2, "create_only": true}))).is_err());
        assert!(set(&mut stored, "k", &with(json!({"value": 2, "expected_version": 7}))).is_err());
        let second = set(&mut stored, "k", &with(json!({"value": 2, "expected_version": 1})));
        assert_eq!(second.map(|report| report["version"].clone()), Ok(json!(2)));
    }

    #[test]
    fn a_difference_is_stored_unless_it_is_only_looked_at() {
        let mut stored = Namespace::new();
        assert_eq!(diff(&mut stored, "k", &with(json!({"value": [1]})))["foundPrevious"], json!(false));
        let look = diff(&mut stored, "k", &with(json!({"value": [2], "update": false})));
        assert_eq!((&look["changed"], &look["previous"], &look["version"]), (&json!(true), &json!([1]), &json!(1)));
        assert_eq!(diff(&mut stored, "k", &with(json!({"value": [1]})))["changed"], json!(false));
    }

    #[test]
    fn the_hash_is_that_of_the_compact_text() {
        assert_eq!(hash(&json!("g")), "e6c67f7247161354cd7e1d34d5149f373a433fa472a7e957dfdc60dfa66e162e");
    }
}
