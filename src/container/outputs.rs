//! The outputs file of a command in a container: made and read back through the engine, so that it works on a remote
//! engine and in somebody else's container.

use super::failure::ContainerError;
use crate::engine::{Engine, ExecSpec};

/// The variable that names the file.
pub(super) const VARIABLE: &str = "DAGU_OUTPUT_FILE";
/// More than any output Dagu accepts.
const LIMIT: u64 = 16 * 1024 * 1024;

/// One file for one attempt, in a folder of its own that everybody may write to.
pub(super) struct OutputsFile {
    folder: String,
}

impl OutputsFile {
    /// Chooses a place; nothing is made yet.
    pub(super) fn new() -> Self {
        Self { folder: format!("/.saddler-{:016x}", rand::random::<u64>()) }
    }

    /// Makes the file, which is empty.
    pub(super) async fn create(&self, engine: &dyn Engine, container: &str) -> Result<(), ContainerError> {
        Ok(engine.put_file(container, &self.path(), b"", 0o666).await?)
    }

    /// Where the file is inside the container.
    pub(super) fn path(&self) -> String {
        format!("{}/outputs", self.folder)
    }

    /// What was written; empty when the program removed the file.
    pub(super) async fn read(&self, engine: &dyn Engine, container: &str) -> Result<Vec<u8>, ContainerError> {
        Ok(engine.read_file(container, &self.path(), LIMIT).await?.unwrap_or_default())
    }

    /// Removes the folder from a container that lives on. The API cannot remove files, so this needs `rm` in the
    /// container; without it an empty file is left instead of one with outputs in it.
    pub(super) async fn remove(self, engine: &dyn Engine, container: &str) {
        let spec = ExecSpec {
            argv: ["rm", "-rf", &self.folder].map(str::to_owned).to_vec(),
            // The folder belongs to root.
            user: Some("0".to_owned()),
            working_dir: Some("/".to_owned()),
            ..Default::default()
        };
        let removed = async {
            let exec = engine.exec(container, &spec).await.ok()?;
            let mut output = exec.output;
            while let Some(frame) = futures_util::StreamExt::next(&mut output).await {
                frame.ok()?;
            }
            engine.exec_status(&exec.id).await.ok()?.exit_code.filter(|code| *code == 0)
        };
        if removed.await.is_none() {
            // Nothing more can be done for a container that is gone or read-only.
            let _ = engine.put_file(container, &self.path(), b"", 0o666).await;
        }
    }
}
