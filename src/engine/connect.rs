//! Which engine is meant: decided from the environment of our own process, never from a workflow and never by looking
//! around for sockets.
//!
//! [`endpoint`] is pure and can be shown to the user before any call; [`connect`] opens the connection and agrees on
//! the API version. Docker contexts and `~/.docker/config.json` are not consulted.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use super::docker::DockerEngine;
use super::{Engine, EngineError};

/// The two engines; both speak Docker's HTTP API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Runtime {
    Docker,
    Podman,
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "Docker",
            Self::Podman => "Podman",
        })
    }
}

impl Runtime {
    /// What to type when nobody answers.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Docker => {
                "start Docker, or set DOCKER_HOST to its address, or DAGU_CONTAINER_RUNTIME=podman to use Podman"
            }
            Self::Podman => {
                "start `podman system service --time=0`, or set DAGU_PODMAN_HOST to its address (such as \
                 unix:///run/podman/podman.sock)"
            }
        }
    }
}

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket, by path.
    Unix(PathBuf),
    /// A Windows named pipe, in the `//./pipe/NAME` form.
    Pipe(String),
    /// `host:port`.
    Tcp(String),
}

/// Certificates for a TCP address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Holds `ca.pem`, `cert.pem` and `key.pem`.
    pub directory: PathBuf,
    /// False accepts any server certificate, as Docker's own client does with an empty `DOCKER_TLS_VERIFY`.
    pub verify: bool,
}

/// A chosen engine, not yet connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub runtime: Runtime,
    /// The address as written, for messages.
    pub text: String,
    pub address: Address,
    pub tls: Option<Tls>,
    /// A pinned API version; otherwise it is negotiated.
    pub api_version: Option<(usize, usize)>,
}

impl Endpoint {
    /// Whether the engine runs on this machine, so that its paths are ours. A TCP address counts as remote even on
    /// loopback: it is usually a forwarded port.
    pub fn is_local(&self) -> bool {
        !matches!(self.address, Address::Tcp(_))
    }
}

/// An environment that does not name an engine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndpointError {
    #[error("`{word}` in DAGU_CONTAINER_RUNTIME is not a container runtime; expected `docker` or `podman`")]
    Runtime { word: String },
    #[error("`{text}` in {variable} is not an engine address; expected `unix:///path/to/socket` or `tcp://host:port`")]
    Address { variable: &'static str, text: String },
    #[error("{variable} uses `{scheme}://`, which is not supported; expected `unix://`, `npipe://` or `tcp://`{}",
        if scheme == "ssh" { " (forward the socket with `ssh -L` and name the forwarded end)" } else { "" })]
    Scheme { variable: &'static str, scheme: String },
    #[error("`{text}` in DOCKER_API_VERSION is not an API version; expected something like `1.41`")]
    ApiVersion { text: String },
}

const DOCKER_DEFAULT: &str =
    if cfg!(windows) { "npipe:////./pipe/docker_engine" } else { "unix:///var/run/docker.sock" };
const PODMAN_DEFAULT: &str = "unix:///run/podman/podman.sock";

/// Chooses the engine that `lookup` (the process environment) names.
///
/// # Errors
/// An unknown runtime word, an address that cannot be read or used, a malformed API version. Nothing is contacted.
pub fn endpoint(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Endpoint, EndpointError> {
    let set = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
    let word = set("DAGU_CONTAINER_RUNTIME").unwrap_or_default();
    let runtime = match word.trim().to_ascii_lowercase().as_str() {
        "" | "docker" => Runtime::Docker,
        "podman" => Runtime::Podman,
        _ => return Err(EndpointError::Runtime { word: word.trim().to_owned() }),
    };
    let (variable, default) = match runtime {
        Runtime::Docker => ("DOCKER_HOST", DOCKER_DEFAULT),
        Runtime::Podman => ("DAGU_PODMAN_HOST", PODMAN_DEFAULT),
    };
    let text = set(variable).map_or_else(|| default.to_owned(), |text| text.trim().to_owned());
    let address = address(variable, &text)?;
    // Podman's endpoint is plain HTTP on the given address; Docker's TLS variables are not about it.
    let tls = match runtime {
        Runtime::Docker => {
            set("DOCKER_CERT_PATH").map(|dir| Tls { directory: dir.into(), verify: set("DOCKER_TLS_VERIFY").is_some() })
        }
        Runtime::Podman => None,
    };
    let api_version = set("DOCKER_API_VERSION").map(|text| api_version(text.trim())).transpose()?;
    Ok(Endpoint { runtime, text, address, tls, api_version })
}

/// Opens the connection: reads the certificates, checks that the engine answers, agrees on an API version.
///
/// # Errors
/// [`EngineError::Unreachable`], [`EngineError::PermissionDenied`] or [`EngineError::Setup`]; a refused version is
/// [`EngineError::Version`].
pub async fn connect(endpoint: &Endpoint) -> Result<Arc<dyn Engine>, EngineError> {
    Ok(Arc::new(DockerEngine::connect(endpoint).await?))
}

fn address(variable: &'static str, text: &str) -> Result<Address, EndpointError> {
    let malformed = || EndpointError::Address { variable, text: text.to_owned() };
    let (scheme, rest) = text.split_once("://").ok_or_else(malformed)?;
    match scheme {
        "unix" if rest.starts_with('/') => Ok(Address::Unix(rest.into())),
        "npipe" if !rest.is_empty() => Ok(Address::Pipe(rest.replace('\\', "/"))),
        "tcp" | "http" => {
            let host = rest.trim_end_matches('/');
            if host.is_empty() || host.contains(['/', ' ', '?', '#', '@']) {
                return Err(malformed());
            }
            Ok(Address::Tcp(with_port(host)))
        }
        "unix" | "npipe" => Err(malformed()),
        _ => Err(EndpointError::Scheme { variable, scheme: scheme.to_owned() }),
    }
}

/// Docker's registered port when none is written.
fn with_port(host: &str) -> String {
    let has_port = match host.rfind(']') {
        Some(end) => host[end..].contains(':'),
        None => host.contains(':'),
    };
    if has_port { host.to_owned() } else { format!("{host}:2375") }
}

fn api_version(text: &str) -> Result<(usize, usize), EndpointError> {
    text.trim_start_matches('v')
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        .ok_or_else(|| EndpointError::ApiVersion { text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(pairs: &[(&str, &str)]) -> Result<Endpoint, EndpointError> {
        endpoint(&|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn nothing_set_means_docker_at_its_usual_socket() {
        let chosen = choose(&[]).unwrap();
        assert_eq!(chosen.runtime, Runtime::Docker);
        assert_eq!(chosen.text, DOCKER_DEFAULT);
        assert!(chosen.is_local());
    }

    #[test]
    fn blank_values_count_as_unset() {
        assert_eq!(choose(&[("DAGU_CONTAINER_RUNTIME", " "), ("DOCKER_HOST", "")]), choose(&[]));
    }

    #[test]
    fn the_runtime_word_is_trimmed_and_ignores_case() {
        let chosen = choose(&[("DAGU_CONTAINER_RUNTIME", " Podman ")]).unwrap();
        assert_eq!(chosen.runtime, Runtime::Podman);
        assert_eq!(chosen.address, Address::Unix("/run/podman/podman.sock".into()));
    }

    #[test]
    fn an_unknown_runtime_is_named() {
        let error = choose(&[("DAGU_CONTAINER_RUNTIME", "lxc")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`lxc` in DAGU_CONTAINER_RUNTIME is not a container runtime; expected `docker` or `podman`"
        );
    }

    #[test]
    fn podman_ignores_dockers_address_and_certificates() {
        let chosen = choose(&[
            ("DAGU_CONTAINER_RUNTIME", "podman"),
            ("DAGU_PODMAN_HOST", "unix:///x/p.sock"),
            ("DOCKER_HOST", "nonsense"),
            ("DOCKER_CERT_PATH", "/certs"),
            ("DOCKER_TLS_VERIFY", "1"),
        ])
        .unwrap();
        assert_eq!(chosen.address, Address::Unix("/x/p.sock".into()));
        assert_eq!(chosen.tls, None);
    }

    #[test]
    fn a_bare_path_is_not_an_address() {
        let error = choose(&[("DAGU_CONTAINER_RUNTIME", "podman"), ("DAGU_PODMAN_HOST", "/x/p.sock")]).unwrap_err();
        assert_eq!(error, EndpointError::Address { variable: "DAGU_PODMAN_HOST", text: "/x/p.sock".into() });
    }

    #[test]
    fn tcp_addresses_get_dockers_port_and_count_as_remote() {
        let chosen = choose(&[("DOCKER_HOST", "tcp://build:2376/")]).unwrap();
        assert_eq!(chosen.address, Address::Tcp("build:2376".into()));
        assert!(!chosen.is_local());
        assert_eq!(choose(&[("DOCKER_HOST", "tcp://[::1]")]).unwrap().address, Address::Tcp("[::1]:2375".into()));
    }

    #[test]
    fn ssh_is_refused_with_a_way_out() {
        let error = choose(&[("DOCKER_HOST", "ssh://me@build")]).unwrap_err();
        assert!(error.to_string().contains("ssh -L"), "{error}");
    }

    #[test]
    fn tls_needs_a_certificate_path_and_verifies_only_when_asked() {
        let host = ("DOCKER_HOST", "tcp://build:2376");
        assert_eq!(choose(&[host, ("DOCKER_TLS_VERIFY", "1")]).unwrap().tls, None);
        let tls = choose(&[host, ("DOCKER_CERT_PATH", "/certs")]).unwrap().tls.unwrap();
        assert!(!tls.verify);
        let tls = choose(&[host, ("DOCKER_CERT_PATH", "/certs"), ("DOCKER_TLS_VERIFY", "1")]).unwrap().tls.unwrap();
        assert!(tls.verify);
    }

    #[test]
    fn an_api_version_is_pinned_or_refused() {
        assert_eq!(choose(&[("DOCKER_API_VERSION", "1.40")]).unwrap().api_version, Some((1, 40)));
        assert_eq!(
            choose(&[("DOCKER_API_VERSION", "new")]).unwrap_err(),
            EndpointError::ApiVersion { text: "new".into() }
        );
    }
}
