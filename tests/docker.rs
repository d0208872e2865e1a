//! The container layer against a real engine.
//!
//! Ignored by default because they need one: `cargo test --test docker -- --include-ignored`. The engine is Docker, or
//! what `SADDLER_TEST_ENGINE=podman` says, at the address that the variables of `saddler` itself name. Without an engine
//! they fail.

mod common;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use saddler::container::limits::Limits;
use saddler::container::{
    Caller, CancelStop, Command, ContainerError, ContainerSettings, Ended, ExistingContainer, NewContainer, Notice,
    Place, Program, References, Shape, Shared, StopPolicy, labels, run_single,
};
use saddler::engine::{Engine, EngineError, Stream, connect, endpoint};
use serde_json::{Value, json};

/// A connection, a stop and a run id of the test's own.
struct Bench {
    engine: Arc<dyn Engine>,
    stop: CancelStop,
    run: String,
    notices: Mutex<Vec<Notice>>,
}

/// What a command printed and how it ended.
#[derive(Debug, Default)]
struct Run {
    stdout: String,
    stderr: String,
    ended: Ended,
}

async fn bench() -> Bench {
    common::images();
    let word = common::engine_word();
    let lookup = |name: &str| match name {
        "DAGU_CONTAINER_RUNTIME" => Some(word.clone()),
        name => std::env::var(name).ok(),
    };
    let endpoint = endpoint(&lookup).expect("the environment names an engine");
    let engine = match connect(&endpoint).await {
        Ok(engine) => engine,
        Err(error) => panic!("these tests need an engine: {error}"),
    };
    Bench {
        engine,
        stop: CancelStop { policy: StopPolicy { signal: None, grace: Duration::from_secs(2) }, ..Default::default() },
        run: format!("test-{:016x}", rand::random::<u64>()),
        notices: Mutex::default(),
    }
}

impl Bench {
    fn caller<'a>(&'a self, notice: &'a (dyn Fn(Notice) + Send + Sync)) -> Caller<'a> {
        Caller { engine: &self.engine, stop: &self.stop, notice }
    }

    fn note(&self) -> impl Fn(Notice) + Send + Sync + '_ {
        |notice| self.notices.lock().unwrap_or_else(PoisonError::into_inner).push(notice)
    }

    fn place(&self, settings: Value, shape: Shape) -> Result<Place, ContainerError> {
        let text = |text: &str| Ok(text.to_owned());
        let env = |text: &str, _: &[(String, String)]| Ok(text.to_owned());
        let process = |name: &str| std::env::var(name).ok();
        let references = References { text: &text, env: &env, process: &process, base: Path::new("/") };
        let settings = ContainerSettings::parse(&settings, "container")?.expect("a container");
        Ok(settings.resolve(&references, Limits::default(), shape)?)
    }

    fn fresh(&self, settings: Value, shape: Shape) -> NewContainer {
        match self.place(settings, shape).expect("settings that can be used") {
            Place::New(new) => new.for_run(&self.run, "test"),
            Place::Existing(existing) => panic!("{existing:?}"),
        }
    }

    async fn single(&self, settings: Value, program: Program, outputs: bool) -> Result<Run, ContainerError> {
        self.single_env(settings, program, &[], outputs).await
    }

    async fn single_env(
        &self,
        settings: Value,
        program: Program,
        env: &[(String, String)],
        outputs: bool,
    ) -> Result<Run, ContainerError> {
        let note = self.note();
        let mut run = Run::default();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut sink = |stream: Stream, bytes: &[u8]| {
            if stream == Stream::Stdout {
                stdout.extend_from_slice(bytes)
            } else {
                stderr.extend_from_slice(bytes)
            }
            Ok(())
        };
        let new = self.fresh(settings, Shape::Single);
        run.ended = run_single(&self.caller(&note), &new, &program, env, outputs, &mut sink).await?;
        run.stdout = String::from_utf8_lossy(&stdout).into_owned();
        run.stderr = String::from_utf8_lossy(&stderr).into_owned();
        Ok(run)
    }

    async fn shared(&self, settings: Value) -> Result<Shared, ContainerError> {
        let note = self.note();
        Shared::create(&self.caller(&note), &self.fresh(settings, Shape::Shared)).await
    }

    async fn join(&self, settings: Value) -> Result<Shared, ContainerError> {
        let note = self.note();
        let existing: ExistingContainer = match self.place(settings, Shape::Shared)? {
            Place::Existing(existing) => existing,
            Place::New(new) => panic!("{new:?}"),
        };
        Shared::join(&self.caller(&note), &existing).await
    }

    async fn exec(&self, shared: &Shared, command: Command) -> Result<Run, ContainerError> {
        let note = self.note();
        let mut run = Run::default();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut sink = |stream: Stream, bytes: &[u8]| {
            if stream == Stream::Stdout {
                stdout.extend_from_slice(bytes)
            } else {
                stderr.extend_from_slice(bytes)
            }
            Ok(())
        };
        let result = shared.run(&self.caller(&note), &command, &mut sink).await;
        run.stdout = String::from_utf8_lossy(&stdout).into_owned();
        run.stderr = String::from_utf8_lossy(&stderr).into_owned();
        if result.is_err() {
            assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""), "an error's words are not output");
        }
        run.ended = result?;
        Ok(run)
    }

    async fn stop_after(&self, milliseconds: u64) {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        self.stop.token.cancel();
    }

    async fn close(&self, shared: Shared) {
        let note = self.note();
        shared.close(&self.caller(&note), &self.stop.policy).await;
    }

    /// Starts somebody else's container.
    fn foreign(&self, name: &str, args: &[&str]) -> Foreign {
        let _ = std::process::Command::new(common::engine_word()).args(["rm", "-f", name]).output();
        let mut all = vec!["run", "-d", "--name", name];
        all.extend_from_slice(args);
        common::engine_cli(&all);
        Foreign(name.to_owned())
    }

    /// Our containers that exist.
    async fn left(&self) -> Vec<String> {
        let label = format!("{}={}", labels::RUN, self.run);
        let rows = self.engine.containers(&label).await.expect("a list");
        rows.into_iter()
            .map(|row| format!("{} {}", row.name, if row.running { "running" } else { "stopped" }))
            .collect()
    }

    async fn nothing_left(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let left = self.left().await;
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "left behind: {left:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Somebody else's container; removed by its owner.
struct Foreign(String);

impl Foreign {
    fn state(&self) -> String {
        common::engine_cli(&["inspect", "-f", "{{.State.Status}}", &self.0])
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = std::process::Command::new(common::engine_word()).args(["rm", "-f", &self.0]).output();
    }
}

fn sh(text: &str) -> Program {
    Program::Direct(vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()])
}

fn sh_command(text: &str) -> Command {
    Command::new(["sh", "-c", text])
}

fn alpine() -> Value {
    json!({ "image": "alpine:3.20", "pull_policy": "never" })
}

fn with(mut settings: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("a map") };
    settings.as_object_mut().expect("a map").extend(more);
    settings
}

/// Whether a process with `mark` on its command line runs inside a container.
fn runs_inside(container: &str, mark: &str) -> bool {
    let script = format!(
        "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null; echo; done | grep -v grep | grep -c '[{}]{}'",
        &mark[..1],
        &mark[1..]
    );
    let output = std::process::Command::new(common::engine_word())
        .args(["exec", container, "sh", "-c", &script])
        .output()
        .expect("exec");
    String::from_utf8_lossy(&output.stdout).trim() != "0"
}

macro_rules! engine_tests {
    ($($(#[$doc:meta])* async fn $name:ident() $body:block)*) => {
        $($(#[$doc])*
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "needs a container engine"]
        async fn $name() $body)*
    };
}

engine_tests! {
    async fn a_single_command_has_its_exit_code_and_both_streams_complete() {
        let bench = bench().await;
        for code in [0, 3, 126, 127] {
            let program = sh(&format!("printf out; printf err >&2; exit {code}"));
            let run = bench.single(alpine(), program, false).await.unwrap();
            assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("out", "err"));
            assert_eq!(run.ended, Ended { code, stopped: false, outputs: None });
        }
        bench.nothing_left().await;
    }

    async fn a_last_line_without_newline_is_never_lost() {
        let bench = bench().await;
        for round in 0..15 {
            let run = bench.single(alpine(), sh("echo first; printf last"), false).await.unwrap();
            assert_eq!(run.stdout, "first\nlast", "round {round}");
        }
        bench.nothing_left().await;
    }

    async fn large_output_arrives_whole() {
        let bench = bench().await;
        let program = sh("i=0; while [ $i -lt 20000 ]; do echo line $i of a large output; i=$((i+1)); done");
        let run = bench.single(alpine(), program, false).await.unwrap();
        assert_eq!(run.stdout.lines().count(), 20000);
        assert!(run.stdout.ends_with("line 19999 of a large output\n"));
    }

    async fn the_entrypoint_stays_for_arguments_and_goes_for_agents() {
        let bench = bench().await;
        let entry = || json!({ "image": "saddler-test/entry:1", "pull_policy": "never" });
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let run = bench.single(entry(), Program::Arguments(words(&["echo", "a b"])), false).await.unwrap();
        assert_eq!(run.stdout, "entry: echo a b\na b\n");
        let run = bench.single(entry(), Program::Direct(words(&["echo", "a b"])), false).await.unwrap();
        assert_eq!(run.stdout, "a b\n");
        let run = bench.single(entry(), Program::OfImage, false).await.unwrap();
        assert_eq!(run.stdout, "entry: echo image default\nimage default\n");
        let settings = with(entry(), json!({ "command": ["echo", "own"] }));
        let run = bench.single(settings, Program::OfImage, false).await.unwrap();
        assert_eq!(run.stdout, "entry: echo own\nown\n");
    }

    async fn user_directory_environment_and_network_are_as_asked() {
        let bench = bench().await;
        let settings = with(alpine(), json!({
            "user": "1000:1000", "working_dir": "/made/for/it", "env": ["A=of container", "B=x=y $Z"], "network": "none"
        }));
        let env = [("A".to_owned(), "of step".to_owned()), ("C".to_owned(), "of step".to_owned())];
        let program = sh("id -u; id -g; pwd; echo $A; echo \"$B\"; echo $C; ls /sys/class/net");
        let run = bench.single_env(settings, program, &env, false).await.unwrap();
        assert_eq!(run.stdout, "1000\n1000\n/made/for/it\nof container\nx=y $Z\nof step\nlo\n");
    }

    async fn a_read_only_volume_can_be_read_and_not_written() {
        let bench = bench().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("f"), "text").unwrap();
        let volume = |mode: &str| format!("{}:/w:{mode}", folder.path().display());
        let settings = with(alpine(), json!({ "volumes": [volume("ro")], "working_dir": "/w" }));
        let run = bench.single(settings, sh("cat f; echo x > g"), false).await.unwrap();
        assert_eq!(run.stdout, "text");
        assert!(run.stderr.contains("Read-only"), "{}", run.stderr);
        let settings = with(alpine(), json!({ "volumes": [volume("rw")], "working_dir": "/w" }));
        bench.single(settings, sh("echo x > g"), false).await.unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("g")).unwrap(), "x\n");
    }

    async fn what_cannot_be_started_is_named_and_leaves_nothing() {
        let bench = bench().await;
        let run = |settings: Value, program: &str| bench.single(settings, Program::Direct(vec![program.to_owned()]), false);
        let error = run(alpine(), "no-such-agent").await.unwrap_err();
        assert_eq!(error.to_string(), "program `no-such-agent` was not found in image `alpine:3.20`");
        let error = run(alpine(), "/etc/passwd").await.unwrap_err();
        assert!(error.to_string().starts_with("program `/etc/passwd` in image `alpine:3.20` cannot be executed"), "{error}");
        let error = run(with(alpine(), json!({ "user": "nobodyhere" })), "true").await.unwrap_err();
        assert_eq!(error.to_string(), "image `alpine:3.20` has no user `nobodyhere`");
        let error = run(with(alpine(), json!({ "network": "saddler-no-such-network" })), "true").await.unwrap_err();
        assert_eq!(error.code(), "container-network-missing", "{error}");
        bench.nothing_left().await;
    }

    async fn a_missing_image_with_never_is_named() {
        let bench = bench().await;
        let settings = json!({ "image": "saddler-test/none:1", "pull_policy": "never" });
        let error = bench.single(settings, sh("true"), false).await.unwrap_err();
        assert!(matches!(error, ContainerError::ImageMissing { .. }), "{error}");
        assert!(error.to_string().contains("`saddler-test/none:1`"), "{error}");
    }

    async fn an_unreachable_registry_fails_the_pull() {
        let bench = bench().await;
        let settings = |policy: &str| json!({ "image": "127.0.0.1:9/x:1", "pull_policy": policy });
        let error = bench.single(settings("missing"), sh("true"), false).await.unwrap_err();
        assert!(matches!(error, ContainerError::Engine(EngineError::Pull { .. })), "{error:?}");
        assert!(error.to_string().contains("127.0.0.1:9"), "{error}");
        let error = bench.single(settings("fallback"), sh("true"), false).await.unwrap_err();
        assert!(matches!(error, ContainerError::PullNoLocal { .. }), "{error:?}");
    }

    async fn a_local_image_serves_missing_and_fallback_but_not_always() {
        let bench = bench().await;
        let name = format!("127.0.0.1:9/{}:1", bench.run);
        common::engine_cli(&["tag", "alpine:3.20", &name]);
        let settings = |policy: &str| json!({ "image": name, "pull_policy": policy });
        bench.single(settings("missing"), sh("true"), false).await.unwrap();
        bench.single(settings("fallback"), sh("true"), false).await.unwrap();
        let error = bench.single(settings("always"), sh("true"), false).await.unwrap_err();
        common::engine_cli(&["rmi", &name]);
        assert!(matches!(error, ContainerError::Engine(EngineError::Pull { .. })), "{error:?}");
        let notices = bench.notices.lock().unwrap();
        assert!(notices.iter().any(|notice| matches!(notice, Notice::UsingLocal { .. })), "{notices:?}");
    }

    async fn a_name_in_use_fails_and_touches_nothing() {
        let bench = bench().await;
        let name = format!("{}-taken", bench.run);
        let foreign = bench.foreign(&name, &["alpine:3.20", "sleep", "600"]);
        let settings = with(alpine(), json!({ "name": name }));
        let error = bench.single(settings.clone(), sh("true"), false).await.unwrap_err();
        assert!(matches!(error, ContainerError::NameInUse { .. }), "{error:?}");
        let error = bench.shared(settings).await.err().unwrap();
        assert!(matches!(error, ContainerError::NameInUse { .. }), "{error:?}");
        assert_eq!(foreign.state(), "running");
    }

    async fn a_kept_container_is_left_stopped() {
        let bench = bench().await;
        let settings = |name: &str| with(alpine(), json!({ "keep_container": true, "name": format!("{}-{name}", bench.run) }));
        bench.single(settings("single"), sh("exit 4"), false).await.unwrap();
        let shared = bench.shared(settings("shared")).await.unwrap();
        bench.close(shared).await;
        let mut left = bench.left().await;
        left.sort();
        for name in ["single", "shared"] {
            common::engine_cli(&["rm", &format!("{}-{name}", bench.run)]);
        }
        assert_eq!(left, [format!("{}-shared stopped", bench.run), format!("{}-single stopped", bench.run)]);
    }

    async fn an_outputs_file_goes_in_and_comes_back() {
        let bench = bench().await;
        let settings = with(alpine(), json!({ "user": "1000" }));
        let program = "echo \"a=$(id -u)\" >> \"$DAGU_OUTPUT_FILE\"";
        let run = bench.single(settings.clone(), sh(program), true).await.unwrap();
        assert_eq!(run.ended.outputs.as_deref(), Some(b"a=1000\n" as &[u8]), "{}", run.stderr);
        let shared = bench.shared(settings).await.unwrap();
        for round in 0..2 {
            let command = Command { outputs: true, ..sh_command(&format!("echo b={round} > \"$DAGU_OUTPUT_FILE\"")) };
            let run = bench.exec(&shared, command).await.unwrap();
            assert_eq!(run.ended.outputs, Some(format!("b={round}\n").into_bytes()), "{}", run.stderr);
        }
        let run = bench.exec(&shared, sh_command("ls -a /")).await.unwrap();
        assert!(!run.stdout.contains(".saddler"), "{}", run.stdout);
        let command = Command { outputs: true, ..sh_command("true") };
        assert_eq!(bench.exec(&shared, command).await.unwrap().ended.outputs, Some(Vec::new()));
        bench.close(shared).await;
        bench.nothing_left().await;
    }

    async fn commands_share_one_container_and_run_side_by_side() {
        let bench = bench().await;
        let settings = json!({ "image": "saddler-test/entry:1", "pull_policy": "never", "env": ["E=root"] });
        let shared = bench.shared(settings).await.unwrap();
        bench.exec(&shared, sh_command("printf kept > /tmp/f")).await.unwrap();
        let command = Command { env: vec![("E".into(), "step".into()), ("F".into(), "step".into())], ..sh_command("cat /tmp/f; echo $B $E $F; id -u") };
        let run = bench.exec(&shared, command).await.unwrap();
        assert_eq!(run.stdout, "keptimage root step\n1000\n");
        // Each waits for the other, so neither would end if they ran one after the other.
        let (first, second) = tokio::join!(
            bench.exec(&shared, sh_command("touch /tmp/1; until [ -e /tmp/2 ]; do sleep 0.1; done; printf one; exit 5")),
            bench.exec(&shared, sh_command("touch /tmp/2; until [ -e /tmp/1 ]; do sleep 0.1; done; printf two >&2"))
        );
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!((first.stdout.as_str(), first.ended.code), ("one", 5));
        assert_eq!((second.stderr.as_str(), second.ended.code), ("two", 0));
        bench.close(shared).await;
        bench.nothing_left().await;
    }

    async fn what_cannot_be_started_inside_is_named_and_its_words_are_no_output() {
        let bench = bench().await;
        let name = format!("{}-inside", bench.run);
        let _foreign = bench.foreign(&name, &["alpine:3.20", "sleep", "600"]);
        let exec = |more: Value| with(json!({ "exec": name }), more);
        let shared = bench.join(exec(json!({}))).await.unwrap();
        let error = bench.exec(&shared, Command::new(["no-such-agent"])).await.unwrap_err();
        assert_eq!(error.to_string(), format!("program `no-such-agent` was not found in container `{name}`"));
        let error = bench.exec(&shared, Command::new(["/etc/passwd"])).await.unwrap_err();
        assert!(error.to_string().starts_with("program `/etc/passwd` in container"), "{error}");
        for code in [125, 126, 127] {
            let run = bench.exec(&shared, sh_command(&format!("printf 'Error: of its own\\r\\n'; exit {code}"))).await.unwrap();
            assert_eq!((run.stdout.as_str(), run.ended.code), ("Error: of its own\r\n", code));
        }
        let shared = bench.join(exec(json!({ "user": "nobodyhere" }))).await.unwrap();
        let error = bench.exec(&shared, sh_command("true")).await.unwrap_err();
        assert_eq!(error.to_string(), format!("container `{name}` has no user `nobodyhere`"));
        let shared = bench.join(exec(json!({ "working_dir": "/nowhere" }))).await.unwrap();
        let error = bench.exec(&shared, sh_command("true")).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the working directory `/nowhere` does not exist in container `{name}`"));
    }

    async fn an_existing_container_is_used_and_never_stopped() {
        let bench = bench().await;
        let name = format!("{}-foreign", bench.run);
        let foreign = bench.foreign(&name, &["-e", "T=target", "alpine:3.20", "sleep", "600"]);
        let settings = json!({ "exec": name, "user": "1000", "working_dir": "/tmp", "env": ["E=own"] });
        let shared = bench.join(settings).await.unwrap();
        let run = bench.exec(&shared, sh_command("id -u; pwd; echo $T $E; exit 9")).await.unwrap();
        assert_eq!((run.stdout.as_str(), run.ended.code), ("1000\n/tmp\ntarget own\n", 9));
        bench.close(shared).await;
        assert_eq!(foreign.state(), "running");
    }

    async fn a_stop_ends_only_the_command_in_an_existing_container() {
        for (script, code) in [
            // Children, also ones that cleared their environment, and a program that ignores TERM.
            ("env -i sleep 4321 & sleep 4321 & echo up; wait", 143),
            ("trap '' TERM; sleep 4321 & echo up; while :; do sleep 0.1; done", 137),
        ] {
            let bench = bench().await;
            let name = format!("{}-stop", bench.run);
            let foreign = bench.foreign(&name, &["alpine:3.20", "sh", "-c", "sleep 7654 & wait"]);
            let shared = bench.join(json!({ "exec": name })).await.unwrap();
            let (run, ()) = tokio::join!(bench.exec(&shared, sh_command(script)), bench.stop_after(800));
            let run = run.unwrap();
            assert_eq!((run.ended.stopped, run.ended.code, run.stdout.as_str()), (true, code, "up\n"));
            assert!(!runs_inside(&name, "4321"), "a process was left");
            assert!(runs_inside(&name, "7654"), "the container's own process was hit");
            assert_eq!(foreign.state(), "running");
        }
    }

    async fn a_stop_leaves_no_container_and_no_process() {
        for (script, code, at_least) in [
            ("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.1; done", 7, 0),
            ("echo up; sleep 600", 143, 0),
            ("trap '' TERM; echo up; while :; do sleep 0.1; done", 137, 2),
        ] {
            let bench = bench().await;
            let before = Instant::now();
            let (run, ()) = tokio::join!(bench.single(alpine(), sh(script), false), bench.stop_after(1000));
            let run = run.unwrap();
            assert_eq!((run.ended.stopped, run.ended.code), (true, code), "{script}");
            assert_eq!(run.stdout, if code == 7 { "up\nbye\n" } else { "up\n" });
            let taken = before.elapsed().as_secs();
            assert!((at_least + 1..at_least + 6).contains(&taken), "{script}: {taken} s");
            bench.nothing_left().await;
        }
    }

    async fn the_signal_of_the_policy_is_the_one_that_is_sent() {
        let mut bench = bench().await;
        bench.stop.policy.signal = Some("USR1".to_owned());
        let script = "trap 'exit 8' USR1; trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done";
        let (run, ()) = tokio::join!(bench.single(alpine(), sh(script), false), bench.stop_after(1000));
        assert_eq!(run.unwrap().ended.code, 8);
        let mut bench = self::bench().await;
        bench.stop.policy.signal = Some("SIGUSR1".to_owned());
        let shared = bench.shared(alpine()).await.unwrap();
        let (run, ()) = tokio::join!(bench.exec(&shared, sh_command(script)), bench.stop_after(500));
        assert_eq!(run.unwrap().ended.code, 8);
        bench.close(shared).await;
    }

    async fn a_stop_before_the_start_starts_nothing() {
        let bench = bench().await;
        let shared = bench.shared(alpine()).await.unwrap();
        bench.stop.token.cancel();
        let error = bench.exec(&shared, sh_command("true")).await.unwrap_err();
        assert!(matches!(error, ContainerError::Stopped), "{error:?}");
        let error = bench.single(alpine(), sh("true"), false).await.unwrap_err();
        assert!(matches!(error, ContainerError::Stopped), "{error:?}");
        bench.close(shared).await;
        bench.nothing_left().await;
    }

    async fn a_dropped_future_leaves_nothing() {
        let bench = bench().await;
        let single = bench.single(alpine(), sh("sleep 600"), false);
        assert!(tokio::time::timeout(Duration::from_millis(1200), single).await.is_err());
        bench.nothing_left().await;
        let shared = bench.shared(alpine()).await.unwrap();
        let exec = bench.exec(&shared, sh_command("sleep 4321"));
        assert!(tokio::time::timeout(Duration::from_millis(1200), exec).await.is_err());
        let deadline = Instant::now() + Duration::from_secs(60);
        while runs_inside(shared.name(), "4321") {
            assert!(Instant::now() < deadline, "the command of a dropped future runs on");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        drop(shared);
        bench.nothing_left().await;
    }

    async fn a_sink_that_fails_ends_the_command() {
        let bench = bench().await;
        let note = bench.note();
        let caller = bench.caller(&note);
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        let mut sink = |_: Stream, _: &[u8]| Err(full());
        let new = bench.fresh(alpine(), Shape::Single);
        let error = run_single(&caller, &new, &sh("echo x; sleep 600"), &[], false, &mut sink).await.unwrap_err();
        assert!(matches!(error, ContainerError::Output(_)), "{error:?}");
        let shared = bench.shared(alpine()).await.unwrap();
        let error = shared.run(&caller, &sh_command("echo x; sleep 4321"), &mut sink).await.unwrap_err();
        assert!(matches!(error, ContainerError::Output(_)), "{error:?}");
        assert!(!runs_inside(shared.name(), "4321"));
        bench.close(shared).await;
        bench.nothing_left().await;
    }

    async fn a_keepalive_does_not_outlive_a_kill_of_ours() {
        const ROLE: &str = "SADDLER_TEST_HOLD";
        let bench = bench().await;
        if std::env::var_os(ROLE).is_some() {
            // The child's part: hold a container with a busy command in it, say so, wait for the end.
            let shared = bench.shared(alpine()).await.unwrap();
            let name = shared.name().to_owned();
            let said = async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                std::fs::write(std::env::var_os(ROLE).unwrap(), name).unwrap();
            };
            let (run, ()) = tokio::join!(bench.exec(&shared, sh_command("sleep 600")), said);
            panic!("the child was not killed: {run:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("name");
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "a_keepalive_does_not_outlive_a_kill_of_ours"])
            .env(ROLE, &file)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let name = loop {
            let name = std::fs::read_to_string(&file).unwrap_or_default();
            if !name.is_empty() {
                break name;
            }
            assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "the child made no container");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert!(bench.engine.container(&name).await.unwrap().unwrap().running);
        child.kill().unwrap();
        child.wait().unwrap();
        let killed = Instant::now();
        while bench.engine.container(&name).await.unwrap().is_some_and(|container| container.running) {
            assert!(killed.elapsed() < Duration::from_secs(60), "the container lives on");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let container = bench.engine.container(&name).await.unwrap().expect("it can still be found");
        assert!(container.labels.iter().any(|(label, _)| label == labels::RUN));
        bench.engine.remove(&name).await.unwrap();
    }

    async fn an_image_without_a_shell_cannot_be_kept_alive_and_says_so() {
        let bench = bench().await;
        let noshell = || json!({ "image": "saddler-test/noshell:1", "pull_policy": "never" });
        let error = bench.shared(noshell()).await.err().unwrap();
        assert!(matches!(error, ContainerError::NeedsShell { .. }), "{error:?}");
        let shared = bench.shared(with(noshell(), json!({ "startup": "entrypoint" }))).await.unwrap();
        let run = bench.exec(&shared, Command::new(["sleep", "0"])).await.unwrap();
        assert_eq!(run.ended.code, 0);
        bench.close(shared).await;
        bench.nothing_left().await;
    }

    async fn a_container_that_ends_early_is_told_with_its_words() {
        let bench = bench().await;
        let settings = json!({ "startup": "command", "command": ["sh", "-c", "echo no config >&2; exit 9"] });
        let error = bench.shared(with(alpine(), settings)).await.err().unwrap();
        assert!(matches!(error, ContainerError::ExitedEarly { code: 9, .. }), "{error:?}");
        assert!(error.to_string().ends_with("with exit code 9; it said: no config"), "{error}");
        bench.nothing_left().await;
    }

    async fn start_up_commands_replace_the_entrypoint_and_patterns_are_waited_for() {
        let bench = bench().await;
        let entry = json!({ "image": "saddler-test/entry:1", "pull_policy": "never", "startup": "command",
            "command": ["sh", "-c", "echo booting; sleep 1; touch /tmp/up; printf 'ready on 80\\n'; sleep 600"],
            "log_pattern": "ready on [0-9]+$" });
        let shared = bench.shared(entry).await.unwrap();
        assert_eq!(bench.exec(&shared, sh_command("ls /tmp/up")).await.unwrap().stdout, "/tmp/up\n");
        bench.close(shared).await;
        let settings = json!({ "startup": "command", "command": ["sh", "-c", "echo booting; sleep 1"], "log_pattern": "ready" });
        let error = bench.shared(with(alpine(), settings)).await.err().unwrap();
        assert!(matches!(error, ContainerError::PatternNotSeen { .. }), "{error:?}");
        bench.nothing_left().await;
    }

    async fn health_is_waited_for_on_every_engine() {
        let bench = bench().await;
        let settings = |test: Value| with(alpine(), json!({ "wait_for": "healthy", "startup": "command",
            "command": ["sh", "-c", "sleep 1; touch /tmp/ready; sleep 600"],
            "healthcheck": { "test": test, "interval": "1s", "retries": 3 } }));
        let shared = bench.shared(settings(json!(["CMD", "test", "-e", "/tmp/ready"]))).await.unwrap();
        assert_eq!(bench.exec(&shared, sh_command("ls /tmp/ready")).await.unwrap().ended.code, 0);
        bench.close(shared).await;
        let error = bench.shared(settings(json!(["CMD-SHELL", "false"]))).await.err().unwrap();
        assert!(matches!(error, ContainerError::Unhealthy { .. }), "{error:?}");
        let shared = bench.shared(with(alpine(), json!({ "wait_for": "healthy" }))).await.unwrap();
        bench.close(shared).await;
        assert!(bench.notices.lock().unwrap().iter().any(|notice| matches!(notice, Notice::NoHealthCheck { .. })));
        bench.nothing_left().await;
    }

    async fn waits_hear_a_stop() {
        let bench = bench().await;
        let (joined, ()) = tokio::join!(bench.join(json!("saddler-no-such-container")), bench.stop_after(700));
        assert!(matches!(joined.err().unwrap(), ContainerError::Stopped));
        let bench = self::bench().await;
        let settings = with(alpine(), json!({ "log_pattern": "never said" }));
        let (shared, ()) = tokio::join!(bench.shared(settings), bench.stop_after(1000));
        assert!(matches!(shared.err().unwrap(), ContainerError::Stopped));
        bench.nothing_left().await;
    }

    async fn a_container_that_starts_late_is_waited_for() {
        let bench = bench().await;
        let name = format!("{}-late", bench.run);
        let late = async {
            tokio::time::sleep(Duration::from_millis(1200)).await;
            bench.foreign(&name, &["alpine:3.20", "sleep", "600"])
        };
        let (joined, _foreign) = tokio::join!(bench.join(json!(name)), late);
        let run = bench.exec(&joined.unwrap(), sh_command("echo hi")).await.unwrap();
        assert_eq!(run.stdout, "hi\n");
    }

    async fn a_container_that_goes_away_ends_the_command_and_fails_the_next() {
        let bench = bench().await;
        let shared = bench.shared(alpine()).await.unwrap();
        let kill = async {
            tokio::time::sleep(Duration::from_millis(700)).await;
            bench.engine.kill(shared.name(), "KILL").await.unwrap();
        };
        let (run, ()) = tokio::join!(bench.exec(&shared, sh_command("sleep 600")), kill);
        assert_eq!((run.as_ref().unwrap().ended.code, run.unwrap().ended.stopped), (137, false));
        let error = bench.exec(&shared, sh_command("true")).await.unwrap_err();
        assert!(matches!(error, ContainerError::NotRunning { .. }), "{error:?}");
        bench.close(shared).await;
        bench.nothing_left().await;
    }

    async fn a_program_of_an_agent_needs_no_shell() {
        let bench = bench().await;
        let noshell = json!({ "image": "saddler-test/noshell:1", "pull_policy": "never" });
        let program = Program::Direct(vec!["sleep".to_owned(), "0".to_owned()]);
        assert_eq!(bench.single(noshell, program, false).await.unwrap().ended.code, 0);
    }

    async fn engine_options_of_docker_run_reach_the_engine() {
        let bench = bench().await;
        let with = json!({ "image": "saddler-test/entry:1", "auto_remove": true, "working_dir": "/nope",
            "container": { "Env": ["A=option"], "user": "0:0", "workingDir": "/tmp", "Entrypoint": ["sh", "-c"] },
            "host": { "networkMode": "none", "memory": 67_108_864, "Binds": ["/etc:/host-etc:ro"] } });
        let options = saddler::container::options::DockerRunOptions::parse(with.as_object().unwrap(), "with");
        let text = |text: &str| Ok(text.to_owned());
        let env = |text: &str, _: &[(String, String)]| Ok(text.to_owned());
        let references = References { text: &text, env: &env, process: &|_| None, base: Path::new("/") };
        let Place::New(new) = options.unwrap().unwrap().resolve(&references, Limits::default()).unwrap() else {
            panic!("an existing container");
        };
        let (note, mut stdout) = (bench.note(), Vec::new());
        let mut sink = |_: Stream, bytes: &[u8]| { stdout.extend_from_slice(bytes); Ok(()) };
        let script = "id -u; pwd; echo $A $B; ls /sys/class/net; test -d /host-etc && echo mounted";
        let program = Program::Arguments(vec![script.to_owned()]);
        let new = new.for_run(&bench.run, "test");
        run_single(&bench.caller(&note), &new, &program, &[], false, &mut sink).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&stdout), "0\n/tmp\noption image\nlo\nmounted\n");
        bench.nothing_left().await;
    }

    async fn files_and_paths_of_a_container_can_be_looked_at() {
        let bench = bench().await;
        let shared = bench.shared(alpine()).await.unwrap();
        let (engine, name) = (&bench.engine, shared.name());
        let stat = engine.stat(name, "/bin/busybox").await.unwrap().unwrap();
        assert!(!stat.is_dir && stat.mode & 0o111 != 0, "{stat:?}");
        assert!(engine.stat(name, "/tmp").await.unwrap().unwrap().is_dir);
        assert!(engine.stat(name, "/bin/sh").await.unwrap().unwrap().link_target.is_some());
        assert_eq!(engine.stat(name, "/nope").await.unwrap(), None);
        assert_eq!(engine.read_file(name, "/etc/alpine-release", 100).await.unwrap().unwrap(), b"3.20.0\n");
        assert_eq!(engine.read_file(name, "/nope", 100).await.unwrap(), None);
        assert!(engine.read_file(name, "/etc", 100).await.is_err());
        assert!(engine.read_file(name, "/bin/busybox", 100).await.unwrap_err().to_string().contains("limit"));
        assert!(engine.network_exists("bridge").await.unwrap() || engine.network_exists("podman").await.unwrap());
        assert!(!engine.network_exists("saddler-none").await.unwrap());
        assert!(!engine.volume_exists("saddler-none").await.unwrap());
        assert!(!engine.version().await.unwrap().version.is_empty());
        bench.close(shared).await;
    }
}

/// The address of the engine under test.
fn socket() -> String {
    let variable = if common::engine_word() == "podman" { "DAGU_PODMAN_HOST" } else { "DOCKER_HOST" };
    let default = if common::engine_word() == "podman" { "/run/podman/podman.sock" } else { "/var/run/docker.sock" };
    let address = std::env::var(variable).unwrap_or_else(|_| format!("unix://{default}"));
    address.strip_prefix("unix://").expect("these tests need an engine on a Unix socket").to_owned()
}

async fn connect_with(pairs: &[(&str, &str)]) -> Result<Arc<dyn Engine>, EngineError> {
    let pairs: HashMap<String, String> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    connect(&endpoint(&|name| pairs.get(name).cloned()).expect("an address")).await
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_told_in_one_line() {
    let Err(error) = connect_with(&[("DOCKER_HOST", "unix:///nowhere/docker.sock")]).await else { panic!() };
    let said = error.to_string();
    assert!(
        said.starts_with("no Docker engine answers at `unix:///nowhere/docker.sock`: there is no such socket; "),
        "{said}"
    );
    let Err(error) = connect_with(&[("DOCKER_HOST", "tcp://127.0.0.1:9")]).await else { panic!() };
    let said = error.to_string();
    assert!(
        said.starts_with("no Docker engine answers at `tcp://127.0.0.1:9`: the connection was refused; "),
        "{said}"
    );
    let podman = [("DAGU_CONTAINER_RUNTIME", "podman"), ("DAGU_PODMAN_HOST", "unix:///nowhere/podman.sock")];
    let Err(error) = connect_with(&podman).await else { panic!() };
    assert!(error.to_string().contains("podman system service"), "{error}");
    assert!(error.is_no_engine());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_engine_on_tcp_works_and_hears_the_pinned_version() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    let requests: Arc<Mutex<Vec<u8>>> = Arc::default();
    let seen = requests.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let seen = seen.clone();
            tokio::spawn(async move {
                let (mut from_client, mut to_client) = client.into_split();
                let engine = tokio::net::UnixStream::connect(socket()).await.unwrap();
                let (mut from_engine, mut to_engine) = engine.into_split();
                let back = tokio::spawn(async move { tokio::io::copy(&mut from_engine, &mut to_client).await });
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = tokio::io::AsyncReadExt::read(&mut from_client, &mut buffer).await {
                    seen.lock().unwrap().extend_from_slice(&buffer[..length]);
                    tokio::io::AsyncWriteExt::write_all(&mut to_engine, &buffer[..length]).await.unwrap();
                }
                drop(to_engine);
                let _ = back.await;
            });
        }
    });
    let engine = connect_with(&[("DOCKER_HOST", &host), ("DOCKER_API_VERSION", "1.40")]).await.unwrap();
    assert!(engine.image("saddler-test/none:1").await.unwrap().is_none());
    let requests = String::from_utf8_lossy(&requests.lock().unwrap()).into_owned();
    assert!(requests.contains("GET /v1.40/images/saddler-test/none:1/json"), "{requests}");
}
