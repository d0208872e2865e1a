//! One command in a container of its own: created for it, gone after it.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::timeout;

use super::caller::{Caller, Sink};
use super::command::Ended;
use super::failure::{Attempt, ContainerError};
use super::flow::{Flow, FlowError};
use super::make::{self, Made};
use super::outputs::{self, OutputsFile};
use super::pull::prepare_image;
use super::resolve::NewContainer;
use crate::engine::{ContainerSpec, EngineError, Fault, Image, Output};

/// How long output is waited for after the end of the program that made it.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a container may take to end after its kill.
const KILL_WITHIN: Duration = Duration::from_secs(10);

/// What runs in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// What the image starts by itself, with `container.command` for its arguments if there is one.
    OfImage,
    /// Arguments for the image's entrypoint: command steps.
    Arguments(Vec<String>),
    /// A program in the place of the image's entrypoint: agents.
    Direct(Vec<String>),
}

/// Makes the image present, creates a container, runs the program to its end and removes the container, or leaves it
/// stopped when it is to be kept. `env` is added to the image's environment; `container.env` wins over it. With
/// `outputs` the program is given a file for its outputs.
///
/// A stop sends the signal, waits the grace, kills; the call still answers with how the program ended.
///
/// # Errors
/// A container that could not be had or a program that could not be started; [`ContainerError::Stopped`] when the stop
/// came before that. The container is removed then, too.
pub async fn run_single(
    caller: &Caller<'_>,
    new: &NewContainer,
    program: &Program,
    env: &[(String, String)],
    outputs: bool,
    sink: &mut Sink<'_>,
) -> Result<Ended, ContainerError> {
    let image = prepare_image(caller, new).await?;
    let outputs = outputs.then(OutputsFile::new);
    let mut spec = new.spec.clone();
    spec.init = true;
    spec.env = [env, &new.spec.env].concat();
    spec.env.extend(outputs.iter().map(|file| (outputs::VARIABLE.to_owned(), file.path())));
    match program {
        Program::OfImage if new.command.is_empty() => {}
        Program::OfImage => spec.command = Some(new.command.clone()),
        Program::Arguments(argv) => spec.command = Some(argv.clone()),
        Program::Direct(argv) => {
            let mut words = argv.iter().cloned();
            spec.entrypoint = Some(words.next().into_iter().collect());
            spec.command = Some(words.collect());
        }
    }
    if caller.stop.requested().now_or_never().is_some() {
        return Err(ContainerError::Stopped);
    }
    let made = make::create(caller, spec.clone(), new.keep).await?;
    let result = run(caller, &made, &spec, &image, outputs.as_ref(), sink).await;
    made.dispose(caller, None).await;
    result
}

async fn run(
    caller: &Caller<'_>,
    made: &Made,
    spec: &ContainerSpec,
    image: &Image,
    outputs: Option<&OutputsFile>,
    sink: &mut Sink<'_>,
) -> Result<Ended, ContainerError> {
    let engine = &**caller.engine;
    if let Some(file) = outputs {
        file.create(engine, &made.id).await?;
    }
    let attempt = Attempt {
        program: first_word(spec, image),
        user: spec.user.as_deref(),
        directory: spec.working_dir.as_deref(),
        place: format!("image `{}`", spec.image),
    };
    // Podman looks at the user here already.
    let output = engine.attach(&made.id, false).await.map_err(|error| attempt.failed(error))?.output;
    if caller.stop.requested().now_or_never().is_some() {
        return Err(ContainerError::Stopped);
    }
    made.start(spec, &attempt).await?;
    let mut flow = Flow::default();
    let mut ended = follow(caller, made, &mut flow, output, sink).await?;
    if let Some(words) = flow.complaint(ended.code)
        && !ended.stopped
    {
        let container = made.name.clone();
        return Err(attempt.failed(EngineError::NotStarted { container, fault: Fault::new(words) }));
    }
    flow.release(sink)?;
    if let Some(file) = outputs
        && !ended.stopped
    {
        ended.outputs = Some(file.read(engine, &made.id).await?);
    }
    Ok(ended)
}

/// The program that the container starts, for messages.
fn first_word<'a>(spec: &'a ContainerSpec, image: &'a Image) -> &'a str {
    let entrypoint = spec.entrypoint.as_ref().unwrap_or(&image.entrypoint);
    let command = spec.command.as_ref().unwrap_or(&image.command);
    entrypoint.iter().chain(command).next().map_or("", String::as_str)
}

async fn follow(
    caller: &Caller<'_>,
    made: &Made,
    flow: &mut Flow,
    mut output: Output,
    sink: &mut Sink<'_>,
) -> Result<Ended, ContainerError> {
    let engine = &**caller.engine;
    let policy = tokio::select! {
        biased;
        policy = caller.stop.requested() => policy,
        result = complete(made, flow, &mut output, sink) => {
            // Whatever failed, the removal that follows ends the program.
            return Ok(Ended { code: result?, ..Ended::default() });
        }
    };
    let end = async {
        tokio::select! {
            result = engine.stop(&made.id, policy.signal.as_deref(), policy.grace) => result,
            () = caller.stop.killed() => engine.kill(&made.id, "KILL").await,
        }
    };
    let limit = policy.grace + KILL_WITHIN;
    let both = async { tokio::join!(end, complete(made, flow, &mut output, sink)) };
    match timeout(limit, both).await {
        Ok((stopped, code)) => {
            stopped?;
            Ok(Ended { code: code?, stopped: true, outputs: None })
        }
        Err(_) => {
            let reason = format!("it is still there {} s after the stop", limit.as_secs());
            Err(ContainerError::NotEnded { container: made.name.clone(), reason })
        }
    }
}

/// Carries the output to its end and waits for the program's.
async fn complete(made: &Made, flow: &mut Flow, output: &mut Output, sink: &mut Sink<'_>) -> Result<i64, FlowError> {
    let mut code = None;
    {
        let mut carrying = std::pin::pin!(flow.run(output, sink));
        let mut waiting = std::pin::pin!(made.engine.wait(&made.id));
        tokio::select! {
            result = &mut carrying => result?,
            result = &mut waiting => {
                code = Some(result.map_err(FlowError::Engine)?);
                // The engine closes the output with the container; not for ever if it does not.
                if let Ok(result) = timeout(DRAIN, carrying).await {
                    result?;
                }
            }
        }
    }
    match code {
        Some(code) => Ok(code),
        None => made.engine.wait(&made.id).await.map_err(FlowError::Engine),
    }
}
