//! The facts of a run that documents can ask for: `${context.…}`, their frozen short aliases, and the environment
//! variables that carry the same values.

use std::collections::BTreeMap;

macro_rules! context_fields {
    ($($field:ident $path:literal $alias:literal $env:literal $level:ident $about:literal;)*) => {
        /// A field below `context.`. The table of these is closed: anything else under `context.` is a mistake.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ContextField { $(#[doc = $about] $field,)* }

        impl ContextField {
            pub const ALL: &'static [Self] = &[$(Self::$field),*];

            /// Full spelling: `context.run.id`.
            pub fn path(self) -> &'static str {
                match self { $(Self::$field => concat!("context.", $path),)* }
            }

            /// Short spelling: `run.id`.
            pub fn alias(self) -> &'static str {
                match self { $(Self::$field => $alias,)* }
            }

            /// One line for hovers and completion.
            pub fn about(self) -> &'static str {
                match self { $(Self::$field => $about,)* }
            }

            fn env(self) -> &'static str {
                match self { $(Self::$field => $env,)* }
            }

            /// When the value comes to be.
            pub fn level(self) -> Level {
                match self { $(Self::$field => Level::$level,)* }
            }

            /// The field of a reference, in full or short spelling, without `${` and `}`.
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $(concat!("context.", $path) => Some(Self::$field),)*
                    _ => Self::ALL.iter().copied().find(|field| field.alias() == text),
                }
            }
        }
    };
}

/// When a context value comes to be; also the layer of the environment its variable belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// With the run; steps cannot change these.
    Run,
    /// With a step or handler.
    Step,
    /// With one attempt of a step.
    Attempt,
}

context_fields! {
    DagName "dag.name" "dag.name" "DAG_NAME" Run "name of the DAG, or of its file without extension";
    RunId "run.id" "run.id" "DAG_RUN_ID" Run "id of this run";
    RunStatus "run.status" "run.status" "DAG_RUN_STATUS" Step "status of the run so far; handlers only";
    RunScheduledAt "run.scheduled_at" "run.scheduled_at" "" Run "scheduled time, UTC, RFC 3339; scheduled runs only";
    RunRootName "run.root_name" "run.root_name" "" Run "name of the outermost DAG; child runs only";
    RunRootId "run.root_id" "run.root_id" "" Run "id of the outermost run; child runs only";
    AttemptId "attempt.id" "attempt.id" "" Run "id of this attempt of the run";
    AttemptStartedAt "attempt.started_at" "run.started_at" "" Run "start of this attempt of the run, UTC, to the second";
    StepId "step.id" "step.id" "" Step "id of the step, if it has one";
    StepName "step.name" "step.name" "DAG_RUN_STEP_NAME" Step "name of the step; its id when it has no name";
    TriggerType "trigger.type" "trigger.type" "" Run "what started the run: `manual`, `scheduler`, `webhook`, `subdag`, `retry`, `catchup`";
    TriggerActor "trigger.actor" "trigger.actor" "" Run "who started the run, when known";
    LogFile "paths.log_file" "paths.log_file" "DAG_RUN_LOG_FILE" Run "log file of the run";
    WorkDir "paths.work_dir" "paths.work_dir" "DAG_RUN_WORK_DIR" Run "directory made for this run";
    ArtifactsDir "paths.artifacts_dir" "paths.artifacts_dir" "DAG_RUN_ARTIFACTS_DIR" Run "artifact directory; mentioning it turns artifacts on";
    StepStdoutFile "paths.step_stdout_file" "paths.step_stdout_file" "DAG_RUN_STEP_STDOUT_FILE" Attempt "file the step's stdout is logged to";
    StepStderrFile "paths.step_stderr_file" "paths.step_stderr_file" "DAG_RUN_STEP_STDERR_FILE" Attempt "file the step's stderr is logged to";
    StepOutputFile "paths.step_output_file" "paths.step_output_file" "DAGU_OUTPUT_FILE" Attempt "file the step appends its declared outputs to";
    ProfileName "profile.name" "profile.name" "" Run "profile of the run";
    ProfileResolvedAt "profile.resolved_at" "profile.resolved_at" "" Run "when the profile was read";
    PushbackIteration "pushback.iteration" "pushback.iteration" "DAG_PUSHBACK_ITERATION" Step "how often an approval pushed the step back";
    PushbackPreviousStdoutFile "pushback.previous_stdout_file" "pushback.previous_stdout_file" "DAG_PUSHBACK_PREVIOUS_STDOUT_FILE" Step "stdout of the attempt that was pushed back";
    WikiDir "paths.wiki_dir" "paths.wiki_dir" "DAG_WIKI_DIR" Run "wiki directory, where there is one";
    DocsDir "paths.docs_dir" "paths.docs_dir" "DAG_DOCS_DIR" Run "documents directory, where there is one";
}

impl ContextField {
    /// The environment variable that carries the value, if any.
    pub fn env_name(self) -> Option<&'static str> {
        Some(self.env()).filter(|name| !name.is_empty())
    }
}

/// Variables of a run that no entry of a document can replace for good.
pub const PROTECTED: &[&str] =
    &["DAG_NAME", "DAG_RUN_ID", "DAG_RUN_LOG_FILE", "DAG_RUN_WORK_DIR", "DAG_RUN_ARTIFACTS_DIR", "DAG_PARAMS_JSON"];

/// The context values known at some point of a run. A value that is not known is missing, never empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    values: BTreeMap<ContextField, String>,
}

impl Context {
    /// Sets a value. An empty one counts as missing.
    pub fn set(&mut self, field: ContextField, value: impl Into<String>) -> &mut Self {
        let value = value.into();
        if value.is_empty() {
            self.values.remove(&field);
        } else {
            self.values.insert(field, value);
        }
        self
    }

    pub fn get(&self, field: ContextField) -> Option<&str> {
        self.values.get(&field).map(String::as_str)
    }

    /// The variables that carry the values of one level, in the order of the table.
    pub fn env(&self, level: Level) -> Vec<(String, String)> {
        self.values
            .iter()
            .filter(|(field, _)| field.level() == level)
            .filter_map(|(field, value)| Some((field.env_name()?.to_owned(), value.clone())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_both_spellings() {
        for &field in ContextField::ALL {
            assert_eq!(ContextField::parse(field.path()), Some(field));
            assert_eq!(ContextField::parse(field.alias()), Some(field));
        }
        assert_eq!(ContextField::parse("run.started_at"), Some(ContextField::AttemptStartedAt));
        assert_eq!(ContextField::parse("attempt.started_at"), None);
        assert_eq!(ContextField::parse("context.run.foo"), None);
        assert_eq!(ContextField::parse("run.foo"), None);
    }

    #[test]
    fn variables_follow_the_level() {
        let mut context = Context::default();
        context.set(ContextField::RunId, "r1").set(ContextField::StepName, "s").set(ContextField::AttemptId, "a1");
        context.set(ContextField::DagName, "");
        assert_eq!(context.env(Level::Run), [("DAG_RUN_ID".to_owned(), "r1".to_owned())]);
        assert_eq!(context.env(Level::Step), [("DAG_RUN_STEP_NAME".to_owned(), "s".to_owned())]);
        assert_eq!(context.get(ContextField::DagName), None);
    }
}
