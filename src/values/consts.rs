//! `consts`: named literals, each seeing only those before it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::json_text;
use super::problem::{Problem, Segment, below};
use super::reference::{Reference, is_name};
use super::resolve::{Policy, resolve};
use super::scope::Scope;

/// One constant, unresolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Const {
    pub name: String,
    /// A string, number or boolean.
    pub value: Value,
    /// Where it stands below `consts`.
    pub path: Vec<Segment>,
}

/// Reads the value of `consts`: a list of one-key maps.
pub fn consts(value: &Value) -> (Vec<Const>, Vec<Problem>) {
    let mut found: Vec<Const> = Vec::new();
    let mut problems = Vec::new();
    let mut report = |path: Vec<Segment>, message: String| {
        let problem = Problem::new("consts-invalid", path, message);
        // Below an entry it is its name that says which one is meant.
        problems.push(if problem.path.len() > 1 { problem.at_key() } else { problem });
    };
    let items = match value {
        Value::Null => return (found, problems),
        Value::Array(items) => items,
        other => {
            report(
                Vec::new(),
                format!("`consts` must be a list of `- name: value`, not `{}`", json_text::plain(other)),
            );
            return (found, problems);
        }
    };
    for (i, item) in items.iter().enumerate() {
        let path = vec![Segment::from(i)];
        let Value::Object(map) = item else {
            let item = json_text::plain(item);
            report(path, format!("consts[{i}]: entries must be single-entry mappings `name: value`, not `{item}`"));
            continue;
        };
        let mut entries = map.iter();
        let (Some((name, value)), second) = (entries.next(), entries.next()) else {
            report(path, format!("consts[{i}]: an entry needs exactly one key"));
            continue;
        };
        if let Some((second, _)) = second {
            let message =
                format!("consts[{i}]: an entry needs exactly one key; put `{second}` into an entry of its own");
            report(below(&path, second.as_str()), message);
        }
        let path = below(&path, name.as_str());
        if !is_name(name) {
            report(path, format!("consts key `{name}` is invalid: a letter comes first, then letters, digits and `_`"));
            continue;
        }
        if found.iter().any(|constant| constant.name == *name) {
            report(path, format!("the const `{name}` stands twice"));
            continue;
        }
        match value {
            // The reader of documents writes infinite numbers as the largest finite ones: JSON has no others.
            Value::Number(number) if number.as_f64().is_some_and(|number| number.abs() == f64::MAX) => {
                report(path, format!("the const `{name}` must be a finite number"));
            }
            Value::String(_) | Value::Number(_) | Value::Bool(_) => {
                found.push(Const { name: name.clone(), value: value.clone(), path });
            }
            _ => report(path, format!("the const `{name}` must be a literal string, number, or boolean")),
        }
    }
    (found, problems)
}

/// The values as they are inserted. What an entry cannot see stays text, for good.
pub fn resolve_consts(consts: &[Const]) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for constant in consts {
        let value = match &constant.value {
            Value::String(text) => resolve(text, Policy::Kept, &Earlier(&values)),
            Value::Number(number) => json_text::decimal(number),
            other => json_text::plain(other),
        };
        values.insert(constant.name.clone(), value);
    }
    values
}

/// The constants resolved so far, and nothing else.
struct Earlier<'a>(&'a BTreeMap<String, String>);

impl Scope for Earlier<'_> {
    fn reference(&self, reference: &Reference) -> Option<Cow<'_, str>> {
        match reference {
            Reference::Const(name) => self.0.get(name).map(|value| value.as_str().into()),
            _ => None,
        }
    }

    fn declared(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }

    fn inherited(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }

    fn process(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }

    fn positional(&self, _: usize) -> Option<Cow<'_, str>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_sees_only_those_before_it() {
        let (list, problems) = consts(&json!([
            {"a": "one"}, {"b": "${consts.a}-${consts.c}-${consts.b}"}, {"c": "x"}, {"esc": r"\${consts.a}"},
            {"host": "$HOME ${env.HOME} ${params.p} $1"}, {"n": 1.25}, {"big": 1e21}, {"t": true}, {"again": "${consts.b}"},
        ]));
        assert_eq!(problems, []);
        let values = resolve_consts(&list);
        for (name, value) in [
            ("b", "one-${consts.c}-${consts.b}"),
            ("esc", "${consts.a}"),
            ("host", "$HOME ${env.HOME} ${params.p} $1"),
            ("n", "1.25"),
            ("big", "1000000000000000000000"),
            ("t", "true"),
            ("again", "one-${consts.c}-${consts.b}"),
        ] {
            assert_eq!(values[name], value, "{name}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (value, words) in [
            (json!({"a": 1}), &["consts", "list"][..]),
            (json!(["A=x"]), &["consts[0]", "single-entry mappings"]),
            (json!([{"A": 1, "B": 2}]), &["consts[0]", "exactly one key"]),
            (json!([{}]), &["consts[0]", "exactly one key"]),
            (json!([{"_A": 1}]), &["consts key", "invalid"]),
            (json!([{"A": null}]), &["const", "literal string, number, or boolean"]),
            (json!([{"A": [1]}]), &["const", "literal string, number, or boolean"]),
            (json!([{"A": f64::MAX}]), &["const", "finite"]),
            (json!([{"A": 1}, {"A": 2}]), &["twice"]),
        ] {
            let (_, problems) = consts(&value);
            assert_eq!(problems.len(), 1, "{value}: {problems:?}");
            assert!(words.iter().all(|word| problems[0].message.contains(word)), "{value}: {}", problems[0].message);
        }
    }
}
