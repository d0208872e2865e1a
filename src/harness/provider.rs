//! Who answers to a provider name: the agent CLIs that need no definition, and the file's own definitions, which come
//! first.
//!
//! `builtin` is known by name only. It was an agent inside the process of older Dagu releases, so there is no program to
//! run; it must never be taken for a binary of that name.

use std::collections::BTreeMap;

use crate::diagnostic::nearest;
use crate::harness::definition::{Definition, FlagStyle, PromptMode, PromptPosition};

/// The name of the in-process agent of Dagu before 2.15.
pub const IN_PROCESS: &str = "builtin";

/// A value of a [`BuiltIn`]'s own configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    Flag,
    Text(&'static str),
}

/// A CLI that needs no definition.
#[derive(Debug, PartialEq, Eq)]
pub struct BuiltIn {
    pub name: &'static str,
    pub binary: &'static str,
    /// Arguments before everything else.
    pub prefix_args: &'static [&'static str],
    /// The flag in front of the prompt; without one the prompt is an argument of its own.
    pub prompt_flag: Option<&'static str>,
    pub prompt_position: PromptPosition,
    /// Configuration it has unless the step says otherwise. A CLI with any has its keys normalised when it runs.
    pub defaults: &'static [(&'static str, Preset)],
    /// Extra stdin is appended to the prompt, because this CLI does not read both.
    pub folds_stdin: bool,
    /// Variables it takes credentials from, most usual first; for hints only.
    pub key_variables: &'static [&'static str],
}

const BASE: BuiltIn = BuiltIn {
    name: "",
    binary: "",
    prefix_args: &[],
    prompt_flag: None,
    prompt_position: PromptPosition::BeforeFlags,
    defaults: &[],
    folds_stdin: false,
    key_variables: &[],
};

/// The CLIs, sorted by name.
pub static BUILT_INS: [BuiltIn; 15] = [
    BuiltIn {
        name: "aider",
        binary: "aider",
        prompt_flag: Some("--message"),
        folds_stdin: true,
        key_variables: &[
            "OPENAI_API_KEY",
            "ANTHROPIC_API_KEY",
            "GEMINI_API_KEY",
            "OPENROUTER_API_KEY",
            "DEEPSEEK_API_KEY",
        ],
        ..BASE
    },
    BuiltIn { name: "amp", binary: "amp", prompt_flag: Some("-x"), key_variables: &["AMP_API_KEY"], ..BASE },
    BuiltIn {
        name: "claude",
        binary: "claude",
        prompt_flag: Some("-p"),
        key_variables: &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"],
        ..BASE
    },
    BuiltIn {
        name: "cline",
        binary: "cline",
        prompt_position: PromptPosition::AfterFlags,
        key_variables: &["CLINE_API_KEY"],
        ..BASE
    },
    BuiltIn {
        name: "codex",
        binary: "codex",
        prefix_args: &["exec"],
        defaults: &[("skip-git-repo-check", Preset::Flag)],
        key_variables: &["OPENAI_API_KEY", "CODEX_API_KEY"],
        ..BASE
    },
    BuiltIn {
        name: "copilot",
        binary: "copilot",
        prompt_flag: Some("-p"),
        key_variables: &["COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"],
        ..BASE
    },
    BuiltIn {
        name: "cursor",
        binary: "cursor-agent",
        prompt_flag: Some("-p"),
        defaults: &[("output-format", Preset::Text("text"))],
        folds_stdin: true,
        key_variables: &["CURSOR_API_KEY"],
        ..BASE
    },
    BuiltIn {
        name: "deepseek",
        binary: "dsh",
        prefix_args: &["--profile", "headless"],
        prompt_position: PromptPosition::AfterFlags,
        folds_stdin: true,
        key_variables: &["DEEPSEEK_API_KEY"],
        ..BASE
    },
    BuiltIn {
        name: "droid",
        binary: "droid",
        prefix_args: &["exec"],
        folds_stdin: true,
        key_variables: &["FACTORY_API_KEY"],
        ..BASE
    },
    BuiltIn {
        name: "gemini",
        binary: "gemini",
        prompt_flag: Some("-p"),
        key_variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        ..BASE
    },
    BuiltIn {
        name: "goose",
        binary: "goose",
        prefix_args: &["run"],
        prompt_flag: Some("--text"),
        defaults: &[("quiet", Preset::Flag)],
        folds_stdin: true,
        key_variables: &["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "OPENROUTER_API_KEY"],
        ..BASE
    },
    BuiltIn {
        name: "kiro",
        binary: "kiro-cli",
        prefix_args: &["chat", "--no-interactive"],
        key_variables: &["KIRO_API_KEY"],
        ..BASE
    },
    BuiltIn {
        name: "opencode",
        binary: "opencode",
        prefix_args: &["run"],
        key_variables: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "OPENCODE_API_KEY"],
        ..BASE
    },
    BuiltIn {
        name: "pi",
        binary: "pi",
        prompt_flag: Some("-p"),
        key_variables: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY"],
        ..BASE
    },
    BuiltIn {
        name: "qwen",
        binary: "qwen",
        prompt_flag: Some("-p"),
        key_variables: &["OPENAI_API_KEY", "DASHSCOPE_API_KEY"],
        ..BASE
    },
];

/// What a provider name stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Provider<'a> {
    BuiltIn(&'static BuiltIn),
    Custom(&'a Definition),
    /// Defined in the file, but so that it cannot be used; the definition has its own finding.
    Broken,
    /// The in-process agent of Dagu 2.8.
    InProcess,
}

/// The providers a document knows: [`BUILT_INS`] and its `harnesses:`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Providers {
    /// By trimmed name; `None` when the definition is faulty. A null entry defines nothing and is left out.
    pub definitions: BTreeMap<String, Option<Definition>>,
}

impl Providers {
    /// The provider of exactly this name.
    pub fn get(&self, name: &str) -> Option<Provider<'_>> {
        match self.definitions.get(name) {
            Some(Some(definition)) => return Some(Provider::Custom(definition)),
            Some(None) => return Some(Provider::Broken),
            None => {}
        }
        if name == IN_PROCESS {
            return Some(Provider::InProcess);
        }
        built_in(name).map(Provider::BuiltIn)
    }

    /// The built-in CLI of this name, unless a definition stands before it.
    pub fn built_in(&self, name: &str) -> Option<&'static BuiltIn> {
        match self.get(name) {
            Some(Provider::BuiltIn(cli)) => Some(cli),
            _ => None,
        }
    }

    /// All names that can be used, sorted, without [`IN_PROCESS`].
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            BUILT_INS.iter().map(|cli| cli.name).chain(self.definitions.keys().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// A name that was probably meant by `name`.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name.trim(), self.names())
    }
}

/// The built-in CLI of this name.
pub fn built_in(name: &str) -> Option<&'static BuiltIn> {
    BUILT_INS.iter().find(|cli| cli.name == name)
}

/// How to write a command line: the one form that built-in CLIs and definitions come down to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe<'a> {
    pub binary: &'a str,
    pub prefix_args: Vec<&'a str>,
    pub prompt: Prompting<'a>,
    pub position: PromptPosition,
    pub folds_stdin: bool,
    pub flags: Flags<'a>,
}

/// How the prompt reaches the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompting<'a> {
    Argument,
    Flag(&'a str),
    Stdin,
}

/// How a configuration key becomes a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flags<'a> {
    /// `--` and the key, `_` as `-`.
    Kebab,
    /// The exact flag if there is one for this key, else the style's dashes and the key as written.
    Custom { style: FlagStyle, exact: &'a BTreeMap<String, String> },
}

impl Flags<'_> {
    /// The flag for `key`.
    pub fn token(&self, key: &str) -> String {
        match self {
            Self::Kebab => format!("--{}", key.replace('_', "-")),
            Self::Custom { style, exact } => match (exact.get(key), style) {
                (Some(flag), _) if !flag.is_empty() => flag.clone(),
                (_, FlagStyle::GnuLong) => format!("--{key}"),
                (_, FlagStyle::SingleDash) => format!("-{key}"),
            },
        }
    }
}

impl From<&'static BuiltIn> for Recipe<'static> {
    fn from(cli: &'static BuiltIn) -> Self {
        Self {
            binary: cli.binary,
            prefix_args: cli.prefix_args.to_vec(),
            prompt: cli.prompt_flag.map_or(Prompting::Argument, Prompting::Flag),
            position: cli.prompt_position,
            folds_stdin: cli.folds_stdin,
            flags: Flags::Kebab,
        }
    }
}

impl<'a> From<&'a Definition> for Recipe<'a> {
    fn from(definition: &'a Definition) -> Self {
        Self {
            binary: &definition.binary,
            prefix_args: definition.prefix_args.iter().map(String::as_str).collect(),
            prompt: match &definition.prompt_mode {
                PromptMode::Arg => Prompting::Argument,
                PromptMode::Flag(flag) => Prompting::Flag(flag),
                PromptMode::Stdin => Prompting::Stdin,
            },
            position: definition.prompt_position,
            folds_stdin: false,
            flags: Flags::Custom { style: definition.flag_style, exact: &definition.option_flags },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_complete() {
        assert!(BUILT_INS.is_sorted_by_key(|cli| cli.name));
        assert!(BUILT_INS.iter().all(|cli| !cli.binary.is_empty() && !cli.key_variables.is_empty()));
        assert_eq!(built_in(IN_PROCESS), None);
    }

    #[test]
    fn a_definition_stands_before_the_built_in_of_its_name() {
        let mut providers = Providers::default();
        assert!(matches!(providers.get("claude"), Some(Provider::BuiltIn(cli)) if cli.binary == "claude"));
        providers.definitions.insert("claude".into(), Some(Definition::of("wrapper")));
        assert!(matches!(providers.get("claude"), Some(Provider::Custom(own)) if own.binary == "wrapper"));
        assert_eq!(providers.built_in("claude"), None);
        providers.definitions.insert("claude".into(), None);
        assert_eq!(providers.get("claude"), Some(Provider::Broken));
    }

    #[test]
    fn names_are_compared_exactly() {
        let providers = Providers::default();
        assert_eq!(providers.get(" claude "), None);
        assert_eq!(providers.get("Claude"), None);
        assert_eq!(providers.get("dsh"), None);
        assert_eq!(providers.get("builtin"), Some(Provider::InProcess));
        assert_eq!(providers.nearest(" claude "), Some("claude"));
        assert_eq!(providers.nearest("cluade"), Some("claude"));
        assert_eq!(providers.nearest("zzz"), None);
    }
}
