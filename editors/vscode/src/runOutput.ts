// The output channel that shows what runs print.

import * as vscode from 'vscode';

interface Step {
  id?: string;
  name: string;
}

/** The events that are shown, of the lines of `saddler run --format json`. */
type RunEvent =
  | { event: 'output'; step: Step; stream: string; text: string }
  | { event: 'image_pulling'; step?: Step; image: string }
  | { event: 'fallback_started'; step: Step; provider: string }
  | { event: 'attempt_failed_will_retry'; step: Step; attempt: number; error: string; delay_ms: number }
  | { event: 'noticed'; step?: Step; message: string }
  | { event: 'step_finished'; step: Step; status: string; error?: string }
  | { event: 'stop_started'; step?: undefined }
  | { event: 'run_finished'; step?: undefined; status: string };

export interface RunEventParams {
  runId: string;
  event: RunEvent;
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
    const step = event.step && (event.step.id ?? event.step.name);
    if (event.event === 'output') {
      // The text may end inside a line.
      const key = `${step}\0${event.stream}`;
      const lines = ((partial.get(key) ?? '') + event.text).split(/\r?\n/);
      partial.set(key, lines.pop() ?? '');
      this.append(step, lines);
      return;
    }
    if (event.event === 'step_finished') {
      for (const [key, text] of partial) {
        if (text !== '' && key.startsWith(`${step}\0`)) {
          this.append(step, [text]);
          partial.delete(key);
        }
      }
    }
    const said = say(event);
    if (said !== undefined) {
      this.append(step, said.split('\n'));
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
      this.channel.appendLine(step === undefined ? line : `${step} | ${line}`);
    }
  }
}

/** What is said of an event other than output; nothing of those that are not shown. */
function say(event: Exclude<RunEvent, { event: 'output' }>): string | undefined {
  switch (event.event) {
    case 'image_pulling':
      return `pulling ${event.image}`;
    case 'fallback_started':
      return `falling back to ${event.provider}`;
    case 'attempt_failed_will_retry':
      return `attempt ${event.attempt} failed: ${event.error}; next in ${event.delay_ms / 1000} s`;
    case 'noticed':
      return event.message;
    case 'step_finished':
      return event.error === undefined ? event.status : `${event.status}: ${event.error}`;
    case 'stop_started':
      return 'stopping';
    case 'run_finished':
      return `run ${event.status}`;
    default:
      return undefined;
  }
}
