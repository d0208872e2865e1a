//! `saddler check` and `saddler validate` as users meet them.

use std::path::Path;

use assert_cmd::Command;
use tempfile::TempDir;

fn saddler(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saddler"));
    command.current_dir(folder).env_remove("NO_COLOR");
    command
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder is made");
        std::fs::write(path, text).expect("the file is written");
    }
    folder
}

const GOOD: &str = "working_dir: .\nsteps:\n  - id: a\n    run: echo a\n";

/// Five mistakes that have nothing to do with each other, each behind text that is not ASCII.
const FIVE: &str = "\
# ä → 😀
working_dir: .
steps:
  - {id: a, description: 'ä😀', runn: echo a}
  - id: b
    run: echo \"ä: b\"
  - {id: c, description: 'ä😀', run: echo c, depends: [bb]}
  - id: d
    description: ä😀
    timeout_sec: soon
    run: echo d
  - {id: e, description: 'ä😀', action: harness.run, container: 'box', with: {provider: claude, prompt: P, stdin: S}}
";

#[test]
fn five_mistakes_are_five_messages_in_their_places() {
    let folder = folder(&[("five.yaml", FIVE)]);
    let output =
        saddler(folder.path()).args(["check", "--format", "json", "five.yaml"]).output().expect("saddler starts");
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let found = report["files"][0]["diagnostics"].as_array().expect("a list");
    let errors = found.iter().filter(|found| found["severity"] == "error");
    let places: Vec<_> = errors
        .map(|found| {
            let range = &found["range"];
            (range["line"].as_u64(), range["column"].as_u64(), found["code"].as_str().map(str::to_owned))
        })
        .collect();
    let at = |line, column, code: &str| (Some(line), Some(column), Some(code.to_owned()));
    assert_eq!(
        places,
        [
            at(4, 32, "unknown-field"),
            at(6, 10, "yaml-syntax"),
            at(7, 55, "undefined-dependency"),
            at(10, 18, "wrong-type"),
            at(12, 107, "harness-stdin-in-container"),
        ],
        "{found:#?}"
    );
}

#[test]
fn excerpts_name_the_place_in_characters() {
    let folder = folder(&[("five.yaml", FIVE)]);
    let output = saddler(folder.path()).args(["check", "five.yaml"]).output().expect("saddler starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    for place in ["five.yaml:4:32]", "five.yaml:6:10]", "five.yaml:7:55]", "five.yaml:10:18]", "five.yaml:12:107]"] {
        assert!(stdout.contains(place), "{place} is missing:\n{stdout}");
    }
    assert!(!stdout.contains('\u{1b}'), "no colours in a pipe");
}

#[test]
fn validate_speaks_as_scripts_expect() {
    let folder = folder(&[("good.yaml", GOOD), ("five.yaml", FIVE)]);
    let good = saddler(folder.path()).args(["validate", "good.yaml"]).output().expect("saddler starts");
    assert_eq!((good.status.code(), good.stdout.len(), good.stderr.len()), (Some(0), 0, 0));
    let bad = saddler(folder.path()).args(["validate", "five.yaml"]).output().expect("saddler starts");
    let stderr = String::from_utf8_lossy(&bad.stderr);
    assert_eq!((bad.status.code(), bad.stdout.len()), (Some(1), 0));
    assert!(stderr.starts_with("Error: Validation failed for five.yaml\n- five.yaml:4:32: "), "{stderr}");
    assert!(!stderr.contains("Usage"), "{stderr}");
    let missing = saddler(folder.path()).args(["validate", "none.yaml"]).output().expect("saddler starts");
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn content_decides_which_files_of_a_folder_are_looked_at() {
    let folder = folder(&[
        ("flows/good.yml", GOOD),
        ("flows/bad.yaml", "steps:\n  - rum: x\n"),
        ("k8s/pod.yaml", "apiVersion: v1\nkind: Pod\nsteps: 5\n"),
        ("ignored/bad.yaml", "steps:\n  - rum: x\n"),
        (".gitignore", "ignored/\n"),
        ("notes.txt", "steps: 5\n"),
    ]);
    let output = saddler(folder.path()).arg("check").output().expect("saddler starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("flows/bad.yaml:2:5"), "{stdout}");
    assert!(stdout.ends_with("checked 2 files: 1 error\n"), "{stdout}");
}

#[test]
fn exit_codes_tell_findings_from_failures() {
    let folder = folder(&[("good.yaml", GOOD)]);
    saddler(folder.path()).args(["check", "good.yaml"]).assert().code(0);
    saddler(folder.path()).args(["check", "-"]).write_stdin(GOOD).assert().code(0);
    saddler(folder.path()).args(["check", "-"]).write_stdin("steps: 5\n").assert().code(1);
    saddler(folder.path()).args(["check", "none.yaml"]).assert().code(2);
    saddler(folder.path()).args(["check", "--nonsense"]).assert().code(2);
    saddler(folder.path()).arg("--version").assert().code(0);
}

#[test]
fn rules_explain_themselves() {
    let folder = folder(&[]);
    let page = saddler(folder.path()).args(["explain", "undefined-dependency"]).output().expect("saddler starts");
    assert!(String::from_utf8_lossy(&page.stdout).starts_with("# undefined-dependency\n\n## What it does\n"));
    let wrong = saddler(folder.path()).args(["explain", "undefined-dependancy"]).output().expect("saddler starts");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean `undefined-dependency`?"));
}

#[test]
fn the_schema_is_printed_whole() {
    let folder = folder(&[]);
    let output = saddler(folder.path()).arg("schema").output().expect("saddler starts");
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the schema is JSON");
    assert!(schema["$schema"].is_string());
}

#[test]
fn hostile_files_are_survived() {
    let deep = format!("steps:\n  - action: noop\n    with: {}{}\n", "[".repeat(9_000), "]".repeat(9_000));
    let folder = folder(&[
        ("brackets.yaml", &"[".repeat(100_000)),
        ("nul.yaml", "steps:\n  - run: \"\0\"\n"),
        ("deep.yaml", &deep),
    ]);
    let output = saddler(folder.path())
        .args(["check", "brackets.yaml", "nul.yaml", "deep.yaml"])
        .output()
        .expect("saddler starts");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}
