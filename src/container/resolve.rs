//! Settings with their references filled in: what a lifecycle starts from.
//!
//! Nothing here calls an engine, so every mistake of a workflow's own comes out before the first call.

use std::path::Path;

use regex::Regex;

use super::labels;
use super::limits::Limits;
use super::settings::ContainerSettings;
use super::words::{Platform, PullPolicy, Startup, WaitFor, restart_policy};
use super::{Flaw, SettingError, port, volume};
use crate::engine::{ContainerSpec, Credentials};

/// Fills in a value of `container.env`, given the entries before it.
pub type FillEnv<'a> = dyn Fn(&str, &[(String, String)]) -> Result<String, String> + 'a;

/// How texts are filled in. All functions leave what they do not know as it is.
pub struct References<'a> {
    /// References of the workflow.
    pub text: &'a dyn Fn(&str) -> Result<String, String>,
    /// The same for a value of `container.env`; gets the entries before it, which it may refer to. Names that the
    /// workflow lacks come from our own process here, and a name found nowhere is an error.
    pub env: &'a FillEnv<'a>,
    /// Our own process environment, for the source side of volumes.
    pub process: &'a dyn Fn(&str) -> Option<String>,
    /// Where relative volume sources start.
    pub base: &'a Path,
}

/// Which settings count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One command in a container of its own: `startup`, `wait_for` and `log_pattern` mean nothing.
    Single,
    /// A container kept for many commands.
    Shared,
}

/// Where commands run.
#[derive(Debug, Clone)]
pub enum Place {
    New(Box<NewContainer>),
    Existing(ExistingContainer),
}

/// A container to make.
#[derive(Debug, Clone)]
pub struct NewContainer {
    /// Complete but for entrypoint, command, init and labels, which the lifecycles set.
    pub spec: ContainerSpec,
    pub pull: PullPolicy,
    pub platform: Option<Platform>,
    /// The login for a pull; the caller looks it up ([`super::registry::credentials`]).
    pub credentials: Option<Credentials>,
    /// Stop it at the end, but do not remove it.
    pub keep: bool,
    pub startup: Startup,
    /// `container.command`.
    pub command: Vec<String>,
    pub wait_for: WaitFor,
    pub log_pattern: Option<Regex>,
    pub shell: Vec<String>,
    pub exec: ExecOptions,
    /// Things that are allowed and probably not meant, such as an empty variable in a volume source.
    pub warnings: Vec<String>,
}

impl NewContainer {
    /// Marks the container as belonging to a run, so that it is found when nobody came back for it.
    #[must_use]
    pub fn for_run(mut self, run: &str, dag: &str) -> Self {
        self.spec.labels.push((labels::RUN.to_owned(), run.to_owned()));
        self.spec.labels.push((labels::DAG.to_owned(), dag.to_owned()));
        self
    }
}

/// A container that somebody else started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExistingContainer {
    pub name: String,
    pub shell: Vec<String>,
    pub exec: ExecOptions,
}

/// What every exec gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecOptions {
    pub env: Vec<(String, String)>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
    pub privileged: bool,
    pub tty: bool,
}

impl ContainerSettings {
    /// Fills in the references and reads the texts.
    ///
    /// # Errors
    /// The first field that cannot be used, by the code of its rule.
    pub fn resolve(&self, references: &References<'_>, limits: Limits, shape: Shape) -> Result<Place, SettingError> {
        let env = self.resolve_env(references)?;
        let shell = self.texts("shell", &self.shell, references)?;
        let user = self.text("user", self.user.as_ref(), references)?;
        let working_dir = self.text("working_dir", self.working_dir.as_ref(), references)?;
        if let Some(exec) = self.text("exec", self.exec.as_ref(), references)? {
            let name = exec.trim().to_owned();
            let exec = ExecOptions { env, user, working_dir, ..Default::default() };
            return Ok(Place::Existing(ExistingContainer { name, shell, exec }));
        }
        let image = self.text("image", self.image.as_ref(), references)?.unwrap_or_default();
        let platform = self.text("platform", self.platform.as_ref(), references)?;
        let platform = platform.map(|text| self.checked("platform", Platform::parse(&text))).transpose()?;
        let mut spec = ContainerSpec {
            image: image.trim().to_owned(),
            name: self.text("name", self.name.as_ref(), references)?.map(|name| name.trim().to_owned()),
            env: env.clone(),
            user,
            working_dir,
            platform: platform.as_ref().map(ToString::to_string),
            network: self.text("network", self.network.as_ref(), references)?,
            restart: self.checked("restart_policy", restart_policy(self.restart_policy.as_deref().unwrap_or("")))?,
            health: self.healthcheck.clone(),
            nano_cpus: limits.nano_cpus,
            memory_bytes: limits.memory_bytes,
            ..Default::default()
        };
        let mut warnings = Vec::new();
        add_volumes(&mut spec, &self.volumes, &self.field("volumes"), references, &mut warnings)?;
        for (index, entry) in self.ports.iter().enumerate() {
            let field = format!("ports[{index}]");
            let entry = (references.text)(entry).map_err(|error| self.reference(&field, error))?;
            port::push(&mut spec.ports, self.checked(&field, port::parse(&entry))?);
        }
        let mut new = NewContainer {
            spec,
            pull: self.pull_policy,
            platform,
            credentials: None,
            keep: self.keep_container,
            startup: Startup::default(),
            command: self.texts("command", &self.command, references)?,
            wait_for: WaitFor::default(),
            log_pattern: None,
            shell,
            // The container has the user and the directory already; the variables are repeated for each command.
            exec: ExecOptions { env, ..Default::default() },
            warnings,
        };
        if shape == Shape::Shared {
            new.startup = self.checked("startup", Startup::parse(self.startup.as_deref().unwrap_or("")))?;
            new.wait_for = self.checked("wait_for", WaitFor::parse(self.wait_for.as_deref().unwrap_or("")))?;
            new.log_pattern = self.checked("log_pattern", pattern(self.log_pattern.as_deref()))?;
            if new.startup == Startup::Command && new.command.is_empty() {
                let message = "`startup: command` needs the command here".to_owned();
                return Err(SettingError::new("container-startup-command-missing", self.field("command"), message));
            }
        }
        Ok(Place::New(Box::new(new)))
    }

    fn resolve_env(&self, references: &References<'_>) -> Result<Vec<(String, String)>, SettingError> {
        let mut env: Vec<(String, String)> = Vec::new();
        for entry in &self.env {
            let value = (references.env)(&entry.value, &env)
                .map_err(|error| SettingError::new("container-env-unresolved", entry.path.clone(), error))?;
            env.push((entry.name.clone(), value));
        }
        Ok(env)
    }

    fn field(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    fn checked<T>(&self, field: &str, read: Result<T, Flaw>) -> Result<T, SettingError> {
        read.map_err(|(code, message)| SettingError::new(code, self.field(field), message))
    }

    fn reference(&self, field: &str, message: String) -> SettingError {
        SettingError::new("container-reference", self.field(field), message)
    }

    fn text(
        &self,
        field: &str,
        text: Option<&String>,
        references: &References<'_>,
    ) -> Result<Option<String>, SettingError> {
        let filled = text.map(|text| (references.text)(text)).transpose();
        Ok(filled.map_err(|error| self.reference(field, error))?.filter(|text| !text.is_empty()))
    }

    fn texts(&self, field: &str, texts: &[String], references: &References<'_>) -> Result<Vec<String>, SettingError> {
        let filled = texts.iter().enumerate().map(|(index, text)| {
            (references.text)(text).map_err(|error| self.reference(&format!("{field}[{index}]"), error))
        });
        filled.collect()
    }
}

/// Adds volume specs to a container; `path` is the field they come from.
pub(super) fn add_volumes(
    spec: &mut ContainerSpec,
    specs: &[String],
    path: &str,
    references: &References<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), SettingError> {
    let expansion =
        volume::Expansion { references: references.text, process: references.process, base: references.base };
    for (index, text) in specs.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let resolved = volume::resolve(text, &expansion)
            .map_err(|(code, message)| SettingError::new(code, path.clone(), message))?;
        for name in resolved.empty {
            warnings.push(format!("{path}: the variable `{name}` in volume `{text}` is set but empty"));
        }
        match resolved.mount {
            volume::Mount::Bind(bind) => spec.binds.push(bind),
            volume::Mount::Volume(volume) => spec.volumes.push(volume),
        }
    }
    Ok(())
}

fn pattern(text: Option<&str>) -> Result<Option<Regex>, Flaw> {
    let Some(text) = text else { return Ok(None) };
    Regex::new(text).map(Some).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        ("container-log-pattern-invalid", format!("`{text}` is not a regular expression: {reason}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn resolve(value: Value, shape: Shape) -> Result<Place, SettingError> {
        let text = |text: &str| Ok(text.replace("${params.p}", "filled"));
        let env = |text: &str, earlier: &[(String, String)]| {
            if text == "$NOWHERE" {
                return Err("the variable `NOWHERE` is not set".to_owned());
            }
            Ok(earlier.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value)))
        };
        let references = References {
            text: &text,
            env: &env,
            process: &|name| (name == "HOME").then(|| "/home/u".to_owned()),
            base: Path::new("/w"),
        };
        let settings = ContainerSettings::parse(&value, "container").unwrap().unwrap();
        settings.resolve(&references, Limits { nano_cpus: Some(5), memory_bytes: None }, shape)
    }

    fn new(value: Value) -> NewContainer {
        match resolve(value, Shape::Shared).unwrap() {
            Place::New(new) => *new,
            Place::Existing(existing) => panic!("{existing:?}"),
        }
    }

    fn code(value: Value) -> String {
        let error = resolve(value, Shape::Shared).unwrap_err();
        format!("{} at {}", error.code, error.path)
    }

    #[test]
    fn texts_are_filled_in_and_words_are_read() {
        let new = new(json!({
            "image": "img:${params.p}", "name": "n-${params.p}", "env": ["A=1", "B=${A}${C}", "C=3"],
            "volumes": [".:/w:ro", "v:/v"], "ports": ["8080:80"], "platform": "x86_64", "startup": "command",
            "command": ["serve", "${params.p}"], "wait_for": "healthy", "log_pattern": "ready [0-9]+"
        }));
        assert_eq!(new.spec.image, "img:filled");
        assert_eq!(new.spec.name.as_deref(), Some("n-filled"));
        let env: Vec<_> = new.spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(env, ["A=1", "B=1${C}", "C=3"]);
        assert_eq!(new.spec.binds[0].source, "/w");
        assert_eq!(new.spec.volumes[0].name, "v");
        assert_eq!(new.spec.platform.as_deref(), Some("amd64"));
        assert_eq!(new.command, ["serve", "filled"]);
        assert_eq!((new.startup, new.wait_for), (Startup::Command, WaitFor::Healthy));
        assert_eq!(new.spec.nano_cpus, Some(5));
    }

    #[test]
    fn an_existing_container_takes_options_for_its_commands_only() {
        let place = resolve(json!({ "exec": " c ", "user": "me", "env": ["A=1"], "shell": ["sh"] }), Shape::Single);
        let Place::Existing(existing) = place.unwrap() else { panic!("a new container") };
        assert_eq!((existing.name.as_str(), existing.exec.user.as_deref()), ("c", Some("me")));
        assert_eq!(existing.exec.env, [("A".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn what_cannot_be_used_is_placed() {
        for (field, value, expected) in [
            ("volumes", json!([".:/w", "/x"]), "container-volume-format at container.volumes[1]"),
            ("volumes", json!(["$NO:/w"]), "container-volume-env-missing at container.volumes[0]"),
            ("ports", json!(["a"]), "container-port-number at container.ports[0]"),
            ("platform", json!("vax"), "container-platform-invalid at container.platform"),
            ("startup", json!("later"), "container-startup-invalid at container.startup"),
            ("startup", json!("command"), "container-startup-command-missing at container.command"),
            ("wait_for", json!("ready"), "container-wait-for-invalid at container.wait_for"),
            ("log_pattern", json!("ready ("), "container-log-pattern-invalid at container.log_pattern"),
            ("restart_policy", json!("on-failure"), "container-restart-policy-invalid at container.restart_policy"),
            ("env", json!(["A=1", "B=$NOWHERE"]), "container-env-unresolved at container.env[1]"),
        ] {
            assert_eq!(code(json!({ "image": "x", field: value })), expected);
        }
    }

    #[test]
    fn start_up_settings_mean_nothing_for_a_single_command() {
        assert!(resolve(json!({ "image": "x", "startup": "later", "log_pattern": "(" }), Shape::Single).is_ok());
    }
}
