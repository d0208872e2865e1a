//! Text of JSON and YAML values: how scalars, lists and maps look once they have become strings.
//!
//! Dagu is a Go program and its own printing shows: a null is `<nil>`, a list `[1 2]`, a map `map[k:v]`, and large
//! floating numbers have an exponent. Workflows that pass there must pass here, so [`plain`] prints the same.

use serde_json::{Number, Value};

/// A value as plain text: strings bare, lists `[1 2]`, maps `map[k:v]` with sorted keys, null `<nil>`.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => plain_number(number),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|&(key, _)| key);
            let inner: Vec<String> = entries.iter().map(|(key, value)| format!("{key}:{}", plain(value))).collect();
            format!("map[{}]", inner.join(" "))
        }
    }
}

fn plain_number(number: &Number) -> String {
    if number.is_f64() { float(number.as_f64().unwrap_or_default()) } else { number.to_string() }
}

/// A value that arrived as JSON text, where every number counts as floating: `1000000` becomes `1e+06`.
pub fn plain_from_json(value: &Value) -> String {
    match value {
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), float),
        Value::Array(items) => format!("[{}]", items.iter().map(plain_from_json).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|&(key, _)| key);
            let inner: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key}:{}", plain_from_json(value))).collect();
            format!("map[{}]", inner.join(" "))
        }
        other => plain(other),
    }
}

/// Shortest digits that read back as the same number, with an exponent below 1e-4 and from 1e6 on.
fn float(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return format!("{number}");
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("`{:e}` always writes an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent of `{:e}` is a small integer");
    if (-4..6).contains(&exponent) {
        return format!("{number}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// A number without an exponent, in the shortest form that reads back as the same: `1.25`, `3`, `0.1`.
pub fn decimal(number: &Number) -> String {
    if number.is_f64() { format!("{}", number.as_f64().unwrap_or_default()) } else { number.to_string() }
}

/// Compact JSON with sorted keys.
pub fn compact(value: &Value) -> String {
    let mut out = String::new();
    write_compact(value, &mut out);
    out
}

fn write_compact(value: &Value, out: &mut String) {
    match value {
        Value::Number(number) => out.push_str(&decimal(number)),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_compact(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort();
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_compact(&map[key], out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// Strings bare, null empty, booleans and numbers as written, lists and maps as compact JSON: the form in which
/// outputs of a run are collected and items are handed on.
pub fn bare(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => compact(other),
    }
}

/// A text in double quotes with Go's escapes, as Dagu writes a value that fills a quoted string.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            c if (c as u32) < 0x20 || c == '\x7f' => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if is_printable(c) => out.push(c),
            c if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    out.push('"');
    out
}

/// Rust escapes exactly the unprintable characters when it debugs a string; a letter in front keeps combining marks.
fn is_printable(c: char) -> bool {
    c.is_ascii() || {
        let mut buffer = [0; 4];
        let text: String = ["a", c.encode_utf8(&mut buffer)].concat();
        text.escape_debug().count() == 2
    }
}

/// The text of a double-quoted word, quotes included, with Go's escapes decoded. `None` for a bad escape.
pub fn unquote(quoted: &str) -> Option<String> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut out: Vec<u8> = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\n' => return None,
            '\\' => {
                let code = match chars.next()? {
                    'a' => 0x07,
                    'b' => 0x08,
                    'f' => 0x0c,
                    'n' => 0x0a,
                    'r' => 0x0d,
                    't' => 0x09,
                    'v' => 0x0b,
                    '\\' => 0x5c,
                    '"' => 0x22,
                    'x' => {
                        out.push(digits(&mut chars, 2, 16)? as u8);
                        continue;
                    }
                    'u' => digits(&mut chars, 4, 16)?,
                    'U' => digits(&mut chars, 8, 16)?,
                    first @ '0'..='7' => {
                        let code = first.to_digit(8)? * 64 + digits(&mut chars, 2, 8)?;
                        out.push(u8::try_from(code).ok()?);
                        continue;
                    }
                    _ => return None,
                };
                push_char(&mut out, char::from_u32(code)?);
            }
            c => push_char(&mut out, c),
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

fn push_char(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn digits(chars: &mut std::str::Chars<'_>, count: usize, radix: u32) -> Option<u32> {
    (0..count).try_fold(0u32, |code, _| Some(code.checked_mul(radix)? + chars.next()?.to_digit(radix)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_text_prints_what_dagu_prints() {
        for (value, text) in [
            (json!(null), "<nil>"),
            (json!([1, "a", null]), "[1 a <nil>]"),
            (json!({"b": 1, "a": [true]}), "map[a:[true] b:1]"),
            (json!(1.5), "1.5"),
            (json!(0.75), "0.75"),
            (json!(8080), "8080"),
            (json!(12345678), "12345678"),
        ] {
            assert_eq!(plain(&value), text);
        }
        assert_eq!(plain_from_json(&json!(1_000_000)), "1e+06");
        assert_eq!(plain_from_json(&json!(12_345_678)), "1.2345678e+07");
        assert_eq!(plain_from_json(&json!(0.00001)), "1e-05");
        assert_eq!(plain_from_json(&json!(1.0)), "1");
        assert_eq!(plain_from_json(&json!({"x": 100_000})), "map[x:100000]");
    }

    #[test]
    fn compact_sorts_keys_and_keeps_numbers_plain() {
        assert_eq!(
            compact(&json!({"b": [1.0, 1e21], "a": "\"<&>"})),
            r#"{"a":"\"<&>","b":[1,1000000000000000000000]}"#
        );
    }

    #[test]
    fn quoting_and_unquoting_agree() {
        for text in ["plain", "An \"n\"", "a\\b\n\t\x01", "ä😀", "\u{200b}\u{a0}", "e\u{301}"] {
            assert_eq!(unquote(&quote(text)).as_deref(), Some(text), "{text:?}");
        }
        assert_eq!(quote("\u{200b}\x1b"), r#""\u200b\x1b""#);
        assert_eq!(unquote(r#""\q""#), None);
    }
}
