//! What a harness step will do: its attempts, each with a finished command line or the reason why it has none.
//!
//! Everything is settled before the first attempt starts, so an unusable fallback fails the step at once instead of after
//! the primary has spent its tokens.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::coerce::Setting;
use crate::harness::command::{Command, overlay};
use crate::harness::config::{Config, FORBIDDEN, is_template};
use crate::harness::definition::list;
use crate::harness::provider::{BuiltIn, IN_PROCESS, Prompting, Provider, Providers, Recipe};
use crate::harness::step::{HarnessStep, Text};

/// What resolves the references in one text; the error says which reference failed and why.
pub type Resolve<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// Where the attempts run, as far as the command line can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Host,
    /// Any shape of container. Nothing can be piped into one.
    Container,
}

/// The attempts in order, the primary first; never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct HarnessPlan {
    pub attempts: Vec<Attempt>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The provider's name, resolved.
    pub provider: String,
    /// The CLI, when the provider is a built-in one.
    pub built_in: Option<&'static BuiltIn>,
    /// The command line; an attempt without one fails with exit code 1 and the next one follows.
    pub command: Result<Command, Refusal>,
}

/// Why an attempt fails without anything being started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "provider `builtin` exists only inside Dagu 2.8's own process and cannot be run here; choose a CLI provider such as \
         `claude` or `codex`"
    )]
    InProcess,
    #[error(
        "`managed: true` needs a Dagu server that hosts OpenCode sessions; set it to false to run the `opencode` CLI"
    )]
    Managed,
}

/// Why a step fails before any attempt starts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("this harness step has no prompt")]
    PromptMissing,
    #[error("the prompt is empty once its references are resolved")]
    PromptEmpty,
    #[error("`{at}` could not be resolved: {reason}")]
    Reference { at: String, reason: String },
    #[error("a provider is required: `{at}` has none")]
    ProviderMissing { at: String },
    #[error("a provider is required: `{at}.provider` is {got}, which is no name")]
    ProviderNotText { at: String, got: String },
    #[error("unresolved provider template `{provider}`")]
    ProviderUnresolved { provider: String },
    #[error("unknown provider `{provider}`; known are {known}")]
    ProviderUnknown { provider: String, known: String },
    #[error("harness `{provider}` is defined in a way that cannot be used")]
    ProviderBroken { provider: String },
    #[error("`{key}` belongs to a definition under `harnesses`, not to `{at}`")]
    ForbiddenKey { key: &'static str, at: String },
    #[error("a fallback has no fallbacks of its own: `{at}`")]
    FallbackNested { at: String },
    #[error("extra stdin cannot reach a program in a container; put the text into the prompt")]
    StdinInContainer,
    #[error("provider `{provider}` takes its prompt on stdin, which a container does not have")]
    StdinModeInContainer { provider: String },
    #[error("provider `{IN_PROCESS}` is no CLI and cannot run in a container")]
    BuiltinInContainer,
    #[error("`{at}.managed` must be true or false, not {got}")]
    ManagedType { at: String, got: String },
    #[error("`managed: true` leaves no room for `{key}`; it takes {}", list(&MANAGED_KEYS))]
    ManagedOption { key: String },
    #[error("`managed: true` knows no `format: {got}`, only `default`")]
    ManagedFormat { got: String },
}

/// The options of a managed OpenCode session.
pub(crate) const MANAGED_KEYS: [&str; 8] = ["agent", "model", "variant", "session", "fork", "title", "file", "command"];

impl HarnessStep {
    /// Where the step's attempts run.
    pub fn place(&self) -> Place {
        if self.container.is_some() { Place::Container } else { Place::Host }
    }

    /// The attempts with finished command lines.
    ///
    /// # Errors
    /// Anything that keeps even the first attempt from starting: see [`PlanError`].
    pub fn plan(&self, providers: &Providers, resolve: Resolve<'_>) -> Result<HarnessPlan, PlanError> {
        let prompt = text(self.prompt.as_ref().ok_or(PlanError::PromptMissing)?, resolve)?;
        if prompt.trim().is_empty() {
            return Err(PlanError::PromptEmpty);
        }
        let stdin = self.stdin.as_ref().map(|stdin| text(stdin, resolve)).transpose()?;
        let stdin = stdin.as_deref().filter(|stdin| !stdin.is_empty());
        let place = self.place();
        if place == Place::Container && stdin.is_some() {
            return Err(PlanError::StdinInContainer);
        }
        let attempts = self
            .attempts
            .iter()
            .map(|config| attempt(config, providers, place, &prompt, stdin, resolve))
            .collect::<Result<_, _>>()?;
        Ok(HarnessPlan { attempts })
    }
}

fn text(text: &Text, resolve: Resolve<'_>) -> Result<String, PlanError> {
    resolve(&text.text).map_err(|reason| PlanError::Reference { at: text.at.to_string(), reason })
}

fn attempt(
    config: &Config,
    providers: &Providers,
    place: Place,
    prompt: &str,
    stdin: Option<&str>,
    resolve: Resolve<'_>,
) -> Result<Attempt, PlanError> {
    let at = config.at.to_string();
    if let Some(key) = FORBIDDEN.into_iter().find(|&key| config.entries.contains_key(key)) {
        return Err(PlanError::ForbiddenKey { key, at });
    }
    if config.entries.contains_key("fallback") {
        return Err(PlanError::FallbackNested { at });
    }
    let mut settings = BTreeMap::new();
    for (key, entry) in &config.entries {
        let setting = Setting::resolve(&entry.value, resolve)
            .map_err(|reason| PlanError::Reference { at: entry.at.to_string(), reason })?;
        settings.insert(key.clone(), setting);
    }
    let provider = provider_name(&settings, config, &at)?;
    let known = providers
        .get(&provider)
        .ok_or_else(|| PlanError::ProviderUnknown { provider: provider.clone(), known: list(&providers.names()) })?;
    let (recipe, built_in) = match known {
        Provider::BuiltIn(cli) => {
            let refusal = managed(cli, &settings, &at)?;
            settings = overlay(cli, settings);
            if let Some(refusal) = refusal {
                return Ok(Attempt { provider, built_in: Some(cli), command: Err(refusal) });
            }
            (Recipe::from(cli), Some(cli))
        }
        Provider::Custom(definition) => (Recipe::from(definition), None),
        Provider::Broken => return Err(PlanError::ProviderBroken { provider }),
        Provider::InProcess if place == Place::Container => return Err(PlanError::BuiltinInContainer),
        Provider::InProcess => return Ok(Attempt { provider, built_in: None, command: Err(Refusal::InProcess) }),
    };
    if place == Place::Container && recipe.prompt == Prompting::Stdin {
        return Err(PlanError::StdinModeInContainer { provider });
    }
    let command = Ok(Command::write(&recipe, &settings, prompt, stdin));
    Ok(Attempt { provider, built_in, command })
}

fn provider_name(settings: &BTreeMap<String, Setting>, config: &Config, at: &str) -> Result<String, PlanError> {
    match settings.get("provider") {
        Some(Setting::Text(name)) if is_template(name) => Err(PlanError::ProviderUnresolved { provider: name.clone() }),
        Some(Setting::Text(name)) if !name.trim().is_empty() => Ok(name.clone()),
        None | Some(Setting::Null | Setting::Text(_)) => Err(PlanError::ProviderMissing { at: at.to_owned() }),
        Some(other) => {
            let written = config.get("provider").map(Value::to_string).unwrap_or_default();
            let got = format!("{written}, read as {}", other.item());
            Err(PlanError::ProviderNotText { at: at.to_owned(), got })
        }
    }
}

/// Whether the attempt asks for a managed OpenCode session, which only a Dagu server can give.
fn managed(cli: &BuiltIn, settings: &BTreeMap<String, Setting>, at: &str) -> Result<Option<Refusal>, PlanError> {
    if cli.name != "opencode" {
        return Ok(None);
    }
    match settings.get("managed") {
        None | Some(Setting::Null | Setting::Bool(false)) => Ok(None),
        Some(Setting::Bool(true)) => {
            let allowed = |key: &str| MANAGED_KEYS.contains(&key) || ["provider", "managed", "format"].contains(&key);
            if let Some(key) = settings.keys().find(|key| !allowed(key)) {
                return Err(PlanError::ManagedOption { key: key.clone() });
            }
            match settings.get("format") {
                None | Some(Setting::Null) => Ok(Some(Refusal::Managed)),
                Some(Setting::Text(format)) if format == "default" => Ok(Some(Refusal::Managed)),
                Some(other) => Err(PlanError::ManagedFormat { got: other.item() }),
            }
        }
        Some(other) => Err(PlanError::ManagedType { at: at.to_owned(), got: format!("`{}`", other.item()) }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::harness::config::Root;
    use crate::harness::step::Position;

    fn plan_of(document: Value, step: Value) -> Result<HarnessPlan, PlanError> {
        let (root, findings) = Root::read(document.as_object().unwrap());
        assert!(findings.iter().all(|finding| finding.severity < crate::diagnostic::Severity::Error), "{findings:?}");
        let step = HarnessStep::read(step.as_object().unwrap(), &root, Position::Step);
        step.plan(&root.providers, &|text| {
            if text.contains("${fail}") {
                return Err("`${fail}` fails".to_owned());
            }
            Ok(text.replace("${params.P}", "codex").replace("${params.EMPTY}", "").replace("${params.N}", "5"))
        })
    }

    fn plan(document: Value, with: Value) -> Result<HarnessPlan, PlanError> {
        plan_of(document, json!({"action": "harness.run", "with": with}))
    }

    /// Command lines of all attempts; the last word is the stdin, when there is one.
    fn lines(document: Value, with: Value) -> Vec<Vec<String>> {
        let attempts = plan(document, with).unwrap().attempts;
        let line = |attempt: Attempt| {
            let command = attempt.command.unwrap();
            let stdin = command.stdin.map(|stdin| format!("<{}", String::from_utf8(stdin).unwrap()));
            command.argv.into_iter().chain(stdin).collect()
        };
        attempts.into_iter().map(line).collect()
    }

    /// The variant of an error.
    fn name(error: PlanError) -> String {
        format!("{error:?}").split([' ', '{']).next().unwrap_or_default().to_owned()
    }

    fn line(document: Value, with: Value) -> Vec<String> {
        let mut lines = lines(document, with);
        assert_eq!(lines.len(), 1);
        lines.remove(0)
    }

    #[test]
    fn prompt_options_and_order() {
        let with = json!({"provider": "claude", "prompt": "  Summarise the diff  ", "model": "opus", "max_turns": 8,
            "verbose": false, "allowed_tools": ["Read", "Bash(git:*)"], "append_system_prompt": ""});
        assert_eq!(
            line(json!({}), with),
            [
                "claude",
                "-p",
                "Summarise the diff",
                "--allowed-tools",
                "Read",
                "--allowed-tools",
                "Bash(git:*)",
                "--max-turns",
                "8",
                "--model",
                "opus"
            ]
        );
        let with = json!({"provider": "copilot", "prompt": "P", "zeta": 1, "Alpha": 2, "a_b": 3, "a-c": 4, "aB": 5});
        assert_eq!(
            line(json!({}), with),
            ["copilot", "-p", "P", "--Alpha", "2", "--a-c", "4", "--aB", "5", "--a-b", "3", "--zeta", "1"]
        );
    }

    #[test]
    fn defaults_of_the_cli_itself() {
        let with = json!({"provider": "codex", "prompt": "Port the tests", "stdin": "line one", "config": ["a=1", "b=2"],
            "temperature": 0.50, "seed": 0});
        assert_eq!(
            line(json!({}), with),
            [
                "codex",
                "exec",
                "Port the tests",
                "--config",
                "a=1",
                "--config",
                "b=2",
                "--seed",
                "0",
                "--skip-git-repo-check",
                "--temperature",
                "0.5",
                "<line one"
            ]
        );
        let with = json!({"provider": "codex", "prompt": "Go", "skip_git_repo_check": false, "model": 5.0, "full_auto": "true"});
        assert_eq!(line(json!({}), with), ["codex", "exec", "Go", "--full-auto", "--model", "5"]);
        let with = json!({"provider": "codex", "prompt": "Fix lint\n", "yolo": true, "sandbox": "workspace-write"});
        assert_eq!(
            line(json!({}), with),
            ["codex", "exec", "Fix lint\n", "--sandbox", "workspace-write", "--skip-git-repo-check", "--yolo"]
        );
        let with = json!({"provider": "goose", "prompt": "Do it", "quiet": false});
        assert_eq!(line(json!({}), with), ["goose", "run", "--text", "Do it"]);
    }

    #[test]
    fn defaults_of_the_document() {
        let claude = json!({"harness": {"provider": "claude", "model": "sonnet", "bare": true, "max_turns": 9}});
        let with = json!({"prompt": "Write docs", "max-turns": 4, "bare": false});
        assert_eq!(line(claude, with), ["claude", "-p", "Write docs", "--max-turns", "4", "--model", "sonnet"]);
        let leak = json!({"harness": {"provider": "claude", "model": "sonnet", "bare": true}});
        let with = json!({"prompt": "Write docs", "provider": "codex", "full-auto": true});
        assert_eq!(
            line(leak, with),
            ["codex", "exec", "Write docs", "--bare", "--full-auto", "--model", "sonnet", "--skip-git-repo-check"]
        );
        let fallback = json!({"harness": {"provider": "claude", "model": "sonnet", "fallback": [{"provider": "pi", "no_session": true}]}});
        assert_eq!(
            lines(fallback, json!({"prompt": "Write docs", "model": null})),
            [vec!["claude", "-p", "Write docs"], vec!["pi", "-p", "Write docs", "--no-session"]]
        );
        let flags = json!({"harness": {"provider": "claude", "prompt": "dflt", "stdin": "text"}});
        assert_eq!(line(flags, json!({"prompt": "P"})), ["claude", "-p", "P", "--prompt", "dflt", "--stdin", "text"]);
    }

    #[test]
    fn both_spellings_of_a_key() {
        let with = |provider: &str| json!({"provider": provider, "prompt": "P", "max_turns": 3, "max-turns": 5});
        assert_eq!(line(json!({}), with("claude")), ["claude", "-p", "P", "--max-turns", "5", "--max-turns", "3"]);
        assert_eq!(line(json!({}), with("codex")), ["codex", "exec", "P", "--max-turns", "5", "--skip-git-repo-check"]);
        let document = json!({"harness": {"provider": "${params.P}", "max-turns": 1}});
        let with = json!({"prompt": "P", "max_turns": 3});
        assert_eq!(line(document, with), ["codex", "exec", "P", "--max-turns", "1", "--skip-git-repo-check"]);
    }

    #[test]
    fn definitions() {
        let bot = json!({"harnesses": {"bot": {"binary": "./bin/bot", "prefix_args": ["go"], "prompt_position": "after_flags",
            "flag_style": "single_dash", "option_flags": {"dry_run": "--dry"}}}});
        let with = json!({"provider": "bot", "prompt": "Check", "max_turns": 2, "dry_run": true, "model": "m1"});
        assert_eq!(line(bot, with), ["./bin/bot", "go", "--dry", "-max_turns", "2", "-model", "m1", "Check"]);
        let ask = json!({"harnesses": {"ask": {"binary": "asker", "prompt_mode": "flag", "prompt_flag": "-q",
            "prompt_position": "after_flags"}}});
        let with = json!({"provider": "ask", "prompt": "Why", "depth": 3, "stdin": "extra"});
        assert_eq!(line(ask, with), ["asker", "--depth", "3", "-q", "Why", "<extra"]);
        let shell = json!({"harnesses": {"sh": {"binary": "sh", "prefix_args": ["-c"]}}});
        let with = json!({"provider": "sh", "prompt": "echo $0", "name": "x"});
        assert_eq!(line(shell, with), ["sh", "-c", "echo $0", "--name", "x"]);
        let shadow = json!({"harnesses": {"claude": {"binary": "wrapper", "prefix_args": ["run"]}}});
        let with = json!({"provider": "claude", "prompt": "P", "max_turns": 3});
        assert_eq!(line(shadow, with), ["wrapper", "run", "P", "--max_turns", "3"]);
        let blank = json!({"harnesses": {"bot": {"binary": "b", "option_flags": {"a": "", "b": "  "}}}});
        let with = json!({"provider": "bot", "prompt": "P", "a": 1, "b": 2});
        assert_eq!(line(blank, with), ["b", "P", "--a", "1", "--b", "2"]);
    }

    #[test]
    fn prompts_on_stdin() {
        let pipe = json!({"harnesses": {"pipe": {"binary": "reader", "prefix_args": ["chat"], "prompt_mode": "stdin",
            "prompt_position": "after_flags"}}});
        let with = |prompt: &str| json!({"provider": "pipe", "prompt": prompt, "stdin": "the log", "json": true});
        assert_eq!(line(pipe.clone(), with("Explain")), ["reader", "chat", "--json", "<Explain\n\nthe log"]);
        assert_eq!(line(pipe.clone(), with("Explain\n")), ["reader", "chat", "--json", "<Explain\n\n\nthe log"]);
        assert_eq!(line(pipe, json!({"provider": "pipe", "prompt": "P"})), ["reader", "chat", "<P"]);
    }

    #[test]
    fn extra_stdin_is_piped_or_folded() {
        let with = json!({"provider": "cursor", "prompt": "Do it", "stdin": "ctx", "output_format": "json"});
        assert_eq!(line(json!({}), with), ["cursor-agent", "-p", "Do it\n\nctx", "--output-format", "json"]);
        let with = json!({"provider": "deepseek", "prompt": "P", "stdin": "S", "patch": "f.yml"});
        assert_eq!(line(json!({}), with), ["dsh", "--profile", "headless", "--patch", "f.yml", "P\n\nS"]);
        let words =
            |provider: &str| line(json!({}), json!({"provider": provider, "prompt": "Q", "stdin": "S"})).join(" ");
        assert_eq!(words("aider"), "aider --message Q\n\nS");
        assert_eq!(words("goose"), "goose run --text Q\n\nS --quiet");
        assert_eq!(words("droid"), "droid exec Q\n\nS");
        assert_eq!(words("cline"), "cline Q <S");
        assert_eq!(words("kiro"), "kiro-cli chat --no-interactive Q <S");
    }

    #[test]
    fn every_built_in_writes_its_own_line() {
        for (provider, expected) in [
            ("claude", "claude -p Q --model m"),
            ("codex", "codex exec Q --model m --skip-git-repo-check"),
            ("copilot", "copilot -p Q --model m"),
            ("opencode", "opencode run Q --model m"),
            ("pi", "pi -p Q --model m"),
            ("gemini", "gemini -p Q --model m"),
            ("cursor", "cursor-agent -p Q --model m --output-format text"),
            ("cline", "cline --model m Q"),
            ("aider", "aider --message Q --model m"),
            ("qwen", "qwen -p Q --model m"),
            ("goose", "goose run --text Q --model m --quiet"),
            ("kiro", "kiro-cli chat --no-interactive Q --model m"),
            ("droid", "droid exec Q --model m"),
            ("amp", "amp -x Q --model m"),
            ("deepseek", "dsh --profile headless --model m Q"),
        ] {
            let with = json!({"provider": provider, "prompt": "Q", "model": "m"});
            assert_eq!(line(json!({}), with).join(" "), expected);
        }
    }

    #[test]
    fn texts_are_read_as_yaml_once_more() {
        let with = json!({"provider": "claude", "prompt": "P", "flag": "true", "off": "false", "n": "007", "v": "1.0",
            "s": "10 # ten", "e": "1e3", "h": "yes", "list": ["true", "1.0", 2_000_000.0, null, {"a": 1}], "nested": {"a": 1}});
        assert_eq!(
            line(json!({}), with).join(" "),
            "claude -p P --e 1e3 --flag --h yes --list true --list 1 --list 2e+06 --list <nil> --list map[a:1] --n 7 --s 10 --v 1"
        );
    }

    #[test]
    fn fallbacks_treat_prompt_and_stdin_as_flags() {
        let with = json!({"provider": "claude", "prompt": "P",
            "fallback": [{"provider": "codex", "model": "x", "prompt": "q", "stdin": "r"}]});
        assert_eq!(
            lines(json!({}), with)[1].join(" "),
            "codex exec P --model x --prompt q --skip-git-repo-check --stdin r"
        );
    }

    #[test]
    fn keys_are_taken_as_they_are() {
        let with = json!({"provider": "claude", "prompt": "P", "a.b": 1, "c d": 2, "CamelCase": 3, "9": 4, "x=y": 5, "-s": 6,
            "--long": 7, "_u_": 8, "${params.P}": 9});
        assert_eq!(
            line(json!({}), with).join(" "),
            "claude -p P --${params.P} 9 ----long 7 ---s 6 --9 4 --CamelCase 3 ---u- 8 --a.b 1 --c d 2 --x=y 5"
        );
    }

    #[test]
    fn managed_is_no_flag_for_anyone() {
        let with = |provider: &str, managed: Value| json!({"provider": provider, "prompt": "P", "managed": managed});
        assert_eq!(line(json!({}), with("claude", json!(true))), ["claude", "-p", "P"]);
        assert_eq!(line(json!({}), with("opencode", json!("false"))), ["opencode", "run", "P"]);
        let attempts = plan(json!({}), with("opencode", json!(true))).unwrap().attempts;
        assert_eq!(attempts[0].command, Err(Refusal::Managed));
        assert!(matches!(plan(json!({}), with("opencode", json!("maybe"))), Err(PlanError::ManagedType { .. })));
        let with = |key: &str, value: &str| json!({"provider": "opencode", "prompt": "P", "managed": true, key: value});
        assert!(matches!(plan(json!({}), with("pure", "x")), Err(PlanError::ManagedOption { .. })));
        assert!(matches!(plan(json!({}), with("format", "json")), Err(PlanError::ManagedFormat { .. })));
        assert!(plan(json!({}), with("format", "default")).is_ok());
    }

    #[test]
    fn a_provider_is_settled_for_every_attempt_first() {
        let failure = |with: Value| plan(json!({"harnesses": {"5": {"binary": "b"}}}), with).unwrap_err();
        let with = |provider: Value| json!({"provider": provider, "prompt": "P"});
        let fallback =
            |provider: &str| json!({"provider": "claude", "prompt": "P", "fallback": [{"provider": provider}]});
        assert_eq!(failure(with(json!("${params.NOPE}"))).to_string(), "unresolved provider template `${params.NOPE}`");
        assert_eq!(failure(fallback("${env.NOPE}")).to_string(), "unresolved provider template `${env.NOPE}`");
        assert!(
            failure(fallback("nobody")).to_string().starts_with("unknown provider `nobody`; known are `5`, `aider`")
        );
        assert_eq!(name(failure(with(json!(" claude ")))), "ProviderUnknown");
        assert_eq!(name(failure(with(json!("5")))), "ProviderNotText");
        assert_eq!(name(failure(with(json!("${params.N}")))), "ProviderNotText");
        assert_eq!(name(failure(with(json!(null)))), "ProviderMissing");
        assert_eq!(name(failure(with(json!("${params.EMPTY}")))), "ProviderMissing");
    }

    #[test]
    fn what_the_loader_would_refuse_stops_here_too() {
        let failure = |with: Value| name(plan(json!({}), with).unwrap_err());
        assert_eq!(failure(json!({"provider": "claude"})), "PromptMissing");
        assert_eq!(failure(json!({"provider": "claude", "prompt": "${params.EMPTY}"})), "PromptEmpty");
        assert_eq!(failure(json!({"provider": "claude", "prompt": "P", "binary": "x"})), "ForbiddenKey");
        assert_eq!(failure(json!({"provider": "claude", "prompt": "P", "prompt_args": []})), "ForbiddenKey");
        let nested = json!([{"provider": "pi", "fallback": []}]);
        assert_eq!(failure(json!({"provider": "claude", "prompt": "P", "fallback": nested})), "FallbackNested");
        let reference = plan(
            json!({}),
            json!({"provider": "claude", "prompt": "P", "fallback": [{"provider": "pi", "m": "${fail}"}]}),
        );
        assert_eq!(reference.unwrap_err().to_string(), "`with.fallback[0].m` could not be resolved: `${fail}` fails");
    }

    #[test]
    fn nothing_is_piped_into_a_container() {
        let document =
            json!({"harnesses": {"r": {"binary": "b", "prompt_mode": "stdin"}}, "container": {"image": "i"}});
        let failure = |with: Value| name(plan(document.clone(), with).unwrap_err());
        assert_eq!(failure(json!({"provider": "goose", "prompt": "P", "stdin": "S"})), "StdinInContainer");
        assert_eq!(
            failure(json!({"provider": "r", "prompt": "P", "fallback": [{"provider": "pi"}]})),
            "StdinModeInContainer"
        );
        assert_eq!(failure(json!({"provider": "builtin", "prompt": "P"})), "BuiltinInContainer");
        let step = json!({"action": "harness.run", "container": "box", "with": {"provider": "r", "prompt": "P"}});
        assert_eq!(
            name(plan_of(json!({"harnesses": {"r": {"binary": "b", "prompt_mode": "stdin"}}}), step).unwrap_err()),
            "StdinModeInContainer"
        );
    }

    #[test]
    fn the_in_process_agent_is_an_attempt_that_fails() {
        let attempts = plan(json!({}), json!({"provider": "builtin", "prompt": "P", "fallback": [{"provider": "pi"}]}))
            .unwrap()
            .attempts;
        assert_eq!(attempts[0].command, Err(Refusal::InProcess));
        assert!(attempts[1].command.is_ok());
    }
}
