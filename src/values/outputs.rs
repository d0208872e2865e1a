//! What a step publishes: captured stdout, records of the output file, and structured outputs.

mod declared;
mod structured;

use serde_json::Value;

use super::json_text;

pub use declared::{DeclaredOutput, OutputKind, OutputsError, declared, read_records};
pub use structured::{
    Decode, Entry, Source, StdoutOutputs, Streams, StructuredError, publish, publish_stdout, stdout_outputs, structured,
};

/// Bytes a step may capture unless `max_output_size` says otherwise.
pub const DEFAULT_MAX_OUTPUT: u64 = 1024 * 1024;

/// The name of `output: NAME`; a leading `$` is dropped.
pub fn captured_name(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('$').unwrap_or(text)
}

/// The captured value of a stream: without the blanks around it, undecodable bytes replaced.
pub fn captured_value(stdout: &[u8]) -> String {
    String::from_utf8_lossy(stdout).trim().to_owned()
}

/// The key of a captured name in the collected outputs of a run: `TOTAL_COUNT` is `totalCount`, `mixedCase` is
/// `mixedcase`.
pub fn collected_name(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for word in name.split('_').filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        let mut chars = word.chars();
        match chars.next() {
            Some(first) if !key.is_empty() => {
                key.extend(first.to_uppercase());
                key.push_str(chars.as_str());
            }
            _ => key.push_str(&word),
        }
    }
    key
}

/// A published value in the collected outputs of a run: text bare, null empty, lists and maps as compact JSON.
pub fn collected_value(value: &Value) -> String {
    json_text::bare(value)
}

/// Why a stdout does not fit its `output_schema`. The output itself is not repeated, it may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutputSchemaError {
    #[error("output_schema: stdout is not one JSON value")]
    NotJson,
    #[error("output_schema: {0}")]
    Mismatch(String),
    #[error("output_schema: the schema is not valid: {0}")]
    Schema(String),
}

/// Checks a stdout against an `output_schema` and returns it as compact JSON.
///
/// # Errors
/// A stdout that is no JSON or does not match, and a schema that is none.
pub fn check_schema(stdout: &[u8], schema: &Value) -> Result<String, OutputSchemaError> {
    let validator =
        jsonschema::options().offline().build(schema).map_err(|error| OutputSchemaError::Schema(error.to_string()))?;
    let value: Value = serde_json::from_slice(stdout).map_err(|_| OutputSchemaError::NotJson)?;
    // Places in the value may be named after its content; places in the schema are the author's own words.
    let faults: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("stdout does not match `{}`", error.schema_path())).collect();
    if faults.is_empty() { Ok(json_text::compact(&value)) } else { Err(OutputSchemaError::Mismatch(faults.join("; "))) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn captured_output() {
        assert_eq!(captured_name("$OUT2"), "OUT2");
        assert_eq!(captured_value(b"\n  a b \n c \n\n"), "a b \n c");
    }

    #[test]
    fn names_of_collected_outputs() {
        for (name, key) in [
            ("TOTAL_COUNT", "totalCount"),
            ("mixedCase", "mixedcase"),
            ("_X", "x"),
            ("A__B_", "aB"),
            ("O", "o"),
            ("out2_v", "out2V"),
        ] {
            assert_eq!(collected_name(name), key, "{name}");
        }
        assert_eq!(collected_value(&json!(null)), "");
        assert_eq!(collected_value(&json!([1, "pv"])), r#"[1,"pv"]"#);
    }

    #[test]
    fn output_schemas_never_repeat_the_output() {
        let schema = json!({
            "type": "object",
            "required": ["a"],
            "properties": {"a": {"type": "integer"}},
            "additionalProperties": {"type": "string"},
        });
        assert_eq!(check_schema(b"{\"a\": 1}\n", &schema).as_deref(), Ok(r#"{"a":1}"#));
        assert_eq!(check_schema(b"nojson\n", &schema), Err(OutputSchemaError::NotJson));
        assert_eq!(check_schema(b"{} {}", &schema), Err(OutputSchemaError::NotJson));
        for output in [&br#"{"a": "s3cr3t"}"#[..], br#"{"s3cr3t": 1}"#] {
            let error = check_schema(output, &schema).expect_err("a mismatch").to_string();
            assert!(!error.contains("s3cr3t"), "{error}");
        }
        assert!(matches!(check_schema(b"1", &json!({"type": 5})), Err(OutputSchemaError::Schema(_))));
    }
}
