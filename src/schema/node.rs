//! One node against its validator: the quick yes, and the words when it is no.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::explain::{self, Renamed};
use super::fault::{Change, Fault, Faults, On, Path, Segment, code};
use super::fields::{Fields, ROOT};
use super::validators;
use crate::diagnostic::Applicability;

/// A kind of node: its definition in the schema, and its place in the table of fields.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    pub definition: &'a str,
    pub table: &'a str,
}

impl<'a> Shape<'a> {
    pub const fn new(definition: &'a str, table: &'a str) -> Self {
        Shape { definition, table }
    }
}

/// A value as it is read: usually as written, but with keys in other letter case under the name they are taken for.
#[derive(Debug)]
pub struct Read<'v> {
    value: Cow<'v, Value>,
    renamed: Vec<Renamed>,
}

impl Read<'_> {
    pub fn map(&self) -> Option<&Map<String, Value>> {
        self.value.as_object()
    }

    /// Puts keys as written back into the paths of faults that were found in the value as read.
    pub fn relocate(&self, base: &Path, faults: &mut [Fault]) {
        if self.renamed.is_empty() {
            return;
        }
        let depth = base.segments().len();
        for fault in faults {
            let read = fault.path.get(depth..).map(<[Segment]>::to_vec).unwrap_or_default();
            for renamed in &self.renamed {
                if read.starts_with(&renamed.path) {
                    fault.path[depth + renamed.path.len() - 1] = Segment::Key(renamed.written.clone());
                }
            }
        }
    }
}

/// Checks a value against the definition of its kind.
pub fn check<'v>(shape: Shape, value: &'v Value, path: &Path, out: &mut Faults) -> Read<'v> {
    let as_written = Read { value: Cow::Borrowed(value), renamed: Vec::new() };
    let Some(validator) = validators::validator(shape.definition) else { return as_written };
    if validator.is_valid(value) {
        return as_written;
    }
    let node = Fields::get().find(shape.table).unwrap_or(ROOT);
    let inputs = shape.table.starts_with("action:");
    let Some((folded, renamed)) = (!inputs).then(|| explain::fold_case(value, node)).flatten() else {
        explain::explain(validator.iter_errors(value), value, node, path, out);
        return as_written;
    };
    let start = out.len();
    explain::explain(validator.iter_errors(&folded), &folded, node, path, out);
    for renamed in &renamed {
        let mut place = path.segments();
        place.extend(renamed.path.iter().cloned());
        let Some(Segment::Key(name)) = place.pop() else { continue };
        place.push(Segment::Key(renamed.written.clone()));
        if renamed.twice {
            let message = format!("`{}` is `{name}` once more, in another letter case", renamed.written);
            out.push(Fault::error(place, On::Key, code::CONFLICTING_FIELDS, message));
        } else {
            let message = format!("`{}` is understood as `{name}` only by accident", renamed.written);
            let fault = out.push(Fault::error(place, On::Key, code::FIELD_CASE, message));
            fault.warning().help(format!("write `{name}`")).fix(Change::RenameKey(name), Applicability::Safe);
        }
    }
    let read = Read { value: Cow::Owned(folded), renamed };
    read.relocate(path, out.since(start));
    read
}
