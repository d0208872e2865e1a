//! Reads JSON into a struct with Go's manners: keys match field names whatever their letter case, and keys that match
//! nothing are set aside, not refused.
//!
//! `docker.run` options are written in the API's names by hand, and Go users expect `Memory` and `memory` to be one.

use std::cell::RefCell;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// A field that no struct knows: where it stood and, when one is near, the name that was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// Dotted path, such as `host.memry`.
    pub path: String,
    pub suggestion: Option<String>,
}

/// Reads `value`; `path` names it in messages.
///
/// # Errors
/// A value of the wrong type, with its path in front.
pub fn from_loose<T: DeserializeOwned>(value: Value, path: &str) -> Result<(T, Vec<UnknownKey>), Error> {
    let unknown = RefCell::new(Vec::new());
    let read = T::deserialize(Loose { value, path: path.to_owned(), unknown: &unknown })?;
    Ok((read, unknown.into_inner()))
}

struct Loose<'a> {
    value: Value,
    path: String,
    unknown: &'a RefCell<Vec<UnknownKey>>,
}

impl Loose<'_> {
    /// Puts the path in front of a message, once.
    fn located(path: &str, error: Error) -> Error {
        let text = error.to_string();
        if text.starts_with('`') { error } else { Error::custom(format!("`{path}`: {text}")) }
    }
}

impl<'de> Deserializer<'de> for Loose<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let path = self.path.clone();
        match self.value {
            Value::Array(items) => {
                visitor.visit_seq(Items { items: items.into_iter(), index: 0, path: self.path, unknown: self.unknown })
            }
            Value::Object(map) => {
                let entries: Vec<_> = map.into_iter().map(|(key, value)| (key.clone(), key, value)).collect();
                visitor.visit_map(Entries::new(entries, self.path, self.unknown))
            }
            scalar => scalar.deserialize_any(visitor),
        }
        .map_err(|error| Self::located(&path, error))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.value.deserialize_enum(name, variants, visitor).map_err(|error| Self::located(&self.path, error))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Value::Object(map) = self.value else { return self.deserialize_any(visitor) };
        let mut entries: Vec<Entry> = Vec::new();
        for (key, value) in map {
            match fields.iter().find(|field| field.eq_ignore_ascii_case(&key)) {
                // The last spelling of a field wins; serde would refuse a field that comes twice.
                Some(field) => {
                    entries.retain(|(known, ..)| known != field);
                    entries.push(((*field).to_owned(), key, value));
                }
                None => self
                    .unknown
                    .borrow_mut()
                    .push(UnknownKey { suggestion: nearest(&key, fields), path: join(&self.path, &key) }),
            }
        }
        visitor
            .visit_map(Entries::new(entries, self.path.clone(), self.unknown))
            .map_err(|error| Self::located(&self.path, error))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// The field closest in spelling: underscores aside, then by similarity.
fn nearest(key: &str, fields: &[&str]) -> Option<String> {
    let plain = key.replace('_', "");
    if let Some(field) = fields.iter().find(|field| field.eq_ignore_ascii_case(&plain)) {
        return Some((*field).to_owned());
    }
    let score = |field: &str| strsim::jaro_winkler(&field.to_ascii_lowercase(), &plain.to_ascii_lowercase());
    let best = fields.iter().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(best) > 0.88).then(|| (*best).to_owned())
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

struct Items<'a> {
    items: std::vec::IntoIter<Value>,
    index: usize,
    path: String,
    unknown: &'a RefCell<Vec<UnknownKey>>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(value) = self.items.next() else { return Ok(None) };
        let path = format!("{}[{}]", self.path, self.index);
        self.index += 1;
        seed.deserialize(Loose { value, path, unknown: self.unknown }).map(Some)
    }
}

/// The key as the struct knows it, the key as written (for paths), the value.
type Entry = (String, String, Value);

struct Entries<'a> {
    entries: std::vec::IntoIter<Entry>,
    pending: Option<(String, Value)>,
    path: String,
    unknown: &'a RefCell<Vec<UnknownKey>>,
}

impl<'a> Entries<'a> {
    fn new(entries: Vec<Entry>, path: String, unknown: &'a RefCell<Vec<UnknownKey>>) -> Self {
        Self { entries: entries.into_iter(), pending: None, path, unknown }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, written, value)) = self.entries.next() else { return Ok(None) };
        let read = seed.deserialize(key.as_str().into_deserializer())?;
        self.pending = Some((written, value));
        Ok(Some(read))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (key, value) = self.pending.take().ok_or_else(|| Error::custom("a value was asked for before its key"))?;
        seed.deserialize(Loose { value, path: join(&self.path, &key), unknown: self.unknown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Outer {
        memory: Option<i64>,
        nano_cpus: Option<i64>,
        mounts: Option<Vec<Inner>>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Inner {
        target: Option<String>,
    }

    #[test]
    fn keys_match_whatever_their_letter_case_at_every_depth() {
        let value = json!({ "memory": 5, "NANOCPUS": 7, "mounts": [{ "target": "/x" }] });
        let (read, unknown) = from_loose::<Outer>(value, "host").unwrap();
        let mounts = Some(vec![Inner { target: Some("/x".into()) }]);
        assert_eq!(read, Outer { memory: Some(5), nano_cpus: Some(7), mounts });
        assert_eq!(unknown, []);
    }

    #[test]
    fn unknown_keys_are_set_aside_with_their_place_and_the_near_name() {
        let value = json!({ "nano_cpus": 7, "mounts": [{ "tarlget": "/x" }], "zzz": 1 });
        let (_, unknown) = from_loose::<Outer>(value, "host").unwrap();
        let found: Vec<_> = unknown.iter().map(|key| (key.path.as_str(), key.suggestion.as_deref())).collect();
        assert_eq!(
            found,
            [("host.nano_cpus", Some("NanoCpus")), ("host.zzz", None), ("host.mounts[0].tarlget", Some("Target"))]
        );
    }

    #[test]
    fn a_wrong_type_is_placed() {
        let error = from_loose::<Outer>(json!({ "memory": "lots" }), "host").unwrap_err().to_string();
        assert!(error.starts_with("`host.memory`: invalid type: string"), "{error}");
    }

    #[test]
    fn the_last_spelling_of_a_field_wins() {
        let (read, _) = from_loose::<Outer>(json!({ "memory": 1, "Memory": 2 }), "host").unwrap();
        assert_eq!(read.memory, Some(2));
    }
}
