// The output channel that shows what runs print.

import * as vscode from 'vscode';

/** What the server tells of a run: `event` is a line of `saddler run --format json`. */
export interface RunEventParams {
  runId: string;
  event: {
    step?: string;
    stream?: string;
    text?: string;
    message?: string;
    error?: string;
    status?: string;
  };
}

export class RunOutput implements vscode.Disposable {
  private readonly channel = vscode.window.createOutputChannel('Saddler Runs', 'log');
  /** Runs that have been heard of, each with the text after the last line break per step and stream. */
  private readonly runs = new Map<string, Map<string, string>>();

  onEvent({ runId, event }: RunEventParams): void {
    let partial = this.runs.get(runId);
    if (!partial) {
      partial = new Map();
      this.runs.set(runId, partial);
      this.channel.show(true);
    }
    if (event.text !== undefined && event.stream !== undefined) {
      // Chunks may end inside a line.
      const key = `${event.step ?? ''}\0${event.stream}`;
      const lines = ((partial.get(key) ?? '') + event.text).split(/\r?\n/);
      partial.set(key, lines.pop() ?? '');
      this.append(event.step, lines);
      return;
    }
    for (const [key, text] of partial) {
      const step = key.split('\0')[0];
      if (text !== '' && (event.step === undefined || event.step === step)) {
        this.append(step, [text]);
        partial.delete(key);
      }
    }
    const text = event.message ?? event.error ?? event.status;
    if (text !== undefined) {
      this.append(event.step, text.split('\n'));
    }
  }

  show(): void {
    this.channel.show(true);
  }

  dispose(): void {
    this.channel.dispose();
  }

  private append(step: string | undefined, lines: string[]): void {
    for (const line of lines) {
      this.channel.appendLine(step ? `${step} │ ${line}` : line);
    }
  }
}
