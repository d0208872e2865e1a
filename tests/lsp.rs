//! The server as an editor meets it: real messages over a pipe, in one process.

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
    client.open(URI, 0, "steps:\n  - id: x\n    run: y\n");
    client.open(other, 0, "");
    let typed = "steps:\n  - id: slow\n    run: x\n    depends: [fast]\n";
    let mut expected = Vec::new();
    let mut pending = Vec::new();
    for (i, letter) in typed.chars().enumerate() {
        let version = i as i64 + 1;
        let end = position(typed, i);
        client.edit(other, version, &[(json!({"start": end, "end": end}), &letter.to_string())]);
        // The id grows by a letter in front and loses it again in the same message, and keeps a digit.
        let digit = (i % 10).to_string();
        client.edit(URI, version, &[(range(1, 8, 1, 8), "_"), (range(1, 9, 1, 9), &digit), (range(1, 8, 1, 9), "")]);
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
    assert_eq!(titles, ["Depend on `build`", "Run step `deploy`", "Run DAG"]);
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
    assert_eq!(actions.len(), 2, "a fix cannot be said as a command: {actions:?}");
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
