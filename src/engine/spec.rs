//! What we ask an engine for: containers, processes and images to fetch, as plain data.

use std::time::Duration;

use serde_json::{Map, Value};

/// A directory or file of the engine's machine, seen inside a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Absolute path on the engine's machine.
    pub source: String,
    /// Path inside, as written.
    pub target: String,
    pub read_only: bool,
}

/// A volume kept by the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeMount {
    /// Empty for an anonymous volume.
    pub name: String,
    pub target: String,
    pub read_only: bool,
}

/// A port of the container, published on the host or only exposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    pub container: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: &'static str,
    pub published: Option<PublishedPort>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedPort {
    /// Empty for all addresses.
    pub ip: String,
    pub port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    No,
    Always,
    UnlessStopped,
}

/// A health check; unset values are the engine's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthCheck {
    /// `NONE`, or `CMD` and an argv, or `CMD-SHELL` and a text.
    pub test: Vec<String>,
    pub interval: Option<Duration>,
    pub timeout: Option<Duration>,
    pub start_period: Option<Duration>,
    pub retries: Option<u32>,
}

/// A container to create.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerSpec {
    pub image: String,
    /// `None` lets the engine choose.
    pub name: Option<String>,
    /// `None` keeps the image's.
    pub entrypoint: Option<Vec<String>>,
    /// `None` keeps the image's, unless `entrypoint` is set.
    pub command: Option<Vec<String>>,
    /// Later entries win.
    pub env: Vec<(String, String)>,
    pub labels: Vec<(String, String)>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
    pub platform: Option<String>,
    pub binds: Vec<Bind>,
    pub volumes: Vec<VolumeMount>,
    pub ports: Vec<Port>,
    /// A network mode (`none`, `host`, `container:NAME`) or the name of a network.
    pub network: Option<String>,
    pub restart: Option<RestartPolicy>,
    pub health: Option<HealthCheck>,
    pub nano_cpus: Option<i64>,
    pub memory_bytes: Option<i64>,
    /// Puts an init in front of the program, so that signals and orphans are looked after.
    pub init: bool,
    /// Opens standard input and closes it when the first attachment ends.
    pub input: bool,
    /// Engine options in the API's own JSON names, any letter case; what is set above wins.
    pub raw_container: Map<String, Value>,
    pub raw_host: Map<String, Value>,
    pub raw_network: Map<String, Value>,
}

/// A process to start inside a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecSpec {
    pub argv: Vec<String>,
    /// Later entries win.
    pub env: Vec<(String, String)>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
    pub privileged: bool,
    /// A terminal merges both streams into stdout.
    pub tty: bool,
}

/// A login at a registry. `Debug` does not show the secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: String,
    pub identity_token: Option<String>,
    /// The registry's host, as the image names it.
    pub registry: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).field("registry", &self.registry).finish()
    }
}

/// An image to fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pull {
    pub image: String,
    pub platform: Option<String>,
    pub credentials: Option<Credentials>,
}

/// One line of a pull's progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullProgress {
    /// The layer it is about, if any.
    pub layer: Option<String>,
    /// The engine's word, such as `Downloading`.
    pub status: String,
    /// Bytes so far and in all, when known.
    pub current: Option<u64>,
    pub total: Option<u64>,
}
