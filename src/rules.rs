//! The rules: everything that is said about a document beyond its syntax and shape.
//!
//! A rule is a unit struct in a file of its own under `rules/`, made by `declare_rule!` from its code, its
//! severity and its doc comment. The comment is the page that `saddler explain` prints. To add a rule: its file, its
//! line in [`RULES`], a folder in `tests/corpus/rules`.

use std::collections::HashSet;

use crate::dag::{Container, Dag, Graph};
use crate::diagnostic::{Diagnostic, Gate, Severity};
use crate::document::Document;
use crate::syntax::Value;
use crate::text::{Edit, Span};
use crate::values::notices::Notice;
use crate::values::params;

pub use harness::{HarnessFindings, harness_root};

/// What a rule is, for users.
#[derive(Debug, Clone, Copy)]
pub struct Meta {
    pub code: &'static str,
    pub severity: Severity,
    pub gate: Gate,
    /// The rule's page: Markdown with the headings What it does, Why it matters, Example, Use instead.
    pub docs: &'static str,
}

pub trait Rule: Sync {
    fn meta(&self) -> &'static Meta;

    /// Looks at one document of a file.
    fn check(&self, subject: &Subject<'_>, found: &mut Vec<Diagnostic>);

    /// A finding of this rule.
    fn diagnostic(&self, span: Span, message: impl Into<String>) -> Diagnostic
    where
        Self: Sized,
    {
        let meta = self.meta();
        let diagnostic = Diagnostic::error(meta.code, span, message).gate(meta.gate);
        Diagnostic { severity: meta.severity, ..diagnostic }
    }
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub document: &'a Document,
    pub dag: &'a Dag,
    pub graph: &'a Graph,
    pub harness: &'a HarnessFindings,
}

/// Declares a rule from its doc comment, so that one text serves rustdoc, `saddler explain` and the editor.
macro_rules! declare_rule {
    ($(#[doc = $doc:literal])* $name:ident, $code:literal, $severity:ident, $gate:ident) => {
        $(#[doc = $doc])*
        pub struct $name;

        impl $name {
            const META: $crate::rules::Meta = $crate::rules::Meta {
                code: $code,
                severity: $crate::diagnostic::Severity::$severity,
                gate: $crate::diagnostic::Gate::$gate,
                docs: concat!($($doc, "\n",)*),
            };
        }
    };
}

mod container_env_host_variable;
mod container_outputs;
mod container_retry_exit_code;
mod container_run_needs_shell;
mod container_setting;
mod container_signal_ignored;
mod container_steps_unordered;
mod dependency_cycle;
mod document_empty;
mod document_name_duplicate;
mod document_name_required;
mod document_none;
mod document_not_mapping;
mod duplicate_id;
mod entry_document_name;
mod file_name;
mod harness;
mod harness_builtin_in_container;
mod harness_builtin_not_runnable;
mod harness_builtin_option;
mod harness_container_name;
mod harness_container_shell;
mod harness_defaults_leak;
mod harness_definition_literal;
mod harness_definition_name;
mod harness_definition_shadows;
mod harness_definition_unused;
mod harness_fallback_nested;
mod harness_managed_session;
mod harness_option_duplicate;
mod harness_option_ignored;
mod harness_option_reformatted;
mod harness_prompt_dash;
mod harness_prompt_flag;
mod harness_prompt_list;
mod harness_prompt_mode_in_container;
mod harness_prompt_position_unused;
mod harness_provider_coerced;
mod harness_provider_default;
mod harness_provider_missing;
mod harness_provider_unknown;
mod harness_reserved_key;
mod harness_stdin_in_container;
mod harness_working_dir_ignored;
mod implicit_working_dir;
mod number_not_finite;
mod references;
mod secret_in_prompt;
mod shape;
mod steps_anchored;
mod undefined_dependency;
mod undefined_target;
mod unordered_workspace;
mod unresolved_reference;
mod volume_format;
mod volume_target_reference;

/// Every rule, in alphabetical order of its code.
pub static RULES: &[&dyn Rule] = &[
    &container_env_host_variable::ContainerEnvHostVariable,
    &container_outputs::ContainerOutputs,
    &container_retry_exit_code::ContainerRetryExitCode,
    &container_run_needs_shell::ContainerRunNeedsShell,
    &container_setting::ContainerSetting,
    &container_signal_ignored::ContainerSignalIgnored,
    &container_steps_unordered::ContainerStepsUnordered,
    &dependency_cycle::DependencyCycle,
    &document_empty::DocumentEmpty,
    &document_name_duplicate::DocumentNameDuplicate,
    &document_name_required::DocumentNameRequired,
    &document_none::DocumentNone,
    &document_not_mapping::DocumentNotMapping,
    &duplicate_id::DuplicateId,
    &entry_document_name::EntryDocumentName,
    &file_name::FileName,
    &harness_builtin_in_container::HarnessBuiltinInContainer,
    &harness_builtin_not_runnable::HarnessBuiltinNotRunnable,
    &harness_builtin_option::HarnessBuiltinOption,
    &harness_container_name::HarnessContainerName,
    &harness_container_shell::HarnessContainerShell,
    &harness_defaults_leak::HarnessDefaultsLeak,
    &harness_definition_literal::HarnessDefinitionLiteral,
    &harness_definition_name::HarnessDefinitionName,
    &harness_definition_shadows::HarnessDefinitionShadows,
    &harness_definition_unused::HarnessDefinitionUnused,
    &harness_fallback_nested::HarnessFallbackNested,
    &harness_managed_session::HarnessManagedSession,
    &harness_option_duplicate::HarnessOptionDuplicate,
    &harness_option_ignored::HarnessOptionIgnored,
    &harness_option_reformatted::HarnessOptionReformatted,
    &harness_prompt_dash::HarnessPromptDash,
    &harness_prompt_flag::HarnessPromptFlag,
    &harness_prompt_list::HarnessPromptList,
    &harness_prompt_mode_in_container::HarnessPromptModeInContainer,
    &harness_prompt_position_unused::HarnessPromptPositionUnused,
    &harness_provider_coerced::HarnessProviderCoerced,
    &harness_provider_default::HarnessProviderDefault,
    &harness_provider_missing::HarnessProviderMissing,
    &harness_provider_unknown::HarnessProviderUnknown,
    &harness_reserved_key::HarnessReservedKey,
    &harness_stdin_in_container::HarnessStdinInContainer,
    &harness_working_dir_ignored::HarnessWorkingDirIgnored,
    &implicit_working_dir::ImplicitWorkingDir,
    &number_not_finite::NumberNotFinite,
    &secret_in_prompt::SecretInPrompt,
    &steps_anchored::StepsAnchored,
    &undefined_dependency::UndefinedDependency,
    &undefined_target::UndefinedTarget,
    &unordered_workspace::UnorderedWorkspace,
    &unresolved_reference::UnresolvedReference,
    &volume_format::VolumeFormat,
    &volume_target_reference::VolumeTargetReference,
];

/// Everything there is to say about a document: syntax, shape, rules. Sorted by place, without doubles.
pub fn check(document: &Document) -> Vec<Diagnostic> {
    let mut found = document.syntax.clone();
    for dag in &document.dags {
        shape::check(document, dag, &mut found);
        let graph = Graph::new(dag);
        let harness = HarnessFindings::of(dag);
        let subject = Subject { document, dag, graph: &graph, harness: &harness };
        for rule in RULES {
            rule.check(&subject, &mut found);
        }
    }
    found.sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
    found.dedup_by(|a, b| a.span == b.span && a.code == b.code && a.message == b.message);
    found
}

/// References that will stay text, with the place of each: those no run can fill in, and those only a run can.
pub fn notices(document: &Document) -> Vec<(Span, Notice)> {
    let dags = document.dags.iter();
    let placed = dags.flat_map(|dag| references::unresolved(dag, &Graph::new(dag)));
    placed.map(|placed| (placed.span, placed.notice)).collect()
}

// ---- what several rules ask ---------------------------------------------------------------------------

/// Name and value of each entry of an `env`, in any of its forms. For text `NAME=value` the value is the whole text.
fn env_entries<'t>(env: Value<'t>) -> impl Iterator<Item = (String, Value<'t>)> {
    let items: Vec<Value<'t>> = if env.is_sequence() { env.items().collect() } else { vec![env] };
    items.into_iter().flat_map(|item| {
        let pairs: Vec<_> = match item.as_str() {
            Some(text) => text.split_once('=').map(|(name, _)| (name.to_owned(), item)).into_iter().collect(),
            None => item.entries().filter_map(|(key, value)| Some((key.as_key()?.into_owned(), value))).collect(),
        };
        pairs
    })
}

/// Names that every step of a workflow can read as variables: `env`, `params`, secrets and captured outputs.
fn defined_names(dag: &Dag) -> HashSet<String> {
    let mut names: HashSet<String> = HashSet::new();
    if let Some(&env) = dag.env.get() {
        names.extend(env_entries(dag.value(env)).map(|(name, _)| name));
    }
    if let Some(&params) = dag.params.get() {
        let (declared, _) = params::declare(&dag.value(params).to_json(), &mut |_| Err(String::new()));
        names.extend(declared.names().into_iter().map(str::to_owned));
    }
    if let Some(&secrets) = dag.secrets.get() {
        let secrets = dag.value(secrets).items();
        names.extend(secrets.filter_map(|secret| Some(secret.get("name")?.as_str()?.to_owned())));
    }
    let outputs = dag.all_steps().filter_map(|it| dag.value(*it.step.output.get()?).as_str().map(str::to_owned));
    names.extend(outputs.map(|name| name.trim_start_matches('$').to_owned()));
    names
}

/// The names behind `$NAME` and `${NAME}` in a text; escaped ones, operators and scoped references are none.
fn bare_names(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('$').filter_map(move |(at, _)| {
        let escapes = text[..at].bytes().rev().take_while(|&byte| byte == b'\\').count();
        let rest = &text[at + 1..];
        let inner = match rest.strip_prefix('{') {
            Some(rest) => &rest[..rest.find('}')?],
            None => &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())],
        };
        let is_name = inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && inner.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
        (escapes % 2 == 0 && is_name).then_some(inner)
    })
}

/// An edit that adds a line to a container written as a map; `None` when it is plain text.
fn add_container_field(subject: &Subject<'_>, container: &Container, line: &str) -> Option<Edit> {
    let map = subject.dag.value(container.node);
    let (key, _) = map.entries().next()?;
    let start = key.span().start;
    if map.node().flow {
        return Some(Edit::insert(start, format!("{line}, ")));
    }
    let begin = subject.document.lines.line_start(subject.document.lines.line(start), &subject.document.text);
    let indent = subject.document.text[begin as usize..start as usize].chars().count();
    Some(Edit::insert(start, format!("{line}\n{}", " ".repeat(indent))))
}
