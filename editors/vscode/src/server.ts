// The language client: which documents the server hears of, and what becomes of its notifications.

import * as vscode from 'vscode';
import {
  DidOpenTextDocumentNotification,
  LanguageClient,
  State,
  WorkDoneProgressCancelNotification,
  type Middleware,
} from 'vscode-languageclient/node';

import { isDag } from './detect';
import { CancellableProgress } from './progress';
import type { RunEventParams, RunOutput } from './runOutput';

export class Server implements vscode.Disposable {
  private client: LanguageClient | undefined;
  /** Documents the server has open. Other YAML files are none of its business. */
  private readonly open = new Set<string>();
  private readonly progress = new CancellableProgress((token) => {
    void this.client?.sendNotification(WorkDoneProgressCancelNotification.type, { token });
  });

  constructor(private readonly output: RunOutput) {}

  /** Starts the server if it is not started and the document is a workflow. */
  async meet(document: vscode.TextDocument): Promise<void> {
    if (!this.client && document.languageId === 'yaml' && isDag(document.getText())) {
      await this.start();
    }
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (client?.needsStop()) {
      await client.stop();
    }
    await client?.dispose();
  }

  /** How many runs were asked to end. */
  cancelRuns(): number {
    return this.progress.cancelAll();
  }

  dispose(): void {
    void this.stop();
  }

  private async start(): Promise<void> {
    const setting = vscode.workspace.getConfiguration('saddler').get<string>('server.path', '');
    const command = setting === '' ? 'saddler' : setting;
    const client = new LanguageClient(
      'saddler',
      'Saddler',
      { command, args: ['lsp'] },
      { documentSelector: [{ language: 'yaml' }], middleware: this.middleware() },
    );
    this.client = client;
    client.onNotification('saddler/runEvent', (params: RunEventParams) => this.output.onEvent(params));
    client.onDidChangeState(({ newState }) => {
      if (newState === State.Stopped) {
        this.open.clear();
        this.progress.endAll();
      }
    });
    try {
      await client.start();
    } catch {
      // The client has shown the reason. It stays set, so that the next keystroke does not bring the same again.
      await this.advise(command);
    }
  }

  private async advise(command: string): Promise<void> {
    const choice = await vscode.window.showErrorMessage(
      `Saddler: cannot start \`${command} lsp\`. Install saddler, or name it in the setting saddler.server.path.`,
      'Open Setting',
      'Try Again',
    );
    if (choice === 'Open Setting') {
      await vscode.commands.executeCommand('workbench.action.openSettings', 'saddler.server.path');
    } else if (choice === 'Try Again') {
      await this.restart();
    }
  }

  private middleware(): Middleware {
    return {
      didOpen: async (document, next) => {
        if (isDag(document.getText())) {
          this.open.add(document.uri.toString());
          await next(document);
        }
      },
      didChange: async (event, next) => {
        const { document } = event;
        if (this.open.has(document.uri.toString())) {
          await next(event);
        } else if (this.client && isDag(document.getText())) {
          this.open.add(document.uri.toString());
          await this.client.sendNotification(
            DidOpenTextDocumentNotification.type,
            this.client.code2ProtocolConverter.asOpenTextDocumentParams(document),
          );
        }
      },
      didSave: async (document, next) => {
        if (this.open.has(document.uri.toString())) {
          await next(document);
        }
      },
      didClose: async (document, next) => {
        if (this.open.delete(document.uri.toString())) {
          await next(document);
        }
      },
      handleWorkDoneProgress: (token, value, next) => {
        this.progress.handle(token, value, () => next(token, value));
      },
    };
  }
}
