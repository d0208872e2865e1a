//! The server as an editor meets it: real messages over a pipe, in one process.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod client;

use client::{Client, position, range};
use serde_json::{Value, json};

const URI: &str = "file:///work/dag.yaml";
const BROKEN: &str =
    "steps:\n  - id: build\n    run: make\n  - id: deploy\n    run: make deploy\n    depends: [biuld]\n";

#[test]
fn a_finding_is_published_with_its_version_and_closing_clears_it() {
    let mut client = Client::start();
    client.open(URI, 7, BROKEN);
    let published = client.diagnostics(URI, 7);
    let [found] = &published[..] else { panic!("expected one finding: {published:?}") };
    assert_eq!(found["code"], "undefined-dependency");
    assert_eq!(found["severity"], 1);
    assert_eq!(found["source"], "saddler");
    assert_eq!(found["range"], range(5, 14, 5, 19));
    let message = found["message"].as_str().unwrap();
    assert_eq!(message, "step `deploy` depends on `biuld`, which is not a step\nhint: did you mean `build`?");

    client.notify("textDocument/didClose", json!({"textDocument": {"uri": URI}}));
    let cleared = client.notification("textDocument/publishDiagnostics");
    assert_eq!(cleared, json!({"uri": URI, "diagnostics": []}));
}

#[test]
fn labels_become_related_places() {
    let mut client = Client::start();
    client.open(URI, 1, "steps:\n  - {id: a, run: x}\n  - {id: a, run: y}\n");
    let published = client.diagnostics(URI, 1);
    let related = &published[0]["relatedInformation"][0];
    assert_eq!(related["message"], "first here");
    assert_eq!(related["location"], json!({"uri": URI, "range": range(1, 9, 1, 10)}));
}

#[test]
fn yaml_of_others_is_left_alone() {
    let mut client = Client::start();
    client.open(URI, 1, "apiVersion: v1\nsteps:\n  - depends: nothing\n");
    assert_eq!(client.diagnostics(URI, 1), Vec::<Value>::new());
    let params = json!({"textDocument": {"uri": URI}, "range": range(1, 0, 1, 0), "context": {"diagnostics": []}});
    assert_eq!(client.request("textDocument/codeAction", params), json!([]));
}

/// Every edit is only right on the text that all edits before it left, and every answer belongs to the text at the
/// place of its request in the stream.
#[test]
fn edits_are_applied_in_the_order_they_were_sent() {
    let mut client = Client::start();
    let other = "file:///work/other.yaml";
    client.open(URI, 0, "steps:\n  - name: x\n    run: y\n");
    client.open(other, 0, "");
    let typed = "steps:\n  - id: slow\n    run: x\n    depends: [fast]\n";
    let mut expected = Vec::new();
    let mut pending = Vec::new();
    for (i, letter) in typed.chars().enumerate() {
        let version = i as i64 + 1;
        let end = position(typed, i);
        client.edit(other, version, &[(json!({"start": end, "end": end}), &letter.to_string())]);
        // The name grows by a letter in front and loses it again in the same message, and keeps a digit.
        let digit = (i % 10).to_string();
        client.edit(
            URI,
            version,
            &[(range(1, 10, 1, 10), "_"), (range(1, 11, 1, 11), &digit), (range(1, 10, 1, 11), "")],
        );
        expected.insert(0, digit);
        let params = json!({"textDocument": {"uri": URI}});
        pending.push((client.send_request("textDocument/documentSymbol", params), expected.concat() + "x"));
    }
    for (id, name) in pending {
        assert_eq!(client.response(id)[0]["name"], name.as_str());
    }
    let last = typed.chars().count() as i64;
    assert_eq!(client.diagnostics(URI, last), Vec::<Value>::new());
    let published = client.diagnostics(other, last);
    assert!(published[0]["message"].as_str().unwrap().starts_with("step `slow` depends on `fast`"), "{published:?}");
}

#[test]
fn columns_are_counted_as_the_client_counts() {
    let text = "steps:\n  - {id: a, run: 'ä😀', depends: [b]}\n";
    for (encoding, column) in [("utf-8", 37), ("utf-16", 34), ("utf-32", 33)] {
        let mut client = Client::start_with(json!({"general": {"positionEncodings": [encoding]}}));
        assert_eq!(client.capabilities()["positionEncoding"], encoding);
        client.open(URI, 1, text);
        let published = client.diagnostics(URI, 1);
        assert_eq!(published[0]["range"], range(1, column, 1, column + 1), "{encoding}");
    }
}

#[test]
fn a_fix_is_an_edit_that_mends_the_text() {
    let mut client = Client::start();
    client.open(URI, 1, BROKEN);
    client.diagnostics(URI, 1);
    let actions = client.actions(URI, range(5, 15, 5, 15));
    let titles: Vec<_> = actions.iter().map(|action| action["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["Depend on `build`", "Run step `deploy`", "Run DAG", "Show what DAG would run"]);
    assert_eq!(actions[0]["kind"], "quickfix");
    assert_eq!(actions[0]["diagnostics"][0]["code"], "undefined-dependency");
    let change = &actions[0]["edit"]["documentChanges"][0];
    assert_eq!(change["textDocument"], json!({"uri": URI, "version": 1}));
    assert_eq!(change["edits"], json!([{"range": range(5, 14, 5, 19), "newText": "build"}]));
    assert_eq!(actions[1]["command"]["command"], "saddler.runStep");
    assert_eq!(actions[1]["command"]["arguments"], json!([{"uri": URI, "step": "deploy"}]));
    assert_eq!(actions[2]["command"]["arguments"], json!([{"uri": URI}]));

    client.edit(URI, 2, &[(range(5, 14, 5, 19), "build")]);
    assert_eq!(client.diagnostics(URI, 2), Vec::<Value>::new());
}

#[test]
fn a_plain_client_gets_commands_and_unversioned_edits() {
    let mut client = Client::start_with(json!({}));
    client.open(URI, 1, BROKEN);
    client.diagnostics(URI, 1);
    let actions = client.actions(URI, range(5, 15, 5, 15));
    assert_eq!(actions.len(), 3, "a fix cannot be said as a command: {actions:?}");
    assert_eq!(actions[0]["command"], "saddler.runStep");
    drop(client);

    let literals = json!({"codeActionLiteralSupport": {"codeActionKind": {"valueSet": []}}});
    let mut client = Client::start_with(json!({"textDocument": {"codeAction": literals}}));
    client.open(URI, 1, BROKEN);
    client.diagnostics(URI, 1);
    let actions = client.actions(URI, range(5, 15, 5, 15));
    assert_eq!(actions[0]["edit"]["changes"][URI][0]["newText"], "build");
}

#[test]
fn only_the_kinds_that_were_asked_for_come_back() {
    let mut client = Client::start();
    client.open(URI, 1, BROKEN);
    client.diagnostics(URI, 1);
    let params = json!({
        "textDocument": {"uri": URI},
        "range": range(5, 15, 5, 15),
        "context": {"diagnostics": [], "only": ["quickfix"]},
    });
    let actions = client.request("textDocument/codeAction", params);
    assert_eq!(actions.as_array().map(Vec::len), Some(1));
}

#[test]
fn leaving_without_a_word_is_not_orderly() {
    let mut client = Client::start();
    client.open(URI, 1, "steps: []\n");
    client.diagnostics(URI, 1);
    assert_eq!(client.hang_up(), saddler::lsp::Ending::Abandoned);
}

const QUIET: &[&str] = &["window/logMessage", "window/workDoneProgress/create", "$/progress"];

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

/// Whether the process that wrote its number into a file is there. One that waits to be reaped is not.
fn is_alive(pid_file: &std::path::Path) -> bool {
    let pid = std::fs::read_to_string(pid_file).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

#[test]
fn a_step_is_run_by_its_action_and_shows_everything_on_the_way() {
    let mut client = Client::start();
    let uri = client.uri("dag.yaml");
    client.open(&uri, 1, "steps:\n  - id: a\n    run: echo hello\n  - id: b\n    run: exit 3\n    depends: a\n");
    client.diagnostics(&uri, 1);
    let actions = client.actions(&uri, range(2, 6, 2, 6));
    assert_eq!(actions[0]["title"], "Run step `a`");
    let command = &actions[0]["command"];
    let params = json!({"command": command["command"], "arguments": command["arguments"]});
    let started = client.request("workspace/executeCommand", params);
    let run_id = started["runId"].as_str().unwrap().to_owned();

    let created = client.notification("window/workDoneProgress/create");
    assert_eq!(created["token"], format!("saddler/run/{run_id}"));
    let progress = client.progress(&created["token"]);
    assert_eq!(progress[0]["title"], "Run step `a` of `dag`");
    assert_eq!(progress[0]["cancellable"], true);
    let messages: Vec<_> = progress[1..].iter().map(|value| value["message"].as_str().unwrap()).collect();
    assert_eq!(messages[..3], ["0/1 step", "0/1 step · a", "1/1 step"]);
    assert!(messages[3].starts_with("succeeded after "), "{messages:?}");

    let events = client.events_until(&run_id, "run_finished");
    let names = names(&events);
    assert_eq!(names, ["run_started", "step_started", "attempt_started", "output", "step_finished", "run_finished"]);
    assert_eq!(events[3]["text"], "hello\n");
    assert!(events.iter().all(|event| event["run_id"] == run_id && event["schema"] == 1));
    assert_eq!(client.notification("window/logMessage")["message"], "a │ hello");
    let last = client.notification("window/logMessage")["message"].as_str().unwrap().to_owned();
    assert!(last.starts_with("Run step `a` of `dag`: succeeded after "), "{last}");

    let marks = client.diagnostics(&uri, 1);
    let [mark] = &marks[..] else { panic!("expected one mark: {marks:?}") };
    assert_eq!((&mark["source"], &mark["severity"]), (&json!("saddler run"), &json!(3)));
    assert_eq!(mark["range"], range(1, 8, 1, 9));
    assert!(mark["message"].as_str().unwrap().starts_with("`a` succeeded with exit code 0 after "), "{mark}");
}

#[test]
fn a_failed_step_is_marked_until_it_runs_again_or_the_text_changes() {
    let mut client = Client::start();
    client.ignore(QUIET);
    client.ignore(&["saddler/runEvent"]);
    let uri = client.uri("dag.yaml");
    client.open(&uri, 1, "steps:\n  - id: a\n    run: echo fine\n  - id: b\n    run: echo oh no >&2; exit 7\n");
    assert_eq!(client.diagnostics(&uri, 1), Vec::<Value>::new());
    client.command("saddler.runDag", json!({"uri": uri}));
    let marks = client.diagnostics(&uri, 1);
    let [mark] = &marks[..] else { panic!("expected one mark: {marks:?}") };
    assert_eq!((&mark["severity"], &mark["range"]), (&json!(1), &range(3, 8, 3, 9)));
    let message = mark["message"].as_str().unwrap();
    assert!(message.starts_with("`b` failed with exit code 7"), "{message}");
    assert!(message.ends_with("\n\nlast lines of stderr:\noh no"), "{message}");

    client.command("saddler.runStep", json!({"uri": uri, "step": "b"}));
    assert_eq!(client.diagnostics(&uri, 1), Vec::<Value>::new());
    assert_eq!(client.diagnostics(&uri, 1).len(), 1);

    client.edit(&uri, 2, &[(range(4, 33, 4, 34), "0")]);
    assert_eq!(client.diagnostics(&uri, 2), Vec::<Value>::new());
}

#[test]
fn what_runs_is_the_text_in_the_editor_in_the_folder_of_the_file() {
    let mut client = Client::start();
    client.ignore(QUIET);
    let uri = client.uri("dag.yaml");
    std::fs::write(client.dir().join("dag.yaml"), "steps:\n  - id: a\n    run: echo saved\n").unwrap();
    client.open(&uri, 1, "steps:\n  - id: a\n    run: pwd\n");
    client.diagnostics(&uri, 1);
    let run_id = client.command("saddler.runDag", json!({"uri": uri}))["runId"].as_str().unwrap().to_owned();
    let events = client.events_until(&run_id, "run_finished");
    let output = events.iter().find(|event| event["event"] == "output").expect("it prints");
    let printed = std::path::PathBuf::from(output["text"].as_str().unwrap().trim_end());
    assert_eq!(printed.canonicalize().unwrap(), client.dir().canonicalize().unwrap());
}

const ENDLESS: &str = "steps:\n  - id: a\n    run: echo $$ > pid; echo ready; exec sleep 600\n";

/// Starts a step that would go on for long and waits until it does.
fn start_endless(client: &mut Client) -> (String, std::path::PathBuf) {
    let uri = client.uri("dag.yaml");
    client.open(&uri, 1, ENDLESS);
    client.diagnostics(&uri, 1);
    let run_id = client.command("saddler.runDag", json!({"uri": uri}))["runId"].as_str().unwrap().to_owned();
    client.events_until(&run_id, "output");
    let pid = client.dir().join("pid");
    assert!(is_alive(&pid));
    (run_id, pid)
}

#[test]
fn the_cancel_button_ends_a_run() {
    let mut client = Client::start();
    client.ignore(&["window/logMessage"]);
    let (run_id, pid) = start_endless(&mut client);
    let token = client.notification("window/workDoneProgress/create")["token"].take();
    client.notify("window/workDoneProgress/cancel", json!({"token": token}));
    let events = client.events_until(&run_id, "run_finished");
    assert_eq!(names(&events), ["stop_started", "step_finished", "run_finished"]);
    assert_eq!(events.last().unwrap()["status"], "aborted");
    assert!(!is_alive(&pid));
    let progress = client.progress(&token);
    assert!(progress.last().unwrap()["message"].as_str().unwrap().starts_with("aborted after "), "{progress:?}");
}

#[test]
fn the_cancel_command_ends_a_run_and_forgives_a_late_call() {
    let mut client = Client::start();
    client.ignore(QUIET);
    let (run_id, pid) = start_endless(&mut client);
    client.command("saddler.cancel", json!({"runId": run_id}));
    client.events_until(&run_id, "run_finished");
    assert!(!is_alive(&pid));
    client.command("saddler.cancel", json!({"runId": run_id}));
}

#[test]
fn a_shutdown_ends_runs_before_it_is_answered() {
    let mut client = Client::start();
    client.ignore(QUIET);
    client.ignore(&["saddler/runEvent"]);
    let uri = client.uri("dag.yaml");
    client.open(&uri, 1, ENDLESS);
    client.diagnostics(&uri, 1);
    client.command("saddler.runDag", json!({"uri": uri}));
    let pid = client.dir().join("pid");
    // The log says so when the step is there.
    client.heed("window/logMessage");
    while client.notification("window/logMessage")["message"] != "a │ ready" {}
    client.ignore(&["window/logMessage"]);
    assert!(is_alive(&pid));
    client.request("shutdown", Value::Null);
    assert!(!is_alive(&pid));
    client.notify("exit", Value::Null);
    assert_eq!(client.hang_up(), saddler::lsp::Ending::Orderly);
}

#[test]
fn a_client_that_goes_away_leaves_no_run_behind() {
    let mut client = Client::start();
    client.ignore(QUIET);
    let (_, pid) = start_endless(&mut client);
    client.ignore(&["saddler/runEvent", "textDocument/publishDiagnostics"]);
    assert_eq!(client.hang_up(), saddler::lsp::Ending::Abandoned);
    assert!(!is_alive(&pid));
}

#[test]
fn a_client_that_does_not_read_leaves_no_run_behind_either() {
    let mut client = Client::start_narrow();
    client.ignore(QUIET);
    let uri = client.uri("dag.yaml");
    client.open(&uri, 1, "steps:\n  - id: a\n    run: echo $$ > pid; echo ready; exec yes\n");
    client.diagnostics(&uri, 1);
    let run_id = client.command("saddler.runDag", json!({"uri": uri}))["runId"].as_str().unwrap().to_owned();
    client.events_until(&run_id, "output");
    let pid = client.dir().join("pid");
    assert_eq!(client.hang_up_deaf(), saddler::lsp::Ending::Abandoned);
    assert!(!is_alive(&pid));
}

#[test]
fn a_client_without_progress_is_not_asked_for_any() {
    let mut client = Client::start_with(json!({}));
    client.ignore(&["window/logMessage"]);
    let uri = client.uri("dag.yaml");
    client.open(&uri, 1, "steps:\n  - id: a\n    run: echo x\n");
    client.diagnostics(&uri, 1);
    let run_id = client.command("saddler.runDag", json!({"uri": uri}))["runId"].as_str().unwrap().to_owned();
    client.events_until(&run_id, "run_finished");
}

#[test]
fn what_cannot_be_run_is_refused_at_once() {
    let mut client = Client::start();
    let uri = client.uri("dag.yaml");
    client.open(&uri, 1, BROKEN);
    client.diagnostics(&uri, 1);
    let message = client.refused_command("saddler.runDag", json!({"uri": uri}));
    assert!(message.starts_with("the file has an error: ") && message.contains("`biuld`"), "{message}");

    client.edit(&uri, 2, &[(range(5, 14, 5, 19), "build")]);
    client.diagnostics(&uri, 2);
    let message = client.refused_command("saddler.runStep", json!({"uri": uri, "step": "gone"}));
    assert!(message.starts_with("`gone` is not a step of this workflow"), "{message}");
    let message = client.refused_command("saddler.runDag", json!({"uri": "file:///not/open.yaml"}));
    assert_eq!(message, "`file:///not/open.yaml` is not open");
}

/// Commands in every place that a run would carry out, a secret, and a harness; then silence.
#[test]
fn opening_a_file_does_nothing_but_read_it() {
    let mut client = Client::start();
    let uri = client.uri("dag.yaml");
    let text = "\
env:
  - MARK: '`touch made-by-env`'
params:
  - name: p
    eval: '`touch made-by-params`'
secrets:
  - name: S
    provider: file
    key: secret.txt
dotenv: secret.txt
container:
  image: alpine:3.20
steps:
  - id: a
    run: touch made-by-step
  - id: agent
    action: harness.run
    with: {provider: claude, prompt: 'do it'}
";
    client.open(&uri, 1, text);
    client.diagnostics(&uri, 1);
    client.actions(&uri, range(14, 6, 14, 6));
    let left: Vec<_> = std::fs::read_dir(client.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["home"]);
    assert_eq!(std::fs::read_dir(client.home()).unwrap().count(), 0);
}

#[test]
fn a_step_without_a_name_is_run_under_the_one_the_run_gives_it() {
    let mut client = Client::start();
    client.ignore(QUIET);
    let uri = client.uri("dag.yaml");
    client.open(&uri, 1, "steps:\n  - run: exit 1\n  - run: exit 2\n    depends: []\n");
    client.diagnostics(&uri, 1);
    let actions = client.actions(&uri, range(2, 6, 2, 6));
    let command = &actions[0]["command"];
    let run_id =
        client.command("saddler.runStep", command["arguments"][0].clone())["runId"].as_str().unwrap().to_owned();
    let events = client.events_until(&run_id, "run_finished");
    assert_eq!(actions[0]["title"], format!("Run step `{}`", events[1]["step"]["name"].as_str().unwrap()));
    let marks = client.diagnostics(&uri, 1);
    assert_eq!(marks[0]["range"], range(2, 4, 2, 15));
}

fn at(uri: &str, line: u32, character: u32) -> Value {
    json!({"textDocument": {"uri": uri}, "position": {"line": line, "character": character}})
}

#[test]
fn a_place_has_documentation_completions_and_relatives() {
    let mut client = Client::start();
    client.open(
        URI,
        1,
        "steps:\n  - id: a\n    run: x\n  - id: b\n    depends: a\n    run: echo ${steps.a.outputs.v}\n    \n",
    );
    client.diagnostics(URI, 1);

    let hover = client.request("textDocument/hover", at(URI, 2, 5));
    assert!(hover["contents"]["value"].as_str().unwrap().starts_with("**run**"), "{hover}");
    assert_eq!(hover["range"], range(2, 4, 2, 7));
    assert_eq!(client.request("textDocument/hover", at(URI, 6, 4)), Value::Null);

    let completions = client.request("textDocument/completion", at(URI, 6, 4));
    let timeout = completions.as_array().unwrap().iter().find(|item| item["label"] == "timeout_sec").unwrap();
    assert_eq!(timeout["textEdit"], json!({"range": range(6, 4, 6, 4), "newText": "timeout_sec: "}));

    let definition = client.request("textDocument/definition", at(URI, 5, 23));
    assert_eq!(definition, json!({"uri": URI, "range": range(1, 8, 1, 9)}));
    let mut params = at(URI, 1, 8);
    params["context"] = json!({"includeDeclaration": false});
    let references = client.request("textDocument/references", params);
    let ranges: Vec<_> = references.as_array().unwrap().iter().map(|place| place["range"].clone()).collect();
    assert_eq!(ranges, [range(4, 13, 4, 14), range(5, 22, 5, 23)]);
    let highlights = client.request("textDocument/documentHighlight", at(URI, 1, 8));
    assert_eq!(highlights.as_array().map(Vec::len), Some(3));
}

#[test]
fn a_step_is_renamed_everywhere_or_not_at_all() {
    let mut client = Client::start();
    client.open(URI, 1, "steps:\n  - id: a\n    run: x\n  - id: b\n    depends: [a]\n    run: y\n");
    client.diagnostics(URI, 1);
    assert_eq!(client.request("textDocument/prepareRename", at(URI, 4, 14)), range(4, 14, 4, 15));
    assert_eq!(client.request("textDocument/prepareRename", at(URI, 2, 10)), Value::Null);
    let mut params = at(URI, 4, 14);
    params["newName"] = json!("first");
    let edit = client.request("textDocument/rename", params.clone());
    let edits = edit["documentChanges"][0]["edits"].as_array().unwrap();
    assert_eq!(edits.iter().map(|edit| &edit["range"]).collect::<Vec<_>>(), [&range(1, 8, 1, 9), &range(4, 14, 4, 15)]);
    params["newName"] = json!("b");
    let id = client.send_request("textDocument/rename", params);
    assert_eq!(client.error(id)["message"], "`b` is the id or name of another step");
}

#[test]
fn a_dry_run_says_what_would_run_and_starts_nothing() {
    let mut client = Client::start();
    let uri = client.uri("dag.yaml");
    client.open(&uri, 1, "steps:\n  - id: a\n    run: touch made-by-step\n");
    client.diagnostics(&uri, 1);
    let text = client.command("saddler.dryRun", json!({"uri": uri}))["text"].as_str().unwrap().to_owned();
    assert!(text.contains("touch made-by-step"), "{text}");
    assert_eq!(client.notification("window/logMessage")["message"], text.as_str());
    assert!(!client.dir().join("made-by-step").exists());
}
