//! The requests of the protocol, each a few lines: convert, call, convert.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;
use tower_lsp::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp::ls_types::*;
use tower_lsp::{Client, LanguageServer};

use super::from_proto::{self, Session};
use super::runs::{self, Launch, Runs};
use super::state::{Snapshot, State};
use super::to_proto::{self, Writer};
use super::{Settings, checks, ext};
use crate::document::Document;
use crate::ide;
use crate::plan::Selection;

pub(super) struct Server {
    shared: Arc<Shared>,
}

/// What handlers and tasks have in common.
pub(super) struct Shared {
    pub client: Client,
    pub state: State,
    /// Held while diagnostics are looked up and sent.
    pub publishing: tokio::sync::Mutex<()>,
    pub runs: Runs,
    /// Cancelled when nobody is left to talk to.
    pub gone: CancellationToken,
    settings: Arc<Settings>,
    session: OnceLock<Session>,
    shut_down: AtomicBool,
}

impl Shared {
    /// What was agreed on in `initialize`; tower-lsp lets no other request pass before it.
    pub fn session(&self) -> Session {
        self.session.get().copied().unwrap_or_default()
    }

    pub fn was_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::Relaxed)
    }

    /// Says something in the client's log, without waiting until it has been read.
    fn log(&self, kind: MessageType, message: String) {
        let client = self.client.clone();
        tokio::spawn(async move { client.log_message(kind, message).await });
    }

    /// Computes on a thread that may take its time. `None` when it panicked, which is logged: in place of its answer
    /// the client gets none.
    pub async fn compute<T: Send + 'static>(&self, what: &str, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        match tokio::task::spawn_blocking(work).await {
            Ok(answer) => Some(answer),
            Err(failure) => {
                tracing::error!("{what} failed: {failure}");
                let message =
                    format!("saddler: {what} failed; this is a mistake in saddler, which goes on without: {failure}");
                self.log(MessageType::ERROR, message);
                None
            }
        }
    }

    /// An answer made from the text as it stands; `None` when the document is not open.
    async fn answer<T: Send + 'static>(
        &self,
        what: &str,
        uri: &Uri,
        work: impl FnOnce(&Snapshot, Writer<'_>) -> T + Send + 'static,
    ) -> Option<T> {
        let snapshot = self.state.get(uri)?;
        let session = self.session();
        self.compute(what, move || work(&snapshot, Writer { snapshot: &snapshot, session })).await
    }
}

/// A caret in a text.
struct At<'a> {
    snapshot: &'a Snapshot,
    document: &'a Document,
    offset: u32,
    writer: Writer<'a>,
}

impl Server {
    pub fn new(client: Client, settings: Settings) -> Self {
        let shared = Shared {
            client,
            state: State::default(),
            publishing: tokio::sync::Mutex::default(),
            runs: Runs::default(),
            gone: CancellationToken::new(),
            settings: Arc::new(settings),
            session: OnceLock::new(),
            shut_down: AtomicBool::new(false),
        };
        Server { shared: Arc::new(shared) }
    }

    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// An answer about a place in the text as it stands.
    async fn answer_at<T: Send + 'static>(
        &self,
        what: &str,
        place: TextDocumentPositionParams,
        work: impl FnOnce(At<'_>) -> T + Send + 'static,
    ) -> Option<T> {
        let answer = self.shared.answer(what, &place.text_document.uri, move |snapshot, writer| {
            let document = snapshot.document();
            let offset = from_proto::offset(&document.text, &document.lines, place.position, writer.session.encoding);
            work(At { snapshot, document, offset, writer })
        });
        answer.await
    }

    /// `window/workDoneProgress/cancel`, which the trait has no method for.
    pub async fn cancel_progress(&self, params: WorkDoneProgressCancelParams) {
        if let Some(run_id) = runs::run_of(&params.token) {
            self.shared.runs.cancel(run_id);
        }
    }

    /// The text in the editor as something to run.
    async fn plan(&self, uri: &Uri, selection: Selection) -> Result<(Arc<Snapshot>, Launch)> {
        let shared = &self.shared;
        let snapshot = shared.state.get(uri).ok_or_else(|| refused(format!("`{}` is not open", uri.as_str())))?;
        let planned = shared.compute("planning the run", {
            let (snapshot, settings) = (Arc::clone(&snapshot), Arc::clone(&shared.settings));
            move || Launch::plan(&snapshot, selection, settings)
        });
        let launch =
            planned.await.ok_or_else(Error::internal_error)?.map_err(|refusal| refused(refusal.to_string()))?;
        Ok((snapshot, launch))
    }

    async fn dry_run(&self, uri: &Uri) -> Result<Option<LSPAny>> {
        let (_, launch) = self.plan(uri, Selection::All).await?;
        let preview = self.shared.compute("the dry run", move || launch.preview()).await;
        let text = preview.ok_or_else(Error::internal_error)?.map_err(|refusal| refused(refusal.to_string()))?;
        self.shared.log(MessageType::INFO, text.clone());
        Ok(serde_json::to_value(ext::Preview { text: &text }).ok())
    }

    /// Answers when the run has been planned; the rest of it is a matter of notifications.
    async fn run(&self, uri: &Uri, selection: Selection) -> Result<Option<LSPAny>> {
        let shared = &self.shared;
        let (snapshot, launch) = self.plan(uri, selection.clone()).await?;
        let run_id =
            shared.runs.start(shared, &snapshot, launch).ok_or_else(|| refused("the session is ending".to_owned()))?;
        if shared.state.unmark(uri, &selection) {
            let (shared, uri) = (Arc::clone(shared), uri.clone());
            tokio::spawn(async move { checks::publish(&shared, &uri).await });
        }
        Ok(serde_json::to_value(ext::Started { run_id: &run_id }).ok())
    }
}

impl LanguageServer for Server {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let session = *self.shared.session.get_or_init(|| from_proto::session(&params));
        Ok(InitializeResult {
            capabilities: ServerCapabilities {
                position_encoding: Some(to_proto::encoding(session.encoding)),
                text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
                    open_close: Some(true),
                    change: Some(TextDocumentSyncKind::INCREMENTAL),
                    ..TextDocumentSyncOptions::default()
                })),
                document_symbol_provider: Some(OneOf::Left(true)),
                hover_provider: Some(HoverProviderCapability::Simple(true)),
                completion_provider: Some(CompletionOptions::default()),
                definition_provider: Some(OneOf::Left(true)),
                references_provider: Some(OneOf::Left(true)),
                document_highlight_provider: Some(OneOf::Left(true)),
                rename_provider: Some(OneOf::Right(RenameOptions {
                    prepare_provider: Some(true),
                    work_done_progress_options: WorkDoneProgressOptions::default(),
                })),
                code_action_provider: Some(CodeActionProviderCapability::Simple(true)),
                execute_command_provider: Some(ExecuteCommandOptions {
                    commands: ext::COMMANDS.map(str::to_owned).to_vec(),
                    ..ExecuteCommandOptions::default()
                }),
                ..ServerCapabilities::default()
            },
            server_info: Some(ServerInfo {
                name: "saddler".to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
            offset_encoding: None,
        })
    }

    async fn shutdown(&self) -> Result<()> {
        self.shared.shut_down.store(true, Ordering::Relaxed);
        self.shared.runs.end().await;
        Ok(())
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        let TextDocumentItem { uri, version, text, .. } = params.text_document;
        let path = from_proto::path(&uri);
        let snapshot = self.shared.state.open(uri, path, version, &text);
        checks::after_opening(&self.shared, snapshot);
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        let VersionedTextDocumentIdentifier { uri, version } = params.text_document;
        let encoding = self.shared.session().encoding;
        let edit = |text: &str| from_proto::changed(text, params.content_changes, encoding);
        match self.shared.state.change(&uri, version, edit) {
            Some(snapshot) => checks::after_change(&self.shared, snapshot),
            None => tracing::warn!("a change to `{}`, which is not open", uri.as_str()),
        }
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        let uri = params.text_document.uri;
        self.shared.state.close(&uri);
        checks::after_closing(&self.shared, uri);
    }

    async fn document_symbol(&self, params: DocumentSymbolParams) -> Result<Option<DocumentSymbolResponse>> {
        let symbols = self.shared.answer("the outline", &params.text_document.uri, |snapshot, writer| {
            let symbols = ide::symbols::symbols(snapshot.document());
            DocumentSymbolResponse::Nested(symbols.iter().map(|symbol| writer.symbol(symbol)).collect())
        });
        Ok(symbols.await)
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
        let actions = self.shared.answer("looking for actions", &params.text_document.uri, move |snapshot, writer| {
            let document = snapshot.document();
            let span = from_proto::span(&document.text, &document.lines, params.range, writer.session.encoding);
            let names = runs::step_names(snapshot);
            let actions = ide::actions::actions(document, snapshot.diagnostics(), &names, span);
            let actions = actions.iter().filter_map(|action| writer.action(action));
            actions.filter(|action| wanted(action, params.context.only.as_deref())).collect()
        });
        Ok(actions.await)
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<Hover>> {
        let hover = self.answer_at("looking for documentation", params.text_document_position_params, |at| {
            let hover = ide::hover::hover(at.document, at.snapshot.diagnostics(), at.offset)?;
            Some(at.writer.hover(hover))
        });
        Ok(hover.await.flatten())
    }

    async fn completion(&self, params: CompletionParams) -> Result<Option<CompletionResponse>> {
        let completions = self.answer_at("completion", params.text_document_position, |at| {
            let completions = ide::completion::completions(at.document, at.offset)?;
            Some(CompletionResponse::Array(at.writer.completions(completions)))
        });
        Ok(completions.await.flatten())
    }

    async fn goto_definition(&self, params: GotoDefinitionParams) -> Result<Option<GotoDefinitionResponse>> {
        let definition = self.answer_at("looking for a step", params.text_document_position_params, |at| {
            let span = ide::names::definition(at.document, at.offset)?;
            Some(GotoDefinitionResponse::Scalar(at.writer.location(span)))
        });
        Ok(definition.await.flatten())
    }

    async fn references(&self, params: ReferenceParams) -> Result<Option<Vec<Location>>> {
        let with_definition = params.context.include_declaration;
        let references = self.answer_at("looking for references", params.text_document_position, move |at| {
            let spans = ide::names::references(at.document, at.offset, with_definition);
            spans.into_iter().map(|span| at.writer.location(span)).collect()
        });
        Ok(references.await)
    }

    async fn document_highlight(&self, params: DocumentHighlightParams) -> Result<Option<Vec<DocumentHighlight>>> {
        let highlights = self.answer_at("looking for references", params.text_document_position_params, |at| {
            let spans = ide::names::references(at.document, at.offset, true);
            let highlight = |span| DocumentHighlight { range: at.writer.range(span), kind: None };
            spans.into_iter().map(highlight).collect()
        });
        Ok(highlights.await)
    }

    async fn prepare_rename(&self, params: TextDocumentPositionParams) -> Result<Option<PrepareRenameResponse>> {
        let range = self.answer_at("renaming", params, |at| {
            ide::names::renamable(at.document, at.offset)
                .map(|span| PrepareRenameResponse::Range(at.writer.range(span)))
        });
        Ok(range.await.flatten())
    }

    async fn rename(&self, params: RenameParams) -> Result<Option<WorkspaceEdit>> {
        let edit = self.answer_at("renaming", params.text_document_position, move |at| {
            let edits = ide::names::rename(at.document, at.offset, &params.new_name);
            edits.map(|edits| at.writer.workspace_edit(&edits))
        });
        edit.await.transpose().map_err(|problem| refused(problem.to_string()))
    }

    async fn execute_command(&self, params: ExecuteCommandParams) -> Result<Option<LSPAny>> {
        match ext::Command::read(params)? {
            ext::Command::RunStep { uri, step } => self.run(&uri, Selection::Step(step)).await,
            ext::Command::RunDag { uri } => self.run(&uri, Selection::All).await,
            ext::Command::DryRun { uri } => self.dry_run(&uri).await,
            ext::Command::Cancel { run_id } => {
                self.shared.runs.cancel(&run_id);
                Ok(None)
            }
        }
    }
}

/// A request that was understood and is not carried out; editors show the message.
fn refused(message: String) -> Error {
    // `RequestFailed` of the protocol.
    Error { code: ErrorCode::ServerError(-32803), message: message.into(), data: None }
}

/// Clients may ask for some kinds only, and mean what lies below them too. Running things is of no kind: editors hide
/// the kinds that come close (`source`) from their menus.
fn wanted(action: &CodeActionOrCommand, only: Option<&[CodeActionKind]>) -> bool {
    let Some(only) = only else { return true };
    let kind = match action {
        CodeActionOrCommand::CodeAction(action) => action.kind.as_ref().map_or("", CodeActionKind::as_str),
        CodeActionOrCommand::Command(_) => "",
    };
    only.iter().map(CodeActionKind::as_str).any(|asked| {
        asked.is_empty() || kind.strip_prefix(asked).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tower_lsp::LspService;

    use super::*;

    #[tokio::test]
    async fn a_panic_costs_one_answer_and_no_more() {
        let settings = Settings { environment: HashMap::new() };
        let (service, _socket) = LspService::new(|client| Server::new(client, settings));
        let shared = service.inner().shared();
        assert_eq!(shared.compute("counting", || -> usize { panic!("out of fingers") }).await, None);
        assert_eq!(shared.compute("counting", || 10).await, Some(10));
    }
}
