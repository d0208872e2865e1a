//! Values of a harness configuration as they reach the command line.
//!
//! Owns the second reading of text as a YAML scalar and the two ways numbers are printed: plainly for an option of its
//! own, and in the shortest general form for an item of a list, where `2000000.0` is `2e+06`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::syntax::{NodeKind, Number, resolve_plain};
use crate::text::Span;

/// A resolved value of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Setting>),
    Map(BTreeMap<String, Setting>),
}

/// What an option adds to the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Emission {
    Nothing,
    /// The flag alone.
    Flag,
    /// The flag and one value.
    Value(String),
    /// The flag once before each item; at least one.
    Repeated(Vec<String>),
}

impl Setting {
    /// Resolves and coerces every text inside `value`; keys stay as they are.
    ///
    /// # Errors
    /// The first error of `resolve`.
    pub fn resolve<E>(value: &Value, resolve: &dyn Fn(&str) -> Result<String, E>) -> Result<Self, E> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(bool) => Self::Bool(*bool),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(int), _) => Self::Number(Number::Int(int)),
                (_, Some(int)) => Self::Number(Number::Uint(int)),
                _ => Self::Number(Number::Float(number.as_f64().unwrap_or(f64::NAN))),
            },
            Value::String(text) => coerce(&resolve(text)?),
            Value::Array(items) => {
                Self::List(items.iter().map(|item| Self::resolve(item, resolve)).collect::<Result<_, _>>()?)
            }
            Value::Object(entries) => Self::Map(
                entries
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), Self::resolve(value, resolve)?)))
                    .collect::<Result<_, _>>()?,
            ),
        })
    }

    /// What this value adds to the command line after its flag.
    pub fn emission(&self) -> Emission {
        match self {
            Self::Null | Self::Bool(false) | Self::Map(_) => Emission::Nothing,
            Self::Bool(true) => Emission::Flag,
            Self::Number(number) => Emission::Value(number.to_string()),
            Self::Text(text) if text.is_empty() => Emission::Nothing,
            Self::Text(text) => Emission::Value(text.clone()),
            Self::List(items) if items.is_empty() => Emission::Nothing,
            Self::List(items) => Emission::Repeated(items.iter().map(Self::item).collect()),
        }
    }

    /// The text of an item of a list, or of anything inside one.
    pub fn item(&self) -> String {
        match self {
            Self::Null => "<nil>".to_owned(),
            Self::Bool(bool) => bool.to_string(),
            Self::Number(Number::Float(float)) => general(*float),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::List(items) => format!("[{}]", join(items.iter().map(Self::item))),
            Self::Map(entries) => {
                format!("map[{}]", join(entries.iter().map(|(key, value)| format!("{key}:{}", value.item()))))
            }
        }
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" ")
}

/// Reads `text` as one YAML scalar: booleans and numbers become such, everything else stays the text it was, blanks
/// around it included.
pub fn coerce(text: &str) -> Setting {
    scalar(text).unwrap_or_else(|| Setting::Text(text.to_owned()))
}

fn scalar(text: &str) -> Option<Setting> {
    let mut words = text.lines().map(without_comment).filter(|line| !line.is_empty());
    let word = words.next()?;
    if words.next().is_some() {
        return None; // Further lines continue a plain scalar, which is then text.
    }
    match resolve_plain(word, Span::new(0, 0)) {
        NodeKind::Bool(bool) => Some(Setting::Bool(bool)),
        // Digits too many for a float are text; only `.inf` is infinite.
        NodeKind::Number(Number::Float(float)) if float.is_infinite() && !word.ends_with(['f', 'F']) => None,
        NodeKind::Number(number) => Some(Setting::Number(number)),
        _ => None,
    }
}

/// The line without blanks around it and without a comment, which starts at a `#` after a blank or at its start.
fn without_comment(line: &str) -> &str {
    let comment = line
        .char_indices()
        .find(|&(at, char)| char == '#' && line[..at].chars().next_back().is_none_or(|before| " \t".contains(before)));
    comment.map_or(line, |(at, _)| &line[..at]).trim()
}

/// Shortest digits, with an exponent below 1e-4 and from 1e6 on (`%v` of Go).
fn general(float: f64) -> String {
    if !float.is_finite() {
        return Number::Float(float).to_string();
    }
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("`{:e}` always writes an exponent");
    let exponent: i32 = exponent.parse().expect("`{:e}` writes the exponent as an integer");
    if float != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    float.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn emitted(text: &str) -> Emission {
        coerce(text).emission()
    }

    #[test]
    fn booleans_become_flags_or_nothing() {
        for text in ["true", "True", "TRUE", " true ", "true # note", "# why\ntrue", "true\n"] {
            assert_eq!(emitted(text), Emission::Flag, "{text:?}");
        }
        for text in ["false", "False", "FALSE"] {
            assert_eq!(emitted(text), Emission::Nothing, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_printed_as_decimal_digits() {
        for (text, digits) in [
            ("10", "10"),
            ("-5", "-5"),
            ("+5", "5"),
            ("0x1F", "31"),
            ("-0x1f", "-31"),
            ("0o17", "15"),
            ("0b101", "5"),
            ("1_000", "1000"),
            ("1.0", "1"),
            ("5.50", "5.5"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("5.", "5"),
            ("1.5e3", "1500"),
            ("1.0e-7", "0.0000001"),
            ("1.5e+21", "1500000000000000000000"),
            ("007", "7"),
            ("010", "8"),
            ("10 # ten", "10"),
            (" 8 ", "8"),
            (".inf", "+Inf"),
            ("-.inf", "-Inf"),
            (".nan", "NaN"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
        ] {
            assert_eq!(emitted(text), Emission::Value(digits.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn everything_else_stays_the_text_it_was() {
        for text in [
            "yes",
            "no",
            "on",
            "off",
            "y",
            "n",
            "null",
            "~",
            "1e3",
            "1e-7",
            "12e03",
            "08",
            "1.2.3",
            "1:30",
            "2024-01-01",
            "gpt-5.5",
            "tRue",
            "0X1F",
            "18446744073709551616",
            "-9223372036854775809",
            "[1]",
            "{a: 1}",
            "- 5",
            "a: 1",
            "\"10\"",
            "'true'",
            "10#x",
            "10 20",
            "10\n20",
            "_1",
            "-",
            "+",
            ".",
            "0x",
            "0xg",
            "0b2",
            "1.0.0",
            "1.5e400",
            "inf",
            "nan",
            "+-5",
            "--5",
            "-+.5",
            " x ",
            "10 apples",
            "1.e",
            "٣",
        ] {
            assert_eq!(coerce(text), Setting::Text(text.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn nothing_is_lost_of_an_empty_or_commented_text() {
        assert_eq!(emitted(""), Emission::Nothing);
        assert_eq!(emitted("  "), Emission::Value("  ".to_owned()));
        assert_eq!(emitted("# note"), Emission::Value("# note".to_owned()));
    }

    #[test]
    fn written_values_need_no_second_reading() {
        for (value, emission) in [
            (json!(null), Emission::Nothing),
            (json!(true), Emission::Flag),
            (json!(false), Emission::Nothing),
            (json!(""), Emission::Nothing),
            (json!([]), Emission::Nothing),
            (json!({"a": 1}), Emission::Nothing),
            (json!(0), Emission::Value("0".into())),
            (json!(u64::MAX), Emission::Value("18446744073709551615".into())),
            (json!(1500.0), Emission::Value("1500".into())),
            (json!(1e-7), Emission::Value("0.0000001".into())),
            (json!(1.5e21), Emission::Value("1500000000000000000000".into())),
        ] {
            let setting = Setting::resolve::<()>(&value, &|text| Ok(text.to_owned())).unwrap();
            assert_eq!(setting.emission(), emission, "{value}");
        }
    }

    #[test]
    fn items_of_a_list_have_their_own_format() {
        let value = json!([
            "true", "false", "1.0", 2_000_000.0, 1_000_000.0, 999_999.0, 1_234_567.5, 123_456.5, 0.0001, 0.000_01, 0.0, null,
            {"k": "v", "a": 1}, [1, 2], ["007", null], "", " x ", "1e-5", 3.0, true, 1e21
        ]);
        let setting = Setting::resolve::<()>(&value, &|text| Ok(text.to_owned())).unwrap();
        let expected = [
            "true",
            "false",
            "1",
            "2e+06",
            "1e+06",
            "999999",
            "1.2345675e+06",
            "123456.5",
            "0.0001",
            "1e-05",
            "0",
            "<nil>",
            "map[a:1 k:v]",
            "[1 2]",
            "[7 <nil>]",
            "",
            " x ",
            "1e-5",
            "3",
            "true",
            "1e+21",
        ];
        assert_eq!(setting.emission(), Emission::Repeated(expected.map(str::to_owned).into()));
    }

    #[test]
    fn references_are_resolved_before_the_second_reading() {
        let resolve = |text: &str| Ok::<_, ()>(text.replace("${env.N}", "3"));
        let value = json!(["n${env.N}", "${env.N}.0", {"${env.N}": "${env.N}"}]);
        let setting = Setting::resolve(&value, &resolve).unwrap();
        assert_eq!(setting.item(), "[n3 3 map[${env.N}:3]]");
        assert_eq!(
            Setting::resolve(&json!(["x", "y"]), &|text| if text == "y" { Err("no y") } else { Ok("x".into()) }),
            Err("no y")
        );
    }
}
