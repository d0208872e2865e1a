//! The operators of `${NAME…}` for known names: defaults, substrings, lengths, and cutting by pattern.

use regex::Regex;

/// What follows the name inside the braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// `:-` and `-`
    Default { colon: bool, word: String },
    /// `:+` and `+`
    Alternative { colon: bool, word: String },
    /// `:?` and `?`
    Require { colon: bool, word: String },
    /// `:=` and `=`
    Assign { colon: bool, word: String },
    /// `:OFFSET` or `:OFFSET:LENGTH`, in bytes of UTF-8; negative counts from the end.
    Substring { offset: i64, length: Option<i64> },
    /// `#NAME`, in characters.
    Length,
    /// `#`, `##`, `%`, `%%`
    Cut { suffix: bool, longest: bool, pattern: String },
    /// `/` and `//`
    Replace { all: bool, pattern: String, with: String },
}

/// What an operator makes of a known value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    Value(String),
    /// The expression cannot be had, and with it no operator expression of the whole field.
    Spoilt,
}

impl Operator {
    /// The name and operator inside the braces, if they are any of those known here.
    pub fn parse(inner: &str) -> Option<(&str, Self)> {
        if let Some(name) = inner.strip_prefix('#') {
            return super::reference::is_env_name(name).then_some((name, Self::Length));
        }
        let end = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        let (name, rest) = inner.split_at(end);
        if !super::reference::is_env_name(name) {
            return None;
        }
        // There is no nesting: a brace inside belongs to an expression that ended too early.
        if rest.contains("${") {
            return None;
        }
        let word = |skip: usize| rest[skip..].to_owned();
        let operator = match rest.as_bytes() {
            [b':', b'-', ..] => Self::Default { colon: true, word: word(2) },
            [b':', b'+', ..] => Self::Alternative { colon: true, word: word(2) },
            [b':', b'?', ..] => Self::Require { colon: true, word: word(2) },
            [b':', b'=', ..] => Self::Assign { colon: true, word: word(2) },
            [b'-', ..] => Self::Default { colon: false, word: word(1) },
            [b'+', ..] => Self::Alternative { colon: false, word: word(1) },
            [b'?', ..] => Self::Require { colon: false, word: word(1) },
            [b'=', ..] => Self::Assign { colon: false, word: word(1) },
            [b':', ..] => {
                let number = |text: &str| text.trim().parse::<i64>().ok();
                match rest[1..].split_once(':') {
                    Some((offset, length)) => {
                        Self::Substring { offset: number(offset)?, length: Some(number(length)?) }
                    }
                    None => Self::Substring { offset: number(&rest[1..])?, length: None },
                }
            }
            [b'#', b'#', ..] => Self::Cut { suffix: false, longest: true, pattern: word(2) },
            [b'#', ..] => Self::Cut { suffix: false, longest: false, pattern: word(1) },
            [b'%', b'%', ..] => Self::Cut { suffix: true, longest: true, pattern: word(2) },
            [b'%', ..] => Self::Cut { suffix: true, longest: false, pattern: word(1) },
            [b'/', second, ..] => {
                let all = *second == b'/';
                let body = &rest[if all { 2 } else { 1 }..];
                let (pattern, with) = body.split_once('/').unwrap_or((body, ""));
                Self::Replace { all, pattern: pattern.to_owned(), with: with.to_owned() }
            }
            _ => return None,
        };
        Some((name, operator))
    }

    /// Applies the operator to the value of its name. `lookup` gives the values of bare names in words and patterns;
    /// names it does not know stay as they are. A word is only looked at when it is needed.
    pub fn apply<'a>(&self, value: &str, lookup: &dyn Fn(&str) -> Option<std::borrow::Cow<'a, str>>) -> Applied {
        let word = |word: &str| {
            if word.contains("$(") || word.contains('`') {
                Applied::Spoilt
            } else {
                Applied::Value(expand_word(word, lookup))
            }
        };
        let keep = || Applied::Value(value.to_owned());
        match self {
            Self::Default { colon: true, word: w } if value.is_empty() => word(w),
            Self::Default { .. } => keep(),
            Self::Alternative { colon: true, .. } if value.is_empty() => keep(),
            Self::Alternative { word: w, .. } => word(w),
            Self::Require { colon: true, .. } | Self::Assign { colon: true, .. } if value.is_empty() => Applied::Spoilt,
            Self::Require { .. } | Self::Assign { .. } => keep(),
            Self::Substring { offset, length } => Applied::Value(substring(value, *offset, *length)),
            Self::Length => Applied::Value(value.chars().count().to_string()),
            Self::Cut { suffix, longest, pattern } => match word(pattern) {
                Applied::Value(pattern) => Applied::Value(cut(value, &pattern, *suffix, *longest)),
                spoilt => spoilt,
            },
            Self::Replace { all, pattern, with } => match (word(pattern), word(with)) {
                (Applied::Value(pattern), Applied::Value(with)) => {
                    Applied::Value(replace(value, &pattern, &with, *all))
                }
                _ => Applied::Spoilt,
            },
        }
    }
}

/// Bare names are filled in, double quotes dropped.
fn expand_word<'a>(word: &str, lookup: &dyn Fn(&str) -> Option<std::borrow::Cow<'a, str>>) -> String {
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match c {
            '"' => rest = after,
            '$' => {
                let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
                let name = &after[..end];
                match super::reference::is_env_name(name).then(|| lookup(name)).flatten() {
                    Some(value) => {
                        out.push_str(&value);
                        rest = &after[end..];
                    }
                    None => {
                        out.push('$');
                        rest = after;
                    }
                }
            }
            c => {
                out.push(c);
                rest = after;
            }
        }
    }
    out
}

/// Clamped at both ends. A cut through a character leaves a replacement character.
fn substring(value: &str, offset: i64, length: Option<i64>) -> String {
    let bytes = value.as_bytes();
    let size = bytes.len() as i64;
    let start = if offset < 0 { size.saturating_add(offset) } else { offset }.clamp(0, size);
    let end = match length {
        None => size,
        Some(length) if length < 0 => size.saturating_add(length),
        Some(length) => start.saturating_add(length),
    }
    .clamp(start, size);
    String::from_utf8_lossy(&bytes[start as usize..end as usize]).into_owned()
}

fn cut(value: &str, pattern: &str, suffix: bool, longest: bool) -> String {
    let Some(glob) = glob(pattern, if suffix || longest { "*" } else { "*?" }) else { return value.to_owned() };
    // A suffix is cut by what stands before it: the more of that, the shorter the suffix.
    let whole = match (suffix, longest) {
        (false, _) => format!(r"(?s)\A(?:{glob})(?P<keep>.*)\z"),
        (true, false) => format!(r"(?s)\A(?P<keep>.*)(?:{glob})\z"),
        (true, true) => format!(r"(?s)\A(?P<keep>.*?)(?:{glob})\z"),
    };
    match Regex::new(&whole).ok().and_then(|regex| regex.captures(value)?.name("keep").map(|keep| keep.as_str())) {
        Some(keep) => keep.to_owned(),
        None => value.to_owned(),
    }
}

fn replace(value: &str, pattern: &str, with: &str, all: bool) -> String {
    let regex =
        glob(pattern, "*").filter(|glob| !glob.is_empty()).and_then(|glob| Regex::new(&format!("(?s){glob}")).ok());
    match regex {
        Some(regex) => regex.replacen(value, if all { 0 } else { 1 }, regex::NoExpand(with)).into_owned(),
        None => value.to_owned(),
    }
}

/// A shell glob as a regular expression; `star` is how greedy `*` is. `None` for a glob that is none.
fn glob(pattern: &str, star: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => {
                out.push('.');
                out.push_str(star);
            }
            '?' => out.push('.'),
            '\\' => out.push_str(&regex::escape(&chars.next()?.to_string())),
            '[' => {
                out.push('[');
                if matches!(chars.peek(), Some('!' | '^')) {
                    chars.next();
                    out.push('^');
                }
                let mut first = true;
                loop {
                    match chars.next()? {
                        ']' if !first => break,
                        '-' => out.push('-'),
                        '\\' => out.push_str(&regex::escape(&chars.next()?.to_string())),
                        c => out.push_str(&class_char(c)),
                    }
                    first = false;
                }
                out.push(']');
            }
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    Some(out)
}

fn class_char(c: char) -> String {
    if c.is_alphanumeric() || c == '_' || c == ' ' { c.to_string() } else { format!("\\x{{{:x}}}", c as u32) }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn eval(inner: &str, value: &str) -> String {
        let (_, operator) = Operator::parse(inner).unwrap_or_else(|| panic!("{inner} is an operator"));
        match operator.apply(value, &|name| (name == "B").then_some(Cow::Borrowed("b"))) {
            Applied::Value(value) => value,
            Applied::Spoilt => "SPOILT".to_owned(),
        }
    }

    #[test]
    fn words() {
        for (inner, value, result) in [
            ("N:-w", "", "w"),
            ("N:-w", "v", "v"),
            ("N-w", "", ""),
            ("N:+w", "v", "w"),
            ("N:+w", "", ""),
            ("N+w", "", "w"),
            ("N:?w", "v", "v"),
            ("N:?w", "", "SPOILT"),
            ("N?w", "", ""),
            ("N:=w", "v", "v"),
            ("N:=w", "", "SPOILT"),
            ("N=w", "", ""),
            ("N:-$B-$C$", "", "b-$C$"),
            ("N:-\"q r\"", "", "q r"),
            ("N:-$(x)", "", "SPOILT"),
            ("N:-$(x)", "v", "v"),
            ("N:-`x`", "", "SPOILT"),
        ] {
            assert_eq!(eval(inner, value), result, "{inner} of {value:?}");
        }
    }

    #[test]
    fn substrings_and_lengths() {
        for (inner, value, result) in [
            ("A:1", "hello", "ello"),
            ("A:1:2", "hello", "el"),
            ("A: -2", "hello", "lo"),
            ("A:0:-1", "hello", "hell"),
            ("A:9", "hello", ""),
            ("A:2:99", "hello", "llo"),
            ("A:3:-3", "hello", ""),
            ("A: -99", "hello", "hello"),
            ("#A", "äöü€", "4"),
            ("U:0:2", "äöü€", "ä"),
        ] {
            assert_eq!(eval(inner, value), result, "{inner} of {value:?}");
        }
    }

    #[test]
    fn patterns() {
        let path = "/usr/local/lib/file.tar.gz";
        for (inner, value, result) in [
            ("P#*/", path, "usr/local/lib/file.tar.gz"),
            ("P##*/", path, "file.tar.gz"),
            ("P%.*", path, "/usr/local/lib/file.tar"),
            ("P%%.*", path, "/usr/local/lib/file"),
            ("P#nomatch", path, path),
            ("P#[", "x", "x"),
            ("P%[", "x", "x"),
            ("P#[!a-c]", "xyz", "yz"),
            ("P#[]x]", "]z", "z"),
            ("P#\\*", "*z", "z"),
            ("P%$B", "ab", "a"),
            ("A/l/L", "hello", "heLlo"),
            ("A//l/L", "hello", "heLLo"),
            ("A//l", "hello", "heo"),
            ("A/h*l/$B$1", "hello", "b$1o"),
            ("P##*x*y", "1x2y3x4y5", "5"),
            ("P#*x*y", "1x2y3x4y5", "3x4y5"),
        ] {
            assert_eq!(eval(inner, value), result, "{inner} of {value:?}");
        }
    }

    #[test]
    fn other_forms_are_no_operators() {
        for inner in ["A^^", "A,,", "!A", "A@Q", "A[0]", "A:-${B", "A:x", "1:-x", "", "A", "A/", "#", "#1"] {
            assert_eq!(Operator::parse(inner), None, "{inner}");
        }
    }
}
