//! Evaluation with command substitution: `eval` of parameters and preconditions, the only fields where text runs.

use std::ops::Range;

use super::resolve::{Pass, Policy};
use super::scan::scan;
use super::scope::Scope;

/// Why an evaluation came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    #[error("command substitutions cannot be nested: `{0}`")]
    Nested(String),
    /// The command could not be run, ended with another code than 0, or took too long.
    #[error("{0}")]
    Command(String),
}

/// Resolves references, then bare names (the scope, then the process), then runs what the text itself writes as
/// `` `…` `` or `$(…)`, each once and from left to right. `run` gets the body and returns its stdout, which is
/// trimmed here. Inserted values are never run.
///
/// # Errors
/// Nested substitutions, and whatever `run` reports. No text is returned then.
pub fn evaluate(
    text: &str,
    scope: &dyn Scope,
    run: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<String, EvalError> {
    let tokens = scan(text);
    let mut pass = Pass::new(text, &tokens, Policy::Process, scope);
    let mut out = String::new();
    let mut at = 0;
    for piece in substitutions(text) {
        let before = pass.range(at..piece.whole.start);
        at = piece.whole.end;
        match piece.kind {
            Kind::Escaped => {
                out.push_str(before.strip_suffix('\\').unwrap_or(&before));
                // The rest is text like any other.
                at = piece.whole.start + 2;
                out.push_str("$(");
                continue;
            }
            Kind::Ticks | Kind::Dollar => out.push_str(&before),
        }
        let body = pass.range(piece.body.clone());
        if matches!(piece.kind, Kind::Dollar) && text[piece.body].contains("$(") {
            return Err(EvalError::Nested(text[piece.whole].to_owned()));
        }
        out.push_str(run(&body).map_err(EvalError::Command)?.trim());
    }
    out.push_str(&pass.range(at..text.len()));
    Ok(out)
}

/// True when evaluating the text would run a command.
pub fn runs_commands(text: &str) -> bool {
    substitutions(text).iter().any(|piece| !matches!(piece.kind, Kind::Escaped))
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Ticks,
    Dollar,
    /// `\$(`: text.
    Escaped,
}

#[derive(Debug)]
struct Piece {
    whole: Range<usize>,
    body: Range<usize>,
    kind: Kind,
}

/// The substitutions of the authored text, left to right. Unclosed and empty ones are text. Backticks come first, so
/// a `$(` between them belongs to their shell.
fn substitutions(text: &str) -> Vec<Piece> {
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let mut backslashes = 0;
    let mut i = 0;
    while i < bytes.len() {
        let escaped = backslashes % 2 == 1;
        backslashes = if bytes[i] == b'\\' { backslashes + 1 } else { 0 };
        if bytes[i] == b'`' && !escaped {
            if let Some(end) = unescaped(bytes, i + 1, b'`') {
                if end > i + 1 {
                    pieces.push(Piece { whole: i..end + 1, body: i + 1..end, kind: Kind::Ticks });
                }
                i = end;
            }
        } else if bytes[i..].starts_with(b"$(") {
            if escaped {
                pieces.push(Piece { whole: i..i + 2, body: i + 2..i + 2, kind: Kind::Escaped });
                i += 1;
            } else if let Some(end) = unescaped(bytes, i + 2, b')') {
                pieces.push(Piece { whole: i..end + 1, body: i + 2..end, kind: Kind::Dollar });
                i = end;
            }
        }
        i += 1;
    }
    pieces
}

/// The next `wanted` from `from` that has no odd run of backslashes before it.
fn unescaped(bytes: &[u8], from: usize, wanted: u8) -> Option<usize> {
    let mut backslashes = 0;
    for (i, &byte) in bytes.iter().enumerate().skip(from) {
        if byte == wanted && backslashes % 2 == 0 {
            return Some(i);
        }
        backslashes = if byte == b'\\' { backslashes + 1 } else { 0 };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::scope::{LayerKind, RunScope};
    use super::*;

    fn eval(text: &str) -> (Result<String, EvalError>, Vec<String>) {
        let mut scope = RunScope::new([("HOSTONLY".to_owned(), "h".to_owned())].into());
        scope.set(LayerKind::Env, "A", "x");
        scope.set(LayerKind::Env, "CMD", "$(rm)");
        let mut ran = Vec::new();
        let result = evaluate(text, &scope, &mut |body| {
            ran.push(body.to_owned());
            if body.starts_with("exit") { Err("exit status 3".to_owned()) } else { Ok(format!(" <{body}>\n")) }
        });
        (result, ran)
    }

    #[test]
    fn substitutions_of_the_authored_text_run_once_each() {
        for (text, result, bodies) in [
            ("a $(one $A) b `two $A`", "a <one x> b <two x>", &["one x", "two x"][..]),
            ("$HOSTONLY ${env.HOSTONLY} ${A:-z}", "h h x", &[]),
            ("$CMD", "$(rm)", &[]),
            (r"\$(x) $A", "$(x) x", &[]),
            (r"$(a \) b)", r"<a \) b>", &[r"a \) b"]),
            (r"`a \` b`", r"<a \` b>", &[r"a \` b"]),
            ("$(echo 'a)b')", "<echo 'a>b')", &["echo 'a"]),
            ("'$(x)'", "'<x>'", &["x"]),
            ("`` ` $( $A", "`` ` $( x", &[]),
            ("`a $(b)`", "<a $(b)>", &["a $(b)"]),
            ("plain", "plain", &[]),
        ] {
            let (got, ran) = eval(text);
            assert_eq!(
                (got.as_deref(), ran.as_slice()),
                (Ok(result), &bodies.iter().map(|b| (*b).to_owned()).collect::<Vec<_>>()[..]),
                "{text}"
            );
            assert_eq!(runs_commands(text), !bodies.is_empty(), "{text}");
        }
    }

    #[test]
    fn failures_fail_the_whole_text() {
        assert_eq!(eval("a $(exit 3)").0, Err(EvalError::Command("exit status 3".to_owned())));
        let (result, ran) = eval("$(a $(b))");
        assert_eq!(result, Err(EvalError::Nested("$(a $(b)".to_owned())));
        assert!(ran.is_empty());
    }
}
