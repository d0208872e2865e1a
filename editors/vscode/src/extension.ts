// A client for `saddler lsp`: starts it for documents that are workflows, passes commands on and shows what runs print.
// Everything that is known about workflows is known by the server.

import * as vscode from 'vscode';

import { RunOutput } from './runOutput';
import { Server } from './server';

let server: Server | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const output = new RunOutput();
  const started = new Server(output);
  server = started;

  const command = (name: string, run: () => unknown) => vscode.commands.registerCommand(name, run);
  context.subscriptions.push(
    output,
    vscode.workspace.onDidOpenTextDocument((document) => started.meet(document)),
    vscode.workspace.onDidChangeTextDocument(({ document }) => started.meet(document)),
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (change.affectsConfiguration('saddler.server.path')) {
        await started.restart();
      }
    }),
    command('saddler.runStepAtCursor', () => runAction('saddler.runStep')),
    command('saddler.runWholeDag', () => runAction('saddler.runDag')),
    command('saddler.cancelRuns', () => {
      if (started.cancelRuns() === 0) {
        void vscode.window.showInformationMessage('Saddler: nothing is running.');
      }
    }),
    command('saddler.showOutput', () => output.show()),
    command('saddler.restartServer', () => started.restart()),
  );
  for (const document of vscode.workspace.textDocuments) {
    void started.meet(document);
  }
}

export async function deactivate(): Promise<void> {
  await server?.stop();
}

/** Asks for the code actions at the cursor and carries out the one with this command. */
async function runAction(name: string): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (!editor) {
    return;
  }
  const actions = await vscode.commands.executeCommand<(vscode.CodeAction | vscode.Command)[]>(
    'vscode.executeCodeActionProvider',
    editor.document.uri,
    editor.selection,
  );
  const chosen = actions
    .map((action) => (typeof action.command === 'string' ? (action as vscode.Command) : action.command))
    .find((command) => command?.command === name);
  if (chosen) {
    await vscode.commands.executeCommand(chosen.command, ...(chosen.arguments ?? []));
  } else {
    void vscode.window.showInformationMessage('Saddler: there is nothing to run at the cursor.');
  }
}
