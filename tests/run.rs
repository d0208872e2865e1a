//! Runs as their listener sees them: plans from small workflows, on the host or against the scripted engine, and the
//! sequence of events they give.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::Signal;
use saddler::engine::fake::{FakeEngine, Reply};
use saddler::plan::{Plan, Selection, load};
use saddler::report::run_json::JsonLines;
use saddler::report::run_report::RunReport;
use saddler::runner::event::{StopReason, Stream};
use saddler::runner::stop::{StopCause, StopSource};
use saddler::runner::{self, EngineHandle, Event, EventKind, RunOptions, RunStatus, RunSummary};
use saddler::values::params::Passed;

/// One workflow in a folder of its own.
struct Workflow {
    folder: tempfile::TempDir,
    selection: Selection,
    options: RunOptions,
    stop: StopSource,
    /// Asked as soon as an event of this run says so.
    stop_at: Option<fn(&EventKind) -> bool>,
}

struct Ran {
    events: Vec<Event>,
    summary: RunSummary,
    folder: tempfile::TempDir,
}

impl Workflow {
    fn new(yaml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("flow.yaml"), yaml).unwrap();
        let env = [("PATH", "/usr/bin:/bin"), ("HOME", "/nonexistent"), ("SHELL", "/bin/sh"), ("HOST_ONLY", "host")];
        let options = RunOptions {
            process_env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            state_dir: folder.path().join("state"),
            ..RunOptions::default()
        };
        Self { folder, selection: Selection::All, options, stop: StopSource::new(), stop_at: None }
    }

    fn engine(mut self, engine: &FakeEngine) -> Self {
        self.options.engine = EngineHandle::connected(Arc::new(engine.clone()));
        self
    }

    fn select(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    fn params(mut self, args: &[&str]) -> Self {
        self.options.params = Passed::from_args(args);
        self
    }

    fn stop_at(mut self, when: fn(&EventKind) -> bool) -> Self {
        self.stop_at = Some(when);
        self
    }

    fn plan(&self) -> Plan {
        let dag = load(&self.folder.path().join("flow.yaml")).unwrap();
        Plan::new(Arc::new(dag), self.selection.clone()).unwrap()
    }

    async fn run(self) -> Ran {
        let plan = self.plan();
        let mut events = Vec::new();
        let (stop, stop_at) = (self.stop.clone(), self.stop_at);
        let mut listener = |event: Event| {
            if stop_at.is_some_and(|when| when(&event.kind)) {
                stop.stop(StopCause::Requested(Signal::SIGTERM));
            }
            events.push(event);
        };
        let summary = runner::run(plan, &self.options, self.stop.clone(), &mut listener).await.unwrap();
        Ran { events, summary, folder: self.folder }
    }
}

impl Ran {
    /// One line an event, without times, ids and paths; the output of a step in one piece where its last byte came.
    fn lines(&self) -> String {
        let mut text = String::new();
        let mut line = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").unwrap();
        for event in &self.events {
            match &event.kind {
                EventKind::RunStarted { dag, steps, .. } => {
                    let names: Vec<&str> = steps.iter().map(|step| &*step.name).collect();
                    line(format_args!("run {dag}: {}", names.join(" ")));
                }
                EventKind::StepStarted { step } => line(format_args!("{} started", step.name)),
                EventKind::AttemptStarted { step, attempt, place } => {
                    line(format_args!("{} attempt {attempt} {place:?}", step.name))
                }
                EventKind::FallbackStarted { step, index, provider } => {
                    line(format_args!("{} falls back to {index} {provider}", step.name))
                }
                EventKind::Output { step, stream, bytes } => {
                    line(format_args!("{} {stream:?} {:?}", step.name, String::from_utf8_lossy(bytes)))
                }
                EventKind::AttemptFailedWillRetry { step, exit_code, delay, .. } => {
                    line(format_args!("{} retries after code {exit_code} in {delay:?}", step.name))
                }
                EventKind::AttemptFinishedWillRepeat { step, exit_code, delay, .. } => {
                    line(format_args!("{} repeats after code {exit_code} in {delay:?}", step.name))
                }
                EventKind::Noticed { message, .. } => line(format_args!("notice: {message}")),
                EventKind::StepFinished { result } => {
                    let error = result.error.as_deref().unwrap_or("").replace('\n', " / ");
                    let text = format!("{} {} {} {error}", result.step.name, result.status, result.exit_code);
                    line(format_args!("{}", text.trim_end()));
                }
                EventKind::StopStarted { reason } => line(format_args!("stopping: {reason:?}")),
                EventKind::ContainerReady { .. } => line(format_args!("container ready")),
                EventKind::ContainerReleased { kept, .. } => line(format_args!("container released, kept: {kept}")),
                EventKind::ImagePulling { image, .. } => line(format_args!("pulling {image}")),
                EventKind::ImagePullProgressed { .. } => {}
                EventKind::RunFinished { summary } => line(format_args!("run {}", summary.status)),
            }
        }
        text.replace(&self.folder.path().display().to_string(), "DIR")
    }

    fn status(&self, name: &str) -> String {
        let step = self.summary.steps.iter().find(|step| &*step.step.name == name).unwrap();
        format!("{} {} {}", step.status, step.exit_code, step.attempts)
    }

    fn stdout(&self, name: &str) -> String {
        let wanted = self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Output { step, stream: Stream::Stdout, bytes } if &*step.name == name => Some(bytes.clone()),
            _ => None,
        });
        String::from_utf8(wanted.flatten().collect()).unwrap()
    }
}

fn is_output(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Output { .. })
}

#[tokio::test]
async fn a_chain_of_steps_from_start_to_end() {
    let ran = Workflow::new(
        "type: chain
params: [{name: who, default: world}]
handler_on:
  exit: {run: 'echo bye $DAG_RUN_STATUS'}
steps:
  - {id: a, run: 'echo hello ${params.who}', output: GREETING}
  - {id: b, run: 'echo \"$GREETING!\" >&2; exit 3'}
  - {id: c, run: echo never}
",
    )
    .params(&["who=you"])
    .run()
    .await;
    insta::assert_snapshot!(ran.lines(), @r#"
    run flow: a b c
    a started
    a attempt 1 Host
    a Stdout "hello you\n"
    a succeeded 0
    b started
    b attempt 1 Host
    b Stderr "hello you!\n"
    b failed 3 exit status 3 / recent stderr (tail): / hello you!
    c aborted 0 upstream failed
    onExit started
    onExit attempt 1 Host
    onExit Stdout "bye failed\n"
    onExit succeeded 0
    run failed
    "#);
    assert_eq!(ran.summary.outputs["greeting"], "hello you");
    assert_eq!(ran.summary.exit_code(), 1);
}

#[tokio::test]
async fn elapsed_times_never_go_back_and_the_summary_comes_last() {
    let ran = Workflow::new("steps: [{id: a, run: echo a}, {id: b, run: echo b}]").run().await;
    assert!(ran.events.is_sorted_by_key(|event| event.elapsed));
    assert!(matches!(ran.events[0].kind, EventKind::RunStarted { .. }));
    assert!(matches!(ran.events.last().unwrap().kind, EventKind::RunFinished { .. }));
}

#[tokio::test]
async fn retries_are_announced_and_counted() {
    let ran = Workflow::new(
        "steps:
  - id: a
    retry_policy: {limit: 3, interval_sec: 0}
    run: 'echo x >> n; test $(wc -l < n) -eq 3'
",
    )
    .run()
    .await;
    insta::assert_snapshot!(ran.lines(), @r"
    run flow: a
    a started
    a attempt 1 Host
    a retries after code 1 in 0ns
    a attempt 2 Host
    a retries after code 1 in 0ns
    a attempt 3 Host
    a succeeded 0
    run succeeded
    ");
    assert_eq!(ran.status("a"), "succeeded 0 3");
}

#[tokio::test]
async fn a_stop_ends_what_runs_and_leaves_the_rest_untouched() {
    let ran = Workflow::new(
        "handler_on: {abort: {run: echo aborted}, success: {run: echo no}}
steps:
  - {id: a, run: echo up; sleep 60}
  - {id: b, depends: a, run: echo b}
",
    )
    .stop_at(is_output)
    .run()
    .await;
    assert_eq!(ran.summary.status, RunStatus::Aborted);
    assert_eq!((ran.summary.stop, ran.summary.stop_signal), (Some(StopReason::Requested), Some(Signal::SIGTERM)));
    assert_eq!(ran.summary.exit_code(), 0);
    let statuses = ["a", "b", "onAbort", "onSuccess"].map(|name| ran.status(name));
    assert_eq!(statuses, ["aborted 143 1", "not_started 0 0", "succeeded 0 1", "not_started 0 0"]);
}

#[tokio::test]
async fn a_killed_run_gives_no_grace() {
    let flow = Workflow::new("steps: [{id: a, run: \"trap '' TERM; echo up; sleep 60; sleep 60\"}]");
    let stop = flow.stop.clone();
    let plan = flow.plan();
    let mut listener = |event: Event| {
        if is_output(&event.kind) {
            stop.stop(StopCause::Requested(Signal::SIGINT));
            stop.kill();
        }
    };
    let started = std::time::Instant::now();
    let summary = runner::run(plan, &flow.options, stop.clone(), &mut listener).await.unwrap();
    assert_eq!(summary.stop, Some(StopReason::Killed));
    assert!(started.elapsed() < Duration::from_secs(4), "the grace of 5 s was not waited for");
}

#[tokio::test]
async fn a_timeout_is_code_124_and_never_retried() {
    let ran = Workflow::new(
        "max_clean_up_time_sec: 1
steps:
  - {id: a, timeout_sec: 1, retry_policy: {limit: 3, interval_sec: 0}, run: sleep 60}
",
    )
    .run()
    .await;
    assert_eq!(ran.status("a"), "failed 124 1");
    assert!(ran.summary.error.as_deref().unwrap().starts_with("step timed out after 1."));
}

#[tokio::test]
async fn secrets_are_masked_in_everything_that_is_shown() {
    let ran = Workflow::new(
        "secrets: [{name: TOKEN, provider: env, key: HOST_ONLY}]
steps:
  - {id: a, run: 'printf \"%s|\" \"$TOKEN\"; echo \"$TOKEN\" >&2; exit 1', output: OUT}
",
    )
    .run()
    .await;
    let mut lines = JsonLines::new(Vec::new());
    for event in &ran.events {
        lines.report(event).unwrap();
    }
    let report = serde_json::to_string(&RunReport::new(&ran.summary)).unwrap();
    let log = std::fs::read_to_string(ran.summary.steps[0].stderr_log.as_ref().unwrap()).unwrap();
    assert_eq!(log, "*******\n");
    for shown in [ran.lines(), report, format!("{:?}", ran.summary)] {
        assert!(shown.contains("*******") && !shown.contains("host|") && !shown.contains("\"host"), "{shown}");
    }
}

#[tokio::test]
async fn one_step_runs_alone_or_after_what_it_needs() {
    let yaml = "handler_on: {exit: {run: echo x}}
preconditions: 'false'
steps:
  - {id: a, run: echo a}
  - {id: b, depends: a, run: echo b}
  - {id: c, run: echo c}
";
    let names = |ran: &Ran| -> Vec<String> {
        ran.summary.steps.iter().filter(|step| step.attempts > 0).map(|step| step.step.name.to_string()).collect()
    };
    let alone = Workflow::new(yaml).select(Selection::Step("b".into())).run().await;
    assert_eq!(names(&alone), ["b"]);
    let with_deps = Workflow::new(yaml).select(Selection::StepWithDeps("b".into())).run().await;
    assert_eq!(names(&with_deps), ["a", "b"]);
}

#[tokio::test]
async fn a_run_id_is_used_once() {
    let mut flow = Workflow::new("steps: [{id: a, run: 'true'}]");
    flow.options.run_id = Some("mine".into());
    let (plan, options) = (flow.plan(), flow.options.clone());
    let ran = flow.run().await;
    RunReport::new(&ran.summary).write(&ran.summary.record).unwrap();
    let refused = runner::run(plan, &options, StopSource::new(), &mut |_| {}).await.unwrap_err();
    assert_eq!(refused.to_string(), "run id `mine` has been used before");
}

#[tokio::test]
async fn a_child_takes_parameters_and_gives_outputs() {
    let ran = Workflow::new(
        "steps:
  - {id: a, action: dag.run, with: {dag: child, params: {x: '1 2'}}, output: CHILD}
  - {id: b, depends: a, run: 'echo ${CHILD.outputs.MSG}'}
---
name: child
params: [{name: x, default: d}]
steps: [{id: c, run: 'echo got $x', output: MSG}]
",
    )
    .run()
    .await;
    assert_eq!(ran.stdout("b"), "got 1 2\n", "{}", ran.lines());
}

/// Reads the engine's calls without ids that change.
fn verbs(engine: &FakeEngine) -> Vec<String> {
    engine.calls().iter().filter_map(|call| call.split(' ').next().map(str::to_owned)).collect()
}

#[tokio::test]
async fn the_shared_container_is_up_before_the_conditions_and_gone_at_the_end() {
    let engine = FakeEngine::new().with_image("img").with_program(|asked| {
        (asked.argv.first().map(String::as_str) == Some("greet")).then(|| Reply::exit(0).stdout("hi\n"))
    });
    let flow = r#"container: {image: img, env: [K=v]}
preconditions: 'true'
steps:
  - {id: a, run: "greet ${params.who} '$K'"}
  - {id: b, run: greet | cat, depends: a}
params: [{name: who, default: 'two words'}]
"#;
    let ran = Workflow::new(flow).engine(&engine).run().await;
    insta::assert_snapshot!(ran.lines(), @r#"
    run flow: a b
    container ready
    a started
    a attempt 1 RootContainer
    a Stdout "hi\n"
    a succeeded 0
    b started
    b attempt 1 RootContainer
    b succeeded 0
    container released, kept: false
    run succeeded
    "#);
    let argvs: Vec<Vec<String>> = engine.asked().into_iter().map(|asked| asked.argv).collect();
    assert!(argvs.contains(&["greet", "two words", "v"].map(String::from).to_vec()), "{argvs:?}");
    assert!(argvs.contains(&["/bin/sh", "-c", "greet | cat"].map(String::from).to_vec()), "{argvs:?}");
    assert_eq!(engine.remaining(), [""; 0]);
}

#[tokio::test]
async fn the_shared_container_is_removed_also_when_a_condition_stops_the_run() {
    let engine = FakeEngine::new().with_image("img");
    let flow = "container: {image: img}\npreconditions: 'false'\nsteps: [{id: a, run: 'true'}]";
    let ran = Workflow::new(flow).engine(&engine).run().await;
    assert_eq!(ran.summary.status, RunStatus::Aborted);
    assert!(verbs(&engine).contains(&"create".to_owned()) && engine.remaining().is_empty(), "{:?}", engine.calls());
}

#[tokio::test]
async fn without_its_container_a_run_fails_before_anything_else() {
    let flow = "container: {image: nowhere, pull_policy: never}
handler_on: {exit: {run: touch ran}, failure: {run: touch ran}}
steps: [{id: a, run: 'true'}]
";
    let ran = Workflow::new(flow).engine(&FakeEngine::new()).run().await;
    assert_eq!((ran.summary.status, ran.status("a")), (RunStatus::Failed, "not_started 0 0".to_owned()));
    assert!(ran.summary.error.as_deref().unwrap().contains("`nowhere`"));
    assert!(!ran.folder.path().join("ran").exists());
}

#[tokio::test]
async fn an_agent_falls_back_in_containers_of_its_own() {
    let engine = FakeEngine::new().with_image("img").with_program(|asked| match asked.argv[0].as_str() {
        "claude" => Some(Reply::exit(7).stdout("half\n").stderr("no\n")),
        "codex" => Some(Reply::exit(0).stdout("whole\n")),
        _ => None,
    });
    let flow = "env: [E=e]
secrets: [{name: TOKEN, provider: env, key: HOST_ONLY}]
steps:
  - id: a
    container: {image: img, env: ['KEY=${HOST_ONLY}']}
    action: harness.run
    with: {provider: claude, prompt: 'say $E $TOKEN $KEY', fallback: [{provider: codex}]}
    output: ANSWER
";
    let ran = Workflow::new(flow).engine(&engine).run().await;
    assert_eq!((ran.status("a"), ran.stdout("a")), ("succeeded 0 1".to_owned(), "whole\n".to_owned()));
    assert_eq!(ran.summary.outputs["answer"], "whole");
    let first = &engine.asked()[0];
    assert_eq!(first.argv, ["claude", "-p", "say e $TOKEN $KEY"]);
    assert_eq!((first.env("KEY"), first.env("TOKEN"), first.env("E")), (Some("host"), Some("host"), Some("e")));
    assert_eq!((first.env("PWD"), first.env("DAG_RUN_LOG_FILE"), first.env("PATH")), (None, None, None));
    assert_eq!(engine.created().len(), 2);
    assert_eq!(engine.remaining(), [""; 0]);
}

#[tokio::test]
async fn a_stop_reaches_programs_in_containers() {
    let engine = FakeEngine::new().with_image("img").with_program(|asked| {
        (asked.argv[0] == "work").then(|| Reply::exit(0).stdout("up\n").sleep(Duration::from_secs(3600)))
    });
    let flow = "steps: [{id: a, container: {image: img}, run: work}]";
    let ran = Workflow::new(flow).engine(&engine).stop_at(is_output).run().await;
    assert_eq!(ran.summary.status, RunStatus::Aborted);
    assert_eq!(engine.remaining(), [""; 0]);
}

/// The clock stands still but for what is waited for: nothing here takes real time.
#[tokio::test(start_paused = true)]
async fn intervals_and_timeouts_are_kept() {
    let tries = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&tries);
    let engine = FakeEngine::new().with_image("img").with_program(move |asked| match asked.argv[0].as_str() {
        "flaky" => {
            *counted.lock().unwrap() += 1;
            Some(Reply::exit(if *counted.lock().unwrap() < 3 { 75 } else { 0 }))
        }
        "endless" => Some(Reply::exit(0).sleep(Duration::from_secs(1 << 30))),
        _ => None,
    });
    let flow = "type: chain
steps:
  - id: a
    container: {image: img}
    retry_policy: {limit: 5, interval_sec: 600, backoff: 2.0, exit_code: [75]}
    run: flaky
  - {id: b, container: {image: img}, timeout_sec: 3600, continue_on: failed, run: endless}
";
    let ran = Workflow::new(flow).engine(&engine).run().await;
    assert_eq!((ran.status("a"), ran.status("b")), ("succeeded 0 3".to_owned(), "failed 124 1".to_owned()));
    let minutes = |name: &str| {
        let step = ran.summary.steps.iter().find(|step| &*step.step.name == name).unwrap();
        step.duration.as_secs() / 60
    };
    assert_eq!((minutes("a"), minutes("b")), (30, 60));
    assert_eq!(engine.remaining(), [""; 0]);
}

#[tokio::test]
async fn a_preview_names_everything_and_starts_nothing() {
    let flow = Workflow::new(
        "params: [{name: p, default: v, eval: $(touch ran)}]
secrets: [{name: TOKEN, provider: env, key: HOST_ONLY}]
working_dir: made/later
steps:
  - {id: a, run: 'echo ${params.p} ${env.TOKEN}'}
  - id: b
    depends: a
    container: {image: img, volumes: ['.:/w:ro']}
    action: harness.run
    with: {provider: claude, prompt: 'use ${a.output}'}
",
    );
    let preview = runner::preview(flow.plan(), &flow.options).await.unwrap();
    let mut text = Vec::new();
    saddler::report::run_preview::write_text(&mut text, &preview).unwrap();
    let folder = flow.folder.path();
    let text = String::from_utf8(text).unwrap().replace(&folder.display().to_string(), "DIR");
    let text: String =
        text.lines().filter(|line| !line.starts_with("  variables:")).map(|line| format!("{line}\n")).collect();
    insta::assert_snapshot!(text, @r"
    dry run of flow: nothing is started
    working directory: DIR/made/later

    a (on the host)
      /bin/sh -e -c 'echo $(touch ran) *******'

    b (in a container of its own, after a)
      image: img
      mount: DIR/made/later:/w:ro
      claude: claude -p 'use ${a.output}'
    ");
    assert!(preview.steps[1].env.contains(&"TOKEN".to_owned()));
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["flow.yaml"]);
}

#[tokio::test]
async fn what_cannot_be_run_here_is_refused_before_anything_starts() {
    let flow = Workflow::new("steps: [{id: a, run: touch ran}, {id: b, action: mail.send, with: {to: [x]}}]");
    let refused = runner::run(flow.plan(), &flow.options, StopSource::new(), &mut |_| {}).await.unwrap_err();
    assert_eq!(refused.to_string(), "step `b`: action `mail.send` cannot be run by saddler");
    assert!(!Path::new(flow.folder.path()).join("ran").exists());
}

#[tokio::test]
async fn listeners_may_be_slow_without_losing_anything() {
    let flow = Workflow::new("steps: [{id: a, run: 'seq 1 20000'}]");
    let seen = Mutex::new(HashMap::<String, usize>::new());
    let mut listener = |event: Event| {
        if let EventKind::Output { step, bytes, .. } = event.kind {
            *seen.lock().unwrap().entry(step.name.to_string()).or_default() += bytes.len();
        }
    };
    runner::run(flow.plan(), &flow.options, StopSource::new(), &mut listener).await.unwrap();
    assert_eq!(seen.lock().unwrap()["a"], 108_894);
}
