//! A client for tests. It speaks the protocol and nothing else, waits for messages and never sleeps, and when it is
//! dropped it leaves politely and fails if a message went unread.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use saddler::lsp::{self, Ending};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// No test waits this long unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Client {
    runtime: Runtime,
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: Option<WriteHalf<DuplexStream>>,
    server: Option<JoinHandle<Ending>>,
    capabilities: Value,
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
        Self::start_with(json!({
            "general": {"positionEncodings": ["utf-16"]},
            "window": {"workDoneProgress": true},
            "workspace": {"workspaceEdit": {"documentChanges": true}},
            "textDocument": {"codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": []}}}},
        }))
    }

    pub fn start_with(capabilities: Value) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (input, output) = tokio::io::split(theirs);
        let server = runtime.spawn(lsp::serve(input, output));
        let (reader, writer) = tokio::io::split(ours);
        let mut client = Client {
            runtime,
            reader: BufReader::new(reader),
            writer: Some(writer),
            server: Some(server),
            capabilities: Value::Null,
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
                self.mail.push_back(message);
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
    let mut length = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await.expect("headers are text") == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok(),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length.expect("a message says how long it is")];
    reader.read_exact(&mut body).await.expect("a message is as long as it says");
    Some(serde_json::from_slice(&body).expect("a message is JSON"))
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
