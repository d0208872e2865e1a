//! `env` in all its forms: a map, a list of maps, or a list of `NAME=value`.

use serde_json::Value;

use super::fault::{Faults, On, Path, code};
use super::words;

/// Checks names and list items. Values are not looked at: any kind becomes text.
pub fn check(value: &Value, path: &Path, out: &mut Faults) {
    match value {
        Value::Object(map) => {
            for name in map.keys() {
                self::name(name, &path.key(name), On::Key, out);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                entry(item, &path.index(index), out);
            }
        }
        _ => {} // Said by the schema, where it matters.
    }
}

fn entry(item: &Value, path: &Path, out: &mut Faults) {
    match item {
        Value::Object(map) => {
            for name in map.keys() {
                self::name(name, &path.key(name), On::Key, out);
            }
        }
        Value::String(text) => match text.split_once('=') {
            Some((name, _)) => self::name(name, path, On::Value, out),
            None => {
                let message = "an entry of `env` must read `NAME=value`";
                out.error(path, On::Value, code::INVALID_VALUE, message).help("write `NAME=` for an empty value");
            }
        },
        other => {
            let message = format!("an entry of `env` must be `NAME=value` or a map, not {}", words::kind(other));
            out.error(path, On::Value, code::WRONG_TYPE, message);
        }
    }
}

fn name(name: &str, path: &Path, on: On, out: &mut Faults) {
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !fits {
        let message = if name.is_empty() {
            "a variable needs a name".to_owned()
        } else {
            format!("`{name}` cannot name a variable")
        };
        let fault = out.error(path, on, code::INVALID_VALUE, message);
        fault.help("a name starts with a letter or `_` and holds only letters, digits and `_`");
    }
}
