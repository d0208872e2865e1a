//! Conditions and policies: when to run, run again, or go on regardless.

use serde_json::{Map, Value};

use super::{Reading, present, text, texts};
use crate::plan::spec::*;

impl Reading {
    pub(super) fn preconditions(&mut self, value: Option<&Value>, path: &str) -> Vec<Precondition> {
        match present(value) {
            None => Vec::new(),
            Some(Value::Array(list)) => list
                .iter()
                .enumerate()
                .filter_map(|(i, item)| self.precondition(item, &format!("{path}[{i}]")))
                .collect(),
            Some(single) => self.precondition(single, path).into_iter().collect(),
        }
    }

    fn precondition(&mut self, value: &Value, path: &str) -> Option<Precondition> {
        let Value::Object(map) = value else {
            return match value.as_str() {
                Some(command) => {
                    Some(Precondition { kind: PreconditionKind::Command(command.to_owned()), negate: false })
                }
                None => {
                    self.wrong(path, "expected a command or a condition");
                    None
                }
            };
        };
        let get = |name: &str| {
            let found = map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.and_then(|(_, value)| text(Some(value)))
        };
        let negate = map.iter().any(|(key, value)| key.eq_ignore_ascii_case("negate") && value.as_bool() == Some(true));
        let kind = match (get("condition"), get("eval"), get("expected")) {
            (Some(condition), None, Some(expected)) => PreconditionKind::Value { condition, expected },
            (Some(command), None, None) => PreconditionKind::Command(command),
            (None, Some(eval), Some(expected)) => PreconditionKind::Eval { eval, expected },
            (None, Some(_), None) => {
                self.wrong(path, "`eval` needs `expected`");
                return None;
            }
            _ => {
                self.wrong(path, "expected exactly one of `condition` and `eval`");
                return None;
            }
        };
        Some(Precondition { kind, negate })
    }
}

pub(super) fn continue_on(value: Option<&Value>) -> ContinueOn {
    match present(value) {
        Some(Value::String(word)) => match word.trim().to_ascii_lowercase().as_str() {
            "failed" => ContinueOn { failure: true, ..ContinueOn::default() },
            "skipped" => ContinueOn { skipped: true, ..ContinueOn::default() },
            _ => ContinueOn::default(),
        },
        Some(Value::Object(map)) => {
            let flag = |name: &str| map.get(name).and_then(Value::as_bool).unwrap_or(false);
            ContinueOn {
                failure: flag("failure") || flag("failed"),
                skipped: flag("skipped"),
                exit_codes: codes(map.get("exit_code")),
                output: texts(map.get("output")),
                mark_success: flag("mark_success"),
            }
        }
        _ => ContinueOn::default(),
    }
}

fn codes(value: Option<&Value>) -> Vec<i32> {
    texts(value).iter().filter_map(|code| code.trim().parse().ok()).collect()
}

pub(super) fn retry(map: &Map<String, Value>) -> Option<RetryPolicy> {
    Some(RetryPolicy {
        limit: count(map.get("limit"))?,
        interval_sec: count(map.get("interval_sec")).unwrap_or(Count::Number(0)),
        exit_codes: present(map.get("exit_code"))
            .map(|codes_written| codes(Some(codes_written)))
            .filter(|c| !c.is_empty()),
        backoff: backoff(map.get("backoff")),
        max_interval_sec: count(map.get("max_interval_sec")).filter(|max| *max != Count::Number(0)),
    })
}

pub(super) fn repeat(map: &Map<String, Value>) -> Option<RepeatPolicy> {
    let expected = text(map.get("expected"));
    let condition = text(map.get("condition")).filter(|condition| !condition.is_empty());
    let exit_codes = codes(map.get("exit_code"));
    let mode = match map.get("repeat") {
        Some(Value::Bool(true)) => RepeatMode::While,
        Some(Value::String(word)) if word.trim().eq_ignore_ascii_case("while") => RepeatMode::While,
        Some(Value::String(word)) if word.trim().eq_ignore_ascii_case("until") => RepeatMode::Until,
        None | Some(Value::Null) if condition.is_some() && expected.is_some() => RepeatMode::Until,
        None | Some(Value::Null) if condition.is_some() || !exit_codes.is_empty() => RepeatMode::While,
        _ => return None,
    };
    Some(RepeatPolicy {
        mode,
        condition: condition.map(|condition| match expected {
            Some(expected) => PreconditionKind::Value { condition, expected },
            None => PreconditionKind::Command(condition),
        }),
        exit_codes,
        interval_sec: count(map.get("interval_sec")).unwrap_or(Count::Number(0)),
        backoff: backoff(map.get("backoff")),
        max_interval_sec: count(map.get("max_interval_sec")).filter(|max| *max != Count::Number(0)),
        limit: count(map.get("limit")).filter(|limit| *limit != Count::Number(0)),
    })
}

fn count(value: Option<&Value>) -> Option<Count> {
    match present(value)? {
        Value::Number(number) => number.as_u64().map(Count::Number),
        value => text(Some(value)).map(Count::Text),
    }
}

fn backoff(value: Option<&Value>) -> f64 {
    match value {
        Some(Value::Bool(true)) => 2.0,
        Some(Value::Number(number)) => number.as_f64().filter(|&factor| factor > 1.0).unwrap_or(1.0),
        _ => 1.0,
    }
}
