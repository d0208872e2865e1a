//! The container engine as saddler needs it: some twenty verbs and plain data, with no knowledge of workflows.
//!
//! [`Engine`] is the seam. [`docker`] speaks the HTTP API that Docker and Podman share, [`fake`] is a scripted engine
//! for tests, [`mod@connect`] decides from the environment which engine is meant. What a workflow's `container:` means is
//! in [`crate::container`].
//!
//! The surprise: output never comes from the engine's log. A log loses a last line without a newline (Docker) or
//! answers only with the first output (Podman), so everything is read from an attachment made *before* the start.

pub mod connect;
pub mod docker;
pub mod error;
pub mod fake;
pub mod signal;
pub mod spec;

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use tokio::io::AsyncWrite;

pub use connect::{Endpoint, Runtime, connect, endpoint};
pub use error::{EngineError, Fault, Refusal};
pub use spec::{
    Bind, ContainerSpec, Credentials, ExecSpec, HealthCheck, Port, PublishedPort, Pull, PullProgress, RestartPolicy,
    VolumeMount,
};

/// One of the two output streams of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// A piece of output as it arrived; neither lines nor whole characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub stream: Stream,
    pub bytes: Bytes,
}

/// Frames in order of arrival; the stream ends when the process and all holders of its output have ended.
pub type Output = BoxStream<'static, Result<Frame, EngineError>>;

/// A connection to a container's first process.
pub struct Attachment {
    pub output: Output,
    /// Present when standard input was asked for. Dropping both halves closes the connection.
    pub input: Option<Pin<Box<dyn AsyncWrite + Send>>>,
}

/// A process started inside a running container.
pub struct Exec {
    /// Names this process to [`Engine::exec_status`].
    pub id: String,
    pub output: Output,
}

/// What an exec is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecStatus {
    pub running: bool,
    /// `None` while it runs.
    pub exit_code: Option<i64>,
}

/// An engine's answer to "who are you".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineVersion {
    /// The engine's own version, such as `20.10.24`.
    pub version: String,
    /// The API version it speaks, such as `1.41`.
    pub api_version: String,
    /// `linux`, `windows`.
    pub os: String,
    /// Go's word for the processor, such as `amd64`.
    pub arch: String,
}

/// What is known of an image that is present.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    pub id: String,
    pub tags: Vec<String>,
    pub os: String,
    pub arch: String,
    pub variant: Option<String>,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    /// `NAME=value` texts as the image declares them.
    pub env: Vec<String>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
    pub has_healthcheck: bool,
}

/// The states an engine tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerStatus {
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
    /// A word we do not know.
    Other,
}

/// The health of a container that has a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Starting,
    Healthy,
    Unhealthy,
}

/// What is known of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    /// Without the leading slash of the API.
    pub name: String,
    pub image: String,
    pub status: ContainerStatus,
    /// A paused container counts as running, as it does for the engines.
    pub running: bool,
    pub exit_code: i64,
    /// `None` without a health check.
    pub health: Option<Health>,
    /// The container's own check, for engines that never run it; empty without one.
    pub health_test: Vec<String>,
    pub labels: Vec<(String, String)>,
    pub env: Vec<String>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
}

/// One row of [`Engine::containers`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSummary {
    pub id: String,
    pub name: String,
    pub image: String,
    pub running: bool,
    /// Seconds since 1970.
    pub created: i64,
    pub labels: Vec<(String, String)>,
}

/// What stands at a path inside a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStat {
    pub size: u64,
    /// Permission bits, `0o777` at most.
    pub mode: u32,
    pub is_dir: bool,
    pub is_link: bool,
    /// Where a link points. Podman fills it in for every path, with the path fully resolved.
    pub link_target: Option<String>,
}

/// A container engine.
///
/// Names and ids of containers are interchangeable. Calls that wait for something in the container (`wait`, `stop`,
/// output of `attach` and `exec`, `pull`) have no time limit of their own; drop the future to give up.
///
/// # Errors
/// Every verb has its own [`EngineError`] variant; any of them can instead answer [`EngineError::Unreachable`] or
/// [`EngineError::PermissionDenied`].
#[async_trait]
pub trait Engine: Send + Sync {
    /// Which engine this is.
    fn runtime(&self) -> Runtime;

    /// Where it answers, as the user would write it: `unix:///var/run/docker.sock`.
    fn address(&self) -> &str;

    async fn version(&self) -> Result<EngineVersion, EngineError>;

    /// `None` when the image is not present. A name without tag or digest means `:latest`.
    async fn image(&self, reference: &str) -> Result<Option<Image>, EngineError>;

    /// Fetches an image. Errors in the middle of the progress stream fail the pull.
    async fn pull(&self, pull: &Pull, progress: &(dyn Fn(PullProgress) + Send + Sync)) -> Result<(), EngineError>;

    /// Creates a container and answers its id.
    async fn create(&self, spec: &ContainerSpec) -> Result<String, EngineError>;

    /// Connects to a container's output, and its input when `input` is set; works before the start, and then shows
    /// everything.
    async fn attach(&self, container: &str, input: bool) -> Result<Attachment, EngineError>;

    /// Starts a created container. A program that cannot be started is an error here.
    async fn start(&self, container: &str) -> Result<(), EngineError>;

    /// Waits until the container is not running and answers its exit code.
    async fn wait(&self, container: &str) -> Result<i64, EngineError>;

    /// `None` when there is no such container.
    async fn container(&self, container: &str) -> Result<Option<Container>, EngineError>;

    /// Sends `signal` (`None`: the container's own stop signal), waits `grace`, then kills. A container that is gone
    /// or not running is done already.
    async fn stop(&self, container: &str, signal: Option<&str>, grace: Duration) -> Result<(), EngineError>;

    /// Sends a signal to the container's first process. A container that is gone or not running is done already.
    async fn kill(&self, container: &str, signal: &str) -> Result<(), EngineError>;

    /// Removes a container, running or not; keeps its volumes. A container that is gone is done already.
    async fn remove(&self, container: &str) -> Result<(), EngineError>;

    /// Starts a process inside a running container, its output attached. What the engine itself says about a program
    /// that it cannot start is [`EngineError::NotStarted`], from here or from the output, and never output.
    async fn exec(&self, container: &str, spec: &ExecSpec) -> Result<Exec, EngineError>;

    async fn exec_status(&self, exec: &str) -> Result<ExecStatus, EngineError>;

    /// Writes a file; folders of `path` that are missing are made, with the mode `0o1777`. `path` is absolute.
    async fn put_file(&self, container: &str, path: &str, content: &[u8], mode: u32) -> Result<(), EngineError>;

    /// Reads a regular file of at most `limit` bytes; `None` when nothing is there.
    async fn read_file(&self, container: &str, path: &str, limit: u64) -> Result<Option<Vec<u8>>, EngineError>;

    /// `None` when nothing is there. Also works on a container that was never started.
    async fn stat(&self, container: &str, path: &str) -> Result<Option<PathStat>, EngineError>;

    /// All containers, running or not, that carry `label` (`name` or `name=value`).
    async fn containers(&self, label: &str) -> Result<Vec<ContainerSummary>, EngineError>;

    async fn network_exists(&self, name: &str) -> Result<bool, EngineError>;

    async fn volume_exists(&self, name: &str) -> Result<bool, EngineError>;
}
