// Tells a workflow from other YAML by what the document says, never by its name.

/** Top-level keys of other tools whose files also have `steps:`. */
const FOREIGN = new Set([
  'apiVersion', // Kubernetes, Tekton
  'availableSecrets', // Cloud Build
  'jobs', // GitHub, CircleCI
  'kind', // Drone, Kubernetes
  'pool', // Azure Pipelines
  'runs', // GitHub actions
  'stages', // Azure Pipelines, GitLab
  'trigger', // Azure Pipelines
]);

const TOP_LEVEL_KEY = /^["']?(\w+)["']?\s*:/gm;

export function isDag(text: string): boolean {
  const keys = new Set(Array.from(text.matchAll(TOP_LEVEL_KEY), (match) => match[1]));
  return keys.has('steps') && [...keys].every((key) => !FOREIGN.has(key));
}
