//! `container.env` in its three forms: a map, a list of maps, a list of `NAME=value` texts, or a mix.

use serde_json::Value;

use super::SettingError;

const CODE: &str = "container-env-invalid";

/// One variable, its value as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvEntry {
    pub name: String,
    pub value: String,
    /// Where it stands, such as `container.env[1]` or `container.env.NAME`.
    pub path: String,
}

/// Reads the entries in the order they are written.
///
/// # Errors
/// `container-env-invalid` for a form that is none of the three, also for values that are lists or maps;
/// `container-env-name-invalid`.
pub fn parse(value: &Value, path: &str) -> Result<Vec<EnvEntry>, SettingError> {
    let mut entries = Vec::new();
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (name, value) in map {
                entries.push(entry(name, value, format!("{path}.{name}"))?);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                match item {
                    Value::Object(map) => {
                        for (name, value) in map {
                            entries.push(entry(name, value, path.clone())?);
                        }
                    }
                    Value::String(text) => {
                        let Some((name, value)) = text.split_once('=') else {
                            let message = format!("`{text}` has no `=`; expected `NAME=value`");
                            return Err(SettingError::new(CODE, path, message));
                        };
                        check_name(name, &path)?;
                        entries.push(EnvEntry { name: name.to_owned(), value: value.to_owned(), path });
                    }
                    other => {
                        let message = format!("`{other}` is not a variable; expected `NAME=value` or `NAME: value`");
                        return Err(SettingError::new(CODE, path, message));
                    }
                }
            }
        }
        other => {
            let message = format!("`{}` is ignored by Dagu; expected a map or a list of `NAME=value`", plain(other));
            return Err(SettingError::new(CODE, path, message));
        }
    }
    Ok(entries)
}

fn entry(name: &str, value: &Value, path: String) -> Result<EnvEntry, SettingError> {
    check_name(name, &path)?;
    if matches!(value, Value::Array(_) | Value::Object(_)) {
        let message = format!("the value of `{name}` is a list or a map; expected text");
        return Err(SettingError::new(CODE, path, message));
    }
    Ok(EnvEntry { name: name.to_owned(), value: plain(value), path })
}

fn check_name(name: &str, path: &str) -> Result<(), SettingError> {
    let fine = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fine {
        return Ok(());
    }
    let message = format!("`{name}` is not the name of a variable; expected letters, digits and `_`, no digit first");
    Err(SettingError::new("container-env-name-invalid", path, message))
}

/// A scalar as text; nothing at all is empty.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pairs(value: Value) -> Vec<(String, String)> {
        parse(&value, "container.env").unwrap().into_iter().map(|entry| (entry.name, entry.value)).collect()
    }

    #[test]
    fn maps_lists_and_mixes_keep_their_order() {
        let expected: Vec<(String, String)> =
            [("B", "1"), ("A", "x=y"), ("C", "true"), ("D", "")].map(|(a, b)| (a.into(), b.into())).to_vec();
        assert_eq!(pairs(json!({ "B": 1, "A": "x=y", "C": true, "D": null })), expected);
        assert_eq!(pairs(json!([{ "B": 1 }, "A=x=y", { "C": true, "D": null }])), expected);
        assert_eq!(pairs(json!(null)), []);
    }

    #[test]
    fn what_is_none_of_the_forms_is_placed() {
        for (value, code, path) in [
            (json!("A=b"), CODE, "container.env"),
            (json!(["A"]), CODE, "container.env[0]"),
            (json!(["A=1", 7]), CODE, "container.env[1]"),
            (json!({ "A": [1] }), CODE, "container.env.A"),
            (json!(["1A=b"]), "container-env-name-invalid", "container.env[0]"),
            (json!({ "A-B": 1 }), "container-env-name-invalid", "container.env.A-B"),
            (json!(["=b"]), "container-env-name-invalid", "container.env[0]"),
        ] {
            let error = parse(&value, "container.env").unwrap_err();
            assert_eq!((error.code, error.path.as_str()), (code, path), "{value}");
        }
    }
}
