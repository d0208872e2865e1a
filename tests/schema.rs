//! The published schema is what the table of fields says, and the checks built on it judge our own samples.

use std::path::PathBuf;

use saddler::schema::fields::Fields;
use saddler::schema::generate::generate;

fn schema_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema/dag.schema.json")
}

/// `UPDATE_SCHEMA=1 cargo test --test schema` writes the file anew after a change of the table.
#[test]
fn the_published_schema_is_generated_from_the_table() {
    let mut text = serde_json::to_string_pretty(&generate(Fields::get())).expect("a schema is plain data");
    text.push('\n');
    let file = schema_file();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&file, text).expect("schema/dag.schema.json can be written");
        return;
    }
    let kept = std::fs::read_to_string(&file).expect("schema/dag.schema.json is there");
    assert!(kept == text, "schema/dag.schema.json is not what schema/fields.json says; run with UPDATE_SCHEMA=1");
}
