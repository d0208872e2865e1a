//! `.env` files: which are read, and what they hold.
//!
//! The dialect is that of the Go library most tools share: `export`, `NAME=value` or `NAME: value`, comments, quotes,
//! values over several lines, and `$NAME` of the same file in upper case. The Rust crates for it fill in variables of
//! the process, which would let the host's environment into a workflow, so this is a parser of our own.

use std::collections::HashMap;

use serde_json::Value;

use super::json_text;

/// Why a file counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct DotenvError {
    /// One-based.
    pub line: usize,
    pub message: String,
}

/// The files to read, in order: `.env` first, then those named, without repeats; none for an empty list.
pub fn files(dotenv: Option<&Value>) -> Vec<String> {
    let named: Vec<String> = match dotenv {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) if items.is_empty() => return Vec::new(),
        Some(Value::Array(items)) => items.iter().map(json_text::plain).collect(),
        Some(other) => vec![json_text::plain(other)],
    };
    let mut files = vec![".env".to_owned()];
    for file in named.into_iter().map(|file| file.trim().to_owned()).filter(|file| !file.is_empty()) {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

/// The entries of one file, in order; a repeated name stands repeatedly.
///
/// # Errors
/// A line that is no entry, or a quote that is not closed. The file counts for nothing then.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, DotenvError> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let mut parser = Parser { text: &text, at: 0, known: HashMap::new() };
    let mut entries = Vec::new();
    while let Some((name, value)) = parser.entry()? {
        parser.known.insert(name.clone(), value.clone());
        entries.push((name, value));
    }
    Ok(entries)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    known: HashMap<String, String>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn line_end(&self) -> usize {
        self.rest().find('\n').map_or(self.text.len(), |end| self.at + end)
    }

    fn fail<T>(&self, at: usize, message: impl Into<String>) -> Result<T, DotenvError> {
        Err(DotenvError { line: self.text[..at].matches('\n').count() + 1, message: message.into() })
    }

    /// Behind blanks, line breaks and comments.
    fn skip(&mut self) {
        loop {
            self.at += self.rest().len() - self.rest().trim_start().len();
            if !self.rest().starts_with('#') {
                return;
            }
            self.at = self.line_end();
        }
    }

    fn entry(&mut self) -> Result<Option<(String, String)>, DotenvError> {
        self.skip();
        if self.rest().is_empty() {
            return Ok(None);
        }
        let start = self.at;
        if let Some(after) = self.rest().strip_prefix("export")
            && after.starts_with([' ', '\t'])
        {
            self.at += "export".len() + after.len() - after.trim_start_matches([' ', '\t']).len();
        }
        let line = &self.text[self.at..self.line_end()];
        let Some(separator) = line.find(['=', ':']) else {
            return self.fail(start, format!("`{}` is no `NAME=value`", line.trim_end()));
        };
        let name = line[..separator].trim_end();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')) {
            return self.fail(start, format!("`{name}` is no name: letters, digits, `_` and `.`"));
        }
        self.at += separator + 1;
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
        let value = match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => self.unquoted(),
        };
        Ok(Some((name.to_owned(), value)))
    }

    fn unquoted(&mut self) -> String {
        let end = self.line_end();
        let line = &self.text[self.at..end];
        let comment = line
            .char_indices()
            .find(|&(i, c)| c == '#' && (i == 0 || line[..i].ends_with(|before: char| before.is_whitespace())));
        let value = line[..comment.map_or(line.len(), |(i, _)| i)].trim_end();
        self.at = end;
        self.expand(value)
    }

    fn quoted(&mut self, quote: char) -> Result<String, DotenvError> {
        let start = self.at;
        let inside = &self.rest()[1..];
        let mut backslash = false;
        let close = inside.char_indices().find(|&(_, c)| {
            let closes = c == quote && !backslash;
            backslash = c == '\\' && !backslash;
            closes
        });
        let Some((length, _)) = close else {
            let line = &self.text[start..self.line_end()];
            return self.fail(start, format!("the quote of `{line}` is not closed"));
        };
        self.at = start + length + 2;
        let after = &self.text[self.at..self.line_end()];
        if !after.trim_start().is_empty() && !after.trim_start().starts_with('#') {
            return self.fail(self.at, format!("`{}` follows a closed quote", after.trim()));
        }
        self.at = self.line_end();
        let value = &inside[..length];
        Ok(if quote == '"' { self.expand(&unescape(value)) } else { value.to_owned() })
    }

    /// Fills in `$NAME` and `${NAME}` of earlier entries. Names of other than upper-case letters, digits and `_` stay,
    /// names nobody set become empty.
    fn expand(&self, value: &str) -> String {
        let mut out = String::with_capacity(value.len());
        let mut rest = value;
        while let Some(dollar) = rest.find('$') {
            let (before, from) = rest.split_at(dollar);
            let after = &from[1..];
            if let Some(before) = before.strip_suffix('\\') {
                out.push_str(before);
                out.push('$');
                rest = after;
                continue;
            }
            out.push_str(before);
            let (braced, inner) = match after.strip_prefix('{') {
                Some(inner) => (true, inner),
                None => (false, after),
            };
            let end = inner
                .find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
                .unwrap_or(inner.len());
            let (name, tail) = inner.split_at(end);
            let tail = if braced { tail.strip_prefix('}') } else { Some(tail) };
            match tail.filter(|_| !name.is_empty()) {
                Some(tail) => {
                    out.push_str(self.known.get(name).map_or("", String::as_str));
                    rest = tail;
                }
                None => {
                    out.push('$');
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }
}

/// `\n` and `\r` are line breaks; before anything but `$`, a backslash goes.
fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (c, false) => out.push(c),
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('$') => out.push_str("\\$"),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_dialect() {
        let text = concat!(
            "\u{feff}# comment\r\nA=1\r\n",
            "export B=\"two words\"\n",
            "C='single $A'\n",
            "D=un quoted # trailing\n",
            "E=\"x${A}y\" # comment\n",
            "F=$A\n",
            "G=a#b\n",
            "H=\"l1\\nl2\\t\\\"\"\n",
            "I: yaml\n",
            "J=\"over\ntwo lines\"\n",
            "K=\n",
            "L = spaced \n",
            "M=$lower $NOPE. \\$A $(x) $\n",
            "N=\"\\$A\"\n",
            "exported=1",
        );
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "single $A"),
            ("D", "un quoted"),
            ("E", "x1y"),
            ("F", "1"),
            ("G", "a#b"),
            ("H", "l1\nl2t\""),
            ("I", "yaml"),
            ("J", "over\ntwo lines"),
            ("K", ""),
            ("L", "spaced"),
            ("M", "$lower . $A $(x) $"),
            ("N", "$A"),
            ("exported", "1"),
        ];
        let entries = parse(text).expect("a file in the dialect");
        let entries: Vec<_> = entries.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(entries, expected);
    }

    #[test]
    fn what_cannot_be_read_is_named_by_line() {
        for (text, message) in [
            ("A=1\nthis is not valid\nB=2\n", "line 2: `this is not valid` is no `NAME=value`"),
            ("\n\nA B=1", "line 3: `A B` is no name: letters, digits, `_` and `.`"),
            ("A=\"open\nB=1", "line 1: the quote of `\"open` is not closed"),
            ("A='x' y", "line 1: `y` follows a closed quote"),
        ] {
            assert_eq!(parse(text).expect_err(text).to_string(), message);
        }
    }

    #[test]
    fn which_files_are_read() {
        for (value, files_read) in [
            (None, &[".env"][..]),
            (Some(json!([])), &[]),
            (Some(json!("x.env")), &[".env", "x.env"]),
            (Some(json!(["b.env", ".env", "b.env", "c.env"])), &[".env", "b.env", "c.env"]),
        ] {
            assert_eq!(files(value.as_ref()), files_read, "{value:?}");
        }
    }
}
