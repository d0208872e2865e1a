use std::collections::HashMap;

use super::{Meta, Rule, Subject};
use crate::dag::{Spanned, Step};
use crate::diagnostic::Diagnostic;
use crate::text::Span;

declare_rule! {
    /// # duplicate-id
    ///
    /// ## What it does
    /// Reports an `id` or `name` that two steps have, and an `id` that is the name of another step.
    ///
    /// ## Why it matters
    /// `depends` and references find a step by either word, so Dagu refuses to load a workflow where one word means
    /// two steps.
    ///
    /// ## Example
    /// ```yaml
    /// steps:
    ///   - id: build
    ///     run: make
    ///   - id: build
    ///     run: make test
    /// ```
    ///
    /// ## Use instead
    /// ```yaml
    /// steps:
    ///   - id: build
    ///     run: make
    ///   - id: test
    ///     run: make test
    /// ```
    DuplicateId, "duplicate-id", Error, Load
}

impl Rule for DuplicateId {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
        let steps = &subject.dag.steps;
        self.check_list(steps, &[], found);
        for step in steps {
            if let Some(foreach) = step.foreach.get() {
                self.check_list(&foreach.steps, steps, found);
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Id,
    Name,
}

impl DuplicateId {
    /// `outer` are steps whose words are taken too; what is wrong among them is said elsewhere.
    fn check_list(&self, steps: &[Step], outer: &[Step], found: &mut Vec<Diagnostic>) {
        // Owner `usize::MAX` stands for every outer step: none of them is a step of the list.
        let mut taken: HashMap<&str, Vec<(usize, Kind, Span)>> = HashMap::new();
        for step in outer {
            for (kind, word) in words(step) {
                taken.entry(&word.value).or_default().push((usize::MAX, kind, word.span));
            }
        }
        for (i, step) in steps.iter().enumerate() {
            for (kind, word) in words(step) {
                let holders = taken.entry(&word.value).or_default();
                if let Some(&(_, other, place)) = holders.iter().find(|&&(owner, _, _)| owner != i) {
                    let message = match (kind, other) {
                        (Kind::Id, Kind::Id) => format!("two steps have the id `{}`", word.value),
                        (Kind::Name, Kind::Name) => format!("two steps have the name `{}`", word.value),
                        (Kind::Id, Kind::Name) => format!("the id `{}` is the name of another step", word.value),
                        (Kind::Name, Kind::Id) => format!("the name `{}` is the id of another step", word.value),
                    };
                    // A step that an alias stands for repeats the word at the alias.
                    let repeated = step.span.contains(word.span) || step.span == word.span;
                    let span = if repeated { word.span } else { step.span };
                    found.push(
                        self.diagnostic(span, message).label(place, "first here").help("give one of them another word"),
                    );
                    break;
                }
                holders.push((i, kind, word.span));
            }
        }
    }
}

fn words(step: &Step) -> impl Iterator<Item = (Kind, &Spanned<String>)> {
    let id = step.id.spanned().map(|id| (Kind::Id, id));
    let name = step.name.spanned().map(|name| (Kind::Name, name));
    id.into_iter().chain(name)
}
