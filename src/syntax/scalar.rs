//! How Dagu reads a scalar without quotes: a YAML 1.2 core of its own, where `010` is eight and `1e3` is text.

use std::fmt;

use serde_json::Value as Json;

use super::tree::NodeKind;
use crate::text::Span;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Int(i64),
    /// Above the range of `Int`.
    Uint(u64),
    /// Written with a point; may be infinite or not a number.
    Float(f64),
}

impl Number {
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Number::Int(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_f64(self) -> f64 {
        match self {
            Number::Int(value) => value as f64,
            Number::Uint(value) => value as f64,
            Number::Float(value) => value,
        }
    }

    pub(super) fn to_json(self) -> Json {
        match self {
            Number::Int(value) => value.into(),
            Number::Uint(value) => value.into(),
            Number::Float(value) if value.is_nan() => 0.0.into(),
            Number::Float(value) => value.clamp(f64::MIN, f64::MAX).into(),
        }
    }
}

impl fmt::Display for Number {
    /// Plain decimal, never an exponent; a float without a fraction prints like an integer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Int(value) => value.fmt(f),
            Number::Uint(value) => value.fmt(f),
            Number::Float(value) if value.is_nan() => f.write_str("NaN"),
            Number::Float(value) if value.is_infinite() => f.write_str(if *value > 0.0 { "+Inf" } else { "-Inf" }),
            Number::Float(value) => value.fmt(f),
        }
    }
}

/// The kind of a plain scalar that stands at `span`.
pub fn resolve_plain(text: &str, span: Span) -> NodeKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => NodeKind::Null,
        "true" | "True" | "TRUE" => NodeKind::Bool(true),
        "false" | "False" | "FALSE" => NodeKind::Bool(false),
        _ => match number(text) {
            Some(number) => NodeKind::Number(number),
            None => NodeKind::Source(span),
        },
    }
}

/// A number as Dagu's reader knows it, or `None` for text.
pub(super) fn number(text: &str) -> Option<Number> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    match text {
        ".inf" | ".Inf" | ".INF" => return Some(Number::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Some(Number::Float(f64::NEG_INFINITY)),
        ".nan" | ".NaN" | ".NAN" => return Some(Number::Float(f64::NAN)),
        _ => {}
    }
    let (negative, digits) = match first {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    integer(digits, negative).or_else(|| float(digits, negative))
}

fn integer(digits: &str, negative: bool) -> Option<Number> {
    let (radix, body) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', b'o', ..] => (8, &digits[2..]),
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        [b'_', ..] => return None,
        _ => (10, digits),
    };
    let body: String = body.chars().filter(|&c| c != '_').collect();
    if body.is_empty() || !body.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(&body, radix).ok()?;
    match (negative, i64::try_from(magnitude)) {
        (false, Ok(value)) => Some(Number::Int(value)),
        (false, Err(_)) => Some(Number::Uint(magnitude)),
        (true, Ok(value)) => Some(Number::Int(-value)),
        (true, Err(_)) if magnitude == i64::MIN.unsigned_abs() => Some(Number::Int(i64::MIN)),
        (true, Err(_)) => None,
    }
}

fn float(digits: &str, negative: bool) -> Option<Number> {
    // A point is what makes a float: `1e3` stays text.
    let mut seen_point = false;
    let mut seen_digit = false;
    let mut bytes = digits.bytes().enumerate().peekable();
    while let Some((i, byte)) = bytes.next() {
        match byte {
            b'0'..=b'9' => seen_digit = true,
            b'_' if i > 0 => {}
            b'.' if !seen_point => seen_point = true,
            b'e' | b'E' if seen_point && seen_digit => {
                if let Some(&(_, b'+' | b'-')) = bytes.peek() {
                    bytes.next();
                }
                let exponent: Vec<u8> = bytes.map(|(_, byte)| byte).collect();
                if exponent.is_empty() || !exponent.iter().all(u8::is_ascii_digit) {
                    return None;
                }
                break;
            }
            _ => return None,
        }
    }
    if !seen_point || !seen_digit {
        return None;
    }
    let value: f64 = digits.replace('_', "").parse().ok()?;
    Some(Number::Float(if negative { -value } else { value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_dagu_reads_them() {
        let cases: &[(&str, Option<Number>)] = &[
            ("010", Some(Number::Int(8))),
            ("0o17", Some(Number::Int(15))),
            ("-017", Some(Number::Int(-15))),
            ("08", None),
            ("1__000", Some(Number::Int(1000))),
            ("0x_1F", Some(Number::Int(31))),
            ("0X1F", None),
            ("1e3", None),
            ("1.5e3", Some(Number::Float(1500.0))),
            (".5", Some(Number::Float(0.5))),
            ("5.", Some(Number::Float(5.0))),
            ("+.inf", None),
            ("-9223372036854775808", Some(Number::Int(i64::MIN))),
            ("18446744073709551616", None),
            ("1.2.3", None),
            ("--5", None),
            (".", None),
            ("-", None),
            ("0x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(number(text), *expected, "{text}");
        }
    }

    #[test]
    fn floats_print_without_exponent() {
        assert_eq!(Number::Float(1500000.0).to_string(), "1500000");
        assert_eq!(Number::Float(1e-7).to_string(), "0.0000001");
        assert_eq!(Number::Float(5.5).to_string(), "5.5");
    }
}
