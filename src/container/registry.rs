//! Logins: from `registry_auths` and `DOCKER_AUTH_CONFIG` to the credentials for one image.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Map, Value};

use super::SettingError;
use crate::engine::Credentials;

const TYPE: &str = "registry-auths-type-invalid";
const JSON: &str = "registry-auth-json-invalid";
const FIELD: &str = "registry_auths";
const VARIABLE: &str = "DOCKER_AUTH_CONFIG";

/// The registry an image comes from, as its name says; `docker.io` when it says nothing.
pub fn registry_host(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

/// Finds the login for `image`: in `registry_auths` (`references` fills its texts in), then in `DOCKER_AUTH_CONFIG`.
/// `None` means anonymous.
///
/// # Errors
/// `registry-auths-type-invalid` for a value or entry of the wrong type, `registry-auth-json-invalid` for JSON or an
/// `auth` text that cannot be read. Messages never show what they could not read.
pub fn credentials(
    auths: Option<&Value>,
    image: &str,
    references: &dyn Fn(&str) -> Result<String, String>,
    process: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Credentials>, SettingError> {
    let host = registry_host(image);
    let found = match auths {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => {
            let text = filled(text, references, FIELD)?;
            if text.trim().is_empty() { None } else { in_config(&config(&text, FIELD)?, host, FIELD)? }
        }
        Some(Value::Object(map)) => {
            let map = filled_map(map, references)?;
            match map.get("_json").and_then(Value::as_str) {
                Some(text) => in_config(&config(text, FIELD)?, host, FIELD)?,
                None => in_map(&map, host, FIELD)?,
            }
        }
        Some(_) => {
            let message =
                "it is neither text nor a map; expected a map from registry to login, or Docker's config JSON";
            return Err(SettingError::new(TYPE, FIELD, message));
        }
    };
    if found.is_some() {
        return Ok(found);
    }
    match process(VARIABLE).filter(|text| !text.trim().is_empty()) {
        Some(text) => in_config(&config(&text, VARIABLE)?, host, VARIABLE),
        None => Ok(None),
    }
}

fn filled(text: &str, references: &dyn Fn(&str) -> Result<String, String>, path: &str) -> Result<String, SettingError> {
    references(text).map_err(|error| SettingError::new("registry-auths-reference", path, error))
}

fn filled_map(
    map: &Map<String, Value>,
    references: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Map<String, Value>, SettingError> {
    let mut all = Map::new();
    for (key, value) in map {
        let path = format!("{FIELD}.{key}");
        let value = match value {
            Value::String(text) => Value::String(filled(text, references, &path)?),
            Value::Object(entry) => {
                let mut login = Map::new();
                for (name, value) in entry {
                    let value = match value {
                        Value::String(text) => Value::String(filled(text, references, &format!("{path}.{name}"))?),
                        other => other.clone(),
                    };
                    login.insert(name.clone(), value);
                }
                Value::Object(login)
            }
            other => other.clone(),
        };
        all.insert(key.clone(), value);
    }
    Ok(all)
}

fn config(text: &str, path: &str) -> Result<Map<String, Value>, SettingError> {
    let read: Value = serde_json::from_str(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        SettingError::new(JSON, path, format!("it is not valid JSON ({place}); expected `{{\"auths\": {{…}}}}`"))
    })?;
    match read.get("auths") {
        Some(Value::Object(auths)) => Ok(auths.clone()),
        None if read.is_object() => Ok(Map::new()),
        _ => Err(SettingError::new(JSON, path, "its `auths` is not an object; expected `{\"auths\": {…}}`")),
    }
}

fn in_config(auths: &Map<String, Value>, host: &str, path: &str) -> Result<Option<Credentials>, SettingError> {
    if let Some(found) = in_map(auths, host, path)? {
        return Ok(Some(found));
    }
    match host.rsplit_once(':') {
        Some((without_port, _)) => Ok(in_map(auths, without_port, path)?.map(|login| at(login, host))),
        None => Ok(None),
    }
}

fn at(login: Credentials, host: &str) -> Credentials {
    Credentials { registry: host.to_owned(), ..login }
}

fn in_map(auths: &Map<String, Value>, host: &str, path: &str) -> Result<Option<Credentials>, SettingError> {
    // A key written just so wins over one that only means the same registry.
    let entry = auths.get(host).or_else(|| auths.iter().find(|(key, _)| normal(key) == host).map(|(_, entry)| entry));
    entry.map_or(Ok(None), |entry| login(entry, host, path))
}

/// `https://index.docker.io/v1/` and its kin are `docker.io`.
fn normal(key: &str) -> &str {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let host = key.trim_end_matches('/').trim_end_matches("/v1").trim_end_matches("/v2");
    match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

fn login(entry: &Value, host: &str, path: &str) -> Result<Option<Credentials>, SettingError> {
    let place = format!("{path}.{host}");
    match entry {
        Value::String(text) if text.trim_start().starts_with('{') => match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(entry)) => from_object(&entry, host, &place),
            _ => opaque(text, host, &place),
        },
        Value::String(text) => opaque(text, host, &place),
        Value::Object(entry) => from_object(entry, host, &place),
        Value::Null => Ok(None),
        _ => Err(SettingError::new(TYPE, place, "it is neither text nor a map; expected `username` and `password`")),
    }
}

fn from_object(entry: &Map<String, Value>, host: &str, place: &str) -> Result<Option<Credentials>, SettingError> {
    let text = |name: &str| match entry.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err(SettingError::new(TYPE, format!("{place}.{name}"), "it is not text")),
    };
    let (username, password, auth) = (text("username")?, text("password")?, text("auth")?);
    let identity_token = Some(text("identitytoken")?).filter(|token| !token.is_empty());
    let registry = host.to_owned();
    if (!username.is_empty() && !password.is_empty()) || identity_token.is_some() {
        return Ok(Some(Credentials { username, password, identity_token, registry }));
    }
    opaque(&auth, host, place)
}

/// What `docker login` writes: base64 of `user:password`.
fn opaque(auth: &str, host: &str, place: &str) -> Result<Option<Credentials>, SettingError> {
    let auth = auth.trim();
    if auth.is_empty() {
        return Ok(None);
    }
    let decoded = STANDARD.decode(auth).or_else(|_| STANDARD_NO_PAD.decode(auth)).ok();
    let pair = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    match pair.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((username, password)) => Ok(Some(Credentials {
            username: username.to_owned(),
            password: password.trim_end_matches('\0').to_owned(),
            identity_token: None,
            registry: host.to_owned(),
        })),
        None => Err(SettingError::new(JSON, place, "its `auth` is not the base64 of `user:password`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn find(auths: &Value, image: &str, variable: Option<&str>) -> String {
        let references = |text: &str| Ok(text.replace("${env.PW}", "secret"));
        let process = |name: &str| variable.filter(|_| name == VARIABLE).map(str::to_owned);
        match credentials(Some(auths), image, &references, &process) {
            Ok(Some(login)) => format!("{}:{}@{}", login.username, login.password, login.registry),
            Ok(None) => "anonymous".to_owned(),
            Err(error) => format!("{} at {}", error.code, error.path),
        }
    }

    #[test]
    fn the_registry_is_the_first_part_that_looks_like_a_host() {
        for (image, host) in [
            ("alpine:3.20", "docker.io"),
            ("team/app", "docker.io"),
            ("ghcr.io/a/b:1", "ghcr.io"),
            ("localhost/x", "localhost"),
            ("127.0.0.1:5000/x@sha256:00", "127.0.0.1:5000"),
        ] {
            assert_eq!(registry_host(image), host);
        }
    }

    #[test]
    fn a_map_of_logins_is_searched_by_registry_and_its_texts_are_filled_in() {
        let auths = json!({
            "ghcr.io": { "username": "u", "password": "${env.PW}" },
            "https://index.docker.io/v1/": { "auth": "YTpi" },
            "r.example:5000": "Yzpk",
            "json.example": "{\"username\":\"e\",\"password\":\"f\"}"
        });
        assert_eq!(find(&auths, "ghcr.io/a", None), "u:secret@ghcr.io");
        assert_eq!(find(&auths, "alpine", None), "a:b@docker.io");
        assert_eq!(find(&auths, "r.example:5000/x", None), "c:d@r.example:5000");
        assert_eq!(find(&auths, "json.example/x", None), "e:f@json.example");
        assert_eq!(find(&auths, "other.example/x", None), "anonymous");
    }

    #[test]
    fn docker_config_json_is_read_from_the_field_and_from_the_variable() {
        let config = r#"{"auths": {"r.example": {"auth": "YTpi"}}}"#;
        assert_eq!(find(&json!(config), "r.example:5000/x", None), "a:b@r.example:5000");
        assert_eq!(find(&json!(null), "r.example/x", Some(config)), "a:b@r.example");
        assert_eq!(find(&json!({}), "alpine", Some(config)), "anonymous");
    }

    #[test]
    fn what_cannot_be_read_is_placed_and_not_shown() {
        assert_eq!(find(&json!(7), "alpine", None), "registry-auths-type-invalid at registry_auths");
        let wrong = json!({ "ghcr.io": 7 });
        assert_eq!(find(&wrong, "ghcr.io/a", None), "registry-auths-type-invalid at registry_auths.ghcr.io");
        assert_eq!(find(&json!("{nonsense"), "alpine", None), "registry-auth-json-invalid at registry_auths");
        assert_eq!(find(&json!({}), "alpine", Some("x")), "registry-auth-json-invalid at DOCKER_AUTH_CONFIG");
        let opaque = json!({ "docker.io": "not base64!" });
        assert_eq!(find(&opaque, "alpine", None), "registry-auth-json-invalid at registry_auths.docker.io");
    }
}
