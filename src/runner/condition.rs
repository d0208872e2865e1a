//! Preconditions, and the condition of a `repeat_policy`.

use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;

use super::event::Stream;
use super::host::Host;
use super::shell::Shell;
use super::stop::{StopCause, StopToken};
use super::target::{Launch, Target, TargetError};
use crate::plan::{Precondition, PreconditionKind};
use crate::values::{Policy, RunScope, dynamic, resolve};

/// What conditions are evaluated in: those of a step in the step's, those of the DAG in the DAG's.
#[derive(Debug, Clone)]
pub(super) struct Conditions {
    pub scope: RunScope,
    /// `None` when there is no shell at all; a command check is then the path of an executable.
    pub shell: Option<Shell>,
    pub cwd: PathBuf,
    pub host: Host,
    pub stop: StopToken,
}

/// How a list of conditions came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Met,
    Unmet,
    /// One could not be evaluated; the others were looked at all the same.
    Error(String),
}

/// Time a substitution in `eval` may take.
const EVAL_LIMIT: Duration = Duration::from_secs(2);

impl Conditions {
    /// Evaluates every condition, in order, also after one that is not met.
    pub(super) async fn all(&self, conditions: &[Precondition]) -> Outcome {
        let mut outcome = Outcome::Met;
        for condition in conditions {
            match self.one(&condition.kind).await {
                Ok(met) if met != condition.negate => {}
                Ok(_) if outcome == Outcome::Met => outcome = Outcome::Unmet,
                Ok(_) => {}
                Err(error) if matches!(outcome, Outcome::Error(_)) => tracing::debug!("a further condition: {error}"),
                Err(error) => outcome = Outcome::Error(error),
            }
        }
        outcome
    }

    /// Evaluates one condition.
    pub(super) async fn one(&self, kind: &PreconditionKind) -> Result<bool, String> {
        match kind {
            PreconditionKind::Command(command) => Ok(self.command(command).await),
            PreconditionKind::Value { condition, expected } => {
                matches(&resolve(condition, Policy::Scope, &self.scope), expected)
            }
            PreconditionKind::Eval { eval, expected } => matches(&self.evaluate(eval).await?, expected),
        }
    }

    /// Met when the command exits 0; not met for every other end, a failure to start included.
    async fn command(&self, command: &str) -> bool {
        let text = resolve(command, Policy::Shell, &self.scope);
        let argv = match &self.shell {
            Some(shell) => match shell.check_line(&text) {
                Ok(argv) => argv,
                Err(error) => {
                    tracing::warn!("a command check cannot be run: {error}");
                    return false;
                }
            },
            None => vec![text],
        };
        if argv.is_empty() {
            return false;
        }
        let launch = Launch {
            env: self.scope.process_env().into_iter().collect(),
            cwd: Some(self.cwd.clone()),
            ..Launch::new(argv)
        };
        let target = Target::Host(self.host.clone());
        let ended = target.run(launch, &mut |_: Stream, _: &[u8]| Ok(()), &self.stop).await;
        ended.is_ok_and(|exit| exit.success())
    }

    /// Runs the substitutions of an `eval` text. They are synchronous in `values`, so this waits on a thread for them.
    async fn evaluate(&self, text: &str) -> Result<String, String> {
        let conditions = self.clone();
        let text = text.to_owned();
        let runtime = tokio::runtime::Handle::current();
        let evaluated = tokio::task::spawn_blocking(move || {
            let mut run = |body: &str| runtime.block_on(conditions.substitution(body));
            dynamic::evaluate(&text, &conditions.scope, &mut run).map_err(|error| error.to_string())
        });
        evaluated.await.unwrap_or_else(|error| Err(format!("the evaluation was lost: {error}")))
    }

    async fn substitution(&self, body: &str) -> Result<String, String> {
        let shell = self.shell.as_ref().ok_or("no shell was found")?;
        let argv = shell.check_line(body).map_err(|error| error.to_string())?;
        substitution(argv, &self.scope, Some(self.cwd.clone()), &self.host, &self.stop).await
    }
}

/// Runs the body of a command substitution and answers with what it printed.
///
/// # Errors
/// One line, for another exit code than 0, for more than two seconds, and for a failure to start.
pub(super) async fn substitution(
    argv: Vec<String>,
    scope: &RunScope,
    cwd: Option<PathBuf>,
    host: &Host,
    stop: &StopToken,
) -> Result<String, String> {
    let launch = Launch { env: scope.process_env().into_iter().collect(), cwd, ..Launch::new(argv) };
    let mut out = Vec::new();
    let mut sink = |stream, bytes: &[u8]| {
        if stream == Stream::Stdout {
            out.extend_from_slice(bytes);
        }
        Ok(())
    };
    let stop = stop.with_timeout(Some(EVAL_LIMIT)).with_grace(Duration::ZERO);
    match Target::Host(host.clone()).run(launch, &mut sink, &stop).await {
        Ok(exit) if exit.success() => Ok(String::from_utf8_lossy(&out).into_owned()),
        Ok(exit) if exit.stopped == Some(StopCause::StepTimedOut) => {
            Err(format!("a command substitution took longer than {} s", EVAL_LIMIT.as_secs()))
        }
        Ok(exit) => Err(format!("a command substitution ended with code {}", exit.code)),
        Err(TargetError::StoppedBefore(_)) => Err("stopped".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// True when a whole line of `value` is `expected`, or, after `re:`, when the expression matches some line.
///
/// # Errors
/// When the expression cannot be read.
pub(super) fn matches(value: &str, expected: &str) -> Result<bool, String> {
    let mut lines = value.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    match expected.strip_prefix("re:") {
        None => Ok(lines.any(|line| line == expected)),
        Some(pattern) => {
            let pattern = Regex::new(pattern).map_err(|error| format!("`expected` is no regexp: {error}"))?;
            Ok(lines.any(|line| pattern.is_match(line)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::stop::StopSource;

    fn conditions() -> Conditions {
        let mut scope = RunScope::default();
        scope.set(crate::values::LayerKind::Env, "PATH", "/usr/bin:/bin");
        scope.set(crate::values::LayerKind::Env, "A", "x\ny");
        Conditions {
            scope,
            shell: Some(Shell { program: "sh".into(), args: Vec::new(), own: false }),
            cwd: "/".into(),
            host: Host { lookup_path: "/usr/bin:/bin".into(), watchdog: None },
            stop: StopSource::new().token(),
        }
    }

    fn command(text: &str) -> Precondition {
        Precondition { kind: PreconditionKind::Command(text.into()), negate: false }
    }

    #[test]
    fn a_value_matches_by_whole_line_or_expression() {
        assert_eq!(matches("a\nb", "b"), Ok(true));
        assert_eq!(matches("ab", "b"), Ok(false));
        assert_eq!(matches("a\nxb1", "re:b[0-9]$"), Ok(true));
        assert_eq!(matches("", "re:^$"), Ok(true));
        assert!(matches("", "re:(").is_err());
    }

    #[tokio::test]
    async fn all_are_looked_at_and_errors_beat_unmet() {
        let conditions = conditions();
        assert_eq!(conditions.all(&[command("true"), command("test -d /")]).await, Outcome::Met);
        let negated = Precondition { negate: true, ..command("false") };
        assert_eq!(conditions.all(&[negated, command("false; true")]).await, Outcome::Met);
        let eval = |text: &str| Precondition {
            kind: PreconditionKind::Eval { eval: text.into(), expected: "7".into() },
            negate: false,
        };
        assert_eq!(conditions.all(&[eval("$(echo 7)")]).await, Outcome::Met);
        let outcome = conditions.all(&[command("false"), eval("$(exit 4)")]).await;
        assert_eq!(outcome, Outcome::Error("a command substitution ended with code 4".into()));
    }

    #[tokio::test]
    async fn values_are_compared_without_running_anything() {
        let conditions = conditions();
        let value = |condition: &str, expected: &str| PreconditionKind::Value {
            condition: condition.into(),
            expected: expected.into(),
        };
        assert_eq!(conditions.one(&value("$A", "y")).await, Ok(true));
        assert_eq!(conditions.one(&value("$(echo 7)", "7")).await, Ok(false));
        assert_eq!(conditions.one(&value("$(echo 7)", "$(echo 7)")).await, Ok(true));
    }
}
