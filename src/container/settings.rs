//! `container:` as written, read leniently: the types Dagu accepts, values not yet resolved.
//!
//! Findings in a file are the rules' business; this reader answers with the first thing that cannot be used, so that a
//! run never starts on half-understood settings.

use serde_json::{Map, Value};

use super::SettingError;
use super::env::{self, EnvEntry};
use super::words::{self, PullPolicy};
use crate::engine::HealthCheck;

/// The settings of one `container:`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerSettings {
    /// Where it stands: `container` or `steps[2].container`.
    pub path: String,
    /// An existing container to run in; excludes `image`.
    pub exec: Option<String>,
    pub image: Option<String>,
    pub name: Option<String>,
    pub pull_policy: PullPolicy,
    pub env: Vec<EnvEntry>,
    pub volumes: Vec<String>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
    pub platform: Option<String>,
    pub ports: Vec<String>,
    pub network: Option<String>,
    pub keep_container: bool,
    pub startup: Option<String>,
    pub command: Vec<String>,
    pub wait_for: Option<String>,
    pub log_pattern: Option<String>,
    pub restart_policy: Option<String>,
    pub healthcheck: Option<HealthCheck>,
    pub shell: Vec<String>,
}

const KNOWN: [&str; 19] = [
    "exec",
    "image",
    "name",
    "pull_policy",
    "env",
    "volumes",
    "user",
    "working_dir",
    "platform",
    "ports",
    "network",
    "keep_container",
    "startup",
    "command",
    "wait_for",
    "log_pattern",
    "restart_policy",
    "healthcheck",
    "shell",
];

/// Fields that make no sense for a container that exists already.
const IMAGE_ONLY: [&str; 14] = [
    "name",
    "pull_policy",
    "volumes",
    "platform",
    "ports",
    "network",
    "keep_container",
    "startup",
    "command",
    "wait_for",
    "log_pattern",
    "restart_policy",
    "healthcheck",
    "image",
];

impl ContainerSettings {
    /// Reads a `container:` value; `None` when it is null.
    ///
    /// # Errors
    /// The first problem, with the code of its rule and the path of its field.
    pub fn parse(value: &Value, path: &str) -> Result<Option<Self>, SettingError> {
        let error = |code, message: String| Err(SettingError::new(code, path, message));
        let map = match value {
            Value::Null => return Ok(None),
            Value::String(name) if name.trim().is_empty() => {
                return error("container-name-empty", "the name of the container is blank".into());
            }
            Value::String(name) => {
                let exec = Some(name.trim().to_owned());
                return Ok(Some(Self { path: path.to_owned(), exec, ..Self::default() }));
            }
            Value::Object(map) => Fields::new(map, path)?,
            other => {
                let message = format!("`{other}` is not a container; expected a name or a map with `image` or `exec`");
                return error("container-type-invalid", message);
            }
        };
        let settings = Self {
            path: path.to_owned(),
            exec: map.text("exec")?.map(|text| text.trim().to_owned()),
            image: map.text("image")?,
            name: map.text("name")?.map(|text| text.trim().to_owned()),
            pull_policy: match map.get("pull_policy") {
                Some(value) => PullPolicy::parse(value).map_err(|flaw| map.error("pull_policy", flaw))?,
                None => PullPolicy::default(),
            },
            env: env::parse(map.get("env").unwrap_or(&Value::Null), &map.path("env"))?,
            volumes: map.list("volumes")?,
            user: map.text("user")?,
            working_dir: map.text("working_dir")?,
            platform: map.text("platform")?,
            ports: map.list("ports")?,
            network: map.text("network")?,
            keep_container: map.flag("keep_container")?,
            startup: map.text("startup")?,
            command: map.list("command")?,
            wait_for: map.text("wait_for")?,
            log_pattern: map.text("log_pattern")?,
            restart_policy: map.text("restart_policy")?,
            healthcheck: match map.get("healthcheck") {
                None | Some(Value::Null) => None,
                Some(value) => Some(health(value, &map.path("healthcheck"))?),
            },
            shell: map.list("shell")?,
        };
        match (&settings.exec, &settings.image) {
            (None, None) => {
                error("container-exec-or-image-required", "it has neither `image` nor `exec`; one is required".into())
            }
            (Some(exec), None) if exec.is_empty() => {
                error("container-exec-or-image-required", "the name in `exec` is blank".into())
            }
            (Some(_), Some(_)) => {
                error("container-exec-image-conflict", "it has both `image` and `exec`; only one can be meant".into())
            }
            (Some(_), None) => match IMAGE_ONLY.iter().filter(|name| map.says(name)).collect::<Vec<_>>().as_slice() {
                [] => Ok(Some(settings)),
                fields => {
                    let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
                    let message = format!("{} cannot be used with `exec`: that container exists", fields.join(", "));
                    error("container-exec-field-conflict", message)
                }
            },
            (None, Some(_)) => Ok(Some(settings)),
        }
    }
}

/// The entries of the map under their proper names.
struct Fields<'a> {
    path: &'a str,
    map: Map<String, Value>,
}

impl<'a> Fields<'a> {
    fn new(written: &Map<String, Value>, path: &'a str) -> Result<Self, SettingError> {
        let mut map = Map::new();
        for (key, value) in written {
            let Some(name) = KNOWN.iter().find(|name| name.eq_ignore_ascii_case(key)) else {
                let snake = KNOWN.iter().find(|name| name.replace('_', "").eq_ignore_ascii_case(key));
                let near = snake.or_else(|| {
                    KNOWN
                        .iter()
                        .filter(|name| strsim::jaro_winkler(name, &key.to_lowercase()) > 0.85)
                        .max_by(|a, b| strsim::jaro_winkler(a, key).total_cmp(&strsim::jaro_winkler(b, key)))
                });
                let hint = near.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
                let message = format!("`{key}` is not a field of `container`{hint}");
                return Err(SettingError::new("container-unknown-field", format!("{path}.{key}"), message));
            };
            map.insert((*name).to_owned(), value.clone());
        }
        Ok(Self { path, map })
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.map.get(name)
    }

    fn path(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    fn error(&self, name: &str, (code, message): super::Flaw) -> SettingError {
        SettingError::new(code, self.path(name), message)
    }

    fn wrong_type(&self, name: &str, expected: &str) -> SettingError {
        self.error(name, ("container-decode", format!("it is not {expected}")))
    }

    fn text(&self, name: &str) -> Result<Option<String>, SettingError> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(_) | Value::Object(_)) => Err(self.wrong_type(name, "text")),
            Some(scalar) => Ok(Some(env::plain(scalar)).filter(|text| !text.is_empty())),
        }
    }

    /// A list of texts; a scalar is a list of one, and an empty map is an empty list, as for Dagu.
    fn list(&self, name: &str) -> Result<Vec<String>, SettingError> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Object(map)) if map.is_empty() => Ok(Vec::new()),
            Some(Value::Object(_)) => Err(self.wrong_type(name, "a list of texts")),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| match item {
                    Value::Array(_) | Value::Object(_) => Err(self.wrong_type(name, "a list of texts")),
                    scalar => Ok(env::plain(scalar)),
                })
                .collect(),
            Some(Value::String(text)) if text.is_empty() => Ok(Vec::new()),
            Some(scalar) => Ok(vec![env::plain(scalar)]),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, SettingError> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::Number(number)) => Ok(number.as_f64() != Some(0.0)),
            Some(Value::String(word)) => match word.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
                "0" | "f" | "F" | "false" | "FALSE" | "False" | "" => Ok(false),
                _ => Err(self.wrong_type(name, "`true` or `false`")),
            },
            Some(_) => Err(self.wrong_type(name, "`true` or `false`")),
        }
    }

    /// Whether a field holds something; `pull_policy` also counts when it is empty, `keep_container` only when true.
    fn says(&self, name: &str) -> bool {
        match self.get(name) {
            None | Some(Value::Null) => false,
            Some(_) if name == "pull_policy" => true,
            Some(_) if name == "keep_container" => self.flag(name) == Ok(true),
            Some(Value::String(text)) => !text.trim().is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Object(map)) => !map.is_empty() || name == "healthcheck",
            Some(_) => true,
        }
    }
}

fn health(value: &Value, path: &str) -> Result<HealthCheck, SettingError> {
    let error = |field: &str, message: String| {
        let path = if field.is_empty() { path.to_owned() } else { format!("{path}.{field}") };
        SettingError::new("container-healthcheck-invalid", path, message)
    };
    let Value::Object(written) = value else {
        return Err(error("", "it is not a map; expected one with `test`".into()));
    };
    let mut check = HealthCheck::default();
    for (key, value) in written {
        let field = key.to_lowercase();
        let duration = || match value {
            Value::Null | Value::Bool(false) => Ok(None),
            Value::Number(number) if number.as_f64() == Some(0.0) => Ok(None),
            Value::String(text) if text.is_empty() => Ok(None),
            Value::String(text) if words::go_duration(text).is_some() => {
                Ok(words::go_duration(text).and_then(words::positive))
            }
            other => {
                Err(error(&field, format!("`{}` is not a duration; expected `30s` or `1m30s`", env::plain(other))))
            }
        };
        match field.as_str() {
            "test" => {
                check.test = match value {
                    Value::Array(items) => items.iter().map(env::plain).collect(),
                    Value::Null => Vec::new(),
                    scalar => vec![env::plain(scalar)],
                };
            }
            "interval" => check.interval = duration()?,
            "timeout" => check.timeout = duration()?,
            "start_period" => check.start_period = duration()?,
            "retries" => {
                let count = match value {
                    Value::Number(number) => number.as_u64(),
                    Value::String(digits) => digits.parse().ok(),
                    Value::Null => Some(0),
                    _ => None,
                };
                let count = count.and_then(|count| u32::try_from(count).ok());
                let count = count
                    .ok_or_else(|| error("retries", format!("`{}` is not a number from 0 up", env::plain(value))))?;
                check.retries = Some(count).filter(|count| *count > 0);
            }
            _ => {
                let expected = "expected `test`, `interval`, `timeout`, `start_period` or `retries`";
                return Err(error(key, format!("`{key}` is not a field of `healthcheck`; {expected}")));
            }
        }
    }
    let message = match check.test.split_first() {
        None => "it is required: `[CMD, program, …]`, `[CMD-SHELL, text]` or `[NONE]`".to_owned(),
        Some((kind, rest)) => match (kind.as_str(), rest.is_empty()) {
            ("NONE", true) | ("CMD" | "CMD-SHELL", false) => return Ok(check),
            ("NONE", false) => "`NONE` stands alone".to_owned(),
            ("CMD" | "CMD-SHELL", true) => format!("`{kind}` needs the command behind it"),
            _ => format!("it starts with `{kind}`; expected `CMD`, `CMD-SHELL` or `NONE`"),
        },
    };
    Err(error("test", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    fn parse(value: Value) -> ContainerSettings {
        ContainerSettings::parse(&value, "container").unwrap().unwrap()
    }

    fn code(value: Value) -> String {
        match ContainerSettings::parse(&value, "container") {
            Ok(_) => "fine".to_owned(),
            Err(error) => format!("{} at {}", error.code.trim_start_matches("container-"), error.path),
        }
    }

    #[test]
    fn a_text_is_an_existing_container() {
        assert_eq!(parse(json!(" agent-sandbox ")).exec.as_deref(), Some("agent-sandbox"));
        assert_eq!(code(json!(" ")), "name-empty at container");
        assert_eq!(ContainerSettings::parse(&Value::Null, "container").unwrap(), None);
    }

    #[test]
    fn a_map_has_exactly_one_of_image_and_exec() {
        assert_eq!(parse(json!({ "image": "x" })).image.as_deref(), Some("x"));
        assert_eq!(code(json!({ "image": "x", "exec": "y" })), "exec-image-conflict at container");
        assert_eq!(code(json!({ "user": "me" })), "exec-or-image-required at container");
        assert_eq!(code(json!(true)), "type-invalid at container");
    }

    #[test]
    fn typing_is_as_weak_as_in_dagu() {
        let settings = parse(json!({
            "IMAGE": "x", "user": 1000, "volumes": ".:/w", "ports": [80], "keep_container": "t", "command": {},
            "pull_policy": false
        }));
        assert_eq!(settings.user.as_deref(), Some("1000"));
        assert_eq!(settings.volumes, [".:/w"]);
        assert_eq!(settings.ports, ["80"]);
        assert!(settings.keep_container);
        assert_eq!(settings.pull_policy, PullPolicy::Never);
        assert_eq!(code(json!({ "image": ["x"] })), "decode at container.image");
        assert_eq!(code(json!({ "image": "x", "volumes": { "a": "b" } })), "decode at container.volumes");
        assert_eq!(code(json!({ "image": "x", "keep_container": "yes" })), "decode at container.keep_container");
    }

    #[test]
    fn unknown_fields_are_named_with_the_near_one() {
        let error =
            ContainerSettings::parse(&json!({ "image": "x", "pullPolicy": "always" }), "container").unwrap_err();
        let message = "container.pullPolicy: `pullPolicy` is not a field of `container`; did you mean `pull_policy`?";
        assert_eq!(error.to_string(), message);
        assert_eq!(code(json!({ "image": "x", "runtime": "podman" })), "unknown-field at container.runtime");
    }

    #[test]
    fn fields_of_new_containers_are_refused_beside_exec_when_they_say_something() {
        let exec = |field: &str, value: Value| code(json!({ "exec": "c", field: value }));
        for (field, value) in
            [("volumes", json!(["a:/b"])), ("pull_policy", json!("")), ("keep_container", json!(true))]
        {
            assert_eq!(exec(field, value), "exec-field-conflict at container", "{field}");
        }
        for (field, value) in [("volumes", json!([])), ("keep_container", json!(false)), ("shell", json!(["sh"]))] {
            assert_eq!(exec(field, value), "fine", "{field}");
        }
    }

    #[test]
    fn health_checks_are_checked() {
        let health = |check: Value| code(json!({ "image": "x", "healthcheck": check }));
        let settings = parse(json!({ "image": "x", "healthcheck": {
            "test": ["CMD", "true"], "interval": "1m30s", "timeout": "-1s", "retries": "3"
        } }));
        let check = settings.healthcheck.unwrap();
        assert_eq!(check.interval, Some(Duration::from_secs(90)));
        assert_eq!((check.timeout, check.retries), (None, Some(3)));
        assert_eq!(health(json!({ "test": ["NONE"] })), "fine");
        for check in [
            json!({}),
            json!({ "test": ["NONE", "x"] }),
            json!({ "test": ["CMD"] }),
            json!({ "test": ["cmd", "x"] }),
            json!({ "test": "true" }),
        ] {
            assert_eq!(health(check), "healthcheck-invalid at container.healthcheck.test");
        }
        let bad = json!({ "test": ["NONE"], "interval": 5 });
        assert_eq!(health(bad), "healthcheck-invalid at container.healthcheck.interval");
        let bad = json!({ "test": ["NONE"], "start_interval": "5s" });
        assert_eq!(health(bad), "healthcheck-invalid at container.healthcheck.start_interval");
    }
}
