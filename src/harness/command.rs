//! The command line of one attempt.

use std::collections::BTreeMap;
use std::fmt;

use crate::harness::coerce::{Emission, Setting};
use crate::harness::config::{RESERVED, normalise};
use crate::harness::definition::PromptPosition;
use crate::harness::provider::{BuiltIn, Flags, Preset, Prompting, Recipe};

/// A program with its arguments. No shell is involved, here or later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The first word is the binary as configured, a name or a path; it is also what the program sees as its own name.
    pub argv: Vec<String>,
    /// What the program reads on its standard input; `None` for an empty stream.
    pub stdin: Option<Vec<u8>>,
}

impl Command {
    /// Writes the command line for `prompt`, extra `stdin` and resolved `settings`.
    pub fn write(recipe: &Recipe<'_>, settings: &BTreeMap<String, Setting>, prompt: &str, stdin: Option<&str>) -> Self {
        let joined = stdin.map(|stdin| format!("{prompt}\n\n{stdin}"));
        let (prompt, stdin) = match (recipe.folds_stdin, &joined) {
            (true, Some(joined)) => (joined.as_str(), None),
            _ => (prompt, stdin),
        };
        let mut argv: Vec<String> = vec![recipe.binary.to_owned()];
        argv.extend(recipe.prefix_args.iter().map(|&arg| arg.to_owned()));
        let prompt_args = match recipe.prompt {
            Prompting::Argument => vec![prompt.to_owned()],
            Prompting::Flag(flag) => vec![flag.to_owned(), prompt.to_owned()],
            Prompting::Stdin => {
                argv.extend(flags(settings, recipe.flags));
                let stdin = joined.as_deref().unwrap_or(prompt);
                return Self { argv, stdin: Some(stdin.into()) };
            }
        };
        match recipe.position {
            PromptPosition::BeforeFlags => {
                argv.extend(prompt_args);
                argv.extend(flags(settings, recipe.flags));
            }
            PromptPosition::AfterFlags => {
                argv.extend(flags(settings, recipe.flags));
                argv.extend(prompt_args);
            }
        }
        Self { argv, stdin: stdin.map(Into::into) }
    }

    /// The configured binary: a name to look up, or with a `/` a path.
    pub fn binary(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }

    /// The arguments after the binary.
    pub fn args(&self) -> &[String] {
        self.argv.get(1..).unwrap_or_default()
    }
}

/// The configuration under a CLI's own defaults. Only a CLI that has any gets its keys normalised here.
pub fn overlay(cli: &BuiltIn, settings: BTreeMap<String, Setting>) -> BTreeMap<String, Setting> {
    if cli.defaults.is_empty() {
        return settings;
    }
    let mut settings = normalise(settings);
    for &(key, default) in cli.defaults {
        settings.entry(key.to_owned()).or_insert_with(|| match default {
            Preset::Flag => Setting::Bool(true),
            Preset::Text(text) => Setting::Text(text.to_owned()),
        });
    }
    settings
}

fn flags(settings: &BTreeMap<String, Setting>, flags: Flags<'_>) -> Vec<String> {
    let mut argv = Vec::new();
    for (key, setting) in settings.iter().filter(|(key, _)| !RESERVED.contains(&key.as_str())) {
        let token = flags.token(key);
        match setting.emission() {
            Emission::Nothing => {}
            Emission::Flag => argv.push(token),
            Emission::Value(value) => argv.extend([token, value]),
            Emission::Repeated(items) => argv.extend(items.into_iter().flat_map(|item| [token.clone(), item])),
        }
    }
    argv
}

/// As it would be typed in a POSIX shell, on one line: for people to read, never to run.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, arg) in self.argv.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(f, "{space}{}", quoted(arg))?;
        }
        Ok(())
    }
}

/// `arg` in quotes where a shell would need them; line breaks and other control characters as escapes in `$'…'`.
pub fn quoted(arg: &str) -> String {
    let plain = |char: char| char.is_alphanumeric() || "-_./:=,@%+^".contains(char);
    if !arg.is_empty() && arg.chars().all(plain) {
        return arg.to_owned();
    }
    if !arg.chars().any(char::is_control) {
        return format!("'{}'", arg.replace('\'', "'\\''"));
    }
    let mut out = String::from("$'");
    for char in arg.chars() {
        match char {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\'' | '\\' => out.extend(['\\', char]),
            char if char.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => out.push(char),
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_can_be_read_on_one_line() {
        let command = |args: &[&str]| Command { argv: args.iter().map(|&arg| arg.to_owned()).collect(), stdin: None };
        let shown = command(&["claude", "-p", "Fix lint\n", "--model", "m-1", "", "it's", "a\tb\u{1b}\\'"]).to_string();
        assert_eq!(shown, r"claude -p $'Fix lint\n' --model m-1 '' 'it'\''s' $'a\tb\u001b\\\''");
    }
}
