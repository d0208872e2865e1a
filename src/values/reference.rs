//! What can stand between `${` and `}` and means something to Dagu itself.

use super::context::ContextField;
use super::path;
use super::problem::Segment;

/// A reference in any of the forms documents use. Names are case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// `${consts.NAME}`
    Const(String),
    /// `${params}`: the whole payload as JSON.
    Payload,
    /// `${params.NAME}`
    Param(String),
    /// `${env.NAME}`
    Env(String),
    /// `${steps.ID.outputs.NAME}`
    StepOutput { step: String, output: String },
    /// `${foreach.index}`, `${foreach.key}`, `${foreach.AS}`, `${foreach.AS.FIELD}`
    Foreach(ForeachName),
    /// `${context.…}` or a frozen alias of it.
    Context(ContextField),
    /// Text below `context.` that names no field. It stays text; checkers report it.
    UnknownContext(String),
    /// `${inputs.NAME}` of a build step.
    Input(String),
    /// `${outputs.NAME}` of a build step.
    Output(String),
    /// The older forms: `${ID.output.path}`, `${ID.stdout}`, `${ID.exit_code}`, `${NAME.path}`, `${ITEM.field}`.
    Short(Short),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ForeachName {
    Index,
    Key,
    /// The loop variable, by the name of `as`, and a field of it.
    Item {
        name: String,
        field: Option<String>,
    },
}

/// `${HEAD.path}`, where the head is a step id or a name of the scope that holds JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Short {
    pub head: String,
    /// At least one segment, the first by name.
    pub path: Vec<Segment>,
    pub slice: Option<Slice>,
}

/// `:START` or `:START:LENGTH`, counted in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slice {
    pub start: usize,
    pub length: Option<usize>,
}

impl Slice {
    pub fn apply(self, text: &str) -> String {
        text.chars().skip(self.start).take(self.length.unwrap_or(usize::MAX)).collect()
    }
}

/// `^[A-Za-z][A-Za-z0-9_]*$`: names of constants, parameters, steps, outputs.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && is_env_name(text)
}

/// `^[A-Za-z_][A-Za-z0-9_]*$`: names of variables.
pub fn is_env_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Reference {
    /// The reference between the braces, if it is one; blanks around it do not matter. Everything else in braces is
    /// ordinary text.
    pub fn parse(inner: &str) -> Option<Self> {
        let text = inner.trim();
        let name = |name: &str| is_name(name).then(|| name.to_owned());
        if let Some(field) = ContextField::parse(text) {
            return Some(Self::Context(field));
        }
        if text.starts_with("context.") {
            return Some(Self::UnknownContext(text.to_owned()));
        }
        let segments: Vec<&str> = text.split('.').collect();
        let scoped = match segments[..] {
            ["params"] => Some(Self::Payload),
            ["params", n] => name(n).map(Self::Param),
            ["consts", n] => name(n).map(Self::Const),
            ["env", n] => is_env_name(n).then(|| Self::Env(n.to_owned())),
            ["steps", step, "outputs", output] => (is_name(step) && is_env_name(output))
                .then(|| Self::StepOutput { step: step.to_owned(), output: output.to_owned() }),
            ["foreach", "index"] => Some(Self::Foreach(ForeachName::Index)),
            ["foreach", "key"] => Some(Self::Foreach(ForeachName::Key)),
            ["foreach", item] => name(item).map(|name| Self::Foreach(ForeachName::Item { name, field: None })),
            ["foreach", item, field] => (is_name(item) && is_name(field))
                .then(|| Self::Foreach(ForeachName::Item { name: item.to_owned(), field: Some(field.to_owned()) })),
            ["inputs", n] => name(n).map(Self::Input),
            ["outputs", n] => name(n).map(Self::Output),
            _ => None,
        };
        scoped.or_else(|| Short::parse(inner).map(Self::Short))
    }
}

impl Short {
    fn parse(inner: &str) -> Option<Self> {
        let dot = inner.find('.')?;
        let (head, rest) = inner.split_at(dot);
        if !is_env_name(head) {
            return None;
        }
        let (path, slice) = match rest.find(':') {
            Some(colon) => (&rest[..colon], Some(Slice::parse(&rest[colon + 1..])?)),
            None => (rest, None),
        };
        Some(Self { head: head.to_owned(), path: path::parse(path)?, slice })
    }

    /// The first segment, which is a name.
    pub fn property(&self) -> &str {
        match self.path.first() {
            Some(Segment::Key(key)) => key,
            _ => "",
        }
    }
}

impl Slice {
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
        };
        match text.split_once(':') {
            Some((start, length)) => Some(Self { start: number(start)?, length: Some(number(length)?) }),
            None => Some(Self { start: number(text)?, length: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_references() {
        use Reference::*;
        let name = |text: &str| text.to_owned();
        for (inner, reference) in [
            ("consts.svc", Const(name("svc"))),
            (" params.a\n", Param(name("a"))),
            ("params", Payload),
            ("env._X1", Env(name("_X1"))),
            ("steps.b.outputs.v", StepOutput { step: name("b"), output: name("v") }),
            ("steps.b.outputs._v", StepOutput { step: name("b"), output: name("_v") }),
            ("foreach.index", Foreach(ForeachName::Index)),
            ("foreach.it.f", Foreach(ForeachName::Item { name: name("it"), field: Some(name("f")) })),
            ("context.run.id", Context(ContextField::RunId)),
            ("run.id", Context(ContextField::RunId)),
            ("context.run", UnknownContext(name("context.run"))),
            ("context.run.id.x", UnknownContext(name("context.run.id.x"))),
            ("inputs.src", Input(name("src"))),
            ("outputs.bin", Output(name("bin"))),
        ] {
            assert_eq!(Reference::parse(inner), Some(reference), "{inner}");
        }
    }

    #[test]
    fn plain_text_in_braces() {
        for inner in
            ["context", "consts", "env", "PARAMS", "X", "X:-d", "", " ", "a b.c", "1.x", "a.b:-2", "a.b:1:", "a."]
        {
            assert_eq!(Reference::parse(inner), None, "{inner:?}");
        }
    }

    #[test]
    fn short_forms_are_only_found_where_no_namespace_fits() {
        let short = |inner: &str| match Reference::parse(inner) {
            Some(Reference::Short(short)) => short,
            other => panic!("{inner}: {other:?}"),
        };
        assert_eq!(short("b.output.a[0]").path.len(), 3);
        assert_eq!(short("b.stdout").property(), "stdout");
        assert_eq!(short("b.output:1:3").slice, Some(Slice { start: 1, length: Some(3) }));
        assert_eq!(short("b.output:2").slice.expect("a slice").apply("häl"), "l");
        assert_eq!(short("steps.a-b.outputs.c").head, "steps");
        assert_eq!(short("params.a.b").head, "params");
    }
}
