//! What a step runs, and which parts of a step that kind understands.

/// The kind of a step, from its action, its legacy type, or what the workflow sets for all steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Command,
    Ssh,
    Docker,
    Harness,
    Http,
    Jq,
    Redis,
    Sql,
    Kubernetes,
    /// `file`, `artifact`, `archive`, `data`, `git`, `outputs`, `s3`, `state`, `wait`.
    Task,
    Template,
    Dag,
    Chat,
    /// `sftp`, `log`, `mail`, `noop`, remote actions.
    Closed,
    Router,
    Foreach,
    HumanTask,
}

/// What a kind understands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Abilities {
    pub command: bool,
    pub several: bool,
    pub script: bool,
    pub shell: bool,
    pub container: bool,
    pub worker_selector: bool,
    pub messages: bool,
}

impl Kind {
    pub fn abilities(self) -> Abilities {
        let none = Abilities::default();
        match self {
            Kind::Command | Kind::Ssh => Abilities { command: true, several: true, script: true, shell: true, ..none },
            Kind::Docker => Abilities { command: true, several: true, container: true, ..none },
            Kind::Harness => Abilities { command: true, script: true, container: true, ..none },
            Kind::Http | Kind::Jq | Kind::Redis | Kind::Sql => Abilities { command: true, script: true, ..none },
            Kind::Kubernetes | Kind::Task => Abilities { command: true, ..none },
            Kind::Template => Abilities { script: true, ..none },
            Kind::Dag => Abilities { worker_selector: true, ..none },
            Kind::Chat => Abilities { messages: true, ..none },
            Kind::Closed | Kind::Router | Kind::Foreach | Kind::HumanTask => none,
        }
    }

    /// The kind in a message: "a step in a container".
    pub fn phrase(self) -> &'static str {
        match self {
            Kind::Command => "a command step",
            Kind::Ssh => "a step over ssh",
            Kind::Docker => "a step in a container",
            Kind::Harness => "a harness step",
            Kind::Http => "an http step",
            Kind::Jq => "a jq step",
            Kind::Redis => "a redis step",
            Kind::Sql => "a query step",
            Kind::Kubernetes => "a kubernetes step",
            Kind::Task | Kind::Closed => "a step of this action",
            Kind::Template => "a template step",
            Kind::Dag => "a step that runs another workflow",
            Kind::Chat => "a chat step",
            Kind::Router => "a router",
            Kind::Foreach => "a loop",
            Kind::HumanTask => "a human task",
        }
    }

    /// The kind of a legacy `type`; `None` for a word that is none.
    pub fn of_type(name: &str) -> Option<Kind> {
        Some(match name {
            "command" | "shell" => Kind::Command,
            "docker" | "container" => Kind::Docker,
            "dag" | "dag_enqueue" | "subworkflow" | "parallel" => Kind::Dag,
            "foreach" => Kind::Foreach,
            "file" | "git" | "s3" | "archive" | "artifact" | "data" | "outputs" | "state" | "wait" => Kind::Task,
            "kubernetes" | "k8s" => Kind::Kubernetes,
            "http" => Kind::Http,
            "jq" => Kind::Jq,
            "mail" | "sftp" | "log" | "noop" | "action" => Kind::Closed,
            "ssh" => Kind::Ssh,
            "chat" => Kind::Chat,
            "postgres" | "sqlite" => Kind::Sql,
            "redis" => Kind::Redis,
            "harness" => Kind::Harness,
            "router" => Kind::Router,
            "template" => Kind::Template,
            _ => return None,
        })
    }

    /// The kind of a built-in action.
    pub fn of_action(name: &str) -> Kind {
        match name.split('.').next().unwrap_or(name) {
            "exec" => Kind::Command,
            "dag" => Kind::Dag,
            "human" => Kind::HumanTask,
            group => Kind::of_type(group).unwrap_or(Kind::Closed),
        }
    }
}

/// The words of a legacy `type`.
pub const TYPES: &[&str] = &[
    "command",
    "shell",
    "docker",
    "container",
    "dag",
    "dag_enqueue",
    "subworkflow",
    "parallel",
    "foreach",
    "file",
    "git",
    "kubernetes",
    "k8s",
    "http",
    "mail",
    "ssh",
    "sftp",
    "s3",
    "jq",
    "archive",
    "artifact",
    "chat",
    "data",
    "log",
    "noop",
    "postgres",
    "sqlite",
    "redis",
    "harness",
    "router",
    "action",
    "outputs",
    "state",
    "template",
    "wait",
];
