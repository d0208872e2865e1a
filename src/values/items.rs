//! Items of `parallel` and `foreach`, and the parameters each child gets.

use std::collections::HashSet;

use serde_json::Value;

use super::json_text;
use super::params::{Passed, PassedValue, split};
use super::resolve::{Policy, resolve, resolve_json};
use super::scan::{Token, TokenKind, scan};
use super::scope::Scope;

/// More items than this fail the step.
pub const MAX_ITEMS: usize = 1000;

/// Why a fan-out has no usable items.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItemsError {
    #[error("parallel execution requires at least one item")]
    None,
    #[error("{0} items, at most {MAX_ITEMS} are possible")]
    TooMany(usize),
    #[error("parallel: an item must be text, a number or a flat map, not `{0}`")]
    Kind(String),
    #[error("foreach.items string must resolve to a JSON array")]
    NotArray,
    #[error("foreach.key of item {0} is empty")]
    EmptyKey(usize),
    #[error("foreach.key of item {index} resolved with unresolved reference: {token}")]
    UnresolvedKey { index: usize, token: String },
    #[error("duplicate foreach item key `{0}`")]
    DuplicateKey(String),
}

/// The items of a `parallel`, as text, from its resolved value: a list, or a text that is split.
///
/// # Errors
/// No items, too many, or one of a kind that is no item.
pub fn parallel_items(value: &Value) -> Result<Vec<String>, ItemsError> {
    let items = match value {
        Value::Array(items) => {
            let mut texts = Vec::with_capacity(items.len());
            for item in items {
                match item {
                    Value::String(text) if text.is_empty() => {}
                    Value::String(_) | Value::Number(_) => texts.push(json_text::bare(item)),
                    Value::Object(map) if map.values().all(|value| !value.is_object() && !value.is_array()) => {
                        texts.push(json_text::compact(item));
                    }
                    other => return Err(ItemsError::Kind(json_text::plain(other))),
                }
            }
            texts
        }
        Value::String(text) => split_items(text),
        other => return Err(ItemsError::Kind(json_text::plain(other))),
    };
    match items.len() {
        0 => Err(ItemsError::None),
        n if n > MAX_ITEMS => Err(ItemsError::TooMany(n)),
        _ => Ok(items),
    }
}

/// Splits a text into items: a JSON array into its entries, a JSON object is one item; else by lines, else by quoted
/// words, else at the most frequent of tab, `|`, `;` and `,`, else at blanks. Empty items are dropped.
pub fn split_items(text: &str) -> Vec<String> {
    let text = text.trim();
    match split::json(text) {
        Some(Value::Array(items)) => {
            return items
                .iter()
                .map(|item| match item {
                    Value::String(text) => text.clone(),
                    other => json_text::compact(other),
                })
                .collect();
        }
        Some(_) => return vec![text.to_owned()],
        None => {}
    }
    let parts: Vec<&str> = if text.contains('\n') {
        text.lines().collect()
    } else if let Some(words) = quoted_words(text) {
        words
    } else {
        let mut best = (0, None);
        for separator in ['\t', '|', ';', ','] {
            let count = text.matches(separator).count();
            if count > best.0 {
                best = (count, Some(separator));
            }
        }
        match best.1 {
            Some(separator) => text.split(separator).collect(),
            None => text.split_whitespace().collect(),
        }
    };
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

const SEPARATORS: [char; 4] = [',', ';', '|', '\t'];

/// The words of a text that has a quoted one: `"…"` as a whole, everything else between separators and blanks. `None`
/// without a quote where a word begins, or without one that closes it.
fn quoted_words(text: &str) -> Option<Vec<&str>> {
    let between = |c: char| c.is_whitespace() || SEPARATORS.contains(&c);
    let mut words = Vec::new();
    let mut quoted = false;
    let mut rest = text.trim_start_matches(between);
    while !rest.is_empty() {
        let closed = rest.strip_prefix('"').and_then(|inside| inside.split_once('"'));
        match closed {
            Some((word, after)) => {
                quoted = true;
                words.push(word);
                rest = after;
            }
            None => {
                let end = rest.find(between).unwrap_or(rest.len());
                words.push(&rest[..end]);
                rest = &rest[end..];
            }
        }
        rest = rest.trim_start_matches(between);
    }
    quoted.then_some(words)
}

/// The items of a `foreach` from its resolved `items`: a list, or a text that holds a JSON array. None is fine.
///
/// # Errors
/// A text that is no JSON array, or more items than are possible.
pub fn foreach_items(value: &Value) -> Result<Vec<Value>, ItemsError> {
    let items = match value {
        Value::Array(items) => items.clone(),
        Value::String(text) => match serde_json::from_str(text.trim()) {
            Ok(Value::Array(items)) => items,
            _ => return Err(ItemsError::NotArray),
        },
        _ => return Err(ItemsError::NotArray),
    };
    if items.len() > MAX_ITEMS { Err(ItemsError::TooMany(items.len())) } else { Ok(items) }
}

/// Checks the resolved keys of all items before any body starts.
///
/// # Errors
/// An empty key, one that still holds a reference, or one that stands twice.
pub fn check_keys<S: AsRef<str>>(keys: &[S]) -> Result<(), ItemsError> {
    let mut seen = HashSet::new();
    for (index, key) in keys.iter().enumerate() {
        let key = key.as_ref();
        if key.trim().is_empty() {
            return Err(ItemsError::EmptyKey(index));
        }
        if let Some(token) = remaining_reference(key) {
            return Err(ItemsError::UnresolvedKey { index, token: token.to_owned() });
        }
        if !seen.insert(key) {
            return Err(ItemsError::DuplicateKey(key.to_owned()));
        }
    }
    Ok(())
}

/// The first reference with a namespace other than `env` that a resolved text still holds, wherever it came from. A
/// key or a collected value with one fails its item.
pub fn remaining_reference(text: &str) -> Option<&str> {
    use super::Reference;
    // Variables may be text on purpose: a body is free to print `${env.X}`.
    let counts = |reference: &Reference| !matches!(reference, Reference::Short(_) | Reference::Env(_));
    let is_reference = |token: &Token| matches!(&token.kind, TokenKind::Reference(reference) if counts(reference));
    let token = scan(text).into_iter().find(is_reference)?;
    text.get(token.range)
}

/// What a child is passed by its `with.params`: a map or list with each value resolved on its own, or a text that is
/// split first and resolved then, so that a value with blanks stays one. Only a word that is nothing but a reference
/// is split again after resolving.
pub fn child_params(value: &Value, scope: &dyn Scope) -> Passed {
    match value {
        Value::Null => Passed::default(),
        Value::String(text) => child_text(text, scope),
        Value::Object(map) => match resolve_json(&Value::Object(map.clone()), Policy::Scope, scope) {
            Value::Object(map) => Passed::from_map(&map),
            _ => Passed::default(),
        },
        Value::Array(items) => {
            let mut passed = Passed::default();
            for item in items {
                passed.extend(child_params(item, scope));
            }
            passed
        }
        other => child_text(&json_text::plain(other), scope),
    }
}

fn child_text(text: &str, scope: &dyn Scope) -> Passed {
    if let Some(json) = split::json(text) {
        return Passed::from_text(&resolve_json(&json, Policy::Scope, scope).to_string());
    }
    if text.trim_start().starts_with(['{', '[']) {
        // JSON only once references are filled in: `{"n": ${params.n}}`.
        let resolved = resolve(text, Policy::Scope, scope);
        if split::json(&resolved).is_some() {
            return Passed::from_text(&resolved);
        }
    }
    let words = split::words(text);
    let alone = words.len() == 1;
    let mut passed = Passed::default();
    for word in words {
        let resolved = resolve(&word.text, Policy::Scope, scope);
        if word.name.is_none() && is_only_a_reference(&word.text) {
            let again = Passed::from_text(&resolved);
            if alone {
                return again;
            }
            passed.extend(again);
        } else {
            passed.values.push(PassedValue { name: word.name, text: resolved, json: None });
        }
    }
    passed
}

fn is_only_a_reference(text: &str) -> bool {
    match scan(text).as_slice() {
        [token] => {
            token.range == (0..text.len()) && matches!(token.kind, TokenKind::Reference(_) | TokenKind::Bare { .. })
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::scope::{LayerKind, RunScope};
    use super::*;

    #[test]
    fn one_kind_of_separator_per_text() {
        for (text, items) in [
            ("a b  c", &["a", "b", "c"][..]),
            ("a, b ,c", &["a", "b", "c"]),
            ("a|b,c|d", &["a", "b,c", "d"]),
            ("a;b|c", &["a;b", "c"]),
            ("a b\n\n c,d \n", &["a b", "c,d"]),
            ("\"a b\" c,\"d\"", &["a b", "c", "d"]),
            ("a\"b\" c", &["a\"b\"", "c"]),
            ("\"open a", &["\"open", "a"]),
            ("[\"x\", 1, {\"b\":1,\"a\":2}, null]", &["x", "1", "{\"a\":2,\"b\":1}", "null"]),
            ("{\"a\": 1}", &["{\"a\": 1}"]),
            (" , ", &[]),
        ] {
            assert_eq!(split_items(text), items, "{text:?}");
        }
    }

    #[test]
    fn items_of_parallel() {
        let items = parallel_items(&json!(["x", "", 2.5, {"region": "eu", "n": 1, "ok": true}])).expect("items");
        assert_eq!(items, ["x", "2.5", r#"{"n":1,"ok":true,"region":"eu"}"#]);
        assert_eq!(parallel_items(&json!([])), Err(ItemsError::None));
        assert_eq!(parallel_items(&json!("  ")), Err(ItemsError::None));
        assert_eq!(parallel_items(&json!([[1]])), Err(ItemsError::Kind("[1]".to_owned())));
        assert_eq!(parallel_items(&json!([{"a": {}}])), Err(ItemsError::Kind("map[a:map[]]".to_owned())));
        assert_eq!(parallel_items(&json!(vec!["x"; 1001])), Err(ItemsError::TooMany(1001)));
    }

    #[test]
    fn items_and_keys_of_foreach() {
        assert_eq!(foreach_items(&json!(" [1, \"a\"] ")), Ok(vec![json!(1), json!("a")]));
        assert_eq!(foreach_items(&json!([])), Ok(vec![]));
        assert_eq!(foreach_items(&json!("a b")), Err(ItemsError::NotArray));
        assert_eq!(foreach_items(&json!("{}")), Err(ItemsError::NotArray));
        assert_eq!(check_keys(&["a", "b"]), Ok(()));
        assert_eq!(check_keys(&["a", "a"]), Err(ItemsError::DuplicateKey("a".to_owned())));
        assert_eq!(check_keys(&["a", " "]), Err(ItemsError::EmptyKey(1)));
        let unresolved = check_keys(&["x-${foreach.item.k}"]).expect_err("a reference is left").to_string();
        assert_eq!(unresolved, "foreach.key of item 0 resolved with unresolved reference: ${foreach.item.k}");
        assert_eq!(remaining_reference("$A ${X} ${env.X} ${b.output} {x}"), None);
        assert_eq!(remaining_reference("a ${steps.b.outputs.v}"), Some("${steps.b.outputs.v}"));
    }

    #[test]
    fn parameters_of_a_child() {
        let mut scope = RunScope::default();
        scope.set(LayerKind::Env, "V", "a b");
        scope.set(LayerKind::Env, "Q", "say \"hi\"");
        scope.set(LayerKind::Env, "ALL", "x=1 y=2");
        scope.set(LayerKind::Item, "ITEM", r#"{"x":"j"}"#);
        let show = |value: Value| -> Vec<String> {
            let passed = child_params(&value, &scope);
            let values = passed.values.iter();
            values.map(|value| format!("{}={}", value.name.as_deref().unwrap_or("-"), value.text)).collect()
        };
        for (value, expected) in [
            (json!("x=1 y=\"two w\""), &["x=1", "y=two w"][..]),
            (json!("x=$V"), &["x=a b"]),
            (json!("$ALL z=3"), &["x=1", "y=2", "z=3"]),
            (json!("pre-$V"), &["-=pre-a b"]),
            (json!([{"x": 3}, {"y": "4 $V"}, "y=4 5"]), &["x=3", "y=4 a b", "y=4", "-=5"]),
            (json!({"x": "$Q", "y": r"\$V"}), &["x=say \"hi\"", "y=$V"]),
            (json!("{\"x\": \"$Q\", \"y\": 5}"), &["x=say \"hi\"", "y=5"]),
            (json!("${ITEM}"), &["x=j"]),
            (json!(null), &[]),
        ] {
            assert_eq!(show(value.clone()), expected, "{value}");
        }
        assert_eq!(child_params(&json!("${ITEM}"), &scope).raw.as_deref(), Some(r#"{"x":"j"}"#));
    }
}
