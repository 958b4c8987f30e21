//! Holds `docs/security.md` against the tests, and the sources against what that page says of them.
//!
//! - M1: a test that the page names is there.
//! - M2: a test that is named after a flaw, or stands in a file `security_*.rs`, is on the page.
//! - M3: each row of the page's tables of what is tested names a test.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the page and the sources, which are no disk of a store"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folder of the tests that the page names without one.
const HOME: &str = "s3api/tests/protocol";

/// Folders whose tests may be named after a flaw.
const FOLDERS: [&str; 8] = [
    "cluster/src",
    "s3api/src",
    "s3api/tests",
    "server/src",
    "server/tests",
    "engine/tests",
    "cluster/tests",
    "iam/tests",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

/// The sources below a folder, as paths from the root.
fn sources(folder: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names {
        let path = format!("{folder}/{}", name.to_str().unwrap());
        if root().join(&path).is_dir() {
            sources(&path, found);
        } else if path.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// The tests of a source: names of functions below an attribute that ends in `test]`.
fn tests_of(source: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        let line = line.strip_prefix("async ").unwrap_or(line);
        if let Some(rest) = line.strip_prefix("fn ") {
            if is_test {
                names.push(rest.split('(').next().unwrap());
            }
            is_test = false;
        } else if line.starts_with('#') {
            is_test |= matches!(line, "#[test]" | "#[tokio::test]");
        }
    }
    names
}

/// What a page names: `file.rs::function` in backticks, as path from the root and function.
fn named(page: &str) -> BTreeSet<(String, String)> {
    let in_backticks = page.split('`').skip(1).step_by(2);
    let pairs = in_backticks.filter_map(|text| text.split_once(".rs::"));
    pairs
        .map(|(file, function)| {
            let folder = if file.contains('/') { String::new() } else { format!("{HOME}/") };
            (format!("{folder}{file}.rs"), function.to_owned())
        })
        .collect()
}

/// What is wrong between a page and the tests that there are.
fn check(page: &str, sources: &[(String, String)]) -> Vec<String> {
    let named = named(page);
    let mut findings = Vec::new();
    for (file, function) in &named {
        let source = sources.iter().find(|(path, _)| path == file);
        if !source.is_some_and(|(_, text)| tests_of(text).contains(&function.as_str())) {
            findings.push(format!("M1: {file}::{function} is no test"));
        }
    }
    for (path, text) in sources {
        let is_ours = path.starts_with(&format!("{HOME}/security_"));
        for test in tests_of(text) {
            let is_flaw = test.starts_with("cve_") || test.starts_with("ghsa_");
            if (is_ours || is_flaw) && !named.contains(&(path.clone(), test.to_owned())) {
                findings.push(format!("M2: {path}::{test} is not on the page"));
            }
        }
    }
    let table = page.split("\n## ").find(|part| part.starts_with("What is tested"));
    let rows = table.unwrap_or("").lines().filter(|line| line.starts_with("| "));
    let rows: Vec<_> = rows.filter(|row| !row.starts_with("| flaw | ")).collect();
    if rows.is_empty() {
        findings.push("M3: the page has no table".to_owned());
    }
    let untested = rows.iter().filter(|row| !row.contains(".rs::"));
    findings.extend(untested.map(|row| format!("M3: no test: {row}")));
    findings
}

#[test]
fn the_page_names_every_test_and_no_other() {
    let mut paths = Vec::new();
    for folder in FOLDERS {
        sources(folder, &mut paths);
    }
    let read_source = |path: String| {
        let text = read(&path).unwrap();
        (path, text)
    };
    let sources: Vec<_> = paths.into_iter().map(read_source).collect();
    let page = read("docs/security.md").expect("the page is there");
    let findings = check(&page, &sources);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    assert!(read("SECURITY.md").unwrap().contains("docs/security.md"), "the way to the page");
}

#[test]
fn missing_and_unnamed_tests_are_found() {
    let page =
        |rows: &str| format!("# X\n\n## What is tested\n\n| flaw | test |\n|---|---|\n{rows}\n");
    let source = |name: &str| {
        let text = format!("#[tokio::test]\nasync fn {name}() {{\n}}\nfn cve_helper() {{}}\n");
        vec![(format!("{HOME}/a.rs"), text)]
    };
    let row = "| x | `a.rs::cve_1` |";
    assert_eq!(check(&page(row), &source("cve_1")), Vec::<String>::new());
    let gone = check(&page(row), &source("cve_2"));
    assert_eq!(
        gone,
        [
            "M1: s3api/tests/protocol/a.rs::cve_1 is no test",
            "M2: s3api/tests/protocol/a.rs::cve_2 is not on the page"
        ]
    );
    assert_eq!(check(&page(row), &[])[0], "M1: s3api/tests/protocol/a.rs::cve_1 is no test");
    assert_eq!(check(&page("| x | none |"), &[]), ["M3: no test: | x | none |"]);
    assert_eq!(check("", &[]), ["M3: the page has no table"]);
    let ours = vec![(format!("{HOME}/security_x.rs"), "#[test]\nfn plain() {}\n".to_owned())];
    assert_eq!(check(&page("| x | `a.rs::b` |"), &ours).len(), 2);
}

/// Whether a line compares something of this name by `==` or `!=`.
fn compares(line: &str, name: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_named = |word: Option<&&str>| {
        word.is_some_and(|word| {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
            word.rsplit('.').next().is_some_and(|last| last == name)
        })
    };
    words.iter().enumerate().any(|(at, word)| {
        matches!(*word, "==" | "!=")
            && (is_named(words.get(at.wrapping_sub(1))) || is_named(words.get(at + 1)))
    })
}

/// How long a comparison takes must not tell how much of a guess is right. Time is no subject of a
/// test here; that there is one way to compare, is.
#[test]
fn garage_737_secrets_are_compared_in_constant_time() {
    assert!(compares("if signature != claim.signature {", "signature"));
    assert!(compares("if self.secret_key == other {", "secret_key"));
    assert!(!compares("let signature = a == b;", "signature"));
    let mut paths = Vec::new();
    sources("s3api/src", &mut paths);
    let (mut compared, mut findings) = (0, Vec::new());
    for path in paths {
        let text = read(&path).unwrap();
        let code = text.split("\n#[cfg(test)]").next().unwrap();
        compared += code.matches(".ct_eq(").count();
        for name in ["signature", "secret_key", "secret", "token", "previous"] {
            let lines = code.lines().filter(|line| compares(line, name));
            findings.extend(lines.map(|line| format!("{path}: {}", line.trim())));
        }
    }
    assert_eq!(findings, Vec::<String>::new());
    // The signature of a head, in one place for both versions; that of a chunk or trailer; the tag
    // of a session's token. Access keys are looked up: they are no secrets.
    assert_eq!(compared, 3, "whoever compares a secret tells here why there is one more");
}
