//! `run` and `exec` on the host.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::attempt::{Attempt, Done};
use super::failure::Failure;
use super::host::find_program;
use super::shell::{Shell, shebang, split_words};
use super::target::Launch;
use crate::values::Policy;

/// A script before it is written to a file.
pub(super) struct ScriptPlan {
    text: String,
    /// Of the file's name.
    suffix: &'static str,
    /// Of the first line, or of a legacy `command`; not looked up yet.
    interpreter: Option<Vec<String>>,
    shell: Option<Shell>,
    packages: Vec<String>,
}

impl ScriptPlan {
    /// The command line that reads the script from `file`.
    pub(super) fn argv(&self, file: &Path) -> Result<Vec<String>, Failure> {
        match (&self.interpreter, &self.shell) {
            (Some(words), _) => {
                let mut argv = words.clone();
                argv.push(file.display().to_string());
                Ok(argv)
            }
            (None, Some(shell)) => Ok(shell.script_line(file, &self.packages)?),
            (None, None) => Err(Failure::setup("failed to set up step: no shell was found")),
        }
    }
}

impl Attempt<'_> {
    /// Each line in a shell of its own, in order; the first failure ends it.
    pub(super) async fn commands(&mut self, lines: &[String]) -> Result<Done, Failure> {
        let argvs = self.command_lines(lines)?;
        self.make_cwd()?;
        let several = argvs.len() > 1;
        for (i, argv) in argvs.into_iter().enumerate() {
            self.run_on_host(argv).await.map_err(|failure| match several {
                true => failure.prefixed(&format!("command {} failed: ", i + 1)),
                false => failure,
            })?;
        }
        Ok(Done::default())
    }

    /// The command line for each line of the step.
    pub(super) fn command_lines(&self, lines: &[String]) -> Result<Vec<Vec<String>>, Failure> {
        let shell = self.shell()?;
        let line = |(i, line): (usize, &String)| {
            if shell.is_direct() {
                let words = split_words(line)?;
                return Ok(words.iter().map(|word| self.resolve(word, Policy::Scope)).collect());
            }
            let text = self.resolve(line, Policy::Shell);
            if text.contains(['\n', '\r']) {
                let field = if lines.len() > 1 { format!("run[{i}]") } else { "run".to_owned() };
                return Err(Failure::setup(format!(
                    "failed to set up step: resolved command text for {field} contains a line break"
                )));
            }
            Ok(shell.command_line(&text, &self.step.shell_packages)?)
        };
        lines.iter().enumerate().map(line).collect()
    }

    /// The text in a file, read by the interpreter of its first line or by the shell.
    pub(super) async fn script(&mut self, text: &str, interpreter: Option<&str>) -> Result<Done, Failure> {
        let script = self.script_plan(text, interpreter)?;
        self.make_cwd()?;
        let file = self.script_file(&script.text, script.suffix)?;
        let mut argv = script.argv(&file)?;
        if script.interpreter.is_some() {
            argv[0] = self.interpreter_path(&argv[0])?;
        }
        let ended = self.run_on_host(argv).await;
        ended.map(|()| Done::default()).map_err(|failure| without_path(failure, &file))
    }

    /// Who reads the script, and what it says.
    pub(super) fn script_plan(&self, text: &str, interpreter: Option<&str>) -> Result<ScriptPlan, Failure> {
        let text = self.resolve(text, Policy::Shell);
        let interpreter = match interpreter {
            Some(line) => Some(split_words(line)?.iter().map(|word| self.resolve(word, Policy::Scope)).collect()),
            None if self.step.shell.is_some() => None,
            None => shebang(&text)?,
        };
        let packages = self.step.shell_packages.clone();
        if interpreter.is_some() {
            return Ok(ScriptPlan { text, suffix: "", interpreter, shell: None, packages });
        }
        let shell = self.shell()?;
        let text = shell.script_preamble() + &text;
        Ok(ScriptPlan { text, suffix: shell.script_suffix(), interpreter: None, shell: Some(shell), packages })
    }

    /// A program and its arguments, without a shell.
    pub(super) async fn exec(&mut self, command: &str, args: &[String]) -> Result<Done, Failure> {
        let argv = self.exec_line(command, args);
        self.make_cwd()?;
        self.run_on_host(argv).await?;
        Ok(Done::default())
    }

    pub(super) fn exec_line(&self, command: &str, args: &[String]) -> Vec<String> {
        let words = std::iter::once(command).chain(args.iter().map(String::as_str));
        words.map(|word| self.resolve(word, Policy::Host)).collect()
    }

    async fn run_on_host(&mut self, argv: Vec<String>) -> Result<(), Failure> {
        if argv.is_empty() {
            return Err(Failure::setup("failed to set up step: the command is empty"));
        }
        let launch = Launch { env: self.host_env(), cwd: Some(self.cwd.clone()), ..Launch::new(argv) };
        let host = self.host();
        self.launch_well(&host, launch).await
    }

    /// A shebang's interpreter is looked up on the step's PATH, unlike every other program.
    fn interpreter_path(&self, name: &str) -> Result<String, Failure> {
        let path = self.host_env().remove("PATH").unwrap_or_default();
        let found = find_program(name, &path, Some(&self.cwd))?;
        Ok(found.display().to_string())
    }

    fn script_file(&self, text: &str, suffix: &str) -> Result<tempfile::TempPath, Failure> {
        let failed =
            |error: std::io::Error| Failure::setup(format!("failed to set up step: cannot write the script: {error}"));
        let builder = || {
            let mut builder = tempfile::Builder::new();
            builder.prefix("dagu_script-").suffix(suffix).permissions(std::fs::Permissions::from_mode(0o750));
            builder
        };
        let mut file = match builder().tempfile() {
            Ok(file) => file,
            // No usable folder for temporary files: a hidden one of the step's own.
            Err(_) => {
                let dir: PathBuf = self.cwd.join(".saddler-scripts");
                super::paths::make_dir(&dir, 0o750).map_err(|error| Failure::setup(error.to_string()))?;
                builder().tempfile_in(dir).map_err(failed)?
            }
        };
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.flush().map_err(failed)?;
        // Closed, because a file open for writing cannot be executed.
        Ok(file.into_temp_path())
    }
}

/// The place of the temporary file means nothing to anybody.
fn without_path(mut failure: Failure, file: &Path) -> Failure {
    let path = file.display().to_string();
    failure.text = failure.text.replace(&format!("{path}: "), "").replace(&path, "script");
    failure
}
