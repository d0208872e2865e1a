//! `env` in its forms, in what order its entries are resolved, and what steps inherit from the runner's process.

use serde_json::Value;

use super::json_text;
use super::problem::{Problem, Segment, below};
use super::reference::is_env_name;
use super::resolve::{Policy, resolve, resolve_noting};
use super::scope::{LayerKind, RunScope};

/// One entry of an `env`, unresolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvEntry {
    pub name: String,
    pub text: String,
    /// Where it stands below `env`.
    pub path: Vec<Segment>,
}

/// Whose `env` it is; the codes of findings differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvOwner {
    /// The document, `defaults` or a step.
    Workflow,
    Container,
}

impl EnvOwner {
    fn form_code(self) -> &'static str {
        match self {
            Self::Workflow => "env-form-invalid",
            Self::Container => "container-env-invalid",
        }
    }

    fn name_code(self) -> &'static str {
        match self {
            Self::Workflow => "env-name-invalid",
            Self::Container => "container-env-name-invalid",
        }
    }
}

/// Reads an `env`: a map, a list of maps, a list of `NAME=value`, or a mix of the latter two. Entries keep their
/// order, and a repeated name stands repeatedly.
pub fn entries(value: &Value, owner: EnvOwner) -> (Vec<EnvEntry>, Vec<Problem>) {
    let mut reader = Reader { owner, entries: Vec::new(), problems: Vec::new() };
    match value {
        Value::Null => {}
        Value::Object(map) => reader.map(map, &[]),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                reader.item(item, &[Segment::from(i)]);
            }
        }
        other => {
            let message = format!("`env` must be a map or array, not `{}`", json_text::plain(other));
            reader.problems.push(
                Problem::new(owner.form_code(), Vec::new(), message)
                    .help("write `env: [NAME=value]` or `env: {NAME: value}`"),
            );
        }
    }
    (reader.entries, reader.problems)
}

struct Reader {
    owner: EnvOwner,
    entries: Vec<EnvEntry>,
    problems: Vec<Problem>,
}

impl Reader {
    fn map(&mut self, map: &serde_json::Map<String, Value>, path: &[Segment]) {
        for (name, value) in map {
            let here = below(path, name.as_str());
            if is_env_name(name) {
                self.entries.push(EnvEntry { name: name.clone(), text: json_text::plain(value), path: here });
            } else {
                let problem = self.bad_name(name, here).at_key();
                self.problems.push(problem);
            }
        }
    }

    fn item(&mut self, item: &Value, path: &[Segment]) {
        match item {
            Value::Object(map) => self.map(map, path),
            Value::String(text) if text.contains(['\n', '\r']) => {
                let first = text.lines().next().unwrap_or_default();
                let message = format!("the `env` entry `{first}…` has a line break");
                let problem = Problem::new(self.owner.form_code(), path.to_vec(), message);
                self.problems.push(problem.help("write it as `NAME: |` with the text below"));
            }
            Value::String(text) => match text.split_once('=') {
                Some((name, value)) if is_env_name(name) => {
                    self.entries.push(EnvEntry { name: name.to_owned(), text: value.to_owned(), path: path.to_vec() });
                }
                Some((name, _)) => {
                    let problem = self.bad_name(name, path.to_vec());
                    self.problems.push(problem);
                }
                None => {
                    let message = format!("the `env` entry `{text}` is no `NAME=value`");
                    self.problems.push(Problem::new(self.owner.form_code(), path.to_vec(), message));
                }
            },
            other => {
                let message =
                    format!("an `env` entry must be `NAME=value` or a map, not `{}`", json_text::plain(other));
                self.problems.push(Problem::new(self.owner.form_code(), path.to_vec(), message));
            }
        }
    }

    fn bad_name(&self, name: &str, path: Vec<Segment>) -> Problem {
        let message = format!(
            "`{name}` is no name for an `env` entry: a letter or `_` comes first, then letters, digits and `_`"
        );
        Problem::new(self.owner.name_code(), path, message)
    }
}

/// Resolves entries from top to bottom onto the scope. Each sees those before it, never itself or later ones.
pub fn resolve_entries(entries: &[EnvEntry], scope: &mut RunScope, layer: LayerKind, policy: Policy) {
    for entry in entries {
        let value = resolve(&entry.text, policy, scope);
        scope.set(layer, entry.name.as_str(), value);
    }
}

/// A variable that a `container.env` asks for and nobody has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "container.env `{entry}`: `{variable}` is set neither in the workflow nor in the environment of saddler; write `\\{token}` for the text itself"
)]
pub struct MissingVariable {
    /// The entry that asks.
    pub entry: String,
    pub variable: String,
    /// As written.
    pub token: String,
}

/// As [`resolve_entries`], for a `container.env`: names come from the scope, then from the runner's process.
///
/// # Errors
/// The first name found in neither. Forms with an operator stay as text instead, as do other references.
pub fn resolve_container_entries(entries: &[EnvEntry], scope: &mut RunScope) -> Result<(), MissingVariable> {
    for entry in entries {
        let resolved = resolve_noting(&entry.text, Policy::Process, scope);
        for missing in &resolved.missing {
            if let Some(variable) = missing.variable.as_ref().filter(|_| !missing.operator) {
                let token = entry.text[missing.range.clone()].to_owned();
                return Err(MissingVariable { entry: entry.name.clone(), variable: variable.clone(), token });
            }
        }
        scope.set(LayerKind::ContainerEnv, entry.name.as_str(), resolved.text);
    }
    Ok(())
}

const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "SHELL",
    "TMPDIR",
    "TERM",
    "EDITOR",
    "VISUAL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "LD_LIBRARY_PATH",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "DOCKER_API_VERSION",
];

const INHERITED_WINDOWS: &[&str] = &[
    "PATH",
    "HOME",
    "TZ",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "DOCKER_API_VERSION",
    "USERPROFILE",
    "SYSTEMROOT",
    "WINDIR",
    "SYSTEMDRIVE",
    "COMSPEC",
    "PATHEXT",
    "TEMP",
    "TMP",
    "PSMODULEPATH",
    "APPDATA",
    "LOCALAPPDATA",
    "USERNAME",
    "USERDOMAIN",
    "PROGRAMFILES",
    "PROGRAMFILES(X86)",
    "PROGRAMDATA",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
];

const INHERITED_PREFIXES: &[&str] = &["DAGU_", "DAG_", "LC_", "KUBERNETES_"];

/// True for variables of the runner's process that steps on the host inherit.
pub fn is_inherited(name: &str) -> bool {
    if cfg!(windows) {
        let name = name.to_uppercase();
        INHERITED_WINDOWS.contains(&name.as_str()) || INHERITED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    } else {
        INHERITED.contains(&name) || INHERITED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    }
}

/// The inherited variables among those of a process, sorted by name.
pub fn inherited<'a>(process: impl IntoIterator<Item = (&'a String, &'a String)>) -> Vec<(String, String)> {
    let mut entries: Vec<_> = process
        .into_iter()
        .filter(|(name, _)| is_inherited(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    entries.sort();
    entries
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::params::ParamValues;
    use super::super::scope::Scope;
    use super::*;

    fn read(value: &Value) -> Vec<(String, String)> {
        let (entries, problems) = entries(value, EnvOwner::Workflow);
        assert_eq!(problems, [], "{value}");
        entries.into_iter().map(|entry| (entry.name, entry.text)).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect()
    }

    #[test]
    fn the_forms_of_env() {
        assert_eq!(read(&json!({"B": 8080, "A": true})), pairs(&[("B", "8080"), ("A", "true")]));
        let mixed = json!(["A=x=y", {"B": 0.75, "C": "z"}, "A=", {"true": null, "L": [1, 2], "M": {"b": "c"}}]);
        let expected =
            [("A", "x=y"), ("B", "0.75"), ("C", "z"), ("A", ""), ("true", "<nil>"), ("L", "[1 2]"), ("M", "map[b:c]")];
        assert_eq!(read(&mixed), pairs(&expected));
        assert_eq!(read(&json!(null)), []);
    }

    #[test]
    fn forms_that_are_refused() {
        for (value, code, path) in [
            (json!("A=1"), "env-form-invalid", ""),
            (json!(["A"]), "env-form-invalid", "[0]"),
            (json!([null]), "env-form-invalid", "[0]"),
            (json!(["A=l1\nl2"]), "env-form-invalid", "[0]"),
            (json!({"A-B": 1}), "env-name-invalid", "A-B"),
            (json!(["1A=x"]), "env-name-invalid", "[0]"),
            (json!(["=1"]), "env-name-invalid", "[0]"),
            (json!(["A B=1"]), "env-name-invalid", "[0]"),
        ] {
            let (_, problems) = entries(&value, EnvOwner::Workflow);
            let found: Vec<_> =
                problems.iter().map(|p| (p.code, crate::syntax::Path(p.path.clone()).to_string())).collect();
            assert_eq!(found, [(code, path.to_owned())], "{value}");
        }
    }

    fn root() -> RunScope {
        let process = [("HOSTONLY", "h"), ("HOSTX", "hx"), ("HOME", "/h")];
        let mut scope = RunScope::new(process.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        scope.set(LayerKind::Inherited, "HOME", "/h");
        scope.set_params(ParamValues { entries: vec![("p".to_owned(), "pv".to_owned())], payload: None });
        scope
    }

    #[test]
    fn root_entries_see_the_host_and_what_stands_before_them() {
        let mut scope = root();
        let env = json!([
            "A=$HOSTONLY ${env.HOSTONLY} ${HOSTX:-d} ${NO:-dd} ${env.NO}",
            "HOSTX=own $HOSTX",
            "B=$HOSTX",
            "L=$AFTER",
            "AFTER=x",
            "D=$(date)",
            "P=${params.p}",
        ]);
        let (list, _) = entries(&env, EnvOwner::Workflow);
        resolve_entries(&list, &mut scope, LayerKind::Env, Policy::Process);
        for (name, value) in
            [("A", "h h hx ${NO:-dd} ${env.NO}"), ("B", "own hx"), ("L", "$AFTER"), ("D", "$(date)"), ("P", "pv")]
        {
            assert_eq!(scope.declared(name).as_deref(), Some(value), "{name}");
        }
        let mut step = scope.clone();
        let (list, _) =
            entries(&json!([{"H": "$HOSTONLY $HOME ${env.HOME}", "A": "step-${A:0:1}"}]), EnvOwner::Workflow);
        resolve_entries(&list, &mut step, LayerKind::StepEnv, Policy::Scope);
        assert_eq!(step.declared("H").as_deref(), Some("$HOSTONLY $HOME /h"));
        assert_eq!(step.declared("A").as_deref(), Some("step-h"));
    }

    #[test]
    fn container_entries_take_host_values_and_fail_on_missing_ones() {
        let mut scope = root();
        let (list, _) = entries(
            &json!(["K=${HOSTONLY}", "E=${env.HOSTONLY}", "K2=$K", r"T=\${NO}", "O=${NO:-d}"]),
            EnvOwner::Container,
        );
        resolve_container_entries(&list, &mut scope).expect("all names are known");
        for (name, value) in [("K", "h"), ("E", "h"), ("K2", "h"), ("T", "${NO}"), ("O", "${NO:-d}")] {
            assert_eq!(scope.declared(name).as_deref(), Some(value), "{name}");
        }
        let (list, _) = entries(&json!(["K=${NO}"]), EnvOwner::Container);
        let error = resolve_container_entries(&list, &mut scope).expect_err("NO is nowhere");
        assert_eq!((error.entry.as_str(), error.variable.as_str()), ("K", "NO"));
        assert!(error.to_string().contains(r"write `\${NO}`"), "{error}");
    }

    #[test]
    #[cfg(unix)]
    fn the_allow_list() {
        for name in ["PATH", "HOME", "LC_TIME", "DAGU_HOME", "DAG_X", "KUBERNETES_PORT", "XDG_STATE_HOME"] {
            assert!(is_inherited(name), "{name}");
        }
        for name in ["ANTHROPIC_API_KEY", "_DAGU_INTERNAL_X", "path", "HOSTNAME", "PWD"] {
            assert!(!is_inherited(name), "{name}");
        }
    }
}
