//! Docker's HTTP API, as Docker and Podman serve it. The only place that knows the client library.
//!
//! Turns our verbs into calls and the answers into our types; decides nothing about workflows. Two things would
//! surprise: the client library sends paths without an API version, so we put the agreed one in front ourselves; and
//! calls that may block (wait, stop, pull, output) go through a handle without the library's two-minute limit.

mod body;
mod files;
mod loose;
mod read;
mod refusal;
mod tls;

use std::error::Error as StdError;
use std::io::ErrorKind;
use std::time::Duration;

use async_trait::async_trait;
use bollard::auth::DockerCredentials;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::{ContainerConfig, ContainerCreateBody, ExecConfig, HostConfig, NetworkingConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, ContainerArchiveInfoOptionsBuilder, CreateContainerOptionsBuilder,
    CreateImageOptionsBuilder, DownloadFromContainerOptionsBuilder, KillContainerOptionsBuilder,
    RemoveContainerOptionsBuilder, StopContainerOptionsBuilder, UploadToContainerOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use bollard::{BollardRequest, ClientVersion, Docker};
use futures_util::{FutureExt, StreamExt};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Map, Value};

use super::connect::{Address, Endpoint};
use super::{
    Attachment, Container, ContainerSpec, ContainerSummary, Engine, EngineError, EngineVersion, Exec, ExecSpec,
    ExecStatus, Fault, Frame, Image, Output, PathStat, Pull, PullProgress, Runtime, Stream,
};

pub use body::is_network_mode;
pub use loose::UnknownKey;

/// What an answer to a call that does not block may take. Podman needs seconds when it is cold.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Ten years: no limit, in a form that cannot overflow.
const NO_LIMIT: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// The newest API whose types we use.
const NEWEST: ClientVersion = ClientVersion { major_version: 1, minor_version: 53 };
/// What Podman 4 and 5 call their Docker API. Asking Podman for its version takes seconds when it is cold.
const PODMAN: ClientVersion = ClientVersion { major_version: 1, minor_version: 41 };

/// A connection to Docker or Podman.
pub struct DockerEngine {
    runtime: Runtime,
    address: String,
    api: Docker,
    /// The same connection without a time limit.
    patient: Docker,
}

impl DockerEngine {
    /// # Errors
    /// As [`super::connect()`].
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, EngineError> {
        let asked = match (endpoint.api_version, endpoint.runtime) {
            (Some((major_version, minor_version)), _) => ClientVersion { major_version, minor_version },
            (None, Runtime::Docker) => NEWEST,
            (None, Runtime::Podman) => PODMAN,
        };
        let api = client(endpoint, &asked)?;
        let mut engine = Self { runtime: endpoint.runtime, address: endpoint.text.clone(), patient: api.clone(), api };
        let api = engine.api.clone();
        let api = if endpoint.api_version.is_none() && endpoint.runtime == Runtime::Docker {
            api.negotiate_version().await.map_err(|error| engine.error(error, EngineError::Version))?
        } else {
            api.ping().await.map_err(|error| engine.error(error, EngineError::Version))?;
            api
        };
        let version = api.client_version();
        engine.api = api.with_request_modifier(move |mut request| {
            if let Ok(uri) = with_version(&request.uri().to_string(), version).parse() {
                *request.uri_mut() = uri;
            }
            // The engines read a login in the alphabet for URLs; the client library writes the common one. They differ
            // for a few passwords only, those with `>`, `?`, `~` or letters beyond ASCII in the wrong place.
            if let Some(login) = request.headers_mut().get_mut("x-registry-auth")
                && let Ok(Ok(safe)) = login.to_str().map(|text| text.replace('+', "-").replace('/', "_").parse())
            {
                *login = safe;
            }
            request
        });
        engine.patient = engine.api.clone().with_timeout(NO_LIMIT);
        Ok(engine)
    }

    /// Tells an engine that cannot be used from one that refused, whose words go into the verb's own variant.
    fn error(&self, error: Error, refused: impl FnOnce(Fault) -> EngineError) -> EngineError {
        unusable(self.runtime, &self.address, &error).unwrap_or_else(|| refused(fault(error)))
    }

    /// A `GET` whose answer we read ourselves: the client library refuses words it does not know, such as Podman's
    /// state `stopped`. It has no call for that, but sends the path of an image export as it is and hands over the
    /// body; `path` ends in `?` or `&` so that the rest of that path becomes a parameter nobody reads.
    async fn get(&self, path: &str) -> Result<Value, Error> {
        let mut chunks = std::pin::pin!(self.api.export_image(&format!("../{path}saddler=")));
        let mut body = Vec::new();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk?);
        }
        Ok(serde_json::from_slice(&body)?)
    }

    fn output(
        &self,
        container: &str,
        frames: impl futures_util::Stream<Item = Result<LogOutput, Error>> + Send + 'static,
    ) -> Output {
        let container = container.to_owned();
        frames
            .map(move |frame| match frame {
                Ok(LogOutput::StdErr { message }) => Ok(Frame { stream: Stream::Stderr, bytes: message }),
                Ok(LogOutput::StdOut { message } | LogOutput::Console { message } | LogOutput::StdIn { message }) => {
                    Ok(Frame { stream: Stream::Stdout, bytes: message })
                }
                Err(error) => Err(EngineError::Output { container: container.clone(), fault: fault(error) }),
            })
            .boxed()
    }
}

fn client(endpoint: &Endpoint, version: &ClientVersion) -> Result<Docker, EngineError> {
    let setup = |reason: String| EngineError::Setup { address: endpoint.text.clone(), reason };
    let tls = endpoint.tls.as_ref().map(tls::client_config).transpose().map_err(setup)?;
    let seconds = ANSWER_WITHIN.as_secs();
    let client = match (&endpoint.address, tls) {
        #[cfg(unix)]
        (Address::Unix(path), _) => Docker::connect_with_unix(&path.to_string_lossy(), seconds, version),
        #[cfg(windows)]
        (Address::Pipe(name), _) => Docker::connect_with_named_pipe(name, seconds, version),
        (Address::Tcp(host), None) => Docker::connect_with_http(host, seconds, version),
        (Address::Tcp(host), Some(tls)) => {
            let mut connector = HttpConnector::new();
            connector.enforce_http(false);
            let client = Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(HttpsConnector::from((connector, tls)));
            let transport = move |request: BollardRequest| {
                let answer = client.request(request);
                async move { answer.await.map_err(Error::from) }
            };
            Docker::connect_with_custom_transport(transport, Some(format!("https://{host}")), seconds, version)
        }
        #[allow(unreachable_patterns, reason = "which kinds of address exist depends on the system")]
        _ => return Err(setup("addresses of this kind do not exist on this system".into())),
    };
    client
        .map_err(|error| unusable(endpoint.runtime, &endpoint.text, &error).unwrap_or_else(|| setup(error.to_string())))
}

/// Puts the API version in front of the path: `unix://SOCKET/info` becomes `unix://SOCKET/v1.41/info`.
fn with_version(uri: &str, version: ClientVersion) -> String {
    let authority = uri.find("://").map_or(0, |at| at + 3);
    match uri[authority..].find('/') {
        Some(path) => format!("{}/v{version}{}", &uri[..authority + path], &uri[authority + path..]),
        None => uri.to_owned(),
    }
}

/// The error of an engine that does not answer or does not let us in; `None` for every other.
fn unusable(runtime: Runtime, address: &str, error: &Error) -> Option<EngineError> {
    let unreachable = |reason: String| Some(EngineError::Unreachable { runtime, address: address.to_owned(), reason });
    match error {
        Error::SocketNotFoundError(_) => unreachable("there is no such socket".into()),
        Error::RequestTimeoutError => unreachable(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
        Error::HyperLegacyError { err } if err.is_connect() => match io_error(err) {
            Some(io) if io.kind() == ErrorKind::PermissionDenied => {
                Some(EngineError::PermissionDenied { runtime, address: address.to_owned() })
            }
            Some(io) if io.kind() == ErrorKind::NotFound => unreachable("there is no such socket".into()),
            Some(io) if io.kind() == ErrorKind::ConnectionRefused => unreachable("the connection was refused".into()),
            Some(io) => unreachable(io.to_string()),
            None => unreachable(innermost(err)),
        },
        _ => None,
    }
}

fn io_error(error: &dyn StdError) -> Option<&std::io::Error> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref() {
            return Some(io);
        }
        source = inner.source();
    }
    None
}

fn innermost(error: &dyn StdError) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn fault(error: Error) -> Fault {
    match error {
        Error::DockerResponseServerError { status_code, message } => Fault::http(status_code, message.trim()),
        Error::DockerStreamError { error } => Fault::new(error.trim()),
        other => Fault::new(innermost(&other)),
    }
}

/// Answers "it is not there" instead of an error.
fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Answers that mean "already so" for stop, kill and remove.
fn done_already(answer: Result<(), Error>) -> Result<(), Error> {
    match answer {
        Err(Error::DockerResponseServerError { status_code: 304 | 404 | 409, .. }) => Ok(()),
        // Podman's way of saying that the container has ended in the meantime.
        Err(Error::DockerResponseServerError { status_code: 500, message })
            if message.contains("can only kill running") || message.contains("container state improper") =>
        {
            Ok(())
        }
        other => other,
    }
}

/// Names go into the path of a request, so only what an engine accepts as a name may pass.
fn container_name(name: &str) -> Result<&str, Fault> {
    let fine = name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if fine { Ok(name) } else { Err(Fault::http(404, format!("`{name}` cannot be the name of a container"))) }
}

fn image_name(reference: &str) -> Result<&str, Fault> {
    let fine = reference.starts_with(|first: char| first.is_ascii_alphanumeric())
        && reference.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':' | '/' | '@'))
        && !reference.split('/').any(|part| part.is_empty() || part == "." || part == "..");
    if fine { Ok(reference) } else { Err(Fault::http(400, format!("`{reference}` is not an image reference"))) }
}

/// Keys of a `docker.run` step's `container`, `host` and `network` that the API does not know, and wrong types among
/// the others.
///
/// # Errors
/// A value of the wrong type, with its path in front.
pub fn check_raw_options(
    container: &Map<String, Value>,
    host: &Map<String, Value>,
    network: &Map<String, Value>,
) -> Result<Vec<UnknownKey>, String> {
    let read = |error: serde_json::Error| error.to_string();
    let mut host = host.clone();
    let nested = host.keys().find(|key| key.eq_ignore_ascii_case("resources")).cloned();
    let nested = nested.and_then(|key| host.shift_remove(&key)).unwrap_or_else(|| Value::Object(Map::new()));
    let mut unknown =
        loose::from_loose::<ContainerConfig>(Value::Object(container.clone()), "container").map_err(read)?.1;
    unknown.extend(loose::from_loose::<HostConfig>(Value::Object(host), "host").map_err(read)?.1);
    unknown.extend(loose::from_loose::<HostConfig>(nested, "host.resources").map_err(read)?.1);
    unknown.extend(loose::from_loose::<NetworkingConfig>(Value::Object(network.clone()), "network").map_err(read)?.1);
    Ok(unknown)
}

#[async_trait]
impl Engine for DockerEngine {
    fn runtime(&self) -> Runtime {
        self.runtime
    }

    fn address(&self) -> &str {
        &self.address
    }

    async fn version(&self) -> Result<EngineVersion, EngineError> {
        let answer = self.api.version().await.map_err(|error| self.error(error, EngineError::Version))?;
        Ok(EngineVersion {
            version: answer.version.unwrap_or_default(),
            api_version: answer.api_version.unwrap_or_default(),
            os: answer.os.unwrap_or_default(),
            arch: answer.arch.unwrap_or_default(),
        })
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        let failed = |fault| EngineError::InspectImage { image: reference.to_owned(), fault };
        let name = image_name(reference).map_err(failed)?;
        let answer = found(self.api.inspect_image(name).await).map_err(|error| self.error(error, failed))?;
        Ok(answer.map(|image| {
            let config = image.config.unwrap_or_default();
            let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
            Image {
                id: image.id.unwrap_or_default(),
                tags: image.repo_tags.unwrap_or_default(),
                os: image.os.unwrap_or_default(),
                arch: image.architecture.unwrap_or_default(),
                variant: filled(image.variant),
                entrypoint: config.entrypoint.unwrap_or_default(),
                command: config.cmd.unwrap_or_default(),
                env: config.env.unwrap_or_default(),
                user: filled(config.user),
                working_dir: filled(config.working_dir),
                has_healthcheck: config
                    .healthcheck
                    .and_then(|check| check.test)
                    .is_some_and(|test| !test.is_empty() && test[0] != "NONE"),
            }
        }))
    }

    async fn pull(&self, pull: &Pull, progress: &(dyn Fn(PullProgress) + Send + Sync)) -> Result<(), EngineError> {
        let failed = |fault| EngineError::Pull { image: pull.image.clone(), fault };
        let name = image_name(&pull.image).map_err(failed)?;
        // Without a tag the engine would fetch every tag of the repository.
        let last = name.rsplit('/').next().unwrap_or(name);
        let name = if last.contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") };
        let mut options = CreateImageOptionsBuilder::default().from_image(&name);
        if let Some(platform) = &pull.platform {
            options = options.platform(platform);
        }
        let credentials = pull.credentials.as_ref().map(|login| DockerCredentials {
            username: Some(login.username.clone()),
            password: Some(login.password.clone()),
            identitytoken: login.identity_token.clone(),
            serveraddress: Some(login.registry.clone()),
            ..Default::default()
        });
        let mut lines = self.patient.create_image(Some(options.build()), None, credentials);
        let mut strange = false;
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| self.error(error, failed))?;
            // Of an `error` entry without `errorDetail` the client library leaves nothing.
            strange = line.id.is_none() && line.status.is_none() && line.progress_detail.is_none();
            if strange {
                continue;
            }
            let bytes = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
            let detail = line.progress_detail.unwrap_or_default();
            progress(PullProgress {
                layer: line.id.filter(|id| !id.is_empty()),
                status: line.status.unwrap_or_default(),
                current: bytes(detail.current),
                total: bytes(detail.total),
            });
        }
        if strange {
            let message = format!("the engine broke off; pull it by hand (`docker pull {name}`) to see why");
            return Err(failed(Fault::new(message)));
        }
        Ok(())
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<String, EngineError> {
        let failed = |fault| EngineError::Create { image: spec.image.clone(), fault };
        let (body, _) = loose::from_loose::<ContainerCreateBody>(body::create_body(spec), "")
            .map_err(|error| failed(Fault::new(error.to_string())))?;
        let mut options = CreateContainerOptionsBuilder::default();
        if let Some(name) = &spec.name {
            options = options.name(name);
        }
        if let Some(platform) = &spec.platform {
            options = options.platform(platform);
        }
        let answer = self.api.create_container(Some(options.build()), body).await;
        Ok(answer.map_err(|error| self.error(error, failed))?.id)
    }

    async fn attach(&self, container: &str, input: bool) -> Result<Attachment, EngineError> {
        let failed = |fault| EngineError::Attach { container: container.to_owned(), fault };
        let name = container_name(container).map_err(failed)?;
        let options =
            AttachContainerOptionsBuilder::default().stream(true).stdout(true).stderr(true).stdin(input).build();
        let attached = self.patient.attach_container(name, Some(options)).await;
        let attached = attached.map_err(|error| self.error(error, failed))?;
        let output = self.output(container, attached.output);
        Ok(Attachment { output, input: input.then_some(attached.input) })
    }

    async fn start(&self, container: &str) -> Result<(), EngineError> {
        let failed = |fault| EngineError::Start { container: container.to_owned(), fault };
        let name = container_name(container).map_err(failed)?;
        self.patient.start_container(name, None).await.map_err(|error| self.error(error, failed))
    }

    async fn wait(&self, container: &str) -> Result<i64, EngineError> {
        let failed = |fault| EngineError::Wait { container: container.to_owned(), fault };
        let name = container_name(container).map_err(failed)?;
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        let mut answers = Box::pin(self.patient.wait_container(name, Some(options)));
        match answers.next().await {
            Some(Ok(answer)) => Ok(answer.status_code),
            // The client library takes every other code than 0 for an error.
            Some(Err(Error::DockerContainerWaitError { code, error })) if error.is_empty() => Ok(code),
            Some(Err(Error::DockerContainerWaitError { error, .. })) => Err(failed(Fault::new(error))),
            Some(Err(error)) => Err(self.error(error, failed)),
            None => Err(failed(Fault::new("the engine hung up without an exit code"))),
        }
    }

    async fn container(&self, container: &str) -> Result<Option<Container>, EngineError> {
        let failed = |fault| EngineError::Inspect { container: container.to_owned(), fault };
        let name = container_name(container).map_err(failed)?;
        let answer = found(self.get(&format!("containers/{name}/json?")).await);
        Ok(answer.map_err(|error| self.error(error, failed))?.map(|json| read::container(&json)))
    }

    async fn stop(&self, container: &str, signal: Option<&str>, grace: Duration) -> Result<(), EngineError> {
        let failed = |fault| EngineError::Stop { container: container.to_owned(), fault };
        let name = container_name(container).map_err(failed)?;
        if let Some(signal) = signal {
            // The stop call takes a signal only from API 1.42 on.
            self.kill(container, signal).await?;
            if tokio::time::timeout(grace, self.wait(container)).await.is_ok() {
                return Ok(());
            }
            return self.kill(container, "KILL").await;
        }
        let seconds = i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        let answer = self.patient.stop_container(name, Some(options)).await;
        done_already(answer).map_err(|error| self.error(error, failed))
    }

    async fn kill(&self, container: &str, signal: &str) -> Result<(), EngineError> {
        let failed = |fault| EngineError::Kill { container: container.to_owned(), fault };
        let name = container_name(container).map_err(failed)?;
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        let answer = self.api.kill_container(name, Some(options)).await;
        done_already(answer).map_err(|error| self.error(error, failed))
    }

    async fn remove(&self, container: &str) -> Result<(), EngineError> {
        let failed = |fault| EngineError::Remove { container: container.to_owned(), fault };
        let name = container_name(container).map_err(failed)?;
        let options = RemoveContainerOptionsBuilder::default().force(true).v(false).build();
        let answer = self.patient.remove_container(name, Some(options)).await;
        done_already(answer).map_err(|error| self.error(error, failed))
    }

    async fn exec(&self, container: &str, spec: &ExecSpec) -> Result<Exec, EngineError> {
        let failed = |fault| EngineError::Exec { container: container.to_owned(), fault };
        let name = container_name(container).map_err(failed)?;
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(spec.argv.clone()),
            env: Some(body::merged_env(None, &spec.env)),
            user: spec.user.clone(),
            working_dir: spec.working_dir.clone(),
            privileged: Some(spec.privileged),
            tty: Some(spec.tty),
            ..Default::default()
        };
        let id = self.api.create_exec(name, config).await.map_err(|error| self.error(error, failed))?.id;
        let options = StartExecOptions { detach: false, tty: spec.tty, output_capacity: None };
        match self.patient.start_exec(&id, Some(options)).await.map_err(|error| self.error(error, failed))? {
            StartExecResults::Attached { output, .. } => {
                let (api, exec) = (self.api.clone(), id.clone());
                let facts = async move {
                    let facts = api.inspect_exec(&exec).await.ok()?;
                    Some(refusal::Facts {
                        running: facts.running.unwrap_or_default(),
                        exit_code: facts.exit_code.unwrap_or_default(),
                        pid: facts.pid.unwrap_or_default(),
                    })
                };
                let output = self.output(container, output);
                Ok(Exec { output: refusal::sift(self.runtime, container, facts.boxed(), output), id })
            }
            StartExecResults::Detached => Err(failed(Fault::new("the engine did not attach to the command"))),
        }
    }

    async fn exec_status(&self, exec: &str) -> Result<ExecStatus, EngineError> {
        let name = container_name(exec).map_err(EngineError::ExecStatus)?;
        let answer = self.api.inspect_exec(name).await.map_err(|error| self.error(error, EngineError::ExecStatus))?;
        let running = answer.running.unwrap_or_default();
        Ok(ExecStatus { running, exit_code: if running { None } else { answer.exit_code } })
    }

    async fn put_file(&self, container: &str, path: &str, content: &[u8], mode: u32) -> Result<(), EngineError> {
        let failed = |fault| EngineError::PutFile { container: container.to_owned(), path: path.to_owned(), fault };
        let name = container_name(container).map_err(failed)?;
        // Entries for folders that exist would change their mode, so the tar starts at the deepest that does.
        let mut folder = path.rfind('/').map_or("", |at| &path[..at]);
        while !folder.is_empty() && self.stat(container, folder).await?.is_none() {
            folder = folder.rfind('/').map_or("", |at| &folder[..at]);
        }
        let relative = path[folder.len()..].trim_start_matches('/');
        let tar = files::pack(relative, content, mode).map_err(|error| failed(Fault::new(error.to_string())))?;
        let folder = if folder.is_empty() { "/" } else { folder };
        let options = UploadToContainerOptionsBuilder::default().path(folder).build();
        let answer = self.api.upload_to_container(name, Some(options), bollard::body_full(tar.into())).await;
        answer.map_err(|error| self.error(error, failed))
    }

    async fn read_file(&self, container: &str, path: &str, limit: u64) -> Result<Option<Vec<u8>>, EngineError> {
        let failed = |fault| EngineError::ReadFile { container: container.to_owned(), path: path.to_owned(), fault };
        let name = container_name(container).map_err(failed)?;
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let mut chunks = Box::pin(self.api.download_from_container(name, Some(options)));
        let mut tar = Vec::new();
        // Room for the headers and the closing blocks.
        let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(64 * 1024);
        while tar.len() < most {
            let Some(chunk) = chunks.next().await else { break };
            match found(chunk).map_err(|error| self.error(error, failed))? {
                Some(chunk) => tar.extend_from_slice(&chunk),
                None => return Ok(None),
            }
            if files::is_not_a_file(&tar) {
                break;
            }
        }
        files::unpack(&tar, limit).map(Some).map_err(failed)
    }

    async fn stat(&self, container: &str, path: &str) -> Result<Option<PathStat>, EngineError> {
        // Go's bits for a folder and a symbolic link.
        const DIR: u32 = 1 << 31;
        const LINK: u32 = 1 << 27;
        let failed = |fault| EngineError::Stat { container: container.to_owned(), path: path.to_owned(), fault };
        let name = container_name(container).map_err(failed)?;
        let options = ContainerArchiveInfoOptionsBuilder::default().path(path).build();
        let answer = found(self.api.get_container_archive_info(name, Some(options)).await);
        Ok(answer.map_err(|error| self.error(error, failed))?.map(|stat| PathStat {
            size: u64::try_from(stat.size).unwrap_or_default(),
            mode: stat.file_mode & 0o777,
            is_dir: stat.file_mode & DIR != 0,
            is_link: stat.file_mode & LINK != 0,
            link_target: Some(stat.link_target).filter(|target| !target.is_empty()),
        }))
    }

    async fn containers(&self, label: &str) -> Result<Vec<ContainerSummary>, EngineError> {
        let filters = read::query_text(&serde_json::json!({ "label": [label] }).to_string());
        let answer = self.get(&format!("containers/json?all=true&filters={filters}&")).await;
        let rows = answer.map_err(|error| self.error(error, EngineError::List))?;
        Ok(rows.as_array().into_iter().flatten().map(read::summary).collect())
    }

    async fn network_exists(&self, name: &str) -> Result<bool, EngineError> {
        let failed = |fault| EngineError::Network { name: name.to_owned(), fault };
        let known = container_name(name).map_err(failed)?;
        let answer = found(self.api.inspect_network(known, None).await);
        Ok(answer.map_err(|error| self.error(error, failed))?.is_some())
    }

    async fn volume_exists(&self, name: &str) -> Result<bool, EngineError> {
        let failed = |fault| EngineError::Volume { name: name.to_owned(), fault };
        let known = container_name(name).map_err(failed)?;
        Ok(found(self.api.inspect_volume(known).await).map_err(|error| self.error(error, failed))?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Credentials, endpoint};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// An engine that answers every request with `body` and hands over what it was asked.
    async fn scripted(body: &'static str) -> (DockerEngine, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("tcp://{}", listener.local_addr().unwrap());
        let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                    let mut buffer = [0; 1024];
                    let length = client.read(&mut buffer).await.unwrap();
                    request.extend_from_slice(&buffer[..length]);
                }
                sender.send(String::from_utf8_lossy(&request).into_owned()).unwrap();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        });
        let lookup = |name: &str| match name {
            "DOCKER_HOST" => Some(host.clone()),
            "DOCKER_API_VERSION" => Some("1.41".to_owned()),
            _ => None,
        };
        (DockerEngine::connect(&endpoint(&lookup).unwrap()).await.unwrap(), requests)
    }

    async fn request_for(requests: &mut tokio::sync::mpsc::UnboundedReceiver<String>, path: &str) -> String {
        loop {
            let request = requests.recv().await.unwrap();
            if request.contains(path) {
                return request;
            }
        }
    }

    #[tokio::test]
    async fn logins_are_sent_in_the_alphabet_for_urls() {
        let (engine, mut requests) = scripted("{\"status\":\"done\"}").await;
        let credentials = Credentials {
            username: "u".into(),
            password: "?>~?>~???".into(),
            identity_token: None,
            registry: "r.example".into(),
        };
        let pull = Pull { image: "r.example/x".into(), platform: None, credentials: Some(credentials) };
        engine.pull(&pull, &|_| {}).await.unwrap();
        let request = request_for(&mut requests, "/images/create").await;
        assert!(request.starts_with("POST /v1.41/images/create?"), "{request}");
        assert!(request.contains("fromImage=r.example%2Fx%3Alatest"), "{request}");
        let login = request.lines().find_map(|line| line.strip_prefix("x-registry-auth: ")).unwrap();
        assert!(login.contains('_') && !login.contains(['+', '/']), "{login}");
    }

    #[tokio::test]
    async fn an_error_in_the_middle_of_a_pull_fails_it() {
        for (body, said) in [
            (
                "{\"status\":\"Pulling\"}\n{\"errorDetail\":{\"message\":\"denied\"},\"error\":\"denied\"}\n",
                "failed to pull image `x:1`: denied",
            ),
            ("{\"status\":\"Pulling\"}\n{\"error\":\"denied\"}\n", "failed to pull image `x:1`: the engine broke off"),
        ] {
            let (engine, _requests) = scripted(body).await;
            let pull = Pull { image: "x:1".into(), ..Default::default() };
            let error = engine.pull(&pull, &|_| {}).await.unwrap_err();
            assert!(error.to_string().starts_with(said), "{error}");
        }
    }

    #[tokio::test]
    async fn containers_are_asked_for_by_plain_paths() {
        let (engine, mut requests) = scripted("[]").await;
        assert_eq!(engine.containers("saddler.run=a b").await.unwrap(), []);
        let request = request_for(&mut requests, "/containers/").await;
        let path = "GET /v1.41/containers/json?all=true&filters=%7B%22label%22%3A%5B%22saddler.run%3Da%20b%22%5D%7D&";
        assert!(request.starts_with(path), "{request}");
    }

    #[test]
    fn the_api_version_goes_in_front_of_the_path() {
        let version = ClientVersion { major_version: 1, minor_version: 41 };
        assert_eq!(
            with_version("unix://2f78/containers/json?all=true", version),
            "unix://2f78/v1.41/containers/json?all=true"
        );
        assert_eq!(with_version("http://h:2375/_ping", version), "http://h:2375/v1.41/_ping");
    }

    #[test]
    fn names_that_would_change_the_request_are_refused() {
        assert!(container_name("agent-sandbox_1.x").is_ok());
        for bad in ["", "a/b", "../x", "a?b", "a b", "-x"] {
            assert!(container_name(bad).is_err(), "{bad}");
        }
        assert!(image_name("127.0.0.1:5000/team/app:1.2@sha256:abc").is_ok());
        for bad in ["", "a//b", "a/../b", "a b", "a?b", "a#b", "/a"] {
            assert!(image_name(bad).is_err(), "{bad}");
        }
    }
}
