//! What the tests against a real engine share: which engine, its images, and the runner's answers.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::process::Command;
use std::sync::Once;

/// `docker` or `podman`: `SADDLER_TEST_ENGINE`, else what `DAGU_CONTAINER_RUNTIME` says, else docker.
pub fn engine_word() -> String {
    let word = std::env::var("SADDLER_TEST_ENGINE").or_else(|_| std::env::var("DAGU_CONTAINER_RUNTIME"));
    let word = word.unwrap_or_default().trim().to_lowercase();
    if word.is_empty() { "docker".to_owned() } else { word }
}

/// Makes the test images once per test binary.
///
/// # Panics
/// When the engine does not answer: these tests never pass by not running.
pub fn images() {
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images.sh");
        let output = Command::new(script).arg(engine_word()).output().expect("tests/images.sh can be started");
        assert!(
            output.status.success(),
            "tests/images.sh {} failed; is the engine running?\n{}",
            engine_word(),
            String::from_utf8_lossy(&output.stderr)
        );
    });
}

/// Runs the engine's own command line and answers its stdout, trimmed.
///
/// # Panics
/// When the command fails.
pub fn engine_cli(args: &[&str]) -> String {
    let output = Command::new(engine_word()).args(args).output().expect("the engine's command line is installed");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
