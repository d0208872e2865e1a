//! Waiting for a container: until it runs, is healthy, has said a line. Never deaf to a stop, never past two minutes.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, sleep, sleep_until};

use super::caller::{Caller, Notice};
use super::failure::ContainerError;
use super::keepalive::Watch;
use super::resolve::NewContainer;
use super::words::WaitFor;
use crate::engine::{Container, ContainerStatus, Engine, ExecSpec, Health, HealthCheck, Runtime};

/// Dagu's own limit, for existing containers and for readiness alike.
pub(super) const LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(500);
const TELL: Duration = Duration::from_secs(10);

/// Waits until somebody else's container runs.
pub(super) async fn existing(caller: &Caller<'_>, name: &str) -> Result<Container, ContainerError> {
    let start = Instant::now();
    let mut told = start;
    let mut last;
    loop {
        let found = tokio::select! {
            biased;
            _ = caller.stop.requested() => return Err(ContainerError::Stopped),
            found = caller.engine.container(name) => found?,
        };
        last = match found {
            Some(container) if container.running => return Ok(container),
            Some(container) => state(&container),
            None => "not found".to_owned(),
        };
        if told.elapsed() >= TELL || told == start {
            told = Instant::now();
            (caller.notice)(Notice::Waiting { container: name.to_owned(), status: last.clone() });
        }
        if start.elapsed() + POLL > LIMIT {
            return Err(ContainerError::ExecTimeout { container: name.to_owned(), last });
        }
        pause(caller, POLL).await?;
    }
}

/// Waits until a container of ours is ready. `settle` is how long it must have stayed alive.
pub(super) async fn ours(
    caller: &Caller<'_>,
    id: &str,
    name: &str,
    new: &NewContainer,
    watch: &Watch,
    settle: Duration,
) -> Result<(), ContainerError> {
    let deadline = Instant::now() + LIMIT;
    // A program that fails at once is caught here rather than by the first command.
    let code = tokio::select! {
        biased;
        _ = caller.stop.requested() => return Err(ContainerError::Stopped),
        code = caller.engine.wait(id) => Some(code?),
        () = sleep(settle) => None,
    };
    if let Some(code) = code
        && new.spec.restart.is_none()
    {
        watch.settle().await;
        return Err(ContainerError::ExitedEarly { container: name.to_owned(), code, said: watch.said() });
    }
    state_reached(caller, id, name, new, watch, deadline).await?;
    let Some(pattern) = &new.log_pattern else { return Ok(()) };
    let matched = tokio::select! {
        biased;
        _ = caller.stop.requested() => return Err(ContainerError::Stopped),
        matched = watch.matched() => matched,
        () = sleep_until(deadline) => false,
    };
    if matched {
        return Ok(());
    }
    let (container, pattern) = (name.to_owned(), pattern.as_str().to_owned());
    Err(ContainerError::PatternNotSeen { container, pattern, said: watch.said() })
}

async fn state_reached(
    caller: &Caller<'_>,
    id: &str,
    name: &str,
    new: &NewContainer,
    watch: &Watch,
    deadline: Instant,
) -> Result<(), ContainerError> {
    let (wanted, healthy) = match new.wait_for {
        WaitFor::Running => ("running", false),
        WaitFor::Healthy => ("healthy", true),
    };
    let mut probe = Probe::new(new.spec.health.as_ref());
    let mut wait = Duration::from_millis(50);
    loop {
        let Some(container) = caller.engine.container(id).await? else {
            return Err(ContainerError::NotRunning { container: name.to_owned(), detail: ": it is gone".into() });
        };
        if matches!(container.status, ContainerStatus::Exited | ContainerStatus::Dead | ContainerStatus::Removing) {
            watch.settle().await;
            let (container, code) = (name.to_owned(), container.exit_code);
            return Err(ContainerError::ExitedEarly { container, code, said: watch.said() });
        }
        let last = state(&container);
        match container.health {
            _ if !container.running => {}
            _ if !healthy => return Ok(()),
            None => {
                (caller.notice)(Notice::NoHealthCheck { container: name.to_owned() });
                return Ok(());
            }
            Some(Health::Healthy) => return Ok(()),
            Some(Health::Unhealthy) => {
                return Err(ContainerError::Unhealthy { container: name.to_owned(), said: watch.said() });
            }
            // Podman's checks are run by systemd; where there is none, nobody ever runs them.
            Some(Health::Starting) if caller.engine.runtime() == Runtime::Podman => {
                match probe.run(&**caller.engine, &container).await {
                    Some(true) => return Ok(()),
                    Some(false) => {
                        return Err(ContainerError::Unhealthy { container: name.to_owned(), said: watch.said() });
                    }
                    None => {}
                }
            }
            Some(Health::Starting) => {}
        }
        if Instant::now() + wait > deadline {
            return Err(ContainerError::ReadinessTimeout { container: name.to_owned(), wanted, limit: LIMIT, last });
        }
        pause(caller, wait).await?;
        wait = (wait * 2).min(POLL);
    }
}

async fn pause(caller: &Caller<'_>, time: Duration) -> Result<(), ContainerError> {
    tokio::select! {
        biased;
        _ = caller.stop.requested() => Err(ContainerError::Stopped),
        () = sleep(time) => Ok(()),
    }
}

fn state(container: &Container) -> String {
    let word = match container.status {
        ContainerStatus::Created => "created",
        ContainerStatus::Running => "running",
        ContainerStatus::Paused => "paused",
        ContainerStatus::Restarting => "restarting",
        ContainerStatus::Removing => "being removed",
        ContainerStatus::Exited => return format!("exited (exit code: {})", container.exit_code),
        ContainerStatus::Dead => "dead",
        ContainerStatus::Other => "in an unknown state",
    };
    match container.health {
        Some(Health::Starting) => format!("{word} (health: starting)"),
        Some(Health::Healthy) => format!("{word} (health: healthy)"),
        Some(Health::Unhealthy) => format!("{word} (health: unhealthy)"),
        None => word.to_owned(),
    }
}

/// A container's own health check, carried out by us.
struct Probe {
    interval: Duration,
    start_period: Duration,
    /// `None` when the check is the image's, whose retries we do not know.
    retries: Option<u32>,
    started: Instant,
    last: Option<Instant>,
    failures: u32,
}

impl Probe {
    fn new(check: Option<&HealthCheck>) -> Self {
        let interval = check.and_then(|check| check.interval).unwrap_or(Duration::from_secs(30));
        Self {
            interval,
            start_period: check.and_then(|check| check.start_period).unwrap_or_default(),
            retries: check.map(|check| check.retries.unwrap_or(3)),
            started: Instant::now(),
            last: None,
            failures: 0,
        }
    }

    /// True for healthy, false for unhealthy, `None` for not yet known.
    async fn run(&mut self, engine: &dyn Engine, container: &Container) -> Option<bool> {
        // Looking more often than the interval says finds health sooner; failures count once per interval.
        let due = self.last.is_none_or(|last| last.elapsed() >= self.interval.min(Duration::from_secs(1)));
        if !due {
            return None;
        }
        let counts = self.last.is_none_or(|last| last.elapsed() >= self.interval);
        if succeeds(engine, &container.id, &container.health_test).await {
            return Some(true);
        }
        if counts {
            self.last = Some(Instant::now());
            if self.started.elapsed() >= self.start_period {
                self.failures += 1;
            }
        }
        self.retries.is_some_and(|retries| self.failures >= retries).then_some(false)
    }
}

async fn succeeds(engine: &dyn Engine, container: &str, test: &[String]) -> bool {
    let argv = match test {
        [kind, rest @ ..] if kind == "CMD" => rest.to_vec(),
        [kind, text] if kind == "CMD-SHELL" => vec!["/bin/sh".to_owned(), "-c".to_owned(), text.clone()],
        _ => return false,
    };
    let spec = ExecSpec { argv, ..Default::default() };
    let run = async {
        let exec = engine.exec(container, &spec).await.ok()?;
        let mut output = exec.output;
        while let Some(frame) = output.next().await {
            frame.ok()?;
        }
        engine.exec_status(&exec.id).await.ok()?.exit_code
    };
    run.await == Some(0)
}
