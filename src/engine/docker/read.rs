//! Answers about containers, read from JSON with a place for words that no engine has used yet.

use serde_json::Value;

use crate::engine::{Container, ContainerStatus, ContainerSummary, Health};

/// The answer of `GET /containers/NAME/json`.
pub(super) fn container(json: &Value) -> Container {
    let (state, config) = (&json["State"], &json["Config"]);
    let status = status(state["Status"].as_str().unwrap_or_default());
    // Podman gives a container without a check an empty health.
    let health = match state["Health"]["Status"].as_str().unwrap_or_default() {
        "starting" => Some(Health::Starting),
        "healthy" => Some(Health::Healthy),
        "unhealthy" => Some(Health::Unhealthy),
        _ => None,
    };
    Container {
        id: text(&json["Id"]),
        name: text(&json["Name"]).trim_start_matches('/').to_owned(),
        image: text(&config["Image"]),
        status,
        running: state["Running"].as_bool().unwrap_or_default(),
        exit_code: state["ExitCode"].as_i64().unwrap_or_default(),
        health,
        health_test: texts(&config["Healthcheck"]["Test"]),
        labels: labels(&config["Labels"]),
        env: texts(&config["Env"]),
        user: Some(text(&config["User"])).filter(|user| !user.is_empty()),
        working_dir: Some(text(&config["WorkingDir"])).filter(|directory| !directory.is_empty()),
    }
}

/// One entry of the answer of `GET /containers/json`.
pub(super) fn summary(json: &Value) -> ContainerSummary {
    let name = texts(&json["Names"]).into_iter().next().unwrap_or_default();
    let status = status(json["State"].as_str().unwrap_or_default());
    ContainerSummary {
        id: text(&json["Id"]),
        name: name.trim_start_matches('/').to_owned(),
        image: text(&json["Image"]),
        running: matches!(status, ContainerStatus::Running | ContainerStatus::Paused),
        created: json["Created"].as_i64().unwrap_or_default(),
        labels: labels(&json["Labels"]),
    }
}

fn status(word: &str) -> ContainerStatus {
    match word {
        // `configured` and `initialized` are Podman's.
        "created" | "configured" | "initialized" => ContainerStatus::Created,
        "running" | "stopping" => ContainerStatus::Running,
        "paused" => ContainerStatus::Paused,
        "restarting" => ContainerStatus::Restarting,
        "removing" => ContainerStatus::Removing,
        // Podman says `stopped` until it has cleaned up.
        "exited" | "stopped" => ContainerStatus::Exited,
        "dead" => ContainerStatus::Dead,
        _ => ContainerStatus::Other,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn labels(value: &Value) -> Vec<(String, String)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// A text as the value of a query parameter.
pub(super) fn query_text(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_of_podman_and_of_the_future_are_read() {
        let state = |word: &str| container(&json!({ "State": { "Status": word } })).status;
        assert_eq!(state("stopped"), ContainerStatus::Exited);
        assert_eq!(state("configured"), ContainerStatus::Created);
        assert_eq!(state("hibernating"), ContainerStatus::Other);
    }

    #[test]
    fn an_empty_health_is_none() {
        let json = json!({ "Id": "1", "Name": "/n", "State": { "Running": true, "Health": { "Status": "" } } });
        let read = container(&json);
        assert_eq!((read.health, read.name.as_str(), read.running), (None, "n", true));
    }

    #[test]
    fn query_texts_keep_to_their_parameter() {
        assert_eq!(query_text("{\"label\":[\"a=b&c\"]}"), "%7B%22label%22%3A%5B%22a%3Db%26c%22%5D%7D");
    }
}
