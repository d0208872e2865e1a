// Tells a workflow from other YAML by what the document says, never by its name: a cheap reading of the rule that the
// server has in `Document::is_dag`, so that no server is started for other files. The lists are the same.

/** Top-level keys that only a workflow has, or that every workflow has. */
const TELLING = [
  'steps',
  'handler_on',
  'harness',
  'harnesses',
  'max_active_steps',
  'max_clean_up_time_sec',
  'hist_retention_days',
];

/** Top-level keys of other tools whose files also have `steps:`. */
const FOREIGN = [
  'apiVersion',
  'jobs',
  'kind',
  'on',
  'pipeline',
  'pipelines',
  'pool',
  'pr',
  'runs',
  'stages',
  'trigger',
  'variables',
];

const TOP_LEVEL_KEY = /^["']?(\w+)["']?\s*:/gm;

export function isDag(text: string): boolean {
  const keys = new Set(Array.from(text.matchAll(TOP_LEVEL_KEY), (match) => match[1]));
  return TELLING.some((key) => keys.has(key)) && !FOREIGN.some((key) => keys.has(key));
}
