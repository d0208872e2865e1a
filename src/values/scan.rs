//! Finding references, bare names and operator forms in a text, with everything a checker or an editor wants to know
//! about each place: bytes, escapes, quotes.

use std::ops::Range;

use super::operator::Operator;
use super::reference::{Reference, is_env_name};

/// One `$…` of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Bytes from the `$` to the end of the form, in the scanned text.
    pub range: Range<usize>,
    /// Backslashes directly before the `$`.
    pub backslashes: usize,
    /// Starts between single quotes, which protect bare names (and nothing else).
    pub protected: bool,
    pub kind: TokenKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// A Dagu reference in braces, short forms included.
    Reference(Reference),
    /// `$NAME` or `${NAME}`
    Bare { name: String, braced: bool },
    /// `${NAME:-word}` and the like
    Operator { name: String, operator: Operator },
    /// `$1` or `${1}`
    Digits { number: usize, braced: bool },
    /// Something else in braces: ordinary text.
    Other,
}

impl Token {
    /// An odd run of backslashes: the last of them is the escape.
    pub fn escaped(&self) -> bool {
        self.backslashes % 2 == 1
    }

    pub fn text<'a>(&self, text: &'a str) -> &'a str {
        &text[self.range.clone()]
    }
}

/// Every token of a text, left to right, without overlap.
pub fn scan(text: &str) -> Vec<Token> {
    if !text.contains('$') {
        return Vec::new();
    }
    let quotes = quoted_spans(text);
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find('$') {
        let start = at + found;
        at = start + 1;
        let Some((end, kind)) = form(text, start) else { continue };
        let before = &bytes[..start];
        tokens.push(Token {
            range: start..end,
            backslashes: before.iter().rev().take_while(|&&byte| byte == b'\\').count(),
            protected: quotes.binary_search_by(|span| compare(span, start)).is_ok(),
            kind,
        });
        at = end;
    }
    tokens
}

fn compare(span: &Range<usize>, offset: usize) -> std::cmp::Ordering {
    if span.end <= offset {
        std::cmp::Ordering::Less
    } else if span.start > offset {
        std::cmp::Ordering::Greater
    } else {
        std::cmp::Ordering::Equal
    }
}

/// The form that starts with the `$` at `start`, and where it ends.
fn form(text: &str, start: usize) -> Option<(usize, TokenKind)> {
    let rest = &text[start + 1..];
    if let Some(inside) = rest.strip_prefix('{') {
        let length = inside.find('}').filter(|&length| length > 0)?;
        return Some((start + 2 + length + 1, braced(&inside[..length])));
    }
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let word = &rest[..end];
    if is_env_name(word) {
        return Some((start + 1 + end, TokenKind::Bare { name: word.to_owned(), braced: false }));
    }
    let number = digits(word)?;
    Some((start + 1 + end, TokenKind::Digits { number, braced: false }))
}

fn braced(inner: &str) -> TokenKind {
    if let Some(reference) = Reference::parse(inner) {
        return TokenKind::Reference(reference);
    }
    if is_env_name(inner) {
        return TokenKind::Bare { name: inner.to_owned(), braced: true };
    }
    if let Some(number) = digits(inner) {
        return TokenKind::Digits { number, braced: true };
    }
    match Operator::parse(inner) {
        Some((name, operator)) => TokenKind::Operator { name: name.to_owned(), operator },
        None => TokenKind::Other,
    }
}

/// A positional number, from 1.
fn digits(text: &str) -> Option<usize> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten().filter(|&number| number > 0)
}

/// The stretches between single quotes, opening quote included, closing quote not. A quote behind `$` or `}` opens
/// none, an escaped one neither opens nor closes, and an unclosed one protects nothing.
fn quoted_spans(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut spans = Vec::new();
    let mut open = None;
    let mut backslashes = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        if byte == b'\'' && backslashes % 2 == 0 {
            match open.take() {
                Some(start) => spans.push(start..i),
                None if i > 0 && matches!(bytes[i - 1], b'$' | b'}') => {}
                None => open = Some(i),
            }
        }
        backslashes = if byte == b'\\' { backslashes + 1 } else { 0 };
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        scan(text)
            .iter()
            .map(|token| {
                let mark = if token.protected { "'" } else { "" };
                format!("{mark}{}{}", "\\".repeat(token.backslashes), token.text(text))
            })
            .collect()
    }

    #[test]
    fn forms_and_where_they_end() {
        for (text, expected) in [
            ("$A_x $A-x $A.x", &["$A_x", "$A", "$A"][..]),
            ("$${params.a} {${params.a}}", &["${params.a}", "${params.a}"]),
            ("${X:-${params.a}} $B", &["${X:-${params.a}", "$B"]),
            ("${} ${ } $ {params.e} ${open", &["${ }"]),
            ("$1 $10 $1a $0 ${2}", &["$1", "$10", "${2}"]),
            ("${a\nb} $(x) $'y'", &["${a\nb}"]),
            (r"\$A \\${A}", &[r"\$A", r"\\${A}"]),
            ("ä$Bö", &["$B"]),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn single_quotes_protect_what_starts_in_a_closed_pair() {
        for (text, expected) in [
            ("'$A' '${A}' \"x '${A}'\"", &["'$A", "'${A}", "'${A}"][..]),
            ("don't $A", &["$A"]),
            ("it's $A and it's $B", &["'$A", "$B"]),
            ("${A}'s ${B}'s $A", &["${A}", "${B}", "$A"]),
            ("$A's and $B's $A", &["$A", "'$B", "$A"]),
            (r"\'$A\' ('$A') [$B] 'x'$A'y'", &["$A", "'$A", "$B", "$A"]),
            ("it's '$WHO' and '${WHO}' and $WHO", &["$WHO", "${WHO}", "$WHO"]),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }
}
