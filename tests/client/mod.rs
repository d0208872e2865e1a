//! A client for tests. It speaks the protocol and nothing else, waits for messages and never sleeps, and when it is
//! dropped it leaves politely and fails if a message went unread.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;

use saddler::lsp::{self, Ending, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// No test waits this long unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes on their way. A test does not read while it writes, so there must be room for all it asks for meanwhile.
const WIDE: usize = 1 << 20;
const NARROW: usize = 1 << 12;

pub struct Client {
    runtime: Runtime,
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: Option<WriteHalf<DuplexStream>>,
    server: Option<JoinHandle<Ending>>,
    capabilities: Value,
    /// A folder of its own, and what the environment of runs says is home.
    dir: TempDir,
    /// Methods of the server that this test does not care about.
    ignored: Vec<&'static str>,
    next_id: i64,
    /// Notifications and requests of the server that were not read yet.
    mail: VecDeque<Value>,
    responses: HashMap<i64, Value>,
    /// The version of the last diagnostics of a document.
    published: HashMap<String, i64>,
}

impl Client {
    /// A client that can do everything the server makes use of.
    pub fn start() -> Self {
        Self::start_over(WIDE, Self::able())
    }

    /// The same with a pipe that fills up soon.
    pub fn start_narrow() -> Self {
        Self::start_over(NARROW, Self::able())
    }

    pub fn start_with(capabilities: Value) -> Self {
        Self::start_over(WIDE, capabilities)
    }

    fn able() -> Value {
        json!({
            "general": {"positionEncodings": ["utf-16"]},
            "window": {"workDoneProgress": true},
            "workspace": {"workspaceEdit": {"documentChanges": true}},
            "textDocument": {"codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": []}}}},
        })
    }

    fn start_over(pipe: usize, capabilities: Value) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (ours, theirs) = tokio::io::duplex(pipe);
        let (input, output) = tokio::io::split(theirs);
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let environment = HashMap::from([
            ("PATH".to_owned(), std::env::var("PATH").unwrap()),
            ("HOME".to_owned(), home.to_str().unwrap().to_owned()),
        ]);
        let server = runtime.spawn(lsp::serve(input, output, Settings { environment }, std::future::pending()));
        let (reader, writer) = tokio::io::split(ours);
        let mut client = Client {
            runtime,
            reader: BufReader::with_capacity(NARROW, reader),
            writer: Some(writer),
            server: Some(server),
            capabilities: Value::Null,
            dir,
            ignored: Vec::new(),
            next_id: 0,
            mail: VecDeque::new(),
            responses: HashMap::new(),
            published: HashMap::new(),
        };
        let result =
            client.request("initialize", json!({"processId": null, "rootUri": null, "capabilities": capabilities}));
        client.capabilities = result["capabilities"].clone();
        client.notify("initialized", json!({}));
        client
    }

    /// What the server said it can do.
    pub fn capabilities(&self) -> &Value {
        &self.capabilities
    }

    /// Throws away what the server says under these methods from now on.
    pub fn ignore(&mut self, methods: &[&'static str]) {
        self.ignored.extend(methods);
    }

    /// Takes an `ignore` back.
    pub fn heed(&mut self, method: &str) {
        self.ignored.retain(|ignored| *ignored != method);
    }

    /// A folder that is gone with the client.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// The URI of a file in the folder; nothing is written.
    pub fn uri(&self, name: &str) -> String {
        format!("file://{}", self.dir.path().join(name).to_str().unwrap())
    }

    pub fn open(&mut self, uri: &str, version: i64, text: &str) {
        self.published.remove(uri);
        let item = json!({"uri": uri, "languageId": "yaml", "version": version, "text": text});
        self.notify("textDocument/didOpen", json!({"textDocument": item}));
    }

    pub fn edit(&mut self, uri: &str, version: i64, changes: &[(Value, &str)]) {
        let changes: Vec<_> = changes.iter().map(|(range, text)| json!({"range": range, "text": text})).collect();
        let params = json!({"textDocument": {"uri": uri, "version": version}, "contentChanges": changes});
        self.notify("textDocument/didChange", params);
    }

    pub fn actions(&mut self, uri: &str, range: Value) -> Vec<Value> {
        let params = json!({"textDocument": {"uri": uri}, "range": range, "context": {"diagnostics": []}});
        self.request("textDocument/codeAction", params).as_array().unwrap().clone()
    }

    /// The diagnostics for this version of the document. Those for versions before it are read and thrown away; one
    /// out of order fails the test.
    pub fn diagnostics(&mut self, uri: &str, version: i64) -> Vec<Value> {
        loop {
            let params = self.mail_that("diagnostics", |message| {
                message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == uri
            });
            let found = params["version"].as_i64().expect("diagnostics have a version");
            let last = self.published.insert(uri.to_owned(), found);
            assert!(last.is_none_or(|last| last <= found), "version {found} came after {last:?}");
            assert!(found <= version, "version {found} came, {version} was the last");
            if found == version {
                return params["diagnostics"].as_array().unwrap().clone();
            }
        }
    }

    pub fn command(&mut self, command: &str, argument: Value) -> Value {
        self.request("workspace/executeCommand", json!({"command": command, "arguments": [argument]}))
    }

    pub fn refused_command(&mut self, command: &str, argument: Value) -> String {
        let params = json!({"command": command, "arguments": [argument]});
        let id = self.send_request("workspace/executeCommand", params);
        self.error(id)["message"].as_str().unwrap().to_owned()
    }

    /// The events of a run up to the one with this name.
    pub fn events_until(&mut self, run_id: &str, name: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let mut params = self.mail_that(name, |message| {
                message["method"] == "saddler/runEvent" && message["params"]["runId"] == run_id
            });
            events.push(params["event"].take());
            if events.last().unwrap()["event"] == name {
                return events;
            }
        }
    }

    /// What is reported under a token of progress, up to the end.
    pub fn progress(&mut self, token: &Value) -> Vec<Value> {
        let mut values = Vec::new();
        loop {
            let mut params = self.mail_that("progress", |message| {
                message["method"] == "$/progress" && message["params"]["token"] == *token
            });
            values.push(params["value"].take());
            if values.last().unwrap()["kind"] == "end" {
                return values;
            }
        }
    }

    /// The parameters of the next notification or request of this method; others stay in the box.
    pub fn notification(&mut self, method: &str) -> Value {
        self.mail_that(method, |message| message["method"] == method)
    }

    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.send_request(method, params);
        self.response(id)
    }

    pub fn send_request(&mut self, method: &str, params: Value) -> i64 {
        self.next_id += 1;
        let mut message = json!({"jsonrpc": "2.0", "id": self.next_id, "method": method});
        if !params.is_null() {
            message["params"] = params;
        }
        self.send(&message);
        self.next_id
    }

    pub fn response(&mut self, id: i64) -> Value {
        let response = self.raw_response(id);
        assert!(response.get("error").is_none(), "{response}");
        response["result"].clone()
    }

    /// The error that answers a request.
    pub fn error(&mut self, id: i64) -> Value {
        let response = self.raw_response(id);
        response.get("error").unwrap_or_else(|| panic!("expected an error: {response}")).clone()
    }

    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Closes the pipe without a word, and how the server took it.
    pub fn hang_up(&mut self) -> Ending {
        if let Some(mut writer) = self.writer.take() {
            self.runtime.block_on(writer.shutdown()).expect("the pipe can be closed");
        }
        while self.receive().is_some() {}
        self.server_ends()
    }

    /// The same in the middle of a message that fits neither into a narrow pipe nor into our own buffer.
    pub fn hang_up_deaf(&mut self) -> Ending {
        loop {
            let reader = &mut self.reader;
            let length = async { tokio::time::timeout(PATIENCE, read_length(reader)).await };
            let length = self.runtime.block_on(length).expect("the server says something in time");
            let length = length.expect("the server is still there");
            if length > 2 * NARROW {
                break;
            }
            self.runtime.block_on(read_body(&mut self.reader, length));
        }
        if let Some(mut writer) = self.writer.take() {
            self.runtime.block_on(writer.shutdown()).expect("the pipe can be closed");
        }
        self.server_ends()
    }

    fn raw_response(&mut self, id: i64) -> Value {
        loop {
            if let Some(response) = self.responses.remove(&id) {
                return response;
            }
            assert!(self.receive().is_some(), "the server went away and left request {id} unanswered");
        }
    }

    fn mail_that(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(i) = self.mail.iter().position(&wanted) {
                return self.mail.remove(i).unwrap()["params"].take();
            }
            assert!(self.receive().is_some(), "the server went away and sent no {what}; unread: {:?}", self.mail);
        }
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        let frame = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let writer = self.writer.as_mut().expect("the pipe is open");
        let written = async { tokio::time::timeout(PATIENCE, writer.write_all(frame.as_bytes())).await };
        self.runtime.block_on(written).expect("the server reads").expect("the pipe is open");
    }

    /// Sorts the next message into its box; `None` at the end of the stream.
    fn receive(&mut self) -> Option<()> {
        let reader = &mut self.reader;
        let message = async { tokio::time::timeout(PATIENCE, read(reader)).await };
        let message = self.runtime.block_on(message).expect("the server says something in time")?;
        match (message.get("method"), message["id"].as_i64()) {
            (None, Some(id)) => {
                self.responses.insert(id, message);
            }
            (Some(_), id) => {
                if id.is_some() && self.writer.is_some() {
                    self.send(&json!({"jsonrpc": "2.0", "id": id, "result": null}));
                }
                if !self.ignored.iter().any(|method| message["method"] == *method) {
                    self.mail.push_back(message);
                }
            }
            (None, None) => panic!("neither request nor response: {message}"),
        }
        Some(())
    }

    fn server_ends(&mut self) -> Ending {
        let server = self.server.take().expect("the server ends once");
        let ended = async { tokio::time::timeout(PATIENCE, server).await };
        self.runtime.block_on(ended).expect("the server ends in time").expect("the server does not panic")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if self.server.is_some() {
            self.request("shutdown", Value::Null);
            self.notify("exit", Value::Null);
            while self.receive().is_some() {}
            assert_eq!(self.server_ends(), Ending::Orderly);
        }
        assert!(self.mail.is_empty(), "unread: {:#?}", self.mail);
        assert!(self.responses.is_empty(), "unread: {:#?}", self.responses);
    }
}

async fn read(reader: &mut BufReader<ReadHalf<DuplexStream>>) -> Option<Value> {
    let length = read_length(reader).await?;
    Some(read_body(reader, length).await)
}

/// The headers of a message, and what they say about its length; `None` at the end of the stream.
async fn read_length(reader: &mut BufReader<ReadHalf<DuplexStream>>) -> Option<usize> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await.expect("headers are text") == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok(),
            Some(_) => {}
            None => return Some(length.expect("a message says how long it is")),
        }
    }
}

async fn read_body(reader: &mut BufReader<ReadHalf<DuplexStream>>, length: usize) -> Value {
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.expect("a message is as long as it says");
    serde_json::from_slice(&body).expect("a message is JSON")
}

/// A range from line and character to line and character.
pub fn range(line: u32, character: u32, end_line: u32, end_character: u32) -> Value {
    json!({
        "start": {"line": line, "character": character},
        "end": {"line": end_line, "character": end_character},
    })
}

/// The position in front of a character, all characters being ASCII.
pub fn position(text: &str, offset: usize) -> Value {
    let before = &text[..offset];
    let line = before.matches('\n').count();
    json!({"line": line, "character": before.len() - before.rfind('\n').map_or(0, |at| at + 1)})
}
