//! From a text and a shell to a command line, by the family of the shell.
//!
//! A shell that the step names itself (`with.shell`) is taken as it is; the root's and the default shell get `-e`, so
//! that a script stops at the first failing command unless its author chose otherwise.

use std::path::Path;

/// A shell ready to be used: references resolved, text split into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shell {
    pub program: String,
    pub args: Vec<String>,
    /// True when the step itself names it: no errexit, and a shebang is an ordinary comment.
    pub own: bool,
}

/// Why a shell cannot be used for a text. Nothing has been started then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShellError {
    #[error("no shell: the text of `shell` is empty")]
    Empty,
    #[error("`{text}` is not a command line: {problem}")]
    Words { text: String, problem: &'static str },
    #[error(
        "shell `{shell}` requires command-string carrier -c as a separate shell argument, at the end; found `{found}`"
    )]
    Carrier { shell: String, found: String },
    #[error("script form cannot be used with shell argument `{found}`")]
    ScriptCarrier { found: String },
    #[error("`shell_packages` needs `shell: nix-shell`; the shell of this step is `{shell}`")]
    Packages { shell: String },
    #[error("the shebang line names no interpreter")]
    Shebang,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Unix,
    PowerShell,
    Cmd,
    Nix,
    /// The words `direct`: no shell at all.
    Direct,
    Other,
}

impl Shell {
    /// # Errors
    /// [`ShellError::Empty`] for no words.
    pub fn new(words: Vec<String>, own: bool) -> Result<Self, ShellError> {
        let mut words = words.into_iter();
        let program = words.next().filter(|program| !program.is_empty()).ok_or(ShellError::Empty)?;
        Ok(Self { program, args: words.collect(), own })
    }

    /// True when text is split into words and executed without a shell.
    pub fn is_direct(&self) -> bool {
        self.family() == Family::Direct
    }

    fn family(&self) -> Family {
        let name = self.program.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
        match name.strip_suffix(".exe").unwrap_or(&name) {
            "sh" | "bash" | "zsh" | "ksh" | "ash" | "dash" => Family::Unix,
            "powershell" | "pwsh" => Family::PowerShell,
            "cmd" => Family::Cmd,
            "nix-shell" => Family::Nix,
            "direct" => Family::Direct,
            _ => Family::Other,
        }
    }

    /// The command line that makes the shell read `text`.
    ///
    /// # Errors
    /// When the configured arguments leave no clear place for the text, or packages are asked of another shell.
    pub fn command_line(&self, text: &str, packages: &[String]) -> Result<Vec<String>, ShellError> {
        if !packages.is_empty() && self.family() != Family::Nix {
            return Err(ShellError::Packages { shell: self.program.clone() });
        }
        self.line(text, packages, !self.own)
    }

    /// The command line of a command check, which never has errexit.
    ///
    /// # Errors
    /// As [`Self::command_line`].
    pub fn check_line(&self, text: &str) -> Result<Vec<String>, ShellError> {
        self.line(text, &[], false)
    }

    fn line(&self, text: &str, packages: &[String], errexit: bool) -> Result<Vec<String>, ShellError> {
        let mut argv = vec![self.program.clone()];
        match self.family() {
            Family::Direct => return split_words(text),
            Family::Unix => {
                let rest = self.carrier(|arg| is_cluster_with(arg, &['c']))?;
                argv.extend(rest.iter().cloned());
                if errexit && !rest.iter().any(|arg| arg == "-e") {
                    argv.push("-e".to_owned());
                }
                argv.extend(["-c".to_owned(), text.to_owned()]);
            }
            Family::Other => {
                let rest = self.carrier(|arg| arg.starts_with("-c"))?;
                argv.extend(rest.iter().cloned());
                argv.extend(["-c".to_owned(), text.to_owned()]);
            }
            Family::PowerShell => {
                if let Some(found) = self.args.iter().find(|arg| is_powershell_carrier(arg)) {
                    return Err(ShellError::Carrier { shell: self.program.clone(), found: found.clone() });
                }
                self.powershell_args(&mut argv);
                argv.extend(["-Command".to_owned(), format!("{}; {text}", POWERSHELL_PREAMBLE.join("; "))]);
            }
            Family::Cmd => {
                argv.extend(self.args.iter().filter(|arg| !arg.eq_ignore_ascii_case("/c")).cloned());
                argv.extend(["/c".to_owned(), text.to_owned()]);
            }
            Family::Nix => {
                for package in packages {
                    argv.extend(["-p".to_owned(), package.clone()]);
                }
                if !self.args.iter().any(|arg| arg == "--pure" || arg == "--impure") {
                    argv.push("--pure".to_owned());
                }
                argv.extend(self.args.iter().cloned());
                let text = if errexit { format!("set -e; {text}") } else { text.to_owned() };
                argv.extend(["--run".to_owned(), text]);
            }
        }
        Ok(argv)
    }

    /// The command line that makes the shell read a script file.
    ///
    /// # Errors
    /// When the configured arguments would make the shell read something else.
    pub fn script_line(&self, file: &Path, packages: &[String]) -> Result<Vec<String>, ShellError> {
        let file = file.display().to_string();
        let mut argv = vec![self.program.clone()];
        match self.family() {
            Family::Unix => {
                if let Some(found) = self.args.iter().find(|arg| is_cluster_with(arg, &['c', 's'])) {
                    return Err(ShellError::ScriptCarrier { found: found.clone() });
                }
                argv.extend(self.args.iter().cloned());
                if !self.own && !self.args.iter().any(|arg| arg == "-e") {
                    argv.push("-e".to_owned());
                }
                argv.push(file);
            }
            Family::PowerShell => {
                self.powershell_args(&mut argv);
                argv.extend(["-ExecutionPolicy".to_owned(), "Bypass".to_owned(), "-File".to_owned(), file]);
            }
            Family::Nix => return self.line(&format!("sh {}", quote(&file)), packages, false),
            Family::Direct => return Ok(vec![file]),
            Family::Cmd => {
                argv.extend(self.args.iter().filter(|arg| !arg.eq_ignore_ascii_case("/c")).cloned());
                argv.extend(["/c".to_owned(), file]);
            }
            Family::Other => {
                argv.extend(self.args.iter().cloned());
                argv.push(file);
            }
        }
        Ok(argv)
    }

    /// What to put in front of a script for this shell.
    pub fn script_preamble(&self) -> String {
        match self.family() {
            Family::PowerShell => POWERSHELL_PREAMBLE.join("\n") + "\n",
            _ => String::new(),
        }
    }

    /// The ending a script file needs for this shell, with its dot.
    pub fn script_suffix(&self) -> &'static str {
        match self.family() {
            Family::Unix | Family::Nix => ".sh",
            Family::PowerShell => ".ps1",
            Family::Cmd => ".bat",
            Family::Direct | Family::Other => "",
        }
    }

    /// The arguments without a `-c` at their end; refuses every other way of having one.
    fn carrier(&self, is_carrier: impl Fn(&str) -> bool) -> Result<&[String], ShellError> {
        let rest = match self.args.split_last() {
            Some((last, rest)) if last == "-c" => rest,
            _ => self.args.as_slice(),
        };
        match rest.iter().find(|arg| is_carrier(arg)) {
            Some(found) => Err(ShellError::Carrier { shell: self.program.clone(), found: found.clone() }),
            None => Ok(rest),
        }
    }

    fn powershell_args(&self, argv: &mut Vec<String>) {
        argv.extend(self.args.iter().cloned());
        for wanted in ["-NoProfile", "-NonInteractive"] {
            if !self.args.iter().any(|arg| arg.eq_ignore_ascii_case(wanted)) {
                argv.push(wanted.to_owned());
            }
        }
    }
}

/// Makes errors terminate and the console speak UTF-8.
const POWERSHELL_PREAMBLE: [&str; 3] = [
    "$ErrorActionPreference = 'Stop'",
    "$PSNativeCommandUseErrorActionPreference = $true",
    "[Console]::OutputEncoding = [System.Text.Encoding]::UTF8",
];

fn is_powershell_carrier(arg: &str) -> bool {
    let arg = arg.to_ascii_lowercase();
    ["-command", "-c", "-file", "-f", "-encodedcommand", "-ec", "-e", "-enc"].contains(&arg.as_str())
}

/// True for `-c`, `-lc`, `-cfoo` and the like: a cluster of short options that has one of `wanted`.
fn is_cluster_with(arg: &str, wanted: &[char]) -> bool {
    arg.starts_with('-') && !arg.starts_with("--") && arg.contains(wanted)
}

/// Interpreter and arguments of a script's first line, when its first two bytes say so.
///
/// # Errors
/// [`ShellError::Shebang`] for an empty interpreter, [`ShellError::Words`] for quotes that do not close.
pub fn shebang(script: &str) -> Result<Option<Vec<String>>, ShellError> {
    let Some(rest) = script.strip_prefix("#!") else { return Ok(None) };
    let words = split_words(rest.lines().next().unwrap_or_default())?;
    if words.first().is_none_or(String::is_empty) {
        return Err(ShellError::Shebang);
    }
    Ok(Some(words))
}

/// Splits as a POSIX shell splits a line without expansions: blanks separate, quotes and backslashes hold together.
///
/// # Errors
/// [`ShellError::Words`] when a quote is open or a backslash is last.
pub fn split_words(text: &str) -> Result<Vec<String>, ShellError> {
    let problem = |problem| ShellError::Words { text: text.to_owned(), problem };
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err(problem("a single quote is not closed")),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') if matches!(chars.peek(), Some('"' | '\\' | '$' | '`')) => {
                            word.extend(chars.next());
                        }
                        Some(c) => word.push(c),
                        None => return Err(problem("a double quote is not closed")),
                    }
                }
            }
            '\\' => {
                let next = chars.next().ok_or_else(|| problem("it ends in a backslash"))?;
                word.get_or_insert_default().push(next);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// One word for a POSIX shell, whatever is in it.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str, own: bool) -> Shell {
        Shell::new(split_words(text).expect("words"), own).expect("a shell")
    }

    fn line(text: &str, own: bool) -> String {
        shell(text, own).command_line("T", &[]).map_or_else(|error| error.to_string(), |argv| argv.join(" "))
    }

    fn script(text: &str, own: bool) -> String {
        shell(text, own)
            .script_line(Path::new("/t/f"), &[])
            .map_or_else(|error| error.to_string(), |argv| argv.join(" "))
    }

    #[test]
    fn unix_shells_get_errexit_unless_the_step_chose_them() {
        assert_eq!(line("bash", false), "bash -e -c T");
        assert_eq!(line("/bin/bash -u", false), "/bin/bash -u -e -c T");
        assert_eq!(line("bash -e -o pipefail", false), "bash -e -o pipefail -c T");
        assert_eq!(line("bash", true), "bash -c T");
        assert_eq!(script("sh", false), "sh -e /t/f");
        assert_eq!(script("sh -f", true), "sh -f /t/f");
    }

    #[test]
    fn a_carrier_stands_alone_and_last_or_is_refused() {
        assert_eq!(line("sh -c", true), "sh -c T");
        assert_eq!(line("sh -c", false), "sh -e -c T");
        for (args, found) in [("-cecho", "-cecho"), ("-lc", "-lc"), ("-c -c", "-c"), ("-c -x", "-c")] {
            let error = line(&format!("sh {args}"), true);
            assert!(error.contains("command-string carrier") && error.contains(&format!("`{found}`")), "{error}");
        }
        assert_eq!(script("sh -c", true), "script form cannot be used with shell argument `-c`");
        assert_eq!(script("sh -es", true), "script form cannot be used with shell argument `-es`");
    }

    #[test]
    fn other_programs_get_the_text_after_a_carrier_and_a_file_last() {
        assert_eq!(line("./show -x", true), "./show -x -c T");
        assert_eq!(line("fish", false), "fish -c T");
        assert_eq!(script("/usr/bin/env sh -u", true), "/usr/bin/env sh -u /t/f");
        assert!(line("fish -command", false).contains("-command"));
    }

    #[test]
    fn direct_splits_the_text_itself() {
        let argv = shell("direct", true).command_line("printf '[%s]' \"a b\" c\\ d ''", &[]);
        assert_eq!(argv, Ok(vec!["printf".into(), "[%s]".into(), "a b".into(), "c d".into(), String::new()]));
        assert!(split_words("echo 'open").is_err());
    }

    #[test]
    fn a_shebang_is_only_one_at_the_very_start() {
        assert_eq!(shebang("#! /bin/sh -u\nx"), Ok(Some(vec!["/bin/sh".into(), "-u".into()])));
        assert_eq!(shebang("\n#!/bin/sh\n"), Ok(None));
        assert_eq!(shebang("#!\nx"), Err(ShellError::Shebang));
    }

    #[test]
    fn nix_takes_packages_and_nobody_else_does() {
        let argv = shell("nix-shell", false).command_line("T", &["jq".into()]).expect("a line");
        assert_eq!(argv.join(" "), "nix-shell -p jq --pure --run set -e; T");
        assert!(shell("sh", true).command_line("T", &["jq".into()]).is_err());
    }
}
