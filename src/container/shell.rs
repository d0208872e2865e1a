//! From the text of a `run:` to a command line in a container.
//!
//! Dagu splits the text itself and starts the words without a shell. We do the same, unless the text uses shell syntax
//! outside quotes; then it goes to `/bin/sh -c` as written.

/// How a command text is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// Words to start directly. References are filled in per word, so a value stays one argument.
    Words(Vec<String>),
    /// A shell and the text for its last argument. Bare names belong to the shell.
    Shell { prefix: Vec<String>, text: String },
}

/// Decides how `text` is carried out; `shell` is `container.shell`.
pub fn command_line(text: &str, shell: &[String]) -> CommandLine {
    if !shell.is_empty() {
        return CommandLine::Shell { prefix: shell_prefix(shell), text: text.to_owned() };
    }
    if needs_shell(text) {
        let prefix = vec!["/bin/sh".to_owned(), "-c".to_owned()];
        return CommandLine::Shell { prefix, text: text.to_owned() };
    }
    CommandLine::Words(split(text))
}

/// The shell with the flag that makes it take a command text, unless it is there already.
pub fn shell_prefix(shell: &[String]) -> Vec<String> {
    let mut prefix = shell.to_vec();
    let program = shell.first().map_or("", String::as_str);
    let base = program.rsplit(['/', '\\']).next().unwrap_or(program).to_lowercase();
    let flag = match base.strip_suffix(".exe").unwrap_or(&base) {
        "powershell" | "pwsh" => "-Command",
        "cmd" => "/c",
        "nix-shell" => "--run",
        _ => "-c",
    };
    if !prefix.iter().any(|word| word == flag) {
        prefix.push(flag.to_owned());
    }
    prefix
}

/// Whether a text uses a shell's syntax outside quotes: an operator, a redirect, a substitution, several lines. A lone
/// `$NAME` or a glob does not count, nor does anything inside quotes or a `${…}`.
pub fn needs_shell(text: &str) -> bool {
    let mut quote = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (None | Some('"'), '\\') => {
                rest.next();
            }
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '|' | '&' | ';' | '<' | '>' | '`' | '\n') => return true,
            (None, '$') => match rest.peek() {
                Some('(') => return true,
                Some('{') => while rest.next().is_some_and(|c| c != '}') {},
                _ => {}
            },
            _ => {}
        }
    }
    false
}

/// Splits a text as Dagu does: at blanks outside quotes, with `|`, `||` and `&&` as words of their own. Quotes around a
/// whole word go, with escapes read in double ones; other quotes stay.
pub fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (_, '\\') => {
                word.push(c);
                word.extend(rest.next());
            }
            (Some(open), c) => {
                word.push(c);
                if c == open {
                    quote = None;
                }
            }
            (None, '\'' | '"' | '`') => {
                word.push(c);
                quote = Some(c);
            }
            (None, c) if c.is_whitespace() => flush(&mut words, &mut word),
            (None, '|' | '&') if c == '|' || rest.peek() == Some(&'&') => {
                flush(&mut words, &mut word);
                word.push(c);
                if rest.peek() == Some(&c) {
                    word.extend(rest.next());
                }
                flush(&mut words, &mut word);
            }
            (None, c) => word.push(c),
        }
    }
    flush(&mut words, &mut word);
    words
}

fn flush(words: &mut Vec<String>, word: &mut String) {
    if !word.is_empty() {
        words.push(unquote(&std::mem::take(word)));
    }
}

fn unquote(word: &str) -> String {
    let inner = |quote: char| {
        word.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)).filter(|inner| {
            // `"a""b"` is two quoted parts, not one word in quotes.
            let mut chars = inner.chars();
            while let Some(c) = chars.next() {
                match c {
                    '\\' if chars.next().is_none() => return false,
                    c if c == quote => return false,
                    _ => {}
                }
            }
            true
        })
    };
    if let Some(text) = inner('\'') {
        return text.to_owned();
    }
    if let Some(text) = inner('"') {
        return unescape(text);
    }
    word.to_owned()
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some(c @ ('"' | '\\')) => plain.push(c),
            // An escape for later readers: `\$` keeps a reference from being filled in.
            Some(c) => plain.extend(['\\', c]),
            None => plain.push('\\'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(shell: &[&str]) -> Vec<String> {
        shell.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn shells_get_the_flag_they_take_commands_by() {
        for (shell, prefix) in [
            (&["/bin/bash", "-o", "errexit"] as &[_], "/bin/bash -o errexit -c"),
            (&["sh", "-c"], "sh -c"),
            (&["pwsh", "-NoProfile", "-Command"], "pwsh -NoProfile -Command"),
            (&["C:\\tools\\PowerShell.exe"], "C:\\tools\\PowerShell.exe -Command"),
            (&["cmd.exe"], "cmd.exe /c"),
            (&["nix-shell", "-p", "git"], "nix-shell -p git --run"),
            (&["fish"], "fish -c"),
        ] {
            assert_eq!(shell_prefix(&words(shell)).join(" "), prefix);
        }
    }

    #[test]
    fn shell_syntax_counts_outside_quotes_only() {
        for text in [
            "echo a > b",
            "a | b",
            "a && b",
            "a; b",
            "a & b",
            "a < b",
            "echo `x`",
            "echo $(x)",
            "a\nb",
            "echo \"x\" > y",
            "echo 'a\\' > b",
        ] {
            assert!(needs_shell(text), "{text}");
        }
        for text in [
            "echo $HOME *",
            "echo \"a && b\" '> c'",
            "sh -c \"for i in 1 2; do echo $i; done | tail\"",
            "awk \"{print $1}\"",
            "find . -name x -exec rm {} \\;",
            "echo ${A:-x|y} ${params.x}",
            "echo \"$(inner)\" '`x`'",
            "echo a\\>b",
            "",
        ] {
            assert!(!needs_shell(text), "{text}");
        }
    }

    #[test]
    fn words_are_split_as_dagu_splits_them() {
        for (text, expected) in [
            ("argv a  b \"c  d\" 'e  f' \"\" x", &["argv", "a", "b", "c  d", "e  f", "", "x"] as &[_]),
            ("argv \"a\\\"b\" \"a\\nb\" 'a\\nb'", &["argv", "a\"b", "a\nb", "a\\nb"]),
            ("a|b||c&&d", &["a", "|", "b", "||", "c", "&&", "d"]),
            ("a;b >c <d x&y", &["a;b", ">c", "<d", "x&y"]),
            ("x --m=\"a b\" y", &["x", "--m=\"a b\"", "y"]),
            ("echo '$A' \"$A\" \\$A", &["echo", "$A", "$A", "\\$A"]),
            ("a \"b\"\"c\"", &["a", "\"b\"\"c\""]),
            ("echo don't stop", &["echo", "don't stop"]),
            ("  ", &[]),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
    }

    #[test]
    fn a_shell_of_the_workflow_gets_the_text_as_written() {
        let line = command_line("argv \"b  c\"", &words(&["/bin/sh", "-e"]));
        let prefix = words(&["/bin/sh", "-e", "-c"]);
        assert_eq!(line, CommandLine::Shell { prefix, text: "argv \"b  c\"".into() });
        let line = command_line("a > b", &[]);
        assert_eq!(line, CommandLine::Shell { prefix: words(&["/bin/sh", "-c"]), text: "a > b".into() });
        assert_eq!(command_line("a b", &[]), CommandLine::Words(words(&["a", "b"])));
    }
}
