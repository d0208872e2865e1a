//! Where the files of a run lie: logs, its private directory, artifacts, its record. Never in the repository.
//!
//! ```text
//! BASE/logs/DAG/dag-run_20310504_100000Z_RUNID/dag-run_….log
//!                                              run_20310504_100000_000Z_ATTEMPT/STEP.….out
//! BASE/data/dag-run-work/DAG/RUNID/root
//! BASE/data/history/DAG/RUNID.json
//! BASE/artifacts/DAG/dag-run_20310504_100000Z_RUNID/
//! ```
//! The folders have Dagu's names, so that what people know about them holds; BASE is our own.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, ZonedDateTime};

/// Why the files of a run cannot be laid out.
#[derive(Debug, thiserror::Error)]
#[error("cannot create {}: {source}", path.display())]
pub struct PathError {
    pub path: PathBuf,
    pub source: io::Error,
}

/// `$DAGU_HOME/saddler`, else `$XDG_STATE_HOME/saddler`, else `~/.local/state/saddler`, else a folder for temporary files.
///
/// `env` looks a variable up. A place that cannot be written to is passed over: `HOME` may be missing or read-only.
pub fn state_dir(env: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let candidates = [
        set("DAGU_HOME").map(|home| home.join("saddler")),
        set("XDG_STATE_HOME").filter(|home| home.is_absolute()).map(|home| home.join("saddler")),
        set("HOME").map(|home| home.join(".local/state/saddler")),
    ];
    let usable = candidates.into_iter().flatten().find(|dir| make_dir(dir, 0o700).is_ok() && is_writable(dir));
    usable.unwrap_or_else(|| std::env::temp_dir().join(format!("saddler-{}", nix::unistd::getuid())))
}

fn is_writable(dir: &Path) -> bool {
    nix::unistd::access(dir, nix::unistd::AccessFlags::W_OK).is_ok()
}

/// Creates a directory and what is above it; an existing one is fine.
pub(super) fn make_dir(path: &Path, mode: u32) -> Result<(), PathError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|source| PathError { path: path.to_owned(), source })
}

/// The places of one run. Directories exist, files need not.
#[derive(Debug, Clone)]
pub struct RunPaths {
    /// Holds the log of the run and one folder of step logs.
    pub run_dir: PathBuf,
    pub log_file: PathBuf,
    pub step_log_dir: PathBuf,
    /// `DAG_RUN_WORK_DIR`.
    pub work_dir: PathBuf,
    /// `DAG_RUN_ARTIFACTS_DIR`; made when first used.
    pub artifacts_dir: PathBuf,
    /// Says how the run went, for `status` and `history`.
    pub record: PathBuf,
    run_id: String,
}

impl RunPaths {
    /// Lays out a run. `log_base` is the root `log_dir`, `artifact_base` the root `artifacts.dir`, both absolute.
    ///
    /// # Errors
    /// When a directory or the run's log file cannot be made.
    pub fn create(
        state: &Path,
        dag: &str,
        run_id: &str,
        attempt_id: &str,
        log_base: Option<&Path>,
        artifact_base: Option<&Path>,
    ) -> Result<Self, PathError> {
        let now = Timestamp::now();
        let dag = safe_name(dag);
        let run_name = format!("dag-run_{}Z_{}", now.strftime("%Y%m%d_%H%M%S"), safe_name(run_id));
        let logs = log_base.map_or_else(|| state.join("logs"), Path::to_owned);
        let run_dir = logs.join(&dag).join(&run_name);
        let step_log_dir = run_dir.join(format!("run_{}_{attempt_id}", now.strftime("%Y%m%d_%H%M%S_%3fZ")));
        let work_dir = state.join("data/dag-run-work").join(&dag).join(safe_name(run_id)).join("root");
        let history = state.join("data/history").join(&dag);
        for dir in [&step_log_dir, &work_dir, &history] {
            make_dir(dir, 0o750)?;
        }
        let log_file = run_dir.join(format!("dag-run_{}.log", stamp(run_id)));
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log_file)
            .map_err(|source| PathError { path: log_file.clone(), source })?;
        Ok(Self {
            log_file,
            step_log_dir,
            work_dir,
            artifacts_dir: artifact_base
                .map_or_else(|| state.join("artifacts"), Path::to_owned)
                .join(&dag)
                .join(&run_name),
            record: history.join(format!("{}.json", safe_name(run_id))),
            run_dir,
            run_id: run_id.to_owned(),
        })
    }

    /// The log file of a step with the given ending (`out`, `err`, `log`).
    pub fn step_log(&self, step: &str, ending: &str) -> PathBuf {
        self.step_log_dir.join(format!("{}.{}.{ending}", safe_name(step), stamp(&self.run_id)))
    }
}

/// True when a run with this id has been recorded.
pub fn is_recorded(state: &Path, dag: &str, run_id: &str) -> bool {
    state.join("data/history").join(safe_name(dag)).join(format!("{}.json", safe_name(run_id))).exists()
}

/// Local time and the beginning of the run id, for file names.
fn stamp(run_id: &str) -> String {
    let head: String = safe_name(run_id).chars().take(8).collect();
    format!("{}.{head}", ZonedDateTime::now().strftime("%Y%m%d.%H%M%S.%3f"))
}

/// Letters, digits, `_` and `-`; everything else becomes `_`. At most 100 characters.
pub fn safe_name(name: &str) -> String {
    name.chars().take(100).map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect()
}

/// A path below a directory of the run, as `artifact:` and the artifact actions name it.
///
/// # Errors
/// One line, for absolute paths and for `..`.
pub(super) fn below(dir: &Path, path: &str) -> Result<PathBuf, String> {
    use std::path::Component;
    let relative = Path::new(path);
    let fine = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !fine || path.is_empty() {
        return Err(format!("`{path}` must be a relative path without `..`"));
    }
    Ok(dir.join(relative))
}

/// Writes a file so that readers see the old or the new text, never a part.
///
/// # Errors
/// When the directory of `path` is missing or cannot be written to.
pub fn write_atomically(path: &Path, text: &[u8]) -> io::Result<()> {
    use io::Write;
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text)?;
    file.as_file().sync_data()?;
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_is_the_first_that_can_be_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name).into_os_string();
        assert_eq!(
            state_dir(|name| match name {
                "DAGU_HOME" => Some(at("dagu")),
                "HOME" => Some(at("home")),
                _ => None,
            }),
            dir.path().join("dagu/saddler")
        );
        fs::write(dir.path().join("file"), "").expect("written");
        assert_eq!(
            state_dir(|name| match name {
                "DAGU_HOME" => Some(at("file")),
                "HOME" => Some(at("home")),
                _ => None,
            }),
            dir.path().join("home/.local/state/saddler")
        );
        assert!(state_dir(|_| None).starts_with(std::env::temp_dir()));
    }

    #[test]
    fn names_of_people_become_names_of_files() {
        assert_eq!(safe_name("a b/ü.c-d_e"), "a_b___c-d_e");
        assert_eq!(safe_name(&"x".repeat(300)).len(), 100);
    }
}
