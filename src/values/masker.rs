//! Replacing secret values in what steps write and in what is shown.
//!
//! A stream comes in chunks of any size, and a secret may begin in one and end in the next, so the end of a chunk is
//! held back as long as it could be the beginning of a secret, and no longer. Where occurrences overlap, all of their
//! bytes are covered by one mask: masking one value must not leave a part of another readable.

use std::sync::Arc;

use aho_corasick::AhoCorasick;
use serde_json::Value;

/// What is shown instead of a secret value.
pub const MASK: &str = "*******";

/// The secret values of a run. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Masker {
    values: Option<Arc<Values>>,
}

struct Values {
    search: AhoCorasick,
    /// Not empty, each once.
    texts: Vec<Vec<u8>>,
    longest: usize,
}

// Values stay out of debug output.
impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secret values", self.texts.len())
    }
}

impl Masker {
    /// Masks these values; empty ones hide nothing. A value with blanks around it is also masked without them
    /// when it is long enough, as shells like to drop blanks.
    pub fn new<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Self {
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for value in values {
            let value = value.as_ref();
            let trimmed = value.trim();
            texts.push(value.as_bytes().to_vec());
            // Masking a letter or two everywhere would hide more than the secret.
            if trimmed.len() >= 4 {
                texts.push(trimmed.as_bytes().to_vec());
            }
        }
        texts.retain(|text| !text.is_empty());
        texts.sort();
        texts.dedup();
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        // Building fails only beyond billions of bytes of patterns.
        let search =
            (!texts.is_empty()).then(|| AhoCorasick::new(&texts).expect("secrets fit into a search automaton"));
        Self { values: search.map(|search| Arc::new(Values { search, texts, longest })) }
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_none()
    }

    /// A stream of its own, with its own held-back end.
    pub fn stream(&self) -> MaskStream {
        MaskStream { values: self.values.clone(), held: Vec::new(), covered: 0 }
    }

    pub fn mask_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.stream();
        let mut out = stream.push(bytes);
        out.extend(stream.finish());
        out
    }

    pub fn mask(&self, text: &str) -> String {
        if self.is_empty() {
            return text.to_owned();
        }
        String::from_utf8_lossy(&self.mask_bytes(text.as_bytes())).into_owned()
    }

    /// Masks every string of a value, keys included.
    pub fn mask_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.mask(text)),
            Value::Array(items) => items.iter().map(|item| self.mask_json(item)).collect(),
            Value::Object(map) => map.iter().map(|(key, value)| (self.mask(key), self.mask_json(value))).collect(),
            other => other.clone(),
        }
    }
}

/// Masks one stream.
#[derive(Debug)]
pub struct MaskStream {
    values: Option<Arc<Values>>,
    held: Vec<u8>,
    /// So many bytes of `held` lie under a mask that was written already.
    covered: usize,
}

impl MaskStream {
    /// Takes a chunk and returns what can be written now.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        let Some(values) = self.values.clone() else { return chunk.to_vec() };
        self.held.extend_from_slice(chunk);
        let keep = values.beginning(&self.held);
        self.write(&values, keep)
    }

    /// The stream has ended: returns what was held back.
    pub fn finish(&mut self) -> Vec<u8> {
        let Some(values) = self.values.clone() else { return Vec::new() };
        let end = self.held.len();
        self.write(&values, end)
    }

    /// Writes the bytes before `end` and forgets them.
    fn write(&mut self, values: &Values, end: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(end);
        let mut at = 0;
        // A stretch under one mask, which may have been begun by an earlier write.
        let mut mask = 0..self.covered;
        for (start, stop) in values.occurrences(&self.held) {
            if start < mask.end {
                mask.end = mask.end.max(stop);
                continue;
            }
            // A later occurrence starts behind what is written now only when it is not complete yet.
            if start >= end {
                break;
            }
            at = at.max(mask.end);
            out.extend_from_slice(&self.held[at..start]);
            out.extend_from_slice(MASK.as_bytes());
            at = start;
            mask = start..stop;
        }
        at = at.max(mask.end);
        if at < end {
            out.extend_from_slice(&self.held[at..end]);
        }
        self.covered = mask.end.saturating_sub(end);
        self.held.drain(..end);
        out
    }
}

impl Values {
    /// All occurrences by start, then by end.
    fn occurrences(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut found: Vec<_> =
            self.search.find_overlapping_iter(bytes).map(|found| (found.start(), found.end())).collect();
        found.sort_unstable();
        found
    }

    /// Where the first stretch starts that reaches the end and could become a secret with more bytes.
    fn beginning(&self, bytes: &[u8]) -> usize {
        let first = bytes.len().saturating_sub(self.longest.saturating_sub(1));
        (first..bytes.len())
            .find(|&start| {
                let tail = &bytes[start..];
                self.texts.iter().any(|text| text.len() > tail.len() && text.starts_with(tail))
            })
            .unwrap_or(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_replaced() {
        let masker = Masker::new(["s3cr3t-val", "", "s3cr3t"]);
        assert_eq!(masker.mask("tok=s3cr3t-val, s3cr3t; S3CR3T"), "tok=*******, *******; S3CR3T");
        assert_eq!(masker.mask("s3cr3ts3cr3t"), "**************");
        assert_eq!(Masker::new([""]).mask("x"), "x");
        assert_eq!(Masker::new(["file\n"]).mask("file\n|file|"), "*******|*******|");
        assert_eq!(Masker::new(["a\n"]).mask("a a\n"), "a *******");
        let value = serde_json::json!({"s3cr3t": ["x s3cr3t", 1]});
        assert_eq!(masker.mask_json(&value), serde_json::json!({"*******": ["x *******", 1]}));
        assert!(!format!("{masker:?}").contains("s3cr3t"));
    }

    #[test]
    fn overlapping_values_leave_nothing() {
        assert_eq!(Masker::new(["abc", "bcdefg"]).mask("-abcdefg-"), "-*******-");
        assert_eq!(Masker::new(["aa"]).mask("aaa"), "*******");
    }

    #[test]
    fn only_a_possible_beginning_is_held_back() {
        let mut stream = Masker::new(["secret"]).stream();
        assert_eq!(stream.push(b"a line\n"), b"a line\n");
        assert_eq!(stream.push(b"sec"), b"");
        assert_eq!(stream.push(b"ond se"), b"second ");
        assert_eq!(stream.push(b"cret!"), b"*******!");
        assert_eq!(stream.push(b"s"), b"");
        assert_eq!(stream.finish(), b"s");
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(text in "[ab]{0,30}", secrets in prop::collection::vec("[ab]{1,4}", 0..4), cuts in prop::collection::vec(0usize..30, 0..6)) {
            let masker = Masker::new(&secrets);
            let whole = masker.mask(&text);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut stream = masker.stream();
            let mut out = Vec::new();
            let mut at = 0;
            for cut in cuts {
                out.extend(stream.push(&text.as_bytes()[at..cut]));
                at = cut;
            }
            out.extend(stream.push(&text.as_bytes()[at..]));
            out.extend(stream.finish());
            prop_assert_eq!(String::from_utf8(out).expect("ASCII"), whole.clone());
            for secret in &secrets {
                prop_assert!(!whole.contains(secret.as_str()));
            }
        }
    }
}
