//! The published schema is what the table of fields says, and the checks built on it tell our own samples apart.

use std::path::PathBuf;

use saddler::diagnostic::{Gate, Severity};
use saddler::document::Document;
use saddler::schema::fields::Fields;
use saddler::schema::generate::generate;
use saddler::schema::{Change, DocumentContext, Fault, check_document, validators};
use saddler::syntax::Path;
use serde_json::Value;

fn schema_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema/dag.schema.json")
}

/// `UPDATE_SCHEMA=1 cargo test --test schema` writes the file anew after a change of the table.
#[test]
fn the_published_schema_is_generated_from_the_table() {
    let mut text = serde_json::to_string_pretty(&generate(Fields::get())).expect("a schema is plain data");
    text.push('\n');
    let file = schema_file();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&file, text).expect("schema/dag.schema.json can be written");
        return;
    }
    let kept = std::fs::read_to_string(&file).expect("schema/dag.schema.json is there");
    assert!(kept == text, "schema/dag.schema.json is not what schema/fields.json says; run with UPDATE_SCHEMA=1");
}

fn json(yaml: &str) -> Value {
    let document = Document::parse(yaml, None, 0);
    assert!(document.syntax.is_empty(), "{yaml}: {:?}", document.syntax);
    document.entry().root_value().to_json()
}

fn faults(yaml: &str) -> Vec<Fault> {
    check_document(&json(yaml), &DocumentContext::default())
}

/// Errors as `place: code`, in the order of the walk.
fn errors(yaml: &str) -> Vec<String> {
    let errors = faults(yaml).into_iter().filter(|fault| fault.severity == Severity::Error);
    errors.map(|fault| format!("{}: {}", Path(fault.path), fault.code)).collect()
}

/// A step, or the fields of the root when a line starts without space, as a whole workflow.
fn step(fields: &str) -> String {
    format!("steps:\n  - {}\n", fields.trim().replace('\n', "\n    "))
}

#[track_caller]
fn accepts(yaml: &str) {
    assert_eq!(errors(yaml), [] as [&str; 0], "{yaml}");
}

#[track_caller]
fn refuses(yaml: &str, expected: &[&str]) {
    assert_eq!(errors(yaml), expected, "{yaml}");
}

const WHOLE: &str = r#"
description: Builds and reviews
schedule: ["0 3 * * 1-5", {at: "2031-01-02T03:04:00Z"}]
labels: team=core stage=ci
env:
  - CI: "1"
  - HOME_DIR=/tmp
params:
  - name: level
    type: integer
    default: 3
    minimum: 1
secrets:
  - {name: TOKEN, provider: env, key: TOKEN}
container:
  image: alpine:3.20
  volumes: ["./:/work"]
  healthcheck: {test: [CMD, "true"], interval: 10s}
harnesses:
  reviewer: {binary: review, prompt_mode: flag, prompt_flag: -p}
harness: {provider: claude, model: opus}
retry_policy: {limit: 2, interval_sec: 10, backoff: 2.0}
handler_on:
  failure: {run: notify}
steps:
  - id: build
    run: make
    retry_policy: {limit: 1, interval_sec: 1}
    outputs: [{name: version}]
  - - id: fix
      action: harness.run
      with: {prompt: "Mend it", fallback: [{provider: codex}]}
    - id: note
      action: log.write
      with: {message: "${params.level}"}
  - foreach:
      items: [a, b]
      steps:
        - run: echo
"#;

#[test]
fn a_whole_workflow_passes_here_and_in_an_editor() {
    accepts(WHOLE);
    let published = jsonschema::validator_for(validators::schema()).expect("the published schema is a schema");
    let document = json(WHOLE);
    let objections: Vec<String> = published.iter_errors(&document).map(|error| error.to_string()).collect();
    assert_eq!(objections, [] as [&str; 0]);
}

#[test]
fn an_editor_that_reads_the_published_schema_finds_slips() {
    let published = jsonschema::validator_for(validators::schema()).expect("the published schema is a schema");
    for wrong in [
        "steps: []\n",
        "stepz: [{run: a}]\nsteps: [{run: a}]\n",
        "steps: [{run: a, depend: b}]\n",
        "steps: [{action: http.request, with: {method: GET}}]\n",
        "steps: [{action: wait.file, with: {path: a, state: gone}}]\n",
        "steps: [{run: a, with: {message: b}}]\n",
        "container: {image: a, mounts: []}\nsteps: [{run: a}]\n",
        "handler_on: {failure: {run: a, depend: b}}\nsteps: [{run: a}]\n",
    ] {
        assert!(!published.is_valid(&json(wrong)), "{wrong}");
    }
}

#[test]
fn unknown_fields_are_named_with_their_successor() {
    for (yaml, place, successor) in [
        ("maxActiveRuns: 2\nsteps: [{run: a}]\n", "maxActiveRuns", Some("max_active_runs")),
        ("steps: [{run: a, precondition: b}]\n", "steps[0].precondition", Some("preconditions")),
        ("steps: [{run: a, dir: b}]\n", "steps[0].dir", Some("working_dir")),
        ("steps: [{run: a, depend: b}]\n", "steps[0].depend", Some("depends")),
        ("steps: [{run: a, retryPolicy: {limit: 1}}]\n", "steps[0].retryPolicy", Some("retry_policy")),
        ("steps: [{run: a, colour: b}]\n", "steps[0].colour", None),
        ("steps: [{action: log.write, with: {message: a, mesage: b}}]\n", "steps[0].with.mesage", None),
    ] {
        let found = faults(yaml);
        let [fault] = found.as_slice() else { panic!("{yaml}: {found:?}") };
        assert_eq!((fault.code, Path(fault.path.clone()).to_string().as_str()), ("unknown-field", place));
        let renamed = fault.fix.as_ref().map(|fix| match &fix.change {
            Change::RenameKey(name) => name.as_str(),
            other => panic!("{other:?}"),
        });
        assert_eq!(renamed, successor, "{yaml}");
    }
}

#[test]
fn keys_in_another_letter_case_are_read_but_remarked() {
    accepts("steps: [{Id: a, run: b}]\n");
    let found = faults("container: {Image: alpine}\nsteps: [{run: a}]\n");
    assert_eq!(found.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["field-case"]);
    refuses("steps: [{Run: a}]\n", &["steps[0].Run: unknown-field"]);
    refuses("Description: a\ndescription: b\nsteps: [{run: a}]\n", &["Description: conflicting-fields"]);
}

#[test]
fn a_message_says_what_is_allowed_and_hides_secrets() {
    let message = |yaml: &str| faults(yaml).remove(0).message;
    assert_eq!(
        message("type: grph\nsteps: [{run: a}]\n"),
        "`type` must be one of `graph`, `chain`, `agent` or `build`, not `grph`"
    );
    assert_eq!(message("timeout_sec: soon\nsteps: [{run: a}]\n"), "`timeout_sec` must be a whole number, not text");
    let secret = message("secrets: [{name: A, ref: Not-This}]\nsteps: [{run: a}]\n");
    assert!(!secret.contains("Not-This"), "{secret}");
}

#[test]
fn validation_alone_wants_steps() {
    for yaml in ["description: a\n", "steps: []\n", "steps: {a: {run: b}}\n"] {
        let found = faults(yaml);
        assert_eq!(found.iter().map(|fault| fault.gate).collect::<Vec<_>>(), [Gate::Validate], "{yaml}");
    }
}

#[test]
fn run_stands_alone() {
    accepts(&step("run: [a, b]\nwith: {shell: bash}"));
    refuses(&step("run: a\naction: noop"), &["steps[0].action: conflicting-fields"]);
    refuses(&step("run: a\nscript: b"), &["steps[0].script: conflicting-fields"]);
    refuses(&step("run: a\nwith: {message: b}"), &["steps[0].with.message: unknown-field"]);
    refuses(&step("run: ''"), &["steps[0].run: invalid-value"]);
    refuses(&step("run: [a, null]"), &["steps[0].run[1]: wrong-type"]);
    refuses(&step("id: a"), &["steps[0]: missing-field"]);
    refuses("steps: [null]\n", &["steps[0]: wrong-type"]);
}

#[test]
fn the_kind_of_a_step_decides_what_it_takes() {
    refuses(&step("run: a\nworker_selector: {a: b}"), &["steps[0].worker_selector: unsupported-field"]);
    refuses(&step("run: |\n  a\n  b\ncontainer: {image: c}"), &["steps[0].run: unsupported-field"]);
    accepts(&step("run: [a, b]\ncontainer: {image: c}"));
    refuses(&step("action: noop\ncontainer: {image: c}"), &["steps[0].container: unsupported-field"]);
    refuses(&step("run: a\nparallel: [b]"), &["steps[0].parallel: unsupported-field"]);
    accepts(&step("action: dag.run\nwith: {dag: child}\nparallel: [b]"));
    refuses(&format!("redis: {{host: a}}\n{}", step("run: [a, b]")), &["steps[0].run: unsupported-field"]);
}

#[test]
fn actions_are_known_by_name() {
    accepts(&step("action: redis.hgetall"));
    accepts(&step("action: acme/tool@v1\nwith: {a: b}"));
    refuses(&step("action: acme/tool"), &["steps[0].action: unknown-action"]);
    refuses(&step("action: http.reqest"), &["steps[0].action: unknown-action"]);
    refuses(&step("action: log.write"), &["steps[0].action: missing-field"]);
    refuses(&step("action: log.write\nwith: null"), &["steps[0].with: wrong-type"]);
    let found = faults(&step("action: http.reqest"));
    assert_eq!(found[0].help.as_deref(), Some("did you mean `http.request`?"));
}

#[test]
fn inputs_that_exclude_or_need_each_other() {
    for (with, expected) in [
        ("action: data.convert\nwith: {from: json, to: yaml}", "steps[0].with: missing-field"),
        (
            "action: data.convert\nwith: {from: json, to: yaml, input: a, data: b}",
            "steps[0].with.data: conflicting-fields",
        ),
        ("action: jq.filter\nwith: {filter: ., data: a, input: b}", "steps[0].with.input: conflicting-fields"),
        ("action: docker.run\nwith: {pull: always}", "steps[0].with: missing-field"),
        ("action: postgres.query\nwith: {query: a, timeout: 5}", "steps[0].with: missing-field"),
        ("action: template.render\nwith: {data: {}}", "steps[0].with: missing-field"),
        (
            "action: git.checkout\nwith: {repository: a, path: b, token: c, username: d}",
            "steps[0].with.username: conflicting-fields",
        ),
        ("action: redis.get\nwith: {command: SET}", "steps[0].with.command: conflicting-fields"),
        ("action: wait.duration\nwith: {duration: 0s}", "steps[0].with.duration: invalid-value"),
        ("action: kubernetes.run\nwith: {command: a}", "steps[0].with: missing-field"),
        (
            "action: router.route\nwith: {value: a, routes: {b: [c], d: [c]}}",
            "steps[0].with.routes.d[0]: conflicting-fields",
        ),
        (
            "action: harness.run\nwith: {prompt: a, provider: claude, binary: b}",
            "steps[0].with.binary: unsupported-field",
        ),
    ] {
        refuses(&step(with), &[expected]);
    }
}

#[test]
fn fallbacks_form_one_list() {
    let with = "action: harness.run\nwith: {prompt: a, provider: claude, fallback: [{provider: pi, fallback: []}]}";
    refuses(&step(with), &["steps[0].with.fallback[0].fallback: conflicting-fields"]);
    let handler = with.replace('\n', ", ");
    accepts(&format!("handler_on: {{exit: {{{handler}}}}}\nsteps: [{{run: a}}]\n"));
    let defaults = "harness: {provider: claude, fallback: [{provider: pi, fallback: []}]}\n";
    let agent = "steps: [{action: harness.run, with: {prompt: a}}]\n";
    refuses(&format!("{defaults}{agent}"), &["harness.fallback[0].fallback: conflicting-fields"]);
}

#[test]
fn human_tasks_have_a_place_and_a_form() {
    accepts(&step(
        "id: a\naction: human.task\nwith: {prompt: b, form: {type: object, properties: {c: {type: string}}}}",
    ));
    refuses(&step("action: human.task\nwith: {prompt: b}"), &["steps[0].action: missing-field"]);
    refuses(
        &step("id: a\ntimeout_sec: 5\naction: human.task\nwith: {prompt: b}"),
        &["steps[0].timeout_sec: unsupported-field"],
    );
    refuses(
        &step("id: a\naction: human.task\nwith: {prompt: b, form: {type: object, properties: {}, required: [c]}}"),
        &["steps[0].with.form.required[0]: invalid-value"],
    );
}

#[test]
fn policies_of_a_step() {
    refuses(&step("run: a\nretry_policy: {limit: 1}"), &["steps[0].retry_policy: missing-field"]);
    refuses(
        &step("run: a\nretry_policy: {limit: 1, interval_sec: 1, backoff: 2}"),
        &["steps[0].retry_policy.backoff: wrong-type"],
    );
    refuses(&step("run: a\nrepeat_policy: {repeat: while}"), &["steps[0].repeat_policy.repeat: missing-field"]);
    accepts(&step("run: a\nrepeat_policy: {repeat: until, exit_code: [0]}"));
    refuses(&step("run: a\ncontinue_on: {exit_code: [x]}"), &["steps[0].continue_on.exit_code[0]: invalid-value"]);
    refuses(&step("run: a\nsignal_on_stop: sigint"), &["steps[0].signal_on_stop: invalid-value"]);
}

#[test]
fn what_a_step_publishes() {
    accepts(&step("run: a\noutput: {b: {c: d}, e: {from: stdout, decode: json, select: .f}}"));
    refuses(&step("run: a\noutput: {b: {decode: json}}"), &["steps[0].output.b.decode: missing-field"]);
    refuses(&step("run: a\noutput: {b: {from: stdout, path: c}}"), &["steps[0].output.b.path: conflicting-fields"]);
    refuses(&step("run: a\noutputs: [{name: b}]"), &["steps[0].outputs: missing-field"]);
    refuses(&step("id: i\nrun: a\noutputs: [{name: b}, {name: b}]"), &["steps[0].outputs[1].name: invalid-value"]);
    refuses(&step("run: a\nstdout: {artifact: ../b}"), &["steps[0].stdout.artifact: invalid-value"]);
    refuses(&step("run: a\nstdout: b\nstderr: b"), &["steps[0].stderr: conflicting-fields"]);
}

#[test]
fn loops_hold_steps_of_their_own() {
    refuses(&step("foreach: {items: [a], steps: [{run: b}]}\nrun: c"), &["steps[0].run: conflicting-fields"]);
    refuses(
        &step("foreach: {items: [a], steps: [{run: b, colour: c}]}"),
        &["steps[0].foreach.steps[0].colour: unknown-field"],
    );
    refuses(&step("foreach: {items: [a], as: index, steps: [{run: b}]}"), &["steps[0].foreach.as: invalid-value"]);
}

#[test]
fn handlers_are_steps_with_fewer_rules() {
    accepts("handler_on: {exit: {id: a-b, depends: [nobody]}}\nsteps: [{run: a}]\n");
    refuses("handler_on: {exit: {run: a, colour: b}}\nsteps: [{run: a}]\n", &["handler_on.exit.colour: unknown-field"]);
    refuses("handler_on: {exit: echo}\nsteps: [{run: a}]\n", &["handler_on.exit: wrong-type"]);
    refuses("handler_on: {cancel: {run: a}}\nsteps: [{run: a}]\n", &["handler_on.cancel: unknown-field"]);
}

#[test]
fn containers_are_read_loosely() {
    accepts("container: {image: 5, user: 1000, ports: 8080, env: [A=1]}\nsteps: [{run: a}]\n");
    refuses("container: {}\nsteps: [{run: a}]\n", &["container: missing-field"]);
    refuses("container: {exec: a, volumes: [b]}\nsteps: [{run: a}]\n", &["container.volumes: conflicting-fields"]);
    refuses(
        "container: {image: a, healthcheck: {test: curl}}\nsteps: [{run: a}]\n",
        &["container.healthcheck.test: invalid-value"],
    );
}

#[test]
fn parameters_in_their_forms() {
    accepts("params: {a: 1, b: {c: d}}\nsteps: [{run: a}]\n");
    accepts("params: [a=1, {b: [1]}, {name: c, type: integer, default: '5'}]\nsteps: [{run: a}]\n");
    refuses("params: [a=1, a=2]\nsteps: [{run: a}]\n", &["params[1]: invalid-value"]);
    refuses("params: [{name: a}]\nsteps: [{run: a}]\n", &["params[0].name: missing-field"]);
    refuses("params: [{name: a, minLength: 2}]\nsteps: [{run: a}]\n", &["params[0].minLength: unknown-field"]);
    refuses(
        "params: [{name: a, type: integer, default: x}]\nsteps: [{run: a}]\n",
        &["params[0].default: invalid-value"],
    );
    refuses("params: [{name: a, minimum: 2}]\nsteps: [{run: a}]\n", &["params[0].minimum: conflicting-fields"]);
}

#[test]
fn external_parameter_schemas_are_read_by_the_caller() {
    let document = json("params: {schema: ./p.json, values: {port: 0}}\nsteps: [{run: a}]\n");
    let check = |text: Result<&'static str, &'static str>| {
        let read = |_: &str| text.map(str::to_owned).map_err(str::to_owned);
        let context = DocumentContext { read_schema: Some(&read), ..DocumentContext::default() };
        check_document(&document, &context).into_iter().map(|fault| Path(fault.path).to_string()).collect::<Vec<_>>()
    };
    let schema = r#"{"type": "object", "properties": {"port": {"type": "integer", "minimum": 1}}}"#;
    assert_eq!(check(Ok(schema)), ["params.values.port"]);
    assert_eq!(check(Ok("not JSON")), ["params.schema"]);
    assert_eq!(check(Err("there is no such file")), ["params.schema"]);
    assert_eq!(check_document(&document, &DocumentContext::default()), []);
}

#[test]
fn schedules() {
    refuses("schedule: 0 3 * *\nsteps: [{run: a}]\n", &["schedule: invalid-value"]);
    refuses(
        "schedule: {stop: {at: '2031-01-02T03:04:00Z'}}\nsteps: [{run: a}]\n",
        &["schedule.stop.at: unknown-field"],
    );
    refuses(
        "schedule: [{expression: 0 3 * * *, kind: at}]\nsteps: [{run: a}]\n",
        &["schedule[0].kind: conflicting-fields"],
    );
    let found = faults("schedule: '*/7 * * * *'\nsteps: [{run: a}]\n");
    assert_eq!((found[0].code, found[0].severity), ("uneven-schedule", Severity::Warning));
}

const GREET: &str = "
actions:
  greet:
    input_schema:
      type: object
      properties: {who: {type: string, default: you}, n: {type: integer}}
      required: [n]
      additionalProperties: false
    template: {run: 'echo {{ .input.who }} {{ .input.n }}'}
";

#[test]
fn custom_actions_are_called_with_what_their_schema_takes() {
    let call = |with: &str| format!("{GREET}steps:\n  - action: greet\n{with}");
    accepts(&call("    with: {n: 1}\n"));
    accepts(&call("    with: {n: '${params.n}'}\n"));
    refuses(&call("    with: {n: x}\n"), &["steps[0].with.n: custom-action-input"]);
    refuses(&call("    with: {n: 1, m: 2}\n"), &["steps[0].with.m: custom-action-input"]);
    refuses(&call(""), &["steps[0].action: custom-action-input"]);
    refuses(&call("    with: {n: 1}\n    working_dir: a\n"), &["steps[0].working_dir: unsupported-field"]);
}

#[test]
fn the_step_a_template_makes_is_checked_once_it_is_called() {
    let definition = "actions: {a: {input_schema: {type: object}, template: {run: b, colour: c}}}\n";
    accepts(&format!("{definition}steps: [{{run: d}}]\n"));
    refuses(&format!("{definition}steps: [{{action: a}}]\n"), &["actions.a.template.colour: unknown-field"]);
    let circle = "actions: {a: {input_schema: {type: object}, template: {action: a}}}\n";
    refuses(&format!("{circle}steps: [{{action: a}}]\n"), &["steps[0].action: invalid-value"]);
}

#[test]
fn definitions_of_a_base_config_count() {
    let base = json(GREET);
    let document = json("steps: [{action: greet, with: {n: 1}}]\n");
    let context = DocumentContext { base: base.as_object(), ..DocumentContext::default() };
    assert_eq!(check_document(&document, &context), []);
    assert_eq!(check_document(&document, &DocumentContext::default())[0].code, "unknown-action");
}

#[test]
fn older_forms_are_remarked_but_pass() {
    let found = faults("steps: [{command: a}, echo b, {type: http, command: GET, config: {timeout: 5}}]\n");
    assert!(
        found.iter().all(|fault| (fault.code, fault.severity) == ("deprecated-field", Severity::Info)),
        "{found:?}"
    );
    let places: Vec<String> = found.iter().map(|fault| Path(fault.path.clone()).to_string()).collect();
    assert_eq!(places, ["steps[0].command", "steps[1]", "steps[2].type", "steps[2].command", "steps[2].config"]);
}

#[test]
fn root_settings_that_go_together() {
    for (root, expected) in [
        ("labels: a\ntags: b", "tags: conflicting-fields"),
        ("hist_retention_days: 1\nhist_retention_runs: 1", "hist_retention_runs: conflicting-fields"),
        ("tasks: [{name: a, description: b}]", "tasks: unsupported-field"),
        ("consts: [{a: 1}, {a: 2}]", "consts[1].a: invalid-value"),
        ("env: [A]", "env[0]: invalid-value"),
        ("secrets: [{name: DAG_RUN_ID, ref: a}]", "secrets[0].name: invalid-value"),
        ("resources: {limits: {cpu: '0'}}", "resources.limits.cpu: invalid-value"),
        ("webhook: {forward_headers: [Authorization]}", "webhook.forward_headers[0]: invalid-value"),
        ("tools: [a/b@latest]", "tools[0]: invalid-value"),
        (
            "smtp: {username: a, oauth: {provider: microsoft, tenant_id: b, client_id: c, client_secret: d, refresh_token: e}}",
            "smtp.oauth.refresh_token: conflicting-fields",
        ),
    ] {
        refuses(&format!("{root}\nsteps: [{{run: a}}]\n"), &[expected]);
    }
    refuses("type: chain\nsteps: [{run: a}, {run: b, depends: c}]\n", &["steps[1].depends: conflicting-fields"]);
    refuses("worker_selector: {a: b}\nsteps: [{run: a, approval: {}}]\n", &["steps[0].approval: conflicting-fields"]);
}
