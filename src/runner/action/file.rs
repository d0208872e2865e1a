//! `file.*` and `artifact.*`: one line of JSON about what was done.

use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::runner::attempt::{Attempt, Done};
use crate::runner::failure::Failure;
use crate::runner::paths;

/// Actions of this file.
pub(super) const NAMES: [&str; 11] = [
    "file.stat",
    "file.read",
    "file.write",
    "file.copy",
    "file.move",
    "file.delete",
    "file.mkdir",
    "file.list",
    "artifact.write",
    "artifact.read",
    "artifact.list",
];

/// What an action says about itself; what is false, zero or empty is left out, except where it is the point.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    operation: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    path: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    source: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    destination: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exists: Option<bool>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "is_zero")]
    size: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    mode: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    mod_time: String,
    #[serde(skip_serializing_if = "is_zero")]
    files: u64,
    #[serde(skip_serializing_if = "is_zero")]
    directories: u64,
    #[serde(skip_serializing_if = "is_zero")]
    bytes: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copied: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entries: Vec<Entry>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    path: String,
    #[serde(rename = "type")]
    kind: &'static str,
    size: u64,
    mode: String,
    mod_time: String,
    is_dir: bool,
    is_regular: bool,
    is_symlink: bool,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Runs the action on the resolved `with`.
pub(super) fn run(attempt: &mut Attempt<'_>, name: &str, with: &Map<String, Value>) -> Result<Done, Failure> {
    let files = match name.starts_with("artifact.") {
        true => Files::Artifacts(attempt.cx.paths.artifacts_dir.clone()),
        false => Files::Below(attempt.cwd.clone()),
    };
    let options = Options { with, files };
    let done = match name.split_once('.').map_or("", |(_, verb)| verb) {
        "stat" => options.stat(),
        "read" => match options.read() {
            Ok(Read::Raw(bytes)) => {
                return attempt.print_bytes(&bytes).map(|()| Done::default());
            }
            Ok(Read::Report(report)) => Ok(*report),
            Err(error) => Err(error),
        },
        "write" => options.write(),
        "copy" => options.copy(),
        "move" => options.rename(),
        "delete" => options.delete(),
        "mkdir" => options.mkdir(),
        "list" => options.list(),
        _ => Err(format!("action `{name}` is not known")),
    };
    let report = done.map_err(|error| Failure::plain(format!("{name}: {error}")))?;
    let line = serde_json::to_string(&report).expect("a report is plain data");
    attempt.print(&(line + "\n"))?;
    Ok(Done::default())
}

/// Where paths start.
enum Files {
    Below(PathBuf),
    /// Only relative paths that stay inside.
    Artifacts(PathBuf),
}

struct Options<'a> {
    with: &'a Map<String, Value>,
    files: Files,
}

enum Read {
    Raw(Vec<u8>),
    Report(Box<Report>),
}

type Outcome = Result<Report, String>;

impl Options<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        self.with.get(key).and_then(Value::as_str)
    }

    fn flag(&self, key: &str) -> bool {
        self.with.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The path of a key on the disk.
    fn path(&self, key: &str) -> Result<PathBuf, String> {
        let written = self.text(key).filter(|path| !path.is_empty());
        match &self.files {
            Files::Below(dir) => {
                let written = written.ok_or_else(|| format!("`{key}` is missing"))?;
                Ok(clean(&dir.join(written)))
            }
            Files::Artifacts(dir) => {
                let file = paths::below(dir, written.unwrap_or("."))?;
                let file = clean(&file);
                escapes(dir, &file)?;
                Ok(file)
            }
        }
    }

    /// How results name a path: absolute, or relative to the artifacts.
    fn shown(&self, path: &Path) -> String {
        match &self.files {
            Files::Below(_) => path.display().to_string(),
            Files::Artifacts(dir) => {
                let relative = path.strip_prefix(dir).unwrap_or(path).display().to_string();
                if relative.is_empty() { ".".to_owned() } else { relative }
            }
        }
    }

    fn mode(&self, default: u32) -> Result<u32, String> {
        let Some(text) = self.text("mode") else { return Ok(default) };
        let digits = text.strip_prefix("0o").unwrap_or(text);
        u32::from_str_radix(digits, 8).map_err(|_| format!("mode `{text}` is no octal number such as `0644`"))
    }

    fn stat(&self) -> Outcome {
        let path = self.path("path")?;
        let follow = self.flag("follow_symlinks");
        let metadata = if follow { fs::metadata(&path) } else { fs::symlink_metadata(&path) };
        let report = Report { operation: "stat", path: self.shown(&path), ..Report::default() };
        match metadata {
            Ok(metadata) => Ok(Report {
                exists: Some(true),
                kind: Some(kind(&metadata)),
                size: metadata.len(),
                mode: mode_text(&metadata),
                mod_time: time(metadata.modified()),
                ..report
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.flag("missing_ok") => {
                Ok(Report { exists: Some(false), ..report })
            }
            Err(error) => Err(at(&path, error)),
        }
    }

    fn read(&self) -> Result<Read, String> {
        let path = self.path("path")?;
        let metadata = fs::metadata(&path).map_err(|error| at(&path, error))?;
        if metadata.is_dir() {
            return Err(format!("{} is a directory", path.display()));
        }
        if let Some(max) = self.with.get("max_bytes").and_then(Value::as_u64).filter(|&max| max > 0)
            && metadata.len() > max
        {
            return Err(format!("{} has {} bytes, more than max_bytes: {max}", path.display(), metadata.len()));
        }
        let bytes = fs::read(&path).map_err(|error| at(&path, error))?;
        if self.text("format") != Some("json") {
            return Ok(Read::Raw(bytes));
        }
        Ok(Read::Report(Box::new(Report {
            operation: "read",
            path: self.shown(&path),
            size: metadata.len(),
            mode: mode_text(&metadata),
            mod_time: time(metadata.modified()),
            bytes: metadata.len(),
            content: Some(String::from_utf8_lossy(&bytes).into_owned()),
            ..Report::default()
        })))
    }

    fn write(&self) -> Outcome {
        let path = self.path("path")?;
        let content = self.text("content").ok_or("`content` is missing")?;
        let (mode, overwrite) = (self.mode(0o600)?, self.flag("overwrite"));
        let report = Report {
            operation: "write",
            path: self.shown(&path),
            bytes: content.len() as u64,
            created: Some(false),
            ..Report::default()
        };
        if !overwrite && path.exists() {
            return Err(format!("{} exists; set `overwrite: true` to replace it", path.display()));
        }
        if self.flag("dry_run") {
            return Ok(Report { dry_run: true, ..report });
        }
        if self.flag("create_dirs") || matches!(self.files, Files::Artifacts(_)) {
            self.make_parent(&path)?;
        }
        let atomic = self.with.get("atomic").and_then(Value::as_bool).unwrap_or(true);
        let written = if overwrite && atomic {
            replace(&path, content.as_bytes(), mode)
        } else {
            let mut options = fs::OpenOptions::new();
            options.write(true).mode(mode).create_new(!overwrite).create(true).truncate(true);
            options.open(&path).and_then(|mut file| io::Write::write_all(&mut file, content.as_bytes()))
        };
        written.map_err(|error| at(&path, error))?;
        Ok(Report { created: Some(true), ..report })
    }

    fn make_parent(&self, path: &Path) -> Result<(), String> {
        match path.parent() {
            Some(parent) => paths::make_dir(parent, 0o750).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// Source and destination of a copy or a move, ready to be used.
    fn pair(&self) -> Result<(PathBuf, PathBuf, fs::Metadata), String> {
        let (source, destination) = (self.path("source")?, self.path("destination")?);
        if source == destination {
            return Err("source and destination are the same".to_owned());
        }
        let follow = self.flag("follow_symlinks");
        let metadata = if follow { fs::metadata(&source) } else { fs::symlink_metadata(&source) };
        let metadata = metadata.map_err(|error| at(&source, error))?;
        if metadata.is_dir() && destination.starts_with(&source) {
            return Err(format!("{} lies inside {}", destination.display(), source.display()));
        }
        if fs::symlink_metadata(&destination).is_ok() && !self.flag("overwrite") {
            return Err(format!("{} exists; set `overwrite: true` to replace it", destination.display()));
        }
        Ok((source, destination, metadata))
    }

    fn copy(&self) -> Outcome {
        let (source, destination, metadata) = self.pair()?;
        if metadata.is_dir() && !self.flag("recursive") {
            return Err(format!("{} is a directory; set `recursive: true`", source.display()));
        }
        let mut report = Report {
            operation: "copy",
            source: self.shown(&source),
            destination: self.shown(&destination),
            copied: Some(false),
            ..Report::default()
        };
        let dry = self.flag("dry_run");
        if !dry && self.flag("create_dirs") {
            self.make_parent(&destination)?;
        }
        copy_tree(&source, &destination, self.flag("follow_symlinks"), dry, &mut report)?;
        Ok(Report { dry_run: dry, copied: Some(!dry), ..report })
    }

    fn rename(&self) -> Outcome {
        let (source, destination, _) = self.pair()?;
        let report = Report {
            operation: "move",
            source: self.shown(&source),
            destination: self.shown(&destination),
            moved: Some(false),
            ..Report::default()
        };
        if self.flag("dry_run") {
            return Ok(Report { dry_run: true, ..report });
        }
        if self.flag("create_dirs") {
            self.make_parent(&destination)?;
        }
        match fs::rename(&source, &destination) {
            Ok(()) => {}
            // Another file system: the bytes have to travel.
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                copy_tree(&source, &destination, false, false, &mut Report::default())?;
                remove(&source).map_err(|error| at(&source, error))?;
            }
            Err(error) => return Err(at(&source, error)),
        }
        Ok(Report { moved: Some(true), ..report })
    }

    fn delete(&self) -> Outcome {
        let path = self.path("path")?;
        let report = Report { operation: "delete", path: self.shown(&path), deleted: Some(false), ..Report::default() };
        if path.parent().is_none() {
            return Err("the root of the file system is not deleted".to_owned());
        }
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.flag("missing_ok") => return Ok(report),
            Err(error) => return Err(at(&path, error)),
        };
        if metadata.is_dir() && !self.flag("recursive") {
            return Err(format!("{} is a directory; set `recursive: true`", path.display()));
        }
        if self.flag("dry_run") {
            return Ok(Report { dry_run: true, ..report });
        }
        remove(&path).map_err(|error| at(&path, error))?;
        Ok(Report { deleted: Some(true), ..report })
    }

    fn mkdir(&self) -> Outcome {
        let path = self.path("path")?;
        let existed = path.is_dir();
        paths::make_dir(&path, self.mode(0o750)?).map_err(|error| error.to_string())?;
        Ok(Report { operation: "mkdir", path: self.shown(&path), created: Some(!existed), ..Report::default() })
    }

    fn list(&self) -> Outcome {
        let root = self.path("path")?;
        if !root.is_dir() {
            return Err(format!("{} is not a directory", root.display()));
        }
        let pattern = self.text("pattern").filter(|pattern| !pattern.is_empty()).map(glob).transpose()?;
        let mut report = Report { operation: "list", path: self.shown(&root), ..Report::default() };
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for item in fs::read_dir(&folder).map_err(|error| at(&folder, error))? {
                let file = item.map_err(|error| at(&folder, error))?.path();
                let metadata = fs::symlink_metadata(&file).map_err(|error| at(&file, error))?;
                if metadata.is_dir() && self.flag("recursive") {
                    folders.push(file.clone());
                }
                let relative = file.strip_prefix(&root).unwrap_or(&file).to_string_lossy().into_owned();
                let wanted = pattern.as_ref().is_none_or(|pattern| pattern.is_match(&relative));
                if !wanted || (metadata.is_dir() && !self.flag("include_dirs")) {
                    continue;
                }
                match metadata.is_dir() {
                    true => report.directories += 1,
                    false => report.files += 1,
                }
                report.bytes += if metadata.is_file() { metadata.len() } else { 0 };
                report.entries.push(Entry {
                    path: relative,
                    kind: kind(&metadata),
                    size: metadata.len(),
                    mode: mode_text(&metadata),
                    mod_time: time(metadata.modified()),
                    is_dir: metadata.is_dir(),
                    is_regular: metadata.is_file(),
                    is_symlink: metadata.is_symlink(),
                });
            }
        }
        report.entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(report)
    }
}

fn at(path: &Path, error: io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// The path without `.`, and without `..` where that needs no look at the disk.
fn clean(path: &Path) -> PathBuf {
    crate::runner::prepare::clean(path)
}

/// Refuses a path that leads out of the directory through a symbolic link.
fn escapes(dir: &Path, file: &Path) -> Result<(), String> {
    let existing = file.ancestors().find(|path| path.exists());
    let (Some(existing), Ok(dir)) = (existing, dir.canonicalize()) else { return Ok(()) };
    match existing.canonicalize() {
        Ok(real) if real.starts_with(&dir) || dir.starts_with(&real) => Ok(()),
        _ => Err(format!("{} leads out of the artifact directory", file.display())),
    }
}

/// Replaces a file in one step.
fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().permissions(fs::Permissions::from_mode(mode)).tempfile_in(dir)?;
    io::Write::write_all(&mut file, content)?;
    fs::set_permissions(file.path(), fs::Permissions::from_mode(mode))?;
    file.persist(path).map(|_| ()).map_err(|error| error.error)
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn copy_tree(from: &Path, to: &Path, follow: bool, dry: bool, report: &mut Report) -> Result<(), String> {
    let mut left = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = left.pop() {
        let metadata = if follow { fs::metadata(&from) } else { fs::symlink_metadata(&from) };
        let metadata = metadata.map_err(|error| at(&from, error))?;
        if metadata.is_dir() {
            report.directories += 1;
            if !dry {
                fs::create_dir_all(&to).map_err(|error| at(&to, error))?;
            }
            for item in fs::read_dir(&from).map_err(|error| at(&from, error))? {
                let item = item.map_err(|error| at(&from, error))?;
                left.push((item.path(), to.join(item.file_name())));
            }
            continue;
        }
        report.files += 1;
        report.bytes += metadata.len();
        if dry {
            continue;
        }
        let copied = if metadata.is_symlink() {
            let _ = fs::remove_file(&to);
            fs::read_link(&from).and_then(|target| std::os::unix::fs::symlink(target, &to))
        } else {
            fs::copy(&from, &to).map(|_| ())
        };
        copied.map_err(|error| at(&from, error))?;
    }
    Ok(())
}

fn kind(metadata: &fs::Metadata) -> &'static str {
    match metadata {
        metadata if metadata.is_symlink() => "symlink",
        metadata if metadata.is_dir() => "directory",
        metadata if metadata.is_file() => "file",
        _ => "other",
    }
}

/// As `ls -l` writes it: `-rw-r--r--`.
fn mode_text(metadata: &fs::Metadata) -> String {
    let lead = match kind(metadata) {
        "symlink" => 'L',
        "directory" => 'd',
        _ => '-',
    };
    let bits = metadata.permissions().mode();
    let flags = "rwxrwxrwx".chars().enumerate();
    std::iter::once(lead).chain(flags.map(|(i, flag)| if bits & (0o400 >> i) != 0 { flag } else { '-' })).collect()
}

fn time(modified: io::Result<SystemTime>) -> String {
    let stamp = modified.ok().and_then(|time| jiff::Timestamp::try_from(time).ok());
    stamp.map(|stamp| stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}

/// A glob over relative paths: `*` and `?` stay within a name, `**` does not, `[…]` and `{a,b}` choose.
fn glob(pattern: &str) -> Result<regex::Regex, String> {
    let mut text = String::from("^");
    let mut rest = pattern.chars().peekable();
    let mut braces = 0;
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.peek() == Some(&'*') => {
                rest.next();
                if rest.peek() == Some(&'/') {
                    rest.next();
                    text.push_str("(?:.*/)?");
                } else {
                    text.push_str(".*");
                }
            }
            '*' => text.push_str("[^/]*"),
            '?' => text.push_str("[^/]"),
            '[' => {
                text.push('[');
                if matches!(rest.peek(), Some('!' | '^')) {
                    rest.next();
                    text.push('^');
                }
            }
            ']' => text.push(']'),
            '{' => {
                braces += 1;
                text.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                text.push(')');
            }
            ',' if braces > 0 => text.push('|'),
            '-' => text.push('-'),
            c => text.push_str(&regex::escape(&c.to_string())),
        }
    }
    text.push('$');
    regex::Regex::new(&text).map_err(|_| format!("`{pattern}` is no pattern"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_over_relative_paths() {
        for (pattern, path, fits) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "in/a.txt", false),
            ("**/*.txt", "a.txt", true),
            ("**/*.txt", "in/deep/a.txt", true),
            ("in/**", "in/a", true),
            ("{a,b}?.md", "bx.md", true),
            ("[!a].md", "a.md", false),
            ("a.txt", "axtxt", false),
        ] {
            assert_eq!(glob(pattern).expect(pattern).is_match(path), fits, "{pattern} {path}");
        }
        assert!(glob("[").is_err());
    }
}
