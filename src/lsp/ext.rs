//! What we add to the protocol: commands, and the notification of a run's events.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_lsp::jsonrpc::Error;
use tower_lsp::ls_types::notification::Notification;
use tower_lsp::ls_types::{ExecuteCommandParams, Uri};

/// `{uri, step}`: runs one step, without what it depends on. Answers `{runId}` at once.
pub(super) const RUN_STEP: &str = "saddler.runStep";
/// `{uri}`: runs the workflow. Answers `{runId}` at once.
pub(super) const RUN_DAG: &str = "saddler.runDag";
/// `{uri}`: answers `{text}`, what a run would start, without starting anything. The text goes to the log too.
pub(super) const DRY_RUN: &str = "saddler.dryRun";
/// `{runId}`: asks a run to end; asked again, kills it. A run that has ended already is no error.
pub(super) const CANCEL: &str = "saddler.cancel";

pub(super) const COMMANDS: [&str; 4] = [RUN_STEP, RUN_DAG, DRY_RUN, CANCEL];

#[derive(Debug)]
pub(super) enum Command {
    RunStep { uri: Uri, step: String },
    RunDag { uri: Uri },
    DryRun { uri: Uri },
    Cancel { run_id: String },
}

#[derive(Deserialize)]
struct RunStepArguments {
    uri: Uri,
    step: String,
}

#[derive(Deserialize)]
struct DagArguments {
    uri: Uri,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CancelArguments {
    run_id: String,
}

impl Command {
    /// # Errors
    /// An unknown command, or arguments of another shape.
    pub fn read(params: ExecuteCommandParams) -> Result<Self, Error> {
        let ExecuteCommandParams { command, arguments, .. } = params;
        match command.as_str() {
            RUN_STEP => arguments_of(&command, "{uri, step}", arguments)
                .map(|RunStepArguments { uri, step }| Command::RunStep { uri, step }),
            RUN_DAG => arguments_of(&command, "{uri}", arguments).map(|DagArguments { uri }| Command::RunDag { uri }),
            DRY_RUN => arguments_of(&command, "{uri}", arguments).map(|DagArguments { uri }| Command::DryRun { uri }),
            CANCEL => arguments_of(&command, "{runId}", arguments)
                .map(|CancelArguments { run_id }| Command::Cancel { run_id }),
            _ => Err(invalid(format!("`{command}` is not a command; expected one of {}", COMMANDS.join(", ")))),
        }
    }
}

fn arguments_of<T: DeserializeOwned>(command: &str, shape: &str, arguments: Vec<Value>) -> Result<T, Error> {
    let mut arguments = arguments.into_iter();
    let (Some(first), None) = (arguments.next(), arguments.next()) else {
        return Err(invalid(format!("`{command}` takes one argument: {shape}")));
    };
    serde_json::from_value(first).map_err(|error| invalid(format!("`{command}` takes {shape}: {error}")))
}

fn invalid(message: String) -> Error {
    Error { message: message.into(), ..Error::invalid_params("") }
}

/// What `saddler.runStep` and `saddler.runDag` answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Started<'a> {
    pub run_id: &'a str,
}

/// What `saddler.dryRun` answers.
#[derive(Serialize)]
pub(super) struct Preview<'a> {
    pub text: &'a str,
}

/// `saddler/runEvent`: something has happened in a run.
pub(super) enum RunEvent {}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunEventParams {
    pub run_id: String,
    /// As one line of `saddler run --format json`.
    pub event: Value,
}

impl Notification for RunEvent {
    type Params = RunEventParams;
    const METHOD: &'static str = "saddler/runEvent";
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(command: &str, arguments: Value) -> Result<Command, String> {
        let params = json!({"command": command, "arguments": arguments});
        Command::read(serde_json::from_value(params).expect("parameters")).map_err(|error| error.message.into_owned())
    }

    #[test]
    fn commands_say_what_they_take() {
        assert!(matches!(
            read(RUN_STEP, json!([{"uri": "file:///a", "step": "x"}])),
            Ok(Command::RunStep { step, .. }) if step == "x"
        ));
        assert!(matches!(read(CANCEL, json!([{"runId": "r"}])), Ok(Command::Cancel { run_id }) if run_id == "r"));
        assert_eq!(
            read(RUN_STEP, json!([{"uri": "file:///a"}])).err().as_deref(),
            Some("`saddler.runStep` takes {uri, step}: missing field `step`")
        );
        assert_eq!(read(RUN_DAG, json!([])).err().as_deref(), Some("`saddler.runDag` takes one argument: {uri}"));
        assert_eq!(
            read("saddler.walk", json!([])).err().as_deref(),
            Some(
                "`saddler.walk` is not a command; expected one of saddler.runStep, saddler.runDag, saddler.dryRun, saddler.cancel"
            )
        );
    }
}
