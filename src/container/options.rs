//! `with:` of `docker.run` and `container.run`: a few settings of Dagu's own beside the engine's create options.
//!
//! Unknown keys are ignored, as in Dagu; [`DockerRunOptions::unknown_keys`] is what a lint says about them.

use serde_json::{Map, Value};

use super::SettingError;
use super::env::plain;
use super::limits::Limits;
use super::resolve::{ExecOptions, ExistingContainer, NewContainer, Place, References, add_volumes};
use super::words::{Platform, PullPolicy, Startup, WaitFor};
use crate::engine::ContainerSpec;
use crate::engine::docker::{UnknownKey, check_raw_options};

const CODE: &str = "docker-run-config-invalid";
const KNOWN: [&str; 12] = [
    "image",
    "container_name",
    "platform",
    "pull",
    "auto_remove",
    "working_dir",
    "volumes",
    "shell",
    "container",
    "host",
    "network",
    "exec",
];
const EXEC: [&str; 12] = [
    "User",
    "Privileged",
    "Tty",
    "ConsoleSize",
    "AttachStdin",
    "AttachStderr",
    "AttachStdout",
    "Detach",
    "DetachKeys",
    "Env",
    "WorkingDir",
    "Cmd",
];

/// The options as written, without `command`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DockerRunOptions {
    path: String,
    image: Option<String>,
    container_name: Option<String>,
    platform: Option<String>,
    pull: Option<String>,
    auto_remove: Option<bool>,
    working_dir: Option<String>,
    volumes: Vec<String>,
    shell: Vec<String>,
    container: Map<String, Value>,
    host: Map<String, Value>,
    network: Map<String, Value>,
    exec: Map<String, Value>,
    unknown: Vec<String>,
}

impl DockerRunOptions {
    /// Reads `with` from which `command` has been lifted; `None` when nothing else is in it, so that the step runs in
    /// the root container.
    ///
    /// # Errors
    /// `docker-run-config-invalid`.
    pub fn parse(with: &Map<String, Value>, path: &str) -> Result<Option<Self>, SettingError> {
        if with.is_empty() {
            return Ok(None);
        }
        let mut options = Self { path: path.to_owned(), ..Self::default() };
        for (key, value) in with {
            let wrong =
                |expected: &str| SettingError::new(CODE, format!("{path}.{key}"), format!("it is not {expected}"));
            let text = || value.as_str().map(str::to_owned).ok_or_else(|| wrong("text"));
            let map = || value.as_object().cloned().ok_or_else(|| wrong("a map"));
            let texts = || {
                let items = value.as_array().ok_or_else(|| wrong("a list of texts"))?;
                let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
                texts.collect::<Option<Vec<_>>>().ok_or_else(|| wrong("a list of texts"))
            };
            match key.as_str() {
                "image" => options.image = Some(text()?),
                "container_name" => options.container_name = Some(text()?),
                "platform" => options.platform = Some(text()?),
                "pull" => options.pull = Some(text()?),
                "auto_remove" => options.auto_remove = Some(value.as_bool().ok_or_else(|| wrong("`true` or `false`"))?),
                "working_dir" => options.working_dir = Some(text()?),
                "volumes" => options.volumes = texts()?,
                "shell" => options.shell = texts()?,
                "container" => options.container = map()?,
                "host" => options.host = map()?,
                "network" => options.network = map()?,
                "exec" => options.exec = map()?,
                _ => options.unknown.push(key.clone()),
            }
        }
        let says = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
        if !says(&options.image) && !says(&options.container_name) {
            let message = "it has neither `image` nor `container_name`; one is required";
            return Err(SettingError::new(CODE, path, message));
        }
        if with.contains_key("exec") && says(&options.image) && !says(&options.container_name) {
            let message = "`exec` beside `image` needs a `container_name`";
            return Err(SettingError::new(CODE, format!("{path}.exec"), message));
        }
        Ok(Some(options))
    }

    /// Keys that mean nothing here, by path below `with`, with the spelling that was probably meant.
    ///
    /// # Errors
    /// `docker-run-config-invalid` for an engine option of the wrong type.
    pub fn unknown_keys(&self) -> Result<Vec<UnknownKey>, SettingError> {
        let near = |key: &str, known: &[&str]| {
            let score = |name: &str| strsim::jaro_winkler(&name.to_lowercase(), &key.to_lowercase().replace('_', ""));
            let best = known.iter().max_by(|a, b| score(a).total_cmp(&score(b)))?;
            (score(best) > 0.88).then(|| (*best).to_owned())
        };
        let mut unknown: Vec<UnknownKey> =
            self.unknown.iter().map(|key| UnknownKey { path: key.clone(), suggestion: near(key, &KNOWN) }).collect();
        let raw = check_raw_options(&self.container, &self.host, &self.network);
        unknown.extend(raw.map_err(|message| SettingError::new(CODE, self.path.clone(), message))?);
        let strange = self.exec.keys().filter(|key| !EXEC.iter().any(|name| name.eq_ignore_ascii_case(key)));
        unknown.extend(strange.map(|key| UnknownKey { path: format!("exec.{key}"), suggestion: near(key, &EXEC) }));
        Ok(unknown)
    }

    /// Fills in the references. `limits` override what `host` says.
    ///
    /// # Errors
    /// The first field that cannot be used, by the code of its rule.
    pub fn resolve(&self, references: &References<'_>, limits: Limits) -> Result<Place, SettingError> {
        let text = |field: &str, text: &Option<String>| {
            let filled = text.as_ref().map(|text| (references.text)(text)).transpose();
            let filled = filled.map_err(|error| self.error("container-reference", field, error))?;
            Ok(filled.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
        };
        let map = |field: &str, map: &Map<String, Value>| match fill(&Value::Object(map.clone()), references) {
            Ok(Value::Object(map)) => Ok(map),
            Ok(_) => Ok(Map::new()),
            Err(error) => Err(self.error("container-reference", field, error)),
        };
        let (mut container, host) = (map("container", &self.container)?, map("host", &self.host)?);
        let shell = match fill(&Value::from(self.shell.clone()), references) {
            Ok(Value::Array(words)) => words.iter().map(plain).collect(),
            Ok(_) => Vec::new(),
            Err(error) => return Err(self.error("container-reference", "shell", error)),
        };
        let mut exec = self.exec_options(&map("exec", &self.exec)?)?;
        let Some(image) = text("image", &self.image)? else {
            // Variables of a new container are given to the commands in an existing one, below those of `exec`.
            exec.env.splice(0..0, env_pairs(get(&container, "Env")));
            let name = text("container_name", &self.container_name)?.unwrap_or_default();
            return Ok(Place::Existing(ExistingContainer { name, shell, exec }));
        };
        if let Some(working_dir) = text("working_dir", &self.working_dir)?
            && get(&container, "WorkingDir").is_none_or(|dir| plain(dir).is_empty())
        {
            container.retain(|key, _| !key.eq_ignore_ascii_case("WorkingDir"));
            container.insert("WorkingDir".into(), working_dir.into());
        }
        let platform = text("platform", &self.platform)?;
        let platform = platform.map(|text| Platform::parse(&text)).transpose();
        let platform = platform.map_err(|(code, message)| self.error(code, "platform", message))?;
        let pull = text("pull", &self.pull)?.map_or(Ok(PullPolicy::Missing), |word| PullPolicy::parse(&word.into()));
        let auto_remove = get(&host, "AutoRemove").and_then(Value::as_bool).unwrap_or_default();
        let mut spec = ContainerSpec {
            image,
            name: text("container_name", &self.container_name)?,
            platform: platform.as_ref().map(ToString::to_string),
            nano_cpus: limits.nano_cpus,
            memory_bytes: limits.memory_bytes,
            raw_container: container,
            raw_host: host,
            raw_network: map("network", &self.network)?,
            ..Default::default()
        };
        let mut warnings = Vec::new();
        add_volumes(&mut spec, &self.volumes, &format!("{}.volumes", self.path), references, &mut warnings)?;
        Ok(Place::New(Box::new(NewContainer {
            spec,
            pull: pull.map_err(|(code, message)| self.error(code, "pull", message))?,
            platform,
            credentials: None,
            keep: !self.auto_remove.unwrap_or(auto_remove),
            startup: Startup::default(),
            command: Vec::new(),
            wait_for: WaitFor::default(),
            log_pattern: None,
            shell,
            exec,
            warnings,
        })))
    }

    fn error(&self, code: &'static str, field: &str, message: String) -> SettingError {
        SettingError::new(code, format!("{}.{field}", self.path), message)
    }

    fn exec_options(&self, exec: &Map<String, Value>) -> Result<ExecOptions, SettingError> {
        let text = |name: &str| get(exec, name).map(plain).filter(|text| !text.is_empty());
        let flag = |name: &str| match get(exec, name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.error(CODE, &format!("exec.{name}"), "it is not `true` or `false`".into())),
        };
        Ok(ExecOptions {
            env: env_pairs(get(exec, "Env")),
            user: text("User"),
            working_dir: text("WorkingDir"),
            privileged: flag("Privileged")?,
            tty: flag("Tty")?,
        })
    }
}

fn get<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn env_pairs(value: Option<&Value>) -> Vec<(String, String)> {
    let texts = value.and_then(Value::as_array).into_iter().flatten().map(plain);
    texts.filter_map(|text| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

/// Fills in every text of a value.
fn fill(value: &Value, references: &References<'_>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String((references.text)(text)?),
        Value::Array(items) => Value::Array(items.iter().map(|item| fill(item, references)).collect::<Result<_, _>>()?),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| Ok((key.clone(), fill(value, references)?)))
                .collect::<Result<_, String>>()?,
        ),
        other => other.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::path::Path;

    fn options(value: Value) -> Result<Option<DockerRunOptions>, SettingError> {
        DockerRunOptions::parse(value.as_object().unwrap(), "with")
    }

    fn resolve(value: Value) -> Result<Place, SettingError> {
        let text = |text: &str| Ok(text.replace("${env.IMG}", "alpine"));
        let env = |text: &str, _: &[(String, String)]| Ok(text.to_owned());
        let references = References { text: &text, env: &env, process: &|_| None, base: Path::new("/w") };
        options(value).unwrap().unwrap().resolve(&references, Limits::default())
    }

    fn new(value: Value) -> NewContainer {
        match resolve(value).unwrap() {
            Place::New(new) => *new,
            Place::Existing(existing) => panic!("{existing:?}"),
        }
    }

    #[test]
    fn a_container_is_kept_unless_its_removal_is_asked_for() {
        assert!(new(json!({ "image": "x" })).keep);
        assert!(!new(json!({ "image": "x", "auto_remove": true })).keep);
        assert!(!new(json!({ "image": "x", "host": { "autoRemove": true } })).keep);
        assert!(new(json!({ "image": "x", "auto_remove": false, "host": { "AutoRemove": true } })).keep);
    }

    #[test]
    fn references_are_filled_in_at_every_depth() {
        let new = new(json!({ "image": "${env.IMG}", "container": { "Env": ["A=${env.IMG}"] }, "volumes": [".:/w"] }));
        assert_eq!(new.spec.image, "alpine");
        assert_eq!(new.spec.raw_container["Env"], json!(["A=alpine"]));
        assert_eq!(new.spec.binds[0].source, "/w");
    }

    #[test]
    fn the_directory_of_the_engine_options_wins() {
        let dir = |value| new(value).spec.raw_container.iter().map(|(_, dir)| plain(dir)).collect::<Vec<_>>();
        assert_eq!(dir(json!({ "image": "x", "working_dir": "/a" })), ["/a"]);
        assert_eq!(dir(json!({ "image": "x", "working_dir": "/a", "container": { "workingDir": "/b" } })), ["/b"]);
    }

    #[test]
    fn a_name_alone_is_an_existing_container() {
        let place =
            resolve(json!({ "container_name": "c", "container": { "Env": ["A=1", "B=1"] }, "working_dir": "/no",
            "exec": { "user": "12:34", "WorkingDir": "/tmp", "Env": ["B=2"], "TTY": true, "working_dir": "/no" } }));
        let Place::Existing(existing) = place.unwrap() else { panic!("a new container") };
        assert_eq!(existing.exec.user.as_deref(), Some("12:34"));
        assert_eq!(existing.exec.working_dir.as_deref(), Some("/tmp"));
        assert!(existing.exec.tty);
        let env: Vec<_> = existing.exec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(env, ["A=1", "B=1", "B=2"]);
    }

    #[test]
    fn wrong_types_and_missing_subjects_are_placed() {
        for (value, path) in [
            (json!({ "platform": "x" }), "with"),
            (json!({ "image": "x", "pull": true }), "with.pull"),
            (json!({ "image": "x", "auto_remove": "true" }), "with.auto_remove"),
            (json!({ "image": "x", "volumes": ".:/w" }), "with.volumes"),
            (json!({ "image": "x", "exec": {} }), "with.exec"),
        ] {
            let error = options(value).unwrap_err();
            assert_eq!((error.code, error.path.as_str()), (CODE, path));
        }
        assert_eq!(options(json!({})).unwrap(), None);
        assert_eq!(resolve(json!({ "image": "x", "pull": "now" })).unwrap_err().path, "with.pull");
    }

    #[test]
    fn unknown_keys_are_listed_with_the_near_name() {
        let value = json!({ "image": "x", "container_name": "n", "env": [], "exec": { "working_dir": "/" },
            "host": { "auto_remove": true, "resources": { "memory": 5 } } });
        let unknown = options(value).unwrap().unwrap().unknown_keys().unwrap();
        let shown: Vec<_> = unknown.iter().map(|key| (key.path.as_str(), key.suggestion.as_deref())).collect();
        assert_eq!(
            shown,
            [("env", None), ("host.auto_remove", Some("AutoRemove")), ("exec.working_dir", Some("WorkingDir"))]
        );
    }
}
