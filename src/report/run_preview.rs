//! What `run --dry-run` shows: every command line in a form that could be typed, with its place and the names of its
//! variables. No values of variables are shown.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::harness::command::quoted;
use crate::runner::event::Place;
use crate::runner::preview::{ContainerPreview, Preview, ProgramPreview, StepPreview};

/// Writes for people.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_text(out: &mut impl Write, preview: &Preview) -> io::Result<()> {
    writeln!(out, "dry run of {}: nothing is started", preview.dag)?;
    writeln!(out, "working directory: {}", preview.working_dir.display())?;
    if let Some(container) = &preview.container {
        writeln!(out, "shared container")?;
        write_container(out, container)?;
    }
    for step in &preview.steps {
        write_step(out, step, preview)?;
    }
    Ok(())
}

fn write_step(out: &mut impl Write, step: &StepPreview, preview: &Preview) -> io::Result<()> {
    let after = match step.waits_for.is_empty() {
        true => String::new(),
        false => format!(", after {}", step.waits_for.join(", ")),
    };
    writeln!(out, "\n{} ({}{after})", step.step.name, place_words(step.place))?;
    if step.place == Place::Host && step.cwd != preview.working_dir {
        writeln!(out, "  in {}", step.cwd.display())?;
    }
    if let Some(container) = &step.container {
        write_container(out, container)?;
    }
    for (i, program) in step.programs.iter().enumerate() {
        let lead = match (&program.provider, i) {
            (Some(provider), 0) => format!("{provider}: "),
            (Some(provider), _) => format!("else {provider}: "),
            (None, _) => String::new(),
        };
        writeln!(out, "  {lead}{}", program_text(program))?;
        if let Some(stdin) = &program.stdin {
            writeln!(out, "    reads {}", quoted(stdin))?;
        }
    }
    if !step.env.is_empty() {
        writeln!(out, "  variables: {}", step.env.join(" "))?;
    }
    if let Some(problem) = &step.problem {
        writeln!(out, "  would fail: {}", problem.trim_end().replace('\n', "\n  "))?;
    }
    Ok(())
}

fn write_container(out: &mut impl Write, container: &ContainerPreview) -> io::Result<()> {
    let mut line = |name: &str, value: Option<String>| match value.filter(|value| !value.is_empty()) {
        Some(value) => writeln!(out, "  {name}: {value}"),
        None => Ok(()),
    };
    line("image", container.image.clone())?;
    line("container", container.name.clone())?;
    for mount in &container.mounts {
        line("mount", Some(mount.clone()))?;
    }
    line("user", container.user.clone())?;
    line("directory", container.working_dir.clone())?;
    line("container variables", Some(container.env.join(" ")))
}

fn program_text(program: &ProgramPreview) -> String {
    match &program.action {
        Some(action) => format!("({action})"),
        None => program.argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    }
}

fn place_words(place: Place) -> &'static str {
    match place {
        Place::Host => "on the host",
        Place::RootContainer => "in the shared container",
        Place::StepContainer => "in a container of its own",
        Place::ExistingContainer => "in an existing container",
    }
}

/// The same as one JSON document, `"schema": 1`: `dag`, `working_dir`, `container`, and `steps` with `id`, `name`, `role`,
/// `waits_for`, `place`, `cwd`, `container`, `programs` (`provider`, `argv`, `stdin`, `action`), `env` and `problem`. What
/// is not known is null.
pub fn to_json(preview: &Preview) -> Value {
    json!({
        "schema": 1,
        "dag": preview.dag,
        "working_dir": preview.working_dir,
        "container": preview.container.as_ref().map(container_json),
        "steps": preview.steps.iter().map(step_json).collect::<Vec<_>>(),
    })
}

fn step_json(step: &StepPreview) -> Value {
    let program = |program: &ProgramPreview| {
        json!({
            "provider": program.provider,
            "argv": program.argv,
            "stdin": program.stdin,
            "action": program.action,
        })
    };
    json!({
        "id": step.step.id.as_deref(),
        "name": &*step.step.name,
        "role": step.step.role.handler_name().unwrap_or("step"),
        "waits_for": step.waits_for,
        "place": super::run_json::place_name(step.place),
        "cwd": (step.place == Place::Host).then_some(&step.cwd),
        "container": step.container.as_ref().map(container_json),
        "programs": step.programs.iter().map(program).collect::<Vec<_>>(),
        "env": step.env,
        "problem": step.problem,
    })
}

fn container_json(container: &ContainerPreview) -> Value {
    json!({
        "image": container.image,
        "name": container.name,
        "mounts": container.mounts,
        "env": container.env,
        "user": container.user,
        "working_dir": container.working_dir,
    })
}
