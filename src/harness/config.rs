//! One attempt's configuration, and what the document's root adds to it.
//!
//! Keys are ordered by bytes, which is the order of the flags. Every entry remembers where it was written, since a step's
//! configuration is put together from the step and from the root `harness:`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::harness::definition;
use crate::harness::finding::{Finding, Location};
use crate::harness::provider::Providers;
use crate::values::RunScope;
use crate::values::consts::{consts, resolve_consts};
use crate::values::params::{self, ParamValues};

/// Keys that are never flags. `fallback` is one only in a primary configuration, where it has been taken out already.
pub const RESERVED: [&str; 3] = ["fallback", "managed", "provider"];

/// Keys that belong to a definition under `harnesses:` and are refused in a configuration.
pub const FORBIDDEN: [&str; 2] = ["binary", "prompt_args"];

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub value: Value,
    pub at: Location,
}

/// The configuration of one attempt: options by key, `provider` among them.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub entries: BTreeMap<String, Entry>,
    /// The mapping it is written in.
    pub at: Location,
}

impl Config {
    /// Reads a mapping at `at`.
    pub fn read(map: &Map<String, Value>, at: &Location) -> Self {
        let entries =
            map.iter().map(|(key, value)| (key.clone(), Entry { value: value.clone(), at: at.key(key) })).collect();
        Self { entries, at: at.clone() }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// The provider as written, if it is text that is not blank.
    pub fn provider(&self) -> Option<&str> {
        self.get("provider").and_then(Value::as_str).filter(|name| !name.trim().is_empty())
    }

    /// The provider if it is a plain name rather than a template.
    pub fn literal_provider(&self) -> Option<&str> {
        self.provider().filter(|name| !is_template(name))
    }

    /// Adds the entries of `defaults` that are missing here; a key that is present masks the default, whatever its value.
    fn inherit(mut self, defaults: &Self) -> Self {
        for (key, entry) in &defaults.entries {
            self.entries.entry(key.clone()).or_insert_with(|| entry.clone());
        }
        self
    }

    /// With `_` as `-` in every key. Of two spellings the one that was kebab already wins, then the first in byte order.
    fn normalised(self) -> Self {
        Self { entries: normalise(self.entries), at: self.at }
    }
}

/// Whether a provider name is decided only when the step runs.
pub fn is_template(name: &str) -> bool {
    name.contains("${")
}

/// Spells keys with `-` for `_`, except reserved ones. Of two spellings the one without `_` wins, then the first in byte
/// order.
pub fn normalise<V>(entries: BTreeMap<String, V>) -> BTreeMap<String, V> {
    let (rewritten, mut kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
        entries.into_iter().partition(|(key, _)| key.contains('_') && !RESERVED.contains(&key.as_str()));
    for (key, value) in rewritten {
        kept.entry(key.replace('_', "-")).or_insert(value);
    }
    kept
}

/// A `container:` as far as harness steps care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub at: Location,
    /// Attaches to a container that exists already, instead of making one of an image.
    pub existing: bool,
    pub has_name: bool,
    pub has_shell: bool,
}

impl Container {
    /// Reads the value of a `container` key; `null` means there is none.
    pub fn read(value: Option<&Value>, at: Location) -> Option<Self> {
        match value {
            None | Some(Value::Null) => None,
            Some(Value::Object(fields)) => {
                let has = |key: &str| fields.get(key).is_some_and(|value| !value.is_null());
                Some(Self { at, existing: has("exec"), has_name: has("name"), has_shell: has("shell") })
            }
            Some(_) => Some(Self { at, existing: true, has_name: false, has_shell: false }),
        }
    }
}

/// What the root of a document says about its harness steps.
#[derive(Debug, Clone, Default)]
pub struct Root {
    /// The root `harness:`, if it is a mapping.
    pub defaults: Option<Config>,
    pub providers: Providers,
    pub container: Option<Container>,
    /// Names of variables declared under `secrets`.
    pub secrets: Vec<String>,
    /// What is known without a run: constants, and parameters that have a plain default.
    pub known: RunScope,
}

impl Root {
    /// Reads the root mapping of a document; the findings are about `harnesses`.
    pub fn read(document: &Map<String, Value>) -> (Self, Vec<Finding>) {
        let (providers, findings) = definition::parse_all(document.get("harnesses"));
        let defaults = document.get("harness").and_then(Value::as_object);
        let defaults = defaults.map(|entries| Config::read(entries, &Location::document(["harness"])));
        let container = Container::read(document.get("container"), Location::document(["container"]));
        let secrets = document.get("secrets").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let secrets = secrets.iter().filter_map(|secret| secret.get("name")?.as_str()).map(str::to_owned).collect();
        (Self { defaults, providers, container, secrets, known: known(document) }, findings)
    }

    /// A step's own configuration with the defaults beneath it, `fallback` not yet taken out.
    pub fn merge(&self, own: Config) -> Config {
        let Some(defaults) = &self.defaults else { return own };
        let name = own.provider().or(defaults.provider()).map(str::trim);
        if name.is_some_and(|name| self.providers.built_in(name).is_some()) {
            own.normalised().inherit(&defaults.clone().normalised())
        } else {
            own.inherit(defaults)
        }
    }
}

fn known(document: &Map<String, Value>) -> RunScope {
    let mut scope = RunScope::default();
    if let Some(written) = document.get("consts") {
        scope.set_consts(resolve_consts(&consts(written).0));
    }
    if let Some(written) = document.get("params") {
        // An external schema is out of reach here, so what it declares is not known.
        let (declared, _) = params::declare(written, &mut |_| Err(String::new()));
        let plain = |(_, text): &(String, String)| !text.contains(['$', '`']);
        let entries = declared.defaults().into_iter().filter(plain).collect();
        scope.set_params(ParamValues { entries, payload: None });
    }
    scope
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(document: Value, with: Value) -> String {
        let (root, findings) = Root::read(document.as_object().unwrap());
        assert_eq!(findings, vec![]);
        let own = Config::read(with.as_object().unwrap(), &Location::step(["with"]));
        let entries = root.merge(own).entries;
        entries.iter().map(|(key, entry)| format!("{key}={}", entry.value)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_present_key_masks_the_default_whatever_its_value() {
        let document = json!({"harness": {"provider": "claude", "a": true, "b": 2, "c": "x", "d": ["y"], "e": "kept"}});
        let with = json!({"a": false, "b": null, "c": "", "d": []});
        assert_eq!(merged(document, with), r#"a=false b=null c="" d=[] e="kept" provider="claude""#);
    }

    #[test]
    fn spellings_meet_for_a_literal_built_in_with_defaults() {
        let document = json!({"harness": {"provider": "claude", "max_turns": 9, "dry-run": true}});
        assert_eq!(merged(document.clone(), json!({"max-turns": 4})), r#"dry-run=true max-turns=4 provider="claude""#);
        let both = json!({"max_turns": 6, "max-turns": 7});
        assert_eq!(merged(document, both), r#"dry-run=true max-turns=7 provider="claude""#);
        let alone = json!({"provider": "claude", "max_turns": 6});
        assert_eq!(merged(json!({}), alone), r#"max_turns=6 provider="claude""#);
    }

    #[test]
    fn spellings_stay_apart_for_definitions_and_templates() {
        let document = json!({"harnesses": {"bot": {"binary": "b"}}, "harness": {"provider": "bot", "max_turns": 1}});
        assert_eq!(merged(document, json!({"max-turns": 4})), r#"max-turns=4 max_turns=1 provider="bot""#);
        let document = json!({"harness": {"provider": "claude", "max-turns": 9}});
        let with = json!({"provider": "${params.P}", "max_turns": 3});
        assert_eq!(merged(document, with), r#"max-turns=9 max_turns=3 provider="${params.P}""#);
    }

    #[test]
    fn the_first_spelling_in_byte_order_wins_among_snakes() {
        let keys = ["a_b_c", "a_b-c", "a-b_c", "_u_", "x"];
        let entries = keys.map(|key| (key.to_owned(), key));
        let normal = normalise(BTreeMap::from(entries));
        assert_eq!(
            normal.into_iter().collect::<Vec<_>>(),
            [("-u-".to_owned(), "_u_"), ("a-b-c".to_owned(), "a-b_c"), ("x".to_owned(), "x")]
        );
    }

    #[test]
    fn entries_remember_where_they_were_written() {
        let document = json!({"harness": {"provider": "claude", "max_turns": 9}});
        let (root, _) = Root::read(document.as_object().unwrap());
        let merged = root.merge(Config::read(json!({"model": "m"}).as_object().unwrap(), &Location::step(["with"])));
        assert_eq!(merged.entries["model"].at, Location::step(["with", "model"]));
        assert_eq!(merged.entries["max-turns"].at, Location::document(["harness", "max_turns"]));
    }

    #[test]
    fn a_container_is_recognised_in_every_form() {
        let read = |value: Value| Container::read(Some(&value), Location::step(["container"]));
        assert_eq!(read(Value::Null), None);
        assert!(read(json!("box")).unwrap().existing);
        assert!(read(json!({"exec": "box", "shell": ["sh"]})).unwrap().has_shell);
        assert!(!read(json!({"image": "i", "name": "n", "exec": null})).unwrap().existing);
    }
}
