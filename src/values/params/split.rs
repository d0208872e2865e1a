//! Splitting a text of parameters into words.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::values::json_text;

/// `[NAME=]VALUE`, where the value is in double quotes, in backticks, or a run of other characters.
static WORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?:([^\s=]+)=)?("(?:\\.|[^"\\])*"|`[^`]*`|[^\s"]+)"#).expect("the expression is fixed and valid")
});

/// One word: positional when it has no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub name: Option<String>,
    pub text: String,
}

impl Word {
    pub fn named(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: Some(name.into()), text: text.into() }
    }

    pub fn positional(text: impl Into<String>) -> Self {
        Self { name: None, text: text.into() }
    }
}

/// Splits at blanks. Double quotes group, with escapes; backticks group and stay; single quotes mean nothing. `KEY=`
/// with nothing behind it is the positional text `KEY=`.
pub fn words(text: &str) -> Vec<Word> {
    WORD.captures_iter(text)
        .map(|found| {
            let value = found.get(2).map_or("", |value| value.as_str());
            Word { name: found.get(1).map(|name| name.as_str().to_owned()), text: unquoted(value) }
        })
        .collect()
}

fn unquoted(value: &str) -> String {
    if value.len() < 2 || !value.starts_with('"') || !value.ends_with('"') {
        return value.to_owned();
    }
    json_text::unquote(value).unwrap_or_else(|| value[1..value.len() - 1].replace("\\\"", "\""))
}

/// The text as a JSON object or array, if it is one as a whole.
pub fn json(text: &str) -> Option<Value> {
    let text = text.trim();
    let framed = (text.starts_with('{') && text.ends_with('}')) || (text.starts_with('[') && text.ends_with(']'));
    if framed { serde_json::from_str(text).ok() } else { None }
}

/// The words of a JSON value with the values themselves: an object gives names in sorted order; of an array, objects
/// give names and everything else a position.
pub fn json_words(value: &Value) -> Vec<(Word, Value)> {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|&(name, _)| name);
            entries
                .into_iter()
                .map(|(name, value)| (Word::named(name, json_text::plain_from_json(value)), value.clone()))
                .collect()
        }
        Value::Array(items) => items
            .iter()
            .flat_map(|item| match item {
                Value::Object(_) => json_words(item),
                other => vec![(Word::positional(json_text::plain_from_json(other)), other.clone())],
            })
            .collect(),
        other => vec![(Word::positional(json_text::plain_from_json(other)), other.clone())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_names() {
        let text =
            "a \"b c\" X=1 Y=\"two words\" Z='q r' W=`date -u` k=v=w KE= E=\"\" =x N=\"l1\\nl2\\\"\" B=\"bad \\q\\\"\"";
        let expected = [
            (None, "a"),
            (None, "b c"),
            (Some("X"), "1"),
            (Some("Y"), "two words"),
            (Some("Z"), "'q"),
            (None, "r'"),
            (Some("W"), "`date -u`"),
            (Some("k"), "v=w"),
            (None, "KE="),
            (Some("E"), ""),
            (None, "=x"),
            (Some("N"), "l1\nl2\""),
            (Some("B"), "bad \\q\""),
        ];
        let found = words(text);
        let found: Vec<_> = found.iter().map(|word| (word.name.as_deref(), word.text.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn json_inside_a_larger_text_falls_apart_at_the_quotes() {
        assert_eq!(words(r#"K={"a":1}"#), [Word::named("K", "{"), Word::positional("a"), Word::positional(":1}")]);
        assert_eq!(json(r#"{"a":1} x"#), None);
        assert_eq!(json("{a}"), None);
    }

    #[test]
    fn json_as_a_whole_gives_names_and_positions() {
        let value = json(" [\"in.csv\", {\"B\": {\"x\": 1}, \"A\": \"1\"}, 1000000, null] ").expect("JSON");
        let words: Vec<Word> = json_words(&value).into_iter().map(|(word, _)| word).collect();
        assert_eq!(
            words,
            [
                Word::positional("in.csv"),
                Word::named("A", "1"),
                Word::named("B", "map[x:1]"),
                Word::positional("1e+06"),
                Word::positional("<nil>"),
            ]
        );
    }
}
