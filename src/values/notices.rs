//! References that will stay text, told before a run.
//!
//! Works on a plain [`Outline`] of a document: names, steps and texts. Whoever makes the outline decides which fields
//! are evaluated and how their paths are spelt, and turns byte ranges into spans. Nothing here consults the host, and
//! nothing is run.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::context::ContextField;
use super::reference::Reference;
use super::scan::{Token, TokenKind, scan};
use crate::diagnostic::nearest;

/// What of a document the notices depend on.
#[derive(Debug, Clone, Default)]
pub struct Outline {
    /// Names, in order.
    pub consts: Vec<String>,
    pub params: Vec<ParamOutline>,
    /// Names of root `env` entries, in order.
    pub env: Vec<String>,
    pub steps: Vec<StepOutline>,
    pub fields: Vec<FieldText>,
}

#[derive(Debug, Clone)]
pub struct ParamOutline {
    pub name: String,
    /// True with a default that stands whatever happens, that is without `eval`.
    pub known: bool,
}

#[derive(Debug, Clone, Default)]
pub struct StepOutline {
    pub id: Option<String>,
    pub name: Option<String>,
    /// Names of the outputs it declares. What `output`, `stdout.outputs` and `outputs.write` publish is not among them.
    pub outputs: Vec<String>,
    /// Indexes of all steps it depends on, directly or not, those that the order of a chain implies included.
    pub upstream: HashSet<usize>,
}

/// Where a text stands, which decides what it can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Root,
    /// The const of this index: it sees those before it.
    Const(usize),
    /// The `eval` of the parameter of this index: it sees the parameters before it, but no `env`.
    ParamEval(usize),
    /// The step of this index.
    Step(usize),
    /// In a `foreach` of the step of this index: body, `key` or `collect`.
    ForeachBody(usize),
    Handler {
        has_id: bool,
    },
}

/// One text that is evaluated.
#[derive(Debug, Clone)]
pub struct FieldText {
    /// As documents are spoken of: `steps[1].run`, `env[0]`, `consts.NAME`.
    pub path: String,
    pub owner: Owner,
    pub text: String,
    /// So many root `env` entries are visible; all of them except in root `env` itself.
    pub root_env: usize,
    /// Names of step and container `env` entries that are visible as well, in order.
    pub own_env: Arc<[String]>,
    /// So many of `own_env`; for entries of that `env` itself, those before it.
    pub own_env_seen: usize,
    /// True for entries of an `env`, the only place where bare names are reported.
    pub is_env: bool,
    /// True in a build step, where `${inputs.…}` and `${outputs.…}` exist.
    pub is_build: bool,
}

/// Why a token stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    NamespaceUnavailable,
    UnknownStepId,
    SelfReference,
    UnknownOutputName,
    MissingDependency,
    UnknownContextField,
    UnknownConstName,
    UnknownEnvBinding,
    /// A parameter without a value of its own. Dagu has no word for it.
    NoValue,
}

impl Reason {
    /// Dagu's word.
    pub fn code(self) -> Option<&'static str> {
        Some(match self {
            Self::NamespaceUnavailable => "namespace_unavailable",
            Self::UnknownStepId => "unknown_step_id",
            Self::SelfReference => "self_reference",
            Self::UnknownOutputName => "unknown_output_name",
            Self::MissingDependency => "missing_dependency",
            Self::UnknownContextField => "unknown_context_field",
            Self::UnknownConstName => "unknown_const_name",
            Self::UnknownEnvBinding => "unknown_env_binding",
            Self::NoValue => return None,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// No run can resolve it.
    Defect,
    /// A run may: shown on request only.
    RuntimeOnly,
}

/// A token that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub path: String,
    /// Index of the field in the outline.
    pub field: usize,
    /// Bytes of the token in the text of the field.
    pub range: Range<usize>,
    pub token: String,
    pub reason: Reason,
    pub class: Class,
    pub message: String,
    pub help: Option<String>,
}

/// The notices of a document, in the order of its fields. One per field and token.
pub fn notices(outline: &Outline) -> Vec<Notice> {
    let mut notices = Vec::new();
    for (field, text) in outline.fields.iter().enumerate() {
        let mut seen = HashSet::new();
        for token in scan(&text.text) {
            let Some((reason, class, help)) = outline.judge(text, &token) else { continue };
            let word = token.text(&text.text).to_owned();
            if !seen.insert(word.clone()) {
                continue;
            }
            let code = reason.code().map(|code| format!(", reason={code}")).unwrap_or_default();
            notices.push(Notice {
                message: format!("`{word}` in {} was left unchanged{code}", text.path),
                path: text.path.clone(),
                field,
                range: token.range,
                token: word,
                reason,
                class,
                help,
            });
        }
    }
    notices
}

type Verdict = Option<(Reason, Class, Option<String>)>;

fn defect(reason: Reason, help: Option<String>) -> Verdict {
    Some((reason, Class::Defect, help))
}

fn runtime_only(reason: Reason) -> Verdict {
    Some((reason, Class::RuntimeOnly, None))
}

fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|known| format!("did you mean `{known}`?"))
}

impl Outline {
    fn judge(&self, field: &FieldText, token: &Token) -> Verdict {
        if token.escaped() {
            return None;
        }
        match &token.kind {
            TokenKind::Reference(reference) => self.reference(field, reference),
            TokenKind::Bare { name, .. } if field.is_env && !token.protected => self.variable(field, name),
            _ => None,
        }
    }

    fn reference(&self, field: &FieldText, reference: &Reference) -> Verdict {
        let in_foreach = matches!(field.owner, Owner::ForeachBody(_));
        match reference {
            Reference::Const(name) => self.constant(field, name),
            Reference::Payload => runtime_only(Reason::NamespaceUnavailable),
            Reference::Param(name) => self.param(field, name),
            Reference::Env(name) => self.variable(field, name),
            Reference::StepOutput { .. } | Reference::Foreach(_) if in_foreach => None,
            Reference::StepOutput { step, output } => self.step_output(field, step, output),
            Reference::Foreach(_) => defect(
                Reason::NamespaceUnavailable,
                Some("`foreach` values exist only in the body, `key` and `collect` of a `foreach`".to_owned()),
            ),
            Reference::Context(context) => self.context(field, *context),
            Reference::UnknownContext(text) => {
                let fields = ContextField::ALL.iter().map(|field| field.path());
                defect(Reason::UnknownContextField, did_you_mean(text, fields))
            }
            Reference::Input(_) | Reference::Output(_) => {
                if field.is_build {
                    runtime_only(Reason::NamespaceUnavailable)
                } else {
                    None
                }
            }
            Reference::Short(_) => None,
        }
    }

    fn constant(&self, field: &FieldText, name: &str) -> Verdict {
        let visible = match field.owner {
            Owner::Const(index) => &self.consts[..index.min(self.consts.len())],
            _ => &self.consts[..],
        };
        if visible.iter().any(|known| known == name) {
            return None;
        }
        let help = if self.consts.iter().any(|known| known == name) {
            Some(format!("a const sees only those above it; move `{name}` up"))
        } else {
            did_you_mean(name, visible.iter().map(String::as_str))
        };
        defect(Reason::UnknownConstName, help)
    }

    /// The parameters a field can see.
    fn visible_params(&self, field: &FieldText) -> &[ParamOutline] {
        match field.owner {
            Owner::Const(_) => &[],
            Owner::ParamEval(index) => &self.params[..index.min(self.params.len())],
            _ => &self.params,
        }
    }

    fn param(&self, field: &FieldText, name: &str) -> Verdict {
        let known = self.visible_params(field).iter().any(|param| param.name == name && param.known);
        if known {
            return None;
        }
        let help = match self.params.iter().any(|param| param.name == name) {
            true => None,
            false => did_you_mean(name, self.params.iter().map(|param| param.name.as_str())),
        };
        Some((Reason::NoValue, Class::RuntimeOnly, help))
    }

    fn variable(&self, field: &FieldText, name: &str) -> Verdict {
        let (root, own): (&[String], &[String]) = match field.owner {
            Owner::Const(_) | Owner::ParamEval(_) => (&[], &[]),
            _ => (
                &self.env[..field.root_env.min(self.env.len())],
                &field.own_env[..field.own_env_seen.min(field.own_env.len())],
            ),
        };
        let is_param = self.visible_params(field).iter().any(|param| param.name == name && param.known);
        let is_dag_name = name == "DAG_NAME" && !matches!(field.owner, Owner::Const(_));
        let is_step_name = name == "DAG_RUN_STEP_NAME" && matches!(field.owner, Owner::Step(_) | Owner::ForeachBody(_));
        let bound = is_param || is_dag_name || is_step_name || root.iter().chain(own).any(|known| known == name);
        if bound { None } else { runtime_only(Reason::UnknownEnvBinding) }
    }

    fn context(&self, field: &FieldText, context: ContextField) -> Verdict {
        let known = match (context, field.owner) {
            (_, Owner::Const(_)) => false,
            (ContextField::DagName, _) => true,
            (ContextField::StepName, Owner::Step(_) | Owner::ForeachBody(_) | Owner::Handler { .. }) => true,
            (ContextField::StepId, Owner::Step(step)) => self.steps.get(step).is_some_and(|step| step.id.is_some()),
            (ContextField::StepId, Owner::Handler { has_id }) => has_id,
            _ => false,
        };
        if known { None } else { runtime_only(Reason::NamespaceUnavailable) }
    }

    fn step_output(&self, field: &FieldText, step: &str, output: &str) -> Verdict {
        let Owner::Step(owner) = field.owner else {
            let help = match field.owner {
                Owner::Handler { .. } => {
                    format!("handlers cannot see `${{steps.…}}`; `${{{step}.outputs.{output}}}` works there")
                }
                _ => "outputs of steps exist only in steps".to_owned(),
            };
            return defect(Reason::NamespaceUnavailable, Some(help));
        };
        let has_id = |candidate: &StepOutline| candidate.id.as_deref() == Some(step);
        let Some(producer) = self.steps.iter().position(has_id) else {
            let named = self.steps.iter().find(|candidate| candidate.name.as_deref() == Some(step));
            let help = match named.map(|candidate| candidate.id.as_deref()) {
                Some(Some(id)) => Some(format!("`{step}` is a name; steps are referred to by id, here `{id}`")),
                Some(None) => Some(format!("`{step}` is a name; give the step an `id` to refer to it")),
                None => did_you_mean(step, self.steps.iter().filter_map(|step| step.id.as_deref())),
            };
            return defect(Reason::UnknownStepId, help);
        };
        if producer == owner {
            return defect(Reason::SelfReference, Some("a step cannot see its own outputs".to_owned()));
        }
        let outputs = &self.steps[producer].outputs;
        if !outputs.iter().any(|known| known == output) {
            let help = match outputs.is_empty() {
                true => format!("step `{step}` declares no `outputs`; add `outputs: [{{name: {output}}}]` to it"),
                false => did_you_mean(output, outputs.iter().map(String::as_str))
                    .unwrap_or_else(|| format!("step `{step}` declares {}", quoted(outputs))),
            };
            return defect(Reason::UnknownOutputName, Some(help));
        }
        match self.steps.get(owner).is_some_and(|step| step.upstream.contains(&producer)) {
            true => None,
            false => defect(Reason::MissingDependency, Some(format!("add `{step}` to the step's `depends`"))),
        }
    }
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(id: &str, outputs: &[&str], upstream: &[usize]) -> StepOutline {
        StepOutline {
            id: Some(id.to_owned()),
            name: Some(format!("{id} name")),
            outputs: outputs.iter().map(|&name| name.to_owned()).collect(),
            upstream: upstream.iter().copied().collect(),
        }
    }

    fn field(owner: Owner, text: &str) -> FieldText {
        FieldText {
            path: "field".to_owned(),
            owner,
            text: text.to_owned(),
            root_env: 2,
            own_env: Arc::from(["OWN".to_owned(), "LATER".to_owned()]),
            own_env_seen: 1,
            is_env: false,
            is_build: false,
        }
    }

    fn outline(field: FieldText) -> Outline {
        let param = |name: &str, known| ParamOutline { name: name.to_owned(), known };
        Outline {
            consts: vec!["svc".to_owned(), "two".to_owned()],
            params: vec![param("e", true), param("none", false), param("late", true)],
            env: vec!["A".to_owned(), "B".to_owned(), "C".to_owned()],
            steps: vec![step("b", &["v"], &[]), step("c", &[], &[0]), step("d", &["x", "y"], &[0, 1])],
            fields: vec![field],
        }
    }

    fn reasons(field: FieldText) -> Vec<String> {
        notices(&outline(field))
            .into_iter()
            .map(|notice| {
                let class = if notice.class == Class::Defect { "defect" } else { "runtime" };
                format!("{} {class} {}", notice.token, notice.reason.code().unwrap_or("-"))
            })
            .collect()
    }

    #[test]
    fn outputs_of_steps() {
        use Owner::*;
        for (owner, text, expected) in [
            (Step(1), "${steps.b.outputs.v}", &[][..]),
            (Step(2), "${steps.b.outputs.v}", &[]),
            (Step(2), "${steps.zz.outputs.v}", &["${steps.zz.outputs.v} defect unknown_step_id"]),
            (Step(0), "${steps.b.outputs.nope}", &["${steps.b.outputs.nope} defect self_reference"]),
            (Step(2), "${steps.b.outputs.w}", &["${steps.b.outputs.w} defect unknown_output_name"]),
            (Step(2), "${steps.c.outputs.v}", &["${steps.c.outputs.v} defect unknown_output_name"]),
            (Step(1), "${steps.d.outputs.x}", &["${steps.d.outputs.x} defect missing_dependency"]),
            (Root, "${steps.zz.outputs.v}", &["${steps.zz.outputs.v} defect namespace_unavailable"]),
            (Handler { has_id: false }, "${steps.b.outputs.v}", &["${steps.b.outputs.v} defect namespace_unavailable"]),
            (Const(0), "${steps.b.outputs.v}", &["${steps.b.outputs.v} defect namespace_unavailable"]),
            (ParamEval(0), "${steps.b.outputs.v}", &["${steps.b.outputs.v} defect namespace_unavailable"]),
            (ForeachBody(1), "${steps.zz.outputs.v} ${foreach.item}", &[]),
            (Step(1), "${foreach.item}", &["${foreach.item} defect namespace_unavailable"]),
            (Step(1), "${zz.output} ${b.outputs.v} ${steps.b.v} \\${steps.zz.outputs.v}", &[]),
        ] {
            assert_eq!(reasons(field(owner, text)), expected, "{owner:?}: {text}");
        }
    }

    #[test]
    fn constants_parameters_and_context() {
        use Owner::*;
        for (owner, text, expected) in [
            (Root, "${consts.svc} ${consts.two}", &[][..]),
            (Const(1), "${consts.svc} ${consts.two}", &["${consts.two} defect unknown_const_name"]),
            (Step(0), "${consts.nope}", &["${consts.nope} defect unknown_const_name"]),
            (
                Step(0),
                "${params.e} ${params.none} ${params.zz}",
                &["${params.none} runtime -", "${params.zz} runtime -"],
            ),
            (ParamEval(1), "${params.e} ${params.late}", &["${params.late} runtime -"]),
            (Const(0), "${params.e} ${env.A}", &["${params.e} runtime -", "${env.A} runtime unknown_env_binding"]),
            (Step(0), "${params}", &["${params} runtime namespace_unavailable"]),
            (Step(0), "${dag.name} ${step.id} ${context.step.name}", &[]),
            (Root, "${step.id}", &["${step.id} runtime namespace_unavailable"]),
            (Handler { has_id: false }, "${step.id} ${step.name}", &["${step.id} runtime namespace_unavailable"]),
            (Step(0), "${context.run.status}", &["${context.run.status} runtime namespace_unavailable"]),
            (Step(0), "${context.run.idd}", &["${context.run.idd} defect unknown_context_field"]),
            (Step(0), "${context.run} ${run.foo} ${context}", &["${context.run} defect unknown_context_field"]),
            (Step(0), "${inputs.src}", &[]),
        ] {
            assert_eq!(reasons(field(owner, text)), expected, "{owner:?}: {text}");
        }
        let build = FieldText { is_build: true, ..field(Owner::Step(0), "${inputs.src}") };
        assert_eq!(reasons(build), ["${inputs.src} runtime namespace_unavailable"]);
    }

    #[test]
    fn variables() {
        use Owner::*;
        let text = "${env.A} ${env.C} ${env.OWN} ${env.LATER} ${env.e} ${env.DAG_NAME} $NOPE ${NOPE}";
        let expected = ["${env.C} runtime unknown_env_binding", "${env.LATER} runtime unknown_env_binding"];
        assert_eq!(reasons(field(Step(0), text)), expected);
        let env = |text| FieldText { is_env: true, ..field(Step(0), text) };
        let names = "$A ${C} $C $LATER '$NOPE' \\$NOPE ${NOPE:-d} $OWN $1 $C";
        let expected = [
            "${C} runtime unknown_env_binding",
            "$C runtime unknown_env_binding",
            "$LATER runtime unknown_env_binding",
        ];
        assert_eq!(reasons(env(names)), expected);
    }

    #[test]
    fn one_notice_per_token_with_place_and_remedy() {
        let text = "é ${steps.a.outputs.v} ${steps.a.outputs.v}";
        let found = notices(&outline(FieldText { path: "steps[1].run".to_owned(), ..field(Owner::Step(1), text) }));
        assert_eq!(found.len(), 1);
        let notice = &found[0];
        assert_eq!(&text[notice.range.clone()], "${steps.a.outputs.v}");
        assert_eq!(notice.message, "`${steps.a.outputs.v}` in steps[1].run was left unchanged, reason=unknown_step_id");
        let help = |owner, text| notices(&outline(field(owner, text))).remove(0).help.unwrap_or_default();
        assert_eq!(help(Owner::Step(1), "${steps.d.outputs.x}"), "add `d` to the step's `depends`");
        assert_eq!(help(Owner::Step(2), "${consts.svcs}"), "did you mean `svc`?");
        assert_eq!(help(Owner::Const(0), "${consts.two}"), "a const sees only those above it; move `two` up");
        assert_eq!(help(Owner::Step(2), "${context.run.idd}"), "did you mean `context.run.id`?");
        assert!(help(Owner::Step(2), "${steps.c.outputs.v}").contains("declares no `outputs`"));
    }

    #[test]
    fn a_name_is_not_an_id() {
        let mut outline = outline(field(Owner::Step(2), "${steps.first.outputs.v}"));
        outline.steps[0].name = Some("first".to_owned());
        let help = notices(&outline).remove(0).help;
        assert_eq!(help.as_deref(), Some("`first` is a name; steps are referred to by id, here `b`"));
    }
}
