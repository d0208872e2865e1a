//! The published examples of agents in containers, as they read, through the program and a real engine.

mod common;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A folder with one workflow, and a state directory apart from it.
struct Bench {
    folder: TempDir,
    state: TempDir,
}

impl Bench {
    fn new(workflow: &str) -> Self {
        common::images();
        let bench = Bench { folder: TempDir::new().expect("a folder"), state: TempDir::new().expect("a folder") };
        std::fs::write(bench.folder.path().join("dag.yaml"), workflow).expect("the workflow is written");
        bench
    }

    fn example(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        Self::new(&std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    fn command(&self, run_id: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saddler"));
        command.current_dir(self.folder.path()).env("XDG_STATE_HOME", self.state.path()).env_remove("DAGU_HOME");
        if common::engine_word() == "podman" {
            command.env("DAGU_CONTAINER_RUNTIME", "podman");
        }
        command.args(["run", "dag.yaml", "--run-id", run_id, "--report", "report.json"]);
        command
    }

    fn run(&self, run_id: &str) -> Output {
        self.command(run_id).output().expect("saddler starts")
    }

    fn report(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.folder.path().join("report.json")).expect("a report was written");
        serde_json::from_str(&text).expect("the report is JSON")
    }
}

/// Ids of the containers that a run has left, whatever their state.
fn containers_of(run_id: &str) -> String {
    common::engine_cli(&["ps", "-aq", "--filter", &format!("label=saddler.run={run_id}")])
}

fn assert_succeeded(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
#[ignore = "needs a container engine"]
fn steps_and_agents_share_the_files_of_the_root_container() {
    let bench = Bench::example("seed-shared-container.yaml");
    assert_succeeded(&bench.run("seed-shared"));
    let report = bench.report();
    assert_eq!(report["status"], "succeeded");
    assert_eq!(report["steps"][1]["stdout"], "from command step\n3.20.0\n");
    // `.` is the folder of the file, so what a step wrote lies beside it.
    let shared = std::fs::read_to_string(bench.folder.path().join("shared.txt")).expect("the file is on the host");
    assert_eq!(shared, "from command step\n");
    assert_eq!(containers_of("seed-shared"), "");
}

#[test]
#[ignore = "needs a container engine"]
fn an_agent_inspects_its_own_container() {
    let bench = Bench::example("seed-step-container.yaml");
    assert_succeeded(&bench.run("seed-step"));
    let report = bench.report();
    let stdout = report["steps"][0]["stdout"].as_str().expect("the step has a log").to_owned();
    assert!(stdout.starts_with("/workspace\n"), "{stdout}");
    assert!(stdout.contains("./dag.yaml\n"), "{stdout}");
    assert_eq!(containers_of("seed-step"), "");
}

#[test]
#[ignore = "needs a container engine"]
fn a_read_only_workspace_cannot_be_written() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/seed-step-container.yaml");
    let example = std::fs::read_to_string(example).expect("the example is there");
    let bench = Bench::new(&example.replace("pwd\n", "touch /workspace/mark\n"));
    assert_eq!(bench.run("seed-read-only").status.code(), Some(1));
    let report = bench.report();
    let stderr = report["steps"][0]["stderr"].as_str().expect("the step has a log").to_owned();
    assert!(stderr.contains("Read-only file system"), "{stderr}");
    assert!(!bench.folder.path().join("mark").exists());
    assert_eq!(containers_of("seed-read-only"), "");
}

#[test]
#[ignore = "needs a container engine"]
fn a_runner_image_is_tried_without_a_model() {
    let bench = Bench::example("runner-smoke-test.yaml");
    assert_succeeded(&bench.run("seed-smoke"));
    let stdout = bench.report()["steps"][0]["stdout"].as_str().expect("the step has a log").to_owned();
    assert!(stdout.contains("sh\n"), "{stdout}");
    assert_eq!(containers_of("seed-smoke"), "");
}

/// Waits until the folder has the file, which a step of the run makes.
fn wait_for(child: &mut Child, file: &Path) {
    let until = Instant::now() + Duration::from_secs(60);
    while !file.exists() {
        assert!(child.try_wait().expect("the child can be asked").is_none(), "the run ended too early");
        assert!(Instant::now() < until, "{} was never made", file.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn interrupted(container: &str, run_id: &str) {
    // The words are found in the process list of the host only while the program in the container lives.
    let mark = format!("{}{}", 7000 + std::process::id() % 1000, run_id.len());
    let bench = Bench::new(&format!(
        "{container}steps:\n  - id: wait\n    action: harness.run\n{}    with:\n      provider: shell\n      prompt: |\n        touch /workspace/ready\n        sleep {mark} & wait\nharnesses:\n  shell: {{binary: sh, prefix_args: [\"-c\"]}}\n",
        if container.is_empty() {
            "    container: {image: \"alpine:3.20\", pull_policy: never, volumes: [\".:/workspace\"]}\n"
        } else {
            ""
        }
    ));
    let mut child = bench.command(run_id).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("saddler starts");
    wait_for(&mut child, &bench.folder.path().join("ready"));
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("the run can be interrupted");
    let status = child.wait().expect("the run ends");
    assert_eq!(status.code(), Some(130));
    assert_eq!(bench.report()["status"], "aborted");
    assert_eq!(containers_of(run_id), "");
    let processes = Command::new("ps").args(["-eo", "args"]).output().expect("ps is installed");
    let processes = String::from_utf8_lossy(&processes.stdout).into_owned();
    assert!(!processes.lines().any(|line| line.contains(&format!("sleep {mark}"))), "{processes}");
}

#[test]
#[ignore = "needs a container engine"]
fn an_interrupt_leaves_neither_container_nor_process_of_a_step() {
    interrupted("", "seed-interrupt-step");
}

#[test]
#[ignore = "needs a container engine"]
fn an_interrupt_leaves_neither_container_nor_process_of_a_shared_container() {
    let container = "container: {image: \"alpine:3.20\", pull_policy: never, volumes: [\".:/workspace\"]}\n";
    interrupted(container, "seed-interrupt-shared-root");
}

#[test]
#[ignore = "needs a container engine"]
fn an_interrupt_leaves_an_existing_container_up_and_its_program_gone() {
    let bench = Bench::new("");
    let name = format!("saddler-test-existing-{}", std::process::id());
    let mount = format!("{}:/workspace", bench.folder.path().display());
    common::engine_cli(&["run", "-d", "--init", "--name", &name, "-v", &mount, "alpine:3.20", "sleep", "600"]);
    let workflow = format!(
        "harnesses:\n  shell: {{binary: sh, prefix_args: [\"-c\"]}}\nsteps:\n  - id: wait\n    action: harness.run\n    container: {name}\n    with:\n      provider: shell\n      prompt: |\n        touch /workspace/ready\n        sleep 7777 & wait\n"
    );
    std::fs::write(bench.folder.path().join("dag.yaml"), workflow).expect("the workflow is written");
    let mut child =
        bench.command("seed-existing").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("saddler starts");
    wait_for(&mut child, &bench.folder.path().join("ready"));
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("the run can be interrupted");
    let code = child.wait().expect("the run ends").code();
    let running = common::engine_cli(&["inspect", "-f", "{{.State.Running}}", &name]);
    let processes = common::engine_cli(&["exec", &name, "ps"]);
    common::engine_cli(&["rm", "-f", &name]);
    assert_eq!(code, Some(130));
    assert_eq!(running, "true");
    assert!(!processes.contains("sleep 7777"), "{processes}");
}
