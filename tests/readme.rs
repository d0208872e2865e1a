//! What the README shows is what happens.

use assert_cmd::Command;

const README: &str = include_str!("../README.md");

/// The first fenced block of a language.
fn block(language: &str) -> &'static str {
    let fence = format!("```{language}\n");
    let start = README.find(&fence).unwrap_or_else(|| panic!("a {language} block in README.md")) + fence.len();
    let length = README[start..].find("```\n").expect("the block ends");
    &README[start..start + length]
}

fn saddler() -> Command {
    Command::new(env!("CARGO_BIN_EXE_saddler"))
}

#[test]
fn the_broken_workflow_is_found_out_as_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("review.yaml"), block("yaml")).expect("the workflow is written");
    let output = saddler().current_dir(folder.path()).args(["check", "review.yaml"]).output().expect("saddler starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), block("text"));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_first_example_runs_on_any_machine() {
    let state = tempfile::tempdir().expect("a folder");
    let output = saddler()
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("XDG_STATE_HOME", state.path())
        .env_remove("DAGU_HOME")
        .env("DOCKER_HOST", "unix:///nowhere.sock")
        .args(["run", "examples/hello-host.yaml"])
        .output()
        .expect("saddler starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("look | hello-host.yaml\n"), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("greet | hello from "), "{stdout}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn links_lead_somewhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let targets: Vec<&str> =
        README.match_indices("](").filter_map(|(at, _)| README[at + 2..].split_once(')').map(|(to, _)| to)).collect();
    assert!(targets.len() > 5, "{targets:?}");
    for target in targets.into_iter().filter(|target| !target.starts_with("http")) {
        assert!(root.join(target).exists(), "README.md links {target}, which is not there");
    }
}
