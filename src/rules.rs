//! The rules: everything that is said about a document beyond its syntax and shape.
//!
//! A rule is a unit struct in a file of its own under `rules/`, made by `declare_rule!` from its code, its
//! severity and its doc comment. The comment is the page that `saddler explain` prints. To add a rule: its file, its
//! line in [`RULES`], a folder in `tests/corpus/rules`.

use crate::dag::{Dag, Graph};
use crate::diagnostic::{Diagnostic, Gate, Severity};
use crate::document::Document;
use crate::text::Span;

pub use harness::HarnessFindings;

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
mod secret_in_prompt;
mod undefined_dependency;
mod unordered_workspace;

/// Every rule, in alphabetical order of its code.
pub static RULES: &[&dyn Rule] = &[
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
    &secret_in_prompt::SecretInPrompt,
    &undefined_dependency::UndefinedDependency,
    &unordered_workspace::UnorderedWorkspace,
];

/// Everything there is to say about a document: syntax, shape, rules. Sorted by place, without doubles.
pub fn check(document: &Document) -> Vec<Diagnostic> {
    let mut found = document.syntax.clone();
    for dag in &document.dags {
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
