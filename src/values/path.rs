//! Paths into JSON: the `.a.b[0]` behind a short reference, and the jq-style `select` of outputs.

use serde_json::Value;

use super::problem::Segment;

/// Parses what stands behind the name of a short reference: `.a.b[0].c`, or nothing. Keys are letters, digits, `_`
/// and `-`. `None` when the text is no such path.
pub fn parse(text: &str) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).unwrap_or(after.len());
            if end == 0 {
                return None;
            }
            segments.push(Segment::Key(after[..end].to_owned()));
            rest = &after[end..];
        } else {
            let (digits, after) = rest.strip_prefix('[')?.split_once(']')?;
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            segments.push(Segment::Index(digits.parse().ok()?));
            rest = after;
        }
    }
    Some(segments)
}

/// Follows a path. `None` where it leads nowhere.
pub fn follow<'a>(value: &'a Value, path: &[Segment]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => value.get(index),
    })
}

/// One step of a `select`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Selector {
    Key(String),
    /// Negative counts from the end.
    Index(i64),
}

/// A parsed `select`: `.`, `.a.b`, `.a[0]`, `.[-1]`, `."odd key"`, `.["odd key"]`, each step with an optional `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select(Vec<Selector>);

impl Select {
    /// # Errors
    /// Says which part of the text is no path.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let fail = |rest: &str| {
            Err(format!("`{text}` is not a path at `{rest}`: expected steps such as `.name`, `.\"odd name\"` or `[0]`"))
        };
        if text.is_empty() {
            return Err("a `select` needs a path such as `.name`".to_owned());
        }
        let Some(mut rest) = text.strip_prefix('.') else { return fail(text) };
        let mut steps = Vec::new();
        let mut after_dot = true;
        while !rest.is_empty() {
            let here = rest;
            if let Some(inside) = rest.strip_prefix('[') {
                let Some((step, after)) = bracket(inside) else { return fail(here) };
                steps.push(step);
                rest = after;
            } else if after_dot && rest.starts_with('"') {
                let Some((key, after)) = quoted(rest) else { return fail(here) };
                steps.push(Selector::Key(key));
                rest = after;
            } else if after_dot {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                if end == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
                    return fail(here);
                }
                steps.push(Selector::Key(rest[..end].to_owned()));
                rest = &rest[end..];
            } else {
                return fail(here);
            }
            rest = rest.strip_prefix('?').unwrap_or(rest);
            after_dot = match rest.strip_prefix('.') {
                Some("") => return fail("."),
                Some(after) => {
                    rest = after;
                    true
                }
                None => false,
            };
        }
        Ok(Self(steps))
    }

    /// The selected value; null where the path leads nowhere.
    pub fn apply(&self, value: &Value) -> Value {
        self.0
            .iter()
            .try_fold(value, |value, step| match step {
                Selector::Key(key) => value.get(key),
                Selector::Index(index) => {
                    let items = value.as_array()?;
                    let index = if *index < 0 { index + items.len() as i64 } else { *index };
                    items.get(usize::try_from(index).ok()?)
                }
            })
            .cloned()
            .unwrap_or(Value::Null)
    }
}

/// The step inside `[…]`, and what follows the closing bracket.
fn bracket(inside: &str) -> Option<(Selector, &str)> {
    if inside.starts_with('"') {
        let (key, after) = quoted(inside)?;
        return Some((Selector::Key(key), after.strip_prefix(']')?));
    }
    let (index, after) = inside.split_once(']')?;
    Some((Selector::Index(index.trim().parse().ok()?), after))
}

/// A leading JSON string, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let key = strings.next()?.ok()?;
    Some((key, &text[strings.byte_offset()..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn short_paths() {
        let value = json!({"a": {"b-c": [1, {"z": 2}]}});
        let path = parse(".a.b-c[1].z").expect("a path");
        assert_eq!(follow(&value, &path), Some(&json!(2)));
        assert_eq!(follow(&value, &parse(".a.x").expect("a path")), None);
        for text in ["a", ".", ".a..b", "[x]", ".a[", ".a b", "[-1]", "[+1]"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn select_follows_jq_paths() {
        let value = json!({"k": [1, {"z": 2}], "odd key": {"a": "x"}});
        for (select, result) in [
            (".", value.clone()),
            (".k[1]", json!({"z": 2})),
            (".k[1].z", json!(2)),
            (".k.[0]", json!(1)),
            (".k[-1].z?", json!(2)),
            (".[\"odd key\"].a", json!("x")),
            (".\"odd key\".a", json!("x")),
            (".none.deeper", json!(null)),
            (".k.z", json!(null)),
        ] {
            assert_eq!(Select::parse(select).expect(select).apply(&value), result, "{select}");
        }
    }

    #[test]
    fn select_refuses_what_is_no_path() {
        for select in ["", "a", ".a b", ".a.", "..", ".a[", ".[x]", ".1a", ".a | .b"] {
            assert!(Select::parse(select).is_err(), "{select}");
        }
    }
}
