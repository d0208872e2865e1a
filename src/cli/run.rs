//! `saddler run`, and `start` and `dry` in Dagu's spelling.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};

use super::ExitStatus;
use crate::diagnostic::{Gate, Severity};
use crate::document::Document;
use crate::plan::{DagSpec, Plan, Selection, from_document};
use crate::report::run_json::JsonLines;
use crate::report::run_report::RunReport;
use crate::report::run_terminal::Terminal;
use crate::report::{check_text, run_preview};
use crate::runner::event::StopReason;
use crate::runner::paths::state_dir;
use crate::runner::stop::{StopCause, StopSource};
use crate::runner::{self, Event, RunOptions, RunStatus, RunSummary, Watchdog};
use crate::values::params::Passed;
use crate::{rules, workspace};

#[derive(Debug, Args)]
pub struct RunArgs {
    /// The workflow file
    pub file: PathBuf,
    /// Run only this step, by id or name
    #[arg(long, value_name = "ID")]
    pub step: Option<String>,
    /// With --step: run what the step depends on before it
    #[arg(long, requires = "step")]
    pub with_deps: bool,
    /// Show what would run, and start nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Run although the file has errors
    #[arg(long)]
    pub no_check: bool,
    /// How the run is shown
    #[arg(long, value_enum, default_value_t = RunFormat::Text)]
    pub format: RunFormat,
    /// Write a JSON report of the finished run to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Pass a variable on to the steps; without a value, the one of this process
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    #[command(flatten)]
    pub start: StartOptions,
    /// Parameters: `name=value` or positional values
    #[arg(last = true, value_name = "PARAMS")]
    pub params: Vec<String>,
}

/// What `run` and Dagu's `start` share.
#[derive(Debug, Args)]
pub struct StartOptions {
    /// Parameters in one text; counts for nothing when there are some behind `--`
    #[arg(short = 'p', long = "params", value_name = "TEXT")]
    pub params_text: Option<String>,
    /// Name of the workflow, instead of its own
    #[arg(short = 'N', long, value_name = "NAME")]
    pub name: Option<String>,
    /// Id of the run, instead of a made-up one
    #[arg(short = 'r', long, value_name = "ID")]
    pub run_id: Option<String>,
}

#[derive(Debug, Args)]
pub struct StartArgs {
    /// The workflow file
    pub file: PathBuf,
    #[command(flatten)]
    pub start: StartOptions,
    /// Parameters: `name=value` or positional values
    #[arg(last = true, value_name = "PARAMS")]
    pub params: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RunFormat {
    /// Lines for people
    Text,
    /// One event a line
    Json,
}

/// Runs a file the friendly way: errors of the file are shown and nothing starts.
pub(super) fn run(arguments: &RunArgs) -> ExitStatus {
    let selection = match (&arguments.step, arguments.with_deps) {
        (None, _) => Selection::All,
        (Some(step), false) => Selection::Step(step.clone()),
        (Some(step), true) => Selection::StepWithDeps(step.clone()),
    };
    let gate = if arguments.no_check { RunGate::Load } else { RunGate::Errors };
    let request = Request {
        file: &arguments.file,
        gate,
        selection,
        start: &arguments.start,
        params: &arguments.params,
        env: &arguments.env,
        format: arguments.format,
        report: arguments.report.as_deref(),
    };
    if arguments.dry_run {
        return match preview(&request) {
            Ok(()) => ExitStatus::Success,
            Err(Refused) => ExitStatus::Error,
        };
    }
    match execute(&request) {
        Ok(summary) if summary.status == RunStatus::Aborted => match summary.stopped_by {
            Some(signal) => ExitStatus::Signalled(signal as u8),
            None => summary.exit(),
        },
        Ok(summary) => summary.exit(),
        Err(Refused) => ExitStatus::Error,
    }
}

/// Runs a file as `dagu start` does: exit codes 0 and 1, and only what its loader refuses is refused.
pub(super) fn start(arguments: &StartArgs) -> ExitStatus {
    match execute(&Request::start(arguments)) {
        Ok(summary) => summary.exit(),
        Err(Refused) => ExitStatus::Failure,
    }
}

/// Shows what would run as `dagu dry` does: exit codes 0 and 1.
pub(super) fn dry(arguments: &StartArgs) -> ExitStatus {
    match preview(&Request::start(arguments)) {
        Ok(()) => ExitStatus::Success,
        Err(Refused) => ExitStatus::Failure,
    }
}

fn preview(request: &Request<'_>) -> Result<(), Refused> {
    let plan = plan(request)?;
    let options = options(request)?;
    let preview = runtime()?.block_on(runner::preview(plan, &options)).map_err(refuse)?;
    let mut out = anstream::stdout().lock();
    let written = match request.format {
        RunFormat::Text => run_preview::write_text(&mut out, &preview),
        RunFormat::Json => writeln!(out, "{:#}", run_preview::to_json(&preview)),
    };
    // A reader that went away has seen enough.
    let _ = written;
    Ok(())
}

fn options(request: &Request<'_>) -> Result<RunOptions, Refused> {
    Ok(RunOptions {
        run_id: request.start.run_id.clone(),
        params: passed_params(request),
        passed_env: passed_env(request.env)?,
        process_env: process_env(),
        state_dir: state_dir(|name| std::env::var_os(name)),
        ..RunOptions::default()
    })
}

/// One thread: steps are processes, and a reader of ours that is slow should slow them down, not fill our memory.
fn runtime() -> Result<tokio::runtime::Runtime, Refused> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| refuse(format_args!("cannot start the runner: {error}")))
}

/// Which findings keep a file from being run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunGate {
    /// Every error.
    Errors,
    /// What Dagu's loader or `start` refuses.
    Load,
}

struct Request<'a> {
    file: &'a Path,
    gate: RunGate,
    selection: Selection,
    start: &'a StartOptions,
    params: &'a [String],
    env: &'a [String],
    format: RunFormat,
    report: Option<&'a Path>,
}

impl<'a> Request<'a> {
    /// Dagu's spelling.
    fn start(arguments: &'a StartArgs) -> Self {
        Self {
            file: &arguments.file,
            gate: RunGate::Load,
            selection: Selection::All,
            start: &arguments.start,
            params: &arguments.params,
            env: &[],
            format: RunFormat::Text,
            report: None,
        }
    }
}

/// Nothing was started, and the reason has been printed.
struct Refused;

struct Finished {
    status: RunStatus,
    exit_code: i32,
    /// The signal that stopped the run.
    stopped_by: Option<Signal>,
}

impl Finished {
    fn exit(&self) -> ExitStatus {
        if self.exit_code == 0 { ExitStatus::Success } else { ExitStatus::Failure }
    }
}

fn refuse(message: impl std::fmt::Display) -> Refused {
    let _ = writeln!(anstream::stderr().lock(), "error: {message}");
    Refused
}

fn execute(request: &Request<'_>) -> Result<Finished, Refused> {
    let plan = plan(request)?;
    let mut options = options(request)?;
    options.watchdog = Watchdog::start().map_err(|error| tracing::warn!("no watchdog: {error}")).ok();
    let runtime = runtime()?;
    let stop = StopSource::new();
    let summary = runtime.block_on(async {
        let watching = stop.clone();
        let signals = tokio::spawn(async move { watch_signals(watching).await });
        let mut show = reporter(request.format);
        let summary = runner::run(plan, &options, stop, &mut |event: Event| show(&event)).await;
        signals.abort();
        summary.map_err(refuse)
    })?;
    let report = RunReport::new(&summary);
    if let Err(error) = report.write(&summary.record) {
        tracing::warn!("the record of the run cannot be kept: {error}");
    }
    if let Some(file) = request.report
        && let Err(error) = report.write(file)
    {
        let _ = writeln!(anstream::stderr().lock(), "error: cannot write {}: {error}", file.display());
        return Ok(Finished { exit_code: 1, ..finished(&summary) });
    }
    Ok(finished(&summary))
}

fn finished(summary: &RunSummary) -> Finished {
    let stopped = matches!(summary.stop, Some(StopReason::Requested | StopReason::Killed));
    Finished {
        status: summary.status,
        exit_code: summary.exit_code(),
        stopped_by: summary.stop_signal.filter(|_| stopped),
    }
}

fn plan(request: &Request<'_>) -> Result<Plan, Refused> {
    let document = workspace::read(request.file).map_err(refuse)?;
    check(&document, request.gate)?;
    let mut dag = from_document(&document, request.file).map_err(refuse)?;
    if let Some(name) = &request.start.name {
        dag = DagSpec { name: name.clone(), ..dag };
    }
    Plan::new(Arc::new(dag), request.selection.clone()).map_err(refuse)
}

fn check(document: &Document, gate: RunGate) -> Result<(), Refused> {
    let findings = rules::check(document);
    let stops = findings.iter().filter(|finding| match gate {
        RunGate::Errors => finding.severity == Severity::Error && finding.gate != Gate::Validate,
        RunGate::Load => matches!(finding.gate, Gate::Load | Gate::Start),
    });
    let mut refused = false;
    for finding in stops {
        refused = true;
        let _ = writeln!(anstream::stderr().lock(), "{}", check_text::line(document, finding));
    }
    if refused { Err(Refused) } else { Ok(()) }
}

/// What stands behind `--`; only if nothing does, `--params`.
fn passed_params(request: &Request<'_>) -> Passed {
    match &request.start.params_text {
        Some(text) if request.params.is_empty() => Passed::from_text(text),
        _ => Passed::from_args(request.params),
    }
}

/// The variables of this process that are text.
fn process_env() -> HashMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn passed_env(entries: &[String]) -> Result<Vec<(String, String)>, Refused> {
    let entry = |entry: &String| match entry.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) => Err(refuse(format_args!("`--env {entry}` has no name; expected NAME or NAME=VALUE"))),
        None => match std::env::var(entry) {
            Ok(value) => Ok((entry.clone(), value)),
            Err(_) => Err(refuse(format_args!("`--env {entry}`: this variable is not set; write `{entry}=VALUE`"))),
        },
    };
    entries.iter().map(entry).collect()
}

/// The first signal stops the run, the second one kills what is left of it.
async fn watch_signals(stop: StopSource) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut asked = false;
    loop {
        let which = tokio::select! {
            _ = interrupt.recv() => Signal::SIGINT,
            _ = terminate.recv() => Signal::SIGTERM,
            _ = hang_up.recv() => Signal::SIGHUP,
        };
        if std::mem::replace(&mut asked, true) {
            stop.kill();
        } else {
            stop.stop(StopCause::Requested(which));
        }
    }
}

/// Shows events in the asked format. A reader that went away is no reason to end the run; nothing more is shown then.
fn reporter(format: RunFormat) -> Box<dyn FnMut(&Event) + Send> {
    let mut open = true;
    match format {
        RunFormat::Text => {
            let mut terminal = Terminal::new(anstream::stdout(), anstream::stderr());
            Box::new(move |event| open = open && terminal.report(event).is_ok())
        }
        RunFormat::Json => {
            let mut lines = JsonLines::new(std::io::stdout());
            Box::new(move |event| open = open && lines.report(event).is_ok())
        }
    }
}
