use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::super::context::ContextField;
use super::super::params::ParamValues;
use super::super::scope::{LayerKind, RunScope, StepFacts};
use super::Policy::*;
use super::*;

/// Consts `svc=api`; param `e=prod`; env `A=x`, `E=`, `Q=say "hi"`, `U`, `P`, `H`; `HOME` inherited; `HOSTONLY` and
/// `HOME` in the process; step `b` with declared output `v` and captured `OUT`.
fn scope() -> RunScope {
    let process = [("HOSTONLY", "h"), ("HOME", "/h")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut scope = RunScope::new(process.into());
    scope.set(LayerKind::Inherited, "HOME", "/h");
    scope.set(LayerKind::Params, "e", "prod");
    scope.set(LayerKind::Env, "A", "x");
    scope.set(LayerKind::Env, "E", "");
    scope.set(LayerKind::Env, "Q", "say \"hi\"");
    scope.set(LayerKind::Env, "DATA", "$A ${env.A} $(x)");
    scope.set(LayerKind::Outputs, "OUT", "o");
    scope.set_consts(BTreeMap::from([("svc".to_owned(), "api".to_owned())]));
    scope.set_params(ParamValues {
        entries: vec![("e".to_owned(), "prod".to_owned()), ("empty".to_owned(), String::new())],
        payload: Some(r#"{"e":"prod"}"#.to_owned()),
    });
    scope.context_mut().set(ContextField::RunId, "r1").set(ContextField::DagName, "dag");
    scope.add_step(
        "b",
        Arc::new(StepFacts {
            stdout_file: Some("/log/b.out".to_owned()),
            exit_code: Some(0),
            output: Some("o".to_owned()),
            declared: Some(BTreeMap::from([("v".to_owned(), "1.2".to_owned())])),
            ..StepFacts::default()
        }),
    );
    scope
}

#[track_caller]
fn check(policy: Policy, cases: &[(&str, &str)]) {
    let scope = scope();
    for (text, result) in cases {
        assert_eq!(resolve(text, policy, &scope), *result, "{text} under {policy:?}");
    }
}

#[test]
fn references_in_a_command() {
    check(
        Shell,
        &[
            ("echo ${consts.svc}-${params.e}", "echo api-prod"),
            ("echo '${params.e}' \"$A\"", "echo 'prod' \"$A\""),
            ("echo ${params.nope}", "echo ${params.nope}"),
            ("echo ${X:-${params.e}}", "echo ${X:-${params.e}}"),
            ("echo ${steps.b.outputs.v}", "echo 1.2"),
            ("echo ${steps.b.outputs.w} ${steps.zz.outputs.v}", "echo ${steps.b.outputs.w} ${steps.zz.outputs.v}"),
            ("cat ${b.stdout}; echo ${b.exit_code} ${b.output}", "cat /log/b.out; echo 0 o"),
            ("echo \"$OUT\" ${env.OUT}", "echo \"$OUT\" o"),
            ("${A:-w} ${#A} \"${Q}\" \\$A \\\\$A `$A`", "${A:-w} ${#A} \"${Q}\" \\$A \\\\$A `$A`"),
            ("echo \\${params.e}", "echo ${params.e}"),
            ("a\n${params.e}\n", "a\nprod\n"),
        ],
    );
}

#[test]
fn what_counts_as_a_reference() {
    check(
        Scope,
        &[
            ("${consts.svc}-${params.e} {${params.e}} $${params.e} [${params.empty}]", "api-prod {prod} $prod []"),
            ("${ params.e }", "prod"),
            ("${params}", "{\"e\":\"prod\"}"),
            (
                "$params.e $consts.svc $env.A ${PARAMS.e} ${foo.bar} ${} ${ } $ {params.e}",
                "$params.e $consts.svc $env.A ${PARAMS.e} ${foo.bar} ${} ${ } $ {params.e}",
            ),
            ("${X:-${params.e}} ${A:-${params.e}}", "${X:-${params.e}} ${A:-${params.e}}"),
            (
                "${run.foo} ${context.run} ${context.run.foo} ${run.id} ${context.run.id}",
                "${run.foo} ${context.run} ${context.run.foo} r1 r1",
            ),
            ("${params.e.x} ${steps.a.b} ${env} ${consts}", "${params.e.x} ${steps.a.b} ${env} ${consts}"),
            ("$A ${A} ${env.A}", "x x x"),
            ("$HOME ${env.HOME} ${HOSTONLY} ${env.HOSTONLY}", "$HOME /h ${HOSTONLY} ${env.HOSTONLY}"),
            ("$e $A_x $A-x $A.x", "prod $A_x x-x x.x"),
        ],
    );
}

#[test]
fn escapes() {
    check(
        Scope,
        &[
            (r"${params.e}", "prod"),
            (r"\${params.e}", "${params.e}"),
            (r"\\${params.e}", r"\\prod"),
            (r"\\\${params.e}", r"\\${params.e}"),
            (r"\\\\${params.e}", r"\\\\prod"),
            (r"\${params.nope}", "${params.nope}"),
            (r"\$A \${A} \\$A \\\$A", r"$A ${A} \\x \\$A"),
            (r"\${b.output} \${foo.bar} \$(x) \ $", r"${b.output} \${foo.bar} \$(x) \ $"),
            (r"'\$A'", r"'\$A'"),
        ],
    );
    check(Path, &[(r"out/${params.e}/\$A.log", r"out/prod/\x.log"), (r"\${params.e}\${A:+y}", r"${params.e}\y")]);
    check(ContainerShell, &[(r"\$A $A \${params.e}", r"\$A x ${params.e}")]);
}

#[test]
fn quotes() {
    check(
        Scope,
        &[
            ("'${A}' '${env.A}'", "'${A}' 'x'"),
            ("'$A' \"x '${A}'\"", "'$A' \"x '${A}'\""),
            ("it's $A and it's $A", "it's $A and it's x"),
            ("don't $A", "don't x"),
            ("'${A:-y}' ${A:-y}", "'${A:-y}' x"),
        ],
    );
}

#[test]
fn a_name_that_fills_double_quotes_is_written_with_escapes() {
    check(
        Scope,
        &[
            (r#""${Q}" "$Q" "${env.Q}" "x ${Q}""#, r#""say \"hi\"" "say "hi"" "say "hi"" "x say "hi"""#),
            (r#""${A}" "${A}"${A}""#, r#""x" "x"x""#),
            (r#""${NO}" "${Q:-z}""#, r#""${NO}" "say "hi"""#),
        ],
    );
    check(Host, &[(r#""${Q}""#, r#""say \"hi\"""#)]);
}

#[test]
fn operators() {
    check(
        Scope,
        &[
            ("${E:-d} ${E-d} [${A:+y}] ${NO:-d} ${NO:?m} ${#NO}", "d  [y] ${NO:-d} ${NO:?m} ${#NO}"),
            ("${E:=d} ${A:-z} $A ${env.A}", "${E:=d} ${A:-z} x x"),
            ("${E:?msg} ${A:-z} $A", "${E:?msg} ${A:-z} x"),
            ("${E:-$(echo hi)} ${A:-z} $A", "${E:-$(echo hi)} ${A:-z} x"),
            ("${A:-$(echo hi)} '${E:=d}' \\${E:=d} ${A:-z}", "x '${E:=d}' ${E:=d} x"),
            ("${E:-$A} ${E:-$NO} ${E:-\"q\"}", "x $NO q"),
            ("${A^^} ${!A} ${A@Q} ${A[0]} ${A/x/L}", "${A^^} ${!A} ${A@Q} ${A[0]} L"),
        ],
    );
    check(Plain, &[("${E:-d} $A ${A} ${env.A}", "${E:-d} x x x")]);
    check(Host, &[("${HOSTONLY:-d} ${NO:-d}", "h ${NO:-d}")]);
}

#[test]
fn who_sees_the_host() {
    let text = "$HOSTONLY ${HOSTONLY} ${env.HOSTONLY} $HOME ${env.HOME}";
    check(Scope, &[(text, "$HOSTONLY ${HOSTONLY} ${env.HOSTONLY} $HOME /h")]);
    check(Host, &[(text, "h h ${env.HOSTONLY} /h /h")]);
    check(Process, &[(text, "h h h /h /h")]);
    check(WorkingDir, &[(text, "$HOSTONLY ${HOSTONLY} ${env.HOSTONLY} /h /h")]);
    check(Kept, &[("$A ${A} ${A:-x} ${consts.svc}", "$A ${A} ${A:-x} api")]);
}

#[test]
fn inserted_text_is_data() {
    check(Scope, &[("${env.DATA} $DATA ${E:-$DATA}", "$A ${env.A} $(x) $A ${env.A} $(x) $A ${env.A} $(x)")]);
}

#[test]
fn positional_digits() {
    let mut scope = scope();
    let entries = ["in.csv", "a b"].iter().enumerate().map(|(i, v)| ((i + 1).to_string(), (*v).to_owned()));
    scope.set_params(ParamValues { entries: entries.collect(), payload: None });
    for (policy, text, result) in [
        (Shell, "cp $1 \"${2}\" $3 '$1' \\$1 $1a $10 ${1:-x}", "cp in.csv \"a b\" $3 '$1' \\$1 $1a $10 ${1:-x}"),
        (Scope, "$1 '$2' \\$1 \\\\$1", "in.csv '$2' $1 \\\\in.csv"),
        (Kept, "$1", "$1"),
    ] {
        assert_eq!(resolve(text, policy, &scope), result, "{text} under {policy:?}");
    }
}

#[test]
fn what_stayed_is_told() {
    let text = r"$NO ${A} ${env.NO} ${params.no} \$NO '$NO' ${NO:-d} ${b.none}";
    let resolved = resolve_noting(text, Process, &scope());
    let missing: Vec<_> =
        resolved.missing.iter().map(|missing| (&text[missing.range.clone()], missing.variable.as_deref())).collect();
    assert_eq!(
        missing,
        [("$NO", Some("NO")), ("${env.NO}", Some("NO")), ("${params.no}", None), ("${NO:-d}", Some("NO"))]
    );
}

#[test]
fn strings_of_a_value_are_resolved_and_keys_are_not() {
    let value = json!({"k": "${params.e}", "${params.e}": 1, "l": ["$A", {"d": "${env.A}"}], "b": true});
    let resolved = json!({"k": "prod", "${params.e}": 1, "l": ["x", {"d": "x"}], "b": true});
    assert_eq!(resolve_json(&value, Scope, &scope()), resolved);
}

proptest::proptest! {
    /// Any text gives some text, tokens lie on character boundaries, and a text without names changes only by the
    /// backslashes of escapes.
    #[test]
    fn any_text_will_do(text in r#"([$\\{}'"`():#%/.*\[\]A1e ä\n-]|\$\{|\$A|params\.e){0,24}"#) {
        let scope = scope();
        for policy in [Scope, Host, Process, WorkingDir, Shell, Path, Plain, ContainerShell, Kept] {
            resolve(&text, policy, &scope);
        }
        for token in scan(&text) {
            proptest::prop_assert!(token.text(&text).starts_with('$'));
        }
        let kept = resolve(&text, Shell, &RunScope::default());
        proptest::prop_assert_eq!(kept.replace('\\', ""), text.replace('\\', ""));
        let _ = crate::values::dynamic::evaluate(&text, &scope, &mut |_| Ok(String::new()));
        let _ = crate::values::dotenv::parse(&text);
        crate::values::params::split::words(&text);
    }
}
