//! The JSON of a create call, in the API's own names: what [`ContainerSpec`] says laid over the raw options of a
//! `docker.run` step.
//!
//! Raw keys match the API's whatever their letter case, as Go's JSON reader does it; underscores do not.

use serde_json::{Map, Value, json};

use crate::engine::spec::{ContainerSpec, HealthCheck, RestartPolicy};

/// The body of `POST /containers/create`.
pub(super) fn create_body(spec: &ContainerSpec) -> Value {
    let mut body = spec.raw_container.clone();
    let raw_env = take(&mut body, "Env");
    set(&mut body, "Image", json!(spec.image));
    set_some(&mut body, "User", spec.user.as_ref());
    set_some(&mut body, "WorkingDir", spec.working_dir.as_ref());
    set_some(&mut body, "Entrypoint", spec.entrypoint.as_ref());
    set_some(&mut body, "Cmd", spec.command.as_ref());
    let env = merged_env(raw_env.as_ref(), &spec.env);
    if !env.is_empty() {
        set(&mut body, "Env", json!(env));
    }
    if !spec.labels.is_empty() {
        let mut labels = object(take(&mut body, "Labels"));
        for (name, value) in &spec.labels {
            labels.insert(name.clone(), json!(value));
        }
        set(&mut body, "Labels", Value::Object(labels));
    }
    if let Some(health) = &spec.health {
        set(&mut body, "Healthcheck", health_json(health));
    }
    if spec.input {
        set(&mut body, "OpenStdin", json!(true));
        set(&mut body, "StdinOnce", json!(true));
        set(&mut body, "AttachStdin", json!(true));
    }
    set(&mut body, "AttachStdout", json!(true));
    set(&mut body, "AttachStderr", json!(true));
    if !spec.ports.is_empty() {
        let mut exposed = object(take(&mut body, "ExposedPorts"));
        for port in &spec.ports {
            exposed.insert(format!("{}/{}", port.container, port.protocol), json!({}));
        }
        set(&mut body, "ExposedPorts", Value::Object(exposed));
    }
    set(&mut body, "HostConfig", host_json(spec));
    if let Some(networking) = networking_json(spec) {
        set(&mut body, "NetworkingConfig", networking);
    }
    Value::Object(body)
}

fn host_json(spec: &ContainerSpec) -> Value {
    let mut host = spec.raw_host.clone();
    // Resource keys may be nested as well as flat; flat ones win.
    for (key, value) in object(take(&mut host, "Resources")) {
        if find(&host, &key).is_none() {
            host.insert(key, value);
        }
    }
    append(
        &mut host,
        "Binds",
        spec.binds
            .iter()
            .map(|bind| json!(format!("{}:{}:{}", bind.source, bind.target, if bind.read_only { "ro" } else { "rw" }))),
    );
    append(&mut host, "Mounts", spec.volumes.iter().map(|volume| {
        json!({ "Type": "volume", "Source": volume.name, "Target": volume.target, "ReadOnly": volume.read_only })
    }));
    let mut bindings = object(take(&mut host, "PortBindings"));
    for port in &spec.ports {
        if let Some(published) = &port.published {
            bindings.insert(
                format!("{}/{}", port.container, port.protocol),
                json!([{ "HostIp": published.ip, "HostPort": published.port.to_string() }]),
            );
        }
    }
    if !bindings.is_empty() {
        set(&mut host, "PortBindings", Value::Object(bindings));
    }
    set_some(&mut host, "NetworkMode", spec.network.as_ref());
    if let Some(policy) = spec.restart {
        let name = match policy {
            RestartPolicy::No => "no",
            RestartPolicy::Always => "always",
            RestartPolicy::UnlessStopped => "unless-stopped",
        };
        set(&mut host, "RestartPolicy", json!({ "Name": name }));
    }
    set_some(&mut host, "NanoCpus", spec.nano_cpus.as_ref());
    set_some(&mut host, "Memory", spec.memory_bytes.as_ref());
    if spec.init {
        set(&mut host, "Init", json!(true));
    }
    // Removal is ours, on every path; the engine's own would race with reading the exit code.
    set(&mut host, "AutoRemove", json!(false));
    Value::Object(host)
}

/// A network that is not one of the engine's modes is also named as an endpoint, as Dagu does. `slirp4netns` and
/// `pasta` are modes of Podman.
fn networking_json(spec: &ContainerSpec) -> Option<Value> {
    let mut networking = spec.raw_network.clone();
    if let Some(network) = spec.network.as_deref().filter(|network| !is_network_mode(network)) {
        let mut endpoints = object(take(&mut networking, "EndpointsConfig"));
        endpoints.entry(network).or_insert_with(|| json!({}));
        set(&mut networking, "EndpointsConfig", Value::Object(endpoints));
    }
    (!networking.is_empty()).then_some(Value::Object(networking))
}

/// Whether a `network:` word is a mode of the engine's rather than the name of a network.
pub fn is_network_mode(network: &str) -> bool {
    let word = network.split(':').next().unwrap_or(network);
    matches!(word, "default" | "bridge" | "host" | "none" | "container" | "ns" | "slirp4netns" | "pasta" | "private")
}

fn health_json(health: &HealthCheck) -> Value {
    let mut object = Map::new();
    object.insert("Test".into(), json!(health.test));
    for (key, duration) in
        [("Interval", health.interval), ("Timeout", health.timeout), ("StartPeriod", health.start_period)]
    {
        if let Some(duration) = duration {
            object.insert(key.into(), json!(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)));
        }
    }
    if let Some(retries) = health.retries {
        object.insert("Retries".into(), json!(retries));
    }
    Value::Object(object)
}

/// `NAME=value` texts with later values in the place of earlier ones.
pub(super) fn merged_env(raw: Option<&Value>, own: &[(String, String)]) -> Vec<String> {
    let raw = raw.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let raw = raw.filter_map(|text| text.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut merged: Vec<(String, String)> = Vec::new();
    for (name, value) in raw.chain(own.iter().cloned()).filter(|(name, _)| !name.is_empty()) {
        match merged.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = value,
            None => merged.push((name, value)),
        }
    }
    merged.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn find<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a String> {
    map.keys().find(|known| known.eq_ignore_ascii_case(key))
}

fn take(map: &mut Map<String, Value>, key: &str) -> Option<Value> {
    let known = find(map, key)?.clone();
    map.shift_remove(&known)
}

fn set(map: &mut Map<String, Value>, key: &str, value: Value) {
    take(map, key);
    map.insert(key.to_owned(), value);
}

fn set_some<T: serde::Serialize>(map: &mut Map<String, Value>, key: &str, value: Option<&T>) {
    if let Some(value) = value {
        set(map, key, json!(value));
    }
}

fn append(map: &mut Map<String, Value>, key: &str, values: impl Iterator<Item = Value>) {
    let mut list = match take(map, key) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    list.extend(values);
    if !list.is_empty() {
        map.insert(key.to_owned(), Value::Array(list));
    }
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::spec::{Bind, Port, PublishedPort, VolumeMount};

    fn raw(value: Value) -> Map<String, Value> {
        object(Some(value))
    }

    #[test]
    fn binds_and_volumes_go_where_the_engine_looks_for_them() {
        let spec = ContainerSpec {
            binds: vec![Bind { source: "/w".into(), target: "/x".into(), read_only: true }],
            volumes: vec![VolumeMount { name: "v".into(), target: "/y".into(), read_only: false }],
            raw_host: raw(json!({ "binds": ["/a:/b"] })),
            ..Default::default()
        };
        let host = &create_body(&spec)["HostConfig"];
        assert_eq!(host["Binds"], json!(["/a:/b", "/w:/x:ro"]));
        assert_eq!(host["Mounts"], json!([{ "Type": "volume", "Source": "v", "Target": "/y", "ReadOnly": false }]));
    }

    #[test]
    fn our_fields_win_over_raw_ones_of_any_letter_case() {
        let spec = ContainerSpec {
            user: Some("me".into()),
            memory_bytes: Some(5),
            raw_container: raw(json!({ "user": "you", "hostname": "h" })),
            raw_host: raw(json!({ "memory": 1, "Resources": { "CpuShares": 2, "Memory": 3 } })),
            ..Default::default()
        };
        let body = create_body(&spec);
        assert_eq!((&body["User"], &body["hostname"], body.get("user")), (&json!("me"), &json!("h"), None));
        assert_eq!(body["HostConfig"]["Memory"], json!(5));
        assert_eq!(body["HostConfig"]["CpuShares"], json!(2));
        assert_eq!(body["HostConfig"].get("memory"), None);
    }

    #[test]
    fn later_values_of_a_variable_take_the_place_of_earlier_ones() {
        let raw = json!(["A=raw", "B=raw", "nonsense"]);
        let own = [("A".to_owned(), "own".to_owned()), ("C".to_owned(), "x=y".to_owned())];
        assert_eq!(merged_env(Some(&raw), &own), ["A=own", "B=raw", "C=x=y"]);
    }

    #[test]
    fn a_named_network_is_an_endpoint_and_a_mode_is_not() {
        let named = ContainerSpec { network: Some("backend".into()), ..Default::default() };
        assert_eq!(create_body(&named)["NetworkingConfig"], json!({ "EndpointsConfig": { "backend": {} } }));
        for mode in ["none", "container:abc", "slirp4netns:port_handler=slirp4netns"] {
            let spec = ContainerSpec { network: Some(mode.into()), ..Default::default() };
            let body = create_body(&spec);
            assert_eq!((&body["HostConfig"]["NetworkMode"], body.get("NetworkingConfig")), (&json!(mode), None));
        }
    }

    #[test]
    fn a_published_port_is_exposed_too() {
        let port = |published| Port { container: 80, protocol: "tcp", published };
        let spec = ContainerSpec {
            ports: vec![port(Some(PublishedPort { ip: String::new(), port: 8080 }))],
            ..Default::default()
        };
        let body = create_body(&spec);
        assert_eq!(body["ExposedPorts"], json!({ "80/tcp": {} }));
        assert_eq!(body["HostConfig"]["PortBindings"], json!({ "80/tcp": [{ "HostIp": "", "HostPort": "8080" }] }));
    }
}
