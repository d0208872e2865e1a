// One way through VS Code as a user goes it, in a browser, with nothing but the extension. Prints a line per claim,
// leaves screenshots, and exits with 1 when a claim does not hold.
//
// usage: journey.mjs URL PARTS ARTEFACTS   (PARTS: the folder that tests/provision/vscode.sh prints)

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [url, parts, artefacts] = process.argv.slice(2);
const { chromium } = createRequire(path.join(parts, 'package.json'))('playwright-core');
mkdirSync(artefacts, { recursive: true });

let passed = 0;
let failed = 0;

function claim(what, holds, found) {
  if (holds) {
    passed += 1;
    console.log(`ok      vscode: ${what}`);
  } else {
    failed += 1;
    console.log(`not ok  vscode: ${what}`);
    if (found !== undefined) {
      console.log(`        found: ${JSON.stringify(found)}`);
    }
  }
}

/** A claim without which the rest says nothing. */
function need(what, holds, found) {
  claim(what, holds, found);
  if (!holds) {
    throw new Error(`${what}: not so, and the rest depends on it`);
  }
}

/** Waits until `read` gives something that satisfies `good`; gives the last reading either way. */
async function eventually(read, good = Boolean, seconds = 20) {
  const end = Date.now() + seconds * 1000;
  let value;
  do {
    value = await read();
    if (good(value)) {
      return value;
    }
    await new Promise((resolve) => setTimeout(resolve, 150));
  } while (Date.now() < end);
  return value;
}

const browser = await chromium.launch({
  executablePath: path.join(parts, 'bin/chromium'),
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });

let shots = 0;
async function shoot(name) {
  shots += 1;
  await page.screenshot({ path: path.join(artefacts, `vscode-${shots}-${name}.png`) });
}

/** Text as it is read: the workbench writes blanks as no-break spaces. */
async function textOf(selector) {
  const texts = await page.locator(selector).allInnerTexts();
  return texts.join('\n').replaceAll('\u00a0', ' ');
}

/** Presses keys that open a quick pick, types into it and clicks the row that then says `row`. */
async function pick(keys, typed, row) {
  await page.keyboard.press(keys);
  const input = page.locator('.quick-input-widget input[type="text"]');
  await input.waitFor({ state: 'visible' });
  await input.fill(typed);
  await page.locator('.quick-input-list .monaco-list-row', { hasText: row }).first().click();
  await page.locator('.quick-input-widget').waitFor({ state: 'hidden' });
}

const command = (title) => pick('F1', `>${title}`, title);

const goToLine = (line) => pick('Control+G', `:${line}`, `Go to line ${line}`);

async function openFile(name) {
  await pick('Control+P', name, name);
  await page.locator('.tab.active', { hasText: name }).waitFor();
}

/** Opens the menu of code actions at the cursor and chooses one. */
async function codeAction(title) {
  const rows = page.locator('.action-widget .monaco-list-row');
  // The first call may come before the server has answered for the first time.
  await eventually(async () => {
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+.');
    return rows.filter({ hasText: title }).first().waitFor({ timeout: 2000 }).then(() => true, () => false);
  });
  await shoot('code-actions');
  // With the keys: until the mouse moves, the menu shields itself from clicks.
  for (let left = await rows.count(); left > 0; left -= 1) {
    if ((await textOf('.action-widget .monaco-list-row.focused')).includes(title)) {
      break;
    }
    await page.keyboard.press('ArrowDown');
  }
  await page.keyboard.press('Enter');
}

/** The number of the line of a fixture that holds this text. */
function lineOf(file, text) {
  const lines = readFileSync(new URL(`../fixtures/${file}`, import.meta.url), 'utf8').split('\n');
  return lines.findIndex((line) => line.includes(text)) + 1;
}

/** The containers that run the prompt of wait.yaml. Others on this engine are not ours. */
function containers() {
  const running = execFileSync('docker', ['ps', '--no-trunc', '--format', '{{.ID}} {{.Command}}'], { encoding: 'utf8' });
  return running.split('\n').filter((line) => line.includes('echo waiting'));
}

const output = () => textOf('.output-view .view-lines');
const problems = () => textOf('.markers-panel .monaco-list-row');
const outputHas = (what, seconds) => eventually(output, (text) => text.includes(what), seconds);

async function journey() {
  await page.goto(url);
  await page.locator('.monaco-workbench .explorer-folders-view').waitFor({ timeout: 60_000 });

  await openFile('services.yaml');
  await openFile('stdin-in-container.yaml');
  await command('Problems: Focus on Problems View');
  const marked = await eventually(problems, (text) => text.includes('stdin'), 60);
  await shoot('problem');
  need('the mistake is a problem', marked.includes('stdin'), marked);
  const line = lineOf('stdin-in-container.yaml', 'stdin:');
  claim('it is on the line of the mistake', marked.includes(`Ln ${line},`), marked);
  claim('the line is underlined', (await page.locator('.squiggly-error').count()) > 0);
  claim('other YAML has no problems', !marked.includes('services.yaml'), marked);

  await openFile('inspect.yaml');
  await goToLine(lineOf('inspect.yaml', 'id: inspect'));
  await codeAction('Run step `inspect`');
  const inspected = await outputHas('inspect | release 3.20.0 in /workspace', 60);
  await shoot('step-output');
  claim('the step ran in its container and its output is shown', inspected.includes('release 3.20.0 in /workspace'), inspected);
  const listed = await outputHas('inspect | inspect.yaml');
  claim('the step saw the folder of the file', listed.includes('inspect | inspect.yaml'), listed);
  claim('only the chosen step ran', !listed.includes('no, not today'), listed);

  await page.locator('.tab.active').click();
  const refuse = lineOf('inspect.yaml', 'id: refuse');
  await goToLine(refuse);
  await command('Saddler: Run Step at Cursor');
  const refused = await outputHas('refuse | no, not today', 60);
  claim('the command runs the step at the cursor', refused.includes('refuse | no, not today'), refused);
  await command('Problems: Focus on Problems View');
  const mark = new RegExp(`refuse[^]*\\b7\\b[^]*Ln ${refuse},`);
  const failure = await eventually(problems, (text) => mark.test(text));
  await shoot('failed-step');
  claim('a failed step is marked on the step', mark.test(failure), failure);

  await openFile('wait.yaml');
  await command('Saddler: Run DAG');
  const waiting = await outputHas('wait | waiting', 60);
  need('a whole workflow runs', waiting.includes('wait | waiting'), waiting);
  const notice = page.locator('.notification-toast', { hasText: 'Cancel' });
  await notice.waitFor();
  await shoot('running');
  claim('its container is there', containers().length === 1, containers());
  await notice.getByText('Cancel', { exact: true }).click();
  const aborted = await outputHas('aborted', 30);
  await shoot('cancelled');
  claim('cancelling in the notification ends the run', aborted.includes('aborted'), aborted);
  const left = await eventually(containers, (found) => found.length === 0);
  claim('and takes the container away', left.length === 0, left);
  await notice.waitFor({ state: 'hidden' });
  claim('the notification is gone', !(await notice.isVisible()));

  await openFile('services.yaml');
  await page.locator('.editor-instance .view-lines').click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText('steps:\n  - id: a\n    stdin: x\n');
  await command('Problems: Focus on Problems View');
  const written = await eventually(problems, (text) => text.includes('services.yaml'));
  await shoot('becomes-a-workflow');
  claim('a file that becomes a workflow is checked', written.includes('services.yaml'), written);
}

try {
  await journey();
} catch (problem) {
  await shoot('where-it-broke');
  claim('the journey comes to its end', false, String(problem));
} finally {
  await browser.close();
}
console.log(`vscode: ${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
