//! Words that name steps: where they are given, and where they are used in `depends` and in references.

use super::dag_at;
use crate::dag::{Dag, Field, Role, Spanned, Step};
use crate::document::Document;
use crate::syntax::{NodeKind, Value};
use crate::text::{Edit, Span};
use crate::values::reference::{Reference, is_name};
use crate::values::scan::{TokenKind, scan};

/// Longest id Dagu takes, in characters.
const ID_LIMIT: usize = 40;

/// A step can be called by its id and by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Id,
    Name,
}

/// One place where a step is called by a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Occurrence {
    /// The word alone, without quotes and braces.
    span: Span,
    /// Index in the list of [`named_steps`].
    step: usize,
    word: Word,
    given: bool,
}

/// Why a step cannot get a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenameError {
    #[error("there is no name of a step here")]
    Nothing,
    #[error("`{0}` cannot be an id; expected a letter, then letters, digits or `_`, at most 40 in all")]
    NoId(String),
    #[error("`{0}` cannot be a name here; expected letters, digits, blanks, `_`, `-` or `.`")]
    NoName(String),
    #[error("`{0}` is the id or name of another step")]
    Taken(String),
}

/// Where the step under the caret is given its id, or its name if it is called by that.
pub fn definition(document: &Document, offset: u32) -> Option<Span> {
    let (occurrences, at) = at(document, offset)?;
    let given = |word| occurrences.iter().find(|found| found.given && found.step == at.step && found.word == word);
    given(at.word).map(|found| found.span)
}

/// Every place where the step under the caret is called, in the order of the text; by id and by name alike.
pub fn references(document: &Document, offset: u32, with_definition: bool) -> Vec<Span> {
    let Some((occurrences, at)) = at(document, offset) else { return Vec::new() };
    let found = occurrences.iter().filter(|found| found.step == at.step && (with_definition || !found.given));
    let mut spans: Vec<Span> = found.map(|found| found.span).collect();
    spans.sort_unstable();
    spans.dedup();
    spans
}

/// The word under the caret, when it can be renamed.
pub fn renamable(document: &Document, offset: u32) -> Option<Span> {
    at(document, offset).map(|(_, at)| at.span)
}

/// Gives the step under the caret another id (or name, if it is called by that), and everybody who uses it too.
///
/// # Errors
/// When there is no step's name, or the new one cannot be one.
pub fn rename(document: &Document, offset: u32, new: &str) -> Result<Vec<Edit>, RenameError> {
    let (occurrences, at) = at(document, offset).ok_or(RenameError::Nothing)?;
    match at.word {
        Word::Id if !is_name(new) || new.chars().count() > ID_LIMIT => return Err(RenameError::NoId(new.to_owned())),
        Word::Name if !is_plain_name(new) => return Err(RenameError::NoName(new.to_owned())),
        _ => {}
    }
    let dag = dag_at(document, offset).ok_or(RenameError::Nothing)?;
    let steps = named_steps(dag);
    let taken = steps.iter().enumerate().any(|(index, named)| {
        index != at.step && [&named.step.id, &named.step.name].iter().any(|word| word.as_str() == Some(new))
    });
    if taken {
        return Err(RenameError::Taken(new.to_owned()));
    }
    let mut spans: Vec<Span> = occurrences
        .iter()
        .filter(|found| found.step == at.step && found.word == at.word)
        .map(|found| found.span)
        .collect();
    spans.sort_unstable();
    spans.dedup();
    Ok(spans.into_iter().map(|span| Edit::replace(span, new)).collect())
}

/// What YAML reads as the same text, quoted or not.
fn is_plain_name(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    text.starts_with(|c: char| c.is_alphabetic()) && text.chars().all(plain) && text.trim() == text
}

fn at(document: &Document, offset: u32) -> Option<(Vec<Occurrence>, Occurrence)> {
    let dag = dag_at(document, offset)?;
    let occurrences = occurrences(document, dag);
    let at = *occurrences.iter().find(|found| found.span.touches(offset as usize))?;
    Some((occurrences, at))
}

struct NamedStep<'a> {
    step: &'a Step,
    /// For a step in the body of a loop, the loop: its words count in there only.
    within: Option<usize>,
}

/// Steps and bodies of loops; handlers cannot be called.
fn named_steps(dag: &Dag) -> Vec<NamedStep<'_>> {
    let callable = dag.all_steps().filter_map(|found| match found.role {
        Role::Step(_) => Some(NamedStep { step: found.step, within: None }),
        Role::Body(index) => Some(NamedStep { step: found.step, within: Some(index) }),
        Role::Handler(_) => None,
    });
    callable.collect()
}

/// The step a word calls from inside the loop `within`, or from outside of all.
fn called(steps: &[NamedStep<'_>], word: &str, within: Option<usize>, only_id: bool) -> Option<(usize, Word)> {
    let find = |of: fn(&Step) -> &Field<String>, place: Option<usize>| {
        steps.iter().position(|named| named.within == place && of(named.step).as_str() == Some(word))
    };
    let places = [within, None];
    places.into_iter().find_map(|place| {
        let by_id = find(|step| &step.id, place).map(|step| (step, Word::Id));
        let by_name = || find(|step| &step.name, place).map(|step| (step, Word::Name));
        by_id.or_else(|| if only_id { None } else { by_name() })
    })
}

fn occurrences(document: &Document, dag: &Dag) -> Vec<Occurrence> {
    let text = &document.text;
    let steps = named_steps(dag);
    let mut found = Vec::new();
    for (index, named) in steps.iter().enumerate() {
        for (word, field) in [(Word::Id, &named.step.id), (Word::Name, &named.step.name)] {
            if let Some(span) = field.spanned().and_then(|field| written(text, field)) {
                found.push(Occurrence { span, step: index, word, given: true });
            }
        }
        for entry in named.step.depends.get().into_iter().flatten() {
            if let Some((step, word)) = called(&steps, &entry.value, named.within, false)
                && steps[step].within == named.within
                && let Some(span) = written(text, entry)
            {
                found.push(Occurrence { span, step, word, given: false });
            }
        }
    }
    for (span, id) in references_in(document, dag) {
        let within = steps.iter().find(|named| named.step.span.contains(span) && named.within.is_some());
        if let Some((step, word)) = called(&steps, &id, within.and_then(|named| named.within), true) {
            found.push(Occurrence { span, step, word, given: false });
        }
    }
    found
}

/// The word in the text, when it stands there letter by letter.
fn written(text: &str, word: &Spanned<String>) -> Option<Span> {
    let raw = word.span.text(text);
    if raw == word.value {
        return Some(word.span);
    }
    let inner = raw.strip_prefix(['"', '\''])?.strip_suffix(['"', '\''])?;
    (inner == word.value).then(|| Span { start: word.span.start + 1, end: word.span.end - 1 })
}

/// The ids in `${steps.ID.…}` and in the older `${ID.…}` of all texts of a document.
fn references_in(document: &Document, dag: &Dag) -> Vec<(Span, String)> {
    let text = &*document.text;
    let mut found = Vec::new();
    let mut open = vec![dag.root_value()];
    while let Some(value) = open.pop() {
        // What an alias stands for is met at its anchor.
        if value.site() != value.id() {
            continue;
        }
        match &value.node().kind {
            NodeKind::Mapping(map) => open.extend(map.written.iter().map(|entry| dag.value(entry.value))),
            NodeKind::Sequence(items) => open.extend(items.iter().map(|&item| dag.value(item))),
            NodeKind::Source(_) | NodeKind::Owned(_) => found.extend(ids_in(text, value)),
            _ => {}
        }
    }
    found
}

fn ids_in(text: &str, value: Value<'_>) -> Vec<(Span, String)> {
    // As written: escapes and indentation do not reach into a reference.
    let span = value.span();
    let raw = span.text(text);
    let tokens = scan(raw).into_iter().filter(|token| !token.escaped());
    let found = tokens.filter_map(|token| {
        let TokenKind::Reference(reference) = &token.kind else { return None };
        let (id, lead) = match reference {
            Reference::StepOutput { step, .. } => (step, "steps."),
            Reference::Short(short) => (&short.head, ""),
            _ => return None,
        };
        let braces = token.text(raw);
        let inner = braces.strip_prefix("${")?.trim_start().strip_prefix(lead)?;
        inner.strip_prefix(id.as_str())?;
        let start = span.start as usize + token.range.start + (braces.len() - inner.len());
        Some((Span::new(start, start + id.len()), id.clone()))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::caret;
    use super::*;

    const TEXT: &str = "\
steps:
  - id: a
    name: first
    run: x
  - id: b
    depends: [a, 'first']
    run: echo ${steps.a.outputs.v} \\${steps.a.outputs.v} ${a.exit_code}
  - id: loop
    depends: a
    foreach:
      items: [1]
      steps:
        - id: a
          run: y
        - id: c
          depends: a
          run: |
            echo ${steps.a.outputs.v}
            echo ${steps.b.outputs.v}
";

    /// The text with the caret behind the nth place of a word.
    fn at(word: &str, nth: usize) -> (Document, u32) {
        let (start, _) = TEXT.match_indices(word).nth(nth).expect("the word is there");
        let end = start + word.len();
        caret(&format!("{}|>{}", &TEXT[..end], &TEXT[end..]))
    }

    fn lines(document: &Document, spans: &[Span]) -> Vec<String> {
        let line = |span: &Span| document.lines.line(span.start) + 1;
        spans.iter().map(|span| format!("{}:{}", line(span), span.text(&document.text))).collect()
    }

    #[test]
    fn uses_lead_to_the_place_that_gives_the_word() {
        for (word, nth, expected) in [
            ("[a", 0, "2:a"),
            ("first", 1, "3:first"),
            ("steps.a", 0, "2:a"),
            ("${a", 0, "2:a"),
            ("depends: a", 0, "2:a"),
            ("depends: a", 1, "13:a"),
            ("steps.a", 2, "13:a"),
            ("steps.b", 0, "5:b"),
        ] {
            let (document, offset) = at(word, nth);
            let found = definition(&document, offset).unwrap_or_else(|| panic!("{word} {nth} leads somewhere"));
            assert_eq!(lines(&document, &[found]), [expected], "{word} {nth}");
        }
        let (document, offset) = at("steps.a", 1);
        assert_eq!(definition(&document, offset), None, "an escaped reference is text");
    }

    #[test]
    fn references_are_all_the_places_of_a_step() {
        let (document, offset) = at("id: a", 0);
        let found = references(&document, offset, false);
        assert_eq!(lines(&document, &found), ["6:a", "6:first", "7:a", "7:a", "9:a"]);
        assert_eq!(references(&document, offset, true).len(), 7);
    }

    #[test]
    fn a_rename_reaches_everybody_who_uses_the_word() {
        let (document, offset) = at("id: a", 1);
        let edits = rename(&document, offset, "z").expect("it can be renamed");
        let spans: Vec<Span> = edits.iter().map(|edit| edit.span).collect();
        assert_eq!(lines(&document, &spans), ["13:a", "16:a", "18:a"]);
        let (document, offset) = at("first", 1);
        let edits = rename(&document, offset, "the first").expect("it can be renamed");
        assert_eq!(edits.len(), 2);
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        let (document, offset) = at("id: a", 0);
        assert_eq!(rename(&document, offset, "1x"), Err(RenameError::NoId("1x".into())));
        assert_eq!(rename(&document, offset, "b"), Err(RenameError::Taken("b".into())));
        assert_eq!(rename(&document, 0, "b"), Err(RenameError::Nothing));
        let (document, offset) = at("first", 0);
        assert_eq!(rename(&document, offset, "a: b"), Err(RenameError::NoName("a: b".into())));
    }
}
