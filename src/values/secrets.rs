//! Secrets: how they are defined, and where their values come from. Masking is in [`masker`](super::masker).

use serde_json::Value;

use super::context::PROTECTED;
use super::json_text;
use super::problem::{Problem, Segment, below};
use super::reference::is_env_name;
use super::scope::{LayerKind, RunScope, Scope};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    pub name: String,
    pub source: SecretSource,
    /// Where it stands below `secrets`.
    pub path: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    Provider {
        provider: String,
        key: String,
        options: Vec<(String, String)>,
    },
    /// A path of slugs in a registry of Dagu's server.
    Ref(String),
}

/// Names a secret cannot have, beside those that start with `DAGU_`.
fn is_reserved(name: &str) -> bool {
    const MANAGED: &[&str] = &[
        "DAG_RUN_STEP_NAME",
        "DAG_RUN_STEP_STDOUT_FILE",
        "DAG_RUN_STEP_STDERR_FILE",
        "DAG_RUN_STATUS",
        "DAG_WAITING_STEPS",
        "DAG_PUSHBACK",
        "DAG_PUSHBACK_ITERATION",
        "DAG_PUSHBACK_PREVIOUS_STDOUT_FILE",
        "DAG_WIKI_DIR",
        "DAG_DOCS_DIR",
    ];
    PROTECTED.contains(&name) || MANAGED.contains(&name)
}

/// Reads the value of `secrets`.
pub fn secrets(value: &Value) -> (Vec<Secret>, Vec<Problem>) {
    let mut reader = Reader { secrets: Vec::new(), problems: Vec::new() };
    match value {
        Value::Null => {}
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                reader.item(item, vec![Segment::from(i)]);
            }
        }
        other => {
            let message = format!("`secrets` must be a list of `- name: …`, not `{}`", json_text::plain(other));
            reader.problems.push(Problem::new("wrong-type", Vec::new(), message));
        }
    }
    (reader.secrets, reader.problems)
}

struct Reader {
    secrets: Vec<Secret>,
    problems: Vec<Problem>,
}

impl Reader {
    fn report(&mut self, code: &'static str, path: Vec<Segment>, message: impl Into<String>) {
        self.problems.push(Problem::new(code, path, message));
    }

    fn report_key(&mut self, code: &'static str, path: Vec<Segment>, message: impl Into<String>) {
        self.problems.push(Problem::new(code, path, message).at_key());
    }

    fn item(&mut self, item: &Value, path: Vec<Segment>) {
        let Value::Object(map) = item else {
            let message = format!("an entry of `secrets` must be a map, not `{}`", json_text::plain(item));
            return self.report("wrong-type", path, message);
        };
        let before = self.problems.len();
        for key in ["name", "provider", "key", "ref"] {
            if let Some(other) = map.get(key).filter(|value| !value.is_string() && !value.is_null()) {
                let message = format!("`{key}` must be text, not `{}`", json_text::plain(other));
                self.report("wrong-type", below(&path, key), message);
            }
        }
        if self.problems.len() > before {
            return;
        }
        let text = |key: &str| map.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let name = text("name");
        self.name(name.as_deref(), &path);
        let options = self.options(map.get("options"), &path);
        let source = match (text("provider"), text("key"), text("ref")) {
            (None, None, Some(reference)) => {
                if map.contains_key("options") {
                    let message = "`options` go with a `provider`, not with `ref`";
                    self.report_key("secret-source-invalid", below(&path, "options"), message);
                }
                if !is_slug_path(&reference) {
                    let message = format!("the secret reference `{reference}` must be lower-case slugs joined by `/`");
                    self.report("secret-ref-invalid", below(&path, "ref"), message);
                }
                SecretSource::Ref(reference)
            }
            (Some(provider), Some(key), None) => SecretSource::Provider { provider, key, options },
            (Some(_), None, None) => {
                let message = "a secret with a `provider` needs a `key`";
                return self.report_key("secret-source-invalid", below(&path, "provider"), message);
            }
            (None, Some(_), None) => {
                let message = "a secret with a `key` needs a `provider`";
                return self.report_key("secret-source-invalid", below(&path, "key"), message);
            }
            (None, None, None) => {
                let message = "a secret needs `provider` and `key`, or a `ref`";
                return self.report("secret-source-invalid", path, message);
            }
            (provider, _, Some(_)) => {
                let key = if provider.is_some() { "provider" } else { "key" };
                let message = format!("a secret has either a `ref` or `provider` and `key`, not `{key}` beside `ref`");
                return self.report_key("secret-source-invalid", below(&path, key), message);
            }
        };
        if let Some(name) = name.filter(|_| self.problems.len() == before) {
            self.secrets.push(Secret { name, source, path });
        }
    }

    fn name(&mut self, name: Option<&str>, path: &[Segment]) {
        let here = below(path, "name");
        let code = "secret-name-invalid";
        match name {
            None => self.report(code, path.to_vec(), "a secret needs a `name`"),
            Some(name) if !is_env_name(name) => {
                let message =
                    format!("`{name}` is no name for a secret: a letter or `_`, then letters, digits and `_`");
                self.report(code, here, message);
            }
            Some(name) if name.starts_with("DAGU_") => {
                self.report(code, here, format!("the secret name `{name}` must not start with DAGU_"));
            }
            Some(name) if is_reserved(name) => {
                self.report(code, here, format!("the secret name `{name}` collides with a variable of the run"));
            }
            Some(name) if self.secrets.iter().any(|secret| secret.name == name) => {
                self.report(code, here, format!("the secret `{name}` stands twice"));
            }
            Some(_) => {}
        }
    }

    fn options(&mut self, value: Option<&Value>, path: &[Segment]) -> Vec<(String, String)> {
        let path = below(path, "options");
        let map = match value {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Object(map)) => map,
            Some(other) => {
                let message = format!("`options` must be a map, not `{}`", json_text::plain(other));
                self.report("wrong-type", path, message);
                return Vec::new();
            }
        };
        let mut options = Vec::new();
        for (name, value) in map {
            match value {
                Value::String(text) => options.push((name.clone(), text.clone())),
                other => {
                    let message = format!("the option `{name}` must be text, not `{}`", json_text::plain(other));
                    self.report("wrong-type", below(&path, name.as_str()), message);
                }
            }
        }
        options
    }
}

fn is_slug_path(text: &str) -> bool {
    let slug = |slug: &str| {
        !slug.is_empty()
            && !slug.starts_with('-')
            && !slug.ends_with('-')
            && slug
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
    };
    text.split('/').all(slug)
}

/// Why a secret cannot be had; the run then fails before any step. Values are never part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("secret `{name}`: the environment variable `{key}` is not set")]
    Unset { name: String, key: String },
    #[error("secret `{name}`: cannot read `{key}`: {reason}")]
    File { name: String, key: String, reason: String },
    #[error("secret `{name}`: unknown provider `{provider}`; saddler knows `env` and `file`")]
    UnknownProvider { name: String, provider: String },
    #[error("secret `{name}`: `ref: {reference}` names an entry of a Dagu server's registry, which saddler has not")]
    NoRegistry { name: String, reference: String },
}

/// The values, in order. `env` looks into root `env` and dotenv entries of the scope, then into the runner's process;
/// `read_file` gets the key of a `file` secret and returns its text, which is not trimmed.
///
/// # Errors
/// The first secret that cannot be had.
pub fn resolve_secrets(
    secrets: &[Secret],
    scope: &RunScope,
    read_file: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<Vec<(String, String)>, SecretError> {
    let value = |secret: &Secret| {
        let name = secret.name.clone();
        match &secret.source {
            SecretSource::Ref(reference) => Err(SecretError::NoRegistry { name, reference: reference.clone() }),
            SecretSource::Provider { provider, key, .. } => match provider.as_str() {
                "env" => scope
                    .declared_in(&[LayerKind::Env, LayerKind::Dotenv], key)
                    .map(str::to_owned)
                    .or_else(|| scope.process(key).map(std::borrow::Cow::into_owned))
                    .ok_or_else(|| SecretError::Unset { name, key: key.clone() }),
                "file" => read_file(key).map_err(|reason| SecretError::File { name, key: key.clone(), reason }),
                other => Err(SecretError::UnknownProvider { name, provider: other.to_owned() }),
            },
        }
    };
    let mut value = value;
    secrets.iter().map(|secret| Ok((secret.name.clone(), value(secret)?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn definitions_that_are_refused() {
        for (value, code, path) in [
            (
                json!([{"name": "T", "ref": "team/token", "provider": "env", "key": "K"}]),
                "secret-source-invalid",
                "[0].provider",
            ),
            (json!([{"name": "DAG_WIKI_DIR", "provider": "env", "key": "K"}]), "secret-name-invalid", "[0].name"),
            (json!([{"name": "DAG_RUN_ID", "provider": "env", "key": "K"}]), "secret-name-invalid", "[0].name"),
            (json!([{"name": "DAGU_X", "provider": "env", "key": "K"}]), "secret-name-invalid", "[0].name"),
            (json!([{"name": "A-B", "provider": "env", "key": "K"}]), "secret-name-invalid", "[0].name"),
            (json!([{"provider": "env", "key": "K"}]), "secret-name-invalid", "[0]"),
            (json!([{"name": "T", "provider": "env"}]), "secret-source-invalid", "[0].provider"),
            (json!([{"name": "T", "key": "env"}]), "secret-source-invalid", "[0].key"),
            (json!([{"name": "T"}]), "secret-source-invalid", "[0]"),
            (json!([{"name": "T", "ref": "a", "options": {"a": "b"}}]), "secret-source-invalid", "[0].options"),
            (json!([{"name": "T", "ref": "Team/token"}]), "secret-ref-invalid", "[0].ref"),
            (json!([{"name": "T", "provider": "env", "key": "K", "options": {"n": 5}}]), "wrong-type", "[0].options.n"),
            (
                json!([{"name": "T", "provider": "env", "key": "K"}, {"name": "T", "provider": "env", "key": "L"}]),
                "secret-name-invalid",
                "[1].name",
            ),
        ] {
            let (_, problems) = secrets(&value);
            let found: Vec<_> =
                problems.iter().map(|p| (p.code, crate::syntax::Path(p.path.clone()).to_string())).collect();
            assert_eq!(found, [(code, path.to_owned())], "{value}");
        }
        let (found, problems) =
            secrets(&json!([{"name": "T", "ref": "team/token-1"}, {"name": "U", "provider": "nowhere", "key": "K"}]));
        assert_eq!((found.len(), problems.len()), (2, 0));
    }

    fn resolved(definition: Value) -> Result<String, String> {
        let process = [("TOKEN", "s3cr3t"), ("EMPTY", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut scope = RunScope::new(process.into());
        scope.set(LayerKind::Params, "PARAM", "p");
        scope.set(LayerKind::Env, "ROOTV", "rootval");
        let (list, problems) = secrets(&json!([definition]));
        assert_eq!(problems, []);
        let mut read =
            |key: &str| if key == "sec.txt" { Ok("filesecret\n".to_owned()) } else { Err("no such file".to_owned()) };
        let values = resolve_secrets(&list, &scope, &mut read).map_err(|error| error.to_string())?;
        Ok(values[0].1.clone())
    }

    #[test]
    fn where_values_come_from() {
        let env = |key: &str| resolved(json!({"name": "S", "provider": "env", "key": key}));
        assert_eq!(env("TOKEN").as_deref(), Ok("s3cr3t"));
        assert_eq!(env("EMPTY").as_deref(), Ok(""));
        assert_eq!(env("ROOTV").as_deref(), Ok("rootval"));
        assert_eq!(env("PARAM").unwrap_err(), "secret `S`: the environment variable `PARAM` is not set");
        assert_eq!(resolved(json!({"name": "S", "provider": "file", "key": "sec.txt"})).as_deref(), Ok("filesecret\n"));
        assert_eq!(
            resolved(json!({"name": "S", "provider": "file", "key": "x"})).unwrap_err(),
            "secret `S`: cannot read `x`: no such file"
        );
        assert!(
            resolved(json!({"name": "S", "provider": "vault", "key": "x"}))
                .unwrap_err()
                .contains("unknown provider `vault`")
        );
        assert!(resolved(json!({"name": "S", "ref": "a/b"})).unwrap_err().contains("registry"));
    }
}
