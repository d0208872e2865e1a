//! The corpus is the specification of the rules.
//!
//! - `corpus/ok/*.yaml`: workflows about which nothing is said.
//! - `corpus/rules/CODE/*.yaml` with a `.out` beside each: what is said about it, one line a finding.
//!
//! `SADDLER_BLESS=1 cargo test --test corpus` writes the `.out` files anew; read what changed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use saddler::report::check_text;
use saddler::rules::{self, RULES};
use saddler::workspace;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

/// All findings of a file with their severity, labels and fixes; the file is named without its folder.
fn findings(path: &Path) -> String {
    let mut document = workspace::read(path).expect("a corpus file can be read");
    let diagnostics = rules::check(&document);
    document.path = path.file_name().map(PathBuf::from);
    let mut out = String::new();
    for found in &diagnostics {
        let severity = format!("{:?}", found.severity).to_lowercase();
        writeln!(out, "{severity}: {}", check_text::line(&document, found)).expect("writing to a string");
        for label in &found.labels {
            let line = document.lines.line(label.span.start) + 1;
            writeln!(out, "    line {line}: {}", label.message).expect("writing to a string");
        }
        if let Some(fix) = &found.fix {
            writeln!(out, "    fix ({:?}): {}", fix.applicability, fix.title).expect("writing to a string");
        }
    }
    out
}

#[test]
fn good_workflows_are_silent() {
    let noisy: Vec<_> = yaml_files(&corpus().join("ok"))
        .into_iter()
        .filter_map(|path| {
            let found = findings(&path);
            (!found.is_empty()).then(|| format!("{}:\n{found}", path.display()))
        })
        .collect();
    assert!(noisy.is_empty(), "{}", noisy.join("\n"));
}

#[test]
fn each_rule_says_what_its_corpus_expects() {
    let bless = std::env::var_os("SADDLER_BLESS").is_some();
    let mut wrong = String::new();
    for rule in RULES {
        let code = rule.meta().code;
        let files = yaml_files(&corpus().join("rules").join(code));
        assert!(!files.is_empty(), "the rule {code} has no corpus file");
        let mut speaks = false;
        for path in files {
            let found = findings(&path);
            speaks |= found.contains(&format!("[{code}]"));
            let expectation = path.with_extension("out");
            if bless {
                std::fs::write(&expectation, &found).expect("the expectation can be written");
            }
            let expected = std::fs::read_to_string(&expectation).unwrap_or_default();
            if expected != found {
                writeln!(wrong, "{}\n--- expected\n{expected}--- found\n{found}", path.display())
                    .expect("writing to a string");
            }
        }
        assert!(speaks, "no corpus file makes the rule {code} speak");
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn codes_are_sorted_and_documented() {
    let codes: Vec<_> = RULES.iter().map(|rule| rule.meta().code).collect();
    assert!(codes.is_sorted(), "{codes:?}");
    for rule in RULES {
        let meta = rule.meta();
        for heading in ["## What it does", "## Why it matters", "## Example", "## Use instead"] {
            assert!(meta.docs.contains(heading), "{} lacks {heading}", meta.code);
        }
        assert!(meta.docs.contains(&format!("# {}\n", meta.code)), "{}", meta.code);
    }
}

/// The first YAML block under Example makes the rule speak; the one under Use instead does not.
#[test]
fn examples_in_the_docs_are_true() {
    for rule in RULES {
        let meta = rule.meta();
        for (heading, expected) in [("## Example", true), ("## Use instead", false)] {
            let section = meta.docs.split(heading).nth(1).unwrap_or_else(|| panic!("{}: {heading}", meta.code));
            let section = section.split("\n ## ").next().unwrap_or(section);
            let Some(block) = section.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()) else {
                panic!("{}: no example under {heading}", meta.code);
            };
            let text: String =
                block.lines().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect();
            // A first line `# file: NAME` says what the example's file is called.
            let name = text.lines().next().and_then(|line| line.strip_prefix("# file: ")).unwrap_or("example.yaml");
            let document = saddler::document::Document::parse(&text, Some(Path::new(name)), 0);
            let found = rules::check(&document);
            let speaks = found.iter().any(|found| found.code == meta.code);
            assert_eq!(speaks, expected, "{} {heading}:\n{text}{found:#?}", meta.code);
        }
    }
}
