//! Port entries: `80`, `8080:80/udp`, `127.0.0.1:8080:80`.

use std::net::IpAddr;

use super::Flaw;
use crate::engine::{Port, PublishedPort};

/// Reads one entry.
///
/// # Errors
/// `container-port-format`, `container-port-protocol`, `container-port-number`, `container-port-host-ip`.
pub fn parse(entry: &str) -> Result<Port, Flaw> {
    let text = entry.trim();
    let parts: Vec<&str> = text.split(':').collect();
    let (ip, host, container) = match parts.as_slice() {
        [container] => (None, "", *container),
        [host, container] => (None, *host, *container),
        [ip, host, container] => (Some(*ip), *host, *container),
        _ => {
            let form = "expected `80`, `8080:80` or `127.0.0.1:8080:80`, with `/tcp`, `/udp` or `/sctp` at the end";
            return Err(("container-port-format", format!("`{text}` is not a port; {form}")));
        }
    };
    let (number, protocol) = match container.split_once('/') {
        None => (container, "tcp"),
        Some((number, "tcp")) => (number, "tcp"),
        Some((number, "udp")) => (number, "udp"),
        Some((number, "sctp")) => (number, "sctp"),
        Some((_, other)) => {
            let message = format!("`{other}` in port `{text}` is not a protocol; expected `tcp`, `udp` or `sctp`");
            return Err(("container-port-protocol", message));
        }
    };
    let parsed = |word: &str, what: &str| {
        word.parse::<u16>().map_err(|_| {
            let message = format!("`{word}` in port `{text}` is not a {what}; expected a number from 0 to 65535");
            ("container-port-number", message)
        })
    };
    let container = parsed(number, "container port")?;
    if let Some(ip) = ip.filter(|ip| !ip.is_empty())
        && ip.parse::<IpAddr>().is_err()
    {
        return Err(("container-port-host-ip", format!("`{ip}` in port `{text}` is not an IP address")));
    }
    let published = if host.is_empty() {
        None
    } else {
        let ip = ip.filter(|ip| !ip.is_empty()).unwrap_or("0.0.0.0").to_owned();
        Some(PublishedPort { ip, port: parsed(host, "host port")? })
    };
    Ok(Port { container, protocol, published })
}

/// Adds an entry; for the same container port the last one counts.
pub fn push(ports: &mut Vec<Port>, port: Port) {
    ports.retain(|known| (known.container, known.protocol) != (port.container, port.protocol));
    ports.push(port);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(entry: &str) -> String {
        match parse(entry) {
            Err((code, _)) => code.trim_start_matches("container-port-").to_owned(),
            Ok(Port { container, protocol, published: None }) => format!("{container}/{protocol}"),
            Ok(Port { container, protocol, published: Some(host) }) => {
                format!("{}:{}:{container}/{protocol}", host.ip, host.port)
            }
        }
    }

    #[test]
    fn ports_are_exposed_or_published() {
        assert_eq!(outcome("80"), "80/tcp");
        assert_eq!(outcome(" 80/udp "), "80/udp");
        assert_eq!(outcome("8080:80"), "0.0.0.0:8080:80/tcp");
        assert_eq!(outcome("127.0.0.1:8080:80/sctp"), "127.0.0.1:8080:80/sctp");
        assert_eq!(outcome(":80"), "80/tcp");
        assert_eq!(outcome("127.0.0.1::80"), "80/tcp");
    }

    #[test]
    fn wrong_entries_say_what_is_wrong() {
        assert_eq!(outcome("1:2:3:4"), "format");
        assert_eq!(outcome("[::1]:80:80"), "format");
        assert_eq!(outcome("80/TCP"), "protocol");
        assert_eq!(outcome("80/tcp/udp"), "protocol");
        assert_eq!(outcome("80-90"), "number");
        assert_eq!(outcome("70000"), "number");
        assert_eq!(outcome("abc:80"), "number");
        assert_eq!(outcome("localhost:80:80"), "host-ip");
    }

    #[test]
    fn the_last_entry_for_a_port_counts() {
        let mut ports = Vec::new();
        for entry in ["80", "443", "8080:80"] {
            push(&mut ports, parse(entry).unwrap());
        }
        assert_eq!(ports.len(), 2);
        assert!(ports[1].published.is_some());
    }
}
