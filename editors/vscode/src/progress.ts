// Work-done progress that can be cancelled, as a notification with a button: the language client would show it in the
// status bar, where there is none.

import * as vscode from 'vscode';
import type {
  ProgressToken,
  WorkDoneProgressBegin,
  WorkDoneProgressEnd,
  WorkDoneProgressReport,
} from 'vscode-languageclient/node';

type Value = WorkDoneProgressBegin | WorkDoneProgressReport | WorkDoneProgressEnd;

interface Shown {
  report(value: { message?: string; percentage?: number }): void;
  end(): void;
}

export class CancellableProgress {
  private readonly shown = new Map<ProgressToken, Shown>();

  /** `cancel` tells the server that the user no longer wants the work. */
  constructor(private readonly cancel: (token: ProgressToken) => void) {}

  /** Takes one report of the server; `next` is what the language client would do with it. */
  handle(token: ProgressToken, value: Value, next: () => void): void {
    const shown = this.shown.get(token);
    if (value.kind === 'begin' && value.cancellable) {
      this.begin(token, value);
    } else if (value.kind === 'report' && shown) {
      shown.report(value);
    } else {
      shown?.end();
      // The client has made a listener for this token, which the end takes away.
      next();
    }
  }

  /** Cancels everything in progress; how many that is. */
  cancelAll(): number {
    for (const token of this.shown.keys()) {
      this.cancel(token);
    }
    return this.shown.size;
  }

  /** For when no server is there to report an end. */
  endAll(): void {
    for (const shown of [...this.shown.values()]) {
      shown.end();
    }
  }

  private begin(token: ProgressToken, value: WorkDoneProgressBegin): void {
    const options = { location: vscode.ProgressLocation.Notification, cancellable: true, title: value.title };
    void vscode.window.withProgress(options, (progress, cancellation) => {
      let reached = 0;
      const report: Shown['report'] = ({ message, percentage }) => {
        // Without an increment the bar keeps running to and fro.
        const increment = percentage === undefined || percentage <= reached ? undefined : percentage - reached;
        reached += increment ?? 0;
        progress.report({ message, increment });
      };
      report(value);
      cancellation.onCancellationRequested(() => this.cancel(token));
      return new Promise<void>((resolve) => {
        const end = () => {
          this.shown.delete(token);
          resolve();
        };
        this.shown.set(token, { report, end });
      });
    });
  }
}
