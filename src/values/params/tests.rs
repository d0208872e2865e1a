use serde_json::{Value, json};

use super::*;
use crate::values::problem::{At, Segment};

fn no_file(place: &str) -> Result<String, String> {
    Err(format!("no such file {place}"))
}

fn declared(value: Value) -> Declared {
    let (declared, problems) = declare(&value, &mut no_file);
    assert_eq!(problems, [], "{value}");
    declared
}

fn values(params: Value, args: &[&str]) -> Result<ParamValues, String> {
    choose(&declared(params), &Passed::from_args(args), &mut |text, _| Ok(text.to_owned())).map_err(|e| e.to_string())
}

fn payload(params: Value, args: &[&str]) -> String {
    values(params, args).expect("values").payload.unwrap_or_else(|| "none".to_owned())
}

#[track_caller]
fn refused(params: Value, args: &[&str], word: &str) {
    let error = values(params, args).expect_err("an error");
    assert!(error.contains(word), "{error} should say {word}");
}

/// Code, whether the key is meant, and the path, of each problem.
fn problems(value: Value) -> Vec<String> {
    let read = &mut |place: &str| match place {
        "./port.json" => {
            Ok(r#"{"type": "object", "properties": {"port": {"type": "integer", "minimum": 1}}}"#.to_owned())
        }
        "./bad.json" => Ok("a: b".to_owned()),
        other => no_file(other),
    };
    let (_, problems) = declare(&value, read);
    let show = |problem: &crate::values::Problem| {
        let path = crate::syntax::Path(problem.path.clone()).to_string();
        let key = if problem.at == At::Key { " key" } else { "" };
        format!("{}{key} {path}", problem.code)
    };
    problems.iter().map(show).collect()
}

#[test]
fn one_text_of_words() {
    let text = "a \"b c\" X=1 Y=\"two words\" Z='q r' W=`date` k=v=w KE=";
    assert_eq!(
        payload(json!(text), &[]),
        r#"{"1":"a","2":"b c","6":"r'","9":"KE=","W":"`date`","X":"1","Y":"two words","Z":"'q","k":"v=w"}"#
    );
}

#[test]
fn maps_and_lists() {
    let map = json!({"B": "two words", "A": 1, "C": true, "F": 1.0, "H": 12345678, "N": null, "L": [1, 2]});
    assert_eq!(
        payload(map, &[]),
        r#"{"A":"1","B":"two words","C":"true","F":"1","H":"12345678","L":"[1 2]","N":"<nil>"}"#
    );
    assert_eq!(
        payload(json!(["MSG=hello world", {"A": 1, "B": 2}]), &[]),
        r#"{"2":"world","A":"1","B":"2","MSG":"hello"}"#
    );
    assert_eq!(payload(json!([]), &[]), "none");
    assert_eq!(payload(json!(r#"{"A": 1, "B": [2]}"#), &[]), r#"{"A":"1","B":"[2]"}"#);
}

#[test]
fn the_names_of_a_map_are_sorted() {
    let map = declared(json!({"b": 1, "a": 2}));
    assert_eq!(map.names(), ["a", "b"]);
    let list = declared(json!([{"b": 1, "a": 2}, {"name": "0", "type": "string"}]));
    assert_eq!(list.names(), ["b", "a", "0"]);
}

#[test]
fn forms_that_are_refused() {
    for (value, expected) in [
        (json!(true), &["param-form-invalid "][..]),
        (json!([5]), &["param-form-invalid [0]"]),
        (json!([{"region": {"type": "string"}}]), &["param-form-invalid key [0].region"]),
        (json!([{"name": "foo"}]), &["param-definition-invalid key [0].name"]),
        (json!([{"name": true, "type": "string"}]), &["param-definition-invalid [0].name"]),
        (json!([{"name": "a", "default": {"k": 1}}]), &["param-default-invalid [0].default"]),
        (json!({"type": "object", "properties": {}, "required": true}), &["param-schema-violation "]),
        (json!({"schema": {}, "values": -3}), &["param-form-invalid values"]),
        (json!([{"_A": 1}]), &["param-name-invalid key [0]._A"]),
        (json!({"a-b": 1}), &["param-name-invalid key a-b"]),
        (json!([{"A": 1}, {"A": 2}]), &["param-duplicate key [1].A"]),
        (json!("A=1 A=2"), &["param-duplicate "]),
        (json!([{"name": "a", "minLength": 1}]), &["param-definition-invalid key [0].minLength"]),
        (
            json!([{"name": "a", "type": "integer", "minimum": 5, "maximum": 3}]),
            &["param-constraint-invalid [0].maximum"],
        ),
        (json!([{"name": "a", "type": "String"}]), &["param-constraint-invalid [0].type"]),
        (json!([{"name": "a", "type": "integer", "min_length": 1}]), &["param-constraint-invalid key [0].min_length"]),
        (json!([{"name": "a", "minimum": 1}]), &["param-constraint-invalid key [0].minimum"]),
        (json!([{"name": "a", "min_length": -1}]), &["param-constraint-invalid [0].min_length"]),
        (json!([{"name": "a", "pattern": "["}]), &["param-pattern-invalid [0].pattern"]),
        (json!([{"name": "a", "eval": " "}]), &["param-definition-invalid [0].eval"]),
        (json!([{"name": "a", "required": "yes"}]), &["param-definition-invalid [0].required"]),
        (json!([{"name": "a", "enum": "x"}]), &["param-constraint-invalid [0].enum"]),
        (json!([{"name": "a", "type": "integer", "enum": ["x"]}]), &["param-constraint-invalid [0].enum[0]"]),
        (json!([{"name": "a", "type": "integer", "default": null}]), &["param-default-invalid key [0].default"]),
        (
            json!([{"name": "a", "type": "integer", "default": "9223372036854775808"}]),
            &["param-default-invalid [0].default"],
        ),
        (json!([{"name": "a", "type": "boolean", "default": "yes"}]), &["param-default-invalid [0].default"]),
        (json!([{"name": "a", "enum": ["x"], "default": "z"}]), &["param-default-invalid [0].default"]),
        (json!([{"name": "a", "pattern": "^[a-z]+$", "default": "A1"}]), &["param-default-invalid [0].default"]),
        (
            json!([{"name": "a", "type": "number", "maximum": 2.5, "default": 3}]),
            &["param-default-invalid [0].default"],
        ),
        (json!([{"name": "a", "max_length": 2, "default": "äbc"}]), &["param-default-invalid [0].default"]),
        (json!({"type": "object", "properties": 1}), &["param-form-invalid properties"]),
        (
            json!({"type": "object", "properties": {"n": {"type": "integer", "default": "x"}}}),
            &["param-schema-violation properties.n.default"],
        ),
        (json!({"type": "object", "properties": {"a-b": {}}}), &["param-name-invalid key properties.a-b"]),
        (json!({"schema": "strict", "values": {"a": 1}}), &["param-schema-unreadable schema"]),
        (json!({"schema": "ftp://h.example/p.json"}), &["param-schema-unreadable schema"]),
        (json!({"schema": "./bad.json"}), &["param-schema-violation schema"]),
        (json!({"schema": "./port.json", "values": {"port": 0}}), &["param-schema-violation values.port"]),
        (
            json!({"schema": {"properties": {"q": {"type": "integer"}}}, "values": {"q": "x"}}),
            &["param-schema-violation values.q"],
        ),
    ] {
        assert_eq!(problems(value.clone()), expected, "{value}");
    }
}

#[test]
fn forms_that_are_accepted() {
    for value in [
        json!(null),
        json!(""),
        json!(["", "=x"]),
        json!({"": "x"}),
        json!({"name": "foo"}),
        json!({"type": "object"}),
        json!([{"type": "string", "default": "x"}]),
        json!([{"A": [1]}]),
        json!(["a=1", {"name": "b", "type": "string"}]),
        json!([{"name": "a", "type": "", "max_length": 2.0}]),
        json!({"schema": {"type": "object"}, "values": ["abc"]}),
        json!({"type": "object", "properties": {}, "required": null}),
        json!([{"name": "a", "default": [1]}]),
        json!([{"name": "a", "enum": [5, true, null]}]),
        json!([{"name": "a", "type": "integer", "enum": ["5", 6], "default": " 5"}]),
        json!([{"name": "a", "type": "boolean", "default": "true"}]),
        json!({"schema": "./port.json", "values": {"port": "80"}}),
        json!({"schema": {"type": "object"}, "values": {}, "extra": 1}),
        json!({"schema": "strict"}),
        json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}),
    ] {
        assert_eq!(problems(value.clone()), [""; 0], "{value}");
    }
}

#[test]
fn a_misspelt_field_gets_a_hint() {
    let (_, problems) = declare(&json!([{"name": "a", "maxLength": 3}]), &mut no_file);
    assert_eq!(problems[0].help.as_deref(), Some("did you mean `max_length`?"));
    assert_eq!(problems[0].path, [Segment::Index(0), Segment::from("maxLength")]);
}

#[test]
fn passed_values_replace_defaults_by_name_and_position() {
    assert_eq!(payload(json!("in.csv out.csv"), &["a.csv"]), r#"{"1":"a.csv","2":"out.csv"}"#);
    assert_eq!(payload(json!([{"A": ""}]), &["pos"]), r#"{"1":"pos","A":""}"#);
    assert_eq!(payload(json!([{"A": "x"}]), &["A="]), r#"{"A":""}"#);
    assert_eq!(payload(json!(null), &["x=1", "pos"]), r#"{"2":"pos","x":"1"}"#);
    assert_eq!(payload(json!([{"A": 1}]), &["A=x y", "WEBHOOK_PAYLOAD={}"]), r#"{"A":"x y","WEBHOOK_PAYLOAD":"{}"}"#);
    let rich = json!([{"name": "n", "type": "integer", "default": 3}, {"name": "s", "default": "x"}]);
    let chosen = values(rich.clone(), &["7", "yy"]).expect("values");
    assert_eq!((chosen.get("n"), chosen.get("s"), chosen.positional(1)), (Some("7"), Some("yy"), None));
    refused(rich, &["7", "yy", "zz"], "too many positional params: expected at most 2, got 3");
    refused(json!([{"a": 1}, {"b": 2}]), &["x=1"], "unknown parameter(s): \"x\"; accepted parameters are: a, b");
    refused(json!(null), &["a-b=1"], "`a-b` is no name");
}

#[test]
fn the_number_of_a_position_counts_all_values() {
    let chosen = values(json!("A=1 foo"), &[]).expect("values");
    assert_eq!(chosen.positional(2), Some("foo"));
    assert_eq!(chosen.positional(1), None);
}

#[test]
fn json_payloads() {
    let params = json!([{"name": "A", "default": "x"}, {"name": "B", "default": "2"}]);
    let chosen = values(params, &[r#"{"A": "1"}"#]).expect("values");
    assert_eq!((chosen.get("A"), chosen.get("B")), (Some("1"), Some("2")));
    assert_eq!(chosen.payload.as_deref(), Some(r#"{"A": "1"}"#));
    let chosen = values(json!(null), &[r#"["in.csv",{"A":"1"},5]"#]).expect("values");
    assert_eq!((chosen.positional(1), chosen.get("A"), chosen.positional(3)), (Some("in.csv"), Some("1"), Some("5")));
    let typed = json!([{"name": "n", "type": "integer"}, {"name": "s", "type": "string"}]);
    let chosen = values(typed, &[r#"{"n": 1000000, "s": 1000000}"#]).expect("values");
    assert_eq!((chosen.get("n"), chosen.get("s")), (Some("1000000"), Some("1e+06")));
}

#[test]
fn values_that_definitions_refuse() {
    let integer = json!([{"name": "n", "type": "integer", "default": 3, "maximum": 9}]);
    refused(integer.clone(), &["n=x"], "n: cannot coerce `x` to integer");
    refused(integer.clone(), &["n=10"], "parameter validation failed");
    assert_eq!(payload(integer, &["n= 4 "]), r#"{"n":"4"}"#);
    refused(json!([{"name": "n", "required": true, "type": "string"}]), &[], "parameter validation failed");
    assert_eq!(payload(json!([{"name": "f", "type": "number"}]), &["f=1.250"]), r#"{"f":"1.25"}"#);
    assert_eq!(payload(json!([{"name": "f", "type": "boolean"}]), &["f=TRUE"]), r#"{"f":"true"}"#);
    assert_eq!(payload(json!([{"name": "c", "type": "string"}]), &[]), "none");
}

#[test]
fn a_schema_gives_defaults_and_types() {
    let schema = json!({
        "type": "object",
        "properties": {"n": {"type": "integer", "default": 3}, "s": {"type": "string", "default": "dd"}},
        "required": ["n"],
    });
    assert_eq!(payload(schema.clone(), &["n=5", "extra=1"]), r#"{"extra":"1","n":"5","s":"dd"}"#);
    refused(schema.clone(), &["n=x"], "parameter validation failed");
    refused(schema, &["pos"], "positional");
    let closed = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false});
    refused(closed.clone(), &[], "parameter validation failed");
    refused(closed.clone(), &["n=1", "x=1"], "parameter validation failed");
    assert_eq!(payload(closed, &[r#"{"n": 5}"#]), r#"{"n": 5}"#);
}

#[test]
fn eval_sees_what_was_chosen_before_and_falls_back_to_the_default() {
    let params = json!([
        {"name": "a", "default": "av"},
        {"name": "b", "eval": "b", "type": "integer"},
        {"name": "c", "eval": "fail", "default": "${params.a}"},
        {"name": "d", "eval": "d"},
    ]);
    let mut seen = Vec::new();
    let mut eval = |text: &str, values: &ParamValues| {
        seen.push(format!("{text}: {:?}", values.entries.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>()));
        match text {
            "fail" => Err("exit status 3".to_owned()),
            "b" => Ok("7 ".to_owned()),
            other => Ok(other.to_owned()),
        }
    };
    let chosen = choose(&declared(params.clone()), &Passed::from_args(&["d=9"]), &mut eval).expect("values");
    assert_eq!(chosen.payload.as_deref(), Some(r#"{"a":"av","b":"7","c":"${params.a}","d":"9"}"#));
    assert_eq!(seen, [r#"b: ["a=av"]"#, r#"fail: ["a=av", "b=7"]"#]);

    let mut fail = |_: &str, _: &ParamValues| Err("exit status 3".to_owned());
    let error =
        choose(&declared(json!([{"name": "b", "eval": "x"}])), &Passed::default(), &mut fail).expect_err("fails");
    assert_eq!(error.to_string(), "params: `b`: eval failed: exit status 3");
    let typed = json!([{"name": "b", "type": "integer", "eval": "x", "default": 3}]);
    let error = choose(&declared(typed), &Passed::default(), &mut |text, _| Ok(text.to_owned())).expect_err("fails");
    assert!(error.to_string().contains("cannot coerce"), "{error}");
}

#[test]
fn what_a_child_is_passed() {
    let text = Passed::from_text("x=1 y=\"two w\" pos");
    let names: Vec<_> = text.values.iter().map(|value| (value.name.as_deref(), value.text.as_str())).collect();
    assert_eq!(names, [(Some("x"), "1"), (Some("y"), "two w"), (None, "pos")]);
    let map = Passed::from_map(json!({"x": 3, "y": "4 5"}).as_object().expect("a map"));
    assert_eq!(map.values[1].text, "4 5");
    assert_eq!(map.raw, None);
}

#[test]
fn eval_as_a_run_does_it() {
    use crate::values::{LayerKind, RunScope, dynamic};

    let params = json!([
        {"name": "a", "default": "${consts.svc}"},
        {"name": "b", "eval": "$(printf 7)", "type": "integer"},
        {"name": "c", "eval": "${params.a}-$b-${params.d}-${consts.svc}"},
        {"name": "d", "default": "dv"},
        {"name": "e", "eval": "$HOSTONLY ${env.HOSTONLY} ${b:-z}"},
        {"name": "f", "eval": "$(exit 3)", "default": "${params.d}"},
    ]);
    let mut base = RunScope::new([("HOSTONLY".to_owned(), "h".to_owned())].into());
    base.set_consts([("svc".to_owned(), "api".to_owned())].into());
    let mut eval = |text: &str, values: &ParamValues| {
        let mut scope = base.clone();
        scope.extend(LayerKind::Params, values.env());
        scope.set_params(values.clone());
        let mut run = |body: &str| match body {
            "printf 7" => Ok("7\n".to_owned()),
            _ => Err("exit status 3".to_owned()),
        };
        dynamic::evaluate(text, &scope, &mut run).map_err(|error| error.to_string())
    };
    let chosen = choose(&declared(params), &Passed::default(), &mut eval).expect("values");
    for (name, value) in [
        ("a", "${consts.svc}"),
        ("b", "7"),
        ("c", "${consts.svc}-7-${params.d}-api"),
        ("e", "h h 7"),
        ("f", "${params.d}"),
    ] {
        assert_eq!(chosen.get(name), Some(value), "{name}");
    }
}
