//! Volume specs, `source:target[:ro|rw]`: split first, then expand the source, then tell binds from volumes.
//!
//! Target and mode are literal, so a value can never add a part. Bare names that the workflow does not have are looked
//! up in our own process environment; that is the point of `${HOME}/.provider:/provider-home`.

use std::path::{Component, Path, PathBuf};

use super::Flaw;
use crate::engine::{Bind, VolumeMount};

const FORMAT: &str = "container-volume-format";
const MODE: &str = "container-volume-mode";
const SYNTAX: &str = "container-volume-env-syntax";
const MISSING: &str = "container-volume-env-missing";
const REFERENCE: &str = "container-volume-reference";

/// A spec taken apart, nothing expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSpec {
    pub source: String,
    pub target: String,
    pub read_only: bool,
}

/// What a spec comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    Bind(Bind),
    Volume(VolumeMount),
}

/// A resolved spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub mount: Mount,
    /// Variables of the source that are set but empty; `${EMPTY}/x` would mount `/x`.
    pub empty: Vec<String>,
}

/// What expanding a source needs.
pub struct Expansion<'a> {
    /// Fills the workflow's references into a text and leaves what it does not know as it is.
    pub references: &'a dyn Fn(&str) -> Result<String, String>,
    /// Our own process environment.
    pub process: &'a dyn Fn(&str) -> Option<String>,
    /// Where relative sources start.
    pub base: &'a Path,
}

/// Splits a spec at the colons outside `${…}`.
///
/// # Errors
/// `container-volume-format` and `container-volume-mode`.
pub fn parse(spec: &str) -> Result<VolumeSpec, Flaw> {
    parse_on(spec, cfg!(windows))
}

fn parse_on(spec: &str, windows: bool) -> Result<VolumeSpec, Flaw> {
    let flaw = || (FORMAT, format!("`{spec}` is not a volume; expected `source:target` or `source:target:ro`"));
    let drive = if windows { drive_prefix(spec) } else { 0 };
    let mut parts = split(&spec[drive..]);
    parts[0] = &spec[..drive + parts[0].len()];
    let (source, target, mode) = match parts.as_slice() {
        [source, target] => (*source, *target, "rw"),
        [source, target, mode] => (*source, *target, *mode),
        _ => return Err(flaw()),
    };
    if windows && target.is_empty() {
        return Err(flaw());
    }
    let read_only = match mode {
        "ro" => true,
        "rw" | "" => false,
        other => {
            return Err((MODE, format!("`{other}` in volume `{spec}` is not a mode; expected `ro` or `rw`")));
        }
    };
    Ok(VolumeSpec { source: source.to_owned(), target: target.to_owned(), read_only })
}

/// Checks what can be checked without an environment: form, mode and the `$` of the source.
///
/// # Errors
/// As [`parse`], and `container-volume-env-syntax`.
pub fn check(spec: &str) -> Result<(), Flaw> {
    if is_single_reference(spec) {
        return Ok(());
    }
    let source = parse(spec)?.source;
    for piece in pieces(&source) {
        if let Piece::Broken(text) = piece {
            return Err(bad_syntax(text, &source));
        }
    }
    Ok(())
}

/// Expands and classifies a spec.
///
/// # Errors
/// The flaws of [`parse`]; `container-volume-env-syntax` for a `$` that starts no name;
/// `container-volume-env-missing` for a variable that is not set; `container-volume-reference` for a scoped reference
/// that cannot be resolved.
pub fn resolve(spec: &str, expansion: &Expansion<'_>) -> Result<Resolved, Flaw> {
    resolve_on(spec, expansion, cfg!(windows))
}

fn resolve_on(spec: &str, expansion: &Expansion<'_>, windows: bool) -> Result<Resolved, Flaw> {
    let whole;
    // A spec that is one reference holds the whole spec; its parts are literal then.
    let (parsed, literal) = if is_single_reference(spec) {
        whole = (expansion.references)(spec).map_err(|error| (REFERENCE, error))?;
        if whole == spec {
            return Err((REFERENCE, format!("`{spec}` cannot be resolved")));
        }
        (parse_on(&whole, windows)?, true)
    } else {
        (parse_on(spec, windows)?, false)
    };
    let mut empty = Vec::new();
    let source = if literal { parsed.source } else { expand(&parsed.source, expansion, &mut empty)? };
    let VolumeSpec { target, read_only, .. } = parsed;
    let mount = if is_path_like(&source) {
        let source = absolute(source.trim(), expansion, windows)?;
        Mount::Bind(Bind { source, target, read_only })
    } else {
        Mount::Volume(VolumeMount { name: source, target, read_only })
    };
    Ok(Resolved { mount, empty })
}

fn split(spec: &str) -> Vec<&str> {
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    while at < spec.len() {
        let rest = &spec[at..];
        if rest.starts_with("${")
            && let Some(end) = rest.find('}')
        {
            at += end + 1;
            continue;
        }
        if rest.starts_with(':') {
            parts.push(&spec[start..at]);
            start = at + 1;
        }
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
    parts.push(&spec[start..]);
    parts
}

fn is_single_reference(spec: &str) -> bool {
    spec.starts_with("${") && spec.find('}') == Some(spec.len() - 1)
}

enum Piece<'a> {
    Text(&'a str),
    /// `$NAME` or `${NAME}`: the reference and its name.
    Name(&'a str, &'a str),
    /// `${…}` with something else than a name in it.
    Scoped(&'a str),
    /// A `$` that starts no name.
    Broken(&'a str),
}

fn pieces(source: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut rest) = (Vec::new(), source);
    while let Some(dollar) = rest.find('$') {
        if dollar > 0 {
            pieces.push(Piece::Text(&rest[..dollar]));
        }
        let after = &rest[dollar + 1..];
        let (piece, taken) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((inner, _)) => {
                let taken = &rest[dollar..dollar + inner.len() + 3];
                match name(inner) {
                    length if length > 0 && length == inner.len() => (Piece::Name(taken, inner), taken.len()),
                    length if length > 0 => (Piece::Scoped(taken), taken.len()),
                    _ => (Piece::Broken(taken), taken.len()),
                }
            }
            None => match name(after) {
                0 => (Piece::Broken(&rest[dollar..]), rest.len() - dollar),
                length => (Piece::Name(&rest[dollar..=dollar + length], &after[..length]), length + 1),
            },
        };
        pieces.push(piece);
        rest = &rest[dollar + taken..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// Length of the variable name a text starts with.
fn name(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Fills in each reference once; what comes in is data and never looked at again.
fn expand(source: &str, expansion: &Expansion<'_>, empty: &mut Vec<String>) -> Result<String, Flaw> {
    let mut expanded = String::new();
    for piece in pieces(source) {
        match piece {
            Piece::Text(text) => expanded.push_str(text),
            Piece::Broken(text) => return Err(bad_syntax(text, source)),
            Piece::Name(reference, name) => {
                let known = (expansion.references)(reference).map_err(|error| (REFERENCE, error))?;
                let value = if known == reference { (expansion.process)(name) } else { Some(known) };
                let value = value.ok_or_else(|| {
                    (MISSING, format!("the variable `{name}` in volume source `{source}` is not set"))
                })?;
                if value.is_empty() {
                    empty.push(name.to_owned());
                }
                expanded.push_str(&value);
            }
            Piece::Scoped(reference) => {
                let value = (expansion.references)(reference).map_err(|error| (REFERENCE, error))?;
                if value == reference {
                    let inner = reference.trim_start_matches("${").trim_end_matches('}');
                    let scoped = inner[name(inner)..].starts_with('.');
                    return Err(if scoped {
                        (REFERENCE, format!("`{reference}` in volume source `{source}` cannot be resolved"))
                    } else {
                        bad_syntax(reference, source)
                    });
                }
                expanded.push_str(&value);
            }
        }
    }
    Ok(expanded)
}

fn bad_syntax(text: &str, source: &str) -> Flaw {
    (SYNTAX, format!("`{text}` in volume source `{source}` is not a variable; expected `$NAME` or `${{NAME}}`"))
}

fn is_path_like(source: &str) -> bool {
    source.starts_with(['.', '~']) || source.contains(['/', '\\'])
}

fn absolute(source: &str, expansion: &Expansion<'_>, windows: bool) -> Result<String, Flaw> {
    if windows && drive_prefix(source) > 0 {
        return Ok(source.to_owned());
    }
    let joined = match source.strip_prefix('~') {
        Some(rest) => {
            let home = (expansion.process)("HOME").filter(|home| !home.is_empty());
            let home = home.ok_or_else(|| {
                (MISSING, format!("the variable `HOME`, for the `~` in volume source `{source}`, is not set"))
            })?;
            PathBuf::from(home).join(rest.trim_start_matches('/'))
        }
        None => expansion.base.join(source),
    };
    Ok(clean(&joined).to_string_lossy().into_owned())
}

/// Removes `.`, `..` and doubled slashes by their letters; links are the engine's business.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// Length of `C:` or `//C:` when a slash follows.
fn drive_prefix(text: &str) -> usize {
    let start = if text.starts_with("//") { 2 } else { 0 };
    match text.as_bytes().get(start..start + 3) {
        Some([letter, b':', b'/' | b'\\']) if letter.is_ascii_alphabetic() => start + 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mount a spec comes to in `/w`, as `bind SOURCE:TARGET:MODE` or `volume …`, or the code of its flaw.
    fn outcome_on(spec: &str, windows: bool) -> String {
        let process = |name: &str| match name {
            "HOME" => Some("/home/u".to_owned()),
            "CACHE" => Some("dagu-cache".to_owned()),
            "REL" => Some("./.codex".to_owned()),
            "EMPTY" => Some(String::new()),
            "COLON" => Some("/a:/b".to_owned()),
            _ => None,
        };
        let references = |text: &str| {
            Ok(match text {
                "${params.DIR}" => "/p/$HOME".to_owned(),
                "${params.VOL}" => "/v:/target:ro".to_owned(),
                "$DAGVAR" => "./dag".to_owned(),
                other => other.to_owned(),
            })
        };
        let expansion = Expansion { references: &references, process: &process, base: Path::new("/w") };
        match resolve_on(spec, &expansion, windows) {
            Err((code, _)) => code.trim_start_matches("container-volume-").to_owned(),
            Ok(Resolved { mount: Mount::Bind(bind), .. }) => {
                format!("bind {}:{}:{}", bind.source, bind.target, if bind.read_only { "ro" } else { "rw" })
            }
            Ok(Resolved { mount: Mount::Volume(volume), .. }) => {
                format!("volume {}:{}:{}", volume.name, volume.target, if volume.read_only { "ro" } else { "rw" })
            }
        }
    }

    fn outcome(spec: &str) -> String {
        outcome_on(spec, false)
    }

    #[test]
    fn absolute_paths_are_binds() {
        assert_eq!(outcome("/host/path:/container/path"), "bind /host/path:/container/path:rw");
        assert_eq!(outcome("/data:/data:ro"), "bind /data:/data:ro");
        assert_eq!(outcome("/data:/data:"), "bind /data:/data:rw");
    }

    #[test]
    fn plain_words_are_volumes_and_nothing_is_an_anonymous_one() {
        assert_eq!(outcome("myvolume:/app"), "volume myvolume:/app:rw");
        assert_eq!(outcome("myvolume:/data:ro"), "volume myvolume:/data:ro");
        assert_eq!(outcome(":/x"), "volume :/x:rw");
        assert_eq!(outcome("${EMPTY}:/x"), "volume :/x:rw");
    }

    #[test]
    fn relative_sources_start_at_the_base() {
        assert_eq!(outcome("./data:/data:ro"), "bind /w/data:/data:ro");
        assert_eq!(outcome("./:/workspace:rw"), "bind /w:/workspace:rw");
        assert_eq!(outcome(".:/workspace"), "bind /w:/workspace:rw");
        assert_eq!(outcome("..:/up"), "bind /:/up:rw");
        assert_eq!(outcome("../data:/d"), "bind /data:/d:rw");
        assert_eq!(outcome(".codex:/c"), "bind /w/.codex:/c:rw");
        assert_eq!(outcome("src/app:/app"), "bind /w/src/app:/app:rw");
    }

    #[test]
    fn a_tilde_is_our_home_whatever_follows_it() {
        assert_eq!(outcome("~/data:/data:rw"), "bind /home/u/data:/data:rw");
        assert_eq!(outcome("~bob/x:/x"), "bind /home/u/bob/x:/x:rw");
    }

    #[test]
    fn variables_are_filled_in_before_the_kind_is_decided() {
        assert_eq!(outcome("${HOME}/.provider:/provider-home"), "bind /home/u/.provider:/provider-home:rw");
        assert_eq!(outcome("$CACHE:/cache"), "volume dagu-cache:/cache:rw");
        assert_eq!(outcome("${REL}:/codex-home"), "bind /w/.codex:/codex-home:rw");
        assert_eq!(outcome("${EMPTY}/x:/y"), "bind /x:/y:rw");
    }

    #[test]
    fn empty_variables_are_told() {
        let process = |_: &str| Some(String::new());
        let references = |text: &str| Ok(text.to_owned());
        let expansion = Expansion { references: &references, process: &process, base: Path::new("/w") };
        assert_eq!(resolve("${EMPTY}/x:/y", &expansion).unwrap().empty, ["EMPTY"]);
    }

    #[test]
    fn a_missing_variable_is_named() {
        assert_eq!(outcome("${MISSING}:/x"), "env-missing");
        let references = |text: &str| Ok(text.to_owned());
        let expansion = Expansion { references: &references, process: &|_| None, base: Path::new("/w") };
        let (_, message) = resolve("$MISSING/a:/x", &expansion).unwrap_err();
        assert_eq!(message, "the variable `MISSING` in volume source `$MISSING/a` is not set");
    }

    #[test]
    fn a_dollar_that_starts_no_name_is_refused() {
        for spec in ["a$1b:/x", "cost$:/x", "${MISSING:-/tmp}:/x", "${}:/x", "$$:/x", "${:/x", "a$-:/x"] {
            assert_eq!(outcome(spec), "env-syntax", "{spec}");
            assert!(check(spec).is_err() || spec.contains(":-"), "{spec}");
        }
    }

    #[test]
    fn wrong_forms_and_modes_are_told_apart() {
        assert_eq!(outcome("/data"), "format");
        assert_eq!(outcome("a:b:ro:x"), "format");
        assert_eq!(outcome("/data:/data:invalid"), "mode");
        assert_eq!(outcome("/data:/data:RO"), "mode");
        assert_eq!(outcome("/data:/data:ro,z"), "mode");
        assert_eq!(check("/data:/data:z").unwrap_err().0, MODE);
    }

    #[test]
    fn windows_drives_stay_in_the_source_on_windows_only() {
        assert_eq!(outcome("C:\\temp\\data:/data:ro"), "format");
        assert_eq!(outcome_on("C:\\temp\\data:/data:ro", true), "bind C:\\temp\\data:/data:ro");
        assert_eq!(outcome("C:/temp:/data"), "mode");
        assert_eq!(outcome_on("C:/temp:/data", true), "bind C:/temp:/data:rw");
        assert_eq!(outcome_on("//C:/temp/data:/data:rw", true), "bind //C:/temp/data:/data:rw");
        assert_eq!(outcome_on("C:/temp:", true), "format");
    }

    #[test]
    fn the_target_is_literal() {
        assert_eq!(outcome("/a:${HOME}/b"), "bind /a:${HOME}/b:rw");
        assert_eq!(outcome("/a:${X:-/b}:ro"), "bind /a:${X:-/b}:ro");
    }

    #[test]
    fn an_unresolvable_scoped_reference_is_told_as_such() {
        assert_eq!(outcome("${env.NOPE}:/x"), "reference");
        assert_eq!(outcome("${params.nope}:/x"), "reference");
        assert_eq!(outcome("${params.nope}"), "reference");
    }

    #[test]
    fn what_comes_in_is_data() {
        assert_eq!(outcome("${params.DIR}:/x"), "bind /p/$HOME:/x:rw");
        assert_eq!(outcome("$COLON:/x"), "bind /a:/b:/x:rw");
        assert_eq!(outcome("$DAGVAR:/x"), "bind /w/dag:/x:rw");
    }

    #[test]
    fn one_reference_may_hold_a_whole_spec() {
        assert_eq!(outcome("${params.VOL}"), "bind /v:/target:ro");
    }
}
