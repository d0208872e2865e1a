//! Turning the text of a field into the text that is used.
//!
//! One pass from left to right. What is inserted is data: it is never looked at again, neither for references nor for
//! bare names. That is stricter than Dagu, whose program expands bare names in inserted text once more.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

use super::json_text;
use super::operator::{Applied, Operator};
use super::reference::Reference;
use super::scan::{Token, TokenKind, scan};
use super::scope::Scope;

/// Who owns `$NAME`, `${NAME}` and `${NAME:-x}` in a field. References in braces are resolved under each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// The scope; missing names stay, the host's environment is not asked. Most fields.
    Scope,
    /// The scope, then the runner's process. `exec` commands.
    Host,
    /// As [`Host`](Self::Host), and `${env.NAME}` may come from the process too. Root `env`, `dotenv`, `eval`,
    /// `container.env`.
    Process,
    /// The scope, then inherited entries. `working_dir`.
    WorkingDir,
    /// A shell will see the text and owns bare names, with their quotes and backslashes. Only positional digits are
    /// filled in. `run`.
    Shell,
    /// As [`Scope`](Self::Scope), but a backslash before a bare name is path text. `stdout` and `stderr`.
    Path,
    /// As [`Scope`](Self::Scope), but operator forms stay. Literals of `output`.
    Plain,
    /// As [`Scope`](Self::Scope), but an escaped name keeps its backslash. `container.shell`.
    ContainerShell,
    /// Bare names are text. `consts`.
    Kept,
}

impl Policy {
    fn leaves_names(self) -> bool {
        matches!(self, Self::Shell | Self::Kept)
    }

    fn bare<'a>(self, name: &str, scope: &'a dyn Scope) -> Option<Cow<'a, str>> {
        let declared = scope.declared(name);
        match self {
            Self::Host | Self::Process => declared.or_else(|| scope.process(name)),
            Self::WorkingDir => declared.or_else(|| scope.inherited(name)),
            _ => declared,
        }
    }

    fn reference<'a>(self, reference: &Reference, scope: &'a dyn Scope) -> Option<Cow<'a, str>> {
        match reference {
            Reference::Env(name) => {
                let known = scope.declared(name).or_else(|| scope.inherited(name));
                if self == Self::Process { known.or_else(|| scope.process(name)) } else { known }
            }
            other => scope.reference(other),
        }
    }
}

/// The outcome of resolving a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    pub text: String,
    /// The tokens that found no value and stayed. Escaped and protected ones are not among them.
    pub missing: Vec<Missing>,
}

/// A token that stayed in the text because nothing has its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Bytes of the token in the text that was resolved.
    pub range: Range<usize>,
    /// The variable asked for; `None` for other references.
    pub variable: Option<String>,
    /// The reference, or `None` for a bare name.
    pub reference: Option<Reference>,
    /// An operator form such as `${NAME:-word}`.
    pub operator: bool,
}

/// The text of a field under its policy.
pub fn resolve(text: &str, policy: Policy, scope: &dyn Scope) -> String {
    resolve_noting(text, policy, scope).text
}

/// As [`resolve`], and says what stayed.
pub fn resolve_noting(text: &str, policy: Policy, scope: &dyn Scope) -> Resolved {
    let tokens = scan(text);
    if tokens.is_empty() {
        return Resolved { text: text.to_owned(), missing: Vec::new() };
    }
    let mut pass = Pass::new(text, &tokens, policy, scope);
    let text = pass.range(0..text.len());
    Resolved { text, missing: pass.missing }
}

/// Resolves every string of a value; keys and other scalars stay.
pub fn resolve_json(value: &Value, policy: Policy, scope: &dyn Scope) -> Value {
    match value {
        Value::String(text) => Value::String(resolve(text, policy, scope)),
        Value::Array(items) => items.iter().map(|item| resolve_json(item, policy, scope)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), resolve_json(value, policy, scope))).collect()
        }
        other => other.clone(),
    }
}

/// One evaluation of one text; dynamic evaluation takes it piece by piece.
pub(crate) struct Pass<'a> {
    text: &'a str,
    tokens: &'a [Token],
    policy: Policy,
    scope: &'a dyn Scope,
    /// An operator that cannot be carried out spoils all operator forms of the text.
    operators: bool,
    pub(crate) missing: Vec<Missing>,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(text: &'a str, tokens: &'a [Token], policy: Policy, scope: &'a dyn Scope) -> Self {
        let mut pass = Self { text, tokens, policy, scope, operators: true, missing: Vec::new() };
        pass.operators = policy != Policy::Plain
            && !tokens.iter().any(|token| match &token.kind {
                TokenKind::Operator { name, operator } if !pass.kept(token) => {
                    matches!(pass.apply(name, operator), Some(Applied::Spoilt))
                }
                _ => false,
            });
        pass
    }

    /// Resolves a stretch of the text. Tokens that reach beyond it stay.
    pub(crate) fn range(&mut self, range: Range<usize>) -> String {
        let text = self.text;
        let mut out = String::with_capacity(range.len());
        let mut at = range.start;
        for token in self.tokens {
            if token.range.start < at || token.range.end > range.end {
                continue;
            }
            let start = token.range.start;
            match self.token(token) {
                Outcome::Stay => {}
                Outcome::Unescape => {
                    out.push_str(&text[at..start - 1]);
                    at = start;
                }
                Outcome::Insert(value) => {
                    out.push_str(&text[at..start]);
                    out.push_str(&value);
                    at = token.range.end;
                }
                Outcome::Quoted(value) => {
                    let (before, after) = (text[at..start].strip_suffix('"'), token.range.end + 1);
                    match before.filter(|_| after <= range.end && text[token.range.end..].starts_with('"')) {
                        Some(before) => {
                            out.push_str(before);
                            out.push_str(&json_text::quote(&value));
                            at = after;
                        }
                        None => {
                            out.push_str(&text[at..start]);
                            out.push_str(&value);
                            at = token.range.end;
                        }
                    }
                }
            }
        }
        out.push_str(&text[at..range.end]);
        out
    }

    /// True where quotes or a backslash keep a bare form from being expanded.
    fn kept(&self, token: &Token) -> bool {
        token.protected || (token.escaped() && self.policy != Policy::Path)
    }

    fn token(&mut self, token: &Token) -> Outcome<'a> {
        let (policy, scope) = (self.policy, self.scope);
        match &token.kind {
            TokenKind::Other => Outcome::Stay,
            TokenKind::Reference(reference) => {
                let value = policy.reference(reference, scope);
                match (value, reference) {
                    // A short form is one only if something answers to it; else a backslash before it is text.
                    (None, Reference::Short(_)) => Outcome::Stay,
                    _ if token.escaped() => Outcome::Unescape,
                    (Some(value), _) => Outcome::Insert(value),
                    (None, _) => {
                        let variable = match reference {
                            Reference::Env(name) => Some(name.clone()),
                            _ => None,
                        };
                        self.miss(token, variable, Some(reference.clone()))
                    }
                }
            }
            TokenKind::Digits { .. } if policy == Policy::Kept || token.protected => Outcome::Stay,
            TokenKind::Digits { number, .. } => match (policy, scope.positional(*number)) {
                (_, None) => Outcome::Stay,
                (Policy::Shell, Some(_)) if token.backslashes > 0 => Outcome::Stay,
                (Policy::ContainerShell, Some(_)) if token.escaped() => Outcome::Stay,
                (_, Some(_)) if token.escaped() && policy != Policy::Path => Outcome::Unescape,
                (_, Some(value)) => Outcome::Insert(value),
            },
            TokenKind::Bare { .. } | TokenKind::Operator { .. } if policy.leaves_names() || token.protected => {
                Outcome::Stay
            }
            TokenKind::Bare { .. } | TokenKind::Operator { .. } if self.kept(token) => match policy {
                Policy::ContainerShell => Outcome::Stay,
                _ => Outcome::Unescape,
            },
            TokenKind::Bare { name, braced } => match policy.bare(name, scope) {
                Some(value) if *braced => Outcome::Quoted(value),
                Some(value) => Outcome::Insert(value),
                None => self.miss(token, Some(name.clone()), None),
            },
            TokenKind::Operator { name, operator } => match self.apply(name, operator) {
                Some(Applied::Value(value)) if self.operators => Outcome::Insert(value.into()),
                Some(_) => Outcome::Stay,
                None => self.miss(token, Some(name.clone()), None),
            },
        }
    }

    fn miss(&mut self, token: &Token, variable: Option<String>, reference: Option<Reference>) -> Outcome<'a> {
        self.missing.push(Missing {
            range: token.range.clone(),
            variable,
            reference,
            operator: matches!(token.kind, TokenKind::Operator { .. }),
        });
        Outcome::Stay
    }

    fn apply(&self, name: &str, operator: &Operator) -> Option<Applied> {
        let value = self.policy.bare(name, self.scope)?;
        Some(operator.apply(&value, &|name| self.policy.bare(name, self.scope)))
    }
}

enum Outcome<'a> {
    /// The token is text.
    Stay,
    /// The token is text, and the backslash before it goes.
    Unescape,
    Insert(Cow<'a, str>),
    /// As `Insert`, but where double quotes hold nothing else, the value is written with Go's escapes.
    Quoted(Cow<'a, str>),
}

#[cfg(test)]
mod tests;
