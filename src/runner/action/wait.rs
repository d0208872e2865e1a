//! `wait.duration`, `wait.until`, `wait.file`: doing nothing until something is so.

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::container::words::go_duration;
use crate::runner::attempt::{Attempt, Done};
use crate::runner::failure::Failure;

/// Actions of this file.
pub(super) const NAMES: [&str; 3] = ["wait.duration", "wait.until", "wait.file"];

/// Runs the action on the resolved `with`. A stop or timeout ends every wait at once.
pub(super) async fn run(attempt: &mut Attempt<'_>, name: &str, with: &Map<String, Value>) -> Result<Done, Failure> {
    let text = |key: &str| with.get(key).and_then(Value::as_str);
    let wrong = |message: String| Failure::plain(format!("{name}: {message}"));
    match name {
        "wait.duration" => attempt.stop.sleep(duration(text("duration"), "duration", None).map_err(wrong)?).await?,
        "wait.until" => {
            let until = text("until").unwrap_or_default();
            let until: Timestamp = until
                .parse()
                .map_err(|_| wrong(format!("`until: {until}` is no time such as 2031-05-04T10:00:00Z")))?;
            let left = until.duration_since(Timestamp::now());
            attempt.stop.sleep(Duration::try_from(left).unwrap_or_default()).await?;
        }
        _ => {
            let path = text("path").filter(|path| !path.is_empty());
            let path = attempt.cwd.join(path.ok_or_else(|| wrong("`path` is missing".to_owned()))?);
            let wanted = text("state").unwrap_or("exists") != "missing";
            let pause =
                duration(text("poll_interval"), "poll_interval", Some(Duration::from_secs(1))).map_err(wrong)?;
            loop {
                let exists = match std::fs::symlink_metadata(&path) {
                    Ok(_) => true,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                    Err(error) => return Err(wrong(format!("{}: {error}", path.display()))),
                };
                if exists == wanted {
                    break;
                }
                attempt.stop.sleep(pause).await?;
            }
        }
    }
    Ok(Done::default())
}

fn duration(text: Option<&str>, key: &str, default: Option<Duration>) -> Result<Duration, String> {
    let Some(text) = text else { return default.ok_or_else(|| format!("`{key}` is missing")) };
    let nanoseconds = go_duration(text.trim()).filter(|&nanoseconds| nanoseconds > 0);
    let nanoseconds = nanoseconds.and_then(|nanoseconds| u64::try_from(nanoseconds).ok());
    nanoseconds
        .map(Duration::from_nanos)
        .ok_or_else(|| format!("`{key}: {text}` is no duration above zero, such as `1m30s`"))
}
