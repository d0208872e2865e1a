use serde_json::{Value, json};

use super::*;
use crate::diagnostic::Gate;
use crate::harness::step::Position;

/// All findings about a step in a document, as `code at`; errors of the loader are marked `!`, other errors `?`.
fn found(position: Position, document: Value, step: Value) -> Vec<String> {
    let (root, mut findings) = Root::read(document.as_object().unwrap());
    findings.extend(super::root(&root));
    let step = HarnessStep::read(step.as_object().unwrap(), &root, position);
    findings.extend(super::step(&step, &root));
    findings.iter().map(line).collect()
}

fn line(finding: &Finding) -> String {
    let mark = match (finding.severity, finding.gate) {
        (Severity::Error, Gate::Load) => "!",
        (Severity::Error, _) => "?",
        (_, Gate::Load) => "~",
        _ => "",
    };
    format!("{mark}{} {}", finding.code, finding.at)
}

fn in_document(document: Value, with: Value) -> Vec<String> {
    found(Position::Step, document, json!({"action": "harness.run", "with": with}))
}

fn with(with: Value) -> Vec<String> {
    in_document(json!({}), with)
}

fn root_only(document: Value) -> Vec<String> {
    let (root, mut findings) = Root::read(document.as_object().unwrap());
    findings.extend(super::root(&root));
    findings.iter().map(line).collect()
}

#[test]
fn plain_steps_are_silent() {
    assert_eq!(
        with(json!({"provider": "claude", "prompt": "P", "model": "m", "max_turns": 3, "list": ["a", 1]})),
        [""; 0]
    );
    assert_eq!(
        with(json!({"provider": "${params.p}", "prompt": "P", "fallback": [{"provider": "${env.Q}"}]})),
        [""; 0]
    );
    let document = json!({"harness": {"provider": "claude", "model": "m"}});
    assert_eq!(in_document(document, json!({"prompt": "P", "model": null})), [""; 0]);
}

#[test]
fn a_provider_is_needed() {
    assert_eq!(with(json!({"prompt": "P"})), ["!harness-provider-missing with"]);
    assert_eq!(with(json!({"prompt": "P", "provider": " "})), ["!harness-provider-missing with.provider"]);
    // What is no text, and a step without options, is the schema's.
    for provider in [json!(null), json!(5), json!(["claude"])] {
        assert_eq!(with(json!({"prompt": "P", "provider": provider})), [""; 0]);
        let older = json!({"type": "harness", "command": "P", "config": {"provider": provider}});
        assert_eq!(found(Position::Step, json!({}), older), ["!harness-provider-missing config.provider"]);
    }
    assert_eq!(with(json!(null)), [""; 0]);
    let older = json!({"type": "harness", "command": "P"});
    assert_eq!(found(Position::Step, json!({}), older), ["!harness-provider-missing config"]);
}

#[test]
fn a_provider_is_known() {
    for provider in ["claud", " claude ", "hermes", "$P", "Claude", "dsh"] {
        assert_eq!(with(json!({"prompt": "P", "provider": provider})), ["!harness-provider-unknown with.provider"]);
    }
    let document = json!({"harnesses": {"bot": null}});
    assert_eq!(
        in_document(document, json!({"prompt": "P", "provider": "bot"})),
        ["!harness-provider-unknown with.provider"]
    );
    let document = json!({"harnesses": {"bot": {}}});
    assert_eq!(in_document(document, json!({"prompt": "P", "provider": "bot"})), [""; 0]);
    let document = json!({"harnesses": {"123": {"binary": "b"}}});
    assert_eq!(
        in_document(document, json!({"prompt": "P", "provider": "123"})),
        ["harness-provider-coerced with.provider"]
    );
}

#[test]
fn a_template_is_looked_through_as_far_as_it_can_be() {
    let found = |provider: &str| {
        let document = json!({
            "harnesses": {"bot-x": {"binary": "b", "prompt_mode": "stdin"}},
            "consts": [{"NAME": "cluade"}, {"X": "x"}],
            "params": [{"good": "codex"}, {"bad": "nobody"}, {"number": 5}, {"later": "${env.P}"}, {"open": ""}],
        });
        let step = json!({"action": "harness.run", "container": "box", "with": {"prompt": "P", "provider": provider}});
        found(Position::Step, document, step)
    };
    let warned = ["harness-provider-default with.provider"];
    for provider in ["${consts.NAME}", "${params.bad}", "${params.number}", "bot-${consts.X}", "${params.open}"] {
        assert_eq!(found(provider), warned, "{provider}");
    }
    for provider in ["${params.good}", "${params.later}", "${env.P}", "${params.none}", "x-${params.later}"] {
        assert_eq!(found(provider), [""; 0], "{provider}");
    }
}

#[test]
fn an_unknown_provider_comes_with_a_way_out() {
    let help = |provider: &str| {
        let (root, _) = Root::read(json!({"harnesses": {"claude-next": {"binary": "b"}}}).as_object().unwrap());
        let step = json!({"action": "harness.run", "with": {"prompt": "P", "provider": provider}});
        let step = HarnessStep::read(step.as_object().unwrap(), &root, Position::Step);
        super::step(&step, &root)[0].help.clone().unwrap()
    };
    assert_eq!(help("cluade"), "did you mean `claude`?");
    assert_eq!(help("claude-nxt"), "did you mean `claude-next`?");
    assert_eq!(help(" claude "), "remove the blanks around `claude`");
    assert!(help("$PROVIDER_NAME").contains("`${params.PROVIDER_NAME}`"));
    assert!(help("hermes").contains("prefix_args"));
    assert!(help("nobody").starts_with("choose one of `aider`, `amp`"));
}

#[test]
fn fallbacks_are_checked_like_steps() {
    let fallback = |entry: Value| with(json!({"provider": "claude", "prompt": "P", "fallback": [entry]}));
    assert_eq!(fallback(json!({"model": "x"})), ["!harness-provider-missing with.fallback[0]"]);
    assert_eq!(fallback(json!({"provider": "nobody"})), ["!harness-provider-unknown with.fallback[0].provider"]);
    assert_eq!(fallback(json!({"provider": null})), ["!harness-provider-missing with.fallback[0].provider"]);
    let step = json!({"action": "harness.run", "with": {"provider": "claude", "prompt": "P",
        "fallback": [{"provider": "pi", "fallback": []}]}});
    assert_eq!(found(Position::Handler, json!({}), step), ["?harness-fallback-nested with.fallback[0].fallback"]);
}

#[test]
fn the_roots_fallbacks_are_checked_where_they_are_inherited() {
    let document = json!({"harness": {"provider": "claude", "fallback": [{"provider": "nobody"}]}});
    assert_eq!(root_only(document.clone()), [""; 0]);
    assert_eq!(
        in_document(document.clone(), json!({"prompt": "P"})),
        ["!harness-provider-unknown harness.fallback[0].provider"]
    );
    assert_eq!(in_document(document, json!({"prompt": "P", "fallback": []})), [""; 0]);
}

#[test]
fn defaults_need_a_known_provider_even_unused() {
    for (harness, expected) in [
        (json!({"provider": ""}), "!harness-provider-missing harness.provider"),
        (json!({"provider": "nobody"}), "!harness-provider-unknown harness.provider"),
        (json!({"provider": "builtin"}), "~harness-builtin-not-runnable harness.provider"),
        (json!({"provider": "claude", "prompt": "x"}), "harness-reserved-key harness.prompt"),
    ] {
        assert_eq!(root_only(json!({"harness": harness})), [expected]);
    }
    for harness in [
        json!(null),
        json!({}),
        json!("claude"),
        json!({"provider": "${params.p}"}),
        json!({"provider": "claude", "fallback": null}),
    ] {
        assert_eq!(root_only(json!({"harness": harness})), [""; 0]);
    }
}

#[test]
fn nothing_is_piped_into_a_container_of_either_level() {
    let image = json!({"image": "i"});
    let with = json!({"provider": "aider", "prompt": "P", "stdin": "text"});
    let own = json!({"action": "harness.run", "container": image, "with": with});
    let inherited = json!({"action": "harness.run", "with": with});
    let root = json!({"container": image});
    assert_eq!(found(Position::Step, json!({}), own.clone()), ["!harness-stdin-in-container with.stdin"]);
    assert_eq!(found(Position::Handler, json!({}), own), ["?harness-stdin-in-container with.stdin"]);
    assert_eq!(found(Position::Step, root.clone(), inherited), ["?harness-stdin-in-container with.stdin"]);
    let script =
        json!({"type": "harness", "command": "P", "script": "s", "container": "box", "config": {"provider": "claude"}});
    assert_eq!(found(Position::Step, json!({}), script), ["!harness-stdin-in-container script"]);
    let empty = json!({"provider": "claude", "prompt": "P", "stdin": " "});
    assert_eq!(in_document(root, empty), [""; 0]);
}

#[test]
fn the_container_is_named_beside_the_fault() {
    let (root, _) = Root::read(json!({"container": {"image": "i"}}).as_object().unwrap());
    let written = json!({"action": "harness.run", "with": {"provider": "claude", "prompt": "P", "stdin": "s"}});
    let step = HarnessStep::read(written.as_object().unwrap(), &root, Position::Step);
    let related = super::step(&step, &root)[0].related.clone().unwrap();
    assert_eq!(related.0, crate::harness::Location::document(["container"]).on_key());
}

#[test]
fn a_prompt_on_stdin_needs_the_host() {
    let document = json!({"harnesses": {"r": {"binary": "b", "prompt_mode": "stdin"}}});
    let with = json!({"provider": "claude", "prompt": "P", "fallback": [{"provider": "r"}]});
    assert_eq!(in_document(document.clone(), with.clone()), [""; 0]);
    let step = json!({"action": "harness.run", "container": "box", "with": with});
    assert_eq!(found(Position::Step, document, step), ["?harness-prompt-mode-in-container with.fallback[0].provider"]);
}

#[test]
fn the_in_process_agent() {
    assert_eq!(
        with(json!({"provider": "builtin", "prompt": "P", "model": "m"})),
        ["~harness-builtin-not-runnable with.provider"]
    );
    let step =
        json!({"action": "harness.run", "container": {"image": "i"}, "with": {"provider": "builtin", "prompt": "P"}});
    assert_eq!(found(Position::Step, json!({}), step), ["!harness-builtin-in-container with.provider"]);
    let options = json!({"provider": "builtin", "prompt": "P", "bare": true, "model": "4", "max-iterations": 0, "soul": null,
        "skills": ["a", 1], "memory": {"on": true}, "web_search": {"user_location": {"city": "X"}, "max_uses": "3"},
        "tools": {"bash_policy": {"rules": [{"pattern": "x"}]}}, "safe_mode": "${params.S}"});
    assert_eq!(
        with(options),
        [
            "~harness-builtin-not-runnable with.provider",
            "!harness-builtin-option with.bare",
            "!harness-builtin-option with.max-iterations",
            "!harness-builtin-option with.memory.on",
            "!harness-builtin-option with.model",
            "!harness-builtin-option with.skills[1]",
            "!harness-builtin-option with.tools.bash_policy.rules[0]",
        ]
    );
}

#[test]
fn managed_sessions_need_a_server() {
    let managed = |value: Value| with(json!({"provider": "opencode", "prompt": "P", "managed": value}));
    assert_eq!(managed(json!(true)), ["?harness-managed-session with.managed"]);
    assert_eq!(managed(json!("true")), ["?harness-managed-session with.managed"]);
    assert_eq!(managed(json!("maybe")), ["?harness-managed-session with.managed"]);
    for fine in [json!(false), json!("false"), json!(null), json!("${params.M}")] {
        assert_eq!(managed(fine), [""; 0]);
    }
    let option =
        |key: &str, value: Value| with(json!({"provider": "opencode", "prompt": "P", "managed": true, key: value}));
    assert_eq!(option("pure", json!(true)), ["?harness-managed-session with.pure"]);
    assert_eq!(option("format", json!("json")), ["?harness-managed-session with.format"]);
    let fallback =
        json!({"provider": "claude", "prompt": "P", "fallback": [{"provider": "opencode", "managed": true}]});
    assert_eq!(with(fallback), ["harness-managed-session with.fallback[0].managed"]);
    assert_eq!(
        with(json!({"provider": "claude", "prompt": "P", "managed": true})),
        ["harness-reserved-key with.managed"]
    );
}

#[test]
fn containers_of_agents() {
    let container = |container: Value| {
        let step = json!({"action": "harness.run", "working_dir": "x", "container": container,
            "with": {"provider": "claude", "prompt": "P"}});
        found(Position::Step, json!({"container": {"image": "i", "name": "n", "shell": "sh"}}), step)
    };
    assert_eq!(container(json!({"image": "i", "name": "box"})), ["?harness-container-name container.name"]);
    assert_eq!(container(json!({"exec": "box", "shell": ["sh", "-c"]})), ["harness-container-shell container.shell"]);
    assert_eq!(container(json!({"image": "i", "shell": ["sh", "-c"]})), ["harness-container-shell container.shell"]);
    assert_eq!(container(json!(null)), ["harness-working-dir-ignored working_dir"]);
}

#[test]
fn values_that_reach_the_command_line_otherwise() {
    let option = |value: Value| with(json!({"provider": "claude", "prompt": "P", "k": value}));
    assert_eq!(option(json!({"a": 1})), ["harness-option-ignored with.k"]);
    assert_eq!(option(json!(null)), ["harness-option-ignored with.k"]);
    assert_eq!(option(json!("1.0")), ["harness-option-reformatted with.k"]);
    assert_eq!(option(json!("10 # ten")), ["harness-option-reformatted with.k"]);
    assert_eq!(option(json!(5.0)), ["harness-option-reformatted with.k"]);
    assert_eq!(option(json!(["a", "007"])), ["harness-option-reformatted with.k[1]"]);
    assert_eq!(
        option(json!([null, {"a": 1}, [1], 1e6])),
        [
            "harness-option-reformatted with.k[0]",
            "harness-option-reformatted with.k[1]",
            "harness-option-reformatted with.k[2]",
            "harness-option-reformatted with.k[3]"
        ]
    );
    for plain in [json!("10"), json!("true"), json!("1e3"), json!("${params.N}.0"), json!(0.5), json!(1), json!([])] {
        assert_eq!(option(plain), [""; 0]);
    }
}

#[test]
fn two_spellings_of_one_option() {
    let twice = |provider: &str| json!({"provider": provider, "prompt": "P", "max_turns": 3, "max-turns": 5});
    assert_eq!(with(twice("claude")), ["harness-option-duplicate with.max_turns"]);
    let bot = json!({"harnesses": {"bot": {"binary": "b"}}});
    assert_eq!(in_document(bot, twice("bot")), [""; 0]);
    let templated = json!({"harness": {"provider": "${params.P}", "max-turns": 1}});
    assert_eq!(
        in_document(templated, json!({"prompt": "P", "max_turns": 3})),
        ["harness-option-duplicate with.max_turns"]
    );
    let literal = json!({"harness": {"provider": "claude", "max-turns": 1}});
    assert_eq!(in_document(literal, json!({"prompt": "P", "max_turns": 3})), [""; 0]);
}

#[test]
fn defaults_for_another_cli() {
    let document = json!({"harness": {"provider": "claude", "model": "sonnet", "bare": true, "quiet": false}});
    let leak = in_document(document.clone(), json!({"prompt": "P", "provider": "codex"}));
    assert_eq!(leak, ["harness-defaults-leak with.provider"]);
    assert_eq!(in_document(document, json!({"prompt": "P", "provider": "codex", "model": "x", "bare": null})), [""; 0]);
}

#[test]
fn prompts_that_need_a_second_look() {
    assert_eq!(with(json!({"provider": "claude", "prompt": "-n now"})), ["harness-prompt-dash with.prompt"]);
    let document = json!({"secrets": [{"name": "TOK", "provider": "env", "key": "T"}]});
    let with =
        json!({"provider": "claude", "prompt": "token ${env.TOK}", "key": ["${env.TOK}"], "other": "${env.X} $TOK"});
    assert_eq!(in_document(document, with), ["secret-in-prompt with.prompt", "secret-in-prompt with.key"]);
}

#[test]
fn fallback_prompts_are_flags() {
    let with_fallback = json!({"provider": "claude", "prompt": "P", "fallback": [{"provider": "pi", "stdin": "x"}]});
    assert_eq!(with(with_fallback), ["harness-reserved-key with.fallback[0].stdin"]);
}

#[test]
fn definitions_nobody_names() {
    let (root, _) = Root::read(json!({"harnesses": {"a": {"binary": "b"}, "b": {"binary": "b"}}}).as_object().unwrap());
    let unused =
        |used: &[&str]| unused_definitions(&root, &used.iter().copied().collect()).iter().map(line).collect::<Vec<_>>();
    assert_eq!(unused(&["a", "claude"]), ["harness-definition-unused harnesses.b"]);
    assert_eq!(unused(&["${params.P}"]), [""; 0]);
}
